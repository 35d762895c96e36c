"""The starter library: drawn once, found again, drawn on and on, drawn anew by another program."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from index.build import starter as module
from index.build.reuse import reuse_picture
from index.build.starter import count_drawn, draw_new_picture, ensure_starter_library, grow, program_version
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import Library, RemovedPicture, verify_library
from index.match import Matcher
from models.figures import perform


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A starter library of a few pictures, and what its progress said."""
    said: list[tuple[int, int | None]] = []
    folder = tmp_path_factory.mktemp("starter") / "library"
    ensure_starter_library(folder, lambda done, of, _: said.append((done, of)), count=12)
    return folder, said


def copied(small, tmp_path):
    """The same library, to be changed."""
    return shutil.copytree(small[0], tmp_path / "library")


def test_it_is_a_library_with_pictures_titles_and_exact_key_points(small):
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


def test_progress_counts_to_the_end(small):
    _, said = small
    assert (12, 12) in said
    counted = [done for done, of in said if of == 12]
    assert counted == sorted(counted)


def test_a_library_of_this_program_is_not_drawn_again_however_short_it_is(small, monkeypatch):
    folder, _ = small
    monkeypatch.setattr(module, "LibraryWriter", lambda *_, **__: pytest.fail("drawn again"))
    assert ensure_starter_library(folder, count=100) == folder


def test_it_is_the_same_library_whatever_the_steps_it_grew_by(small, tmp_path):
    folder, _ = small
    grow(tmp_path / "grown", 12, step=5, workers=1)
    for file in folder.iterdir():
        if file.is_file():
            assert (tmp_path / "grown" / file.name).read_bytes() == file.read_bytes(), file.name
    verify_library(tmp_path / "grown")


def test_what_is_there_is_linked_and_not_drawn_again(small, tmp_path, monkeypatch):
    folder = copied(small, tmp_path)
    asked = []
    monkeypatch.setattr(module, "draw_new_picture", lambda number: asked.append(number) or draw_new_picture(number))
    before = {file.name: file.stat().st_ino for file in (folder / "pictures").iterdir()}
    grow(folder, 14, step=1, workers=1)
    assert asked == [12, 13]
    after = {file.name: file.stat().st_ino for file in (folder / "pictures").iterdir()}
    assert len(after) == 14
    assert before.items() <= after.items()


def test_a_step_that_is_stopped_leaves_the_library_as_it_was_and_the_next_goes_on(small, tmp_path, monkeypatch):
    folder = copied(small, tmp_path)

    def stopped(number):
        raise SystemExit if number == 14 else AssertionError

    monkeypatch.setattr(module, "draw_new_picture", lambda number: draw_new_picture(number) if number != 14 else stopped(number))
    with pytest.raises(SystemExit):
        grow(folder, 16, step=2, workers=1)
    assert count_drawn(folder) == 14
    assert [file.name for file in tmp_path.iterdir()] == [folder.name], "nothing half-drawn is left"


def test_a_library_of_another_program_is_drawn_anew(small, tmp_path, monkeypatch):
    folder = copied(small, tmp_path)
    monkeypatch.setattr(module, "program_version", lambda: "0" * 64)
    assert count_drawn(folder) == 0
    ensure_starter_library(folder, count=2)
    assert count_drawn(folder) == 2


@pytest.mark.parametrize("name", ["keypoints.npy", "a picture"])
def test_a_damaged_library_is_drawn_anew(small, tmp_path, name):
    folder = copied(small, tmp_path)
    file = min((folder / "pictures").iterdir()) if name == "a picture" else folder / name
    file.write_bytes(b"damaged")
    if name == "keypoints.npy":
        assert count_drawn(folder) == 0
    grow(folder, 13, workers=1)
    assert verify_library(folder).pictures == 13


def test_a_picture_that_was_taken_down_does_not_come_back(small, tmp_path, monkeypatch):
    folder = copied(small, tmp_path)
    with Library.open(folder) as library:
        bits = dict(library.fingerprints())
        gone = library.item(3)
        people = [reuse_picture(library, [item], bits) for item in library.items() if item.picture != gone.picture]
        with LibraryWriter(folder) as writer:
            for item in people:
                writer.add(item)
            writer.add_removed(RemovedPicture(gone.picture.name, bits[gone.picture.name], gone.title))
            writer.finish(library.manifest.models)
    assert count_drawn(folder) == 12
    grow(folder, 13, workers=1)
    monkeypatch.setattr(module, "program_version", lambda: "0" * 64)
    for _ in range(2):
        with Library.open(folder) as library:
            assert gone.picture.name not in set(library.picture_names())
            assert [one.picture for one in library.removed_pictures()] == [gone.picture.name]
        grow(folder, 12, workers=1)  # once more, by the program of another version


def test_each_picture_has_somebody_and_its_credit(small):
    folder, _ = small
    with Library.open(folder) as library:
        assert library.manifest.pictures == 12
        for item in library.items():
            assert item.credit.endswith(", drawn by Pose Mirror, Apache-2.0")
            assert item.licence_url


def test_another_program_is_another_version(monkeypatch, tmp_path):
    (tmp_path / "pictures.py").write_text("another")
    ours = program_version()
    monkeypatch.setattr(module.figures, "__file__", str(tmp_path / "__init__.py"))
    assert program_version.__wrapped__() != ours


def test_what_is_no_library_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear …")
    with pytest.raises(LibraryError):
        ensure_starter_library(tmp_path / "letters", count=2)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear …"


def test_where_it_cannot_be_written_one_sentence_names_the_folder(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LibraryError, match=r"cannot be drawn in .*file/starter \(.+\)"):
        ensure_starter_library(tmp_path / "file" / "starter", count=2)


def test_the_performer_finds_somebody_in_it(small):
    folder, _ = small
    _, pose = perform(1.5, 640, 480)
    with Library.open(folder) as library:
        matches = Matcher(library).find(pose)
        assert matches
        assert matches[0].agreement > 0.3
