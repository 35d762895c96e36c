"""What the tests of the booted machine share."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from tests.boot.clip import clip_from_video, performer_clip
from tests.boot.image import DiskImage
from tests.boot.image import build_image as built

PASSED_KEY: Final = pytest.StashKey[bool]()

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def pytest_configure() -> None:
    """Ctrl-C and SIGTERM end the tests in good order: machines and their folders go with them."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    """Once, as a terminal's Ctrl-C may come together with a SIGTERM from whoever started the tests."""
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keeps for `passed` how the test went."""
    report = yield
    if report.when == "call":
        item.stash[PASSED_KEY] = report.passed
    return report


@pytest.fixture
def passed(request: pytest.FixtureRequest) -> Callable[[], bool | None]:
    """For what follows a test: whether it passed; None where it was stopped in the middle."""
    stash = request.node.stash
    return lambda: stash.get(PASSED_KEY, None)


@pytest.fixture(scope="session")
def image() -> DiskImage:
    """The disk with the project as it is now; built when it is not there."""
    return built()


@pytest.fixture(scope="session")
def clip() -> Path:
    """Somebody who moves, for the USB camera: on a real film where there is one beside the project, else drawn."""
    film = Path(__file__).parents[3] / "shared" / "data" / "videos" / "pose_squats.mp4"
    return clip_from_video(film) if film.exists() else performer_clip()
