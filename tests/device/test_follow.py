"""Following one visitor: scenes with made people, laws for any of them, and films of real ones."""

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
from device.track import ENTER_AFTER, body_height
from models.estimator.estimator import Estimator
from models.pose import LEFT_HIP, LEFT_SHOULDER, LEFT_WRIST, MIRROR_ORDER, RIGHT_HIP, RIGHT_WRIST, Floats, Pose
from tests.support.passers_by import add_passer_by, read_film, walker_steps

SIZE = (640, 480)
SETTINGS = FollowSettings()
FRAME = 1 / 30

STANDING = np.array(
    [
        (0, .07), (.02, .05), (-.02, .05), (.045, .06), (-.045, .06), (.12, .18), (-.12, .18), (.15, .36), (-.15, .36),
        (.16, .52), (-.16, .52), (.06, .47), (-.06, .47), (.07, .71), (-.07, .71), (.07, .95), (-.07, .95),
    ]
)  # fmt: skip
"""Somebody seen from the front, as the mirror shows them turned round, in body heights from above the head."""

Scene = Callable[[float], list[Pose]]


def person(x: float, height: float = 300.0, *, floor: float = 460.0, score: float = 0.8) -> Pose:
    """Somebody who stands with their middle at `x` and their feet on the `floor` (pixels)."""
    xy = STANDING * height + (x, floor - height)
    return Pose(xy.astype(np.float32), np.full(17, score, np.float32), score)


def play(
    scene: Scene, seconds: float, *, state: FollowState | None = None, start: float = 0.0, step: float = FRAME
) -> list[FollowState]:
    states = [state or FollowState()]
    for i in range(round(seconds / step)):
        now = start + i * step
        states.append(follow(states[-1], scene(now), SIZE, now, SETTINGS))
    return states[1:]


def across(state: FollowState) -> float:
    """Where the visitor stands."""
    assert state.visitor is not None
    return float(state.visitor.xy[:, 0].mean())


def whom(states: Iterable[FollowState]) -> set[int | None]:
    return {state.visitor_number for state in states}


def trembling(pose: Pose, rng: np.random.Generator, share: float = 0.01) -> Pose:
    noise = rng.normal(0, share * body_height(pose), pose.xy.shape)
    return Pose((pose.xy + noise).astype(np.float32), pose.scores, pose.score)


# Coming and going


def test_somebody_who_comes_is_there_after_a_moment_and_not_before() -> None:
    states = play(lambda _: [person(320)], 1.0)
    there = [i * FRAME for i, state in enumerate(states) if state.visitor]
    assert there[0] == pytest.approx(ENTER_AFTER, abs=1.5 * FRAME)
    assert len(there) == len(states) - round(there[0] / FRAME)


def test_a_ghost_of_two_frames_is_nobody() -> None:
    states = play(lambda now: [person(320)] if now < 2 * FRAME else [], 1.0)
    assert whom(states) == {None}


def test_a_score_that_wavers_about_the_threshold_does_not_make_the_visitor_blink() -> None:
    rng = np.random.default_rng(2)
    scores = SETTINGS.min_score + rng.uniform(-0.1, 0.1, 301)
    states = play(lambda now: [person(320, score=scores[round(now / FRAME)])], 10.0)
    seen = [state.visitor is not None for state in states]
    assert sum(a != b for a, b in itertools.pairwise(seen)) == 1


def test_a_visitor_whose_score_sinks_below_the_threshold_for_long_is_still_there() -> None:
    arms = (np.arange(17) >= LEFT_SHOULDER) & (np.arange(17) <= RIGHT_WRIST)

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        scores = np.where(arms | (now < 1), 0.5, 0.02).astype(np.float32)
        return [Pose(pose.xy, scores, float(scores.mean()))]

    assert SETTINGS.min_score > scene(2)[0].score > 0.6 * SETTINGS.min_score
    assert whom(play(scene, 6.0)[15:]) == {0}


def test_somebody_too_faint_is_nobody() -> None:
    assert whom(play(lambda _: [person(320, score=0.9 * SETTINGS.min_score)], 2.0)) == {None}


def test_somebody_who_leaves_is_there_until_gone_and_then_not() -> None:
    states = play(lambda now: [person(320)] if now < 2 else [], 4.0)
    last = max(i * FRAME for i, state in enumerate(states) if state.visitor)
    assert last == pytest.approx(2 + SETTINGS.gone_after, abs=3 * FRAME)


def test_single_frames_without_the_visitor_leave_the_visitor_where_they_are() -> None:
    states = play(lambda now: [] if round(now / FRAME) % 3 == 2 else [person(320)], 5.0)
    assert all(across(state) == pytest.approx(320, abs=0.1) for state in states if state.visitor_number is not None)
    assert whom(states[15:]) == {0}


def test_when_the_visitor_has_gone_the_next_one_is_followed() -> None:
    states = play(lambda now: [person(320)] * (now < 2) + [person(500, 250)], 4.0)
    assert across(states[59]) == pytest.approx(320, abs=1)
    assert across(states[-1]) == pytest.approx(500, abs=1)


def test_somebody_hidden_for_a_second_is_still_the_visitor() -> None:
    states = play(lambda now: [] if 2 < now < 3 else [person(320 + 10 * now)], 5.0)
    assert whom(states[15:]) == {0}


# Who


def test_the_nearest_is_chosen_among_people_equally_central() -> None:
    assert across(play(lambda _: [person(200, 200), person(440, 300)], 1.0)[-1]) == pytest.approx(440, abs=1)


def test_the_most_central_is_chosen_among_people_equally_near() -> None:
    assert across(play(lambda _: [person(100), person(330), person(560)], 1.0)[-1]) == pytest.approx(330, abs=1)


def test_somebody_who_comes_in_at_the_edge_walks_up_and_is_followed_all_the_way() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(-60 + 130 * now, 260 + 20 * now)
        inside = (pose.xy[:, 0] > 0) & (pose.xy[:, 0] < SIZE[0])
        scores = np.where(inside, 0.8, 0.05).astype(np.float32)
        return [Pose(pose.xy, scores, float(scores.mean()))]

    states = play(scene, 3.0)
    assert whom(states) == {None, 0}
    assert across(states[-1]) == pytest.approx(-60 + 130 * 3, abs=12)


def test_two_people_of_one_size_do_not_take_turns() -> None:
    rng = np.random.default_rng(3)
    states = play(lambda _: [trembling(person(220), rng), trembling(person(420), rng)], 10.0)
    assert len(whom(states[15:])) == 1


def test_the_order_of_the_people_does_not_matter() -> None:
    rng = np.random.default_rng(4)

    def scene(_: float) -> list[Pose]:
        people = [person(180), person(320), person(480, 250)]
        return [people[i] for i in rng.permutation(3)]

    assert all(across(state) == pytest.approx(320, abs=0.1) for state in play(scene, 5.0) if state.visitor)


def passing(speed: float, height: float, *, hides: bool) -> Scene:
    """The visitor stands at 320; from the second second somebody walks past at `speed` pixels a second, and hides
    them, or is half mistaken for them, while they are close."""

    def scene(now: float) -> list[Pose]:
        visitor, x = person(320), -100 + speed * (now - 2)
        if not -60 < x < 700:
            return [visitor]
        walker = person(x, height, floor=470)
        close = abs(x - 320) < 70
        return [walker] if close and hides else [walker, visitor]

    return scene


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
def test_somebody_who_walks_by_does_not_become_the_visitor(
    speed: float, height: float, hides: bool, step: float
) -> None:
    rng = np.random.default_rng(5)
    scene = passing(abs(speed), height, hides=hides)

    def trembled(now: float) -> list[Pose]:
        people = scene(now) if speed > 0 else [pose.mirrored(SIZE[0]) for pose in scene(now)]
        return [trembling(pose, rng) for pose in people]

    states = play(trembled, 7.0, step=step)
    assert whom(state for state in states if state.visitor) == {0}
    assert across(states[-1]) == pytest.approx(320, abs=5)
    assert max(abs(across(state) - 320) for state in states if state.visitor) < 60


def test_somebody_who_sways_in_front_of_the_hidden_visitor_stays_somebody_else() -> None:
    def scene(now: float) -> list[Pose]:
        swaying = person(360 + 30 * np.sin(2 * np.pi * 1.5 * now), 280) if now > 1 else person(700, 280)
        return [swaying] if 2 < now < 2.9 else [person(320), swaying]

    states = play(scene, 5.0, step=0.1)
    assert whom(states[5:]) == {0}
    assert max(abs(across(state) - 320) for state in states[5:]) < 5


def test_somebody_larger_found_where_the_visitor_was_is_not_the_visitor() -> None:
    def scene(now: float) -> list[Pose]:
        beside, in_front = person(520, 400, floor=475), person(330, 400, floor=475)
        return [person(320), beside] if now < 2 else [in_front] if now < 2.8 else [person(320), beside]

    states = play(scene, 4.0, step=0.1)
    assert whom(states[5:]) == {0}
    assert max(abs(across(state) - 320) for state in states[5:]) < 5


def test_the_visitor_comes_back_as_themselves_though_first_a_limb_of_theirs_is_found_as_somebody() -> None:
    arm = (np.arange(17) >= LEFT_SHOULDER) & (np.arange(17) <= RIGHT_WRIST)

    def scene(now: float) -> list[Pose]:
        whole = person(320)
        limbs = Pose(whole.xy + np.float32(25), np.where(arm, 0.9, 0.05).astype(np.float32), 0.35)
        return [] if 2 < now < 2.6 else [limbs] if 2.6 < now < 2.75 else [Pose(whole.xy + 18, whole.scores, 0.8)]

    states = play(scene, 4.0)
    assert whom(states[15:]) == {0}
    assert all(state.tracks[0].missed_seconds < 1 for state in states)


def test_two_who_meet_stand_close_and_part_again_are_not_confused() -> None:
    def scene(now: float) -> list[Pose]:
        apart = 60 + 80 * abs(np.clip(now, 1, 5) - 3)
        return [person(320 - apart / 2), person(330 + apart / 2, 290)]

    states = play(scene, 6.0)
    assert len(whom(states[15:])) == 1
    assert across(states[-1]) == pytest.approx(across(states[20]), abs=5)


def test_somebody_in_the_background_gives_way_to_somebody_long_at_the_display() -> None:
    states = play(lambda now: [person(150, 120)] + [person(330, 400)] * (now > 2), 2.5 + SETTINGS.yield_after + 1)
    early = round((2 + SETTINGS.yield_after) / FRAME)
    assert all(across(state) == pytest.approx(150, abs=1) for state in states[15:early])
    assert across(states[-1]) == pytest.approx(330, abs=1)


def test_a_visitor_does_not_give_way_to_somebody_a_little_nearer() -> None:
    states = play(lambda now: [person(250, 250)] + [person(400, 350)] * (now > 2), 30.0, step=0.1)
    assert whom(states[5:]) == {0}


# The estimator's mistakes


def test_left_and_right_mistaken_for_a_frame_move_no_limb_across_the_body() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(320)
        return [Pose(pose.xy[MIRROR_ORDER], pose.scores, pose.score) if round(now / FRAME) % 10 == 9 else pose]

    states = play(scene, 3.0)
    assert whom(states[15:]) == {0}
    limbs = slice(LEFT_SHOULDER, RIGHT_WRIST + 1)
    for state in states[15:]:
        assert state.visitor is not None
        assert np.abs(state.visitor.xy - person(320).xy)[limbs].max() < 2


def test_somebody_seen_from_behind_whose_sides_change_places_for_good_is_the_same_visitor() -> None:
    behind = np.where(np.arange(17) < 5, 0.05, 0.8).astype(np.float32)

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        wide = (pose.xy - (320, 0)) * (3, 1) + (320, 0)
        return [Pose(wide.astype(np.float32)[MIRROR_ORDER if now > 1 else slice(None)], behind, float(behind.mean()))]

    assert whom(play(scene, 4.0)[15:]) == {0}


def test_a_wrist_seen_elsewhere_for_a_frame_stays_and_one_that_is_there_again_is_believed() -> None:
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


def test_a_second_reading_of_the_visitor_is_not_somebody_else() -> None:
    def scene(now: float) -> list[Pose]:
        whole = person(320)
        again = Pose(whole.xy + np.float32(12), whole.scores, 0.3)
        return [whole, again] if now < 2 else [whole]

    states = play(scene, 3.0)
    assert {len(state.tracks) for state in states} == {1}
    assert all(across(state) == pytest.approx(320, abs=0.1) for state in states if state.visitor)


def test_one_person_found_as_two_for_some_frames_stays_one_visitor() -> None:
    above = np.arange(17) < 11

    def scene(now: float) -> list[Pose]:
        whole = person(320)
        if not 1 < now < 1.5:
            return [whole]
        return [
            Pose(whole.xy, np.where(part, 0.8, 0.03).astype(np.float32), 0.4) for part in (above, ~above)
        ]  # fmt: skip

    states = play(scene, 4.0)
    assert whom(states[15:]) == {0}
    assert all(across(state) == pytest.approx(320, abs=2) for state in states[15:])


def test_a_key_point_out_of_sight_travels_with_the_body_and_returns_without_a_swing() -> None:
    def scene(now: float) -> list[Pose]:
        pose = person(200 + 60 * now)
        hidden = (np.arange(17) == LEFT_WRIST) & (1 < now < 2)
        xy = np.where(hidden[:, None], (5, 5), pose.xy).astype(np.float32)
        return [Pose(xy, np.where(hidden, 0.02, 0.8).astype(np.float32), 0.8)]

    for state, i in zip(play(scene, 3.0)[15:], range(15, 90), strict=True):
        assert state.visitor is not None
        true = scene(i * FRAME)[0].xy[0, 0] + 0.16 * 300
        assert state.visitor.xy[LEFT_WRIST, 0] == pytest.approx(true, abs=12)
    assert play(scene, 1.5)[-1].visitor.scores[LEFT_WRIST] < 0.1  # type: ignore[union-attr]


# Smoothing


def test_a_waving_hand_is_shown_less_than_a_frame_late() -> None:
    def wave(now: float) -> float:
        return 60 * np.sin(2 * np.pi * now)  # at most 1.3 body heights a second

    def scene(now: float) -> list[Pose]:
        pose = person(320)
        pose.xy[LEFT_WRIST, 1] += wave(now)
        return [pose]

    seen = [state.visitor.xy[LEFT_WRIST, 1] for state in play(scene, 8.0)[30:] if state.visitor]
    times, middle = np.arange(30, 240) * FRAME, person(320).xy[LEFT_WRIST, 1]
    off = {late: np.abs(seen - middle - wave(times - late)).mean() for late in np.arange(0, 0.1, 0.002)}
    assert min(off, key=off.__getitem__) < FRAME
    assert max(seen) - middle > 0.95 * 60


def test_a_still_hand_trembles_a_third_as_much_as_the_estimator_says() -> None:
    rng = np.random.default_rng(6)
    states = play(lambda _: [trembling(person(320), rng, 0.003)], 10.0)  # as measured on people who stand still
    steady = np.stack([state.visitor.xy for state in states[60:] if state.visitor])
    assert np.diff(steady, axis=0).std() < 0.34 * np.sqrt(2) * 0.003 * 300


# Time


@pytest.mark.parametrize("back", [0.0, 0.01, 3600.0])
def test_a_clock_that_stands_or_goes_back_moves_nobody_and_stops_nothing(back: float) -> None:
    before = play(lambda _: [person(320)], 1.0)[-1]
    assert before.time is not None
    assert before.visitor is not None
    after = follow(before, [person(330)], SIZE, before.time - back, SETTINGS)
    assert after.visitor is not None
    assert np.array_equal(after.visitor.xy, before.visitor.xy)
    later = play(lambda _: [person(330)], 1.0, state=after, start=before.time - back + FRAME)
    assert across(later[-1]) == pytest.approx(330, abs=0.5)


def test_after_a_long_gap_the_visitor_is_where_they_are_now() -> None:
    before = play(lambda _: [person(300)], 1.0)[-1]
    after = follow(before, [person(320)], SIZE, 60.0, SETTINGS)
    assert after.visitor_number == before.visitor_number
    assert across(after) == pytest.approx(320, abs=1e-3)


# Laws


def wandering(seed: int, count: int) -> tuple[list[list[Pose]], list[float]]:
    """Some people who walk about at random, now and then unseen, at uneven times."""
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
    state, found = FollowState(), []
    for people, now in zip(frames, times, strict=True):
        state = follow(state, people, size, now, SETTINGS)
        found.append(state.visitor and state.visitor.keypoints)
    return found


def same(one: Sequence[Floats | None], other: Sequence[Floats | None], within: float) -> bool:
    return all(
        (a is None) == (b is None) and (a is None or b is None or np.allclose(a, b, atol=within))
        for a, b in zip(one, other, strict=True)
    )


seeds = st.integers(0, 10_000)
counts = st.integers(1, 4)


@settings(max_examples=30, deadline=None)
@given(seeds, counts)
def test_the_same_frames_give_the_same_visitor(seed: int, count: int) -> None:
    frames, times = wandering(seed, count)
    assert same(visitors(frames, times), visitors(frames, times), 0)


@settings(max_examples=30, deadline=None)
@given(seeds, counts)
def test_in_the_mirrored_world_the_mirrored_visitor_is_followed(seed: int, count: int) -> None:
    frames, times = wandering(seed, count)
    mirrored = visitors([[pose.mirrored(SIZE[0]) for pose in people] for people in frames], times)
    back = [
        None if points is None else Pose(points[:, :2], points[:, 2], 1).mirrored(SIZE[0]).keypoints
        for points in mirrored
    ]
    assert same(visitors(frames, times), back, 0.05)


@settings(max_examples=30, deadline=None)
@given(seeds, counts, st.sampled_from([0.5, 2.0, 3.0]))
def test_at_another_resolution_the_same_visitor_is_followed(seed: int, count: int, scale: float) -> None:
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


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0.001, 0.01), st.floats(0.02, 0.1))
def test_a_still_visitor_trembles_less_than_the_estimator(seed: int, share: float, step: float) -> None:
    rng = np.random.default_rng(seed)
    states = play(lambda _: [trembling(person(320), rng, share)], 80 * step, step=step)
    steady = np.stack([state.visitor.xy for state in states[40:] if state.visitor])
    assert steady.std(0).mean() < 0.8 * share * 300


@given(seeds)
def test_a_coordinate_that_is_no_number_is_nobody(seed: int) -> None:
    broken = person(320)
    broken.xy[seed % 17, seed % 2] = [np.nan, np.inf][seed % 3 == 0]
    assert whom(play(lambda _: [broken], 1.0)) == {None}


# Films of real people


@pytest.mark.slow
@pytest.mark.parametrize(("step", "height"), [(27, 420), (-27, 420), (40, 330)])
def test_a_real_person_who_walks_by_close_in_front_does_not_become_the_visitor(
    shared_data: Path, posenet: Path, step: int, height: int
) -> None:
    _, pictures = read_film(shared_data / "videos" / "one-by-one-person-detection.mp4")
    film = add_passer_by(pictures[1060:1100], walker_steps(pictures), start=6, step=step, floor=430, height=height)
    state, off = FollowState(), []
    with Estimator(posenet, size=(353, 481)) as estimator:
        for i, picture in enumerate(film):
            people = estimator.estimate(np.ascontiguousarray(picture[:, :, ::-1]))
            state = follow(state, people, (768, 432), i / 10, SETTINGS)
            if i > 5:
                assert state.visitor_number == 0
                assert state.visitor is not None
                off.append(abs(np.median(state.visitor.xy[[5, 6, 11, 12], 0]) - 453))
    assert off[-1] < 20
    assert np.sum(np.array(off) > 100) < 10  # hidden behind the other for most of a second


def watch(film: Path, posenet: Path, size: tuple[int, int], every: int) -> list[FollowState]:
    """The states after every second, third … of a film's frames, as in a mirror."""
    capture = cv2.VideoCapture(str(film))
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
def test_of_three_gymnasts_the_one_in_front_is_followed_to_the_end(shared_data: Path, posenet: Path) -> None:
    states = watch(shared_data / "videos" / "exercise.avi", posenet, (353, 481), 2)
    there = [state for state in states if state.visitor]
    assert len(there) > 0.97 * len(states)
    assert len(whom(there)) == 1
    for state in there:
        assert state.visitor is not None
        hips = float(state.visitor.xy[[LEFT_HIP, RIGHT_HIP], 0].mean())
        assert 0.4 < hips / 384 < 0.6  # the two behind stand at 0.3 and 0.72


@pytest.mark.slow
def test_six_people_who_come_and_go_are_six_visitors(shared_data: Path, posenet: Path) -> None:
    states = watch(shared_data / "videos" / "one-by-one-person-detection.mp4", posenet, (193, 257), 3)
    visits = [number for number, _ in itertools.groupby(state.visitor_number for state in states)]
    assert len(visits) == 13
    assert visits[::2] == [None] * 7
    assert len(set(visits[1::2])) == 6
