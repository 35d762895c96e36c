"""Screenshots: into folders of any name; a folder that takes none ends the start, and later failures do not."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from device.cli import main as cli
from device.screenshots import ScreenshotError, ScreenshotWriter

PICTURE = np.zeros((4, 6, 3), np.uint8)
PICTURE[..., 0] = 200  # red


@pytest.mark.parametrize("name", [b"shots", b"%03d", b"12:30 a", b"-o", b"caf\xe9", "naïve ☂".encode()])
def test_writes_into_a_folder_of_any_name(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    writer = ScreenshotWriter(folder)
    assert writer.is_due(70.0)
    writer.write(PICTURE, 70.0)
    assert not writer.is_due(70.9)
    assert writer.is_due(71.1)
    writer.write(PICTURE, 72.5)
    assert sorted(os.listdir(folder)) == ["screen-0000.png", "screen-0002.png"]
    with (folder / "screen-0002.png").open("rb") as file, Pillow.open(file) as opened:
        assert opened.size == (6, 4)
        assert opened.getpixel((0, 0)) == (200, 0, 0)


def test_rejects_a_file_at_the_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", tmp_path / "file" / "shots"):
        for command in ("run", "demo"):
            arguments = [command, "--display", "headless", "--screenshots", str(folder)]
            assert cli.main(arguments) == 1
            lines = capsys.readouterr().err.splitlines()
            assert len(lines) == 1
            assert lines[0].startswith(f"pose-mirror: Screenshots cannot be written to {folder} (")
            assert lines[0].endswith("): name another folder with --screenshots.")


def test_rejects_a_full_disk_at_the_start() -> None:
    """Writing to /dev/full fails as on a full disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", lambda dir: open("/dev/full", "wb", buffering=0))  # noqa: SIM115
        with pytest.raises(ScreenshotError, match="No space left on device"):
            ScreenshotWriter(Path("/tmp"))


def test_goes_on_when_the_folder_is_lost_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "shots"
    writer = ScreenshotWriter(folder)
    shutil.rmtree(folder)
    caplog.set_level(logging.WARNING)
    for second in range(3):
        writer.write(PICTURE, 70.0 + second)
    assert [record.getMessage() for record in caplog.records] == [
        f"Screenshots cannot be written to {folder} (No such file or directory). The mirror goes on without them, and "
        "tries again each second."
    ]
    folder.mkdir()
    writer.write(PICTURE, 73.0)
    assert os.listdir(folder) == ["screen-0003.png"]


def test_leaves_no_part_of_a_picture_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = ScreenshotWriter(tmp_path)

    def write_half(file: Path, content: bytes) -> int:
        with file.open("wb") as opened:
            opened.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    writer.write(PICTURE, 70.0)
    assert os.listdir(tmp_path) == []
