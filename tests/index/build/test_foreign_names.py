"""Names from Windows, macOS and other computers lead to the right file here, and to none where that is not sure."""

from __future__ import annotations

import os
from pathlib import Path
from unicodedata import normalize

import pytest

from index.build.foreign_names import AlikeNames, FileFinder

NFC, NFD = normalize("NFC", "José ô"), normalize("NFD", "José ô")


def make(folder: Path, *names: str | bytes) -> None:
    for name in names:
        file = folder / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def find(folder: Path, name: str) -> str | None:
    file = FileFinder().find(folder, name)
    return None if file is None else str(file.relative_to(folder))


@pytest.mark.parametrize(
    ("there", "name"),
    [
        ("photos/a.jpg", "photos/a.jpg"),
        ("photos/a.jpg", r"photos\a.jpg"),
        ("photos/a.jpg", r".\photos\a.jpg"),
        ("Photos/IMG.JPG", "photos/img.jpg"),
        ("photos/img.jpg", r"PHOTOS\IMG.JPG"),
        (f"{NFD}/{NFD}.jpg", f"{NFC}/{NFC}.jpg"),
        (f"{NFC}.jpg", f"{NFD.upper()}.JPG"),
        (b"Jos\xe9.jpg", "José.jpg"),
        (b"Jos\xe9.jpg", "Jos%E9.jpg"),
        ("a.jpg ", "a.jpg"),
        ("a.jpg", " a.jpg  "),
        ("Screenshot at 3.04.05\u202fPM.png", "Screenshot at 3.04.05 PM.png"),
        ("a.jpg", "\u202aa.jpg"),
        ("my photo.jpg", "my%20photo.jpg"),
        ("100%20.jpg", "100%20.jpg"),
        ("back\\slash.jpg", r"back\slash.jpg"),
        ("a.jpg", r"C:\Users\Ann\Pictures\a.jpg"),
        ("Pictures/a.jpg", r"C:\Users\Ann\Pictures\A.JPG"),
        ("2019/a.jpg", r"\\nas\photos\2019\a.jpg"),
        ("2019/a.jpg", "/Volumes/Photos/2019/a.jpg"),
        ("a.jpg", "file:///C:/Users/Ann/a.jpg"),
        ("ä b.jpg", "file:///C:/Users/%C3%A4%20b.jpg"),
        ("a.jpg", "images/train/a.jpg"),
        ("Straße.jpg", "STRASSE.JPG"),
    ],
)
def test_finds_a_file_by_a_foreign_name(tmp_path: Path, there: str | bytes, name: str) -> None:
    make(tmp_path, there)
    assert find(tmp_path, name) == os.fsdecode(there)


def test_prefers_the_exact_name(tmp_path: Path) -> None:
    make(tmp_path, "img.jpg", "IMG.JPG", f"{NFC}.jpg", f"{NFD}.jpg", "a/b.jpg", "b.jpg", r"a\b.jpg", "%41.jpg", "A.jpg")
    for name in ("img.jpg", "IMG.JPG", f"{NFC}.jpg", f"{NFD}.jpg", "a/b.jpg", "b.jpg", r"a\b.jpg", "%41.jpg"):
        assert find(tmp_path, name) == name


def test_finds_none_where_several_may_be_meant(tmp_path: Path) -> None:
    make(tmp_path, "img.jpg", "IMG.JPG", f"{NFC}.jpg", f"{NFC.upper()}.jpg")
    assert find(tmp_path, "Img.jpg") is None
    assert find(tmp_path, f"{NFD}.jpg") == f"{NFC}.jpg"
    assert find(tmp_path, f"{NFD.title()}.JPG") is None


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "/", "\\", "C:\\", "\0", "\udc41.jpg", "~", "x" * 9999, "a/" * 2000]
)
def test_finds_none_by_a_name_that_no_file_has(tmp_path: Path, name: str) -> None:
    make(tmp_path, "a.jpg")
    assert find(tmp_path, name) is None


def test_finds_files_by_absolute_paths_and_urls(tmp_path: Path) -> None:
    make(tmp_path, "a b.jpg", b"\xe9.jpg")
    elsewhere = tmp_path / "table"
    for name in (f"{tmp_path}/A B.JPG", f"file://{tmp_path}/a%20b.jpg", f"FILE://localhost{tmp_path}/a b.jpg"):
        assert FileFinder().find(elsewhere, name) == tmp_path / "a b.jpg"
    assert FileFinder().find(elsewhere, f"file://{tmp_path}/%E9.jpg") == tmp_path / os.fsdecode(b"\xe9.jpg")


def test_finds_files_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "Photos/a.jpg")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FileFinder().find(tmp_path / "table", "~/photos/a.jpg") == tmp_path / "Photos" / "a.jpg"


def test_a_moved_file_belongs_to_one_name_only(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    names = ["2019/1.jpg", "2020/1.jpg", "2019/2.jpg", "2019/2.jpg", "3.jpg", "old/3.jpg", ""]
    found = FileFinder().find_all(tmp_path, names)
    assert [file and file.name for file in found] == [None, None, "2.jpg", "2.jpg", "3.jpg", None, None]


def test_lists_each_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, *(f"photos/{number}.JPG" for number in range(30)))
    listed: list[Path] = []
    scandir = os.scandir

    def record(folder: Path) -> object:
        listed.append(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", record)
    finder = FileFinder()
    assert all(finder.find(tmp_path, rf"Photos\{number}.jpg") for number in range(30))
    assert sorted(listed) == [tmp_path, tmp_path / "photos"]


def test_ignores_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "link.jpg").symlink_to("a.jpg")
    assert [find(tmp_path, name) for name in ("A.JPG", "LINK.JPG", "circle.jpg")] == ["a.jpg", "link.jpg", None]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_finds_exact_names_in_a_folder_not_listable(tmp_path: Path) -> None:
    make(tmp_path, "closed/a.jpg")
    (tmp_path / "closed").chmod(0o100)
    try:
        assert [find(tmp_path, name) for name in ("closed/a.jpg", "closed/A.JPG")] == ["closed/a.jpg", None]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_finds_names_in_an_archive() -> None:
    names = AlikeNames(["Photos/IMG.JPG", f"{NFD}.jpg"])
    assert names.find("photos/img.jpg") == "Photos/IMG.JPG"
    assert names.find(f"{NFC}.jpg") == f"{NFD}.jpg"
    assert names.find("other.jpg") is None
