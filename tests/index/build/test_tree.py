"""Reading folders and archives: which files are photos, and their credits from tables and sidecars."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from index.build.photo import Photo, Skipped
from index.build.tree import read_folder
from index.manifest import MANIFEST_FILE
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people


def names(folder: Path) -> list[str]:
    photos = [entry for entry in read_folder(folder) if isinstance(entry, Photo)]
    return [str(Path(photo.file).relative_to(folder)) for photo in photos]


def test_reads_folders_by_name(tmp_path: Path) -> None:
    for name in ("b.jpg", "a/2.png", "a/10.png", "写真/ж.webp", "a/deeper/x", "Z.JPG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    expected = ["Z.JPG", "b.jpg", "notes.txt", "a/10.png", "a/2.png", "a/deeper/x", "写真/ж.webp"]
    assert names(tmp_path) == expected


def test_ignores_hidden_files_and_libraries(tmp_path: Path) -> None:
    for name in (".hidden.jpg", ".thumbnails/a.jpg", "a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    write_library([NewItem(np.zeros((50, 50, 3), np.uint8), sample_people(1)[0])], tmp_path / "library")
    assert (tmp_path / "library" / MANIFEST_FILE).exists()
    assert names(tmp_path) == ["a.jpg"]


def test_follows_links_but_not_loops(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").touch()
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "c.jpg").symlink_to("c.jpg")
    assert names(tmp_path) == ["c.jpg", "a/x.jpg"]


def test_skips_videos_in_folders(tmp_path: Path) -> None:
    (tmp_path / "dance.MP4").touch()
    assert [entry.kind for entry in read_folder(tmp_path) if isinstance(entry, Skipped)] == ["video"]


def test_makes_a_title_of_a_name_with_invalid_bytes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9_au_lait.jpg")).touch()
    (photo,) = read_folder(tmp_path)
    assert isinstance(photo, Photo)
    assert photo.credit.title == "caf� au lait"


def test_a_name_too_long_for_a_file_names_none(tmp_path: Path) -> None:
    (tmp_path / "credits.csv").write_text("picture,author\n" + "x" * 3000 + ",Ann\n")
    (skipped,) = read_folder(tmp_path)
    assert isinstance(skipped, Skipped)
    assert "which is not a file" in skipped.reason
    assert len(skipped.reason) < 500


def test_skips_a_missing_folder(tmp_path: Path) -> None:
    (skipped,) = read_folder(tmp_path / "missing")
    assert isinstance(skipped, Skipped)
    assert skipped.kind == "cannot be read"


