"""Guidance: which hint comes for what is seen, when, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from device.guidance import (
    APPEAR_AFTER,
    CLEAR_AFTER,
    COME_CLOSER,
    HINTS,
    LIGHT_BEHIND,
    MAX_HINT_SECONDS,
    MIN_HINT_SECONDS,
    POSE_SECONDS,
    POSES_TO_TRY,
    REST_SECONDS,
    SHOW_YOUR_ARMS,
    STEP_BACK,
    TO_THE_LEFT,
    TO_THE_RIGHT,
    TOO_DARK,
    Guidance,
    Hint,
    Light,
    Sight,
    find_problems,
    guide,
    measure_light,
)
from device.rating import MIN_BELIEVABLE
from models.pose import LEFT_ELBOW, LEFT_HIP, Pose

SIZE = (640, 480)
STEP = 0.1
DAY = Light(200, 150, 120)
NIGHT = Light(20, 12, 10)
WINDOW = Light(250, 240, 40)

STANDING = np.array(
    [(0, .07), (.02, .06), (-.02, .06), (.045, .07), (-.045, .07), (.115, .18), (-.115, .18), (.14, .37), (-.14, .37),
     (.15, .52), (-.15, .52), (.08, .47), (-.08, .47), (.08, .72), (-.08, .72), (.08, .96), (-.08, .96)], np.float32,
)  # fmt: skip
"""Somebody who faces the camera, in body heights from the top of the head."""

HANDS = slice(LEFT_ELBOW, LEFT_HIP)
"""Elbows and wrists."""


def person(height: float = 400.0, x: float = 320.0, top: float = 50.0) -> Pose:
    """A standing person of a height in pixels; key points out of a picture of `SIZE` are not seen, and at its edge."""
    xy = STANDING * np.float32(height) + np.array([x, top], np.float32)
    edge = np.array(SIZE, np.float32) - 1
    inside = ((xy >= 0) & (xy <= edge)).all(1)
    return Pose(np.clip(xy, 0, edge), np.where(inside, 0.9, 0.03).astype(np.float32), 0.9)


def with_scores(pose: Pose, points: slice, score: float) -> Pose:
    scores = pose.scores.copy()
    scores[points] = score
    return Pose(pose.xy, scores, pose.score)


def sitting() -> Pose:
    """Somebody in a wheelchair: thighs that point at the camera, and hands in the lap."""
    pose = person(500, top=60)
    xy = pose.xy.copy()
    for points, below in ((slice(9, 11), 10), (slice(13, 15), 40), (slice(15, 17), 150)):
        xy[points] = xy[11:13]
        xy[points, 1] += below
    return Pose(xy, np.full(17, 0.9, np.float32), 0.9)


NEAR = person(1500, top=-60)
CUT = person(700, x=20, top=100)
FAR = person(100)

SIGHTS = {
    "dark, nobody": (Sight(SIZE, NIGHT), [TOO_DARK]),
    "dark, and read badly": (Sight(SIZE, NIGHT, with_scores(person(), HANDS, 0.1), 0.9), [TOO_DARK]),
    "dark, but read well": (Sight(SIZE, NIGHT, person(), 0.9), []),
    "a lit visitor in a dark room": (Sight(SIZE, Light(45, 10, 90), with_scores(person(), HANDS, 0.1), 0.9), []),
    "backlit": (Sight(SIZE, WINDOW, with_scores(person(), HANDS, 0.1), 0.9), [LIGHT_BEHIND]),
    "black clothes before a white wall": (Sight(SIZE, WINDOW, person(), 0.9), []),
    "too near": (Sight(SIZE, DAY, NEAR, 0.9), [STEP_BACK]),
    "only a face": (Sight(SIZE, DAY, person(2600, top=100), 0.9), [STEP_BACK, SHOW_YOUR_ARMS]),
    "near, with hands up": (Sight(SIZE, DAY, with_scores(NEAR, HANDS, 0.8), 0.9), []),
    "half out on the left": (Sight(SIZE, DAY, CUT, 0.9), [TO_THE_RIGHT]),
    "half out on the right": (Sight(SIZE, DAY, person(700, x=620, top=100), 0.9), [TO_THE_LEFT]),
    "too far": (Sight(SIZE, DAY, FAR, 0.9), [COME_CLOSER]),
    "arms behind the back": (Sight(SIZE, DAY, with_scores(person(), HANDS, 0.0), 0.9), [SHOW_YOUR_ARMS]),
    "legs alone": (Sight(SIZE, DAY, with_scores(person(), slice(0, LEFT_HIP), 0.02), 0.9), [SHOW_YOUR_ARMS]),
    "dark legs alone": (Sight(SIZE, WINDOW, with_scores(person(), slice(0, LEFT_HIP), 0.02), 0.9), [SHOW_YOUR_ARMS]),
    "whole": (Sight(SIZE, DAY, person(), 0.9), []),
    "without legs": (Sight(SIZE, DAY, person(800, top=40), 0.9), []),
    "a child": (Sight(SIZE, DAY, person(150, top=300), 0.9), []),
    "in a wheelchair": (Sight(SIZE, DAY, sitting(), 0.9), []),
    "behind a counter": (Sight(SIZE, DAY, with_scores(person(), slice(LEFT_ELBOW, 17), 0.12), 0.9), []),
    "nobody": (Sight(SIZE, DAY), []),
}  # fmt: skip


@pytest.mark.parametrize(("sight", "hints"), SIGHTS.values(), ids=SIGHTS.keys())
def test_hints_suit_what_is_seen(sight: Sight, hints: list[Hint]) -> None:
    assert find_problems(sight) == hints


def test_the_hints_say_what_was_agreed() -> None:
    assert list(dict.fromkeys(hint.message.text for hint in HINTS)) == [
        "It is too dark to see you",
        "The light is behind you",
        "One step back",
        "Step into the middle",
        "Come closer",
        "Show your arms",
        "Try: arms wide",
        "Try: one arm up",
        "Try: hands on your hips",
        "Try: both arms up",
    ]


@pytest.mark.parametrize("hint", [TOO_DARK, COME_CLOSER, TO_THE_RIGHT])
def test_a_hint_that_applies_is_held(hint: Hint) -> None:
    sight = {
        TOO_DARK: Sight(SIZE, Light(45, 30)),
        COME_CLOSER: Sight(SIZE, DAY, person(135), 0.9),
        TO_THE_RIGHT: Sight(SIZE, DAY, person(400, x=48), 0.9),
    }[hint]
    assert find_problems(sight) == []
    assert find_problems(sight, (hint,)) == [hint]


@given(
    st.sampled_from([0.25, 0.5, 2.0, 3.0]),
    st.builds(person, st.floats(60, 3000), st.floats(0, 640), st.floats(-200, 400)),
    st.sampled_from([DAY, NIGHT, WINDOW]),
)
def test_the_pictures_size_does_not_matter(scale: float, pose: Pose, light: Light) -> None:
    assume(np.count_nonzero(pose.scores > 0.5) >= 5)  # with fewer, nobody is followed
    small = Sight(SIZE, light, pose, 0.9)
    large = Sight((round(SIZE[0] * scale), round(SIZE[1] * scale)), light, pose.scaled(scale, scale), 0.9)
    # held, because rounding may move a value over its bound
    assert set(find_problems(small)) <= set(find_problems(large, HINTS))
    assert set(find_problems(large)) <= set(find_problems(small, HINTS))


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (160, 120), (1280, 720), (8, 6), (1, 1)])
def test_measures_even_light(size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    pose = Pose(STANDING * np.float32(size[1]) + np.float32(size[0] / 2), np.ones(17, np.float32), 1.0)
    light = measure_light(image, pose)
    assert (light.picture, light.surroundings) == (90, 90)
    assert light.visitor in (None, 90)


def test_a_lamp_does_not_light_a_room() -> None:
    image = np.full((480, 640, 3), 15, np.uint8)
    image[20:100, 30:130] = 255
    assert measure_light(image).picture == 15


def test_measures_the_visitor_before_a_window() -> None:
    image = np.full((480, 640, 3), 230, np.uint8)
    image[40:460, 240:400] = 30
    assert measure_light(image, person()) == (230, 230, 30)


def test_a_visitor_out_of_the_picture_has_no_brightness() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    outside = Pose(STANDING - 9_000, np.ones(17, np.float32), 1.0)
    assert measure_light(image, outside).visitor is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_pose_that_is_no_number_has_no_hint(value: float) -> None:
    pose = Pose(np.full((17, 2), value, np.float32), np.ones(17, np.float32), 1.0)
    image = np.full((480, 640, 3), 90, np.uint8)
    assert find_problems(Sight(SIZE, measure_light(image, pose), pose, 0.9)) == []


GOOD = Sight(SIZE, DAY, person(), MIN_BELIEVABLE + 0.1)
POOR = Sight(SIZE, DAY, person(), MIN_BELIEVABLE - 0.1)
TOO_NEAR = Sight(SIZE, DAY, NEAR, 0.9)
TOO_FAR = Sight(SIZE, DAY, FAR, 0.9)
HALF_OUT = Sight(SIZE, DAY, CUT, 0.9)
NOBODY = Sight(SIZE, DAY)
DARK_ROOM = Sight(SIZE, NIGHT)


def play(sights: Sequence[Sight], step: float = STEP) -> list[Hint | None]:
    state, hints = Guidance(), []
    for number, sight in enumerate(sights):
        state = guide(state, sight, number * step)
        hints.append(state.shown)
    return hints


def frames(seconds: float) -> int:
    return round(seconds / STEP)


def changes(hints: Sequence[Hint | None]) -> list[int]:
    return [number for number in range(1, len(hints)) if hints[number] != hints[number - 1]]


def test_a_believable_answer_has_no_hint() -> None:
    assert set(play([GOOD] * 100)) == {None}


@pytest.mark.parametrize(
    ("sight", "hint"),
    [(TOO_NEAR, STEP_BACK), (POOR, POSES_TO_TRY[0]), (DARK_ROOM, TOO_DARK), (HALF_OUT, TO_THE_RIGHT)],
)
def test_a_hint_waits_until_it_is_sure(sight: Sight, hint: Hint) -> None:
    hints = play([sight] * 40)
    first = hints.index(hint)
    assert APPEAR_AFTER <= first * STEP < APPEAR_AFTER + 2 * STEP
    assert set(hints[:first]) == {None}


@pytest.mark.parametrize("sight", [TOO_NEAR, POOR, TOO_FAR, DARK_ROOM])
def test_a_moment_brings_no_hint(sight: Sight) -> None:
    assert set(play(([GOOD] * 5 + [sight] * 10) * 10)) == {None}


def test_a_hint_goes_when_it_was_followed() -> None:
    hints = play([TOO_NEAR] * frames(4) + [GOOD] * frames(4))
    assert hints[frames(4)] == STEP_BACK
    assert changes(hints)[1] * STEP == pytest.approx(4 + CLEAR_AFTER, abs=1.5 * STEP)


def test_a_hint_stays_long_enough_to_be_read() -> None:
    hints = play([TOO_NEAR] * frames(APPEAR_AFTER + 2 * STEP) + [GOOD] * frames(5))
    came, went = changes(hints)
    assert (went - came) * STEP == pytest.approx(MIN_HINT_SECONDS, abs=1.5 * STEP)


def test_a_hint_that_nobody_follows_rests() -> None:
    hints = play([TOO_FAR] * frames(60))
    came, went, again = changes(hints)[:3]
    assert (went - came) * STEP == pytest.approx(MAX_HINT_SECONDS + CLEAR_AFTER, abs=2 * STEP)
    assert (again - went) * STEP >= REST_SECONDS - 2


def test_the_dark_is_told_as_long_as_it_is_dark() -> None:
    assert set(play([DARK_ROOM] * frames(60))[20:]) == {TOO_DARK}


def test_the_next_visitor_gets_every_hint() -> None:
    hints = play([TOO_FAR] * frames(12) + [NOBODY] * frames(1) + [TOO_FAR] * frames(4))
    assert hints[frames(12) - 1] is None
    assert hints[-1] == COME_CLOSER


def test_nobody_is_asked_to_try_a_pose() -> None:
    hints = play([POOR] * frames(3) + [NOBODY] * frames(5))
    assert hints[frames(3) - 1] == POSES_TO_TRY[0]
    assert hints[-1] is None


def test_poses_to_try_follow_one_another() -> None:
    hints = play([POOR] * frames(APPEAR_AFTER + len(POSES_TO_TRY) * POSE_SECONDS))
    assert list(dict.fromkeys(hint for hint in hints if hint)) == list(POSES_TO_TRY)
    came = changes(hints)
    assert [(b - a) * STEP for a, b in pairwise(came)] == pytest.approx([POSE_SECONDS] * 3, abs=2 * STEP)


def test_a_place_goes_before_a_pose() -> None:
    near_and_poor = TOO_NEAR._replace(likeness=0.1)
    hints = play([near_and_poor] * frames(APPEAR_AFTER + MAX_HINT_SECONDS + 3))
    assert list(dict.fromkeys(hints)) == [None, STEP_BACK, POSES_TO_TRY[0]]


def test_a_hint_goes_while_others_come_and_go() -> None:
    hints = play([TOO_NEAR] * frames(4) + [HALF_OUT, TOO_FAR] * frames(2))
    assert hints[-1] is None


ANYTHING = st.sampled_from([GOOD, POOR, TOO_NEAR, TOO_FAR, HALF_OUT, NOBODY, DARK_ROOM])


@settings(max_examples=30)
@given(st.lists(st.tuples(ANYTHING, st.integers(1, 15)), max_size=10), st.sampled_from([0.1, 0.2, 0.4]))
def test_never_flickers(runs: list[tuple[Sight, int]], step: float) -> None:
    hints = play([sight for sight, count in runs for _ in range(count)], step)
    for came, went in pairwise(changes(hints)):
        assert (went - came) * step >= MIN_HINT_SECONDS - 1e-6


@settings(max_examples=30)
@given(st.lists(ANYTHING, max_size=20))
def test_the_same_sights_give_the_same_hints(sights: list[Sight]) -> None:
    assert play(sights) == play(sights)
