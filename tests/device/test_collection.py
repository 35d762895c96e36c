"""The library in use, and how a newer one on the disk takes its place under a running mirror."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from device import collection as module
from device.choose import ChooseSettings
from device.collection import Collection
from device.mirror import Moment, PipelineSettings
from index.errors import LibraryError
from index.library import Library
from tests.device.test_mirror import HEIGHT, WIDTH, make_sense, person, wait_for
from tests.support.libraries import NewItem, write_library


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.1)


def build(folder: Path, *titles: str) -> None:
    """A library of somebody standing, once for each title, in pictures of their own."""
    items = []
    for number, title in enumerate(titles):
        picture = np.full((HEIGHT, WIDTH, 3), 40 + 20 * number + sum(map(ord, title)) % 100, np.uint8)
        items.append(NewItem(picture, person().keypoints, title))
    write_library(items, folder)


def damage(folder: Path) -> None:
    file = folder / "keypoints.npy"
    held = bytearray(file.read_bytes())
    held[-1] ^= 1
    file.unlink()  # as rsync and an editor do it; whoever has it mapped keeps the old one
    file.write_bytes(held)


def look_until(collection: Collection, what: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Looks as the sense thread does, until something holds; whether another library came into use."""
    until, taken = time.monotonic() + seconds, False
    while not what():
        assert time.monotonic() < until, f"{collection.folder} is in use; {collection.faults}"
        taken |= collection.refresh(time.monotonic())
        time.sleep(0.01)
    return taken


def look_for(collection: Collection, seconds: float) -> bool:
    until = time.monotonic() + seconds
    return look_until(collection, lambda: time.monotonic() >= until)


def titles(collection: Collection) -> list[str | None]:
    return [collection.item(number).title for number in range(len(collection.keypoints))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "library", "old", "older")
    return tmp_path / "library"


@pytest.fixture
def collection(folder: Path) -> Iterator[Collection]:
    with Collection(Library.open(folder)) as in_use:
        yield in_use


def test_a_rebuilt_library_is_taken_up(collection: Collection, folder: Path) -> None:
    build(folder, "new", "newer", "newest")
    assert look_until(collection, lambda: len(collection.keypoints) == 3)
    assert titles(collection) == ["new", "newer", "newest"]
    assert collection.picture(2) is not None
    assert collection.faults == ()


def test_a_library_that_stays_is_not_opened_again(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_library", lambda _: pytest.fail("opened again"))
    assert not look_for(collection, 0.6)


def test_a_picture_that_went_with_the_old_library_is_no_error(
    collection: Collection, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic()
    collection.refresh(now)
    build(folder, "new")
    assert collection.picture(0) is None
    assert not collection.refresh(now), "it is looked at once, not only after a while"
    assert look_until(collection, lambda: titles(collection) == ["new"])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_is_found_leaves_out_items_whose_picture_cannot_be_read(collection: Collection) -> None:
    picture = collection.item(0).picture
    assert picture is not None
    picture.unlink()
    assert {match.item for match in collection.find(person(), 10)} == {0, 1}
    assert collection.picture(0) is None
    assert {match.item for match in collection.find(person(), 10)} == {1}


def test_a_damaged_new_library_is_said_once_and_the_old_one_stays(
    collection: Collection, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(tmp_path / "new", "new")
    damage(tmp_path / "new")
    folder.rename(tmp_path / "aside")
    (tmp_path / "new").rename(folder)
    look_until(collection, lambda: bool(collection.faults))
    assert not look_for(collection, 0.5)
    assert titles(collection) == ["old", "older"]
    assert collection.picture(1) is not None
    assert "keypoints.npy" in collection.faults[0]
    assert caplog.text.count("keypoints.npy") == 1


def test_a_library_repaired_by_one_file_is_taken_up(collection: Collection, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "keypoints.npy", tmp_path / "whole.npy")
    damage(folder)
    look_until(collection, lambda: bool(collection.faults))
    (tmp_path / "whole.npy").replace(folder / "keypoints.npy")
    assert look_until(collection, lambda: not collection.faults)


def test_a_library_that_is_gone_is_said_until_it_is_back(collection: Collection, folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "unplugged")
    look_until(collection, lambda: bool(collection.faults))
    assert str(folder) in collection.faults[0]
    (tmp_path / "unplugged").rename(folder)
    assert look_until(collection, lambda: not collection.faults)
    assert titles(collection) == ["old", "older"]


def test_the_wanted_library_is_taken_up_when_it_appears_and_its_fault_forgotten(folder: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    with Collection(Library.open(folder), wanted, "There is none.") as collection:
        assert not look_for(collection, 0.4)
        assert collection.faults == ("There is none.",)
        build(wanted, "wanted")
        assert look_until(collection, lambda: not collection.faults)
        assert collection.folder == wanted


def test_a_library_being_copied_is_left_alone_until_it_is_whole(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.4)
    build(tmp_path / "elsewhere", "copied")
    wanted = tmp_path / "wanted"

    def copy_slowly() -> None:
        wanted.mkdir()
        for name in (
            "manifest.json",
            *sorted({p.name for p in (tmp_path / "elsewhere").iterdir()} - {"manifest.json"}),
        ):
            source = tmp_path / "elsewhere" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, wanted / name)
            time.sleep(0.03)

    with Collection(Library.open(folder), wanted, "There is none.") as collection:
        copying = threading.Thread(target=copy_slowly)
        copying.start()
        assert look_until(collection, lambda: collection.folder == wanted)
        copying.join()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_in_the_wanted_librarys_stead_a_starter_library_that_grew_is_taken_up(folder: Path, tmp_path: Path) -> None:
    with Collection(Library.open(folder), tmp_path / "wanted", "There is none.") as collection:
        build(folder, "one", "two", "three")
        assert look_until(collection, lambda: len(collection.keypoints) == 3)
        assert collection.faults == ("There is none.",)


def test_a_library_of_poses_alone_is_not_taken_up(collection: Collection, folder: Path) -> None:
    write_library([NewItem(None, person().keypoints)], folder)
    look_until(collection, lambda: bool(collection.faults))
    assert "poses alone" in collection.faults[0]
    assert titles(collection) == ["old", "older"]


def test_while_a_library_is_checked_the_one_in_use_answers(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow(folder: Path) -> Library:
        go_on.wait(5)
        return Library.open(folder)

    monkeypatch.setattr(module, "open_library", slow)
    build(folder, "new")
    began = time.monotonic()
    for _ in range(50):
        assert not collection.refresh(time.monotonic() + 10)
        assert len(collection.find(person(), 10)) == 2
    assert time.monotonic() - began < 2
    go_on.set()
    assert look_until(collection, lambda: titles(collection) == ["new"])


def test_a_library_that_is_opened_as_the_mirror_ends_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, closed = threading.Event(), threading.Event()

    class Slow(Library):
        def close(self) -> None:
            super().close()
            closed.set()

    def slow(folder: Path) -> Library:
        go_on.wait(5)
        return Slow.open(folder)

    with Collection(Library.open(folder)) as collection:
        monkeypatch.setattr(module, "open_library", slow)
        build(folder, "new")
        collection.refresh(time.monotonic() + 10)
    go_on.set()
    assert closed.wait(5)


def test_a_running_mirror_goes_over_to_the_new_library_with_a_photo_on_the_screen_all_along(folder: Path) -> None:
    shown: list[Moment] = []
    with (
        Collection(Library.open(folder)) as collection,
        make_sense(repeat(None), [person()], collection, PipelineSettings(choose=ChooseSettings(hold=0.05))) as sense,
    ):
        wait_for(sense, lambda m: m.photo is not None and m.photo.credit in ("old", "older"))
        for name in ("new", "newer", "newest"):
            writing = threading.Thread(target=build, args=(folder, f"{name} 1", f"{name} 2"))
            writing.start()
            until = time.monotonic() + 5
            while not shown or shown[-1].photo is None or not shown[-1].photo.credit.startswith(f"{name} "):
                shown.append(sense.latest_moment())
                assert time.monotonic() < until
                time.sleep(0.005)
            writing.join()
    assert all(moment.photo is not None and not moment.faults for moment in shown)


def test_a_library_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="There is no library"):
        module.open_library(tmp_path / "none")
