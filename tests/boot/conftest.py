"""Fixtures that the tests of the booted machine share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from tests.boot.clip import clip_from_video, performer_clip
from tests.boot.image import DiskImage, build_image
from tests.support.paths import SHARED

PASSED_KEY: Final = pytest.StashKey[bool]()

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def pytest_configure() -> None:
    """End the tests in order at Ctrl-C and SIGTERM, so that machines and their folders are removed."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop once: Ctrl-C in a terminal may come together with a SIGTERM from the program that started the tests."""
    for stop_signal in STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the test's outcome for the fixture `passed`."""
    report = yield
    if report.when == "call":
        item.stash[PASSED_KEY] = report.passed
    return report


@pytest.fixture
def passed(request: pytest.FixtureRequest) -> Callable[[], bool | None]:
    """A function for teardown: whether the test passed, or None if it was interrupted."""
    stash = request.node.stash
    return lambda: stash.get(PASSED_KEY, None)


@pytest.fixture(scope="session")
def image() -> DiskImage:
    """The disk with the project as it is now, built if necessary."""
    return build_image()


@pytest.fixture(scope="session")
def clip() -> Path:
    """A moving person for the USB camera: from a real video if the shared data is there, else the drawn performer."""
    video = SHARED / "videos" / "pose_squats.mp4"
    return clip_from_video(video) if video.exists() else performer_clip()
