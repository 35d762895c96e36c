"""Several visitors at once: each keeps their number and their place, and all are read in every frame."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.cameras.base import Frame
from device.follow import MAX_VISITORS, REORDER_AFTER, FollowSettings, FollowState, follow
from device.looks import WHOLE_EVERY, Look, Shot, choose_looks
from device.track import ENTER_AFTER
from models.estimator.estimator import Estimator
from models.pose import Pose
from tests.device.test_follow import SIZE, person, trembling
from tests.device.test_looks import CROP_SIZE, in_look
from tests.support.passers_by import read_video

ALL = FollowSettings(people="all")
FRAME = 1 / 15

Scene = Callable[[float], list[Pose]]
"""The people in front of the camera at a time in seconds."""


@dataclass
class Run:
    """What the mirror looks at in each frame of a scene, and whom it follows after it."""

    frames: list[list[Look]] = field(default_factory=list)
    states: list[FollowState] = field(default_factory=list)

    def after(self, seconds: float) -> FollowState:
        return self.states[round(seconds / FRAME)]

    @property
    def orders(self) -> list[tuple[int, ...]]:
        """The visitors' numbers from left to right, each order once for as long as it stays."""
        return [order for order, _ in itertools.groupby(state.visitor_numbers for state in self.states)]


def play(scene: Scene, seconds: float, *, settings: FollowSettings = ALL, step: float = FRAME) -> Run:
    run, look, state = Run(), None, FollowState()
    for i in range(round(seconds / step)):
        looks = choose_looks(look, state, Shot(SIZE, i * step, CROP_SIZE))
        for look in looks:
            state = follow(state, in_look(look, scene(i * step)), SIZE, i * step, settings, look)
        run.frames.append(looks)
        run.states.append(state)
    return run


def places(state: FollowState) -> list[int]:
    """Where the visitors stand, in pixels from the left, in the order of their answers."""
    return [round(float(visitor.pose.xy[:, 0].mean())) for visitor in state.visitors]


def standing(*places: float) -> Scene:
    return lambda _: [person(x, 250) for x in places]


# Coming and going


def test_up_to_four_are_visitors_from_left_to_right() -> None:
    for xs in ((320,), (400, 200), (500, 100, 300), (400, 80, 560, 240)):
        run = play(standing(*xs), 3.0)
        assert places(run.states[-1]) == pytest.approx(sorted(xs), abs=1)
        assert len(run.states[-1].people) == len(xs)
        assert run.states[-1].visitor_number in run.states[-1].visitor_numbers


def test_one_visitor_is_the_only_one() -> None:
    run = play(standing(150, 320, 500), 3.0, settings=FollowSettings())
    state = run.states[-1]
    assert places(state) == pytest.approx([320], abs=1)
    assert state.visitors[0].pose is state.visitor
    assert len(state.people) == 3, "the others are known, too"


def test_nobody_is_a_visitor_without_people() -> None:
    assert play(lambda _: [], 1.0).orders == [()]
    assert not FollowState().visitors


def test_a_fifth_waits_until_one_has_gone() -> None:
    four = (80, 240, 400, 560)

    def scene(now: float) -> list[Pose]:
        leaving = [] if now > 4 else [person(400, 250)]
        return [person(x, 250) for x in four if x != 400] + leaving + [person(320, 290)] * (now > 2)

    run = play(scene, 8.0)
    assert places(run.after(3.9)) == pytest.approx(four, abs=1)
    assert len(run.after(3.9).people) == MAX_VISITORS + 1
    assert places(run.states[-1]) == pytest.approx([80, 240, 320, 560], abs=1)


def test_a_newcomer_joins_in_time() -> None:
    run = play(lambda now: [person(200, 250)] + [person(450, 250)] * (now > 2), 4.0)
    first = next(i * FRAME for i, state in enumerate(run.states) if len(state.visitors) == 2)
    assert 2 + ENTER_AFTER - FRAME < first < 2 + ENTER_AFTER + 2 * WHOLE_EVERY + 2 * FRAME


def test_who_leaves_is_gone_after_a_while() -> None:
    run = play(lambda now: [person(150, 250), person(350, 250)] + [person(520, 250)] * (now < 2), 5.0)
    last = max(i * FRAME for i, state in enumerate(run.states) if len(state.visitors) == 3)
    assert last == pytest.approx(2 + ALL.gone_after, abs=4 * FRAME)
    assert run.orders[-2:] == [(*run.orders[-1], 2), run.orders[-1]]


def test_another_leads_when_the_first_has_gone() -> None:
    run = play(lambda now: [person(320, 300)] * (now < 2) + [person(120, 250), person(520, 250)], 5.0)
    assert places(run.after(1.9)) == pytest.approx([120, 320, 520], abs=1)
    assert run.after(1.9).visitor_number != run.states[-1].visitor_number
    assert run.states[-1].visitor_number in run.states[-1].visitor_numbers
    assert all((state.visitor is None) == (not state.visitors) for state in run.states)


def test_all_who_leave_at_once_are_gone() -> None:
    run = play(lambda now: [person(x, 250) for x in (100, 300, 500) if now < 2], 5.0)
    assert len(run.after(1.9).visitors) == 3
    assert not run.states[-1].visitors
    assert not run.states[-1].people


def test_missing_frames_do_not_make_anybody_flicker() -> None:
    rng = np.random.default_rng(1)

    def scene(_: float) -> list[Pose]:
        return [trembling(person(x, 250), rng) for x in (120, 300, 480) if rng.random() > 0.3]

    run = play(scene, 20.0)
    assert sorted(map(len, run.orders)) == list(range(len(run.orders))), "each comes once, and nobody goes"
    assert len(run.states[-1].visitors) == 3


def test_somebody_far_away_only_watches() -> None:
    run = play(lambda _: [person(200, 380), person(400, 380), person(560, 120, floor=330)], 4.0)
    assert places(run.states[-1]) == pytest.approx([200, 400], abs=1)


def test_somebody_at_the_limit_does_not_flicker() -> None:
    rng = np.random.default_rng(3)
    run = play(lambda _: [person(320, 400), trembling(person(500, 235, floor=430), rng, 0.02)], 20.0)
    assert len(run.orders) <= 3


def test_somebody_who_steps_back_far_is_gone() -> None:
    run = play(lambda now: [person(320, 400), person(480, 350 - min(35 * now, 250), floor=460)], 12.0)
    assert len(run.after(2).visitors) == 2
    assert len(run.states[-1].visitors) == 1
    assert len(run.orders) == 4, "nobody, one, two, one"


# Crossing


def crossing(now: float, *, hides: bool) -> list[Pose]:
    """Two people who change places between two and five seconds, and a third who stands aside."""
    share = float(np.clip((now - 2) / 3, 0, 1))
    front, behind = person(150 + 250 * share, 300), person(400 - 250 * share, 250, floor=440)
    close = abs(front.xy[0, 0] - behind.xy[0, 0]) < 60
    return [front, *([] if hides and close else [behind]), person(560, 250)]


@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("step", [1 / 30, 1 / 10])
def test_people_who_cross_keep_their_numbers(hides: bool, step: float) -> None:
    rng = np.random.default_rng(4)
    run = play(lambda now: [trembling(pose, rng, 0.005) for pose in crossing(now, hides=hides)], 9.0, step=step)
    before, after = (run.states[round(now / step)] for now in (1.9, 8.9))
    assert places(before) == pytest.approx([150, 400, 560], abs=10)
    assert places(after) == pytest.approx([150, 400, 560], abs=10)
    first, second, third = before.visitor_numbers
    assert after.visitor_numbers == (second, first, third)
    assert run.orders[-2:] == [before.visitor_numbers, after.visitor_numbers], "places change once"


@pytest.mark.parametrize("hides", [False, True])
def test_people_who_cross_for_a_moment_keep_their_places(hides: bool) -> None:
    def scene(now: float) -> list[Pose]:
        return crossing(2 + 3 * np.sin(np.pi * np.clip((now - 2) / (1.2 * REORDER_AFTER), 0, 1)), hides=hides)

    run = play(scene, 8.0)
    assert run.states[-1].visitor_numbers == run.after(1.9).visitor_numbers == run.orders[-1]
    assert len(run.after(1.9).visitors) == 3
    assert run.orders.count(run.orders[-1]) == 1


def test_nobody_who_walks_past_takes_a_visitors_place() -> None:
    def scene(now: float) -> list[Pose]:
        x = -100 + 250 * (now - 2)
        close = [abs(x - place) < 60 for place in (200, 430)]
        people = [person(place, 280) for place, hidden in zip((200, 430), close, strict=True) if not hidden]
        return people + [person(x, 400, floor=475)] * (-60 < x < 700)

    rng = np.random.default_rng(5)
    run = play(lambda now: [trembling(pose, rng) for pose in scene(now)], 8.0)
    pair = run.after(1.9).visitor_numbers
    assert len(pair) == 2
    assert run.states[-1].visitor_numbers == pair
    assert all(set(pair) <= set(state.visitor_numbers) for state in run.states[round(1.9 / FRAME) :])
    assert places(run.states[-1]) == pytest.approx([200, 430], abs=15)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_each_number_is_one_visitor(seed: int, count: int) -> None:
    """A law for any scene: at most four, each once, all of them tracks, and the leading one among them."""
    rng = np.random.default_rng(seed)
    x, speed, heights = rng.uniform(50, 590, count), rng.normal(0, 80, count), rng.uniform(100, 400, count)

    def scene(now: float) -> list[Pose]:
        people = [trembling(person(x[i] + speed[i] * np.sin(now), heights[i]), rng) for i in range(count)]
        return [pose for pose in people if rng.random() > 0.1]

    for state in play(scene, 4.0).states:
        assert len(set(state.visitor_numbers)) == len(state.visitor_numbers) <= MAX_VISITORS
        assert [visitor.number for visitor in state.visitors] == list(state.visitor_numbers)
        assert (state.visitor_number is None) == (not state.visitors)
        assert state.visitor_number is None or state.visitor_number in state.visitor_numbers


# Looking


def test_all_visitors_share_one_crop_of_every_frame() -> None:
    run = play(standing(150, 300, 450), 4.0)
    for before, looks in zip(run.states[:-1], run.frames[1:], strict=True):
        if len(before.visitors) == 3:
            close = looks[-1]
            assert close.numbers == tuple(sorted(before.visitor_numbers))
            assert close.crop is not None
            assert close.size is not None
            assert close.crop.left < 130
            assert close.crop.right > 470
            assert close.size[0] * close.size[1] == pytest.approx(CROP_SIZE[0] * CROP_SIZE[1], rel=0.02)
            assert close.size[1] / close.size[0] == pytest.approx(close.crop.width / close.crop.height, rel=0.02)


def test_several_visitors_take_few_further_looks() -> None:
    run = play(standing(200, 320, 440), 5.0, step=1 / 30)
    settled = run.frames[60:]
    glances = [looks for looks in settled if len(looks) > 1]
    assert all(looks[0].is_glance for looks in glances)
    assert len(glances) <= len(settled) / 30 / WHOLE_EVERY + 1


def test_a_crop_of_the_whole_frame_needs_no_glance() -> None:
    run = play(lambda _: [person(x, 400) for x in (80, 240, 400, 560)], 4.0)
    assert {len(looks) for looks in run.frames[-30:]} == {1}


def test_somebody_new_is_noticed_in_a_crop_of_the_frame() -> None:
    run = play(lambda now: [person(x, 400) for x in (80, 400, 560)] + [person(240, 400)] * (now > 3), 6.0)
    first = next(i * FRAME for i, state in enumerate(run.states) if len(state.visitors) == 4)
    assert first < 3 + ENTER_AFTER + 2 * WHOLE_EVERY


def test_the_shared_crop_stays_while_people_stand() -> None:
    rng = np.random.default_rng(6)
    run = play(lambda _: [trembling(person(x, 250), rng, 0.003) for x in (150, 300, 450)], 6.0)
    assert len({looks[-1].crop for looks in run.frames[45:]}) == 1


def test_part_of_somebody_at_a_crops_edge_is_nobody_new() -> None:
    run = play(standing(250, 400), 3.0)
    look, state = run.frames[-1][-1], run.states[-1]
    assert look.crop is not None
    inside, edge = person(325, 150, floor=420), person(look.crop.right - 10, 150, floor=420)
    for pose, is_new in ((inside, True), (edge, False)):
        after = follow(state, [person(250, 250), person(400, 250), pose], SIZE, 3.0, ALL, look)
        assert (len(after.tracks) == 3) is is_new


def test_one_visitor_of_all_is_looked_at_as_the_only_one() -> None:
    both = [play(standing(320), 3.0, settings=some) for some in (ALL, FollowSettings())]
    assert both[0].frames == both[1].frames


# Real people


@pytest.mark.slow
def test_three_gymnasts_keep_their_numbers(shared_data: Path, posenet: Path) -> None:
    rate, pictures = read_video(shared_data / "videos" / "exercise.avi")
    state, look, run = FollowState(), None, Run()
    with Estimator(posenet) as estimator:
        for i, picture in enumerate(pictures[:150]):
            image = np.ascontiguousarray(picture[:, :, ::-1])
            frame, size = Frame(image, image, i / rate, mirrored=True), (image.shape[1], image.shape[0])
            looks = choose_looks(look, state, Shot(size, frame.captured_at, estimator.crop_size))
            for look in looks:
                people = look.to_frame(estimator.estimate(look.picture(frame), look.size), frame)
                state = follow(state, people, size, frame.captured_at, ALL, look)
            run.states.append(state)
    assert [len(order) for order in run.orders] == [0, 1, 2, 3]
