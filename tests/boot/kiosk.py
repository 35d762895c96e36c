"""The mirror in a machine, as whoever keeps it sees it: its service, its folders, and its display from outside."""

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

from device.display import draw
from device.display.scene import Scene
from index.agreement import agreement
from models.estimator.estimator import Estimator
from models.pose import Pose
from tests.boot.machine import HEIGHT, POLL_SECONDS, WIDTH, Machine

Screen = NDArray[np.uint8]
"""What a display shows: height×width×3, RGB."""

STATE_FOLDER: Final = "/var/lib/pose-mirror"
GIF_FOLDER: Final = f"{STATE_FOLDER}/gifs"
CONFIG_FILE: Final = "/etc/pose-mirror.toml"

SAVED_PREFIX: Final = f"saved {GIF_FOLDER}/"
"""How the journal's line begins that announces a GIF, which goes on with its name and a colon."""

START_SECONDS: Final = 300.0
"""Seconds from the machine's start in which its mirror must be up. Without KVM all takes some times as long as on a Pi,
so that no time here is one to tell visitors."""

PRESS_AGAIN_AFTER: Final = 40.0
"""Seconds after which the button is pressed again: there is no GIF while nobody is followed, or where the one before is
still being made."""

HEALTHY_STATUS: Final = "estimated on the CPU."
"""How a status ends that tells of no fault."""

MIN_LIKENESS: Final = 0.6
"""How well letters must be found on a screen to be there; elsewhere it is below 0.4."""

PICTURE_FOLDER: Final = Path(os.environ.get("POSE_MIRROR_BOOT_PICTURES", Path(__file__).parents[2] / "build" / "boot"))
"""Where what the display showed is kept, to be looked at."""


Settings = dict[str, dict[str, str | int | float]]
"""A configuration: sections, keys, values."""

QUICK_SETTINGS: Final[Settings] = {
    "screen": {"display": "kiosk", "fps": 2},
    "estimator": {"size": "129x161"},
    "gif": {"folder": GIF_FOLDER, "countdown": 1, "seconds": 2.0, "pixels": 160},
}
"""What spares a machine without KVM, where one drawing of the display takes a third of a second, and one estimate as
long."""


class Kiosk:
    """A machine's mirror. `name` begins the names of its pictures."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name

    def unit_property(self, name: str) -> str:
        """What systemd knows of the service: ActiveState, StatusText, NRestarts, MainPID …"""
        return self.machine.check_output(f"systemctl show --value --property {name} pose-mirror").strip()

    @property
    def status(self) -> str:
        return self.unit_property("StatusText")

    @property
    def pid(self) -> int:
        return int(self.unit_property("MainPID"))

    def wait_until_up(self, seconds: float = START_SECONDS) -> float:
        """Waits until it is READY; for how many seconds it did."""
        return self.machine.wait_for(lambda: self.unit_property("ActiveState") == "active", seconds, "the mirror is up")

    def wait_for_status(self, part: str, seconds: float) -> float:
        """Waits until the mirror says something of itself."""
        return self.machine.wait_for(lambda: part in self.status, seconds, f"the mirror says {part!r}")

    def wait_until_well(self, seconds: float = 180.0) -> None:
        """Waits until the mirror says anew how it does, and of no fault: what it said before may be long over."""
        before = self.status

        def said() -> bool:
            now = self.status
            return now != before and now.endswith(HEALTHY_STATUS)

        self.machine.wait_for(said, seconds, "the mirror says that it does well")

    def configure(self, settings: Settings) -> None:
        """Another configuration, and the mirror started again with it."""
        sections = (
            "\n".join([f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
            for section, keys in settings.items()
        )
        self.machine.write(CONFIG_FILE, "\n".join(sections))  # numbers and texts are written alike in JSON and TOML
        self.machine.run(
            "systemctl restart pose-mirror", START_SECONDS
        )  # where the first try fails systemd tries again
        self.wait_until_up()

    def journal_lines(self, words: str) -> list[str]:
        """What the mirror said since the machine was started: the lines that have these words."""
        journal = "journalctl -b -u pose-mirror --no-pager -o cat"
        return self.machine.run(f"{journal} | grep -F -- {shlex.quote(words)}").stdout.splitlines()

    def gif_names(self) -> list[str]:
        """The names of the GIFs, and of whatever else lies beside them."""
        return self.machine.check_output(f"ls -A {GIF_FOLDER}").split()

    def announced_gifs(self) -> list[str]:
        """The names of the GIFs of which the mirror said, since the machine was started, that they are saved."""
        return [line.removeprefix(SAVED_PREFIX).partition(":")[0] for line in self.journal_lines(SAVED_PREFIX)]

    def make_gif(self, press: Callable[[], object], seconds: float = 240.0) -> bytes:
        """Presses until there is a GIF, and the button is free again."""
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
        """Presses, and every AGAIN seconds again, until something holds; how often."""
        presses, due = 0, time.monotonic()

        def held() -> bool:
            nonlocal presses, due
            if holds():
                return True
            if time.monotonic() >= due:
                press()
                presses, due = presses + 1, time.monotonic() + PRESS_AGAIN_AFTER
            return False

        self.machine.wait_for(held, seconds, what, pause)
        return presses

    def screenshot(self, name: str = "") -> Screen:
        """What the display shows, kept as a picture where it has a name."""
        shown = self.machine.screendump()
        if name:
            PICTURE_FOLDER.mkdir(parents=True, exist_ok=True)
            Picture.fromarray(shown).save(PICTURE_FOLDER / f"{self.name}-{name}.png")
        return shown

    def wait_for_fault(self, part: str, seconds: float, name: str) -> str:
        """Waits until the mirror says of a fault, the only one, and the display does; the sentence."""
        self.wait_for_status(part, seconds)
        sentence = self.status.rpartition(f"{HEALTHY_STATUS} ")[2]
        self.wait_for_words(sentence, seconds, name)
        return sentence

    def wait_for_words(self, sentence: str, seconds: float, name: str) -> float:
        """Waits until the display says something."""

        def said() -> bool:
            return likeness(self.screenshot(name), sentence) > MIN_LIKENESS

        return self.machine.wait_for(said, seconds, f"the display says {sentence!r}")


def likeness(screen: Screen, sentence: str) -> float:
    """How well the letters of a sentence, as the mirror writes it, are found on a screen: 1 is exactly."""
    pygame.font.init()
    (card,) = Scene()._render_cards((sentence,), draw.FAULT_COLOUR, (WIDTH, HEIGHT))
    letters = _white_mask(pygame.surfarray.array3d(card).swapaxes(0, 1))
    rows, columns = np.nonzero(letters)
    wanted = letters[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    found = cv2.matchTemplate(_white_mask(screen), wanted, cv2.TM_CCOEFF_NORMED)
    return float(found.max())


def _white_mask(picture: Screen) -> NDArray[np.uint8]:
    """What is nearly white: the letters, and little else."""
    return np.where(picture.min(-1) > 170, np.uint8(255), np.uint8(0))


def console_text(machine: Machine) -> str:
    """What stands on the console, in one line."""
    return " ".join(machine.read("/dev/vcs1").decode("ascii", "replace").split())


def shows_console(screen: Screen) -> bool:
    """Whether a screen has text of the console's: light grey on black, and nothing in between."""
    flat = screen.reshape(-1, 3)
    return bool((flat.max(-1) < 8).mean() > 0.9)


def answer_agreement(screen: Screen, estimator: Estimator, visitor: Pose) -> float:
    """How well somebody on the screen, without the visitor's inset, agrees with the visitor's pose."""
    without = screen.copy()
    without[HEIGHT * 3 // 5 :, : WIDTH * 2 // 5] = without[HEIGHT * 3 // 5 :, WIDTH * 2 // 5 : WIDTH * 4 // 5]
    found = estimator.estimate(without)
    return max(
        (
            float(agreement(visitor.xy, visitor.scores, pose.xy[None], pose.scores[None] > 0.1)[0])
            for pose in found
            if pose.score > 0.15
        ),
        default=0.0,
    )
