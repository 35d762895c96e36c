"""Fixtures that the tests of builds share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.finders import marked_scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of six photos, each with a mark where its person is; three of them are in a folder inside."""
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for number in range(1, 7):
        marked_scene(number).save(folder / ("inner" if number % 2 else "") / f"photo_{number}.png")
    return folder
