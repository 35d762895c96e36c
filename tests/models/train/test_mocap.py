"""Turning motion capture into skeletons: the pose gives the directions, the build the lengths, and left stays left."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from models.figures import REPERTOIRE
from models.figures.body import add_body
from models.figures.figure_builder import FigureBuilder
from models.figures.head import add_head
from models.figures.look import Look
from models.figures.movement import Movement
from models.figures.skeleton import PART_RADII, SIDES, Build, Skeleton, Vector, about_x, pose_skeleton
from models.figures.solids import Solids
from models.figures.stance import make_stance
from models.figures.wardrobe import BUILDS
from models.pose import MIRROR_ORDER, Floats
from models.train.mocap import LIMB_BONES, load_poses, skeleton_from_joints

TALL = Build(height=1.9, shoulders=0.2, hips=0.1, legs=1.08, arms=0.95, head=0.97)
ACROSS = {"hips": (12, 11), "shoulders": (6, 5)}
TITLES = [movement.title for movement in REPERTOIRE]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def as_mocap(skeleton: Skeleton) -> Floats:
    """Return a skeleton's key points as motion capture has them: hip-centred, in units of a leg's length."""
    points = skeleton.keypoints()
    leg = np.linalg.norm(points[13] - points[11]) + np.linalg.norm(points[15] - points[13])
    centred: Floats = ((points - (points[11] + points[12]) / 2) / leg).astype(np.float32)
    return centred


def angles(joints: Vector | Floats, others: Vector | Floats, pairs: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Return by how many degrees the directions between pairs of key points differ."""
    directions = [
        np.array([points[end] - points[start] for start, end in pairs.values()], float) for points in (joints, others)
    ]
    first, second = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in directions)
    return dict(zip(pairs, np.degrees(np.arccos(np.clip((first * second).sum(1), -1, 1))), strict=True))


def between(first: Vector, second: Vector) -> float:
    """Return the angle of the rotation from one frame to another, in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1, 1))))


def lengths(skeleton: Skeleton) -> dict[tuple[str, str], float]:
    pairs = [("pelvis", "waist"), ("waist", "chest"), ("chest", "neck")]
    for side in SIDES:
        arm = [f"{side}_{name}" for name in ("clavicle", "shoulder", "elbow", "wrist", "hand")]
        leg = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "heel")]
        pairs += [("chest", arm[0]), *pairwise(arm), ("pelvis", leg[0]), *pairwise(leg)]
        pairs += [(leg[2], f"{side}_ball"), (f"{side}_ball", f"{side}_toe")]
    return {pair: float(np.linalg.norm(skeleton.points[pair[0]] - skeleton.points[pair[1]])) for pair in pairs}


def assert_valid(skeleton: Skeleton) -> None:
    """Frames are rotations, limbs hang along them, lengths are the build's, and the lowest part is on the floor."""
    reference = pose_skeleton(make_stance(), skeleton.build)
    assert skeleton.points.keys() == reference.points.keys()
    assert skeleton.frames.keys() == reference.frames.keys()
    frames = np.array(list(skeleton.frames.values()))
    assert np.allclose(frames @ frames.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(frames), 1)
    assert lengths(skeleton) == pytest.approx(lengths(reference), abs=1e-9)
    for side in SIDES:
        for bone, start, end in (
            ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"), ("hand", "wrist", "hand"),
            ("thigh", "hip", "knee"), ("shank", "knee", "ankle"),
        ):  # fmt: skip
            direction = skeleton.points[f"{side}_{end}"] - skeleton.points[f"{side}_{start}"]
            assert np.allclose(direction / np.linalg.norm(direction), -skeleton.frames[f"{side}_{bone}"][:, 1])
        assert 0 <= skeleton.grips[side] <= 1
    bottoms = [
        point[1] - PART_RADII[part] * skeleton.build.scale
        for name, point in skeleton.points.items()
        if (part := name.removeprefix("left_").removeprefix("right_")) in PART_RADII
    ]
    assert min(bottoms) == pytest.approx(0, abs=1e-9)
    assert skeleton.points["pelvis"][[0, 2]] == pytest.approx(0)


@pytest.mark.slow
@pytest.mark.parametrize("movement", REPERTOIRE, ids=TITLES)
def test_reproduces_named_poses_on_another_build(movement: Movement) -> None:
    original = pose_skeleton(movement.stance)
    joints = as_mocap(original)
    skeleton = skeleton_from_joints(joints, TALL, rng())
    assert_valid(skeleton)
    assert max(angles(skeleton.keypoints(), joints, LIMB_BONES | ACROSS).values()) < 0.1
    spines = [(points[5] + points[6] - points[11] - points[12]) for points in (skeleton.keypoints(), joints)]
    cosine = spines[0] @ spines[1] / np.linalg.norm(spines[0]) / np.linalg.norm(spines[1])
    assert np.degrees(np.arccos(min(cosine, 1))) < 15
    for bone, limit in (("pelvis", 45), ("chest", 45)):
        assert between(skeleton.frames[bone], original.frames[bone]) < limit
    for side in SIDES:
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shank")):
            before, after = original.frames[f"{side}_{upper}"], original.frames[f"{side}_{lower}"]
            if between(before, after) > 32:  # bent so far that the pose alone decides the hinge
                assert between(skeleton.frames[f"{side}_{upper}"], before) < 1, (side, upper)
                assert between(skeleton.frames[f"{side}_{lower}"], after) < 1, (side, lower)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_every_build_takes_a_pose(build: Build) -> None:
    joints = as_mocap(
        pose_skeleton(make_stance(both_arm=120, both_elbow=60, left_knee=70, left_hip=60, left_planted=0))
    )
    skeleton = skeleton_from_joints(joints, build, rng(1))
    assert_valid(skeleton)
    assert max(angles(skeleton.keypoints(), joints, LIMB_BONES | ACROSS).values()) < 0.1


def test_a_mirrored_pose_gives_a_mirrored_skeleton() -> None:
    flip = np.array([-1.0, 1.0, 1.0])
    joints = as_mocap(
        pose_skeleton(make_stance(left_arm=80, left_elbow=50, right_hip=70, right_knee=80, right_planted=0))
    )
    skeleton = skeleton_from_joints(joints, TALL, rng())
    mirrored = skeleton_from_joints(joints[MIRROR_ORDER] * flip, TALL, rng())
    assert_valid(mirrored)
    limbs = slice(5, None)  # heads are held at random
    pelvis = np.array([skeleton.points["pelvis"], mirrored.points["pelvis"]])
    back = (mirrored.keypoints() - pelvis[1])[MIRROR_ORDER] * flip
    assert np.allclose((skeleton.keypoints() - pelvis[0])[limbs], back[limbs], atol=0.02)
    for each in (skeleton, mirrored):
        across = each.points["left_shoulder"] - each.points["right_shoulder"]
        assert across @ each.frames["chest"][:, 0] > 0.3


@pytest.mark.parametrize("turn", [0, 90, 180, 250])
def test_upright_people_look_ahead_on_level_feet(turn: int) -> None:
    joints = as_mocap(pose_skeleton(make_stance(turn=turn)))
    ahead = pose_skeleton(make_stance(turn=turn)).frames["pelvis"][:, 2]
    looks = []
    for seed in range(20):
        skeleton = skeleton_from_joints(joints, Build(), rng(seed))
        looks.append(skeleton.frames["head"][:, 2] @ ahead)
        for bone in ("pelvis", "waist", "chest"):
            assert skeleton.frames[bone][:, 2] @ ahead > 0.9
        for side in SIDES:
            assert skeleton.frames[f"{side}_upper_arm"][:, 2] @ ahead > 0.8
            assert skeleton.frames[f"{side}_thigh"][:, 2] @ ahead > 0.9
            foot = skeleton.frames[f"{side}_foot"]
            assert foot[1, 1] > 0.999
            assert foot[:, 2] @ ahead > 0.9
        outwards = skeleton.points["left_toe"] - skeleton.points["right_toe"] - skeleton.points["left_heel"]
        assert (outwards + skeleton.points["right_heel"]) @ skeleton.frames["pelvis"][:, 0] > 0
    assert np.mean(looks) > 0.75
    assert np.std(looks) > 0.02


def test_a_straight_arm_would_bend_forward() -> None:
    for arm, plane, front in ((3, 0, (0, 0, 1)), (90, 0, (0, 0, 1)), (90, 90, (0, 1, 0))):
        skeleton = skeleton_from_joints(
            as_mocap(pose_skeleton(make_stance(both_arm=arm, both_plane=plane, both_elbow=0))), Build(), rng()
        )
        for side in SIDES:
            assert skeleton.frames[f"{side}_upper_arm"][:, 2] @ front > 0.9, (arm, plane, side)


def test_a_raised_foot_hangs() -> None:
    raised = pose_skeleton(make_stance(left_hip=60, left_knee=80, left_planted=0))
    points = []
    for seed in range(20):
        skeleton = skeleton_from_joints(as_mocap(raised), Build(), rng(seed))
        turned = skeleton.frames["left_shank"].T @ skeleton.frames["left_foot"]
        points.append(np.degrees(np.arctan2(-turned[1, 2], turned[2, 2])))
        assert skeleton.points["right_heel"][1] == pytest.approx(0.035, abs=0.01)
    assert 15 < np.mean(points) < 35
    assert np.std(points) > 3


def test_a_seed_repeats_a_skeleton_that_can_be_dressed() -> None:
    joints = as_mocap(pose_skeleton(make_stance(both_arm=60)))
    first, again, other = (skeleton_from_joints(joints, Build(), rng(seed)) for seed in (3, 3, 4))
    assert all((first.points[name] == again.points[name]).all() for name in first.points)
    assert (first.points["left_hand"] != other.points["left_hand"]).any()
    builder = FigureBuilder(Solids(), first, Look(), 0, True)
    add_body(builder)
    add_head(builder)


def test_accepts_bones_without_length() -> None:
    skeleton = skeleton_from_joints(np.zeros((17, 3), np.float32), Build(), rng())
    assert all(np.isfinite(point).all() for point in skeleton.points.values())
    joints = as_mocap(pose_skeleton(make_stance()))
    joints[7] = joints[5] + (joints[7] - joints[5]) @ about_x(180).T  # straight up, folded upon itself
    joints[9] = joints[5]
    assert_valid(skeleton_from_joints(joints, Build(), rng()))


def test_reads_files_in_order(tmp_path: Path) -> None:
    joints = as_mocap(pose_skeleton(make_stance())).astype(np.float16)
    for name, count in (("one.npz", 2), ("two.npz", 3)):
        np.savez(tmp_path / name, X=np.stack([joints] * count), seq=np.zeros(count, np.int16))
    poses = load_poses([tmp_path / "one.npz", tmp_path / "two.npz"])
    assert poses.shape == (5, 17, 3)
    assert poses.dtype == np.float32
    assert load_poses([]).shape == (0, 17, 3)


def test_names_a_file_that_is_not_motion_capture(tmp_path: Path) -> None:
    np.savez(tmp_path / "flat.npz", X=np.zeros((4, 17, 2)))
    np.savez(tmp_path / "nan.npz", X=np.full((4, 17, 3), np.nan))
    np.savez(tmp_path / "other.npz", Y=np.zeros((4, 17, 3)))
    np.savez(tmp_path / "words.npz", X=np.array(["pose"]))
    np.save(tmp_path / "array.npy", np.zeros((4, 17, 3)))
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "half.npz").write_bytes((tmp_path / "nan.npz").read_bytes()[:300])
    for name, why in {
        "flat.npz": "4×17×2, not N×17×3", "nan.npz": "not finite", "other.npz": "as X", "words.npz": "as X",
        "array.npy": "as X", "empty.npz": "as X", "text.npz": "as X", "half.npz": "as X", "none.npz": "as X",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=why) as raised:
            load_poses([tmp_path / name])
        assert name in str(raised.value)


@pytest.mark.slow
def test_real_movement_keeps_its_directions(shared_data: Path) -> None:
    files = sorted((shared_data / "mocap").glob("*.npz"))
    if not files:
        pytest.skip("the motion capture next to the project (../shared/data/mocap) is missing")
    poses = load_poses(files)
    for number in rng().permutation(len(poses))[:150]:
        skeleton = skeleton_from_joints(poses[number], TALL, rng(int(number)))
        assert_valid(skeleton)
        assert max(angles(skeleton.keypoints(), poses[number], LIMB_BONES | ACROSS).values()) < 0.1
