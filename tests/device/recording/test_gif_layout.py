"""The panes of a GIF: one size and place for everybody, whole people, and a shape that suits the display."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.layout import Size
from device.recording.gif_layout import MAX_ASPECT, Crop, arrange, choose_crops
from models.pose import LEFT_WRIST, NOSE, RIGHT_WRIST, Pose
from tests.support.recordings import CANVAS, STANDING, record, snapshot, soft_picture

SIDES = st.floats(1, 2000)


def person(scale: float = 1.0, shift: tuple[float, float] = (0, 0), unseen: tuple[int, ...] = ()) -> Pose:
    """Return a standing person, made larger around the canvas's corner, then moved."""
    scores = np.ones(17, np.float32)
    scores[list(unseen)] = 0
    return Pose((STANDING * scale + np.array(shift)).astype(np.float32), scores, 1.0)


def contains(crop: Crop, pose: Pose) -> bool:
    low, high = pose.xy.min(0), pose.xy.max(0)
    inside = (crop.left, crop.top) <= (low[0], low[1])
    return bool(inside and crop.left + crop.width >= high[0] and crop.top + crop.height >= high[1])


@given(SIDES, SIDES, st.integers(64, 640), st.booleans(), st.booleans())
def test_panes_are_equal_and_inside_the_gif(
    width: float, height: float, pixels: int, rtl: bool, with_footer: bool
) -> None:
    crop = Crop(0, 0, width, height)
    layout = arrange((2000, 2000), (crop, crop), pixels, rtl=rtl, with_footer=with_footer)
    assert max(layout.size) <= max(pixels, 4)
    (x, y), (other_x, other_y) = layout.visitor, layout.answer
    assert (x == other_x) != (y == other_y), "next to each other, or one above the other"
    for left, top in (layout.visitor, layout.answer):
        assert left >= layout.gap
        assert left + layout.pane[0] + layout.gap <= layout.size[0]
        assert top + layout.pane[1] + layout.gap + layout.footer <= layout.size[1]
    assert max(abs(x - other_x) - layout.pane[0], abs(y - other_y) - layout.pane[1]) == layout.gap


@pytest.mark.parametrize(("size", "rtl", "first"), [((100, 200), False, True), ((100, 200), True, False)])
def test_high_panes_are_side_by_side(size: Size, rtl: bool, first: bool) -> None:
    crop = Crop(0, 0, *size)
    layout = arrange((400, 400), (crop, crop), 640, rtl=rtl)
    assert layout.visitor[1] == layout.answer[1]
    assert (layout.visitor[0] < layout.answer[0]) == first


def test_wide_panes_are_above_each_other() -> None:
    crop = Crop(0, 0, 200, 100)
    for rtl in (False, True):
        layout = arrange((400, 400), (crop, crop), 640, rtl=rtl)
        assert layout.visitor[1] < layout.answer[1]


@pytest.mark.parametrize("canvas", [(636, 600), (600, 636), (1920, 1080), (1080, 1920)])
@pytest.mark.parametrize("landscape", [True, False])
def test_nearly_square_panes_follow_the_display(canvas: Size, landscape: bool) -> None:
    """The answer's pane on a landscape display may be wider than high, and on an upright one higher than wide."""
    wide = person(min(canvas) / CANVAS[0], (0, 0))
    wide.xy[:, 0] = (wide.xy[:, 0] - canvas[0] / 2) * 1.3 + canvas[0] / 2
    crops = choose_crops([wide] * 5, [wide] * 5, canvas, canvas, landscape=landscape)
    layout = arrange(canvas, crops, 640, landscape=landscape)
    for one in (layout, layout.scaled(0.4)):
        assert (one.visitor[1] == one.answer[1]) == landscape


@pytest.mark.parametrize("display", [(1920, 1080), (1080, 1920)])
def test_a_recording_has_the_shape_of_the_display(display: Size) -> None:
    wide = person()
    wide.xy[:, 0] = (wide.xy[:, 0] - CANVAS[0] / 2) * 1.4 + CANVAS[0] / 2
    shot = snapshot(soft_picture(1))._replace(visitor=wide, person=wide, display=display)
    width, height = record([shot] * 3).layout.size
    assert (width > height) == (display[0] > display[1])


def test_never_enlarges_a_small_display() -> None:
    crop = Crop(0, 0, 100, 140)
    assert arrange((320, 200), (crop, crop), 640).pane == (100, 140)


def test_a_smaller_layout_has_the_same_shape() -> None:
    crop = Crop(0, 0, 400, 700)
    layout = arrange((1920, 1080), (crop, crop), 640, rtl=True, with_footer=True)
    half = layout.scaled(0.5)
    assert max(half.size) == pytest.approx(max(layout.size) / 2, abs=3)
    assert half.visitor > half.answer
    assert half.footer > 0


@pytest.mark.parametrize("canvas", [(1920, 1080), (1080, 1920), (800, 480), (480, 320), (1920, 200), (100, 100)])
def test_shows_everybody_as_large_as_possible(canvas: Size) -> None:
    scale = min(canvas[0] / CANVAS[0], canvas[1] / CANVAS[1])
    crops = choose_crops([person(scale)] * 10, [person(scale)] * 10, canvas, CANVAS)
    for crop in crops:
        assert contains(crop, person(scale))
        aspect = max(crop.width / crop.height, crop.height / crop.width)
        assert aspect <= max(MAX_ASPECT, canvas[0] / canvas[1]) + 0.01
    assert crops[0] == pytest.approx(crops[1], abs=0.1 * min(canvas)), "who stands in one place is shown in one place"


def test_a_distant_visitor_becomes_as_large_as_the_answer() -> None:
    visitor, answer = person(0.5, (30, 60)), person()
    crops = choose_crops([visitor] * 5, [answer] * 5, CANVAS, CANVAS)
    layout = arrange(CANVAS, crops, 640)
    shown = layout.to_pane(visitor).xy
    expected = (answer.xy + 0.5 - crops[0][:2]) * layout.pane[1] / crops[0].height - 0.5
    assert shown == pytest.approx(expected, abs=2)


def test_a_visitor_who_reaches_beyond_the_canvas_is_whole() -> None:
    canvas, camera = (1920, 1080), (480, 640)  # a camera on its side: three quarters of its picture are hidden
    visitor = person(8.0, (-300, -400))
    assert visitor.xy[:, 1].min() < 50
    assert visitor.xy[:, 1].max() > canvas[1]
    crops = choose_crops([visitor] * 5, [person(4.0)] * 5, canvas, camera)
    layout = arrange(canvas, crops, 640)
    shown = layout.to_pane(visitor).xy
    assert shown.min() >= 0
    assert (shown.max(0) < layout.pane).all()


def test_a_hand_at_one_moment_does_not_make_all_small() -> None:
    stray = person()
    stray.xy[[LEFT_WRIST, RIGHT_WRIST]] = (310, 5)
    usual, with_stray = (
        choose_crops([person()] * 99 + [last], [person()] * 100, CANVAS, CANVAS)[0] for last in (person(), stray)
    )
    assert with_stray == pytest.approx(usual, abs=1)


def test_legs_that_the_visitor_hides_may_be_cut_off() -> None:
    legless = person(unseen=(11, 12, 13, 14, 15, 16))
    crop, _ = choose_crops([legless] * 5, [person(1.0)] * 5, CANVAS, CANVAS)
    assert crop.top + crop.height < STANDING[:, 1].max()


def test_people_without_a_common_point_are_no_problem() -> None:
    head, legs = person(unseen=tuple(range(5, 17))), person(unseen=tuple(range(11)))
    for crop in choose_crops([head] * 3, [legs] * 3, CANVAS, CANVAS):
        assert min(crop.width, crop.height) > 0
        assert crop.top <= STANDING[NOSE, 1]
