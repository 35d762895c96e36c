"""A stopped build resumes without scanning a photo again, unless its result is damaged."""

from __future__ import annotations

import errno
import fcntl
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

from index.build import database
from index.build.journal import DATABASE, MIN_WORK_SECONDS, Journal, save_picture
from index.build.photo import Credit, NewPicture, Photo, Skipped
from index.build.photo_workers import PHOTOS_PER_WORKER
from index.build.scan import ScanSettings
from index.errors import LibraryError
from index.library import Library
from models.pose import Image
from tests.support.finders import MARK_COLOUR, MarkFinder, UnopenableFinder
from tests.support.paths import ROOT
from tests.support.sample_poses import sample_people

SETTINGS = ScanSettings(MarkFinder, ("m", "1"), 320)


def picture(number: int, width: int = 160) -> Image:
    """Return a picture in which `MarkFinder` finds a person; the width tells pictures apart."""
    image = np.full((120, width, 3), (60, number % 15 * 16 + 8, 60), np.uint8)
    image[20:110, 20:140] = MARK_COLOUR
    grain = np.random.default_rng(number).integers(
        0, 50, image.shape[:2], np.uint8
    )  # a smooth picture would count as blurred
    grain[0, 0] = 0
    image[:, :, ::2] -= grain[:, :, None]
    return image


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    Pillow.fromarray(picture(1)).save(tmp_path / "photo.png")
    return Photo(tmp_path / "photo.png", Credit("a title"))


def result_of(photo: Photo) -> list[NewPicture]:
    """Return a result with two people in one picture and one in another."""
    credit = photo.credit._replace(author="Ann")
    first, second = (replace(NewPicture.encode(picture(number), long_side=320), credit=credit) for number in (1, 2))
    people = list(sample_people(3))
    return [replace(first, people=people[:2]), replace(second, people=people[2:])]


def test_reads_results_back_to_the_bit(tmp_path: Path, photo: Photo) -> None:
    with Journal(tmp_path / "library", SETTINGS) as journal:
        key = journal.key(photo)
        assert not journal.has(key)
        assert journal.get(key, photo) is None
        journal.add(key, result_of(photo))
        result = journal.get(key, photo)
        assert isinstance(result, list)
        for before, after in zip(result_of(photo), result, strict=True):
            assert np.array_equal(before.people, after.people)
            assert isinstance(after.content, Path)
            assert before.name == after.name == name_of(after.content)
            assert (before.width, before.height) == (after.width, after.height)
            assert before.fingerprint == after.fingerprint
            assert (after.credit.title, after.credit.author) == ("a title", "Ann")
        skipped = Skipped("naïve \udce9", "crowd", "There are many.")
        journal.add(b"other", skipped)
        assert journal.get(b"other", photo) == skipped


def name_of(file: Path) -> str:
    """Return the name that a picture's file should have."""
    return f"{sha256(file.read_bytes()).hexdigest()}.jpg"


def leave_journal(out: Path, photo: Photo, settings: ScanSettings = SETTINGS) -> Path:
    """Leave a journal with a photo's result, as a killed build does; return its folder."""
    journal = Journal(out, settings)
    journal.add(journal.key(photo), result_of(photo))
    copy = out.parent / "copy"
    shutil.copytree(journal.folder, copy)
    with journal:
        journal.done = True
    copy.rename(journal.folder)
    return journal.folder


def knows(out: Path, photo: Photo, settings: ScanSettings = SETTINGS) -> bool:
    with Journal(out, settings) as journal:
        return journal.has(journal.key(photo))


def test_resumes_only_the_same_photo_and_settings(tmp_path: Path, photo: Photo) -> None:
    out = tmp_path / "library"
    labelled = Photo(photo.file, photo.credit, sample_people(1))
    for other, settings in (
        (labelled, SETTINGS),
        (photo, replace(SETTINGS, model=("m", "2"))),
        (photo, replace(SETTINGS, open_estimator=UnopenableFinder)),
        (photo, replace(SETTINGS, long_side=640)),
    ):
        leave_journal(out, photo)
        assert not knows(out, other, settings)
    leave_journal(out, photo)
    assert knows(out, photo)
    leave_journal(out, photo)
    os.utime(photo.file, ns=(1, 1))
    assert not knows(out, photo)


def test_uses_credits_that_changed_meanwhile(tmp_path: Path, photo: Photo) -> None:
    leave_journal(tmp_path / "library", photo)
    with Journal(tmp_path / "library", SETTINGS) as journal:
        for credit, expected in (
            (Credit("a new title", None, "CC BY 4.0"), ("a new title", "Ann", "CC BY 4.0")),
            (Credit("a title", "Bea"), ("a title", "Bea", None)),
        ):
            other = Photo(photo.file, credit)
            assert journal.has(journal.key(other))
            result = journal.get(journal.key(other), other)
            assert isinstance(result, list)
            assert result[0].credit[:3] == expected
        assert journal.resumed == 1


def flip_bit(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize("fault", ["flipped", "cut", "empty", "missing"])
def test_scans_again_if_a_picture_is_damaged(tmp_path: Path, photo: Photo, fault: str) -> None:
    folder = leave_journal(tmp_path / "library", photo)
    file = min((folder / "pictures").iterdir())
    if fault == "flipped":
        flip_bit(file, 500)
    elif fault == "cut":
        truncate(file)
    elif fault == "empty":
        file.write_bytes(b"")
    else:
        file.unlink()
    with Journal(tmp_path / "library", SETTINGS) as journal:
        key = journal.key(photo)
        assert not journal.has(key)
        journal.add(key, result_of(photo))
        assert name_of(file) == file.name


def test_ignores_a_row_with_a_flipped_bit(tmp_path: Path, photo: Photo) -> None:
    folder = leave_journal(tmp_path / "library", photo)
    with sqlite3.connect(folder / DATABASE) as table:
        ((points,),) = table.execute("SELECT keypoints FROM looked").fetchall()
        table.execute("UPDATE looked SET keypoints = ?", (bytes([points[0] ^ 1]) + points[1:],))
    table.close()
    assert not knows(tmp_path / "library", photo)


@pytest.mark.parametrize("fault", ["cut", "text", "folder", "foreign", "newer", "flipped"])
def test_starts_over_with_a_damaged_or_foreign_journal(
    tmp_path: Path, photo: Photo, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = leave_journal(tmp_path / "library", photo) / DATABASE
    with sqlite3.connect(file) as table:  # puts everything into one file
        table.execute("PRAGMA journal_mode = DELETE")
    table.close()
    if fault == "cut":
        truncate(file)
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


def test_two_builds_cannot_share_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "library", SETTINGS):
        with pytest.raises(LibraryError, match="Another build"):
            Journal(tmp_path / "library", SETTINGS)
        Journal(tmp_path / "other", SETTINGS).__exit__(None, None, None)


@pytest.mark.parametrize(("seconds", "done", "stays"), [(0, False, False), (90, False, True), (90, True, False)])
def test_keeps_a_minute_of_work_of_an_unfinished_build(
    tmp_path: Path, photo: Photo, caplog: pytest.LogCaptureFixture, seconds: float, done: bool, stays: bool
) -> None:
    with Journal(tmp_path / "library", SETTINGS) as journal:
        journal.seconds = seconds
        journal.add(journal.key(photo), result_of(photo))
        journal.done = done
    assert journal.folder.exists() == stays
    assert [message.partition(" are kept in ")[0] for message in caplog.messages] == (
        ["The scans so far (1 photos)"] if stays else []
    )
    assert knows(tmp_path / "library", photo) == stays
    assert MIN_WORK_SECONDS == 60


def test_fresh_removes_the_journals_own_files_only(tmp_path: Path, photo: Photo) -> None:
    folder = leave_journal(tmp_path / "library", photo)
    (folder / "mine.txt").write_text("hello")
    with Journal(tmp_path / "library", SETTINGS, fresh=True) as journal:
        assert not journal.has(journal.key(photo))
        assert [file.name for file in journal.picture_folder.iterdir()] == []
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


def test_a_journal_that_cannot_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(database, "connect", fail)
    with pytest.raises(OSError, match="disk I/O error"):
        Journal(tmp_path / "library", SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_two_builds_share_no_journal_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    with Journal(tmp_path / "library", SETTINGS):
        with pytest.raises(LibraryError, match="Another build"):
            Journal(tmp_path / "library", SETTINGS)
        Journal(tmp_path / "other", SETTINGS).__exit__(None, None, None)


def test_saves_a_picture_completely_or_not_at_all(tmp_path: Path) -> None:
    new = NewPicture.encode(picture(1), long_side=320)
    (tmp_path / new.name).write_bytes(b"")
    saved = save_picture(tmp_path, new)
    assert saved.content == tmp_path / new.name
    assert (tmp_path / new.name).read_bytes() == new.content
    assert [file.name for file in tmp_path.iterdir()] == [new.name]


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
"""Moments at which a build kills itself after scanning all photos, and how many people the library then has."""


def start_build(photos: Path, out: Path, notes: Path, moment: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.building", photos, out, str(WORKERS), moment],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTES": str(notes), "PYTHONPATH": str(ROOT)},
    )


def read_scans(notes: Path) -> tuple[set[int], Counter[int]]:
    """Return the processes that scanned pictures, and how often each picture was scanned, by its width."""
    if not notes.exists():  # on a fast machine, earlier builds have scanned everything
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


def scanned_counts(lines: list[str]) -> list[int]:
    """Return the numbers of scanned photos in progress reports. A killed build may leave half a line at the end."""
    return [int(line.split()[-1]) for line in lines if line.startswith("Scanning photos ") and line.endswith("\n")]


@pytest.mark.slow
def test_resumes_after_every_kill_to_the_same_library(tmp_path: Path) -> None:
    """`kill -9` comes at random moments while it scans, then at those in which files change places."""
    photos, few, notes = tmp_path / "photos", tmp_path / "few", tmp_path / "notes"
    for folder in (photos, few, tmp_path / "alone", tmp_path / "killed"):
        folder.mkdir()
    for number in range(PHOTOS):
        Pillow.fromarray(picture(number, 160 + number)).save(photos / f"{number:02}.png", compress_level=1)
    shutil.copy(photos / "05.png", few)
    alone, out = tmp_path / "alone" / "library", tmp_path / "killed" / "library"
    for source, target in ((photos, alone), (few, out)):
        with start_build(source, target, notes) as build:
            assert build.wait() == 0
    old, new = contents(out), contents(alone)
    assert read_scans(notes)[1] == Counter(range(160, 160 + PHOTOS)) + Counter([165])

    rng = random.Random(20180719)
    before, kills = 0, 0
    processes: set[int] = set()
    scans: Counter[int] = Counter()
    while before < PHOTOS * 2 // 3:
        with start_build(photos, out, notes) as build:
            assert build.stdout is not None
            lines = [build.stdout.readline()]
            while len(scanned_counts(lines)) < 2:
                lines.append(build.stdout.readline())
            time.sleep(rng.uniform(0, 0.5))
            build.kill()
            lines += build.stdout.readlines()
        assert scanned_counts(lines)[0] >= before, "no reported scan is lost"
        before = scanned_counts(lines)[-1]
        kills += 1
        new_processes, new_scans = read_scans(notes)
        processes, scans = processes | new_processes, scans + new_scans
        assert contents(out) == old
    for moment, count in MOMENTS.items():
        with start_build(photos, out, notes, moment) as build:
            assert build.stdout is not None
            build.stdout.read()
        assert build.returncode == -signal.SIGKILL, moment
        with Library.open(out) as library:
            assert len(library) == count
    new_processes, new_scans = read_scans(notes)
    processes, scans = processes | new_processes, scans + new_scans
    with start_build(photos, out, notes) as build:
        assert build.stdout is not None
        *_, last = build.stdout.read().splitlines()
    assert (build.returncode, last) == (0, f"done {PHOTOS} {PHOTOS}")
    assert not notes.exists(), "nothing was left to scan"
    assert set(scans) == set(range(160, 160 + PHOTOS))
    assert scans.total() - PHOTOS <= kills * WORKERS * PHOTOS_PER_WORKER, "only unfinished photos are scanned twice"
    assert [file.name for file in out.parent.iterdir()] == ["library"]
    assert not [process for process in processes if is_running(process)]
    built = contents(out)
    assert {name for name in new if built.get(name) != new[name]} | built.keys() ^ new.keys() == set()
