"""Fixtures for the tests of languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from device.language import translate


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for the maker's own catalogues, which is empty. Catalogues are read anew before and after the test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "pose-mirror" / "languages"
    folder.mkdir(parents=True)
    translate._translations.cache_clear()
    yield folder
    translate._translations.cache_clear()
