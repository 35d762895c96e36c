"""Print the figures of docs/explanation/faults.md that `soak.py` does not: cameras, estimators, and ends by SIGTERM.

    python -m benchmarks.fault_times

It needs no hardware, as its cameras are the tests' stand-ins. It takes three minutes.
"""

from __future__ import annotations

import argparse
import fcntl
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
"""Seconds that a camera's fault lasts."""

TERMINATIONS = 40
"""How many mirrors are ended by SIGTERM."""


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.fault_times",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    print("| fault | shown after | back after |\n|---|---|---|", flush=True)
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
    """Open a USB camera as the mirror does; only OpenCV's capture and the kernel are replaced."""
    hardware, path = CameraHardware(), place / "video0"
    path.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeCapture, "hardware", hardware, raising=False)
        patch.setattr(FakeCapture, "select_timeout", 4.0)  # as device.cameras.usb asks of OpenCV
        patch.setattr(cv2, "VideoCapture", FakeCapture)
        patch.setattr(fcntl, "ioctl", fake_ioctl({path: pack_capability("uvcvideo")}, hardware))
        patch.setattr("device.cameras.usb.find_cameras", lambda: v4l2.find_cameras(place))
        with ReconnectingCamera("usb", size=(640, 480)) as camera:
            yield camera, hardware, path


def measure_camera_fault(name: str, camera: ReconnectingCamera, change: Callable[[bool], None]) -> None:
    """Print what a fault shows, after how long, and how long after its end the camera is back."""
    wait_until(lambda: camera_error(camera) is None)
    change(True)
    start = time.monotonic()
    sentence = wait_until(lambda: camera_error(camera))
    shown_after = time.monotonic() - start
    while time.monotonic() < start + FAULT_SECONDS:
        sentence = camera_error(camera) or sentence
    change(False)
    start = time.monotonic()
    wait_until(lambda: camera_error(camera) is None)
    print(f"| {name}: {sentence} | {shown_after:.1f} s | {time.monotonic() - start:.1f} s |", flush=True)


def camera_error(camera: ReconnectingCamera) -> str | None:
    """Return what is wrong with the camera, or None if it gives a picture."""
    try:
        camera.latest(timeout=2.0)
    except CameraError as error:
        return str(error)
    return None


def measure_wrong_answer(name: str, order: int, place: Path) -> None:
    """Measure a child that answers with something other than poses; it starts a little sooner than one with a model."""
    model = place / "model"
    model.write_text("")
    image = np.zeros((48, 64, 3), np.uint8)
    with EstimatorProcess(model, options=EstimatorOptions(device="cpu"), factory=failing.FailingEstimator) as process:
        process.wait_until_ready()
        time.sleep(2.5)
        image[0, 0, :2] = order, 1
        start = time.monotonic()
        sentence = wait_until(lambda: estimator_error(process, image))
        shown_after = time.monotonic() - start
        image[0, 0, :2] = failing.SUCCEED, 1
        wait_until(lambda: estimator_error(process, image) is None)
        print(
            f"| estimator answers {name}: {sentence} | {shown_after:.2f} s | {time.monotonic() - start:.2f} s |",
            flush=True,
        )


def estimator_error(process: EstimatorProcess, image: np.ndarray) -> str | None:
    """Return what is wrong with the estimator, or None if it answers."""
    try:
        process.estimate(image)
    except EstimatorUnavailable as error:
        return str(error)
    return None


def wait_until(check: Callable[[], object], limit: float = 60.0) -> object:
    """Return the first true result of a check. Raises TimeoutError after `limit` seconds."""
    end = time.monotonic() + limit
    while not (result := check()):
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened within {limit:g} s")
        time.sleep(0.005)
    return result


def measure_terminations(place: Path) -> None:
    """End mirrors by SIGTERM at random moments, from their first instruction to well into their run."""
    environment = {**os.environ, "XDG_DATA_HOME": str(place / "data"), "HOME": str(place), "SDL_VIDEODRIVER": "dummy"}
    ensure_starter_library(place / "data" / "pose-mirror" / "starter", count=40)
    command = [sys.executable, "-m", "device.cli.main", "run", "--camera", "performer", "--display", "headless"]
    seconds, statuses = [], []
    for _ in range(TERMINATIONS):
        mirror = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.02, 4.0))
        start = time.monotonic()
        mirror.send_signal(signal.SIGTERM)
        statuses.append(mirror.wait())
        seconds.append(time.monotonic() - start)
    print(
        f"\n{TERMINATIONS} mirrors were ended by SIGTERM 0.02 to 4 s after their start. They took "
        f"{median(seconds):.2f} s in the median and {max(seconds):.2f} s at most. The status was 0 "
        f"{statuses.count(0)} times, and the signal's own {statuses.count(-signal.SIGTERM)} times, before the "
        "program's first line"
        + ("." if set(statuses) <= {0, -signal.SIGTERM} else f"; other statuses: {sorted(set(statuses))}.")
    )


if __name__ == "__main__":
    main()
