"""Boxes of people: stored, turned with the picture, merged, and judged by the rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.collect.people_boxes import (
    DEPICTION,
    GROUP,
    INSIDE,
    PEOPLE,
    TRUNCATED,
    Box,
    Kind,
    judge,
    merge_duplicates,
    pack,
    turn,
    unpack,
)
from index.collect.rules import load_rules

RULES = load_rules()
MAN, GIRL = PEOPLE["/m/04yx4"], PEOPLE["/m/05r655"]

SHARES = st.floats(0, 1)


def box(left: float, top: float, right: float, bottom: float, label: int = MAN, flags: int = 0) -> Box:
    return Box(frozenset((label,)), flags, left, top, right, bottom)


def standing(number: int = 0, flags: int = 0, label: int = MAN) -> Box:
    return box(0.2 * number, 0.1, 0.2 * number + 0.1, 0.9, label, flags)


def small(number: int) -> Box:
    return box(0.1 * number, 0.1, 0.1 * number + 0.05, 0.2)


BOXES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 15), SHARES, SHARES, SHARES, SHARES), min_size=1, max_size=9
)


def packed(*boxes: tuple[int, int, float, float, float, float]) -> bytes:
    labels, flags, *corners = zip(*boxes, strict=True)
    return pack([int(label) for label in labels], [int(value) for value in flags], corners)


@given(BOXES)
def test_stored_boxes_are_the_same(boxes: list[tuple[int, int, float, float, float, float]]) -> None:
    for (label, flags, *corners), stored in zip(boxes, unpack(packed(*boxes)), strict=True):
        assert (stored.labels, stored.flags) == (frozenset((label,)), flags)
        assert stored[2:] == pytest.approx(corners, abs=1e-5)


def test_corners_outside_the_picture_are_on_its_edge() -> None:
    (stored,) = unpack(packed((0, 0, -0.1, 0.0, 1.2, 1.0)))
    assert stored[2:] == (0, 0, 1, 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_corner_nowhere(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        packed((1, 0, 0.0, 0.0, 1.0, 1.0), (0, 0, 0.0, 0.0, value, 1.0))


def test_a_quarter_turn_is_anticlockwise() -> None:
    """What is at the right edge comes to the top, and what is at the top to the left."""
    assert turn(box(0.7, 0.1, 0.9, 0.3), 90)[2:] == pytest.approx((0.1, 0.1, 0.3, 0.3))
    assert turn(box(0.7, 0.1, 0.9, 0.3), 180)[2:] == pytest.approx((0.1, 0.7, 0.3, 0.9))


@given(SHARES, SHARES, SHARES, SHARES, st.sampled_from([0, 90, 180, 270]))
def test_turns_add_up_to_a_whole_one(left: float, top: float, right: float, bottom: float, rotation: int) -> None:
    upright = box(left, top, right, bottom)
    assert turn(turn(upright, rotation), 360 - rotation)[2:] == pytest.approx(upright[2:])


def test_one_person_under_two_labels_is_one() -> None:
    (merged,) = merge_duplicates([box(0.2, 0.1, 0.6, 0.9, MAN, TRUNCATED), box(0.2, 0.1, 0.62, 0.91, GIRL)])
    assert merged == Box(frozenset((MAN, GIRL)), TRUNCATED, 0.2, 0.1, 0.62, 0.91)


def test_people_side_by_side_stay_apart() -> None:
    assert len(merge_duplicates([box(0.1, 0.1, 0.5, 0.9), box(0.3, 0.1, 0.7, 0.9)])) == 2


def test_boxes_without_an_area() -> None:
    empty = box(0.5, 0.5, 0.5, 0.5)
    assert merge_duplicates([empty, empty, standing()]) == [standing(), empty]


def test_what_a_photo_shows() -> None:
    assert judge([standing()], False, RULES) is Kind.WHOLE
    assert judge([standing(), standing(2)], True, RULES) is Kind.SEATED
    assert judge([standing(flags=TRUNCATED)], True, RULES) is Kind.HEAD_AND_SHOULDERS
    assert judge([box(0.2, 0.3, 0.8, 1.0)], False, RULES) is Kind.HEAD_AND_SHOULDERS


def test_a_small_person_who_is_cut_off_is_background() -> None:
    assert judge([standing(), small(5)._replace(flags=TRUNCATED)], False, RULES) is Kind.WHOLE


def test_how_many_people() -> None:
    assert judge([], False, RULES) is None
    assert judge([small(1)], False, RULES) is None
    assert judge([standing(0), standing(1), standing(2)], False, RULES) is None
    assert judge([standing(0), standing(1), standing(2)], False, replace(RULES, max_people=3)) is Kind.WHOLE
    assert judge([standing(), *map(small, range(3))], False, RULES) is Kind.WHOLE
    assert judge([standing(), *map(small, range(4))], False, RULES) is None


@pytest.mark.parametrize("flag", [GROUP, DEPICTION, INSIDE])
def test_groups_drawings_and_insides_are_left_out(flag: int) -> None:
    assert judge([standing(), small(5)._replace(flags=flag)], False, RULES) is None


def test_minors_are_left_out_only_to_avoid_them() -> None:
    people = [standing(), small(5)._replace(labels=frozenset((MAN, GIRL)))]
    assert judge(people, False, RULES) is None
    assert judge(people, False, replace(RULES, minors="allowed")) is Kind.WHOLE
