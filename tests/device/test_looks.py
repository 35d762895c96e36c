"""Which part of a frame is looked at, and what that means for the people in and outside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from device.cameras.base import Frame
from device.follow import FollowSettings, FollowState, follow
from device.looks import (
    CROWD_WHOLE_EVERY,
    MAX_MODEL_SIDE,
    MIN_MODEL_SIDE,
    WHOLE_EVERY,
    Box,
    Look,
    Shot,
    choose_looks,
)
from models.pose import Pose
from tests.device.test_follow import FRAME, SIZE, person

CROP_SIZE = (353, 353)

Scene = Callable[[float, Look], list[Pose]]
"""The people that the estimator would find at a time, in the frame's pixels; those outside of a crop are removed."""


@dataclass
class Run:
    """The looks at each frame of a scene, and the state after it."""

    frames: list[list[Look]] = field(default_factory=list)
    states: list[FollowState] = field(default_factory=list)

    @property
    def visitors(self) -> set[int | None]:
        return {state.visitor_number for state in self.states}


def in_look(look: Look, people: list[Pose]) -> list[Pose]:
    """The people whose middle is in the picture."""
    if look.is_whole or look.crop is None:
        return people
    middles = [pose.xy.mean(0) for pose in people]
    box = look.crop
    return [
        pose
        for pose, (x, y) in zip(people, middles, strict=True)
        if box.left <= x < box.right and box.top <= y < box.bottom
    ]


def play(scene: Scene, seconds: float, *, step: float = FRAME, crop_size: tuple[int, int] = CROP_SIZE) -> Run:
    run, look, state = Run(), None, FollowState()
    for i in range(round(seconds / step)):
        now = i * step
        looks = choose_looks(look, state, Shot(SIZE, now, crop_size))
        for look in looks:
            state = follow(state, in_look(look, scene(now, look)), SIZE, now, FollowSettings(), look)
        run.frames.append(looks)
        run.states.append(state)
    return run


def crops(run: Run) -> list[Box]:
    """The boxes of all crops around the visitor."""
    return [
        look.crop
        for looks, state in zip(run.frames, run.states, strict=True)
        for look in looks
        if look.crop is not None and look.number == state.visitor_number is not None
    ]


def standing(_now: float, _look: Look) -> list[Pose]:
    return [person(320)]


def test_the_visitor_is_in_a_crop_of_every_frame() -> None:
    run = play(standing, 3.0)
    for before, looks in zip(run.states[:-1], run.frames[1:], strict=True):
        if before.visitor_number is not None:
            assert looks[-1].number == before.visitor_number


def test_glances_at_the_whole_frame_by_time() -> None:
    for step in (1 / 30, 1 / 10):
        run = play(standing, 4.0, step=step)
        times = [i * step for i, looks in enumerate(run.frames) if looks[0].is_glance]
        gaps = [after - before for before, after in pairwise(times)]
        assert all(WHOLE_EVERY <= gap < WHOLE_EVERY + step + 1e-6 for gap in gaps)


def test_glances_more_often_while_others_are_near() -> None:
    run = play(lambda _now, _look: [person(250), person(400)], 4.0)
    times = [i * FRAME for i, looks in enumerate(run.frames) if looks[0].is_glance]
    assert np.diff(times).max() < CROWD_WHOLE_EVERY + 1.5 * FRAME


def test_a_crop_holds_the_person_with_room_around() -> None:
    box = crops(play(standing, 2.0))[-1]
    left, top, right, bottom = person(320).box() or (0, 0, 0, 0)
    assert box.left < left - 50
    assert box.right > right + 50
    assert box.top < top - 15
    assert box.bottom == SIZE[1], "there is no more of the frame below"
    assert bottom < box.bottom


def test_a_crop_stays_while_the_visitor_stands() -> None:
    assert len(set(crops(play(standing, 3.0)))) == 1


def test_a_crop_keeps_up_with_a_walker() -> None:
    run = play(lambda now, _look: [person(100 + 120 * now)], 3.5)
    assert len(run.visitors - {None}) == 1
    for box, i in zip(crops(run)[-60:], range(45, 105), strict=True):
        left, _, right, _ = person(100 + 120 * i * FRAME).box() or (0, 0, 0, 0)
        assert box.left <= left
        assert right <= box.right


def test_a_crop_has_the_shape_of_an_edge_tpus_input() -> None:
    run = play(lambda _now, _look: [person(320, 150)], 2.0, crop_size=(353, 481))
    box = crops(run)[-1]
    assert box.width / box.height == pytest.approx(481 / 353, abs=0.02)


def test_a_crop_is_cut_from_the_larger_picture() -> None:
    image = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(480, 640, 3)
    frame = Frame(image, image[::2, ::2], 0.0, mirrored=True)
    look = Look(0.0, numbers=(3,), crop=Box(100, 50, 300, 250))
    assert np.array_equal(look.picture(frame), image[50:250, 100:300])
    (pose,) = look.to_frame([person(120)], frame)
    assert pose.xy == pytest.approx(person(120).xy + np.array([100, 50]))
    assert Look(0.0).picture(frame) is frame.small
    (pose,) = Look(0.0).to_frame([person(120)], frame)
    assert pose.xy == pytest.approx(person(120).scaled(2, 2).xy)


def test_a_lost_visitor_is_looked_for_in_the_whole_frame() -> None:
    def jumping(now: float, look: Look) -> list[Pose]:
        return [person(200 if now < 2 else 420)]

    run = play(jumping, 4.0)
    after = run.frames[round(2 / FRAME) + 1]
    assert after[0].is_whole
    assert not after[0].is_glance


def test_a_visitor_only_found_in_crops_stays() -> None:
    run = play(lambda now, look: [person(320)] if now < 1 or not look.is_whole else [], 6.0)
    assert run.visitors == {None, 0}
    assert run.states[-1].visitor_number == 0


def test_a_visitor_who_leaves_is_gone_in_time() -> None:
    run = play(lambda now, _look: [person(320)] * (now < 2), 5.0)
    last = max(i * FRAME for i, state in enumerate(run.states) if state.visitor)
    assert last == pytest.approx(2 + FollowSettings().gone_after, abs=4 * FRAME)


def test_a_ghost_that_no_crop_shows_is_nobody() -> None:
    run = play(lambda _now, look: [person(320)] if look.is_whole else [], 3.0)
    assert run.visitors == {None}


def test_a_ghost_does_not_keep_a_person_from_being_found() -> None:
    def scene(_now: float, look: Look) -> list[Pose]:
        return [person(150, 350), person(480, 250)] if look.is_whole else [person(480, 250)]

    run = play(scene, 2.0)
    assert run.states[-1].visitor is not None
    assert run.states[-1].visitor.xy[:, 0].mean() == pytest.approx(480, abs=2)


def test_follows_a_newcomer_as_soon_as_without_crops() -> None:
    run = play(standing, 1.0)
    first = next(i for i, state in enumerate(run.states) if state.visitor)
    assert first * FRAME == pytest.approx(0.3, abs=2.5 * FRAME)


def test_others_outside_the_crop_keep_their_tracks() -> None:
    run = play(lambda _now, _look: [person(120, 250), person(480, 380)], 5.0)
    assert all(len(state.tracks) == 2 for state in run.states)
    assert {track.number for track in run.states[-1].tracks} == {0, 1}


def test_a_much_nearer_newcomer_takes_over() -> None:
    settings = FollowSettings()
    run = play(lambda now, _look: [person(120, 120)] + [person(420, 400)] * (now > 2), 3.5 + settings.yield_after)
    early, late = round((1.9 + settings.yield_after) / FRAME), run.states[-1]
    assert run.states[early].visitor_number == 0
    assert late.visitor is not None
    assert late.visitor.xy[:, 0].mean() == pytest.approx(420, abs=2)


def test_a_clock_set_back_glances_again() -> None:
    run = play(standing, 1.0)
    (look, *_) = choose_looks(run.frames[-1][-1], run.states[-1], Shot(SIZE, -100.0, CROP_SIZE))
    assert look.is_glance


@pytest.mark.parametrize("size", [(640, 1), (1, 480), (1, 1), (8000, 3)])
def test_a_frame_of_one_line_gives_a_size_that_a_model_can_have(size: tuple[int, int]) -> None:
    run = play(standing, 1.0)
    for now in (1.0, 1.0 + WHOLE_EVERY + FRAME):
        looks = choose_looks(run.frames[-1][-1], run.states[-1], Shot(size, now, CROP_SIZE))
        sides = [side for look in looks for side in look.size or (MIN_MODEL_SIDE,)]
        assert all(MIN_MODEL_SIDE <= side <= MAX_MODEL_SIDE for side in sides)
