"""The user's folders: where GIFs, the starter library and models are when the configuration names no place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from device.folders import gif_folder, library_folder, starter_folder
from models.estimator.model_files import cache_folder

XDG_VARIABLES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_PICTURES_DIR")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a user who has set nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in XDG_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write_user_dirs(home: Path, text: str) -> None:
    (home / ".config").mkdir()
    (home / ".config" / "user-dirs.dirs").write_text(text, encoding="utf-8")


def test_a_plain_system_has_the_usual_folders(home: Path) -> None:
    assert starter_folder() == library_folder("") == home / ".local/share/pose-mirror/starter"
    assert cache_folder() == home / ".cache/pose-mirror/models"
    assert gif_folder("") == home / "Pictures/Pose Mirror"


def test_the_environment_names_other_folders(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_user_dirs(home, 'XDG_PICTURES_DIR="$HOME/Bilder"\n')
    for name in XDG_VARIABLES:
        monkeypatch.setenv(name, str(home / name))
    assert starter_folder() == home / "XDG_DATA_HOME/pose-mirror/starter"
    assert cache_folder() == home / "XDG_CACHE_HOME/pose-mirror/models"
    assert gif_folder("") == home / "XDG_PICTURES_DIR/Pose Mirror"


def test_finds_a_german_desktops_pictures(home: Path) -> None:
    write_user_dirs(home, '# written by xdg-user-dirs-update\nXDG_PICTURES_DIR="$HOME/Bilder"\n')
    assert gif_folder("") == home / "Bilder/Pose Mirror"


def test_a_named_folder_is_used_as_it_is(home: Path) -> None:
    assert library_folder("~/dance") == home / "dance"
    assert gif_folder("/srv/gifs") == Path("/srv/gifs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that does not exist")
def test_a_user_without_a_home_gets_an_error(tmp_path: Path) -> None:
    code = "import os\nfrom device.folders import starter_folder\nos.setuid(54321)\nstarter_folder()"
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", *XDG_VARIABLES)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "RuntimeError" in finished.stderr, finished.stderr
    assert list(tmp_path.iterdir()) == []
