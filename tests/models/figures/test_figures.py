"""Drawn people: their joints, where they stand, what is drawn of them, and that PoseNet sees people."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimator.estimator import Estimator
from models.figures import REPERTOIRE, draw_picture, perform
from models.figures.body import FigureBuilder, add_body
from models.figures.edges import antialias
from models.figures.life import COMMON_MOVEMENTS
from models.figures.look import Look
from models.figures.movement import Prop
from models.figures.painting import Person, paint
from models.figures.projection import Camera
from models.figures.routine import CUES, CYCLE_SECONDS, skeleton_at
from models.figures.skeleton import BONE_LENGTHS, SIDES, Build, Skeleton, pose_skeleton
from models.figures.solids import Solids, draw, sample
from models.figures.stance import ANGLE_INDEX, ANGLE_NAMES, LIMITS, Stance, clamp_to_limits, make_stance, mirrored
from models.figures.starter_pictures import RARE_MOVEMENTS, ROUNDS_FOR_ALL, choose_movement
from models.figures.styles import INK, NIGHT, PAPER, POSTER, SOFT
from models.figures.wardrobe import BUILDS
from models.pose import LEFT_WRIST, MIRROR_ORDER, NOSE, RIGHT_WRIST, SIGMAS, Floats, Pose
from tests.support.paths import ROOT

TITLES = [movement.title for movement in REPERTOIRE]
GREY = np.full((240, 200, 3), 128, np.uint8)


@st.composite
def stances(draw: st.DrawFn) -> Stance:
    """Any stance that joints allow."""
    shares = draw(st.lists(st.floats(0, 1), min_size=len(ANGLE_NAMES), max_size=len(ANGLE_NAMES)))
    return clamp_to_limits(LIMITS[:, 0] + np.array(shares) * (LIMITS[:, 1] - LIMITS[:, 0]))


def bones(made: Skeleton) -> dict[str, float]:
    """The lengths of all bones that a stance must not change."""
    pairs = [("pelvis", "waist"), ("waist", "chest"), ("chest", "neck")]
    for side in SIDES:
        chain = [f"{side}_{name}" for name in ("clavicle", "shoulder", "elbow", "wrist", "hand")]
        chain_below = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "heel")]
        pairs += [("chest", chain[0]), *pairwise(chain), ("pelvis", chain_below[0]), *pairwise(chain_below)]
    return {f"{a}-{b}": float(np.linalg.norm(made.points[a] - made.points[b])) for a, b in pairs}


def bend(made: Skeleton, root: str, middle: str, end: str) -> float:
    """By how many degrees a limb is bent at its middle."""
    upper, lower = made.points[middle] - made.points[root], made.points[end] - made.points[middle]
    cosine = float(upper @ lower) / float(np.linalg.norm(upper) * np.linalg.norm(lower))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def seen_from_the_front(made: Skeleton, width: int = 200, height: int = 240) -> Camera:
    middle = np.array([made.points["pelvis"][0], 1.0, made.points["pelvis"][2]])
    return Camera.around(middle, (width / 2, height / 2), elevation=4, distance=4, focal=height * 1.6)


def oks(found: Pose, truth: Pose) -> float:
    """COCO's object key-point similarity over the key points that are seen."""
    seen = truth.scores > 0
    low, high = truth.xy[seen].min(0), truth.xy[seen].max(0)
    spread = 2 * 0.53 * float(np.prod(high - low)) * (2 * SIGMAS[seen]) ** 2
    return float(np.exp(-((found.xy[seen] - truth.xy[seen]) ** 2).sum(1) / spread).mean())


# Stances


def test_every_named_pose_keeps_to_what_joints_allow_however_it_is_taken():
    rng = np.random.default_rng(3)
    taken = [
        (one.title, made) for one in REPERTOIRE for made in (one.stance, one.sample_stance(rng), one.sample_stance(rng))
    ]
    assert not [title for title, made in taken if not np.allclose(clamp_to_limits(made), made)]


def test_there_are_many_named_poses_and_no_title_twice():
    assert len(TITLES) >= 200
    assert len(set(TITLES)) == len(TITLES)
    assert {movement.kind for movement in REPERTOIRE} == {"sport", "yoga", "dance", "fight", "acting", "everyday"}


@given(stances(), stances(), st.floats(0, 1))
def test_a_mixture_of_two_stances_within_the_limits_is_within_them(one, two, share):
    mixed = one * share + two * (1 - share)
    assert np.allclose(clamp_to_limits(mixed), mixed, atol=1e-6)


@given(stances())
def test_a_stance_mirrored_twice_is_itself_and_mirrored_once_the_mirror_image(one):
    assert np.allclose(mirrored(mirrored(one)), one)
    free = one.copy()
    free[ANGLE_INDEX["floor"]] = 0.0
    points, other = pose_skeleton(free).keypoints(), pose_skeleton(mirrored(free)).keypoints()[MIRROR_ORDER]
    assert np.allclose(points, other * np.array([-1, 1, 1]), atol=1e-6)


def test_an_unknown_angle_is_refused():
    with pytest.raises(KeyError):
        make_stance(left_antenna=10)


def test_a_movement_with_families_is_taken_differently_each_time_but_for_what_it_is_named_after():
    rng = np.random.default_rng(5)
    movement = next(one for one in REPERTOIRE if one.title == "Hailing a taxi")
    taken = np.array([movement.sample_stance(rng) for _ in range(20)])
    for name in ("left_hip", "right_knee", "left_elbow"):
        assert np.ptp(taken[:, ANGLE_INDEX[name]]) > 4
    for name in ("right_arm", "right_plane", "right_elbow"):
        assert np.ptp(taken[:, ANGLE_INDEX[name]]) == 0


# Skeletons


@given(stances(), st.sampled_from(sorted(BUILDS)))
@settings(max_examples=60)
def test_bones_stay_as_long_as_they_are_in_any_stance(taken, build):
    rest, made = bones(pose_skeleton(make_stance(), BUILDS[build])), bones(pose_skeleton(taken, BUILDS[build]))
    assert made == pytest.approx(rest, abs=1e-9)


@given(stances())
@settings(max_examples=60)
def test_elbows_bend_forward_only_and_knees_backward_only_also_when_feet_are_planted(taken):
    made = pose_skeleton(taken)
    for side in SIDES:
        forearm = made.points[f"{side}_wrist"] - made.points[f"{side}_elbow"]
        shank = made.points[f"{side}_ankle"] - made.points[f"{side}_knee"]
        assert float(forearm @ made.frames[f"{side}_upper_arm"][:, 2]) >= -1e-9
        assert float(shank @ made.frames[f"{side}_thigh"][:, 2]) <= 1e-9
        assert (
            bend(made, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist")
            <= LIMITS[ANGLE_INDEX["left_elbow"], 1] + 0.1
        )
        assert bend(made, f"{side}_hip", f"{side}_knee", f"{side}_ankle") <= LIMITS[ANGLE_INDEX["left_knee"], 1] + 0.1


@pytest.fixture(scope="module")
def standing() -> dict[str, tuple[Stance, Skeleton]]:
    """Every named pose by its title, as it is written down, and its skeleton."""
    return {movement.title: (movement.stance, pose_skeleton(movement.stance)) for movement in REPERTOIRE}


def test_whoever_is_not_in_the_air_touches_the_floor_and_nobody_sinks_into_it(standing):
    lowest = {
        title: min(float(point[1]) for point in made.points.values()) - taken[ANGLE_INDEX["lift"]] / 100
        for title, (taken, made) in standing.items()
    }
    # the thickest part that may lie on the floor is a hip
    assert not {title: low for title, low in lowest.items() if not -0.001 <= low <= 0.125}


def test_planted_feet_stand_on_the_floor(standing):
    high = {
        f"{title}, {side}": float(made.points[f"{side}_ball"][1])
        for title, (taken, made) in standing.items()
        for side in SIDES
        if taken[ANGLE_INDEX[f"{side}_planted"]] == 1 and taken[ANGLE_INDEX["lift"]] == 0
    }
    assert not {which: height for which, height in high.items() if height >= 0.085}


def test_a_raised_left_arm_is_on_the_right_of_the_picture_of_somebody_who_faces_the_camera():
    made = pose_skeleton(make_stance(left_arm=160))
    pixels = seen_from_the_front(made).project(made.keypoints())
    assert pixels[LEFT_WRIST, 0] > pixels[NOSE, 0] > pixels[RIGHT_WRIST, 0]
    assert pixels[LEFT_WRIST, 1] < pixels[NOSE, 1] < pixels[RIGHT_WRIST, 1]


def test_bones_have_a_persons_proportions():
    for build in BUILDS.values():
        assert build.bone_length("thigh") + build.bone_length("shank") < build.height * 0.55
        assert 0.9 < build.bone_length("upper_arm") / build.bone_length("forearm") < 1.3
    assert set(BONE_LENGTHS) == {"thigh", "shank", "upper_arm", "forearm", "palm"}


# Solids


def drawn(start: tuple[float, ...], end: tuple[float, ...], radii: tuple[float, float], **rest: object) -> Floats:
    """Nearness of one solid from the front, one metre to 50 pixels."""
    solids = Solids()
    solids.add(1, np.array(start), np.array(end), radii, **rest)  # type: ignore[arg-type]
    camera = Camera(np.eye(3), np.zeros(3), 1000.0, 50_000.0, (60.0, 60.0))
    buffers = draw(solids, solids.project(camera), 121, 121)
    assert buffers is not None
    whole = np.full((121, 121), np.nan, np.float32)
    part = np.where(buffers.material > 0, buffers.nearness, np.nan)
    whole[buffers.top : buffers.top + part.shape[0], buffers.left : buffers.left + part.shape[1]] = part
    return whole


def test_a_ball_is_drawn_as_a_ball():
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
def test_a_solid_is_the_hull_of_its_two_balls(start, end, radii):
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


def test_what_is_cut_off_is_not_drawn_and_the_inside_shows():
    whole = drawn((0, 0, 0), (0, 0, 0), (1.0, 1.0))
    front = drawn((0, 0, 0), (0, 0, 0), (1.0, 1.0), cut=(np.array([0.0, 0.0, 1.0]), 0.5))
    assert whole[60, 60] == pytest.approx(1.0, abs=0.01)
    assert front[60, 60] == pytest.approx(-1.0, abs=0.01)


def ball() -> tuple[Solids, Camera]:
    solids = Solids()
    solids.add(1, np.zeros(3), np.zeros(3), (1.0, 1.0))
    return solids, Camera(np.eye(3), np.zeros(3), 1000.0, 20_000.0, (30.3, 30.4))


def test_single_places_are_seen_as_pixels_are():
    made, camera = Solids(), seen_from_the_front(pose_skeleton(make_stance(left_arm=70)))
    add_body(FigureBuilder(made, pose_skeleton(make_stance(left_arm=70)), Look(), 0, fine=True))
    forms = made.project(camera)
    buffers = draw(made, forms, 200, 240)
    assert buffers is not None
    y, x = (np.indices(buffers.material.shape).reshape(2, -1)[:, ::7]).astype(np.float32)
    near, material = sample(made, forms, x + buffers.left, y + buffers.top)
    assert (material == buffers.material.reshape(-1)[::7]).mean() > 0.999
    assert np.quantile(np.abs(near - buffers.nearness.reshape(-1)[::7]), 0.99) < 0.001


def test_a_straightened_edge_covers_as_much_of_its_pixels_as_the_solid_does():
    solids, camera = ball()
    forms = solids.project(camera)
    buffers = draw(solids, forms, 61, 61)
    assert buffers is not None
    black = np.zeros((*buffers.material.shape, 3), np.uint8)
    white = np.where(buffers.material[..., None] > 0, np.uint8(255), black)
    antialias(white, buffers, black, solids, forms)
    assert white[..., 0].sum() / 255 == pytest.approx(np.pi * 20**2, rel=0.003)
    assert len(np.unique(white)) == 5, "an edge's pixel is seen at four places"


def test_nearer_solids_hide_farther_ones():
    made = pose_skeleton(make_stance(right_arm=60, right_plane=100, right_elbow=90))
    camera = seen_from_the_front(made)
    assert paint(GREY, [Person(made, Look())], camera).seen[0].all()
    behind = Camera.around(camera.target, camera.centre, azimuth=180, elevation=4, distance=4, focal=camera.focal)
    assert not paint(GREY, [Person(made, Look())], behind).seen[0][:3].any(), "nose and eyes are seen through the head"


# Paintings


@pytest.mark.parametrize("title", ["Warrior II", "Waving hello", "Arabesque", "Sitting", "Running"])
def test_every_key_point_lies_on_the_figure(title):
    movement = next(one for one in REPERTOIRE if one.title == title)
    made = pose_skeleton(movement.stance)
    camera = seen_from_the_front(made)
    painting = paint(GREY, [Person(made, Look())], camera, shadow_strength=0)
    changed = (painting.picture != GREY).any(2)
    for x, y in np.round(camera.project(made.keypoints())).astype(int).tolist():
        if 0 <= x < 200 and 0 <= y < 240:
            assert changed[y, x]


@pytest.mark.parametrize("style", [SOFT, POSTER, INK, PAPER, NIGHT])
def test_a_style_changes_colours_and_not_who_is_where(style):
    made = pose_skeleton(make_stance(left_arm=120, right_arm=60))
    painting = paint(GREY, [Person(made, Look())], seen_from_the_front(made), style=style, shadow_strength=0)
    plain = paint(GREY, [Person(made, Look())], seen_from_the_front(made), shadow_strength=0)
    drawn, before = ((one.picture != GREY).any(2) for one in (painting, plain))
    assert (drawn == before).mean() > 0.96
    assert style is SOFT or np.abs(painting.picture.astype(int) - plain.picture).max() > 20
    assert (painting.seen[0] == plain.seen[0]).all()


@pytest.mark.parametrize("prop", get_args(Prop))
def test_whatever_people_hold_or_stand_on_is_drawn(prop):
    made = pose_skeleton(next(one for one in REPERTOIRE if prop in one.props).stance)
    camera = seen_from_the_front(made)
    bare, held = (paint(GREY, [Person(made, Look(), props)], camera).picture for props in ((), (prop,)))
    assert (bare != held).any(2).sum() > 15


def test_somebody_behind_the_camera_is_not_drawn():
    made = pose_skeleton(make_stance())
    camera = Camera.around(np.array([0.0, 1.0, -9.0]), (100, 120), distance=3, focal=300)
    painting = paint(GREY, [Person(made, Look())], camera)
    assert (painting.picture == GREY).all()
    assert not painting.seen[0].any()


HASH = """
import hashlib, numpy as np
from models.figures import draw_picture, perform
made = draw_picture({number})
said = hashlib.sha256(made.image.tobytes() + made.poses[0].xy.tobytes() + made.title.encode())
image, pose = perform(4.0, 160, 120)
said.update(image.tobytes() + pose.xy.tobytes())
print(said.hexdigest())
"""


def test_a_picture_is_the_same_in_another_process():
    made = draw_picture(11)
    said = hashlib.sha256(made.image.tobytes() + made.poses[0].xy.tobytes() + made.title.encode())
    image, pose = perform(4.0, 160, 120)
    said.update(image.tobytes() + pose.xy.tobytes())
    there = subprocess.run(
        [sys.executable, "-c", HASH.format(number=11)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert there.stdout.strip() == said.hexdigest()


def test_pictures_differ_and_hold_whoever_is_in_them():
    made = [draw_picture(number) for number in range(12)]
    assert len({one.image.tobytes() for one in made}) == len(made)
    for one in made:
        assert one.image.dtype == np.uint8
        assert min(one.image.shape[:2]) >= 300
        assert max(one.image.shape[:2]) <= 1280
        height, width = one.image.shape[:2]
        for pose in one.poses:
            inside = ((pose.xy >= 0) & (pose.xy <= (width - 1, height - 1))).all(1)
            assert not pose.scores[~inside].any()
            assert pose.scores.sum() >= 6


def test_three_rounds_of_pictures_show_every_named_pose_and_none_more_often_than_once_a_round():
    length = len(COMMON_MOVEMENTS) + -(-len(RARE_MOVEMENTS) // ROUNDS_FOR_ALL)
    shown = [choose_movement(number).title for number in range(ROUNDS_FOR_ALL * length)]
    assert set(shown) == set(TITLES)
    for start in range(0, len(shown), length):
        assert len(set(shown[start : start + length])) == length


def test_there_is_no_picture_of_a_negative_number():
    with pytest.raises(ValueError, match="-1"):
        draw_picture(-1)


# The performer


def test_the_performer_moves_smoothly():
    times = np.arange(0, CYCLE_SECONDS + 1, 1 / 30)
    points = np.array([skeleton_at(float(time)).keypoints() for time in times])
    jumps = np.linalg.norm(np.diff(points, axis=0), axis=2)
    assert jumps.max() < 0.28, f"at {times[int(jumps.max(1).argmax())]:.2f} s"  # metres in a thirtieth of a second
    assert np.quantile(jumps, 0.99) < 0.13


def test_the_performer_leaves_for_three_seconds_and_comes_back():
    there = np.array([perform(float(time), 160, 120)[1].scores.any() for time in np.arange(0, CYCLE_SECONDS, 0.5)])
    gone = np.flatnonzero(~there)
    assert 6 <= len(gone) <= 12
    assert gone[-1] - gone[0] == len(gone) - 1, "once in a cycle"
    assert there[-1]


def test_the_performer_is_whole_in_view_most_of_the_time():
    scores = np.array([perform(float(time), 160, 120)[1].scores for time in np.arange(0, CYCLE_SECONDS, 1.0)])
    whole = scores[:, 5:].all(1).mean()
    assert whole > 0.7


def test_the_performer_waves_with_the_left_hand_which_is_on_the_pictures_right():
    start = sum(cue.transition + cue.hold for cue in CUES[:1])
    _, pose = perform(start + CUES[1].transition + 0.5, 640, 480)
    assert CUES[1].title == "Waving hello"
    assert pose.xy[LEFT_WRIST, 1] < pose.xy[RIGHT_WRIST, 1] - 60
    assert pose.xy[LEFT_WRIST, 0] > pose.xy[NOSE, 0] > pose.xy[RIGHT_WRIST, 0]


@pytest.mark.parametrize(("width", "height"), [(640, 480), (360, 640), (64, 48), (1, 1), (353, 481)])
def test_the_performer_is_drawn_at_any_size(width, height):
    image, pose = perform(3.0, width, height)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert np.isfinite(pose.xy).all()


@pytest.mark.slow
def test_posenet_finds_the_performer(each_posenet):
    found, scores = [], []
    with Estimator(each_posenet) as estimator:
        for time in np.arange(0, CYCLE_SECONDS, 2.1):
            image, truth = perform(float(time), 640, 480)
            people = estimator.estimate(image)
            if truth.scores[5:].all():
                best = max(people, key=lambda one: oks(one, truth), default=None)
                found.append(oks(best, truth) if best else 0.0)
                scores.append(best.score if best else 0.0)
            elif not truth.scores.any():
                assert not [one for one in people if one.score > 0.4], f"somebody is seen in the empty room at {time} s"
    assert np.mean(found) >= 0.8
    assert np.mean(np.array(scores) > 0.5) >= 0.95


@pytest.mark.slow
def test_posenet_finds_the_people_of_the_starter_library(each_posenet):
    found = []
    with Estimator(each_posenet) as estimator:
        for number in range(60):
            made = draw_picture(number)
            people = estimator.estimate(made.image)
            found += [max((oks(one, truth) for one in people), default=0.0) for truth in made.poses]
    assert np.mean(found) >= 0.62


def test_builds_are_of_all_sorts():
    heights = [build.height for build in BUILDS.values()]
    assert max(heights) / min(heights) > 1.3
    assert all(isinstance(build, Build) for build in BUILDS.values())
