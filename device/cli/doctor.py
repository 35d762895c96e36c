"""Checks each link of the chain in the order a frame takes, and says what to do about the broken ones."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from device import folders as places
from device.button import Button, ButtonError
from device.cameras.base import CameraError
from device.cameras.opening import open_camera
from device.collection import opened
from device.config import Config, load
from device.display.panel import ScreenError, open_panel
from device.start import models_of
from device.system.systemd import SERVICE, Service, estimated_on, service
from index.build.starter import COUNT, drawn
from index.library import LibraryError
from index.manifest import REPORT
from models.estimator import estimator, fetch
from models.estimator.estimator import EdgeTpuError, Estimator

State = Literal["ok", "note", "bad"]

LEAST_FREE: Final = 200_000_000
"""Bytes that a disk should have free for GIFs."""

HOT: Final = 80.0
"""°C from which a Pi slows itself down."""

THROTTLED: Final = {
    0: "under-voltage",
    1: "the frequency is capped",
    2: "it is throttled",
    3: "it is at its soft limit",
}
"""What the low bits of the firmware's `get_throttled` mean; 16 bits up, that it has happened since the start."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `ok`, a `note` that does no harm, or `bad`, with a sentence (and its remedy)."""

    state: State
    sentence: str


HELD: Final = ("camera", "display", "button")
"""What one program alone can have."""

EDGE_TPU: Final = "Edge TPU"
"""So can this, where the mirror estimates on it."""

IN_USE: Final = Finding("ok", "The mirror that runs as a service has it.")

Check = Callable[[Config], Finding]


def examine(config: Config) -> Iterator[tuple[str, Finding]]:
    """Each link's name and what was found of it, in the order a frame takes."""
    found = service()
    held = _held(found)
    for name, check in CHECKS.items():
        yield name, IN_USE if name in held else check(config)


def _held(found: Service | None) -> tuple[str, ...]:
    """What the service's mirror has, as far as it is up."""
    if found is None or found.state != "active":
        return ()
    return (*HELD, EDGE_TPU) if estimated_on("edgetpu") in found.status else HELD


def doctor(asked: argparse.Namespace) -> int:
    """Prints every finding; 1 when one is bad."""
    config = load(asked.config)
    print(f"configuration: {config.file or 'none of your own: all defaults'}")
    worst = 0
    for name, finding in examine(config):
        print(f"{finding.state:>4}  {name:<12} {finding.sentence}", flush=True)
        worst |= finding.state == "bad"
    return int(worst)


def _model(config: Config) -> Finding:
    try:
        model, twin = models_of(config)
    except (fetch.ModelMissing, ValueError) as error:
        return Finding("bad", _sentence(error))
    if model.fault:
        return Finding("bad", f"{model.fault} The program's own network is used in its stead.")
    if model.note:
        return Finding("note", model.note)
    beside = f", and {twin.name} for the Edge TPU" if twin else ""
    return Finding("ok", f"{model.file.name} is whole{beside}.")


def _runtime(config: Config) -> Finding:
    try:
        model = models_of(config)[0].file
        with Estimator(model, size=config.estimator.height_width, threads=config.estimator.threads or None) as made:
            height, width = made.size
            made.estimate(np.zeros((height, width, 3), np.uint8))
            return Finding("ok", f"{made.runtime} runs it at {height}×{width} pixels.")
    except fetch.ModelMissing:
        return Finding("bad", f"There is no model to run; {estimator.runtime()} is installed.")
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        return Finding("bad", _sentence(error))


def _edge_tpu(config: Config) -> Finding:
    attached = estimator.edge_tpus()
    if config.estimator.device == "cpu":
        return Finding("ok", 'Not asked for: [estimator] device = "cpu".')
    if not attached:
        return Finding("note", "No Edge TPU is attached: poses are estimated on the CPU, which is slower on a Pi.")
    try:
        _, twin = models_of(config)
        if twin is None:
            return Finding("note", "An Edge TPU is attached, but its model is not here: pose-mirror models fetch.")
        with Estimator(twin, device="edgetpu") as made:
            made.estimate(np.zeros((*made.size, 3), np.uint8))
        return Finding("ok", f"{attached[0]} answers.")
    except EdgeTpuError as error:
        return Finding("bad", _sentence(error))
    except (fetch.ModelMissing, ValueError) as error:
        return Finding("bad", _sentence(error))


def _camera(config: Config) -> Finding:
    asked = config.camera
    try:
        with open_camera(asked.source, size=(asked.width, asked.height)) as camera:
            height, width = camera.latest(timeout=5.0).image.shape[:2]
    except CameraError as error:
        return Finding("bad", _sentence(error))
    return Finding("ok", f"{asked.source} gives pictures of {width}×{height}.")


def _library(config: Config) -> Finding:
    folder, ours = places.library(config.library.folder), not config.library.folder
    if ours and not folder.exists():
        return Finding("note", "The starter library is drawn at the first start, in less than a minute.")
    try:
        with opened(folder) as library:
            count = library.manifest.pictures
            holds = f"{folder} holds {len(library):,} people in {count:,} picture{'s' * (count != 1)}"
            report = f" Its report: {folder / REPORT}." if REPORT in library.manifest.files else ""
    except LibraryError as error:
        instead = "It is drawn anew at the next start." if ours else "The starter library is shown in its stead."
        return Finding("bad", f"{_sentence(error)} {instead}")
    if ours and drawn(folder) < COUNT:
        return Finding("note", f"{holds}; the mirror draws the others while it runs, `pose-mirror index starter` now.")
    return Finding("ok", f"{holds}, every index whole.{report}")


def _display(config: Config) -> Finding:
    wanted = config.screen
    size = (wanted.width, wanted.height) if wanted.width and wanted.height else None
    try:
        kind = open_panel(wanted.display, size)
    except ScreenError as error:
        return Finding("bad", _sentence(error))
    import pygame

    surface = pygame.display.get_surface()
    width, height = surface.get_size() if surface else (0, 0)
    driver = pygame.display.get_driver()
    pygame.display.quit()
    if kind == "headless" and wanted.display == "auto":
        return Finding("note", "There is no display: the mirror would run unseen. Plug one in, or log in on a desktop.")
    return Finding("ok", f"{kind}, {width}×{height} by {driver}.")


def _button(config: Config) -> Finding:
    if not config.button.pin:
        return Finding("ok", "None is asked for; space, enter, a click or a touch press it.")
    try:
        with Button(config.button.pin):
            return Finding("ok", f"GPIO {config.button.pin} is read.")
    except ButtonError as error:
        return Finding("note", f"{_sentence(error)} Space, enter, a click or a touch still press it.")


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _disk(config: Config) -> Finding:
    folder = places.gifs(config.gif.folder)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("bad", f"GIFs cannot be saved in {folder}: {there} cannot be written to; set [gif] folder.")
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE:
        return Finding("bad", f"GIFs go to {folder}, where only {free / 1e6:.0f} MB are free: make room.")
    return Finding("ok", f"GIFs go to {folder}, where {free / 1e9:.1f} GB are free.")


def _heat(config: Config, *, zone: Path = Path("/sys/class/thermal/thermal_zone0/temp")) -> Finding:
    if not zone.is_file():
        return Finding("ok", "This machine does not say how warm it is.")
    degrees = int(zone.read_text()) / 1000
    happened = throttling(_firmware())
    if happened or degrees >= HOT:
        return Finding(
            "bad", f"{degrees:.0f} °C{''.join(f'; {what}' for what in happened)}: cool it, and use its own supply."
        )
    return Finding("ok", f"{degrees:.0f} °C, and not throttled.")


def throttling(bits: int) -> list[str]:
    """What the Pi's firmware says of its power and heat, in words; of what is and of what has been since the start."""
    now = [text for bit, text in THROTTLED.items() if bits >> bit & 1]
    been = [f"{text} (earlier)" for bit, text in THROTTLED.items() if bits >> (bit + 16) & 1 and not bits >> bit & 1]
    return now + been


def _firmware() -> int:
    """The bits of `vcgencmd get_throttled`; 0 where there is no such firmware."""
    try:
        told = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        return int(told.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _service(config: Config) -> Finding:
    found = service()
    if found is None:
        return Finding("ok", "Not installed: the mirror is started by hand. (`sudo systemd/install.sh` makes a kiosk.)")
    if found.state == "inactive":
        return Finding("note", f"It is stopped: sudo systemctl start {SERVICE}.")
    if found.state != "active":
        return Finding("bad", f"It does not come up ({found.state}): journalctl -u {SERVICE} -b says why.")
    if found.restarts:
        times = "once" if found.restarts == 1 else f"{found.restarts} times"
        return Finding("note", f"It had to be started again {times} (journalctl -u {SERVICE} -b). {found.status}")
    return Finding("ok", f"It is up. {found.status}".strip())


CHECKS: Final[dict[str, Check]] = {
    "model": _model,
    "runtime": _runtime,
    EDGE_TPU: _edge_tpu,
    "camera": _camera,
    "library": _library,
    "display": _display,
    "button": _button,
    "disk": _disk,
    "temperature": _heat,
    "service": _service,
}
