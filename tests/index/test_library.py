"""The folder on disk: what goes in comes out, and damage of any kind is a sentence and never a signal."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.build import swap
from index.build.photo import NewPicture
from index.build.writer import BATCH_SIZE, LibraryWriter
from index.errors import LibraryError
from index.library import Library, RemovedPicture, backup_folder, load_manifest, verify_library
from index.manifest import (
    CREDITS_FILE,
    ITEMS_FILE,
    KEYPOINTS_FILE,
    MANIFEST_FILE,
    PAGES,
    PICTURES_FOLDER,
    REPORT_FILE,
    SHAPE_FILE,
    index_file,
    mapped_files,
)
from index.match import Matcher
from models.pose import Pose
from tests.support.libraries import NewItem, add_item, write_library
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

CHECKED = mapped_files(1)

COUNT = 600
"""More than are searched through, so that Annoy's indexes are asked."""


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 255, (3, 4, 3), np.uint8).repeat(32, 0).repeat(32, 1)


def items(count: int) -> list[NewItem]:
    """Poses; the first few of them in pictures."""
    return [
        NewItem(
            picture(i) if i < 5 else None, one, f"Item {i}", "Ann", "CC BY 4.0", "https://cc.example", f"https://{i}"
        )
        for i, one in enumerate(sample_people(count))
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "library"
    assert write_library(items(COUNT), folder, models=[("posenet", "ab12")]) == COUNT
    return folder


@pytest.fixture
def library(built, tmp_path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(built, tmp_path / "library"))


def sign_again(folder: Path) -> None:
    """Makes the manifest vouch for the files as they now are: damage that no checksum tells."""
    document = json.loads((folder / MANIFEST_FILE).read_bytes())
    for name in document["files"]:
        data = (folder / name).read_bytes()
        document["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    write_manifest(folder, document)


def write_manifest(folder: Path, document: dict) -> None:
    document.pop("sha256", None)
    text = json.dumps(document, indent=2) + "\n"
    document["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (folder / MANIFEST_FILE).write_text(json.dumps(document, indent=2) + "\n")


def test_what_goes_in_comes_out(built):
    with Library.open(built) as library:
        assert len(library) == COUNT
        assert library.keypoints.shape == (COUNT, 17, 3)
        assert library.keypoints.dtype == np.float32
        assert np.allclose(library.pose(400).xy, sample_people(COUNT)[400, :, :2])
        item = library.item(3)
        assert (item.number, item.width, item.height) == (3, 128, 96)
        assert item.credit == "Item 3, Ann, CC BY 4.0"
        assert (item.licence_url, item.source_url) == ("https://cc.example", "https://3")
        assert item.box == pytest.approx(library.pose(3).box())
        assert item.picture is not None
        assert item.picture.is_file()
        assert np.abs(library.picture(3).astype(int) - picture(3)).mean() < 4
        assert library.item(100).picture is None
        with pytest.raises(LibraryError, match="poses alone"):
            library.picture(100)
        for nobody in (COUNT, -1):
            with pytest.raises(IndexError, match="no item"):
                library.item(nobody)
    assert verify_library(built) == load_manifest(built)
    assert load_manifest(built).models == (("posenet", "ab12"),)
    assert load_manifest(built).pictures == 5


def test_key_points_cannot_be_written_to(built):
    with Library.open(built) as library, pytest.raises(ValueError, match="read-only"):
        library.keypoints[0] = 0


def test_a_picture_is_scaled_to_the_display_and_its_key_points_along(tmp_path):
    wide = np.zeros((100, 400, 3), np.uint8)
    one = np.zeros((17, 3), np.float32)
    one[5:9] = (0, 0, 1), (399, 0, 1), (399, 99, 1), (199.5, 49.5, 1)
    write_library([NewItem(wide, one)], tmp_path / "small", long_side=200)
    with Library.open(tmp_path / "small") as library:
        assert (library.item(0).width, library.item(0).height) == (200, 50)
        assert library.picture(0).shape == (50, 200, 3)
        assert library.keypoints[0, 5:9, :2].tolist() == [
            [-0.25, -0.25],
            [199.25, -0.25],
            [199.25, 49.25],
            [99.5, 24.5],
        ]
        assert not library.keypoints[0, :5].any(), "unseen points stay unseen"


def test_two_people_share_one_picture_file(tmp_path):
    write_library([NewItem(picture(0), one) for one in sample_people(2)], tmp_path / "library")
    assert len(list((tmp_path / "library" / PICTURES_FOLDER).iterdir())) == 1


def test_each_picture_has_its_fingerprint_once(built):
    with Library.open(built) as library:
        expected = {
            stored.name: stored.fingerprint for stored in (NewPicture.encode(picture(i)) for i in range(5))
        }
        assert list(library.fingerprints()) == sorted(expected.items())
        assert list(library.picture_names()) == sorted(expected)


def test_all_items_come_in_their_order(built):
    with Library.open(built) as library:
        assert list(library.items()) == [library.item(i) for i in range(COUNT)]


def test_what_was_put_in_can_be_read_before_the_library_is_whole(tmp_path):
    some = sample_people(BATCH_SIZE + 5)
    with LibraryWriter(tmp_path / "library") as writer:
        assert writer.keypoints().shape == (0, 17, 3)
        for i, one in enumerate(some):
            add_item(writer, NewItem(picture(0) if i == 3 else None, one, f"Item {i}"))
            if i == BATCH_SIZE + 2:
                assert len(writer) == BATCH_SIZE + 3
                assert (writer.keypoints() == some[: BATCH_SIZE + 3]).all()
        assert writer.keypoints().shape == some.shape
        written = list(writer.items())
        assert written[3].picture is not None
        assert written[3].picture.is_file()
        writer.finish()
    with Library.open(tmp_path / "library") as library:
        assert (library.keypoints == some).all()
        assert [item.title for item in library.items()] == [item.title for item in written]
        assert (
            library.item(BATCH_SIZE + 1).box
            == written[BATCH_SIZE + 1].box
            == pytest.approx(library.pose(BATCH_SIZE + 1).box())
        )


def test_what_was_taken_down_is_remembered(tmp_path):
    gone = [
        RemovedPicture(f"{'b' * 64}.jpg", bytes(32), None),
        RemovedPicture(f"{'a' * 64}.jpg", bytes(range(32)), "A"),
    ]
    with LibraryWriter(tmp_path / "library") as writer:
        add_item(writer, items(1)[0])
        for one in (*gone, gone[0]):
            writer.add_removed(one)
        writer.finish()
    with Library.open(tmp_path / "library") as library:
        assert library.removed_pictures() == gone[::-1]


def test_pages_are_checked_by_verify_and_do_not_keep_the_mirror_from_starting(tmp_path):
    with LibraryWriter(tmp_path / "library") as writer:
        add_item(writer, items(1)[0])
        with pytest.raises(ValueError, match=r"'index\.html' is not one of"):
            writer.write_page("index.html", "")
        writer.write_page(REPORT_FILE, "<p>Möbius")
        writer.finish()
    assert (tmp_path / "library" / REPORT_FILE).read_text(encoding="utf-8") == "<p>Möbius"
    assert "Ann" in (tmp_path / "library" / CREDITS_FILE).read_text(encoding="utf-8")
    verify_library(tmp_path / "library")
    for page in PAGES:
        flip_first(tmp_path / "library" / page)
        Library.open(tmp_path / "library").close()
        with pytest.raises(LibraryError, match=page):
            verify_library(tmp_path / "library")
        flip_first(tmp_path / "library" / page)


def test_poses_alone_have_no_credits_page(tmp_path):
    write_library([NewItem(None, one) for one in sample_people(2)], tmp_path / "library")
    assert not (tmp_path / "library" / CREDITS_FILE).exists()


def test_progress_is_told_while_files_are_checked(built):
    told: list[tuple[int, int | None, str]] = []
    verify_library(built, progress=lambda *words: told.append(words))
    size = sum((built / name).stat().st_size for name in CHECKED)
    assert [words for words in told if words[2] == "Checking"][-1] == (size, size, "Checking")
    assert told[-1] == (5, 5, "Checking pictures")


def test_the_same_items_give_the_same_bytes(built, tmp_path):
    write_library(items(COUNT), tmp_path / "again", models=[("posenet", "ab12")])
    for name in (*CHECKED, MANIFEST_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (built / name).read_bytes(), name


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_a_library_may_be_small(tmp_path, count):
    write_library([NewItem(None, one) for one in sample_people(count)], tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert [m.item for m in Matcher(library).find(library.pose(count - 1), 1)] == [count - 1]


def test_somebody_of_whom_too_little_is_seen_is_kept_but_not_found(tmp_path):
    some = sample_people(3)
    some[1, 2:] = 0
    write_library([NewItem(None, one) for one in some], tmp_path / "library")
    assert (load_manifest(tmp_path / "library").items, load_manifest(tmp_path / "library").indexed) == (3, 2)
    with pytest.raises(LibraryError, match="of 1 people, nobody shows 3 key points"):
        write_library([NewItem(None, some[1])], tmp_path / "nobody")
    with pytest.raises(LibraryError, match="of 0 people"):
        write_library([], tmp_path / "nobody")
    assert [file.name for file in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_a_coordinate_that_is_no_pixel_is_refused(tmp_path, value):
    one = sample_people(1)[0]
    one[3, 0] = value
    with pytest.raises(ValueError, match="cannot be a pixel"):
        write_library([NewItem(None, one)], tmp_path / "library")


# Damage


def flip_first(file: Path) -> None:
    flip(file, 0)


def flip_middle(file: Path) -> None:
    flip(file, file.stat().st_size // 2)


def flip_last(file: Path) -> None:
    flip(file, file.stat().st_size - 1)


def flip(file: Path, place: int) -> None:
    data = bytearray(file.read_bytes())
    data[place] ^= 4
    file.write_bytes(data)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def remove(file: Path) -> None:
    file.unlink()


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def make_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


DAMAGES = (flip_first, flip_middle, flip_last, cut, empty, lengthen, remove, make_folder, make_pipe, make_loop)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*CHECKED, MANIFEST_FILE])
def test_a_damaged_file_is_one_sentence_that_names_it(library, name, damage):
    damage(library / name)
    for reader in (Library.open, verify_library):
        with pytest.raises(LibraryError) as error:
            reader(library)
        sentence = str(error.value)
        assert str(library) in sentence
        assert name in sentence
        assert "build it again with" in sentence
        assert "\n" not in sentence


def test_a_bit_flipped_anywhere_is_one_sentence_that_names_the_file(built, tmp_path):
    library = Path(shutil.copytree(built, tmp_path / "library"))
    files = sorted(file for file in library.rglob("*") if file.is_file())

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(files), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
    def flipped(file: Path, place: float, bit: int) -> None:
        whole = file.read_bytes()
        data = bytearray(whole)
        data[int(place * len(data))] ^= 1 << bit
        file.write_bytes(data)
        try:
            with pytest.raises(LibraryError, match=file.name):
                verify_library(library)
        finally:
            file.write_bytes(whole)

    flipped()
    verify_library(library)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_picture_is_told_when_it_is_read(library, damage):
    file = sorted((library / PICTURES_FOLDER).iterdir())[0]
    damage(file)
    with pytest.raises(LibraryError, match=file.name):
        verify_library(library)
    with Library.open(library) as opened:
        number = next(i for i in range(5) if opened.item(i).picture == file)
        with pytest.raises(LibraryError, match=file.name):
            opened.picture(number)
        assert opened.picture((number + 1) % 5).shape == (96, 128, 3)


@pytest.mark.parametrize("name", CHECKED)
def test_a_file_of_another_library_is_told(library, tmp_path, name):
    write_library([NewItem(None, one) for one in sample_people(COUNT, 1, unseen_share=0.2)], tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, library / name)
    with pytest.raises(LibraryError, match=name):
        Library.open(library)


def test_two_files_swapped_are_told(library):
    (library / index_file("left", 0)).rename(library / "x")
    (library / index_file("right", 0)).rename(library / index_file("left", 0))
    (library / "x").rename(library / index_file("right", 0))
    with pytest.raises(LibraryError, match=r"left-0\.annoy"):
        Library.open(library)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(version=1), "format version 1, and this program's is 2"),
        (lambda d: d.update(version=None), "format version None"),
        (lambda d: d["vectors"].update(version=0), "vector version 0, and this program's is 1"),
        (lambda d: d.update(vectors=[]), "vector version None"),
        (lambda d: d.update(format="recipes"), "not the manifest of a library"),
        (lambda d: d.update(items=-1), "incomplete"),
        (lambda d: d.update(items="600"), "incomplete"),
        (lambda d: d.pop("files"), "incomplete"),
        (lambda d: d["files"].pop(KEYPOINTS_FILE), "incomplete"),
        (lambda d: d.update(items=COUNT + 1), KEYPOINTS_FILE),
        (lambda d: d.update(items=COUNT - 1), KEYPOINTS_FILE),
    ],
)
def test_a_manifest_of_another_version_or_one_that_lies_is_told(library, change, said):
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    change(document)
    write_manifest(library, document)
    with pytest.raises(LibraryError, match=said):
        Library.open(library)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b"{}" + b" " * 2_000_000]
)
def test_a_manifest_that_is_none_is_told(library, text):
    (library / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(LibraryError, match="build it again"):
        Library.open(library)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((COUNT, 17, 3), np.float64),
        np.zeros((COUNT, 17, 3), ">f4"),
        np.zeros((COUNT, 17, 2), np.float32),
        np.zeros((COUNT, 17, 3), np.float32, order="F"),
        np.zeros((COUNT - 1, 17, 3), np.float32),
        np.array([None] * COUNT),
    ],
)
def test_key_points_of_another_form_are_told_though_the_checksum_is_right(library, array):
    np.save(library / KEYPOINTS_FILE, array)
    sign_again(library)
    with pytest.raises(LibraryError, match=KEYPOINTS_FILE):
        Library.open(library)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 17, 3), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (600, 17, -3), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (600, 17, 3), }",
        b"__import__('os').abort()",
        b"(" * 900,
    ],
)
def test_a_tricky_header_of_key_points_is_told(library, header):
    header = header.ljust(1013) + b"\n"
    (library / KEYPOINTS_FILE).write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)
    )
    sign_again(library)
    with pytest.raises(LibraryError, match=KEYPOINTS_FILE):
        Library.open(library)


def test_a_shape_of_another_form_is_told(library):
    np.save(library / SHAPE_FILE, np.zeros((34, 34)))
    sign_again(library)
    with pytest.raises(LibraryError, match=SHAPE_FILE):
        Library.open(library)


@pytest.mark.parametrize("size", [1, 119, 120, 1200])
def test_an_index_of_nonsense_is_told_though_the_checksum_is_right(library, size):
    (library / index_file("whole", 0)).write_bytes(b"\xfe" * size)
    sign_again(library)
    with pytest.raises(LibraryError, match=r"whole-0\.annoy"):
        Library.open(library)


def no_table(file: Path) -> None:
    file.unlink()
    sqlite3.connect(file).close()


def fewer_rows(file: Path) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute("DELETE FROM item WHERE number = 5")
    table.close()


def other_columns(file: Path) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute("ALTER TABLE item DROP COLUMN licence")
    table.close()


@pytest.mark.parametrize("damage", [no_table, fewer_rows, other_columns, flip_first, cut, empty])
def test_damaged_items_are_told_though_the_checksum_is_right(library, damage):
    damage(library / ITEMS_FILE)
    sign_again(library)
    with pytest.raises(LibraryError, match=ITEMS_FILE):
        Library.open(library)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE item SET title = 1.5 WHERE number = 2",
        "UPDATE item SET licence = x'00'",
        "UPDATE item SET width = 'wide'",
        "UPDATE item SET left = NULL",
        "UPDATE item SET picture = 7",
        "UPDATE item SET number = 9999 WHERE number = 2",
        "UPDATE fingerprint SET bits = x'00ff'",
        "UPDATE fingerprint SET picture = '../a.jpg' WHERE picture = (SELECT min(picture) FROM fingerprint)",
        "DELETE FROM fingerprint",
        "INSERT INTO removed VALUES ('a', 'b', 'c')",
    ],
)
def test_rows_of_another_form_are_told_though_the_checksum_is_right(library, statement):
    """Else the first that is shown, or thanked, would end the program."""
    with closing(sqlite3.connect(library / ITEMS_FILE)) as table, table:
        table.execute(statement)
    table.close()
    sign_again(library)
    with pytest.raises(LibraryError, match=ITEMS_FILE):
        Library.open(library)


def test_what_sqlite_says_of_a_damaged_file_is_one_line(library):
    data = (library / ITEMS_FILE).read_bytes()
    (library / ITEMS_FILE).write_bytes(data.replace(b"CREATE TABLE removed", b"CREATE TABLE \x1bemoved"))
    sign_again(library)
    with pytest.raises(LibraryError, match=ITEMS_FILE) as error:
        Library.open(library)
    assert str(error.value).isprintable()


def test_a_zip_file_is_no_array(library):
    np.savez(library / "keypoints.npz", keypoints=np.zeros((8, 17, 3), np.float32))
    (library / "keypoints.npz").replace(library / KEYPOINTS_FILE)
    sign_again(library)
    with pytest.raises(LibraryError, match="a zip file, not an array"):
        Library.open(library)


def test_a_manifest_deeper_than_python_goes_is_told(library):
    text = (library / MANIFEST_FILE).read_text()
    for depth in (300, 950, 2000, 100_000):
        (library / MANIFEST_FILE).write_text(
            text.replace('"models": [', '"models": [' + "[" * depth + "]" * depth + ", ")
        )
        with pytest.raises(LibraryError, match=MANIFEST_FILE) as error:
            Library.open(library)
        assert len(str(error.value)) < 500


def test_no_library_at_all(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("missing", "file", "."):
        with pytest.raises(LibraryError, match="build it again with"):
            Library.open(tmp_path / place)


def test_an_error_s_sentence_can_be_printed_whatever_the_folder_is_called(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    with pytest.raises(LibraryError) as error:
        Library.open(folder)
    assert "\n" not in str(error.value).encode("utf-8").decode()


# Writing


@pytest.mark.parametrize("name", ["Фото 写真 صور", "caf\udce9", "a'b\"c $HOME %s?#", "line\nbreak"])
def test_a_library_s_folder_may_have_any_name(tmp_path, name):
    write_library(items(COUNT), tmp_path / name)
    with Library.open(tmp_path / name) as library:
        assert library.picture(0).shape == (96, 128, 3)
        assert Matcher(library).find(library.pose(7), 1)[0].item == 7


def test_words_that_are_no_text_become_some(tmp_path):
    write_library([NewItem(None, sample_people(1)[0], "caf\udce9\0\n  x", "ж" * 1000)], tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert library.item(0).title == "caf� x"
        assert library.item(0).author == "ж" * 200


def test_a_new_library_takes_the_old_one_s_place(library):
    with Library.open(library) as old:
        write_library(items(10), library)
        assert len(old) == COUNT, "who has the old one open goes on with it"
        assert Matcher(old).find(old.pose(300), 1)[0].item == 300
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_whoever_has_the_old_library_open_can_tell_that_it_was_replaced(library):
    with Library.open(library) as old:
        assert not old.is_replaced
        write_library(items(10), library)
        assert old.is_replaced
        with Library.open(library) as new:
            assert not new.is_replaced
            library.rename(backup_folder(library))
            assert not new.is_replaced, "in the midst of a swap by two renames"
            backup_folder(library).rename(library.parent / "elsewhere")
            assert not new.is_replaced, "there is no other"


def test_where_names_cannot_be_exchanged_two_renames_do(library, monkeypatch):
    monkeypatch.setattr(swap, "_exchange", lambda first, second: False)
    write_library(items(10), library)
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_a_power_cut_between_the_two_renames_leaves_the_old_library_in_use(library):
    library.rename(backup_folder(library))
    assert verify_library(library).items == COUNT
    with Library.open(library) as opened:
        assert opened.picture(0).shape == (96, 128, 3)
    write_library(items(10), library)
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_a_power_cut_after_the_two_renames_leaves_nothing_for_long(library):
    shutil.copytree(library, backup_folder(library))
    write_library(items(10), library)
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_a_link_to_a_library_stays_a_link(library, tmp_path):
    (tmp_path / "link").symlink_to(library)
    write_library(items(10), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert verify_library(library).items == 10


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
def test_what_stops_a_build_leaves_the_old_library_and_nothing_else(library, stop):
    def some():
        yield from items(7)
        raise stop

    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        write_library(some(), library)
    assert verify_library(library).items == COUNT
    assert [file.name for file in library.parent.iterdir()] == ["library"]


@pytest.mark.parametrize("step", ["sync_to_disk", "swap_library"])
def test_an_error_at_the_end_leaves_the_old_library_too(library, monkeypatch, step):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(swap, step, fail)
    with pytest.raises(OSError, match="Input/output"):
        write_library(items(7), library)
    assert verify_library(library).items == COUNT
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_what_a_killed_build_left_is_cleared_away(library):
    left = library.parent / ".library.building"
    (left / PICTURES_FOLDER).mkdir(parents=True)
    (left / PICTURES_FOLDER / "x.jpg").write_bytes(b"x")
    (left / KEYPOINTS_FILE).write_bytes(b"x")
    write_library(items(7), library)
    assert verify_library(library).items == 7
    assert not left.exists()


def test_two_builds_of_one_library_do_not_meet(tmp_path):
    with LibraryWriter(tmp_path / "library") as first:
        with pytest.raises(LibraryError, match="Another build is writing"):
            LibraryWriter(tmp_path / "library")
        add_item(first, items(1)[0])
        first.finish()
    assert verify_library(tmp_path / "library").items == 1


def test_a_folder_that_is_no_library_is_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "grandmother.jpg").write_bytes(b"dear")
    with pytest.raises(LibraryError, match=r"grandmother\.jpg, so it is not a library"):
        write_library(items(1), tmp_path / "photos")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / MANIFEST_FILE).write_text('{"name": "an app"}')
    with pytest.raises(LibraryError, match="not a library"):
        write_library(items(1), tmp_path / "web")
    with pytest.raises(LibraryError, match="is a file"):
        write_library(items(1), tmp_path / "photos" / "grandmother.jpg")
    assert (tmp_path / "photos" / "grandmother.jpg").read_bytes() == b"dear"


@pytest.mark.parametrize("names", [[KEYPOINTS_FILE], [REPORT_FILE], [CREDITS_FILE, KEYPOINTS_FILE], [MANIFEST_FILE]])
@pytest.mark.parametrize("folder", ["", PICTURES_FOLDER])
def test_a_folder_with_names_like_ours_is_not_replaced(tmp_path, names, folder):
    (tmp_path / "mine" / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / "mine" / name).write_text("mine")
    with pytest.raises(LibraryError, match="so it is not a library and is not replaced"):
        write_library(items(1), tmp_path / "mine")
    assert all((tmp_path / "mine" / name).read_text() == "mine" for name in names)


@pytest.mark.parametrize("place", ["grandmother.jpg", f"{PICTURES_FOLDER}/grandmother.jpg"])
@pytest.mark.parametrize("manifest", ["whole", "cut"])
def test_a_photo_put_into_a_library_s_folder_is_not_lost_and_is_told(library, place, manifest):
    (library / place).write_bytes(b"dear")
    with pytest.raises(LibraryError, match=r"grandmother\.jpg does not belong to the library"):
        verify_library(library)
    if manifest == "cut":
        cut(library / MANIFEST_FILE)
    with pytest.raises(LibraryError, match=r"holds (pictures/)?grandmother\.jpg"):
        write_library(items(1), library)
    assert (library / place).read_bytes() == b"dear"


@pytest.mark.parametrize("damage", [remove, cut, empty])
def test_a_damaged_library_can_be_built_again(library, damage):
    damage(library / MANIFEST_FILE)
    write_library(items(7), library)
    assert verify_library(library).items == 7


def test_a_library_of_another_version_can_be_built_again(library):
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    document["version"] = 99
    write_manifest(library, document)
    (library / "CREDITS.html").write_text("")
    write_library(items(7), library)
    assert verify_library(library).items == 7


def test_a_library_of_version_1_is_said_to_be_and_gives_way(library):
    for name in mapped_files(1):
        old = library / name.replace("-0", "")
        (library / name).rename(old)
        if old.name == "members.npy":
            old.unlink()
    (library / CREDITS_FILE).unlink()
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    names = [file.name for file in library.iterdir() if file.is_file() and file.name != MANIFEST_FILE]
    write_manifest(library, {**document, "version": 1, "files": dict.fromkeys(names)})
    with pytest.raises(LibraryError, match="is of format version 1, and this program's is 2: build it again"):
        Library.open(library)
    damaged = Path(shutil.copytree(library, library.parent / "damaged"))
    (damaged / MANIFEST_FILE).unlink()
    for old_library in (library, damaged):
        write_library(items(7), old_library)
        assert verify_library(old_library).items == 7


@pytest.mark.parametrize("size", [4_000, 100_000, 400_000])
def test_a_full_disk_leaves_the_old_library_and_one_error(library, tmp_path, size):
    script = tmp_path / "script.py"
    script.write_text(
        "import resource\nfrom pathlib import Path\nfrom tests.index.test_library import items\n"
        "from tests.support.libraries import write_library\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        f"write_library(items(5000), Path({str(library)!r}))\n"
    )
    ended = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, "OSError" in ended.stderr.splitlines()[-1]) == (1, True), ended.stderr
    assert verify_library(library).items == COUNT
    assert sorted(file.name for file in tmp_path.iterdir()) == ["library", "script.py"]


def test_closing_twice_is_no_harm(built):
    library = Library.open(built)
    library.close()
    library.close()


def test_a_pose_comes_in_the_pixels_of_the_stored_picture(built):
    with Library.open(built) as library:
        pose = library.pose(0)
        assert isinstance(pose, Pose)
        assert pose.mirrored(library.item(0).width).mirrored(library.item(0).width).xy == pytest.approx(pose.xy)
