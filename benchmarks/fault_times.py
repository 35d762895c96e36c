"""Print the figures of docs/explanation/faults.md that `soak.py` does not: cameras, the estimator, SIGTERM.

.venv/bin/python -m benchmarks.fault_times        (three minutes; the cameras are those of the tests)
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import pytest

import tests.support.failing_estimators as failing
from device.cameras import v4l2
from device.cameras.base import CameraError
from device.cameras.watch import ReconnectingCamera
from index.build.starter import ensure_starter_library
from models.estimator.watched import EstimatorOptions, EstimatorProcess, EstimatorUnavailable
from tests.support.stand_ins import CameraHardware, FakeCapture, fake_ioctl, pack_capability

FAULT_SECONDS = 5.0
"""Seconds for which a camera's fault lasts."""

TERMINATIONS = 40
"""Mirrors that are ended."""


def main() -> None:
    print("| fault | said after | back after |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as place:
        for name, change in (("unplugged", _unplug), ("silent", _silence)):
            with usb_camera(Path(place)) as (camera, hardware, path):
                measure_camera_fault(
                    f"USB camera {name} for {FAULT_SECONDS:g} s", camera, partial(change, hardware, path)
                )
        for name, order in (("NaN", failing.NAN_ROWS), ("rows of 51", failing.NARROW_ROWS), ("no pickle", 12)):
            measure_wrong_answer(name, order, Path(place))
        measure_terminations(Path(place))


def _unplug(hardware: CameraHardware, path: Path, on: bool) -> None:
    hardware.plugged = not on
    if on:
        path.unlink()
    else:
        path.touch()


def _silence(hardware: CameraHardware, path: Path, on: bool) -> None:
    hardware.silent = on


@contextmanager
def usb_camera(place: Path) -> Iterator[tuple[ReconnectingCamera, CameraHardware, Path]]:
    """A USB camera as the mirror has it; only OpenCV's capture and the kernel are stood in for."""
    hardware, path = CameraHardware(), place / "video0"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeCapture, "hardware", hardware, raising=False)
        patch.setattr(FakeCapture, "select_timeout", 4.0)  # as device.cameras.usb asks of OpenCV
        patch.setattr(cv2, "VideoCapture", FakeCapture)
        patch.setattr(v4l2.fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo")}, hardware))
        patch.setattr("device.cameras.usb.find_cameras", lambda: v4l2.find_cameras(place))
        with ReconnectingCamera("usb", size=(640, 480)) as camera:
            yield camera, hardware, path


def measure_camera_fault(name: str, camera: ReconnectingCamera, change: Callable[[bool], None]) -> None:
    wait_until(lambda: camera_error(camera) is None)
    change(True)
    began = time.monotonic()
    sentence = wait_until(lambda: camera_error(camera))
    said = time.monotonic() - began
    while time.monotonic() < began + FAULT_SECONDS:
        sentence = camera_error(camera) or sentence
    change(False)
    began = time.monotonic()
    wait_until(lambda: camera_error(camera) is None)
    print(f"| {name}: {sentence} | {said:.1f} s | {time.monotonic() - began:.1f} s |", flush=True)


def camera_error(camera: ReconnectingCamera) -> str | None:
    """What is wrong with the camera; None when it gives a picture."""
    try:
        camera.latest(timeout=2.0)
    except CameraError as error:
        return str(error)
    return None


def measure_wrong_answer(name: str, order: int, place: Path) -> None:
    """A child that answers with something else than poses; it starts a little sooner than one with a model."""
    model = place / "model"
    model.write_text("")
    image = np.zeros((48, 64, 3), np.uint8)
    with EstimatorProcess(model, options=EstimatorOptions(device="cpu"), factory=failing.FailingEstimator) as process:
        process.wait_until_ready()
        time.sleep(2.5)
        image[0, 0, :2] = order, 1
        began = time.monotonic()
        sentence = wait_until(lambda: estimator_error(process, image))
        said = time.monotonic() - began
        image[0, 0, :2] = failing.SUCCEED, 1
        wait_until(lambda: estimator_error(process, image) is None)
        print(f"| estimator answers {name}: {sentence} | {said:.2f} s | {time.monotonic() - began:.2f} s |", flush=True)


def estimator_error(process: EstimatorProcess, image: np.ndarray) -> str | None:
    try:
        process.estimate(image)
    except EstimatorUnavailable as error:
        return str(error)
    return None


def wait_until(look: Callable[[], object], limit: float = 60.0) -> object:
    """What is found, once it is found."""
    end = time.monotonic() + limit
    while not (found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"nothing within {limit:g} s")
        time.sleep(0.005)
    return found


def measure_terminations(place: Path) -> None:
    """SIGTERM at moments as chance will have them, from the first instruction on to well within the mirror's run."""
    environment = {**os.environ, "XDG_DATA_HOME": str(place / "data"), "HOME": str(place), "SDL_VIDEODRIVER": "dummy"}
    ensure_starter_library(place / "data" / "pose-mirror" / "starter", count=40)
    command = [sys.executable, "-m", "device.cli.main", "run", "--camera", "performer", "--display", "headless"]
    took, statuses = [], []
    for _ in range(TERMINATIONS):
        mirror = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.02, 4.0))
        began = time.monotonic()
        mirror.send_signal(signal.SIGTERM)
        statuses.append(mirror.wait())
        took.append(time.monotonic() - began)
    print(
        f"\n{TERMINATIONS} mirrors ended by SIGTERM 0.02 to 4 s after they were begun: {median(took):.2f} s in the median, "
        f"{max(took):.2f} s at most; status 0 {statuses.count(0)} times, and {statuses.count(-signal.SIGTERM)} times "
        "the signal's own, before a line of the program was read"
        + ("." if set(statuses) <= {0, -signal.SIGTERM} else f", and others: {sorted(set(statuses))}.")
    )


if __name__ == "__main__":
    main()
