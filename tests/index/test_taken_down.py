"""What was taken down from a library is known as long as anything of its list can be read."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from index import manifest as manifests
from index.build import edit
from index.library import Library, TakenDown, read_taken_down
from index.manifest import ITEMS_FILE, KEYPOINTS_FILE, MANIFEST_FILE, PARTS_FILE
from tests.support.libraries import write_library
from tests.support.sample_library import (
    cut,
    empty,
    flip,
    flip_first,
    flip_last,
    items,
    remove,
    sign_again,
    write_manifest,
)


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library from which two pictures were taken down."""
    folder = tmp_path_factory.mktemp("edited") / "library"
    write_library(items(8), folder)
    edit.remove(folder, ["0", "1"], authors=["Somebody"])
    return folder


@pytest.fixture
def library(edited: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(edited, tmp_path / "library"))


@pytest.fixture(scope="module")
def expected(edited: Path) -> TakenDown:
    with Library.open(edited) as library:
        taken_down = TakenDown(library.removed_pictures(), library.barred())
    assert len(taken_down.pictures) == 2
    assert [entry.text for entry in taken_down.barred.entries] == ["Somebody", "https://0", "https://1"]
    return taken_down


def with_version_2(folder: Path) -> None:
    document = json.loads((folder / MANIFEST_FILE).read_text())
    document["version"] = 2
    write_manifest(folder, document)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: None,
        lambda folder: flip_last(folder / KEYPOINTS_FILE),
        lambda folder: remove(folder / PARTS_FILE),
        lambda folder: flip_last(folder / MANIFEST_FILE),
        lambda folder: remove(folder / MANIFEST_FILE),
        with_version_2,
    ],
)
def test_other_damage_loses_nothing(
    library: Path, expected: TakenDown, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    damage(library)
    assert read_taken_down(library) == expected
    assert caplog.messages == []


def test_keeps_what_damaged_tables_still_say(
    library: Path, expected: TakenDown, caplog: pytest.LogCaptureFixture
) -> None:
    flip(library / ITEMS_FILE, (library / ITEMS_FILE).read_bytes().index(b"Item 3"))
    assert read_taken_down(library) == expected
    assert "items.sqlite is not as it was built" in caplog.text
    assert "What can be read of the list of what was taken down from it is kept" in caplog.text


def test_one_bad_row_loses_no_other(library: Path, expected: TakenDown, caplog: pytest.LogCaptureFixture) -> None:
    with closing(sqlite3.connect(library / ITEMS_FILE)) as tables, tables:
        tables.execute("INSERT INTO removed VALUES ('a', 'b', 'c')")
        tables.execute("INSERT INTO barred VALUES ('friend', 'Ann')")
        tables.execute("UPDATE removed SET title = CAST(x'ff' AS TEXT)")
    sign_again(library)
    taken_down = read_taken_down(library)
    assert [picture[:2] for picture in taken_down.pictures] == [picture[:2] for picture in expected.pictures]
    assert taken_down.barred == expected.barred
    assert "items.sqlite is damaged (an invalid row: 'a')." in caplog.text


@pytest.mark.parametrize("damage", [cut, empty, remove, flip_first])
@pytest.mark.parametrize("has_manifest", [True, False])
def test_says_what_is_lost_with_the_tables(
    library: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], has_manifest: bool
) -> None:
    damage(library / ITEMS_FILE)
    if not has_manifest:
        remove(library / MANIFEST_FILE)
    assert read_taken_down(library).pictures == []
    (message,) = caplog.messages
    assert "items.sqlite" in message
    assert "such pictures may come back: look through the new library, and take them down again with" in message
    assert "build it again" not in message


def test_reads_the_library_that_takes_the_place_meanwhile(
    library: Path,
    expected: TakenDown,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_library(items(8), tmp_path / "old")
    new, old = library.rename(tmp_path / "new"), (tmp_path / "old").rename(library)
    verify = manifests.verify_files

    def replace_first(*args: Any) -> None:
        if new.exists():
            old.rename(tmp_path / "replaced")
            shutil.rmtree(tmp_path / "replaced")
            new.rename(library)
        verify(*args)

    monkeypatch.setattr(manifests, "verify_files", replace_first)
    assert read_taken_down(library) == expected
    assert caplog.messages == []
