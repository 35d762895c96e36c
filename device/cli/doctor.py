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
from device.collection import open_library
from device.config import Config, load
from device.display.panel import ScreenError, open_display
from device.start import select_models
from device.system.systemd import SERVICE_NAME, ServiceStatus, describe_device, query_service
from index.build.starter import PICTURE_COUNT, count_drawn
from index.errors import LibraryError
from index.manifest import REPORT_FILE
from models.estimator import estimator, fetch
from models.estimator.estimator import EdgeTpuError, Estimator

State = Literal["ok", "note", "bad"]

MIN_FREE_BYTES: Final = 200_000_000
"""Bytes that a disk should have free for GIFs."""

THROTTLE_CELSIUS: Final = 80.0
"""°C from which a Pi slows itself down."""

THROTTLE_FLAGS: Final = {
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


EXCLUSIVE_DEVICES: Final = ("camera", "display", "button")
"""What one program alone can have."""

EDGE_TPU: Final = "Edge TPU"
"""So can this, where the mirror estimates on it."""

IN_USE: Final = Finding("ok", "The mirror that runs as a service has it.")

Check = Callable[[Config], Finding]


def run_checks(config: Config) -> Iterator[tuple[str, Finding]]:
    """Each link's name and what was found of it, in the order a frame takes."""
    found = query_service()
    held = _held_by_service(found)
    for name, check in CHECKS.items():
        yield name, IN_USE if name in held else check(config)


def _held_by_service(found: ServiceStatus | None) -> tuple[str, ...]:
    """What the service's mirror has, as far as it is up."""
    if found is None or found.state != "active":
        return ()
    return (*EXCLUSIVE_DEVICES, EDGE_TPU) if describe_device("edgetpu") in found.status_text else EXCLUSIVE_DEVICES


def doctor(args: argparse.Namespace) -> int:
    """Prints every finding; 1 when one is bad."""
    config = load(args.config)
    print(f"configuration: {config.file or 'none of your own: all defaults'}")
    worst = 0
    for name, finding in run_checks(config):
        print(f"{finding.state:>4}  {name:<12} {finding.sentence}", flush=True)
        worst |= finding.state == "bad"
    return int(worst)


def _check_model(config: Config) -> Finding:
    try:
        model, twin = select_models(config)
    except (fetch.ModelNotFoundError, ValueError) as error:
        return Finding("bad", _as_sentence(error))
    if model.fault:
        return Finding("bad", f"{model.fault} The program's own network is used in its stead.")
    if model.note:
        return Finding("note", model.note)
    beside = f", and {twin.name} for the Edge TPU" if twin else ""
    return Finding("ok", f"{model.file.name} is whole{beside}.")


def _check_runtime(config: Config) -> Finding:
    try:
        model = select_models(config)[0].file
        with Estimator(model, size=config.estimator.height_width, threads=config.estimator.threads or None) as made:
            height, width = made.size
            made.estimate(np.zeros((height, width, 3), np.uint8))
            return Finding("ok", f"{made.runtime} runs it at {height}×{width} pixels.")
    except fetch.ModelNotFoundError:
        return Finding("bad", f"There is no model to run; {estimator.runtime()} is installed.")
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        return Finding("bad", _as_sentence(error))


def _check_edge_tpu(config: Config) -> Finding:
    attached = estimator.list_edge_tpus()
    if config.estimator.device == "cpu":
        return Finding("ok", 'Not asked for: [estimator] device = "cpu".')
    if not attached:
        return Finding("note", "No Edge TPU is attached: poses are estimated on the CPU, which is slower on a Pi.")
    try:
        _, twin = select_models(config)
        if twin is None:
            return Finding("note", "An Edge TPU is attached, but its model is not here: pose-mirror models fetch.")
        with Estimator(twin, device="edgetpu") as made:
            made.estimate(np.zeros((*made.size, 3), np.uint8))
        return Finding("ok", f"{attached[0]} answers.")
    except EdgeTpuError as error:
        return Finding("bad", _as_sentence(error))
    except (fetch.ModelNotFoundError, ValueError) as error:
        return Finding("bad", _as_sentence(error))


def _check_camera(config: Config) -> Finding:
    asked = config.camera
    try:
        with open_camera(asked.source, size=(asked.width, asked.height)) as camera:
            height, width = camera.latest(timeout=5.0).image.shape[:2]
    except CameraError as error:
        return Finding("bad", _as_sentence(error))
    return Finding("ok", f"{asked.source} gives pictures of {width}×{height}.")


def _check_library(config: Config) -> Finding:
    folder, ours = places.library_folder(config.library.folder), not config.library.folder
    if ours and not folder.exists():
        return Finding("note", "The starter library is drawn at the first start, in less than a minute.")
    try:
        with open_library(folder) as library:
            count = library.manifest.pictures
            holds = f"{folder} holds {len(library):,} people in {count:,} picture{'s' * (count != 1)}"
            report = f" Its report: {folder / REPORT_FILE}." if REPORT_FILE in library.manifest.files else ""
    except LibraryError as error:
        instead = "It is drawn anew at the next start." if ours else "The starter library is shown in its stead."
        return Finding("bad", f"{_as_sentence(error)} {instead}")
    if ours and count_drawn(folder) < PICTURE_COUNT:
        return Finding("note", f"{holds}; the mirror draws the others while it runs, `pose-mirror index starter` now.")
    return Finding("ok", f"{holds}, every index whole.{report}")


def _check_display(config: Config) -> Finding:
    wanted = config.screen
    size = (wanted.width, wanted.height) if wanted.width and wanted.height else None
    try:
        kind = open_display(wanted.display, size)
    except ScreenError as error:
        return Finding("bad", _as_sentence(error))
    import pygame

    surface = pygame.display.get_surface()
    width, height = surface.get_size() if surface else (0, 0)
    driver = pygame.display.get_driver()
    pygame.display.quit()
    if kind == "headless" and wanted.display == "auto":
        return Finding("note", "There is no display: the mirror would run unseen. Plug one in, or log in on a desktop.")
    return Finding("ok", f"{kind}, {width}×{height} by {driver}.")


def _check_button(config: Config) -> Finding:
    if not config.button.pin:
        return Finding("ok", "None is asked for; space, enter, a click or a touch press it.")
    try:
        with Button(config.button.pin):
            return Finding("ok", f"GPIO {config.button.pin} is read.")
    except ButtonError as error:
        return Finding("note", f"{_as_sentence(error)} Space, enter, a click or a touch still press it.")


def _as_sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _check_disk(config: Config) -> Finding:
    folder = places.gif_folder(config.gif.folder)
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding("bad", f"GIFs cannot be saved in {folder}: {there} cannot be written to; set [gif] folder.")
    free = shutil.disk_usage(there).free
    if free < MIN_FREE_BYTES:
        return Finding("bad", f"GIFs go to {folder}, where only {free / 1e6:.0f} MB are free: make room.")
    return Finding("ok", f"GIFs go to {folder}, where {free / 1e9:.1f} GB are free.")


def _check_temperature(config: Config, *, zone: Path = Path("/sys/class/thermal/thermal_zone0/temp")) -> Finding:
    if not zone.is_file():
        return Finding("ok", "This machine does not say how warm it is.")
    degrees = int(zone.read_text()) / 1000
    happened = describe_throttling(_read_throttle_bits())
    if happened or degrees >= THROTTLE_CELSIUS:
        return Finding(
            "bad", f"{degrees:.0f} °C{''.join(f'; {what}' for what in happened)}: cool it, and use its own supply."
        )
    return Finding("ok", f"{degrees:.0f} °C, and not throttled.")


def describe_throttling(bits: int) -> list[str]:
    """What the Pi's firmware says of its power and heat, in words; of what is and of what has been since the start."""
    now = [text for bit, text in THROTTLE_FLAGS.items() if bits >> bit & 1]
    been = [
        f"{text} (earlier)" for bit, text in THROTTLE_FLAGS.items() if bits >> (bit + 16) & 1 and not bits >> bit & 1
    ]
    return now + been


def _read_throttle_bits() -> int:
    """The bits of `vcgencmd get_throttled`; 0 where there is no such firmware."""
    try:
        told = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        return int(told.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _check_service(config: Config) -> Finding:
    found = query_service()
    if found is None:
        return Finding("ok", "Not installed: the mirror is started by hand. (`sudo systemd/install.sh` makes a kiosk.)")
    if found.state == "inactive":
        return Finding("note", f"It is stopped: sudo systemctl start {SERVICE_NAME}.")
    if found.state != "active":
        return Finding("bad", f"It does not come up ({found.state}): journalctl -u {SERVICE_NAME} -b says why.")
    if found.restarts:
        times = "once" if found.restarts == 1 else f"{found.restarts} times"
        return Finding(
            "note", f"It had to be started again {times} (journalctl -u {SERVICE_NAME} -b). {found.status_text}"
        )
    return Finding("ok", f"It is up. {found.status_text}".strip())


CHECKS: Final[dict[str, Check]] = {
    "model": _check_model,
    "runtime": _check_runtime,
    EDGE_TPU: _check_edge_tpu,
    "camera": _check_camera,
    "library": _check_library,
    "display": _check_display,
    "button": _check_button,
    "disk": _check_disk,
    "temperature": _check_temperature,
    "service": _check_service,
}
