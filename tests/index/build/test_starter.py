"""The starter library is drawn once, grows step by step, and is drawn again by another program."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from index.build import starter as module
from index.build.photo import NewPicture
from index.build.reuse import reuse_picture
from index.build.starter import DRAWN_BY, count_drawn, draw_new_picture, ensure_starter_library, grow, program_version
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Library, RemovedPicture, verify_library
from index.match import Matcher
from models import figures
from models.figures import perform

Small = tuple[Path, list[tuple[int, int | None]]]
"""A library's folder, and the progress reports of drawing it."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """Draw a starter library of a few pictures."""
    progress: list[tuple[int, int | None]] = []
    folder = tmp_path_factory.mktemp("starter") / "library"
    ensure_starter_library(folder, lambda done, total, _: progress.append((done, total)), count=12)
    return folder, progress


def copy_library(small: Small, tmp_path: Path) -> Path:
    """Return a copy of the library that a test may change."""
    return Path(shutil.copytree(small[0], tmp_path / "library"))


@pytest.mark.slow
def test_has_pictures_titles_and_exact_key_points(small: Small) -> None:
    folder, _ = small
    with Library.open(folder) as library:
        assert len(library) >= 12
        for number in range(len(library)):
            item = library.item(number)
            assert item.title
            assert "Pose Mirror" in item.credit
            assert library.picture(number).shape == (item.height, item.width, 3)
        first = draw_new_picture(0).people[0]
        seen = first[:, 2] > 0
        assert np.allclose(library.keypoints[0][seen, :2], first[seen, :2], atol=0.01)


@pytest.mark.slow
def test_progress_counts_to_the_end(small: Small) -> None:
    _, progress = small
    assert (12, 12) in progress
    counts = [done for done, total in progress if total == 12]
    assert counts == sorted(counts)


def test_does_not_draw_a_short_library_again(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = small
    monkeypatch.setattr(module, "LibraryWriter", lambda *_, **__: pytest.fail("drawn again"))
    assert ensure_starter_library(folder, count=100) == folder


@pytest.mark.slow
def test_steps_of_any_size_draw_the_same_library(small: Small, tmp_path: Path) -> None:
    folder, _ = small
    grow(tmp_path / "grown", 12, step=5, workers=1)
    for file in folder.iterdir():
        if file.is_file():
            assert (tmp_path / "grown" / file.name).read_bytes() == file.read_bytes(), file.name
    verify_library(tmp_path / "grown")


def test_waits_for_the_library_that_another_program_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a second mirror does that starts for the first time together with the first."""
    folder, reports = tmp_path / "library", []
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    monkeypatch.setattr(module, "draw_new_picture", lambda number: pytest.fail("drawn again"))
    with LibraryWriter(folder) as other:

        def progress(done: int, total: int | None, step: str) -> None:
            reports.append((done, total, step))
            if len(reports) == 1:
                other.add(draw_new_picture(0))
            else:
                other.finish([(DRAWN_BY, program_version())])
                other.__exit__(None, None, None)

        grow(folder, 1, progress, workers=1)
    step = "Another program draws the starter library"
    assert reports == [(0, 1, step), (1, 1, step)]
    assert count_drawn(folder) == 1


def test_draws_when_the_program_it_waits_for_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, steps = tmp_path / "library", []
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    with LibraryWriter(folder) as other:
        other.add(draw_new_picture(5))

        def progress(done: int, total: int | None, step: str) -> None:
            steps.append(step)
            if len(steps) == 2:
                other.__exit__(None, None, None)  # which ends its lock, as the kernel does

        grow(folder, 1, progress, workers=1)
    assert [step.partition(" ")[0] for step in steps] == ["Another", "Another", "Drawing"]
    with Library.open(folder) as library:
        assert library.manifest.pictures == 1
        assert np.allclose(library.keypoints[0], draw_new_picture(0).people[0], atol=0.01)


@pytest.mark.slow
def test_growing_links_the_pictures_it_has(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_library(small, tmp_path)
    drawn: list[int] = []

    def draw(number: int) -> NewPicture:
        drawn.append(number)
        return draw_new_picture(number)

    monkeypatch.setattr(module, "draw_new_picture", draw)
    before = {file.name: file.stat().st_ino for file in (folder / "pictures").iterdir()}
    grow(folder, 14, step=1, workers=1)
    assert drawn == [12, 13]
    after = {file.name: file.stat().st_ino for file in (folder / "pictures").iterdir()}
    assert len(after) == 14
    assert before.items() <= after.items()


@pytest.mark.slow
def test_a_stopped_step_leaves_a_complete_library(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_library(small, tmp_path)

    def draw(number: int) -> NewPicture:
        if number == 14:
            raise SystemExit
        return draw_new_picture(number)

    monkeypatch.setattr(module, "draw_new_picture", draw)
    with pytest.raises(SystemExit):
        grow(folder, 16, step=2, workers=1)
    assert count_drawn(folder) == 14
    assert [file.name for file in tmp_path.iterdir()] == [folder.name], "no unfinished library is left"


@pytest.mark.slow
def test_draws_the_library_of_another_program_again(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_library(small, tmp_path)
    monkeypatch.setattr(module, "program_version", lambda: "0" * 64)
    assert count_drawn(folder) == 0
    ensure_starter_library(folder, count=2)
    assert count_drawn(folder) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["keypoints.npy", "a picture"])
def test_draws_a_damaged_library_again(small: Small, tmp_path: Path, name: str) -> None:
    folder = copy_library(small, tmp_path)
    file = min((folder / "pictures").iterdir()) if name == "a picture" else folder / name
    file.write_bytes(b"damaged")
    if name == "keypoints.npy":
        assert count_drawn(folder) == 0
    grow(folder, 13, workers=1)
    assert verify_library(folder).pictures == 13


@pytest.mark.slow
def test_does_not_bring_back_a_removed_picture(small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_library(small, tmp_path)
    with Library.open(folder) as library:
        bits = dict(library.fingerprints())
        picture, title = library.item(3).picture, library.item(3).title
        assert picture is not None
        people = [reuse_picture(library, [item], bits) for item in library.items() if item.picture != picture]
        with LibraryWriter(folder) as writer:
            for person in people:
                writer.add(person)
            writer.add_removed(RemovedPicture(picture.name, bits[picture.name], title))
            writer.finish(library.manifest.models)
    assert count_drawn(folder) == 12
    grow(folder, 13, workers=1)
    monkeypatch.setattr(module, "program_version", lambda: "0" * 64)
    for _ in range(2):
        with Library.open(folder) as library:
            assert picture.name not in set(library.picture_names())
            assert [removed.picture for removed in library.removed_pictures()] == [picture.name]
        grow(folder, 12, workers=1)  # again, as another program would


def test_each_picture_has_a_person_and_a_credit(small: Small) -> None:
    folder, _ = small
    with Library.open(folder) as library:
        assert library.manifest.pictures == 12
        for item in library.items():
            assert item.credit.endswith(", drawn by Pose Mirror, Apache-2.0")
            assert item.licence_url


def test_another_program_has_another_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "pictures.py").write_text("another")
    version = program_version()
    monkeypatch.setattr(figures, "__file__", str(tmp_path / "__init__.py"))
    assert program_version.__wrapped__() != version


def test_does_not_replace_a_folder_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear …")
    with pytest.raises(LibraryError):
        ensure_starter_library(tmp_path / "letters", count=2)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear …"


def test_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LibraryError, match=r"cannot be drawn in .*file/starter \(.+\)"):
        ensure_starter_library(tmp_path / "file" / "starter", count=2)


def test_answers_the_performer(small: Small) -> None:
    folder, _ = small
    _, pose = perform(1.5, 640, 480)
    with Library.open(folder) as library:
        matches = Matcher(library).find(pose)
        assert matches
        assert matches[0].likeness > 0.3
