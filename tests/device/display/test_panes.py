"""What is left of a canvas around its panes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pygame import Rect

from device.display.panes import around

CANVAS = Rect(0, 0, 40, 30)
RECTS = st.builds(Rect, st.integers(-5, 45), st.integers(-5, 35), st.integers(0, 30), st.integers(0, 30))


@given(st.lists(RECTS, max_size=5))
def test_around_and_painted_cover_each_pixel_once(painted: list[Rect]) -> None:
    counts, covered = np.zeros((30, 40), int), np.zeros((30, 40), bool)
    for rect in around(CANVAS, painted):
        assert CANVAS.contains(rect)
        counts[rect.top : rect.bottom, rect.left : rect.right] += 1
    for rect in painted:
        inside = rect.clip(CANVAS)
        covered[inside.top : inside.bottom, inside.left : inside.right] = True
    assert np.array_equal(counts, 1 - covered)
