"""The starter library: drawn once, found again, drawn anew by another program."""

from __future__ import annotations

import numpy as np
import pytest

from index import starter as module
from index.library import Library
from index.manifest import LibraryError
from index.match import Matcher
from index.starter import draw, program_version, starter
from models.figures import perform


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A starter library of a few pictures, and what its progress said."""
    said: list[tuple[int, int | None]] = []
    folder = tmp_path_factory.mktemp("starter") / "library"
    starter(folder, lambda done, of, _: said.append((done, of)), count=12)
    return folder, said


def test_it_is_a_library_with_pictures_titles_and_exact_key_points(small):
    folder, _ = small
    with Library.open(folder) as library:
        assert len(library) >= 12
        for number in range(len(library)):
            item = library.item(number)
            assert item.title
            assert "Pose Mirror" in item.credit
            assert library.picture(number).shape == (item.height, item.width, 3)
        first = draw(0)[0]
        seen = first.keypoints[:, 2] > 0
        assert np.allclose(library.keypoints[0][seen, :2], first.keypoints[seen, :2], atol=0.01)


def test_progress_counts_to_the_end(small):
    _, said = small
    assert (12, 12) in said
    counted = [done for done, of in said if of == 12]
    assert counted == sorted(counted)


def test_a_whole_library_of_this_version_is_not_drawn_again(small, monkeypatch):
    folder, _ = small
    monkeypatch.setattr(module, "write_library", lambda *_, **__: pytest.fail("drawn again"))
    assert starter(folder, count=12) == folder


def test_a_damaged_library_is_drawn_again(small, tmp_path):
    folder, _ = small
    (folder / "keypoints.npy").write_bytes(b"damaged")
    starter(folder, count=12)
    with Library.open(folder) as library:
        assert len(library) >= 12


def test_another_count_or_program_is_another_version():
    assert program_version(12) != program_version(13)
    assert program_version(12) == program_version(12)


def test_what_is_no_library_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear …")
    with pytest.raises(LibraryError):
        starter(tmp_path / "letters", count=2)
    assert (tmp_path / "letters" / "dear.txt").read_text() == "Dear …"


def test_the_performer_finds_somebody_in_it(small):
    folder, _ = small
    _, pose = perform(1.5, 640, 480)
    with Library.open(folder) as library:
        matches = Matcher(library).find(pose)
        assert matches
        assert matches[0].agreement > 0.3
