"""Following one visitor: scenes with made-up people, laws for any scene, and videos of real people."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.follow import FollowSettings, FollowState, follow
from device.presence import presence
from device.track import ENTER_AFTER, body_height
from models.estimator.estimator import Estimator
from models.pose import LEFT_HIP, LEFT_SHOULDER, LEFT_WRIST, MIRROR_ORDER, RIGHT_HIP, RIGHT_WRIST, Floats, Pose
from tests.support.passers_by import add_passer_by, read_video, walker_steps

SIZE = (640, 480)
SETTINGS = FollowSettings()
FRAME = 1 / 30

STANDING = np.array(
    [
        (0, .07), (.02, .05), (-.02, .05), (.045, .06), (-.045, .06), (.12, .18), (-.12, .18), (.15, .36), (-.15, .36),
        (.16, .52), (-.16, .52), (.06, .47), (-.06, .47), (.07, .71), (-.07, .71), (.07, .95), (-.07, .95),
    ]
)  # fmt: skip
"""A standing person in the mirror, in body heights; the origin is above the middle of the head."""

Scene = Callable[[float], list[Pose]]
"""The people that the estimator finds at a time in seconds."""


def person(x: float, height: float = 300.0, *, floor: float = 460.0, score: float = 0.8) -> Pose:
    """A person who stands with their middle at `x` and their feet on the `floor`, in pixels."""
    xy = STANDING * height + (x, floor - height)
    return Pose(xy.astype(np.float32), np.full(17, score, np.float32), score)


def play(
    scene: Scene, seconds: float, *, state: FollowState | None = None, start: float = 0.0, step: float = FRAME
) -> list[FollowState]:
    """The state after each frame of a scene."""
    states = [state or FollowState()]
    for i in range(round(seconds / step)):
        now = start + i * step
        states.append(follow(states[-1], scene(now), SIZE, now, SETTINGS))
    return states[1:]


def score_at_the_limit(height: float = 300.0) -> float:
    """The score of a person who is just sure enough to be answered."""
    people = (person(320, height, score=score) for score in np.arange(0, 1, 0.001))
    return next(pose.score for pose in people if presence(pose, SIZE[1]) >= SETTINGS.min_score)


def visitor_x(state: FollowState) -> float:
    """Where the visitor stands, in pixels from the left."""
    assert state.visitor is not None
    return float(state.visitor.xy[:, 0].mean())


def visitor_numbers(states: Iterable[FollowState]) -> set[int | None]:
    return {state.visitor_number for state in states}


def trembling(pose: Pose, rng: np.random.Generator, share: float = 0.01) -> Pose:
    """The pose with noise: a standard deviation of this share of the body height."""
    noise = rng.normal(0, share * body_height(pose), pose.xy.shape)
    return Pose((pose.xy + noise).astype(np.float32), pose.scores, pose.score)


# Coming and going


def test_follows_a_newcomer_after_a_moment() -> None:
    states = play(lambda _: [person(320)], 1.0)
    there = [i * FRAME for i, state in enumerate(states) if state.visitor]
    assert there[0] == pytest.approx(ENTER_AFTER, abs=1.5 * FRAME)
    assert len(there) == len(states) - round(there[0] / FRAME)


def test_ignores_a_ghost_of_two_frames() -> None:
    states = play(lambda now: [person(320)] if now < 2 * FRAME else [], 1.0)
    assert visitor_numbers(states) == {None}


def test_a_wavering_score_does_not_make_a_visitor_flicker() -> None:
    rng = np.random.default_rng(2)
    scores = score_at_the_limit() + rng.uniform(-0.1, 0.1, 301)
    states = play(lambda now: [person(320, score=scores[round(now / FRAME)])], 10.0)
    seen = [state.visitor is not None for state in states]
    assert sum(a != b for a, b in itertools.pairwise(seen)) == 1


def test_keeps_a_visitor_whose_score_sinks() -> None:
    arms = (np.arange(17) >= LEFT_SHOULDER) & (np.arange(17) <= RIGHT_WRIST)

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        scores = np.where(arms | (now < 1), 0.5, 0.02).astype(np.float32)
        return [Pose(pose.xy, scores, float(scores.mean()))]

    assert SETTINGS.min_score > presence(scene(2)[0], SIZE[1])
    assert visitor_numbers(play(scene, 6.0)[15:]) == {0}


def test_ignores_a_person_with_a_low_score() -> None:
    assert visitor_numbers(play(lambda _: [person(320, score=0.95 * score_at_the_limit())], 2.0)) == {None}


def test_ignores_a_ghost_that_flickers() -> None:
    limit = score_at_the_limit(150)

    def scene(now: float) -> list[Pose]:
        return [person(320, 150, score=limit + (0.1 if round(now / FRAME) % 10 == 0 else -0.1))]

    assert visitor_numbers(play(scene, 4.0)) == {None}


def test_a_visitor_who_leaves_is_gone_after_a_while() -> None:
    states = play(lambda now: [person(320)] if now < 2 else [], 4.0)
    last = max(i * FRAME for i, state in enumerate(states) if state.visitor)
    assert last == pytest.approx(2 + SETTINGS.gone_after, abs=3 * FRAME)


def test_missing_single_frames_does_not_move_the_visitor() -> None:
    states = play(lambda now: [] if round(now / FRAME) % 3 == 2 else [person(320)], 5.0)
    assert all(visitor_x(state) == pytest.approx(320, abs=0.1) for state in states if state.visitor_number is not None)
    assert visitor_numbers(states[15:]) == {0}


def test_follows_the_next_person_after_the_visitor() -> None:
    states = play(lambda now: [person(320)] * (now < 2) + [person(500, 250)], 4.0)
    assert visitor_x(states[59]) == pytest.approx(320, abs=1)
    assert visitor_x(states[-1]) == pytest.approx(500, abs=1)


def test_keeps_a_visitor_hidden_for_a_second() -> None:
    states = play(lambda now: [] if 2 < now < 3 else [person(320 + 10 * now)], 5.0)
    assert visitor_numbers(states[15:]) == {0}


# Who is followed


def test_prefers_the_nearest_person() -> None:
    assert visitor_x(play(lambda _: [person(200, 200), person(440, 300)], 1.0)[-1]) == pytest.approx(440, abs=1)


def test_prefers_the_most_central_person() -> None:
    assert visitor_x(play(lambda _: [person(100), person(330), person(560)], 1.0)[-1]) == pytest.approx(330, abs=1)


def test_follows_a_person_who_walks_in_from_the_edge() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(-60 + 130 * now, 260 + 20 * now)
        inside = (pose.xy[:, 0] > 0) & (pose.xy[:, 0] < SIZE[0])
        scores = np.where(inside, 0.8, 0.05).astype(np.float32)
        return [Pose(pose.xy, scores, float(scores.mean()))]

    states = play(scene, 3.0)
    assert visitor_numbers(states) == {None, 0}
    assert visitor_x(states[-1]) == pytest.approx(-60 + 130 * 3, abs=12)


def test_two_equal_people_do_not_take_turns() -> None:
    rng = np.random.default_rng(3)
    states = play(lambda _: [trembling(person(220), rng), trembling(person(420), rng)], 10.0)
    assert len(visitor_numbers(states[15:])) == 1


def test_the_order_of_people_does_not_matter() -> None:
    rng = np.random.default_rng(4)

    def scene(_: float) -> list[Pose]:
        people = [person(180), person(320), person(480, 250)]
        return [people[i] for i in rng.permutation(3)]

    assert all(visitor_x(state) == pytest.approx(320, abs=0.1) for state in play(scene, 5.0) if state.visitor)


def passing(speed: float, height: float, *, hides: bool) -> Scene:
    """The visitor stands at 320. After two seconds somebody walks past at `speed` pixels a second.

    While they are close, the walker hides the visitor if `hides` is True.
    """

    def scene(now: float) -> list[Pose]:
        visitor, x = person(320), -100 + speed * (now - 2)
        if not -60 < x < 700:
            return [visitor]
        walker = person(x, height, floor=470)
        close = abs(x - 320) < 70
        return [walker] if close and hides else [walker, visitor]

    return scene


@pytest.mark.slow
@pytest.mark.parametrize("hides", [False, True])
@pytest.mark.parametrize("height", [240.0, 300.0, 420.0])
@pytest.mark.parametrize(
    ("speed", "step"),
    [
        (200.0, 1 / 30),
        (600.0, 1 / 30),
        (-350.0, 1 / 30),
        (200.0, 1 / 10),
        (600.0, 1 / 10),
        (200.0, 1 / 5),
        (-350.0, 1 / 5),
    ],
)
def test_a_passer_by_does_not_become_the_visitor(speed: float, height: float, hides: bool, step: float) -> None:
    rng = np.random.default_rng(5)
    scene = passing(abs(speed), height, hides=hides)

    def trembled(now: float) -> list[Pose]:
        people = scene(now) if speed > 0 else [pose.mirrored(SIZE[0]) for pose in scene(now)]
        return [trembling(pose, rng) for pose in people]

    states = play(trembled, 7.0, step=step)
    assert visitor_numbers(state for state in states if state.visitor) == {0}
    assert visitor_x(states[-1]) == pytest.approx(320, abs=5)
    assert max(abs(visitor_x(state) - 320) for state in states if state.visitor) < 60


def test_a_person_swaying_in_front_is_not_the_visitor() -> None:
    def scene(now: float) -> list[Pose]:
        swaying = person(360 + 30 * np.sin(2 * np.pi * 1.5 * now), 280) if now > 1 else person(700, 280)
        return [swaying] if 2 < now < 2.9 else [person(320), swaying]

    states = play(scene, 5.0, step=0.1)
    assert visitor_numbers(states[5:]) == {0}
    assert max(abs(visitor_x(state) - 320) for state in states[5:]) < 5


def test_a_larger_person_in_the_same_place_is_another() -> None:
    def scene(now: float) -> list[Pose]:
        aside, in_front = person(520, 400, floor=475), person(330, 400, floor=475)
        return [person(320), aside] if now < 2 else [in_front] if now < 2.8 else [person(320), aside]

    states = play(scene, 4.0, step=0.1)
    assert visitor_numbers(states[5:]) == {0}
    assert max(abs(visitor_x(state) - 320) for state in states[5:]) < 5


def test_a_visitor_returns_although_an_arm_is_found_first() -> None:
    arm = (np.arange(17) >= LEFT_SHOULDER) & (np.arange(17) <= RIGHT_WRIST)

    def scene(now: float) -> list[Pose]:
        visitor = person(320)
        limbs = Pose(visitor.xy + np.float32(25), np.where(arm, 0.9, 0.05).astype(np.float32), 0.35)
        return [] if 2 < now < 2.6 else [limbs] if 2.6 < now < 2.75 else [Pose(visitor.xy + 18, visitor.scores, 0.8)]

    states = play(scene, 4.0)
    assert visitor_numbers(states[15:]) == {0}
    assert all(state.tracks[0].missed_seconds < 1 for state in states)


def test_does_not_confuse_two_people_who_meet_and_part() -> None:
    def scene(now: float) -> list[Pose]:
        apart = 60 + 80 * abs(np.clip(now, 1, 5) - 3)
        return [person(320 - apart / 2), person(330 + apart / 2, 290)]

    states = play(scene, 6.0)
    assert len(visitor_numbers(states[15:])) == 1
    assert visitor_x(states[-1]) == pytest.approx(visitor_x(states[20]), abs=5)


def test_a_much_nearer_person_takes_over_after_a_while() -> None:
    states = play(lambda now: [person(150, 120)] + [person(330, 400)] * (now > 2), 2.5 + SETTINGS.yield_after + 1)
    early = round((2 + SETTINGS.yield_after) / FRAME)
    assert all(visitor_x(state) == pytest.approx(150, abs=1) for state in states[15:early])
    assert visitor_x(states[-1]) == pytest.approx(330, abs=1)


def test_a_slightly_nearer_person_does_not_take_over() -> None:
    states = play(lambda now: [person(250, 250)] + [person(400, 350)] * (now > 2), 30.0, step=0.1)
    assert visitor_numbers(states[5:]) == {0}


# The estimator's mistakes


def test_ignores_swapped_sides_in_a_single_frame() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(320)
        return [Pose(pose.xy[MIRROR_ORDER], pose.scores, pose.score) if round(now / FRAME) % 10 == 9 else pose]

    states = play(scene, 3.0)
    assert visitor_numbers(states[15:]) == {0}
    limbs = slice(LEFT_SHOULDER, RIGHT_WRIST + 1)
    for state in states[15:]:
        assert state.visitor is not None
        assert np.abs(state.visitor.xy - person(320).xy)[limbs].max() < 2


def test_swapped_sides_for_good_keep_the_visitor() -> None:
    behind = np.where(np.arange(17) < 5, 0.05, 0.8).astype(np.float32)

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        wide = (pose.xy - (320, 0)) * (3, 1) + (320, 0)
        return [Pose(wide.astype(np.float32)[MIRROR_ORDER if now > 1 else slice(None)], behind, float(behind.mean()))]

    assert visitor_numbers(play(scene, 4.0)[15:]) == {0}


def test_believes_a_jump_only_when_it_is_repeated() -> None:
    def scene(until: float) -> Scene:
        def at(now: float) -> list[Pose]:
            pose = person(320)
            if 0.995 < now < until:
                pose.xy[LEFT_WRIST] -= (90, 60)
            return [pose]

        return at

    def wrist(states: list[FollowState]) -> list[float]:
        return [float(state.visitor.xy[LEFT_WRIST, 0]) - 368 for state in states if state.visitor]

    assert max(map(abs, wrist(play(scene(1.02), 2.0)))) < 1
    assert abs(wrist(play(scene(9), 1.0 + 2 * FRAME))[-1] + 90) < 30


def test_ignores_a_second_reading_of_the_visitor() -> None:
    def scene(now: float) -> list[Pose]:
        visitor = person(320)
        again = Pose(visitor.xy + np.float32(12), visitor.scores, 0.3)
        return [visitor, again] if now < 2 else [visitor]

    states = play(scene, 3.0)
    assert {len(state.tracks) for state in states} == {1}
    assert all(visitor_x(state) == pytest.approx(320, abs=0.1) for state in states if state.visitor)


def test_a_person_found_as_two_stays_one_visitor() -> None:
    above = np.arange(17) < 11

    def scene(now: float) -> list[Pose]:
        visitor = person(320)
        if not 1 < now < 1.5:
            return [visitor]
        return [
            Pose(visitor.xy, np.where(part, 0.8, 0.03).astype(np.float32), 0.4) for part in (above, ~above)
        ]  # fmt: skip

    states = play(scene, 4.0)
    assert visitor_numbers(states[15:]) == {0}
    assert all(visitor_x(state) == pytest.approx(320, abs=2) for state in states[15:])


def test_an_unseen_key_point_travels_with_the_body() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(200 + 60 * now)
        hidden = (np.arange(17) == LEFT_WRIST) & (1 < now < 2)
        xy = np.where(hidden[:, None], (5, 5), pose.xy).astype(np.float32)
        return [Pose(xy, np.where(hidden, 0.02, 0.8).astype(np.float32), 0.8)]

    for state, i in zip(play(scene, 3.0)[15:], range(15, 90), strict=True):
        assert state.visitor is not None
        true = scene(i * FRAME)[0].xy[0, 0] + 0.16 * 300
        assert state.visitor.xy[LEFT_WRIST, 0] == pytest.approx(true, abs=12)
    hidden = play(scene, 1.5)[-1].visitor
    assert hidden is not None
    assert hidden.scores[LEFT_WRIST] < 0.1


def test_a_hidden_hand_goes_on_for_a_moment() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(320)
        pose.xy[LEFT_WRIST, 1] -= 300 * min(now, 1.0)
        hidden = (np.arange(17) == LEFT_WRIST) & (now > 0.99)
        xy = np.where(hidden[:, None], (5, 5), pose.xy).astype(np.float32)
        return [Pose(xy, np.where(hidden, 0.02, 0.8).astype(np.float32), 0.8)]

    rise = [float(state.visitor.xy[LEFT_WRIST, 1]) for state in play(scene, 2.0) if state.visitor]
    at, soon, later = rise[-31], rise[-27], rise[-1]
    assert at - 60 < soon < at - 15, "its own speed carries it on, damped"
    assert abs(later - soon) < 20


def test_the_score_of_a_hidden_hand_fades() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(320)
        scores = np.where((np.arange(17) == LEFT_WRIST) & (now > 0.99), 0.02, 0.8).astype(np.float32)
        return [Pose(pose.xy, scores, 0.8)]

    scores = [float(state.visitor.scores[LEFT_WRIST]) for state in play(scene, 2.0) if state.visitor]
    assert scores[-27] > 0.4
    assert scores[-1] < 0.05


def test_a_faint_arm_is_followed_slowly() -> None:
    faint = np.where(np.arange(17) == LEFT_WRIST, 0.15, 0.8).astype(np.float32)

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        pose.xy[LEFT_WRIST] += (0, -150) if now > 1 else (0, 0)
        return [Pose(pose.xy, faint, 0.8)]

    moved = [
        person(320).xy[LEFT_WRIST, 1] - state.visitor.xy[LEFT_WRIST, 1] for state in play(scene, 5.0) if state.visitor
    ]
    assert moved[round(1.2 / FRAME) - 9] < 60
    assert moved[-1] > 130


# Smoothing


def test_a_waving_hand_lags_less_than_a_frame() -> None:
    def wave(now: float | Floats) -> Floats:
        return np.asarray(60 * np.sin(2 * np.pi * np.asarray(now)))  # at most 1.3 body heights a second

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        pose.xy[LEFT_WRIST, 1] += wave(now)
        return [pose]

    seen = [state.visitor.xy[LEFT_WRIST, 1] for state in play(scene, 8.0)[30:] if state.visitor]
    times, middle = np.arange(30, 240) * FRAME, person(320).xy[LEFT_WRIST, 1]
    off = {late: np.abs(seen - middle - wave(times - late)).mean() for late in np.arange(0, 0.1, 0.002)}
    assert min(off, key=off.__getitem__) < FRAME
    assert max(seen) - middle > 0.95 * 60


def test_smooths_trembling_to_a_third() -> None:
    rng = np.random.default_rng(6)
    states = play(lambda _: [trembling(person(320), rng, 0.003)], 10.0)  # as measured on people who stand still
    steady = np.stack([state.visitor.xy for state in states[60:] if state.visitor])
    assert np.diff(steady, axis=0).std() < 0.34 * np.sqrt(2) * 0.003 * 300


# Time


@pytest.mark.parametrize("back", [0.0, 0.01, 3600.0])
def test_a_clock_set_back_moves_nobody(back: float) -> None:
    before = play(lambda _: [person(320)], 1.0)[-1]
    assert before.time is not None
    assert before.visitor is not None
    after = follow(before, [person(330)], SIZE, before.time - back, SETTINGS)
    assert after.visitor is not None
    assert np.array_equal(after.visitor.xy, before.visitor.xy)
    later = play(lambda _: [person(330)], 1.0, state=after, start=before.time - back + FRAME)
    assert visitor_x(later[-1]) == pytest.approx(330, abs=0.5)


def test_a_long_gap_restarts_smoothing() -> None:
    before = play(lambda _: [person(300)], 1.0)[-1]
    after = follow(before, [person(320)], SIZE, 60.0, SETTINGS)
    assert after.visitor_number == before.visitor_number
    assert visitor_x(after) == pytest.approx(320, abs=1e-3)


# Laws


def wandering(seed: int, count: int) -> tuple[list[list[Pose]], list[float]]:
    """The frames, at uneven times, of people who walk about at random and are now and then unseen."""
    rng = np.random.default_rng(seed)
    x, speed = rng.uniform(50, 590, count), rng.normal(0, 80, count)
    heights = rng.uniform(100, 400, count)
    times = np.cumsum(rng.uniform(0.01, 0.2, 40))
    frames = []
    for now in times:
        people = [trembling(person(x[i] + speed[i] * now, heights[i]), rng) for i in range(count)]
        frames.append([pose for pose in people if rng.random() > 0.1])
    return frames, times.tolist()


def visitors(frames: Sequence[list[Pose]], times: Sequence[float], size: tuple[int, int] = SIZE) -> list[Floats | None]:
    """The visitor's key points after each frame."""
    state, keypoints = FollowState(), list[Floats | None]()
    for people, now in zip(frames, times, strict=True):
        state = follow(state, people, size, now, SETTINGS)
        keypoints.append(None if state.visitor is None else state.visitor.keypoints)
    return keypoints


def same(first: Sequence[Floats | None], second: Sequence[Floats | None], tolerance: float) -> bool:
    """Whether two runs follow the same visitor, to within so many pixels."""
    return all(
        (a is None) == (b is None) and (a is None or b is None or np.allclose(a, b, atol=tolerance))
        for a, b in zip(first, second, strict=True)
    )


seeds = st.integers(0, 10_000)
counts = st.integers(1, 4)


@pytest.mark.slow
@settings(max_examples=30)
@given(seeds, counts)
def test_the_same_frames_give_the_same_visitor(seed: int, count: int) -> None:
    frames, times = wandering(seed, count)
    assert same(visitors(frames, times), visitors(frames, times), 0)


@pytest.mark.slow
@settings(max_examples=30)
@given(seeds, counts)
def test_mirrored_frames_give_the_mirrored_visitor(seed: int, count: int) -> None:
    frames, times = wandering(seed, count)
    mirrored = visitors([[pose.mirrored(SIZE[0]) for pose in people] for people in frames], times)
    back = [
        None if points is None else Pose(points[:, :2], points[:, 2], 1).mirrored(SIZE[0]).keypoints
        for points in mirrored
    ]
    assert same(visitors(frames, times), back, 0.05)


@pytest.mark.slow
@settings(max_examples=30)
@given(seeds, counts, st.sampled_from([0.5, 2.0, 3.0]))
def test_another_resolution_gives_the_same_visitor(seed: int, count: int, scale: float) -> None:
    frames, times = wandering(seed, count)
    larger = visitors(
        [[pose.scaled(scale, scale) for pose in people] for people in frames],
        times,
        (round(SIZE[0] * scale), round(SIZE[1] * scale)),
    )
    back = [
        None if points is None else Pose(points[:, :2], points[:, 2], 1).scaled(1 / scale, 1 / scale).keypoints
        for points in larger
    ]
    assert same(visitors(frames, times), back, 0.05)


@pytest.mark.slow
@settings(max_examples=30)
@given(seeds, st.floats(0.001, 0.01), st.floats(0.02, 0.1))
def test_a_still_visitor_trembles_less_than_the_estimate(seed: int, share: float, step: float) -> None:
    rng = np.random.default_rng(seed)
    states = play(lambda _: [trembling(person(320), rng, share)], 80 * step, step=step)
    steady = np.stack([state.visitor.xy for state in states[40:] if state.visitor])
    assert steady.std(0).mean() < 0.8 * share * 300


@given(seeds)
def test_ignores_a_person_with_a_nan_coordinate(seed: int) -> None:
    broken = person(320)
    broken.xy[seed % 17, seed % 2] = [np.nan, np.inf][seed % 3 == 0]
    assert visitor_numbers(play(lambda _: [broken], 1.0)) == {None}


# Videos of real people


@pytest.mark.slow
@pytest.mark.parametrize(("step", "height"), [(27, 420), (-27, 420), (40, 330)])
def test_a_real_passer_by_does_not_become_the_visitor(shared_data: Path, posenet: Path, step: int, height: int) -> None:
    _, pictures = read_video(shared_data / "videos" / "one-by-one-person-detection.mp4")
    video = add_passer_by(pictures[1060:1100], walker_steps(pictures), start=6, step=step, floor=430, height=height)
    state, off = FollowState(), []
    with Estimator(posenet, size=(353, 481)) as estimator:
        for i, picture in enumerate(video):
            people = estimator.estimate(np.ascontiguousarray(picture[:, :, ::-1]))
            state = follow(state, people, (768, 432), i / 10, SETTINGS)
            if i > 5:
                assert state.visitor_number == 0
                assert state.visitor is not None
                off.append(abs(np.median(state.visitor.xy[[5, 6, 11, 12], 0]) - 453))
    assert off[-1] < 20
    assert np.sum(np.array(off) > 100) < 10  # hidden behind the walker for most of a second


def watch(video: Path, posenet: Path, size: tuple[int, int], every: int) -> list[FollowState]:
    """The states after every `every`-th frame of a video, mirrored."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    state, states = FollowState(), []
    with Estimator(posenet, size=size) as estimator:
        while capture.grab():
            i = capture.get(cv2.CAP_PROP_POS_FRAMES) - 1
            if i % every == 0:
                picture = capture.retrieve()[1]
                people = estimator.estimate(np.ascontiguousarray(picture[:, ::-1, ::-1]))
                state = follow(state, people, (picture.shape[1], picture.shape[0]), i / rate, SETTINGS)
                states.append(state)
    return states


@pytest.mark.slow
def test_follows_the_gymnast_in_front_to_the_end(shared_data: Path, posenet: Path) -> None:
    states = watch(shared_data / "videos" / "exercise.avi", posenet, (353, 481), 2)
    there = [state for state in states if state.visitor]
    assert len(there) > 0.97 * len(states)
    assert len(visitor_numbers(there)) == 1
    for state in there:
        assert state.visitor is not None
        hips = float(state.visitor.xy[[LEFT_HIP, RIGHT_HIP], 0].mean())
        assert 0.4 < hips / 384 < 0.6  # the other two stand at 0.3 and 0.72


@pytest.mark.slow
def test_six_people_in_turn_are_six_visitors(shared_data: Path, posenet: Path) -> None:
    states = watch(shared_data / "videos" / "one-by-one-person-detection.mp4", posenet, (193, 257), 3)
    visits = [number for number, _ in itertools.groupby(state.visitor_number for state in states)]
    assert len(visits) == 13
    assert visits[::2] == [None] * 7
    assert len(set(visits[1::2])) == 6
