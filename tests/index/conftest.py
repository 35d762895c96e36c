"""A built library, and a copy of it for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.libraries import write_library
from tests.support.sample_library import COUNT, items


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "library"
    assert write_library(items(COUNT), folder, models=[("posenet", "ab12")]) == COUNT
    return folder


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    """A copy that the test may change."""
    return Path(shutil.copytree(built, tmp_path / "library"))
