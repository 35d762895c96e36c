"""What was looked at is not looked at again, whatever ended the build; and it is never believed unchecked."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.build.journal import DATABASE, MIN_WORK_SECONDS, Journal, save_picture
from index.build.photo import Credit, NewPicture, Photo, Skipped
from index.build.photo_workers import PHOTOS_PER_WORKER
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import Library
from tests.support.finders import MARK_COLOUR, MarkFinder, UnopenableFinder
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

SETTINGS = ScanSettings(MarkFinder, ("m", "1"), 320)


def picture(number: int, width: int = 160) -> np.ndarray:
    """One in which `Marked` sees somebody, as wide as no other."""
    image = np.full((120, width, 3), (60, number % 15 * 16 + 8, 60), np.uint8)
    image[20:110, 20:140] = MARK_COLOUR
    grain = np.random.default_rng(number).integers(0, 50, image.shape[:2], np.uint8)  # what is smooth is blurred
    grain[0, 0] = 0
    image[:, :, ::2] -= grain[:, :, None]
    return image


@pytest.fixture
def photo(tmp_path) -> Photo:
    Pillow.fromarray(picture(1)).save(tmp_path / "photo.png")
    return Photo(tmp_path / "photo.png", Credit("a title"))


def found(photo: Photo) -> list[NewPicture]:
    """Two people in one picture, and one in another."""
    credit = photo.credit._replace(author="Ann")
    first, second = (replace(NewPicture.encode(picture(number), long_side=320), credit=credit) for number in (1, 2))
    people = sample_people(3)
    return [replace(first, people=people[:2]), replace(second, people=people[2:])]


def test_what_is_written_down_is_read_again_to_the_bit(tmp_path, photo):
    with Journal(tmp_path / "library", SETTINGS) as journal:
        key = journal.key(photo)
        assert not journal.has(key)
        assert journal.get(key, photo) is None
        journal.add(key, found(photo))
        read = journal.get(key, photo)
        for one, other in zip(found(photo), read, strict=True):
            assert np.array_equal(one.people, other.people)
            assert one.name == other.name == name_of(other.content)
            assert (one.width, one.height) == (other.width, other.height)
            assert one.fingerprint == other.fingerprint
            assert (other.credit.title, other.credit.author) == ("a title", "Ann")
        skipped = Skipped("naïve \udce9", "crowd", "There are many.")
        journal.add(b"other", skipped)
        assert journal.get(b"other", photo) == skipped


def name_of(file: Path) -> str:
    return f"{sha256(file.read_bytes()).hexdigest()}.jpg"


def killed(out: Path, photo: Photo, settings: ScanSettings = SETTINGS) -> Path:
    """The folder of a journal that a killed build has left, with the photo's people in it."""
    journal = Journal(out, settings)
    journal.add(journal.key(photo), found(photo))
    copy = out.parent / "copy"
    shutil.copytree(journal.folder, copy)
    with journal:
        journal.done = True
    copy.rename(journal.folder)
    return journal.folder


def knows(out: Path, photo: Photo, settings: ScanSettings = SETTINGS) -> bool:
    with Journal(out, settings) as journal:
        return journal.has(journal.key(photo))


def test_a_killed_build_s_results_are_there_for_the_same_photo_alone(tmp_path, photo):
    out = tmp_path / "library"
    labelled = Photo(photo.file, photo.credit, sample_people(1))
    for other, settings in (
        (labelled, SETTINGS),
        (Photo(photo.file, Credit("a title", "Bea")), SETTINGS),
        (photo, replace(SETTINGS, model=("m", "2"))),
        (photo, replace(SETTINGS, open_estimator=UnopenableFinder)),
        (photo, replace(SETTINGS, long_side=640)),
    ):
        killed(out, photo)
        assert not knows(out, other, settings)
    killed(out, photo)
    assert knows(out, photo)
    killed(out, photo)
    os.utime(photo.file, ns=(1, 1))
    assert not knows(out, photo)


def test_a_title_that_was_changed_meanwhile_is_the_new_one(tmp_path, photo):
    killed(tmp_path / "library", photo)
    with Journal(tmp_path / "library", SETTINGS) as journal:
        other = Photo(photo.file, Credit("a new title", None, "CC BY 4.0"))
        assert journal.has(journal.key(other))
        assert journal.resumed == 1
        (one, *_) = journal.get(journal.key(other), other)
        assert one.credit[:3] == ("a new title", "Ann", "CC BY 4.0")


def flipped(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "missing"])
def test_a_result_whose_picture_is_damaged_is_looked_at_again(tmp_path, photo, fault):
    folder = killed(tmp_path / "library", photo)
    file = min((folder / "pictures").iterdir())
    {
        "flipped": lambda: flipped(file, 500),
        "cut": lambda: cut(file),
        "empty": lambda: file.write_bytes(b""),
        "missing": file.unlink,
    }[fault]()
    with Journal(tmp_path / "library", SETTINGS) as journal:
        key = journal.key(photo)
        assert not journal.has(key)
        journal.add(key, found(photo))
        assert name_of(file) == file.name


def test_a_row_in_which_a_bit_has_changed_is_not_believed(tmp_path, photo):
    folder = killed(tmp_path / "library", photo)
    with sqlite3.connect(folder / DATABASE) as table:
        ((points,),) = table.execute("SELECT keypoints FROM looked").fetchall()
        table.execute("UPDATE looked SET keypoints = ?", (bytes([points[0] ^ 1]) + points[1:],))
    table.close()
    assert not knows(tmp_path / "library", photo)


@pytest.mark.parametrize("fault", ["cut", "text", "folder", "foreign", "newer", "flipped"])
def test_a_damaged_or_foreign_journal_is_begun_anew_with_a_sentence(tmp_path, photo, fault, caplog):
    file = killed(tmp_path / "library", photo) / DATABASE
    with sqlite3.connect(file) as table:  # brings all into the one file
        table.execute("PRAGMA journal_mode = DELETE")
    table.close()
    if fault == "cut":
        cut(file)
    elif fault == "text":
        file.write_text("hello" * 5000)
    elif fault == "folder":
        file.unlink()
        file.mkdir()
    elif fault == "flipped":
        data = bytearray(file.read_bytes())
        data[4096:4200] = bytes(104)
        file.write_bytes(data)
    else:
        with sqlite3.connect(file) as table:
            table.execute("PRAGMA user_version = 99" if fault == "newer" else "ALTER TABLE work RENAME TO a")
        table.close()
    assert not knows(tmp_path / "library", photo)
    assert caplog.messages[0].startswith(f"{file} cannot be used (")
    assert caplog.messages[0].endswith("the build starts over.")


def test_two_builds_do_not_meet(tmp_path):
    with Journal(tmp_path / "library", SETTINGS):
        with pytest.raises(LibraryError, match="Another build"):
            Journal(tmp_path / "library", SETTINGS)
        Journal(tmp_path / "other", SETTINGS).__exit__(None, None, None)


@pytest.mark.parametrize(("seconds", "done", "stays"), [(0, False, False), (90, False, True), (90, True, False)])
def test_what_is_worth_a_minute_is_kept_unless_the_library_is_done(tmp_path, photo, caplog, seconds, done, stays):
    with Journal(tmp_path / "library", SETTINGS) as journal:
        journal.seconds = seconds
        journal.add(journal.key(photo), found(photo))
        journal.done = done
    assert journal.folder.exists() == stays
    assert [message.partition(" are kept in ")[0] for message in caplog.messages] == (
        ["The scans so far (1 photos)"] if stays else []
    )
    assert knows(tmp_path / "library", photo) == stays
    assert MIN_WORK_SECONDS == 60


def test_fresh_forgets_what_was_looked_at_and_nothing_that_is_not_ours(tmp_path, photo):
    folder = killed(tmp_path / "library", photo)
    (folder / "mine.txt").write_text("hello")
    with Journal(tmp_path / "library", SETTINGS, fresh=True) as journal:
        assert not journal.has(journal.key(photo))
        assert [file.name for file in journal.picture_folder.iterdir()] == []
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


def test_a_picture_is_whole_under_its_name_or_not_there(tmp_path):
    stored = NewPicture.encode(picture(1), long_side=320)
    (tmp_path / stored.name).write_bytes(b"")
    assert save_picture(tmp_path, stored).content.read_bytes() == stored.content
    assert [file.name for file in tmp_path.iterdir()] == [stored.name]


# Builds that are killed

PHOTOS = 60
WORKERS = 2
MOMENTS = {
    "index.build.indexes:write_indexes:before": 1,
    "index.build.swap:sync_to_disk:after": 1,
    "index.build.swap:swap_library:before": 1,
    "index.build.swap:swap_library:after": PHOTOS,
    "index.build.journal:_clear:before": PHOTOS,
}
"""Where a build kills itself once it has looked at all photos, and how many people the library has then."""


def started(photos: Path, out: Path, notes: Path, deadly: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.building", photos, out, str(WORKERS), deadly],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTES": str(notes), "PYTHONPATH": str(ROOT)},
    )


def looked_at(notes: Path) -> tuple[set[int], Counter[int]]:
    """The processes that looked at pictures, and how often each picture was looked at, by its width."""
    if not notes.exists():  # a machine that is quick has looked at all of them before
        return set(), Counter()
    lines = [line.split() for line in notes.read_text().splitlines()]
    notes.unlink()
    return {int(process) for process, _ in lines}, Counter(int(width) for _, width in lines)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def contents(library: Path) -> dict[str, bytes]:
    return {str(file.relative_to(library)): file.read_bytes() for file in library.rglob("*") if file.is_file()}


def done_in(lines: list[str]) -> list[int]:
    """How many photos were said to be looked at."""
    return [int(line.split()[-1]) for line in lines if line.startswith("Scanning photos ")]


@pytest.mark.slow
def test_a_build_that_is_killed_again_and_again_goes_on_and_makes_the_same_library(tmp_path):
    """By `kill -9`, at moments of chance while it looks at photos, then at those in which files change places."""
    photos, few, notes = tmp_path / "photos", tmp_path / "few", tmp_path / "notes"
    for folder in (photos, few, tmp_path / "alone", tmp_path / "killed"):
        folder.mkdir()
    for number in range(PHOTOS):
        Pillow.fromarray(picture(number, 160 + number)).save(photos / f"{number:02}.png", compress_level=1)
    shutil.copy(photos / "05.png", few)
    alone, out = tmp_path / "alone" / "library", tmp_path / "killed" / "library"
    for source, target in ((photos, alone), (few, out)):
        with started(source, target, notes) as build:
            assert build.wait() == 0
    old, new = contents(out), contents(alone)
    assert looked_at(notes)[1] == Counter(range(160, 160 + PHOTOS)) + Counter([165])

    rng = random.Random(20180719)
    before, kills, processes, looks = 0, 0, set(), Counter()
    while before < PHOTOS * 2 // 3:
        with started(photos, out, notes) as build:
            lines = [build.stdout.readline()]
            while len(done_in(lines)) < 2:
                lines.append(build.stdout.readline())
            time.sleep(rng.uniform(0, 0.5))
            build.kill()
            lines += build.stdout.readlines()
        assert done_in(lines)[0] >= before, "what was said to be done is done"
        before = done_in(lines)[-1]
        kills += 1
        found = looked_at(notes)
        processes, looks = processes | found[0], looks + found[1]
        assert contents(out) == old
    for moment, count in MOMENTS.items():
        with started(photos, out, notes, moment) as build:
            build.stdout.read()
        assert build.returncode == -signal.SIGKILL, moment
        with Library.open(out) as library:
            assert len(library) == count
    found = looked_at(notes)
    processes, looks = processes | found[0], looks + found[1]
    with started(photos, out, notes) as build:
        *_, last = build.stdout.read().splitlines()
    assert (build.returncode, last) == (0, f"done {PHOTOS} {PHOTOS}")
    assert not notes.exists(), "nothing was left to look at"
    assert set(looks) == set(range(160, 160 + PHOTOS))
    assert looks.total() - PHOTOS <= kills * WORKERS * PHOTOS_PER_WORKER, "only what was under way is looked at twice"
    assert [file.name for file in out.parent.iterdir()] == ["library"]
    assert not [process for process in processes if is_running(process)]
    made = contents(out)
    assert {name for name in new if made.get(name) != new[name]} | made.keys() ^ new.keys() == set()
