"""The mirror in a machine, as whoever keeps it sees it: its service, its folders, and its display from outside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import pygame
from machine import HEIGHT, WIDTH, Machine
from numpy.typing import NDArray
from PIL import Image as Picture

from device import draw
from device.scene import Scene
from index.agreement import agreement
from models.estimator import Estimator
from models.pose import Pose

Screen = NDArray[np.uint8]
"""What a display shows: height×width×3, RGB."""

GIFS: Final = "/var/lib/pose-mirror/gifs"
CONFIG: Final = "/etc/pose-mirror.toml"

STARTING: Final = 300.0
"""Seconds from the machine's start in which its mirror must be up. Without KVM all takes some times as long as on a Pi,
so that no time here is one to tell visitors."""

ALIKE: Final = 0.6
"""How well letters must be found on a screen to be there; elsewhere it is below 0.4."""

PICTURES: Final = Path(os.environ.get("POSE_MIRROR_BOOT_PICTURES", Path(__file__).parents[2] / "build" / "boot"))
"""Where what the display showed is kept, to be looked at."""


Settings = dict[str, dict[str, str | int | float]]
"""A configuration: sections, keys, values."""

QUICK: Final[Settings] = {
    "screen": {"display": "kiosk", "fps": 8},
    "estimator": {"size": "193x257"},
    "gif": {"folder": GIFS, "countdown": 1, "seconds": 1.0, "pixels": 160},
}
"""What spares a machine without KVM."""


class Kiosk:
    """A machine's mirror. `name` begins the names of its pictures."""

    def __init__(self, machine: Machine, name: str) -> None:
        self.machine, self.name = machine, name

    def told(self, name: str) -> str:
        """What systemd knows of the service: ActiveState, StatusText, NRestarts, MainPID …"""
        return self.machine.shell(f"systemctl show --value --property {name} pose-mirror").strip()

    @property
    def status(self) -> str:
        return self.told("StatusText")

    @property
    def pid(self) -> int:
        return int(self.told("MainPID"))

    def wait_up(self, seconds: float = STARTING) -> float:
        """Waits until it is READY; for how many seconds it did."""
        return self.machine.wait_for(lambda: self.told("ActiveState") == "active", seconds, "the mirror is up")

    def wait_for_status(self, part: str, seconds: float) -> float:
        """Waits until the mirror says something of itself."""
        return self.machine.wait_for(lambda: part in self.status, seconds, f"the mirror says {part!r}")

    def configure(self, settings: Settings) -> None:
        """Another configuration, and the mirror started again with it."""
        sections = (
            "\n".join([f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())])
            for section, keys in settings.items()
        )
        self.machine.write(CONFIG, "\n".join(sections))  # numbers and texts are written alike in JSON and TOML
        self.machine.shell("systemctl restart pose-mirror", STARTING)

    def gifs(self) -> list[str]:
        """The names of the GIFs, and of whatever else lies beside them."""
        return self.machine.shell(f"ls -A {GIFS}").split()

    def wait_for_gif(self, before: list[str], seconds: float) -> bytes:
        """The GIF that is there and was not before."""
        self.machine.wait_for(
            lambda: any(name.endswith(".gif") for name in set(self.gifs()) - set(before)), seconds, "there is a new GIF"
        )
        (new,) = set(self.gifs()) - set(before)
        return self.machine.read(f"{GIFS}/{new}")

    def screen(self, name: str = "") -> Screen:
        """What the display shows, kept as a picture where it has a name."""
        shown = self.machine.screendump()
        if name:
            PICTURES.mkdir(parents=True, exist_ok=True)
            Picture.fromarray(shown).save(PICTURES / f"{self.name}-{name}.png")
        return shown

    def wait_for_fault(self, part: str, seconds: float, name: str) -> str:
        """Waits until the mirror says of a fault, the only one, and the display does; the sentence."""
        self.wait_for_status(part, seconds)
        sentence = self.status.rpartition("estimated on the CPU. ")[2]
        self.wait_for_words(sentence, seconds, name)
        return sentence

    def wait_for_words(self, sentence: str, seconds: float, name: str) -> float:
        """Waits until the display says something."""

        def said() -> bool:
            return likeness(self.screen(name), sentence) > ALIKE

        return self.machine.wait_for(said, seconds, f"the display says {sentence!r}")


def likeness(screen: Screen, sentence: str) -> float:
    """How well the letters of a sentence, as the mirror writes it, are found on a screen: 1 is exactly."""
    pygame.font.init()
    (card,) = Scene()._draw_cards((sentence,), draw.FAULT, (WIDTH, HEIGHT))
    letters = _letters(pygame.surfarray.array3d(card).swapaxes(0, 1))
    rows, columns = np.nonzero(letters)
    wanted = letters[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    found = cv2.matchTemplate(_letters(screen), wanted, cv2.TM_CCOEFF_NORMED)
    return float(found.max())


def _letters(picture: Screen) -> NDArray[np.uint8]:
    """What is nearly white: the letters, and little else."""
    return np.where(picture.min(-1) > 170, np.uint8(255), np.uint8(0))


def console(screen: Screen) -> bool:
    """Whether a screen has text of the console's: light grey on black, and nothing in between."""
    flat = screen.reshape(-1, 3)
    return bool((flat.max(-1) < 8).mean() > 0.9)


def answer(screen: Screen, estimator: Estimator, visitor: Pose) -> float:
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
