"""Collections of a new library: from folders, archives, tables and other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from index.build import edit
from index.build.photo import Photo
from index.build.pipeline import BuildOptions, build
from index.build.scan import ScanSettings
from index.build.sources import read_sources
from index.build.starter import COLLECTIONS, draw_new_picture
from index.library import Library
from models.figures import REPERTOIRE, draw_picture
from tests.index.build.test_edit import photo
from tests.index.test_archives import make_archive
from tests.support.finders import MarkFinder, marked_scene
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people

MARKS = ScanSettings(MarkFinder)


def make_files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def collections(*sources: Path) -> dict[str, str | None]:
    """Return the collection of each photo of the sources by its file's name, with the folders as collections."""
    entries = read_sources(sources, use_folders=True)
    return {Path(entry.file).name: entry.credit.collection for entry in entries if isinstance(entry, Photo)}


def members(folder: Path) -> dict[str, list[str | None]]:
    """Return the titles of each collection of a library."""
    with Library.open(folder) as library:
        return {
            name: [library.item(number).title for number in library.members(name).tolist()]
            for name in library.collections
        }


def test_the_first_folder_below_a_source_is_the_collection(tmp_path: Path) -> None:
    make_files(tmp_path, "a.jpg", "dance/b.jpg", "dance/2019/c.jpg", "Martial_arts/judo/d.jpg")
    assert collections(tmp_path) == {"a.jpg": None, "b.jpg": "dance", "c.jpg": "dance", "d.jpg": "Martial arts"}


def test_several_folders_are_collections_themselves(tmp_path: Path) -> None:
    make_files(tmp_path, "dance/a.jpg", "yoga/b.jpg", "yoga/outdoors/c.jpg", "d.jpg")
    sources = tmp_path / "dance", tmp_path / "yoga", tmp_path / "d.jpg"
    assert collections(*sources) == {"a.jpg": "dance", "b.jpg": "yoga", "c.jpg": "yoga", "d.jpg": None}


def test_folders_are_no_collections_unless_asked(tmp_path: Path) -> None:
    make_files(tmp_path, "2019/a.jpg", "2020/b.jpg")
    entries = read_sources([tmp_path])
    assert [entry.credit.collection for entry in entries if isinstance(entry, Photo)] == [None, None]


def test_a_video_is_in_the_collection_of_its_folder(tmp_path: Path) -> None:
    make_files(tmp_path, "dance/a.jpg", "dance/film.mp4", "film 2.mp4")
    sources = [tmp_path / "dance" / "film.mp4", tmp_path / "film 2.mp4", tmp_path]
    assert collections(*sources) == {"film.mp4": "dance", "film 2.mp4": None, "a.jpg": "dance"}


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        (
            {"yoga/a.jpg": b"", "sport/2019/b.jpg": b"", "c.jpg": b""},
            {"a.jpg": "yoga", "b.jpg": "sport", "c.jpg": None},
        ),
        ({"Takeout/Photos/yoga/a.jpg": b"", "Takeout/Photos/sport/b.jpg": b""}, {"a.jpg": "yoga", "b.jpg": "sport"}),
        ({"Takeout/a.jpg": b""}, {"a.jpg": None}),
    ],
)
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_folders_in_an_archive_are_collections(
    tmp_path: Path, contents: Mapping[str, bytes], expected: Mapping[str, str | None], ending: str
) -> None:
    assert collections(make_archive(tmp_path / f"photos{ending}", dict(contents))) == expected


@pytest.mark.parametrize("ending", [".zip", ".TAR.GZ"])
def test_an_archive_in_a_folder_is_a_collection(tmp_path: Path, ending: str) -> None:
    make_archive(tmp_path / f"yoga{ending}", {"2019/a.jpg": b"", "b.jpg": b""})
    assert collections(tmp_path) == {"a.jpg": "yoga", "b.jpg": "yoga"}


def test_a_table_counts_before_the_folder(tmp_path: Path) -> None:
    make_files(tmp_path, "dance/a.jpg", "dance/b.jpg", "dance/c.jpg")
    (tmp_path / "credits.csv").write_text("picture,collection\ndance/a.jpg,Ballet\ndance/b.jpg,\n")
    assert collections(tmp_path) == {"a.jpg": "Ballet", "b.jpg": "dance", "c.jpg": "dance"}


@pytest.mark.slow
def test_builds_collections_of_folders_and_of_a_table(tmp_path: Path) -> None:
    for number, name in enumerate(("dance/a", "dance/b", "yoga/c", "d", "e"), 1):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        marked_scene(number).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "photos" / "e.png").replace(tmp_path / "e.png")
    (tmp_path / "photos" / "list.csv").write_text("picture,collection\n../e.png,Yoga\n")
    out, sources = tmp_path / "library", [tmp_path / "photos", tmp_path / "photos" / "list.csv"]
    build(sources, out, MARKS, BuildOptions(collections=True))
    assert members(out) == {"Yoga": ["c", "e"], "dance": ["a", "b"]}
    build(sources, out, MARKS)
    assert members(out) == {"Yoga": ["e"]}


def test_taking_down_and_merging_keep_collections(tmp_path: Path) -> None:
    names = ["dance", "yoga", None, "dance"]
    items = [
        NewItem(item.picture, item.keypoints, item.title, collection=name)
        for number, name in enumerate(names)
        for item in photo(number)
    ]
    write_library([*items, NewItem(None, sample_people(1)[0], "a pose", collection="yoga")], tmp_path / "one")
    edit.remove(tmp_path / "one", ["0"])
    assert members(tmp_path / "one") == {"yoga": ["Photo 1", "a pose"], "dance": ["Photo 3"]}
    (other,) = photo(7)
    write_library([NewItem(other.picture, other.keypoints, other.title, collection="sport")], tmp_path / "two")
    edit.merge([tmp_path / "one", tmp_path / "two"], tmp_path / "all")
    assert members(tmp_path / "all") == {"yoga": ["Photo 1", "a pose"], "dance": ["Photo 3"], "sport": ["Photo 7"]}


def test_every_drawn_movement_is_in_a_collection() -> None:
    assert {COLLECTIONS[movement.kind] for movement in REPERTOIRE} == {
        "sport", "dance", "yoga", "martial arts", "everyday",
    }  # fmt: skip
    assert draw_new_picture(0).credit.collection == COLLECTIONS[draw_picture(0).kind]
