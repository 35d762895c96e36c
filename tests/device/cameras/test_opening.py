"""What names a source of frames: a camera may come later, a film named on the command line must be there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from device.cameras.base import CameraError
from device.cameras.opening import check_file, open_camera
from device.cameras.watch import ReconnectingCamera
from device.cli.main import main
from tests.support.made_videos import grey, write_sound, write_video

SIZE = 320, 240
NAMES = ["12:30 dance.mp4", "%03d.mp4", "-i.mp4", "http:x.mp4", "usb:1.mp4", "[a]*?.mp4", "a\nb.mp4", "caf\udce9.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_plays_a_video_of_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path(name), [grey(100)] * 3)
    for source in (name, str(tmp_path / name)):
        check_file(source)
        with open_camera(source, size=SIZE) as camera:
            assert camera.latest().image.mean() == pytest.approx(100, abs=4)


def test_files_in_dev_are_no_devices() -> None:
    """/dev/shm is a folder in memory, where programs keep files."""
    file = write_video(Path(f"/dev/shm/pose-mirror-test-{os.getpid()}.mp4"), [grey(100)] * 3)
    try:
        with open_camera(str(file), size=SIZE) as camera:
            assert camera.latest().image.mean() == pytest.approx(100, abs=4)
    finally:
        file.unlink()


@pytest.mark.parametrize("source", ["auto", "pi", "pi:1", "usb", "usb:9", "performer", "/dev/video97"])
def test_a_camera_that_is_missing_may_come_later(source: str) -> None:
    check_file(source)


def test_a_file_that_cannot_be_played_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no film")
    write_sound(tmp_path / "song.mp4")
    for name in ("missing.mp4", "missing/a.mp4", "pipe", "empty", "notes.txt", "song.mp4", "zero\0byte", "x" * 300):
        with pytest.raises(CameraError):
            check_file(str(tmp_path / name))
    for source in ("atuo", "usb:x", "rtsp://camera/1"):
        with pytest.raises(CameraError, match=r"^There is no camera or file "):
            check_file(source)


def test_run_ends_if_its_film_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "caf\udce9 dance.mp4"
    assert main(["run", "--camera", str(file), "--display", "headless", "--seconds", "60"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("pose-mirror: There is no camera or file '")
    assert "caf� dance.mp4'" in line


def test_a_configured_film_may_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kiosk may start before the stick with its film is plugged in."""
    monkeypatch.setattr("device.cameras.watch.FIRST_RETRY_DELAY", 0.05)
    film = tmp_path / "stick" / "film.mp4"
    with ReconnectingCamera(str(film), size=SIZE) as camera:
        with pytest.raises(CameraError, match=r"film\.mp4"):
            camera.latest()
        film.parent.mkdir()
        write_video(film, [grey(100)] * 3)
        for _ in range(100):
            try:
                frame = camera.latest()
                break
            except CameraError:
                continue
    assert frame.image.mean() == pytest.approx(100, abs=4)
