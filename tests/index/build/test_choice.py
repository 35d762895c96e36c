"""Of pictures that show the same, a build keeps one; it keeps none that was taken down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.build.choice import find_skipped
from index.build.photo import NewPicture
from index.library import RemovedPicture
from tests.support.sample_poses import sample_people

FINGERPRINTS = np.random.default_rng(7).integers(0, 256, (6, 32), np.uint8)

Named = tuple[str, NewPicture]


def picture(number: int, width: int = 640, flipped_bits: int = 0, name: str = "") -> Named:
    """A picture of a person in a pose of their own; pictures of one number are nearly the same."""
    bits = np.unpackbits(FINGERPRINTS[number])
    bits[::12][:flipped_bits] ^= 1
    people = list(sample_people(1, number) * np.array([width / 640, width / 640, 1], np.float32))
    file = Path(f"{number:02}{width:04}{flipped_bits:02}.jpg")
    new = NewPicture(file.name, width, width * 3 // 4, np.packbits(bits).tobytes(), file, people)
    return name or f"{number}-{width}-{flipped_bits}.jpg", new


def skipped_kinds(*row: Named, removed: tuple[RemovedPicture, ...] = ()) -> dict[int, str]:
    return {place: skipped.kind for place, skipped in find_skipped(row, removed).items()}


def test_keeps_pictures_of_different_moments() -> None:
    assert skipped_kinds(*(picture(number) for number in range(6))) == {}


def test_skips_the_same_picture_the_second_time() -> None:
    skipped = find_skipped([picture(1), picture(2), picture(1, name="copy.jpg")], [])
    assert {place: one.kind for place, one in skipped.items()} == {2: "duplicate"}
    assert skipped[2].reason == "copy.jpg is the same picture as 1-640-0.jpg."


@pytest.mark.parametrize(
    ("widths", "kept"), [((640, 640), 0), ((640, 800), 1), ((800, 640, 800), 0), ((320, 640, 480, 800), 3)]
)
def test_keeps_the_largest_near_duplicate_or_the_first(widths: tuple[int, ...], kept: int) -> None:
    row = [picture(1, width, flipped_bits) for flipped_bits, width in enumerate(widths)]
    assert skipped_kinds(*row) == {place: "near-duplicate" for place in range(len(row)) if place != kept}


def test_names_the_picture_that_a_skipped_one_is_like() -> None:
    skipped = find_skipped([picture(1, 320), picture(1, 640, 1)], [])
    assert skipped[0].name == "1-320-0.jpg"
    assert skipped[0].reason == "1-320-0.jpg is nearly the same picture as 1-640-1.jpg."


def test_keeps_another_pose_before_the_same_wall() -> None:
    (name, first), (_, second) = picture(1), picture(2)
    same_wall = replace(second, fingerprint=first.fingerprint)
    assert skipped_kinds((name, first), ("b.jpg", same_wall)) == {}


def test_skips_removed_pictures_and_their_copies() -> None:
    removed = (
        RemovedPicture(picture(1)[1].name, picture(5)[1].fingerprint, "by its file"),
        RemovedPicture("another.jpg", picture(2)[1].fingerprint, "by its looks"),
    )
    row = [picture(1), picture(2, 800, 3), picture(3)]
    assert skipped_kinds(*row, removed=removed) == {0: "taken down", 1: "taken down"}
