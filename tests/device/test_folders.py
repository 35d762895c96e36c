"""Paths that users name, and the user's folders: where GIFs, the starter library and models are if nothing is named."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from device.folders import camera_source, gif_folder, library_folder, model_source, starter_folder
from models import home as module
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.model_files import cache_folder, find_model, select_model
from models.home import PathError, absolute, expand_home

XDG_VARIABLES = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_PICTURES_DIR")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a user who has set nothing."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in XDG_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def stranger(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user in a container: without HOME, and not in the system's list of users. Returns the stand-in for a home."""
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("POSE_MIRROR_MODELS", raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    monkeypatch.setattr(module, "STAND_IN_PARENT", home / "var-tmp")
    (home / "var-tmp").mkdir()
    return home / "var-tmp" / f"pose-mirror-{os.getuid()}"


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


@pytest.mark.parametrize("value", ["", "data", "./data"])
def test_a_relative_xdg_folder_does_not_count(home: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in XDG_VARIABLES:
        monkeypatch.setenv(name, value)
    test_a_plain_system_has_the_usual_folders(home)


def test_finds_a_german_desktops_pictures(home: Path) -> None:
    write_user_dirs(home, '# written by xdg-user-dirs-update\nXDG_PICTURES_DIR="$HOME/Bilder"\n')
    assert gif_folder("") == home / "Bilder/Pose Mirror"


def test_a_named_folder_is_used_as_it_is(home: Path) -> None:
    assert library_folder("~/dance") == home / "dance"
    assert gif_folder("/srv/gifs") == Path("/srv/gifs")


@pytest.mark.parametrize("value", [None, "", "relative/home", "~"])
def test_a_user_without_a_home_gets_a_stand_in(
    stranger: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("HOME", value)
    assert (starter_folder(), gif_folder(""), cache_folder()) == (
        stranger / "starter",
        stranger / "Pose Mirror",
        stranger / "models",
    )
    assert stranger.stat().st_mode & 0o777 == 0o700, "visitors' GIFs are nobody else's business"
    assert select_model().file.is_file(), "the bundled model needs no home"


def test_named_folders_are_used_without_a_home(stranger: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert starter_folder() == home / "data/pose-mirror/starter"
    assert not stranger.exists()


def test_says_what_to_set_without_any_folder(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STAND_IN_PARENT", Path("/proc"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc")
    for find, variable in ((starter_folder, "XDG_DATA_HOME"), (cache_folder, "XDG_CACHE_HOME")):
        with pytest.raises(PathError, match=rf"^The user \d+ has no home folder: set HOME or {variable} to .*\.$"):
            find()
    assert select_model().file.is_file(), "the bundled model needs no home"


@pytest.mark.parametrize("kind", ["of others", "a link", "a file"])
def test_a_stand_in_that_is_not_ours_is_not_used(
    stranger: Path, home: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(home))
    if kind == "of others":
        stranger.mkdir()
        stranger.chmod(0o777)
    elif kind == "a link":
        stranger.symlink_to(home / "elsewhere", target_is_directory=True)
    else:
        stranger.write_bytes(b"")
    assert starter_folder() == home / stranger.name / "starter"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user that does not exist")
def test_a_home_of_others_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom models import home\nfrom device import config, folders\n"
        "home.STAND_IN_PARENT = Path(sys.argv[1])\nos.setuid(54321)\n"
        "config.load()\nprint(folders.starter_folder())"
    )
    environment = {name: value for name, value in os.environ.items() if name not in XDG_VARIABLES}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(tmp_path)}
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are root's alone
        os.chmod(folder, 0o1777)
        finished = subprocess.run(
            [sys.executable, "-c", code, folder], env=environment, capture_output=True, text=True, check=False
        )
    assert finished.stdout.strip() == f"{folder}/pose-mirror-54321/starter", finished.stderr
    assert f"kept in {folder}/pose-mirror-54321: set HOME" in finished.stderr


def test_tilde_stands_for_a_home(home: Path) -> None:
    assert expand_home("~") == expand_home("~/") == home
    assert expand_home("~/a/~") == home / "a/~"
    assert expand_home("~root/x") == Path("/root/x")
    assert expand_home("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")
    assert expand_home("a/~/b") == Path("a/~/b")


def test_tilde_without_a_home_is_an_error(stranger: Path) -> None:
    with pytest.raises(PathError, match=r"^~/photos cannot be found, because this user has no home folder: set HOME"):
        absolute("~/photos")


def test_a_relative_path_is_completed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert absolute("a.mp4") == absolute("./a.mp4") == home / "a.mp4"
    assert absolute("a.mp4", Path("/etc")) == Path("/etc/a.mp4")
    (home / "far/folder").mkdir(parents=True)
    (home / "link").symlink_to(home / "far/folder")
    assert absolute("link/../a.mp4") == home / "far/a.mp4"


def test_a_deleted_working_folder_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "gone").mkdir()
    monkeypatch.chdir(home / "gone")
    (home / "gone").rmdir()
    assert absolute("/srv/a.mp4") == Path("/srv/a.mp4")
    with pytest.raises(PathError, match=r"^a\.mp4 cannot be found, because the working folder was deleted"):
        absolute("a.mp4")


def test_a_cameras_name_is_not_a_path(home: Path) -> None:
    for name in ("auto", "pi", "pi:1", "usb", "usb:0", "performer", "rtsp://camera/1", ""):
        assert camera_source(name, home) == name
    assert camera_source("./pi", home) == str(home / "pi")
    assert camera_source("12:30 dance.mp4", home) == str(home / "12:30 dance.mp4")
    assert camera_source("~/-x.mp4") == str(home / "-x.mp4")


def test_a_models_name_is_not_a_path(home: Path) -> None:
    for name in ("auto", "posenet", DEFAULT_MODEL, f"{DEFAULT_MODEL}.tflite", "posnet", ""):
        assert model_source(name, home) == name
    (home / "mine").write_bytes(b"")
    for name in ("mine", "mine.tflite", "./posenet", "~/mine.tflite"):
        assert model_source(name, home) == str(home / name.removeprefix("~/"))


def test_searches_models_in_several_folders(home: Path, monkeypatch: pytest.MonkeyPatch, models_folder: Path) -> None:
    monkeypatch.chdir(home)
    (home / "models").symlink_to(models_folder)
    for value in ("~/models", "models", f"/nowhere:{home}/models", f":{home}/models:", "~/models:~/none"):
        monkeypatch.setenv("POSE_MIRROR_MODELS", value)
        assert find_model(DEFAULT_MODEL) == home / "models" / f"{DEFAULT_MODEL}.tflite"


def test_a_folder_of_models_that_is_missing_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", f" {home}/modls ")
    for _ in range(2):
        select_model()
    assert caplog.messages == [f"POSE_MIRROR_MODELS names {home}/modls, which does not exist."]


def test_a_folder_of_models_without_a_home_is_named(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", "~/models")
    with pytest.raises(
        PathError, match=r"^POSE_MIRROR_MODELS names a folder that is not known: ~/models cannot be found"
    ):
        select_model()
