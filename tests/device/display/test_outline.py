"""What of a photo's person must be on the display."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.outline import HAND_LENGTH, Boxes, needed_points, outline
from models.pose import (
    LEFT_ELBOW,
    LEFT_WRIST,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_WRIST,
    Floats,
)
from tests.device.display.test_layout import STANDING

ALL = np.ones(17, bool)


def box(points: Floats, seen: tuple[int, ...] | None = None, size: int = 1000) -> Boxes:
    shown = ALL if seen is None else np.isin(np.arange(17), seen)
    return outline(points[None].astype(np.float32), shown[None], np.array([[size, size]]), ALL)


def test_the_box_reaches_past_crown_hand_and_foot() -> None:
    person = STANDING + 500
    corners = box(person)
    head = 1.2 * (person[5:7, 1].mean() - person[NOSE, 1])  # about the height of the head
    assert corners.low[0, 1] < person[RIGHT_WRIST, 1] - 5  # the raised hand is above the crown
    assert corners.high[0, 1] > person[RIGHT_ANKLE, 1] + 5
    lowered = person.copy()
    lowered[RIGHT_ELBOW], lowered[RIGHT_WRIST] = person[LEFT_ELBOW] - (52, 0), person[LEFT_WRIST] - (60, 0)
    assert box(lowered).low[0, 1] == pytest.approx(float(person[NOSE, 1] - 1.1 * head), abs=0.2 * float(head))


def test_a_hand_goes_on_in_the_direction_of_the_forearm() -> None:
    points = np.full((17, 2), 500.0, np.float32)
    points[LEFT_WRIST] = 600, 500
    corners = box(points, (LEFT_ELBOW, LEFT_WRIST))
    assert corners.high[0, 0] == pytest.approx(600 + HAND_LENGTH * 100, abs=10)


def test_the_box_ends_with_the_photo() -> None:
    corners = box(STANDING * 20 + 500)
    assert (corners.low == -0.5).all()
    assert (corners.high == 999.5).all()


def test_somebody_unseen_needs_no_room() -> None:
    corners = box(STANDING, ())
    assert (corners.low == corners.high).all()


def test_an_answer_shows_as_much_as_the_visitor_does() -> None:
    seen = ALL.copy()
    assert needed_points(seen).all()
    seen[RIGHT_ANKLE - 1 :] = False
    assert needed_points(seen)[RIGHT_KNEE]
    assert not needed_points(seen)[RIGHT_ANKLE]
    seen[RIGHT_HIP - 1 :] = False
    assert needed_points(seen).sum() == 11
    seen[RIGHT_ANKLE] = True
    assert needed_points(seen).all()


@given(st.integers(0, 2**32), st.floats(0.1, 3))
def test_the_box_grows_and_turns_with_the_person(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    seen = random.random((1, 17)) > 0.3
    points = (random.random((1, 17, 2)) * 100 + 5000).astype(np.float32)
    sizes = np.array([[20000, 20000]])
    plain = outline(points, seen, sizes, ALL)
    larger = outline((points * scale).astype(np.float32), seen, sizes, ALL)
    mirrored = outline(19999 - points, seen, sizes, ALL)
    if seen.any():
        assert larger.low == pytest.approx(plain.low * scale, abs=0.1)
        assert larger.high == pytest.approx(plain.high * scale, abs=0.1)
        assert mirrored.low[0, 0] == pytest.approx(19999 - plain.high[0, 0], abs=0.1)
