"""Drawn people: their joints, their place on the floor, their pictures, and that the estimator finds them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Unpack, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimator.estimator import Estimator
from models.figures import REPERTOIRE, draw_picture, perform, starter_pictures
from models.figures.body import add_body
from models.figures.combine import arms_touch, combine
from models.figures.edges import antialias
from models.figures.figure_builder import FigureBuilder
from models.figures.look import Look
from models.figures.movement import Movement, Prop
from models.figures.painting import Person, paint
from models.figures.projection import Camera
from models.figures.routine import CUES, CYCLE_SECONDS, skeleton_at
from models.figures.skeleton import BONE_LENGTHS, SIDES, Build, Skeleton, pose_skeleton
from models.figures.solids import Shape, Solids, draw, sample
from models.figures.stance import ANGLE_INDEX, ANGLE_NAMES, LIMITS, Stance, clamp_to_limits, make_stance, mirrored
from models.figures.starter_pictures import (
    RECIPE_COUNT,
    choose_movement,
    chosen_recipes,
    plan_picture,
    recipe_rng,
)
from models.figures.styles import INK, NIGHT, PAPER, POSTER, SOFT, Style
from models.figures.titles import combined_title
from models.figures.wardrobe import BUILDS
from models.pose import LEFT_WRIST, MIRROR_ORDER, NOSE, RIGHT_WRIST, SIGMAS, Floats, Pose
from tests.support.paths import ROOT

TITLES = [movement.title for movement in REPERTOIRE]
GREY = np.full((240, 200, 3), 128, np.uint8)


@st.composite
def stances(draw: st.DrawFn) -> Stance:
    """Draw any stance that joints allow."""
    shares = draw(st.lists(st.floats(0, 1), min_size=len(ANGLE_NAMES), max_size=len(ANGLE_NAMES)))
    return clamp_to_limits(LIMITS[:, 0] + np.array(shares) * (LIMITS[:, 1] - LIMITS[:, 0]))


def bones(skeleton: Skeleton) -> dict[str, float]:
    """Return the lengths of all bones, which no stance may change."""
    pairs = [("pelvis", "waist"), ("waist", "chest"), ("chest", "neck")]
    for side in SIDES:
        chain = [f"{side}_{name}" for name in ("clavicle", "shoulder", "elbow", "wrist", "hand")]
        chain_below = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "heel")]
        pairs += [("chest", chain[0]), *pairwise(chain), ("pelvis", chain_below[0]), *pairwise(chain_below)]
    return {f"{a}-{b}": float(np.linalg.norm(skeleton.points[a] - skeleton.points[b])) for a, b in pairs}


def bend(skeleton: Skeleton, root: str, middle: str, end: str) -> float:
    """Return by how many degrees a limb is bent at its middle joint."""
    upper = skeleton.points[middle] - skeleton.points[root]
    lower = skeleton.points[end] - skeleton.points[middle]
    cosine = float(upper @ lower) / float(np.linalg.norm(upper) * np.linalg.norm(lower))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def front_camera(skeleton: Skeleton, width: int = 200, height: int = 240) -> Camera:
    middle = np.array([skeleton.points["pelvis"][0], 1.0, skeleton.points["pelvis"][2]])
    return Camera.around(middle, (width / 2, height / 2), elevation=4, distance=4, focal=height * 1.6)


def oks(pose: Pose, truth: Pose) -> float:
    """Return COCO's object key-point similarity over the visible key points."""
    seen = truth.scores > 0
    low, high = truth.xy[seen].min(0), truth.xy[seen].max(0)
    spread = 2 * 0.53 * float(np.prod(high - low)) * (2 * SIGMAS[seen]) ** 2
    return float(np.exp(-((pose.xy[seen] - truth.xy[seen]) ** 2).sum(1) / spread).mean())


# Stances


def test_named_poses_keep_to_the_joints_limits() -> None:
    rng = np.random.default_rng(3)
    stances = [
        (movement.title, stance)
        for movement in REPERTOIRE
        for stance in (movement.stance, movement.sample_stance(rng), movement.sample_stance(rng))
    ]
    assert not [title for title, stance in stances if not np.allclose(clamp_to_limits(stance), stance)]


def test_named_poses_are_many_and_have_unique_titles() -> None:
    assert len(TITLES) >= 200
    assert len(set(TITLES)) == len(TITLES)
    assert {movement.kind for movement in REPERTOIRE} == {"sport", "yoga", "dance", "fight", "acting", "everyday"}


@given(stances(), stances(), st.floats(0, 1))
def test_mixtures_of_stances_stay_within_the_limits(first: Stance, second: Stance, share: float) -> None:
    mixed = first * share + second * (1 - share)
    assert np.allclose(clamp_to_limits(mixed), mixed, atol=1e-6)


@pytest.mark.slow
@given(stances())
def test_mirrored_stance_gives_the_mirror_image(stance: Stance) -> None:
    assert np.allclose(mirrored(mirrored(stance)), stance)
    free = stance.copy()
    free[ANGLE_INDEX["floor"]] = 0.0
    points, other = pose_skeleton(free).keypoints(), pose_skeleton(mirrored(free)).keypoints()[MIRROR_ORDER]
    assert np.allclose(points, other * np.array([-1, 1, 1]), atol=1e-6)


def test_rejects_an_unknown_angle() -> None:
    with pytest.raises(KeyError):
        make_stance(left_antenna=10)


def test_families_vary_only_what_the_movement_leaves_free() -> None:
    rng = np.random.default_rng(5)
    movement = next(movement for movement in REPERTOIRE if movement.title == "Hailing a taxi")
    samples = np.array([movement.sample_stance(rng) for _ in range(20)])
    for name in ("left_hip", "right_knee", "left_elbow"):
        assert np.ptp(samples[:, ANGLE_INDEX[name]]) > 4
    for name in ("right_arm", "right_plane", "right_elbow"):
        assert np.ptp(samples[:, ANGLE_INDEX[name]]) == 0


# Skeletons


@given(stances(), st.sampled_from(sorted(BUILDS)))
@settings(max_examples=60)
def test_bones_keep_their_length_in_any_stance(stance: Stance, build: str) -> None:
    at_rest, posed = bones(pose_skeleton(make_stance(), BUILDS[build])), bones(pose_skeleton(stance, BUILDS[build]))
    assert posed == pytest.approx(at_rest, abs=1e-9)


@given(stances())
@settings(max_examples=60)
def test_elbows_and_knees_bend_only_one_way(stance: Stance) -> None:
    skeleton = pose_skeleton(stance)
    for side in SIDES:
        forearm = skeleton.points[f"{side}_wrist"] - skeleton.points[f"{side}_elbow"]
        shank = skeleton.points[f"{side}_ankle"] - skeleton.points[f"{side}_knee"]
        assert float(forearm @ skeleton.frames[f"{side}_upper_arm"][:, 2]) >= -1e-9
        assert float(shank @ skeleton.frames[f"{side}_thigh"][:, 2]) <= 1e-9
        assert (
            bend(skeleton, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
            <= LIMITS[ANGLE_INDEX["left_elbow"], 1] + 0.1
        )
        assert (
            bend(skeleton, f"{side}_hip", f"{side}_knee", f"{side}_ankle") <= LIMITS[ANGLE_INDEX["left_knee"], 1] + 0.1
        )


@pytest.fixture(scope="module")
def standing() -> dict[str, tuple[Stance, Skeleton]]:
    """The stance and the skeleton of every named pose, by title."""
    return {movement.title: (movement.stance, pose_skeleton(movement.stance)) for movement in REPERTOIRE}


def test_figures_touch_the_floor_and_do_not_sink(standing: dict[str, tuple[Stance, Skeleton]]) -> None:
    lowest = {
        title: min(float(point[1]) for point in skeleton.points.values()) - stance[ANGLE_INDEX["lift"]] / 100
        for title, (stance, skeleton) in standing.items()
    }
    # A hip is the thickest part that may be on the floor.
    assert not {title: low for title, low in lowest.items() if not -0.001 <= low <= 0.125}


def test_planted_feet_are_on_the_floor(standing: dict[str, tuple[Stance, Skeleton]]) -> None:
    heights = {
        f"{title}, {side}": float(skeleton.points[f"{side}_ball"][1])
        for title, (stance, skeleton) in standing.items()
        for side in SIDES
        if stance[ANGLE_INDEX[f"{side}_planted"]] == 1 and stance[ANGLE_INDEX["lift"]] == 0
    }
    assert not {foot: height for foot, height in heights.items() if height >= 0.085}


def test_left_arm_is_on_the_right_of_the_picture() -> None:
    skeleton = pose_skeleton(make_stance(left_arm=160))
    pixels = front_camera(skeleton).project(skeleton.keypoints())
    assert pixels[LEFT_WRIST, 0] > pixels[NOSE, 0] > pixels[RIGHT_WRIST, 0]
    assert pixels[LEFT_WRIST, 1] < pixels[NOSE, 1] < pixels[RIGHT_WRIST, 1]


def test_bones_have_human_proportions() -> None:
    for build in BUILDS.values():
        assert build.bone_length("thigh") + build.bone_length("shank") < build.height * 0.55
        assert 0.9 < build.bone_length("upper_arm") / build.bone_length("forearm") < 1.3
    assert set(BONE_LENGTHS) == {"thigh", "shank", "upper_arm", "forearm", "palm"}


# Solids


def drawn(
    start: tuple[float, ...], end: tuple[float, ...], radii: tuple[float, float], **shape: Unpack[Shape]
) -> Floats:
    """Return the nearness of one solid from the front, at 50 pixels to the metre."""
    solids = Solids()
    solids.add(1, np.array(start), np.array(end), radii, **shape)
    camera = Camera(np.eye(3), np.zeros(3), 1000.0, 50_000.0, (60.0, 60.0))
    buffers = draw(solids, solids.project(camera), 121, 121)
    assert buffers is not None
    whole = np.full((121, 121), np.nan, np.float32)
    part = np.where(buffers.material > 0, buffers.nearness, np.nan)
    whole[buffers.top : buffers.top + part.shape[0], buffers.left : buffers.left + part.shape[1]] = part
    return whole


def test_draws_a_ball_exactly() -> None:
    near = drawn((0, 0, 0), (0, 0, 0), (1.0, 1.0))
    y, x = np.mgrid[-60:61, -60:61] / 50.0
    exact = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    inside = exact > 0.25
    assert np.abs(near - exact)[inside].max() < 0.01
    assert np.isnan(near[x**2 + y**2 > 1.02]).all()


@given(
    st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    st.tuples(st.floats(0.2, 0.5), st.floats(0.2, 0.5)),
)
@settings(max_examples=25)
def test_solid_is_the_hull_of_its_two_balls(
    start: tuple[float, ...], end: tuple[float, ...], radii: tuple[float, float]
) -> None:
    near = drawn(start, end, radii)
    y, x = -np.mgrid[-60:61, -60:61][0] / 50.0, np.mgrid[-60:61, -60:61][1] / 50.0
    envelope, well_inside = np.full((121, 121), -np.inf), np.zeros((121, 121), bool)
    for share in np.linspace(0, 1, 201):
        cx, cy, cz = np.array(start) * (1 - share) + np.array(end) * share
        deep = (radii[0] * (1 - share) + radii[1] * share) ** 2 - (x - cx) ** 2 - (y - cy) ** 2
        envelope = np.maximum(envelope, np.where(deep >= 0, cz + np.sqrt(np.maximum(deep, 0)), -np.inf))
        well_inside |= deep > 0.01
    assert not np.isnan(near[well_inside]).any()
    assert np.quantile(np.abs(near - envelope)[well_inside], 0.95) < 0.02


def test_cut_solid_shows_its_inside() -> None:
    whole = drawn((0, 0, 0), (0, 0, 0), (1.0, 1.0))
    front = drawn((0, 0, 0), (0, 0, 0), (1.0, 1.0), cut=(np.array([0.0, 0.0, 1.0]), 0.5))
    assert whole[60, 60] == pytest.approx(1.0, abs=0.01)
    assert front[60, 60] == pytest.approx(-1.0, abs=0.01)


def ball() -> tuple[Solids, Camera]:
    solids = Solids()
    solids.add(1, np.zeros(3), np.zeros(3), (1.0, 1.0))
    return solids, Camera(np.eye(3), np.zeros(3), 1000.0, 20_000.0, (30.3, 30.4))


def test_sample_agrees_with_draw() -> None:
    solids, camera = Solids(), front_camera(pose_skeleton(make_stance(left_arm=70)))
    add_body(FigureBuilder(solids, pose_skeleton(make_stance(left_arm=70)), Look(), 0, fine=True))
    forms = solids.project(camera)
    buffers = draw(solids, forms, 200, 240)
    assert buffers is not None
    y, x = (np.indices(buffers.material.shape).reshape(2, -1)[:, ::7]).astype(np.float32)
    near, material = sample(solids, forms, x + buffers.left, y + buffers.top)
    assert (material == buffers.material.reshape(-1)[::7]).mean() > 0.999
    assert np.quantile(np.abs(near - buffers.nearness.reshape(-1)[::7]), 0.99) < 0.001


def test_antialiased_edges_cover_the_exact_area() -> None:
    solids, camera = ball()
    forms = solids.project(camera)
    buffers = draw(solids, forms, 61, 61)
    assert buffers is not None
    black = np.zeros((*buffers.material.shape, 3), np.uint8)
    white = np.where(buffers.material[..., None] > 0, np.uint8(255), black)
    antialias(white, buffers, black, solids, forms)
    assert white[..., 0].sum() / 255 == pytest.approx(np.pi * 20**2, rel=0.003)
    assert len(np.unique(white)) == 5, "an edge's pixel is sampled at four places"


def test_nearer_solids_hide_farther_ones() -> None:
    skeleton = pose_skeleton(make_stance(right_arm=60, right_plane=100, right_elbow=90))
    camera = front_camera(skeleton)
    assert paint(GREY, [Person(skeleton, Look())], camera).seen[0].all()
    behind = Camera.around(camera.target, camera.centre, azimuth=180, elevation=4, distance=4, focal=camera.focal)
    assert not paint(GREY, [Person(skeleton, Look())], behind).seen[0][:3].any(), (
        "nose and eyes are visible through the head"
    )


# Paintings


@pytest.mark.parametrize("title", ["Warrior II", "Waving hello", "Arabesque", "Sitting", "Running"])
def test_key_points_are_on_the_figure(title: str) -> None:
    movement = next(movement for movement in REPERTOIRE if movement.title == title)
    skeleton = pose_skeleton(movement.stance)
    camera = front_camera(skeleton)
    painting = paint(GREY, [Person(skeleton, Look())], camera, shadow_strength=0)
    changed = (painting.picture != GREY).any(2)
    for x, y in np.round(camera.project(skeleton.keypoints())).astype(int).tolist():
        if 0 <= x < 200 and 0 <= y < 240:
            assert changed[y, x]


@pytest.mark.parametrize("style", [SOFT, POSTER, INK, PAPER, NIGHT])
def test_styles_change_colours_and_not_places(style: Style) -> None:
    skeleton = pose_skeleton(make_stance(left_arm=120, right_arm=60))
    painting = paint(GREY, [Person(skeleton, Look())], front_camera(skeleton), style=style, shadow_strength=0)
    plain = paint(GREY, [Person(skeleton, Look())], front_camera(skeleton), shadow_strength=0)
    figure, plain_figure = ((result.picture != GREY).any(2) for result in (painting, plain))
    assert (figure == plain_figure).mean() > 0.96
    assert style is SOFT or np.abs(painting.picture.astype(int) - plain.picture).max() > 20
    assert (painting.seen[0] == plain.seen[0]).all()


@pytest.mark.parametrize("prop", get_args(Prop))
def test_draws_every_prop(prop: Prop) -> None:
    skeleton = pose_skeleton(next(movement for movement in REPERTOIRE if prop in movement.props).stance)
    camera = front_camera(skeleton)
    without = paint(GREY, [Person(skeleton, Look())], camera).picture
    with_prop = paint(GREY, [Person(skeleton, Look(), (prop,))], camera).picture
    assert (without != with_prop).any(2).sum() > 15


def test_does_not_draw_a_person_behind_the_camera() -> None:
    skeleton = pose_skeleton(make_stance())
    camera = Camera.around(np.array([0.0, 1.0, -9.0]), (100, 120), distance=3, focal=300)
    painting = paint(GREY, [Person(skeleton, Look())], camera)
    assert (painting.picture == GREY).all()
    assert not painting.seen[0].any()


HASH = """
import hashlib, numpy as np
from models.figures import draw_picture, perform
picture = draw_picture({number})
digest = hashlib.sha256(picture.image.tobytes() + picture.poses[0].xy.tobytes() + picture.title.encode())
image, pose = perform(4.0, 160, 120)
digest.update(image.tobytes() + pose.xy.tobytes())
print(digest.hexdigest())
"""


def test_pictures_are_the_same_in_another_process() -> None:
    picture = draw_picture(11)
    digest = hashlib.sha256(picture.image.tobytes() + picture.poses[0].xy.tobytes() + picture.title.encode())
    image, pose = perform(4.0, 160, 120)
    digest.update(image.tobytes() + pose.xy.tobytes())
    process = subprocess.run(
        [sys.executable, "-c", HASH.format(number=11)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout.strip() == digest.hexdigest()


def test_pictures_differ_and_contain_their_people() -> None:
    pictures = [draw_picture(number) for number in range(12)]
    assert len({picture.image.tobytes() for picture in pictures}) == len(pictures)
    for picture in pictures:
        assert picture.image.dtype == np.uint8
        assert min(picture.image.shape[:2]) >= 300
        assert max(picture.image.shape[:2]) <= 1280
        height, width = picture.image.shape[:2]
        for pose in picture.poses:
            inside = ((pose.xy >= 0) & (pose.xy <= (width - 1, height - 1))).all(1)
            assert not pose.scores[~inside].any()
            assert pose.scores.sum() >= 6


def test_library_shows_every_named_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter_pictures, "combine", lambda _, repertoire: repertoire[0])
    assert {choose_movement(recipe_rng(recipe)).title for recipe in chosen_recipes()} == set(TITLES)


def test_chosen_recipes_differ_and_are_of_the_library() -> None:
    assert len(set(chosen_recipes())) == len(chosen_recipes())
    assert 0 <= min(chosen_recipes()) <= max(chosen_recipes()) < RECIPE_COUNT


def test_pictures_beyond_the_library_have_other_recipes() -> None:
    later = plan_picture(len(chosen_recipes())).person.skeleton.keypoints()
    assert not any(
        np.array_equal(plan_picture(number).person.skeleton.keypoints(), later) for number in range(0, 60, 5)
    )


def test_whole_people_have_room_around_them() -> None:
    for number in range(0, 200, 2):
        person, (camera, width, height) = plan_picture(number).person, plan_picture(number).shot
        assert 4 / 5 - 0.03 <= width / height <= 4 / 3 + 0.03
        names = ("ankle", "toe", "knee") if plan_picture(number).view.crop == "whole" else ()
        joints = [person.skeleton.points[f"{side}_{name}"] for side in SIDES for name in ("hand", "wrist", *names)]
        above = person.skeleton.points["head"] + (0, 0.22 * person.skeleton.build.scale, 0)
        pixels = camera.project(np.array([*joints, above]))
        assert (pixels > 2).all(), number
        assert (pixels < (width - 2, height - 2)).all(), number


# Combined poses


def sample_combined(count: int = 40) -> list[Movement]:
    rng = np.random.default_rng(2)
    return [combine(rng, REPERTOIRE) for _ in range(count)]


def test_combined_poses_keep_to_the_joints_limits() -> None:
    for movement in sample_combined():
        assert np.allclose(clamp_to_limits(movement.stance), movement.stance)


def test_arms_of_combined_poses_differ() -> None:
    stances = np.array([movement.stance for movement in sample_combined()])
    arms = [[ANGLE_INDEX[f"{side}_{name}"] for name in ("arm", "plane", "elbow")] for side in SIDES]
    assert (np.abs(stances[:, arms[0]] - stances[:, arms[1]]).max(1) > 15).mean() > 0.6


def test_arms_of_combined_poses_rarely_touch_the_body() -> None:
    assert np.mean([arms_touch(pose_skeleton(movement.stance)) for movement in sample_combined()]) < 0.1


@pytest.mark.parametrize(
    ("angles", "touches"),
    [
        ({"both_arm": 90}, False),
        ({"both_arm": 8, "both_elbow": 12}, False),
        ({"left_arm": 15, "left_plane": 0, "left_roll": -90, "left_elbow": 90}, True),
        ({"both_arm": 90, "both_plane": 90, "both_roll": -90, "both_elbow": 90}, True),
    ],
)
def test_finds_arms_that_pass_through_the_body(angles: dict[str, float], touches: bool) -> None:
    assert arms_touch(pose_skeleton(make_stance(**angles))) == touches


@pytest.mark.parametrize(
    ("angles", "title"),
    [
        ({"both_arm": 170, "both_plane": 40}, "Both arms up"),
        ({"left_arm": 90, "right_arm": 165, "right_plane": 40}, "One arm up, one out to the side"),
        ({"both_arm": 90, "left_hip": 90, "left_knee": 20, "left_planted": 0}, "Arms wide, one leg raised"),
        ({"left_arm": 85, "left_plane": 88, "left_elbow": 0}, "One arm ahead, one down"),
    ],
)
def test_titles_say_what_arms_and_legs_do(angles: dict[str, float], title: str) -> None:
    assert combined_title(pose_skeleton(make_stance(**angles)), seated=False) == title


def test_rejects_a_negative_number() -> None:
    with pytest.raises(ValueError, match="-1"):
        draw_picture(-1)


# The performer


@pytest.mark.slow
def test_performer_moves_smoothly() -> None:
    times = np.arange(0, CYCLE_SECONDS + 1, 1 / 30)
    points = np.array([skeleton_at(float(time)).keypoints() for time in times])
    jumps = np.linalg.norm(np.diff(points, axis=0), axis=2)
    assert jumps.max() < 0.28, f"at {times[int(jumps.max(1).argmax())]:.2f} s"  # metres in a thirtieth of a second
    assert np.quantile(jumps, 0.99) < 0.13


@pytest.mark.slow
def test_performer_leaves_once_and_comes_back() -> None:
    visible = np.array([perform(float(time), 160, 120)[1].scores.any() for time in np.arange(0, CYCLE_SECONDS, 0.5)])
    gone = np.flatnonzero(~visible)
    assert 6 <= len(gone) <= 12
    assert gone[-1] - gone[0] == len(gone) - 1, "it leaves once in a cycle"
    assert visible[-1]


@pytest.mark.slow
def test_performer_is_usually_completely_in_view() -> None:
    scores = np.array([perform(float(time), 160, 120)[1].scores for time in np.arange(0, CYCLE_SECONDS, 1.0)])
    assert scores[:, 5:].all(1).mean() > 0.7


def test_performers_left_hand_is_on_the_pictures_right() -> None:
    start = sum(cue.transition + cue.hold for cue in CUES[:1])
    _, pose = perform(start + CUES[1].transition + 0.5, 640, 480)
    assert CUES[1].title == "Waving hello"
    assert pose.xy[LEFT_WRIST, 1] < pose.xy[RIGHT_WRIST, 1] - 60
    assert pose.xy[LEFT_WRIST, 0] > pose.xy[NOSE, 0] > pose.xy[RIGHT_WRIST, 0]


@pytest.mark.parametrize(("width", "height"), [(640, 480), (360, 640), (64, 48), (1, 1), (353, 481)])
def test_draws_the_performer_at_any_size(width: int, height: int) -> None:
    image, pose = perform(3.0, width, height)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert np.isfinite(pose.xy).all()


@pytest.mark.slow
def test_estimator_finds_the_performer(each_posenet: Path) -> None:
    similarities, scores = [], []
    with Estimator(each_posenet) as estimator:
        for time in np.arange(0, CYCLE_SECONDS, 2.1):
            image, truth = perform(float(time), 640, 480)
            people = estimator.estimate(image)
            if truth.scores[5:].all():
                best = max(people, key=partial(oks, truth=truth), default=None)
                similarities.append(oks(best, truth) if best else 0.0)
                scores.append(best.score if best else 0.0)
            elif not truth.scores.any():
                assert not [pose for pose in people if pose.score > 0.4], (
                    f"it finds a person in the empty room at {time} s"
                )
    assert np.mean(similarities) >= 0.8
    assert np.mean(np.array(scores) > 0.5) >= 0.95


@pytest.mark.slow
def test_estimator_finds_the_starter_librarys_people(each_posenet: Path) -> None:
    similarities = []
    with Estimator(each_posenet) as estimator:
        for number in range(60):
            picture = draw_picture(number)
            people = estimator.estimate(picture.image)
            similarities += [max((oks(pose, truth) for pose in people), default=0.0) for truth in picture.poses]
    assert np.mean(similarities) >= 0.62


def test_builds_differ_in_height() -> None:
    heights = [build.height for build in BUILDS.values()]
    assert max(heights) / min(heights) > 1.3
    assert all(isinstance(build, Build) for build in BUILDS.values())
