"""Of pictures that show the same, one is kept; none comes back that was taken down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.build.choice import Shown, find_skipped, group_by_picture
from index.build.writer import NewItem
from index.library import RemovedPicture
from index.pictures import StoredPicture
from tests.support.sample_poses import sample_people

BITS = np.random.default_rng(7).integers(0, 256, (6, 32), np.uint8)


def found(number: int, width: int = 640, apart: int = 0, name: str = "") -> Shown:
    """A picture of somebody who stands as nobody else; of one number they are nearly the same."""
    height = width * 3 // 4
    bits = np.unpackbits(BITS[number])
    bits[::12][:apart] ^= 1
    (person,) = sample_people(1, number) * np.float32((width / 640, width / 640, 1))
    picture = StoredPicture(Path(f"{number:02}{width:04}{apart:02}.jpg"), width, height, np.packbits(bits).tobytes())
    return Shown(name or f"{number}-{width}-{apart}.jpg", picture, [NewItem(picture, person)])


def kinds(*row: Shown, removed: tuple[RemovedPicture, ...] = ()) -> dict[int, str]:
    return {place: one.kind for place, one in find_skipped(row, removed).items()}


def test_pictures_of_different_moments_all_stay():
    assert kinds(*(found(number) for number in range(6))) == {}


def test_the_very_same_picture_is_left_out_the_second_time():
    out = find_skipped([found(1), found(2), found(1, name="copy.jpg")], [])
    assert {place: one.kind for place, one in out.items()} == {2: "duplicate"}
    assert out[2].reason == "copy.jpg is the same picture as 1-640-0.jpg."


@pytest.mark.parametrize(
    ("widths", "stays"), [((640, 640), 0), ((640, 800), 1), ((800, 640, 800), 0), ((320, 640, 480, 800), 3)]
)
def test_of_pictures_nearly_the_same_the_largest_stays_and_of_equals_the_first(widths, stays):
    row = [found(1, width, apart) for apart, width in enumerate(widths)]
    assert kinds(*row) == {place: "near-duplicate" for place in range(len(row)) if place != stays}


def test_what_is_left_out_names_the_picture_that_it_is_like():
    out = find_skipped([found(1, 320), found(1, 640, 1)], [])
    assert out[0].name == "1-320-0.jpg"
    assert out[0].reason == "1-320-0.jpg is nearly the same picture as 1-640-1.jpg."


def test_another_pose_before_the_same_wall_stays():
    one, other = found(1), found(2)
    before_the_wall = StoredPicture(other.picture.file, 640, 480, one.picture.fingerprint)
    assert kinds(one, Shown("b.jpg", before_the_wall, [NewItem(before_the_wall, other.people[0].keypoints)])) == {}


def test_a_picture_that_was_taken_down_does_not_come_back_nor_does_a_copy():
    removed = (
        RemovedPicture(found(1).picture.name, found(5).picture.fingerprint, "by its file"),
        RemovedPicture("another.jpg", found(2).picture.fingerprint, "by its looks"),
    )
    row = [found(1), found(2, 800, 3), found(3)]
    assert kinds(*row, removed=removed) == {0: "taken down", 1: "taken down"}


def test_the_people_of_one_picture_are_together():
    one, other = found(1), found(2)
    items = [NewItem(one.picture, person) for person in sample_people(2)] + list(other.people)
    assert [(len(shown.people), shown.picture.name) for shown in group_by_picture("a", items)] == [
        (2, one.picture.name),
        (1, other.picture.name),
    ]
