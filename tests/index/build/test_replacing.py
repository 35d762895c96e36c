"""Writing a library in place of another: the old one stays until the new one is complete, whatever happens."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index.build import swap, writer
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Library, backup_folder, verify_library
from index.manifest import (
    CREDITS_FILE,
    KEYPOINTS_FILE,
    MANIFEST_FILE,
    PARTS_FILE,
    PICTURES_FOLDER,
    REPORT_FILE,
    mapped_files,
)
from index.match import Matcher
from models import files
from tests.support.libraries import NewItem, add_item, write_library
from tests.support.paths import ROOT
from tests.support.sample_library import COUNT, cut, empty, items, remove, write_manifest
from tests.support.sample_poses import sample_people


@pytest.mark.parametrize("name", ["Фото 写真 صور", "caf\udce9", "a'b\"c $HOME %s?#", "line\nbreak"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    write_library(items(COUNT), tmp_path / name)
    with Library.open(tmp_path / name) as library:
        assert library.picture(0).shape == (96, 128, 3)
        assert Matcher(library).find(library.pose(7), 1)[0].item == 7


def test_cleans_texts(tmp_path: Path) -> None:
    write_library([NewItem(None, sample_people(1)[0], "caf\udce9\0\n  x", "ж" * 1000)], tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert library.item(0).title == "caf� x"
        assert library.item(0).author == "ж" * 200


def test_a_new_library_replaces_the_old_one(library: Path) -> None:
    with Library.open(library) as old:
        write_library(items(10), library)
        assert len(old) == COUNT, "the old library stays usable while it is open"
        assert Matcher(old).find(old.pose(300), 1)[0].item == 300
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_an_open_library_knows_that_it_was_replaced(library: Path) -> None:
    with Library.open(library) as old:
        before = old.is_replaced
        write_library(items(10), library)
        assert (before, old.is_replaced) == (False, True)
        with Library.open(library) as new:
            assert not new.is_replaced
            library.rename(backup_folder(library))
            assert not new.is_replaced, "between the two renames of a swap"
            backup_folder(library).rename(library.parent / "elsewhere")
            assert not new.is_replaced, "nothing has replaced it"


def test_swaps_by_two_renames_where_needed(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "exchange", lambda first, second: False)
    write_library(items(10), library)
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_survives_a_power_cut_between_two_renames(library: Path) -> None:
    library.rename(backup_folder(library))
    assert verify_library(library).items == COUNT
    with Library.open(library) as opened:
        assert opened.picture(0).shape == (96, 128, 3)
    write_library(items(10), library)
    assert verify_library(library).items == 10
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_removes_the_backup_after_a_power_cut(library: Path) -> None:
    shutil.copytree(library, backup_folder(library))
    write_library(items(10), library)
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_a_backup_that_stays_does_not_stop_a_swap(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS keeps the files of an old library as .nfs files while a mirror has them open."""
    monkeypatch.setattr(files, "exchange", lambda first, second: False)
    left = backup_folder(library) / ".nfs0001"
    left.parent.mkdir()
    left.write_bytes(b"open")
    rmtree = shutil.rmtree

    def keep_open_files(folder: Path, *, ignore_errors: bool = False) -> None:
        if not list(folder.glob(".nfs*")):
            rmtree(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", keep_open_files)
    write_library(items(10), library)
    assert verify_library(library).items == 10
    assert not backup_folder(library).exists(), "it could be taken for a library"
    monkeypatch.undo()
    write_library(items(9), library)
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_a_failing_second_rename_brings_the_old_back(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def fail_once(source: Path, target: Path) -> None:
        if source.name.startswith(".library.building"):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        rename(source, target)

    monkeypatch.setattr(files, "exchange", lambda first, second: False)
    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OSError, match="busy"):
        write_library(items(10), library)
    assert verify_library(library).items == COUNT
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_refuses_a_whole_disk_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "ismount", lambda path: path == tmp_path)
    with pytest.raises(LibraryError, match=r"is a whole disk, which no library can replace: name a folder on it"):
        LibraryWriter(tmp_path)


def test_refuses_more_pictures_than_fat_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "is_fat", lambda folder: folder == tmp_path)
    swap.check_picture_count(tmp_path / "new" / "library", swap.FAT_PICTURES)
    with pytest.raises(LibraryError, match=r"FAT, which holds 9,362 pictures at most, and there are 9,363"):
        swap.check_picture_count(tmp_path / "new" / "library", swap.FAT_PICTURES + 1)
    monkeypatch.setattr(files, "is_fat", lambda folder: False)
    swap.check_picture_count(tmp_path / "library", 1_000_000)


def test_a_link_to_a_library_stays_a_link(library: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(library)
    write_library(items(10), tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert verify_library(library).items == 10


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device"), MemoryError])
def test_a_stopped_build_leaves_the_old_library(library: Path, stop: type[BaseException] | BaseException) -> None:
    def items_then_stop() -> Iterator[NewItem]:
        yield from items(7)
        raise stop

    with pytest.raises(stop if isinstance(stop, type) else type(stop)):
        write_library(items_then_stop(), library)
    assert verify_library(library).items == COUNT
    assert [file.name for file in library.parent.iterdir()] == ["library"]


@pytest.mark.parametrize("step", ["sync_to_disk", "swap_library"])
def test_an_error_at_the_end_leaves_the_old_library(library: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(swap, step, fail)
    with pytest.raises(OSError, match="Input/output"):
        write_library(items(7), library)
    assert verify_library(library).items == COUNT
    assert [file.name for file in library.parent.iterdir()] == ["library"]


def test_clears_away_what_a_killed_build_left(library: Path) -> None:
    left = writer.building_folder(library)
    (left / PICTURES_FOLDER).mkdir(parents=True)
    (left / PICTURES_FOLDER / "x.jpg").write_bytes(b"x")
    (left / KEYPOINTS_FILE).write_bytes(b"x")
    write_library(items(7), library)
    assert verify_library(library).items == 7
    assert not left.exists()


def test_rejects_a_second_build_of_a_library(tmp_path: Path) -> None:
    with LibraryWriter(tmp_path / "library") as first:
        with pytest.raises(LibraryError, match="Another build is writing"):
            LibraryWriter(tmp_path / "library")
        add_item(first, items(1)[0])
        first.finish()
    assert verify_library(tmp_path / "library").items == 1


def test_never_replaces_a_folder_of_other_files(tmp_path: Path) -> None:
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
def test_never_replaces_a_folder_with_similar_names(tmp_path: Path, names: list[str], folder: str) -> None:
    (tmp_path / "mine" / folder).mkdir(parents=True)
    for name in names:
        (tmp_path / "mine" / name).write_text("mine")
    with pytest.raises(LibraryError, match="so it is not a library and is not replaced"):
        write_library(items(1), tmp_path / "mine")
    assert all((tmp_path / "mine" / name).read_text() == "mine" for name in names)


@pytest.mark.parametrize("place", ["grandmother.jpg", f"{PICTURES_FOLDER}/grandmother.jpg"])
@pytest.mark.parametrize("manifest", ["whole", "cut"])
def test_never_deletes_a_photo_put_into_a_library(library: Path, place: str, manifest: str) -> None:
    (library / place).write_bytes(b"dear")
    with pytest.raises(LibraryError, match=r"grandmother\.jpg does not belong to the library"):
        verify_library(library)
    if manifest == "cut":
        cut(library / MANIFEST_FILE)
    with pytest.raises(LibraryError, match=r"holds (pictures/)?grandmother\.jpg"):
        write_library(items(1), library)
    assert (library / place).read_bytes() == b"dear"


@pytest.mark.parametrize("damage", [remove, cut, empty])
def test_replaces_a_damaged_library(library: Path, damage: Callable[[Path], None]) -> None:
    damage(library / MANIFEST_FILE)
    write_library(items(7), library)
    assert verify_library(library).items == 7


def test_replaces_a_library_of_another_version(library: Path) -> None:
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    document["version"] = 99
    write_manifest(library, document)
    (library / "CREDITS.html").write_text("")
    write_library(items(7), library)
    assert verify_library(library).items == 7


def test_rejects_and_replaces_a_library_of_version_1(library: Path) -> None:
    for name in mapped_files(1):
        old = library / name.replace("-0", "")
        (library / name).rename(old)
        if old.name in ("members.npy", PARTS_FILE):
            old.unlink()
    (library / CREDITS_FILE).unlink()
    document = json.loads((library / MANIFEST_FILE).read_bytes())
    names = [file.name for file in library.iterdir() if file.is_file() and file.name != MANIFEST_FILE]
    write_manifest(library, {**document, "version": 1, "files": dict.fromkeys(names)})
    with pytest.raises(LibraryError, match="has format version 1, but this program reads 3: build it again"):
        Library.open(library)
    damaged = Path(shutil.copytree(library, library.parent / "damaged"))
    (damaged / MANIFEST_FILE).unlink()
    for old_library in (library, damaged):
        write_library(items(7), old_library)
        assert verify_library(old_library).items == 7


@pytest.mark.slow
@pytest.mark.parametrize("size", [4_000, 100_000, 400_000])
def test_a_full_disk_leaves_the_old_library(library: Path, tmp_path: Path, size: int) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import resource\nfrom pathlib import Path\nfrom tests.support.sample_library import items\n"
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
