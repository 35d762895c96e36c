"""The mirror in a machine as its keeper sees it: the service, its folders, and the display from outside."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pygame
from numpy.typing import NDArray
from PIL import Image as Picture

from device.display import style
from device.display.lettering import TextRenderer
from device.display.panes import arrange
from device.language.message import Message
from device.language.translate import Language
from index.likeness import likeness
from models.estimator.estimator import Estimator
from models.pose import Pose
from tests.boot.machine import HEIGHT, POLL_SECONDS, WIDTH, Machine
from tests.support.paths import ROOT

Screen = NDArray[np.uint8]
"""What a display shows: height×width×3, RGB."""

STATE_FOLDER: Final = "/var/lib/pose-mirror"
GIF_FOLDER: Final = f"{STATE_FOLDER}/gifs"
CONFIG_FILE: Final = "/etc/pose-mirror.toml"

SAVED_PREFIX: Final = f"saved {GIF_FOLDER}/"
"""The start of the journal's line that announces a GIF; the GIF's name and a colon follow."""

START_SECONDS: Final = 300.0
"""Seconds from the machine's start until its mirror must be up. Without KVM everything takes several times as long as
on a Pi, so no time measured here says anything about a Pi."""

PRESS_AGAIN_AFTER: Final = 40.0
"""Seconds until the button is pressed again. A press makes no GIF while no visitor is followed, or while the last GIF
is being made."""

HEALTHY_STATUS: Final = "estimated on the CPU."
"""The end of a status that reports no fault."""

MIN_TEXT_MATCH: Final = 0.6
"""The match from which a sentence counts as shown; without it the match is below 0.4."""

PICTURE_FOLDER: Final = Path(os.environ.get("POSE_MIRROR_BOOT_PICTURES", ROOT / "build" / "boot"))
"""Where screenshots are kept for people to look at."""


Settings = dict[str, dict[str, str | int | float]]
"""A configuration: sections with keys and values."""

QUICK_SETTINGS: Final[Settings] = {
    "screen": {"display": "kiosk", "fps": 2},
    "estimator": {"size": "129x161"},
    "gif": {"folder": GIF_FOLDER, "countdown": 1, "seconds": 2.0, "pixels": 160},
}
"""Settings for a machine without KVM, where drawing the display takes a third of a second, and estimating poses as
long."""


class Kiosk:
    """The mirror of a machine. The names of its screenshots begin with `name`."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name

    def unit_property(self, name: str) -> str:
        """Return a property of the service: ActiveState, StatusText, NRestarts, MainPID …"""
        return self.machine.check_output(f"systemctl show --value --property {name} pose-mirror").strip()

    @property
    def status(self) -> str:
        """The status that the mirror reports to systemd."""
        return self.unit_property("StatusText")

    @property
    def pid(self) -> int:
        """The process ID of the mirror."""
        return int(self.unit_property("MainPID"))

    def wait_until_up(self, seconds: float = START_SECONDS) -> float:
        """Wait until the mirror is READY; return the seconds it took."""
        return self.machine.wait_for(lambda: self.unit_property("ActiveState") == "active", seconds, "the mirror is up")

    def wait_for_status(self, part: str, seconds: float) -> float:
        """Wait until the status contains a text; return the seconds it took."""
        return self.machine.wait_for(lambda: part in self.status, seconds, f"the status contains {part!r}")

    def wait_until_well(self, seconds: float = 180.0) -> None:
        """Wait for a new status without a fault. The status before may be out of date."""
        before = self.status

        def is_healthy() -> bool:
            status = self.status
            return status != before and status.endswith(HEALTHY_STATUS)

        self.machine.wait_for(is_healthy, seconds, "the mirror reports a healthy status")

    def configure(self, settings: Settings) -> None:
        """Write a configuration and restart the mirror with it."""
        sections = (
            "\n".join([f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
            for section, keys in settings.items()
        )
        self.machine.write(CONFIG_FILE, "\n".join(sections))  # JSON and TOML write numbers and strings alike
        self.machine.run("systemctl restart pose-mirror", START_SECONDS)  # if it fails, systemd tries again
        self.wait_until_up()

    def journal_lines(self, words: str) -> list[str]:
        """Return the mirror's journal lines since the machine was started that contain some words."""
        journal = "journalctl -b -u pose-mirror --no-pager -o cat"
        return self.machine.run(f"{journal} | grep -F -- {shlex.quote(words)}").stdout.splitlines()

    def gif_names(self) -> list[str]:
        """Return the names of everything in the folder of GIFs."""
        return self.machine.check_output(f"ls -A {GIF_FOLDER}").split()

    def announced_gifs(self) -> list[str]:
        """Return the names of the GIFs that the mirror announced as saved since the machine was started."""
        return [line.removeprefix(SAVED_PREFIX).partition(":")[0] for line in self.journal_lines(SAVED_PREFIX)]

    def make_gif(self, press: Callable[[], object], seconds: float = 240.0) -> bytes:
        """Press until there is a new GIF, and return its bytes."""
        before = set(self.announced_gifs())
        presses = self.press_until(
            press, lambda: not before.issuperset(self.announced_gifs()), seconds, "there is a new GIF"
        )
        new = sorted(set(self.announced_gifs()) - before)[0]
        print(f"\n{new}: {presses} presses")
        return self.machine.read(f"{GIF_FOLDER}/{new}")

    def press_until(
        self,
        press: Callable[[], object],
        holds: Callable[[], bool],
        seconds: float,
        what: str,
        pause: float = POLL_SECONDS,
    ) -> int:
        """Press now and every `PRESS_AGAIN_AFTER` seconds until a condition holds; return the number of presses."""
        presses, due = 0, time.monotonic()

        def press_if_due() -> bool:
            nonlocal presses, due
            if holds():
                return True
            if time.monotonic() >= due:
                press()
                presses, due = presses + 1, time.monotonic() + PRESS_AGAIN_AFTER
            return False

        self.machine.wait_for(press_if_due, seconds, what, pause)
        return presses

    def screenshot(self, name: str = "") -> Screen:
        """Return what the display shows; with a name, also keep it as a picture."""
        screen = self.machine.screendump()
        if name:
            PICTURE_FOLDER.mkdir(parents=True, exist_ok=True)
            Picture.fromarray(screen).save(PICTURE_FOLDER / f"{self.name}-{name}.png")
        return screen

    def wait_for_fault(self, part: str, seconds: float, name: str) -> str:
        """Wait until the status tells a fault, the only one, and the display has the owner's mark; return its sentence.

        The sentence is for makers, so the display does not show it.
        """
        self.wait_for_status(part, seconds)
        sentence = self.status.rpartition(f"{HEALTHY_STATUS} ")[2]
        self.machine.wait_for(lambda: has_owners_mark(self.screenshot(name)), seconds, "the owner's mark is shown")
        return sentence

    def wait_for_words(self, said: Message, size: float, seconds: float, name: str) -> float:
        """Wait until the display shows a message in letters of a size of `device.display.style`; return the seconds."""

        def is_shown() -> bool:
            return text_match(self.screenshot(name), said, size) > MIN_TEXT_MATCH

        return self.machine.wait_for(is_shown, seconds, f"the display shows {said.text!r}")


def text_match(screen: Screen, said: Message, size: float) -> float:
    """How well a message, drawn as the mirror draws it, matches a place on a screen: 1 is an exact match."""
    pygame.font.init()
    words = TextRenderer().render_line(Language().say(said), style.text_size(min(WIDTH, HEIGHT), size))
    letters = _white_mask(pygame.surfarray.array_alpha(words).swapaxes(0, 1)[..., None])
    rows, columns = np.nonzero(letters)
    template = letters[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    match = cv2.matchTemplate(_white_mask(screen), template, cv2.TM_CCOEFF_NORMED)
    return float(match.max())


def has_owners_mark(screen: Screen) -> bool:
    """Whether the amber dot is in the upper right corner."""
    corner = screen[: HEIGHT // 16, -HEIGHT // 16 :].astype(int)
    return bool((np.abs(corner - style.AMBER) < 30).all(-1).sum() > 8)


def _white_mask(picture: Screen) -> NDArray[np.uint8]:
    """A mask of nearly white pixels: the letters, and little else."""
    return np.where(picture.min(-1) > 170, np.uint8(255), np.uint8(0))


def console_text(machine: Machine) -> str:
    """Return the text on the console, as one line."""
    return " ".join(machine.read("/dev/vcs1").decode("ascii", "replace").split())


def shows_console(screen: Screen) -> bool:
    """Whether a screen shows the console: light grey text on black, and little else."""
    flat = screen.reshape(-1, 3)
    return bool((flat.max(-1) < 8).mean() > 0.9)


def answer_likeness(screen: Screen, estimator: Estimator, visitor: Pose) -> float:
    """The greatest likeness to the visitor of anybody in the answer's pane."""
    pane = arrange((WIDTH, HEIGHT), "side").answers[0]
    answer = np.ascontiguousarray(screen[pane.top : pane.bottom, pane.left : pane.right])
    people = estimator.estimate(answer)
    return max(
        (
            float(likeness(visitor.xy, visitor.visibility, pose.xy[None], pose.scores[None] > 0.1)[0])
            for pose in people
            if pose.score > 0.15
        ),
        default=0.0,
    )
