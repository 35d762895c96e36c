"""Damaged libraries: every kind of damage raises one sentence, and never crashes the program."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.build.swap import check_replaceable
from index.errors import LibraryError
from index.library import Library, read_removed_pictures, verify_library
from index.manifest import (
    ITEMS_FILE,
    KEYPOINTS_FILE,
    MANIFEST_FILE,
    PICTURES_FOLDER,
    SHAPE_FILE,
    index_file,
)
from tests.support.libraries import NewItem, write_library
from tests.support.paths import ROOT
from tests.support.sample_library import CHECKED, COUNT, DAMAGES, cut, empty, flip_first, sign_again, write_manifest
from tests.support.sample_poses import sample_people


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*CHECKED, MANIFEST_FILE])
def test_an_error_names_the_damaged_file(library: Path, name: str, damage: Callable[[Path], None]) -> None:
    damage(library / name)
    for reader in (Library.open, verify_library):
        with pytest.raises(LibraryError) as error:
            reader(library)
        sentence = str(error.value)
        assert str(library) in sentence
        assert name in sentence
        assert "build it again with" in sentence
        assert "\n" not in sentence


@pytest.mark.slow
def test_verify_detects_any_flipped_bit(built: Path, tmp_path: Path) -> None:
    library = Path(shutil.copytree(built, tmp_path / "library"))
    files = sorted(file for file in library.rglob("*") if file.is_file())

    @settings(max_examples=60)
    @given(st.sampled_from(files), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
    def flip_a_bit(file: Path, place: float, bit: int) -> None:
        whole = file.read_bytes()
        data = bytearray(whole)
        data[int(place * len(data))] ^= 1 << bit
        file.write_bytes(data)
        try:
            with pytest.raises(LibraryError, match=file.name):
                verify_library(library)
        finally:
            file.write_bytes(whole)

    flip_a_bit()
    verify_library(library)


@pytest.mark.parametrize("damage", DAMAGES)
def test_rejects_a_damaged_picture(library: Path, damage: Callable[[Path], None]) -> None:
    file = sorted((library / PICTURES_FOLDER).iterdir())[0]
    damage(file)
    with pytest.raises(LibraryError, match=file.name):
        verify_library(library)
    with Library.open(library) as opened:
        number = next(i for i in range(5) if opened.item(i).picture == file)
        with pytest.raises(LibraryError, match=file.name):
            opened.picture(number)
        assert opened.picture((number + 1) % 5).shape == (96, 128, 3)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHECKED)
def test_rejects_a_file_of_another_library(library: Path, tmp_path: Path, name: str) -> None:
    write_library([NewItem(None, person) for person in sample_people(COUNT, 1, unseen_share=0.2)], tmp_path / "other")
    shutil.copy(tmp_path / "other" / name, library / name)
    with pytest.raises(LibraryError, match=name):
        Library.open(library)


def test_rejects_two_swapped_files(library: Path) -> None:
    (library / index_file("left", 0)).rename(library / "x")
    (library / index_file("right", 0)).rename(library / index_file("left", 0))
    (library / "x").rename(library / index_file("right", 0))
    with pytest.raises(LibraryError, match=r"left-0\.annoy"):
        Library.open(library)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(version=1), "format version 1, but this program reads 3"),
        (lambda d: d.update(version=None), "format version None"),
        (lambda d: d["vectors"].update(version=0), "vector version 0, but this program reads 2"),
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
def test_rejects_a_wrong_manifest(library: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    change(document)
    write_manifest(library, document)
    with pytest.raises(LibraryError, match=message):
        Library.open(library)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"format": 1}', b"[" * 100_000, b"{}" + b" " * 2_000_000]
)
def test_rejects_a_file_that_is_not_a_manifest(library: Path, text: bytes) -> None:
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
def test_rejects_key_points_of_another_form(library: Path, array: npt.NDArray[Any]) -> None:
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
def test_rejects_a_malicious_array_header(library: Path, header: bytes) -> None:
    header = header.ljust(1013) + b"\n"
    (library / KEYPOINTS_FILE).write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)
    )
    sign_again(library)
    with pytest.raises(LibraryError, match=KEYPOINTS_FILE):
        Library.open(library)


def test_rejects_a_shape_model_of_another_form(library: Path) -> None:
    np.save(library / SHAPE_FILE, np.zeros((34, 34)))
    sign_again(library)
    with pytest.raises(LibraryError, match=SHAPE_FILE):
        Library.open(library)


@pytest.mark.parametrize("size", [1, 119, 120, 1200])
def test_rejects_an_index_of_garbage(library: Path, size: int) -> None:
    (library / index_file("whole", 0)).write_bytes(b"\xfe" * size)
    sign_again(library)
    with pytest.raises(LibraryError, match=r"whole-0\.annoy"):
        Library.open(library)


def without_tables(file: Path) -> None:
    file.unlink()
    sqlite3.connect(file).close()


def delete_row(file: Path) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute("DELETE FROM item WHERE number = 5")
    table.close()


def drop_column(file: Path) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute("ALTER TABLE item DROP COLUMN licence")
    table.close()


@pytest.mark.parametrize("damage", [without_tables, delete_row, drop_column, flip_first, cut, empty])
def test_rejects_damaged_tables(library: Path, damage: Callable[[Path], None]) -> None:
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
        "UPDATE item SET collection = 7",
        "CREATE TABLE other AS SELECT * FROM item; DROP TABLE item; ALTER TABLE other RENAME TO item; "
        "UPDATE item SET number = 1.5 WHERE number = 1",
        "UPDATE item SET picture = 7",
        "UPDATE item SET number = 9999 WHERE number = 2",
        "UPDATE fingerprint SET bits = x'00ff'",
        "UPDATE fingerprint SET picture = '../a.jpg' WHERE picture = (SELECT min(picture) FROM fingerprint)",
        "DELETE FROM fingerprint",
        "INSERT INTO removed VALUES ('a', 'b', 'c')",
    ],
)
def test_rejects_rows_of_wrong_types(library: Path, statement: str) -> None:
    """Otherwise the first one shown or credited would crash the mirror."""
    with closing(sqlite3.connect(library / ITEMS_FILE)) as table, table:
        table.executescript(statement)
    table.close()
    sign_again(library)
    with pytest.raises(LibraryError, match=ITEMS_FILE):
        Library.open(library)


ENDLESS = "AS WITH RECURSIVE c(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c) SELECT"


@pytest.mark.parametrize(
    "statement",
    [
        f"ALTER TABLE item RENAME TO real; CREATE VIEW item {ENDLESS} real.* FROM c, real",
        f"ALTER TABLE removed RENAME TO real; CREATE VIEW removed {ENDLESS} real.* FROM c, real",
        f"CREATE VIEW other {ENDLESS} n FROM c",
        "CREATE TRIGGER other AFTER INSERT ON item BEGIN DELETE FROM item; END",
        "ALTER TABLE item ADD COLUMN more AS (hex(zeroblob(1000000)))",
        "ALTER TABLE item ADD COLUMN more CHECK (length(hex(zeroblob(1000000))))",
        "CREATE INDEX other ON item (hex(zeroblob(10)))",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES "
        f"('view', 'sqlite_schema', 'sqlite_schema', 0, 'CREATE VIEW sqlite_schema {ENDLESS} n AS sql FROM c')",
    ],
)
def test_computes_nothing_that_tables_say(library: Path, statement: str) -> None:
    """Otherwise a view without an end would stop the program."""
    with closing(sqlite3.connect(library / ITEMS_FILE)) as table, table:
        table.executescript(statement)
    table.close()
    sign_again(library)
    program = "import sys, pathlib, index.library as l; l.Library.open(pathlib.Path(sys.argv[1]))"
    finished = subprocess.run(
        [sys.executable, "-c", program, library], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert re.search(r"LibraryError: .*items.sqlite cannot be used", finished.stderr), finished


@pytest.mark.parametrize("columns", [["collection"], ["collection", "date"]])
def test_reads_a_library_of_an_earlier_version(library: Path, columns: list[str]) -> None:
    with closing(sqlite3.connect(library / ITEMS_FILE)) as table, table:
        for column in columns:
            table.execute(f"ALTER TABLE item DROP COLUMN {column}")
    table.close()
    sign_again(library)
    with Library.open(library) as opened:
        assert [getattr(opened.item(3), column) for column in columns] == [None] * len(columns)
        assert opened.collections == ()
        assert [item.title for item in opened.items()][3] == "Item 3"


def test_errors_of_sqlite_are_printable(library: Path) -> None:
    data = (library / ITEMS_FILE).read_bytes()
    (library / ITEMS_FILE).write_bytes(data.replace(b"CREATE TABLE removed", b"CREATE TABLE \x1bemoved"))
    sign_again(library)
    with pytest.raises(LibraryError, match=ITEMS_FILE) as error:
        Library.open(library)
    assert str(error.value).isprintable()


def test_rejects_a_zip_file_as_an_array(library: Path) -> None:
    np.savez(library / "keypoints.npz", keypoints=np.zeros((8, 17, 3), np.float32))
    (library / "keypoints.npz").replace(library / KEYPOINTS_FILE)
    sign_again(library)
    with pytest.raises(LibraryError, match="a zip file, not an array"):
        Library.open(library)


def test_rejects_a_deeply_nested_manifest(library: Path) -> None:
    text = (library / MANIFEST_FILE).read_text()
    for depth in (300, 950, 2000, 100_000):
        (library / MANIFEST_FILE).write_text(
            text.replace('"models": [', '"models": [' + "[" * depth + "]" * depth + ", ")
        )
        with pytest.raises(LibraryError, match=MANIFEST_FILE) as error:
            Library.open(library)
        assert len(str(error.value)) < 500


def test_rejects_a_place_without_a_library(tmp_path: Path, library: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    (library / MANIFEST_FILE).unlink()
    for place, advice in (
        (tmp_path / "missing", r": build it with `.* --out .*/missing`\.$"),
        (tmp_path / "empty", r": build it with `.* --out .*/empty`\.$"),
        (tmp_path / "file", r": name a folder that `pose-mirror index build` made\.$"),
        (library, r": build it again with `.*`\.$"),
    ):
        with pytest.raises(LibraryError, match=advice):
            Library.open(place)


@pytest.mark.parametrize("name", ["my photos", "photos"])
def test_the_advice_for_photos_can_be_followed(tmp_path: Path, name: str) -> None:
    photos = tmp_path / name
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"")
    with pytest.raises(LibraryError) as error:
        Library.open(photos)
    command = re.search("`(.*)`", str(error.value))
    assert command is not None
    program, *words = shlex.split(command[1])
    assert (program, words) == ("pose-mirror", ["index", "build", str(photos), "--out", f"{photos}-library"])
    check_replaceable(Path(words[-1]))


def test_the_advice_names_what_would_be_lost(library: Path) -> None:
    (library / "notes.txt").write_text("mine")
    cut(library / ITEMS_FILE)
    with pytest.raises(LibraryError, match=r"also holds notes\.txt, .*: move it elsewhere, and build it again with"):
        Library.open(library)


def test_the_advice_for_a_whole_disk_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    with pytest.raises(LibraryError, match=r"with `pose-mirror index build / --out /home/me/photo-library`\.$"):
        Library.open(Path("/"))


@pytest.mark.parametrize(
    ("closed", "mode", "message"),
    [
        (".", 0o700, "LIB cannot be read by the user number 54321: run `sudo chmod -R a+rX LIB` to let"),
        (
            "..",
            0o700,
            "LIB cannot be read by the user number 54321, who may not enter ABOVE: move it out of",
        ),
        (
            MANIFEST_FILE,
            0o600,
            "LIB/manifest.json cannot be read by the user number 54321: run `sudo chmod -R a+rX LIB",
        ),
        (ITEMS_FILE, 0o600, "LIB/items.sqlite cannot be read by the user number 54321: run `sudo chmod -R a+rX LIB`"),
        (PICTURES_FOLDER, 0o700, "LIB/pictures cannot be read by the user number 54321: run `sudo chmod -R a+rX LIB`"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_what_may_not_be_read(library: Path, closed: str, mode: int, message: str) -> None:
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom index.library import *\nfrom index.errors import *\n"
        "import index.build.swap\nos.setuid(54321)\n"
        "try:\n    verify_library(Path(sys.argv[1]))\nexcept LibraryError as error:\n    print(error)"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as above:  # pytest's own folders are root's alone
        os.chmod(above, 0o755)
        copy = shutil.copytree(library, Path(above) / "library")
        (copy / closed).chmod(mode)
        finished = subprocess.run(
            [sys.executable, "-c", program, copy], capture_output=True, text=True, cwd=ROOT, check=False
        )
    assert finished.stdout.startswith(message.replace("LIB", str(copy)).replace("ABOVE", above)), finished


def test_an_empty_folder_has_lost_no_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "empty").mkdir()
    assert read_removed_pictures(tmp_path / "empty") == []
    assert caplog.messages == []


def test_a_build_does_not_advise_itself(library: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut(library / ITEMS_FILE)
    assert read_removed_pictures(library) == []
    assert "build it again" not in caplog.text
    assert caplog.text.rstrip().endswith("take them down again with `pose-mirror index remove`.")


def test_errors_are_printable_for_any_folder_name(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n"))
    with pytest.raises(LibraryError) as error:
        Library.open(folder)
    assert "\n" not in str(error.value).encode("utf-8").decode()
