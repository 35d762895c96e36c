"""Removing pictures for good, and merging libraries."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from index.build import edit
from index.build.picture_lookup import MAX_LISTED
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Library, verify_library
from index.manifest import MANIFEST_FILE, PAGES, PICTURES_FOLDER, REPORT_FILE
from index.pictures import PictureError
from models.pose import Image
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people

URL = "https://photos.example/"


def scene(number: int, size: tuple[int, int] = (96, 80)) -> Image:
    """Return a picture of soft patches: different for each number, similar at each size."""
    patches = np.random.default_rng(number).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return np.asarray(Pillow.fromarray(patches).resize(size, Pillow.Resampling.BICUBIC))


def photo(number: int, size: tuple[int, int] = (96, 80), persons: int = 1, source: str | None = "") -> list[NewItem]:
    """Return the people of a picture: the same for the same number, at each size."""
    poses = sample_people(persons, number) * np.array([size[0] / 640, size[1] / 480, 1], np.float32)
    url = f"{URL}{number}" if source == "" else source
    credit = (f"Photo {number}", "Ann", "CC BY 4.0", "https://cc.example", url)
    return [NewItem(scene(number, size), pose, *credit) for pose in poses]


def library_of(folder: Path, *items: Sequence[NewItem], models: Sequence[tuple[str, str]] = ()) -> Path:
    write_library([item for picture in items for item in picture], folder, models=models)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a library of photos 0 to 5 with 1 or 2 people each, and two poses without a picture after photo 2."""
    photos = [photo(n, persons=1 + n % 2) for n in range(6)]
    photos.insert(3, [NewItem(None, pose, "a pose", size=(640, 480)) for pose in sample_people(2, 99)])
    return library_of(tmp_path_factory.mktemp("built") / "library", *photos, models=[("posenet", "ab12")])


@pytest.fixture
def library(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "library"))


def titles(folder: Path) -> list[str | None]:
    with Library.open(folder) as library:
        return [item.title for item in library.items()]


def names(folder: Path) -> dict[str | None, str]:
    """Return the file name of each picture, by its title."""
    with Library.open(folder) as library:
        return {item.title: item.picture.name for item in library.items() if item.picture is not None}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# Removing


@pytest.mark.slow
def test_removes_a_picture_with_its_people_and_its_file(library: Path) -> None:
    name = names(library)["Photo 3"]
    result = edit.remove(library, [name])
    assert [item.title for item in result.taken_down] == ["Photo 3"]
    assert (result.manifest.items, result.manifest.pictures) == (9, 5)
    assert "Photo 3" not in titles(library)
    assert not (library / PICTURES_FOLDER / name).exists()
    assert b"Photo 3" not in b"".join(data for file, data in everything(library).items() if file.endswith(".html"))
    with Library.open(library) as opened:
        assert [(removed.picture, removed.title) for removed in opened.removed_pictures()] == [(name, "Photo 3")]
    assert verify_library(library).models == (("posenet", "ab12"),)
    assert [file.name for file in library.parent.iterdir()] == ["library"]


@pytest.mark.slow
def test_removing_changes_only_the_numbers_of_other_items(library: Path, built: Path) -> None:
    edit.remove(library, [f"{URL}0"])
    with Library.open(built) as old, Library.open(library) as new:
        before, after = list(old.items())[1:], list(new.items())
        assert len(before) == len(after)
        for old_item, item in zip(before, after, strict=True):
            assert item.number == old_item.number - 1
            assert (item.picture and item.picture.name) == (old_item.picture and old_item.picture.name)
            assert (item.width, item.height, item.box) == (old_item.width, old_item.height, old_item.box)
            assert (item.title, item.author, item.licence) == (old_item.title, old_item.author, old_item.licence)
            assert (item.licence_url, item.source_url) == (old_item.licence_url, old_item.source_url)
        assert np.array_equal(old.keypoints[1:], new.keypoints)
        assert dict(new.fingerprints()).items() <= dict(old.fingerprints()).items()


def test_finds_a_picture_by_number_name_url_or_look(library: Path, built: Path, tmp_path: Path) -> None:
    smaller = tmp_path / "smaller.png"
    Pillow.fromarray(cv2.resize(scene(5), (64, 53), interpolation=cv2.INTER_AREA)).save(smaller)
    targets = ["0", names(built)["Photo 1"], names(built)["Photo 2"][:6], f"{URL}4", str(smaller)]
    result = edit.remove(library, targets)
    assert [item.title for item in result.taken_down] == ["Photo 0", "Photo 1", "Photo 2", "Photo 4", "Photo 5"]


def test_finds_a_picture_by_its_file_or_a_copy(library: Path, built: Path, tmp_path: Path) -> None:
    kept = shutil.copy(built / PICTURES_FOLDER / names(built)["Photo 1"], tmp_path / "copy.jpg")
    inside = library / PICTURES_FOLDER / names(built)["Photo 2"]
    assert [item.title for item in edit.remove(library, [str(kept), str(inside)]).taken_down] == ["Photo 1", "Photo 2"]


def test_finds_a_picture_by_other_spellings(library: Path, built: Path, tmp_path: Path) -> None:
    """A name typed on a Mac or read from a table: other letter case, accents in another form, a URL unescaped."""
    shutil.copy(built / PICTURES_FOLDER / names(built)["Photo 1"], tmp_path / normalize("NFD", "José 1.JPG"))
    targets = [str(tmp_path / "josé 1.jpg"), " https://photos.example/%34"]
    assert [item.title for item in edit.remove(library, targets).taken_down] == ["Photo 1", "Photo 4"]


def test_removes_no_file_of_another_folder(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Pillow.fromarray(scene(1)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LibraryError, match="names no picture"):
        edit.remove(library, ["elsewhere/a.png"])


def test_removes_a_picture_named_twice_once(library: Path, built: Path) -> None:
    result = edit.remove(library, ["0", f"{URL}0", names(built)["Photo 0"].upper().replace("JPG", "jpg")[:8]])
    assert len(result.taken_down) == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("99", "99 names no picture"),
        ("-1", "-1 names no picture"),
        ("", " names no picture"),
        ("no such thing", "no such thing names no picture"),
        ("³", "names no picture"),
        ("9" * 5000, "names no picture"),
        ("4", "Item 4 of .* is a pose without a picture"),
        ("abc", "names no picture"),
        ("line\nbreak", "line�break names no picture"),
    ],
)
def test_rejects_a_target_that_names_no_picture(library: Path, target: str, message: str) -> None:
    before = everything(library)
    with pytest.raises(LibraryError, match=message) as error:
        edit.remove(library, ["0", target])
    assert "\n" not in str(error.value)
    assert everything(library) == before


def test_rejects_a_file_that_is_not_a_picture(library: Path, tmp_path: Path) -> None:
    before = everything(library)
    (tmp_path / "notes.txt").write_text("grandmother")
    os.mkfifo(tmp_path / "pipe")
    for name in ("notes.txt", "pipe", "library"):
        with pytest.raises(PictureError, match=name):
            edit.remove(library, ["0", str(tmp_path / name)])
    Pillow.fromarray(scene(77)).save(tmp_path / "other.png")
    with pytest.raises(LibraryError, match=r"other\.png names no picture"):
        edit.remove(library, ["0", str(tmp_path / "other.png")])
    assert everything(library) == before


def test_rejects_a_target_that_names_several_pictures(tmp_path: Path) -> None:
    same = "https://photos.example/album"
    library = library_of(tmp_path / "library", *(photo(n, source=same) for n in range(6)), photo(9))
    before = everything(library)
    with pytest.raises(LibraryError, match=r"album names 6 pictures of .*\.jpg, …\)") as error:
        edit.remove(library, [same])
    assert sum(name in str(error.value) for name in names(library).values()) == MAX_LISTED
    assert everything(library) == before


def test_refuses_to_remove_every_picture(library: Path) -> None:
    before = everything(library)
    with pytest.raises(LibraryError, match="No picture would be left"):
        edit.remove(library, [f"{URL}{n}" for n in range(6)])
    with pytest.raises(LibraryError, match="nothing was taken down"):
        edit.remove(library, [])
    assert everything(library) == before


def test_remembers_earlier_removals(library: Path) -> None:
    edit.remove(library, [f"{URL}1"])
    edit.remove(library, [f"{URL}2"])
    with Library.open(library) as opened:
        assert sorted(removed.title or "" for removed in opened.removed_pictures()) == ["Photo 1", "Photo 2"]


def test_removes_damaged_pictures_and_ignores_others(library: Path, built: Path) -> None:
    damaged, missing = (library / PICTURES_FOLDER / names(built)[title] for title in ("Photo 1", "Photo 2"))
    damaged.write_bytes(b"x")
    edit.remove(library, ["0"])
    missing.unlink()
    with pytest.raises(LibraryError, match=missing.name):
        edit.remove(library, [f"{URL}4"])
    edit.remove(library, [damaged.name, missing.name])
    assert titles(library) == ["a pose", "a pose", "Photo 3", "Photo 3", "Photo 4", "Photo 5", "Photo 5"]
    verify_library(library)


def test_removing_reports_progress(library: Path) -> None:
    updates: list[tuple[int, int | None, str]] = []
    edit.remove(library, ["0"], lambda *update: updates.append(update))
    assert updates[:2] == [(1, 11, "Copying"), (2, 11, "Copying")]


def test_changes_a_library_through_a_link(library: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(library)
    edit.remove(tmp_path / "link", ["0"])
    assert (tmp_path / "link").is_symlink()
    assert "Photo 0" not in titles(library)


@pytest.mark.parametrize("step", ["sync_to_disk", "swap_library"])
def test_a_failed_removal_leaves_the_library_as_it_was(
    library: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = everything(library)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"index.build.swap.{step}", fail)
    with pytest.raises(OSError, match="No space left"):
        edit.remove(library, ["0"])
    assert everything(library) == before
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_does_not_change_a_library_replaced_meanwhile(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class LateWriter(LibraryWriter):
        def __init__(self, out: Path) -> None:
            library_of(out, photo(50), photo(0))
            super().__init__(out)

    monkeypatch.setattr(edit, "LibraryWriter", LateWriter)
    with pytest.raises(LibraryError, match="built again in the meantime"):
        edit.remove(library, ["0"])
    with pytest.raises(LibraryError, match="built again in the meantime"):
        edit.merge([library, library_of(tmp_path / "two", photo(51))], library)
    assert titles(library) == ["Photo 50", "Photo 0"]


def test_pages_no_longer_mention_a_removed_picture(library: Path) -> None:
    edit.remove(library, [f"{URL}1"])
    for name in PAGES:
        page = (library / name).read_text()
        assert "Photo 1" not in page
        assert "Photo 2" in page
    assert "Skipped" not in (library / REPORT_FILE).read_text()
    verify_library(library)


# Merging


def test_merges_libraries_in_order_with_all_data(tmp_path: Path) -> None:
    one = library_of(tmp_path / "one", photo(0), photo(1, persons=2), models=[("posenet", "ab12")])
    two = library_of(tmp_path / "two", photo(2), models=[("resnet", "cd34"), ("posenet", "ab12")])
    poses = library_of(tmp_path / "poses", [NewItem(None, pose, size=(640, 480)) for pose in sample_people(3, 5)])
    result = edit.merge([two, one, poses], tmp_path / "all")
    assert (result.manifest.items, result.manifest.pictures, result.skip_counts) == (7, 3, {})
    assert verify_library(tmp_path / "all").models == (("resnet", "cd34"), ("posenet", "ab12"))
    assert titles(tmp_path / "all") == ["Photo 2", "Photo 0", "Photo 1", "Photo 1", None, None, None]
    with Library.open(tmp_path / "all") as merged, Library.open(one) as first, Library.open(poses) as third:
        assert np.array_equal(merged.keypoints[1:4], first.keypoints)
        assert np.array_equal(merged.keypoints[4:], third.keypoints)
        assert (merged.item(1).credit, merged.item(1).source_url) == (first.item(0).credit, f"{URL}0")
        assert (merged.item(5).width, merged.item(5).height) == (640, 480)


def test_merging_keeps_the_first_of_the_same_pictures(tmp_path: Path) -> None:
    long_name = "a" * 120  # a reason is not cut
    one = library_of(tmp_path / long_name / "one", photo(0), photo(1))
    two = library_of(tmp_path / long_name / "two", photo(1, source="https://elsewhere.example"), photo(2))
    result = edit.merge([one, two], tmp_path / "all")
    assert titles(tmp_path / "all") == ["Photo 0", "Photo 1", "Photo 2"]
    assert result.skip_counts == {"duplicate": 1}
    assert f"Photo 1 in {two} is the same picture as Photo 1 in {one}." in (tmp_path / "all" / REPORT_FILE).read_text()
    with Library.open(tmp_path / "all") as merged:
        assert merged.item(1).source_url == f"{URL}1"


@pytest.mark.parametrize("largest", [0, 1, 2])
def test_merging_keeps_the_largest_near_duplicate(tmp_path: Path, largest: int) -> None:
    sizes = [(96, 80), (102, 85), (108, 90)]
    sizes.insert(largest, (192, 160))
    folders = [library_of(tmp_path / str(n), photo(7, size), photo(n)) for n, size in enumerate(sizes)]
    result = edit.merge(folders, tmp_path / "all")
    assert result.skip_counts == {"near-duplicate": 3}
    with Library.open(tmp_path / "all") as merged:
        assert [item.width for item in merged.items() if item.title == "Photo 7"] == [192]
        assert len(merged) == 5


def test_other_people_before_the_same_wall_are_no_duplicates(tmp_path: Path) -> None:
    """As in a yoga class: the pictures are nearly the same, the poses differ."""
    one, two = photo(7), photo(7, (192, 160))
    other_pose = sample_people(1, 1234)[0] * (192 / 640, 160 / 480, 1)
    two = [NewItem(two[0].picture, other_pose.astype(np.float32), "Photo 8")]
    result = edit.merge([library_of(tmp_path / "1", one), library_of(tmp_path / "2", two)], tmp_path / "all")
    assert (result.manifest.pictures, result.skip_counts) == (2, {})


def test_a_merged_library_may_replace_one_of_its_parts(tmp_path: Path) -> None:
    one, two = library_of(tmp_path / "one", photo(0)), library_of(tmp_path / "two", photo(1))
    edit.merge([one, two], one)
    assert titles(one) == ["Photo 0", "Photo 1"]
    edit.merge([two, one], one)
    assert titles(one) == ["Photo 1", "Photo 0"]
    verify_library(one)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "two"]


@pytest.mark.slow
def test_merging_skips_what_any_library_removed(tmp_path: Path) -> None:
    """By name in one library, by look in another, and by the memory of the library that is replaced."""
    one = library_of(tmp_path / "one", photo(0), photo(1), photo(2))
    two = library_of(tmp_path / "two", photo(3), photo(1), photo(2, (192, 160)))
    out = library_of(tmp_path / "all", photo(0), photo(4))
    edit.remove(one, [f"{URL}1"])
    edit.remove(one, [f"{URL}2"])
    edit.remove(out, [f"{URL}0"])
    result = edit.merge([one, two], out)
    assert titles(out) == ["Photo 3"]
    assert result.skip_counts == {"taken down": 3}
    with Library.open(out) as merged:
        assert sorted(removed.title or "" for removed in merged.removed_pictures()) == ["Photo 0", "Photo 1", "Photo 2"]


def test_refuses_to_merge_into_an_empty_library(tmp_path: Path) -> None:
    one, two = library_of(tmp_path / "one", photo(0), photo(1)), library_of(tmp_path / "two", photo(0))
    edit.remove(one, [f"{URL}0"])
    out = library_of(tmp_path / "all", photo(1), photo(2))
    edit.remove(out, [f"{URL}1"])
    with pytest.raises(LibraryError, match="every picture was taken down"):
        edit.merge([one, two], out)
    assert titles(out) == ["Photo 2"]


def test_rejects_a_library_named_twice(tmp_path: Path) -> None:
    one = library_of(tmp_path / "one", photo(0))
    (tmp_path / "link").symlink_to(one)
    with pytest.raises(LibraryError, match=r"one was named 2 times"):
        edit.merge([one, tmp_path / "link"], tmp_path / "all")


def test_a_damaged_part_stops_the_merge(tmp_path: Path) -> None:
    one, two = library_of(tmp_path / "one", photo(0)), library_of(tmp_path / "two", photo(1))
    (picture,) = (two / PICTURES_FOLDER).iterdir()
    picture.write_bytes(picture.read_bytes()[:-1])
    with pytest.raises(LibraryError, match=picture.name):
        edit.merge([one, two], tmp_path / "all")
    (two / MANIFEST_FILE).unlink()
    with pytest.raises(LibraryError, match="two is not a library"):
        edit.merge([one, two], tmp_path / "all")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["one", "two"]


def test_does_not_merge_into_a_folder_of_other_files(tmp_path: Path) -> None:
    one, two = library_of(tmp_path / "one", photo(0)), library_of(tmp_path / "two", photo(1))
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "grandmother.jpg").write_bytes(b"dear")
    with pytest.raises(LibraryError, match="is not replaced"):
        edit.merge([one, two], tmp_path / "photos")


def test_merging_reports_progress(tmp_path: Path) -> None:
    one, two = library_of(tmp_path / "one", photo(0)), library_of(tmp_path / "two", photo(1))
    updates: list[tuple[int, int | None, str]] = []
    edit.merge([one, two], tmp_path / "all", lambda *update: updates.append(update))
    assert updates[:2] == [(1, 2, "Merging"), (2, 2, "Merging")]
