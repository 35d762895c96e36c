"""The library in use, and how a newer one on the disk takes its place while the mirror runs."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest

from device import current_library as module
from device.choose import ChooseSettings
from device.current_library import CurrentLibrary
from device.moment import Moment
from device.sensing import PipelineSettings
from index.errors import LibraryError
from index.library import Library
from tests.device.test_mirror import HEIGHT, WIDTH, make_sense, person, wait_for
from tests.support.libraries import NewItem, write_library


@pytest.fixture(autouse=True)
def short_check_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_INTERVAL", 0.1)


def build(folder: Path, *titles: str) -> None:
    """Write a library with one picture of a standing person for each title."""
    items = []
    for number, title in enumerate(titles):
        picture = np.full((HEIGHT, WIDTH, 3), 40 + 20 * number + sum(map(ord, title)) % 100, np.uint8)
        items.append(NewItem(picture, person().keypoints, title))
    write_library(items, folder)


def damage(folder: Path) -> None:
    """Change one bit of the library's key points."""
    file = folder / "keypoints.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()  # like rsync and editors do: a process that has mapped the file keeps the old content
    file.write_bytes(content)


def refresh_until(library: CurrentLibrary, condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Refresh as the sense thread does until the condition holds. Return whether another library came into use."""
    deadline, changed = time.monotonic() + seconds, False
    while not condition():
        assert time.monotonic() < deadline, f"{library.folder} is in use; {library.faults}"
        changed |= library.refresh(time.monotonic())
        time.sleep(0.01)
    return changed


def refresh_for(library: CurrentLibrary, seconds: float) -> bool:
    """Refresh for some seconds. Return whether another library came into use."""
    end = time.monotonic() + seconds
    return refresh_until(library, lambda: time.monotonic() >= end)


def titles(library: CurrentLibrary) -> list[str | None]:
    return [library.item(number).title for number in range(len(library.keypoints))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build(tmp_path / "library", "old", "older")
    return tmp_path / "library"


@pytest.fixture
def library(folder: Path) -> Iterator[CurrentLibrary]:
    with CurrentLibrary(Library.open(folder)) as opened:
        yield opened


def test_uses_a_rebuilt_library(library: CurrentLibrary, folder: Path) -> None:
    build(folder, "new", "newer", "newest")
    assert refresh_until(library, lambda: len(library.keypoints) == 3)
    assert titles(library) == ["new", "newer", "newest"]
    assert library.picture(2) is not None
    assert library.faults == ()


def test_opens_an_unchanged_library_once(library: CurrentLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_library", lambda _: pytest.fail("opened again"))
    assert not refresh_for(library, 0.6)


def test_a_picture_of_a_replaced_library_is_not_an_error(
    library: CurrentLibrary, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = time.monotonic()
    library.refresh(now)
    build(folder, "new")
    assert library.picture(0) is None
    assert not library.refresh(now), "the folder is checked at once, not after a while"
    assert refresh_until(library, lambda: titles(library) == ["new"])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_finds_no_item_with_an_unreadable_picture(library: CurrentLibrary) -> None:
    picture = library.item(0).picture
    assert picture is not None
    picture.unlink()
    assert {match.item for match in library.find(person(), 10)} == {0, 1}
    assert library.picture(0) is None
    assert {match.item for match in library.find(person(), 10)} == {1}


def test_keeps_the_old_library_if_the_new_one_is_damaged(
    library: CurrentLibrary, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    build(tmp_path / "new", "new")
    damage(tmp_path / "new")
    folder.rename(tmp_path / "aside")
    (tmp_path / "new").rename(folder)
    refresh_until(library, lambda: bool(library.faults))
    assert not refresh_for(library, 0.5)
    assert titles(library) == ["old", "older"]
    assert library.picture(1) is not None
    assert "keypoints.npy" in library.faults[0]
    assert caplog.text.count("keypoints.npy") == 1


def test_uses_a_library_repaired_by_one_file(library: CurrentLibrary, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "keypoints.npy", tmp_path / "undamaged.npy")
    damage(folder)
    refresh_until(library, lambda: bool(library.faults))
    (tmp_path / "undamaged.npy").replace(folder / "keypoints.npy")
    assert refresh_until(library, lambda: not library.faults)


def test_a_missing_library_is_a_fault_until_it_is_back(library: CurrentLibrary, folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "unplugged")
    refresh_until(library, lambda: bool(library.faults))
    assert str(folder) in library.faults[0]
    (tmp_path / "unplugged").rename(folder)
    assert refresh_until(library, lambda: not library.faults)
    assert titles(library) == ["old", "older"]


def test_uses_the_wanted_library_once_it_appears(folder: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    with CurrentLibrary(Library.open(folder), wanted, "There is no such library.") as library:
        assert not refresh_for(library, 0.4)
        assert library.faults == ("There is no such library.",)
        build(wanted, "wanted")
        assert refresh_until(library, lambda: not library.faults)
        assert library.folder == wanted


def test_waits_until_a_library_is_copied(
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

    with CurrentLibrary(Library.open(folder), wanted, "There is no such library.") as library:
        copying = threading.Thread(target=copy_slowly)
        copying.start()
        assert refresh_until(library, lambda: library.folder == wanted)
        copying.join()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_uses_a_stand_in_library_that_grew(folder: Path, tmp_path: Path) -> None:
    with CurrentLibrary(Library.open(folder), tmp_path / "wanted", "There is no such library.") as library:
        build(folder, "one", "two", "three")
        assert refresh_until(library, lambda: len(library.keypoints) == 3)
        assert library.faults == ("There is no such library.",)


def test_refuses_a_library_without_pictures(library: CurrentLibrary, folder: Path) -> None:
    write_library([NewItem(None, person().keypoints)], folder)
    refresh_until(library, lambda: bool(library.faults))
    assert "poses alone" in library.faults[0]
    assert titles(library) == ["old", "older"]


def test_answers_while_a_new_library_is_checked(
    library: CurrentLibrary, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_open = threading.Event()

    def open_slowly(folder: Path) -> Library:
        may_open.wait(60)
        return Library.open(folder)

    monkeypatch.setattr(module, "open_library", open_slowly)
    build(folder, "new")
    start = time.monotonic()
    for _ in range(50):
        assert not library.refresh(time.monotonic() + 10)
        assert len(library.find(person(), 10)) == 2
    assert time.monotonic() - start < 30
    may_open.set()
    assert refresh_until(library, lambda: titles(library) == ["new"])


def test_closes_a_library_opened_while_the_mirror_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_open, closed = threading.Event(), threading.Event()

    class NotingLibrary(Library):
        def close(self) -> None:
            super().close()
            closed.set()

    def open_slowly(folder: Path) -> Library:
        may_open.wait(60)
        return NotingLibrary.open(folder)

    with CurrentLibrary(Library.open(folder)) as library:
        monkeypatch.setattr(module, "open_library", open_slowly)
        build(folder, "new")
        library.refresh(time.monotonic() + 10)
    may_open.set()
    assert closed.wait(60)


def test_a_swap_leaves_a_photo_on_the_screen(folder: Path) -> None:
    shown: list[Moment] = []
    with (
        CurrentLibrary(Library.open(folder)) as library,
        make_sense(repeat(None), [person()], library, PipelineSettings(choose=ChooseSettings(hold=0.05))) as sense,
    ):
        wait_for(sense, lambda m: m.photo is not None and m.photo.credit in ("old", "older"))
        for name in ("new", "newer", "newest"):
            writing = threading.Thread(target=build, args=(folder, f"{name} 1", f"{name} 2"))
            writing.start()
            deadline = time.monotonic() + 60
            while not shown or shown[-1].photo is None or not shown[-1].photo.credit.startswith(f"{name} "):
                shown.append(sense.latest_moment())
                assert time.monotonic() < deadline
                time.sleep(0.005)
            writing.join()
    assert all(moment.photo is not None and not moment.faults for moment in shown)


def test_rejects_a_missing_library(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="There is no library"):
        module.open_library(tmp_path / "none")


def test_numbers_that_a_disk_makes_up_open_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT and sshfs number a file anew whenever they look it up."""
    build(tmp_path / "library", "A")
    before = module._folder_state(tmp_path / "library")

    class Entry:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self._entry = entry.name, entry

        def inode(self) -> int:
            return random.randrange(2**32)

        def stat(self) -> os.stat_result:
            status = list(self._entry.stat())
            status[stat.ST_INO] = self.inode()
            return os.stat_result(status, {name: getattr(self._entry.stat(), name) for name in TIMES})

    @contextlib.contextmanager
    def scandir(folder: Path) -> Iterator[list[Entry]]:
        yield [Entry(entry) for entry in real_scandir(folder)]

    real_scandir = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    assert before is not None
    assert module._folder_state(tmp_path / "library") == before


TIMES = ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")


# Collections


def build_collections(folder: Path, **sizes: int) -> None:
    """Write a library with collections of these numbers of people; those of the one called `none` are in none."""
    pose, picture = person().keypoints, np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    names = [None if name == "none" else name for name, size in sizes.items() for _ in range(size)]
    write_library([NewItem(picture, pose, name, collection=name) for name in names], folder)


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[CurrentLibrary]:
    """A library with the collections dance and yoga, which visitors can go through, and judo, which is too small."""
    build_collections(tmp_path / "grouped", dance=22, yoga=21, judo=2, none=4)
    with CurrentLibrary(Library.open(tmp_path / "grouped")) as opened:
        yield opened


def swap(library: CurrentLibrary, **sizes: int) -> None:
    """Replace the library in use by one of another size, with these collections."""
    build_collections(library.folder, **sizes)
    refresh_until(library, lambda: len(library.keypoints) == sum(sizes.values()))


def found(library: CurrentLibrary) -> set[str | None]:
    """Return the collections of all that the library finds for a pose, and of many random matches."""
    matches = library.find(person(), 100) + [library.random_match() for _ in range(200)]
    return {library.item(match.item).collection for match in matches}


def test_everything_is_in_use_at_first(grouped: CurrentLibrary) -> None:
    assert (grouped.collection, grouped.collections) == (None, ("dance", "yoga"))
    assert found(grouped) == {"dance", "yoga", "judo", None}


@pytest.mark.parametrize("name", ["judo", "JUDO", " judo"])
def test_answers_from_the_chosen_collection_alone(grouped: CurrentLibrary, name: str) -> None:
    grouped.choose(name)
    assert grouped.collection == "judo"
    assert found(grouped) == {"judo"}
    grouped.choose(None)
    assert found(grouped) == {"dance", "yoga", "judo", None}


def test_goes_through_large_collections_and_everything(grouped: CurrentLibrary) -> None:
    seen = []
    for _ in range(4):
        grouped.next_collection()
        assert grouped.refresh(0.0), "the answerer must choose anew"
        seen.append((grouped.collection, found(grouped)))
    everything = (None, {"dance", "yoga", "judo", None})
    assert seen == [("dance", {"dance"}), ("yoga", {"yoga"}), everything, ("dance", {"dance"})]
    assert not grouped.refresh(0.0)


def test_two_steps_before_a_frame_go_on_by_two(grouped: CurrentLibrary) -> None:
    grouped.next_collection()
    grouped.next_collection()
    assert grouped.collection is None, "nothing changes while a frame is answered"
    grouped.refresh(0.0)
    assert grouped.collection == "yoga"


def test_a_small_collection_is_left_for_everything(grouped: CurrentLibrary) -> None:
    grouped.choose("judo")
    grouped.next_collection()
    assert grouped.refresh(0.0)
    assert grouped.collection is None


def test_a_library_without_collections_has_nothing_to_go_to(library: CurrentLibrary) -> None:
    library.next_collection()
    assert not library.refresh(0.0)
    assert library.collection is None


def test_an_unknown_collection_is_logged_and_all_is_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "library"
    build_collections(folder, dance=2, none=1)
    with CurrentLibrary(Library.open(folder), collection="dancing") as library:
        assert (library.collection, found(library)) == (None, {"dance", None})
        assert f"[library] collection is dancing, but {folder} has no such collection: use one of dance." in caplog.text
        swap(library, dance=3, none=1)
        assert caplog.text.count("no such collection") == 1, "a library that grows says it once"


def test_a_swap_keeps_the_choice_if_the_name_exists(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "library"
    build_collections(folder, dance=2, yoga=3)
    with CurrentLibrary(Library.open(folder), collection="dance") as library:
        sizes = ({"none": 1, "Dance": 5}, {"yoga": 7}, {"dance": 7, "yoga": 1})
        names = []
        for size in sizes:
            swap(library, **size)
            names.append((library.collection, found(library)))
    assert names == [("Dance", {"Dance"}), (None, {"yoga"}), ("dance", {"dance"})]
    assert "use one of yoga" in caplog.text


def test_the_chosen_collection_outlives_a_swap(grouped: CurrentLibrary) -> None:
    grouped.next_collection()
    grouped.refresh(0.0)
    swap(grouped, yoga=30, dance=25)
    assert grouped.collection == "dance"
    assert found(grouped) == {"dance"}
