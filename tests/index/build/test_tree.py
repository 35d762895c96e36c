"""Reading folders and archives: which files are photos, and their credits from tables and sidecars."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.build import journal, pipeline
from index.build.edit import remove
from index.build.photo import Credit, Photo, Skipped, SourceError
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings, complete_credit
from index.build.sources import read_sources
from index.build.tree import read_folder
from index.credit import NO_CREDIT
from index.manifest import MANIFEST_FILE
from tests.index.test_archives import make_archive
from tests.index.test_picture_credit import BY, alternatives, xmp
from tests.support.finders import MarkFinder, marked_scene
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


# Credits


@pytest.mark.parametrize(
    ("source", "own", "complete"),
    [
        (Credit("a b"), Credit("Own title", "Own"), Credit("Own title", "Own")),
        (Credit("Title", "Ann"), Credit("Own title", "Own", date="2019"), Credit("Title", "Ann", date="2019")),
        (Credit("a b"), NO_CREDIT, Credit("a b")),
        (Credit(None, licence="CC0"), Credit(licence="© Own", licence_url="https://own"), Credit("a b", None, "CC0")),
        (Credit("a b", licence_url=BY), Credit(licence="© Own"), Credit("a b", None, "CC BY 4.0", BY)),
    ],
)
@pytest.mark.parametrize("file", [Path("/photos/a_b.jpg"), "https://x.example/photos/a_b.jpg?size=1"])
def test_what_a_source_says_counts_first(file: Path | str, source: Credit, own: Credit, complete: Credit) -> None:
    assert complete_credit(Photo(file, source), own) == complete


def test_finds_a_licence_in_the_photo_itself(tmp_path: Path) -> None:
    for name, licence in (("a.jpg", "CC BY 4.0"), ("b.jpg", "All rights reserved"), ("c.jpg", None)):
        packet = xmp() if licence is None else xmp(alternatives("xmpRights:UsageTerms", x_default=licence))
        Pillow.new("RGB", (64, 48)).save(tmp_path / name, xmp=packet)
    (tmp_path / "d.jpg").write_bytes(b"damaged")
    taken, *skipped = read_sources([tmp_path], licences=["CC*"])
    assert isinstance(taken, Photo)
    assert taken.credit == Credit("a", None, "CC BY 4.0")
    assert [entry.kind for entry in skipped if isinstance(entry, Skipped)] == ["other licence"] * 3


# Archives


CONTENTS: Mapping[str, bytes] = {
    "2019/10.jpg": b"", "2019/2.jpg": b"", "2019/sub/Ünï.jpg": b"", "b.jpg": b"", "b.jpg.json": b'{"description": "B"}',
    "2019/credits.csv": "picture,author\n2.JPG,Ann\nsub/u\u0308.jpg,\nsub\\ünï.jpg,José\n".encode(),
    "film.mp4": b"", "more/inner.zip": b"PK", "more/inner.rar": b"", "__MACOSX/._b.jpg": b"", ".hidden/x.jpg": b"",
}  # fmt: skip


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
@pytest.mark.parametrize("in_folder", [False, True])
def test_reads_an_archive_as_it_reads_a_folder(tmp_path: Path, ending: str, in_folder: bool) -> None:
    archive = make_archive(tmp_path / f"a{ending}", dict(CONTENTS))
    entries = read_sources([tmp_path if in_folder else archive])
    photos = {str(Path(entry.file).relative_to(archive)): entry.credit for entry in entries if isinstance(entry, Photo)}
    assert list(photos) == ["b.jpg", "2019/10.jpg", "2019/2.jpg", "2019/sub/Ünï.jpg"]
    assert photos["b.jpg"].title == "B"
    assert (photos["2019/2.jpg"].author, photos["2019/sub/Ünï.jpg"].author) == ("Ann", "José")
    reasons = [entry.reason.removeprefix(f"{archive}/") for entry in entries if isinstance(entry, Skipped)]
    assert reasons[0].startswith("film.mp4 is a video in an archive: unpack it")
    assert reasons[1].startswith("2019/credits.csv, line 3 names ")
    assert reasons[2:] == [
        "more/inner.rar is an archive in an archive: unpack it.",
        "more/inner.zip is an archive in an archive: unpack it.",
    ]


def test_a_damaged_archive_in_a_folder_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    (tmp_path / "b.7z").write_bytes(b"x")
    (tmp_path / "c.jpg").touch()
    found = list(read_folder(tmp_path))
    assert [entry.kind for entry in found if isinstance(entry, Skipped)] == ["archive", "archive"]
    assert names(tmp_path) == ["c.jpg"]
    for name, problem in (("a.zip", "is not a complete zip archive"), ("b.7z", "is an archive of a kind that is not")):
        with pytest.raises(SourceError, match=rf"{name} {problem}"):
            read_sources([tmp_path / name])


@pytest.mark.parametrize("name", ["photos.xlsx", "photos.ODS"])
def test_asks_to_save_a_spreadsheet_as_csv(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(SourceError, match=f"{name} is a spreadsheet: save it as “CSV UTF-8”, and name that file"):
        read_sources([tmp_path / name])


@pytest.mark.slow
def test_builds_from_an_archive_resumes_and_takes_down(tmp_path: Path) -> None:
    pictures = {}
    for number in (1, 2, 3):
        file = io.BytesIO()
        marked_scene(number).save(file, "PNG")
        pictures[f"photos/{number}.png"] = file.getvalue()
    archive = make_archive(tmp_path / "a.tar.gz", {**pictures, "photos/landscape.png": landscape()})
    out = tmp_path / "library"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "MIN_WORK_SECONDS", 0)
        patch.setattr(pipeline, "write_report", fail)
        with pytest.raises(RuntimeError):
            build([archive], out, ScanSettings(MarkFinder), BuildOptions(workers=2))
    result = build([archive], out, ScanSettings(MarkFinder), BuildOptions(workers=2))
    assert (result.pictures, result.scanned, result.resumed) == (3, 4, 4)
    assert result.skip_counts == {"no person": 1}
    assert result.skipped[0].thumbnail
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "library"]
    taken_down = remove(out, [str(archive / "photos/2.png")]).taken_down
    assert [item.title for item in taken_down] == ["2"]


def landscape() -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (200, 160), "gray").save(file, "PNG")
    return file.getvalue()


def fail(*_: object, **__: object) -> None:
    raise RuntimeError
