"""What the tests of the booted machine share."""

from __future__ import annotations

from pathlib import Path

import pytest
from clip import clip_of, performance
from image import Image
from image import image as built


@pytest.fixture(scope="session")
def image() -> Image:
    """The disk with the project as it is now; built when it is not there."""
    return built()


@pytest.fixture(scope="session")
def clip() -> Path:
    """Somebody who moves, for the USB camera: on a real film where there is one beside the project, else drawn."""
    film = Path(__file__).parents[3] / "shared" / "data" / "videos" / "pose_squats.mp4"
    return clip_of(film) if film.exists() else performance()
