"""Check every part of the mirror, one line each, and say what to do about faults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from device import folders
from device.button import Button
from device.cameras.base import CameraError
from device.cameras.opening import describe_cameras, open_camera
from device.cli.finding import Finding
from device.cli.language_check import check_languages
from device.cli.service_check import check_service, check_sharing
from device.collection_names import describe_collections, explain_unknown, find_collection
from device.config import Config, load
from device.current_library import open_library
from device.display.fonts import missing_scripts
from device.display.panel import ScreenError, describe_outputs, open_display
from device.gpio import GpioError
from device.lamp import Lamp
from device.sounds import open_sound_device
from device.start import select_models
from device.system.hardware import (
    MIN_FREE_BYTES,
    THROTTLE_CELSIUS,
    describe_throttling,
    read_temperature,
    read_throttle_bits,
    read_under_voltage,
    throttling_remedy,
)
from device.system.systemd import ServiceStatus, describe_device, query_service
from index.build.starter import PICTURE_COUNT, count_drawn
from index.errors import LibraryError, without_remedy
from index.library import Library
from index.manifest import REPORT_FILE
from models import files
from models.estimator.catalogue import find_in_catalogue
from models.estimator.estimator import EdgeTpuError, Estimator, list_edge_tpus
from models.estimator.model_files import ModelNotFoundError
from models.home import existing_parent, is_writable
from models.text import format_people, format_pictures

CAMERA_TIMEOUT: Final = 5.0
"""Seconds to wait for the camera's first frame: a camera needs a while to start."""

EXCLUSIVE_PARTS: Final = ("camera", "display", "button", "light")
"""Parts that only one program can open at a time."""

EDGE_TPU: Final = "Edge TPU"
"""Another such part, when the mirror estimates on it."""

IN_USE: Final = Finding("ok", "In use by the mirror that runs as a service.")

INSTEAD_OF_BUTTON: Final = "Press space or enter, click, or touch the screen instead."

Check = Callable[[Config], Finding]


def doctor(args: argparse.Namespace) -> int:
    """Print every finding; return 1 when one is bad."""
    config = load(args.config)
    print(f"configuration: {config.file or 'no file, all defaults'}")
    any_bad = False
    for name, finding in run_checks(config):
        # systemd/install.sh reads these lines: keep the columns
        print(f"{finding.state:>4}  {name:<12} {finding.sentence}", flush=True)
        any_bad |= finding.state == "bad"
    return int(any_bad)


def run_checks(config: Config) -> Iterator[tuple[str, Finding]]:
    """Yield each part's name and what its check found, in the order of `CHECKS`.

    What the running service has open is not opened a second time: it counts as `IN_USE`.
    """
    held = _parts_held_by(query_service())
    for name, check in CHECKS.items():
        yield name, IN_USE if name in held else check(config)


def _parts_held_by(service: ServiceStatus | None) -> tuple[str, ...]:
    """Return the exclusive parts that a running service has open."""
    if service is None or service.state != "active":
        return ()
    # the status that the mirror reports (`device.system.systemd`) says in these words where it estimates
    return (*EXCLUSIVE_PARTS, EDGE_TPU) if describe_device("edgetpu") in service.status_text else EXCLUSIVE_PARTS


def _check_model(config: Config) -> Finding:
    try:
        model, edgetpu_model = select_models(config)
    except (ModelNotFoundError, ValueError) as error:
        return Finding("bad", _as_sentence(error))
    if model.fault:
        return Finding("bad", f"{model.fault} The bundled model is used instead.")
    if model.note:
        return Finding("note", model.note)
    if find_in_catalogue(model.file.name) is None:
        return Finding("ok", f"{model.file} is your own: see `runtime` below.")
    edge_tpu = f", and so is {edgetpu_model.name} for the Edge TPU" if edgetpu_model else ""
    return Finding("ok", f"{model.file.name} is complete{edge_tpu}.")


def _check_runtime(config: Config) -> Finding:
    settings = config.estimator
    try:
        model = select_models(config)[0].file
    except (ModelNotFoundError, ValueError):
        return Finding("bad", "There is no model to run: see `model` above.")
    try:
        with Estimator(model, size=settings.height_width, threads=settings.threads or None) as estimator:
            height, width = estimator.size
            estimator.estimate(np.zeros((height, width, 3), np.uint8))
            return Finding("ok", f"{estimator.runtime} runs the model at {height}×{width} pixels.")
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        return Finding("bad", _as_sentence(error))


def _check_edge_tpu(config: Config) -> Finding:
    if config.estimator.device == "cpu":
        return Finding("ok", 'Not used, because the configuration says [estimator] device = "cpu".')
    edge_tpus = list_edge_tpus()
    if not edge_tpus:
        return Finding("note", "No Edge TPU is plugged in: poses are estimated on the CPU, which is slower on a Pi.")
    try:
        _, edgetpu_model = select_models(config)
        if edgetpu_model is None:
            return Finding(
                "note", "An Edge TPU is plugged in, but its model is missing: run `pose-mirror models fetch`."
            )
        with Estimator(edgetpu_model, device="edgetpu") as estimator:
            estimator.estimate(np.zeros((*estimator.size, 3), np.uint8))
        return Finding("ok", f"{edge_tpus[0]} works.")
    except (EdgeTpuError, ModelNotFoundError, ValueError) as error:
        return Finding("bad", _as_sentence(error))


def _check_camera(config: Config) -> Finding:
    settings = config.camera
    try:
        size = settings.width, settings.height
        with open_camera(settings.source, size=size, controls=settings.controls) as camera:
            height, width = camera.latest(timeout=CAMERA_TIMEOUT).image.shape[:2]
    except CameraError as error:
        return Finding("bad", " ".join([_as_sentence(error), *describe_cameras()]))
    sentence = f"{settings.source} delivers frames of {width}×{height} pixels."
    return Finding("ok", " ".join([sentence, *describe_cameras()]))


def _check_library(config: Config) -> Finding:
    folder, is_starter = folders.library_folder(config.library.folder), not config.library.folder
    if is_starter and not os.path.exists(folder):
        existing = existing_parent(folder)
        if not is_writable(existing):
            return Finding(
                "bad",
                f"The starter library cannot be drawn in {folder}, because {existing} cannot be written to: set "
                "XDG_DATA_HOME to a folder you can write to.",
            )
        return Finding("note", "The mirror draws the starter library when it starts the first time, in under a minute.")
    try:
        with open_library(folder) as library:
            people, pictures = len(library), library.manifest.pictures
            report = f" Its report is {folder / REPORT_FILE}." if REPORT_FILE in library.manifest.files else ""
            collections, unknown = describe_collections(library), _explain_unknown_collection(config, library)
            boxes = _explain_boxes(missing_scripts(set().union(*(item.credit for item in library.items()))))
    except LibraryError as error:
        if is_starter:
            problem = without_remedy(error, folder)
            return Finding("bad", f"{problem} The mirror draws it again at the next start.")
        return Finding("bad", f"{_as_sentence(error)} The mirror shows the starter library.")
    notes = [note for note in (unknown, boxes) if note]
    if is_starter and count_drawn(folder) < PICTURE_COUNT:
        sentence = (
            f"{folder} holds {format_people(people)} in {pictures:,} of {format_pictures(PICTURE_COUNT)}. The mirror "
            "draws the rest while it runs; to draw them now, run `pose-mirror index starter`."
        )
        return Finding("note", " ".join([sentence, *notes]))
    counts = f"{format_people(people)} in {format_pictures(pictures)}"
    sentence = f"{folder} holds {counts}, and its indexes are complete.{report}"
    if is_starter:
        sentence += " `pose-mirror index collect DIR` makes a library of photographs of real people."
    if collections and not unknown:  # which lists them, too
        sentence += f" Its collections are {collections}."
    return Finding("note" if notes else "ok", " ".join([sentence, *notes]))


def _explain_unknown_collection(config: Config, library: Library) -> str:
    name = config.library.collection
    is_known = not name or find_collection(name, library.collections)
    return "" if is_known else explain_unknown(name, library)


def _explain_boxes(missing: Mapping[str, str]) -> str:
    """Return a sentence about scripts without a font, from their names and packages; "" if there are none."""
    if not missing:
        return ""
    scripts, packages = ", ".join(sorted(missing)), " ".join(sorted(set(missing.values())))
    return f"Credits in {scripts} are boxes on the screen, for want of a font: run `sudo apt install {packages}`."


def _check_display(config: Config) -> Finding:
    settings = config.screen
    size = (settings.width, settings.height) if settings.width and settings.height else None
    try:
        kind = open_display(settings.display, size, output=settings.output)
    except ScreenError as error:
        return Finding("bad", _as_sentence(error))
    import pygame

    surface = pygame.display.get_surface()
    width, height = surface.get_size() if surface else (0, 0)
    driver, outputs = pygame.display.get_driver(), describe_outputs(kind)
    pygame.display.quit()
    if kind == "headless" and settings.display == "auto":
        return Finding(
            "note", "No display is plugged in, so nobody would see the mirror: plug one in, or log in to a desktop."
        )
    choice = f" Displays for [screen] output: {', '.join(outputs)}." if len(outputs) > 1 else ""
    return Finding("ok", f"{kind}, {width}×{height} pixels, driver {driver}.{choice}")


def _check_button(config: Config) -> Finding:
    if not config.button.pin:
        return Finding("ok", f"No button is configured. {INSTEAD_OF_BUTTON}")
    try:
        with Button(config.button.pin):
            return Finding("ok", f"The button on GPIO {config.button.pin} is ready.")
    except GpioError as error:
        return Finding("note", f"{_as_sentence(error)} {INSTEAD_OF_BUTTON}")


def _check_light(config: Config) -> Finding:
    if not config.button.led:
        return Finding("ok", "No light is configured at the button.")
    try:
        with Lamp(config.button.led):
            return Finding("ok", f"The light on GPIO {config.button.led} is ready.")
    except GpioError as error:
        return Finding("note", _as_sentence(error))


def _check_sound(config: Config) -> Finding:
    if not config.sound.volume:
        return Finding("ok", "Not used, because the configuration says [sound] volume = 0.")
    import pygame

    try:
        open_sound_device()
    except pygame.error as error:
        return Finding("note", f"There is no sound ({error}): plug in a loudspeaker, or set volume = 0 under [sound].")
    pygame.mixer.quit()
    return Finding("ok", "The sound device is ready.")


def _as_sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _check_disk(config: Config) -> Finding:
    folder = folders.gif_folder(config.gif.folder)
    existing = existing_parent(folder)
    if not is_writable(existing):
        return Finding(
            "bad",
            f"GIFs cannot be saved in {folder}, because {existing} cannot be written to: set `folder` under [gif] to "
            "one you can write to.",
        )
    free = files.free_bytes(existing)
    if free is None:
        return Finding("ok", f"GIFs are saved in {folder}, whose disk does not say how much is free.")
    if free < MIN_FREE_BYTES:
        return Finding(
            "bad", f"GIFs are saved in {folder}, where only {free / 1e6:.0f} MB are free: delete what you can spare."
        )
    return Finding("ok", f"GIFs are saved in {folder}, where {free / 1e9:.1f} GB are free.")


def _check_temperature(config: Config) -> Finding:
    degrees = read_temperature()
    if degrees is None:
        return Finding("ok", "This machine does not report its temperature.")
    bits = read_throttle_bits()
    problems = describe_throttling(bits if bits is not None else int(read_under_voltage() or False))
    if problems or degrees >= THROTTLE_CELSIUS:
        return Finding("bad", f"{', '.join([f'{degrees:.0f} °C', *problems])}: {throttling_remedy(problems, degrees)}.")
    return Finding("ok", f"{degrees:.0f} °C." if bits is None else f"{degrees:.0f} °C, not throttled.")


CHECKS: Final[dict[str, Check]] = {
    "model": _check_model,
    "runtime": _check_runtime,
    EDGE_TPU: _check_edge_tpu,
    "camera": _check_camera,
    "library": _check_library,
    "display": _check_display,
    "language": check_languages,
    "button": _check_button,
    "light": _check_light,
    "sound": _check_sound,
    "disk": _check_disk,
    "temperature": _check_temperature,
    "sharing": check_sharing,
    "service": check_service,
}
