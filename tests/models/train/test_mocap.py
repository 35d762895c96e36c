"""Motion capture to skeletons: directions are the pose's, lengths the build's, and left stays left."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.figures import REPERTOIRE
from models.figures.body import FigureBuilder, add_body
from models.figures.head import add_head
from models.figures.look import Look
from models.figures.skeleton import PART_RADII, SIDES, Build, Skeleton, about_x, pose_skeleton
from models.figures.solids import Solids
from models.figures.stance import make_stance
from models.figures.wardrobe import BUILDS
from models.pose import MIRROR_ORDER
from models.train.mocap import LIMB_BONES, load_poses, skeleton_from_joints

TALL = Build(height=1.9, shoulders=0.2, hips=0.1, legs=1.08, arms=0.95, head=0.97)
ACROSS = {"hips": (12, 11), "shoulders": (6, 5)}
TITLES = [movement.title for movement in REPERTOIRE]


def rng(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def as_mocap(made: Skeleton):
    """A skeleton's key points as motion capture gives them: hip-centred, the unit a leg's length."""
    at = made.keypoints()
    leg = np.linalg.norm(at[13] - at[11]) + np.linalg.norm(at[15] - at[13])
    return ((at - (at[11] + at[12]) / 2) / leg).astype(np.float32)


def angles(joints, others, pairs):
    """By how many degrees the directions of pairs of key points differ."""
    ways = [np.array([at[end] - at[start] for start, end in pairs.values()], float) for at in (joints, others)]
    one, other = (way / np.linalg.norm(way, axis=1)[:, None] for way in ways)
    return dict(zip(pairs, np.degrees(np.arccos(np.clip((one * other).sum(1), -1, 1))), strict=True))


def between(one, other):
    """The angle of the turn from one frame to another, in degrees."""
    return float(np.degrees(np.arccos(np.clip((np.trace(one.T @ other) - 1) / 2, -1, 1))))


def lengths(made: Skeleton):
    pairs = [("pelvis", "waist"), ("waist", "chest"), ("chest", "neck")]
    for side in SIDES:
        arm = [f"{side}_{name}" for name in ("clavicle", "shoulder", "elbow", "wrist", "hand")]
        leg = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "heel")]
        pairs += [("chest", arm[0]), *pairwise(arm), ("pelvis", leg[0]), *pairwise(leg)]
        pairs += [(leg[2], f"{side}_ball"), (f"{side}_ball", f"{side}_toe")]
    return {pair: np.linalg.norm(made.points[pair[0]] - made.points[pair[1]]) for pair in pairs}


def all_right(made: Skeleton):
    """What holds of every skeleton: frames are turns, limbs hang along them, and the lowest part is on the floor."""
    reference = pose_skeleton(make_stance(), made.build)
    assert made.points.keys() == reference.points.keys()
    assert made.frames.keys() == reference.frames.keys()
    frames = np.array(list(made.frames.values()))
    assert np.allclose(frames @ frames.transpose(0, 2, 1), np.eye(3), atol=1e-9)
    assert np.allclose(np.linalg.det(frames), 1)
    assert lengths(made) == pytest.approx(lengths(reference), abs=1e-9)
    for side in SIDES:
        for bone, start, end in (
            ("upper_arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"), ("hand", "wrist", "hand"),
            ("thigh", "hip", "knee"), ("shank", "knee", "ankle"),
        ):  # fmt: skip
            way = made.points[f"{side}_{end}"] - made.points[f"{side}_{start}"]
            assert np.allclose(way / np.linalg.norm(way), -made.frames[f"{side}_{bone}"][:, 1])
        assert 0 <= made.grips[side] <= 1
    bottoms = [
        point[1] - PART_RADII[part] * made.build.scale
        for name, point in made.points.items()
        if (part := name.removeprefix("left_").removeprefix("right_")) in PART_RADII
    ]
    assert min(bottoms) == pytest.approx(0, abs=1e-9)
    assert made.points["pelvis"][[0, 2]] == pytest.approx(0)


@pytest.mark.parametrize("movement", REPERTOIRE, ids=TITLES)
def test_a_named_pose_comes_back_on_another_build_its_elbows_and_knees_about_their_own_hinges(movement):
    original = pose_skeleton(movement.stance)
    joints = as_mocap(original)
    made = skeleton_from_joints(joints, TALL, rng())
    all_right(made)
    assert max(angles(made.keypoints(), joints, LIMB_BONES | ACROSS).values()) < 0.1
    spines = [(at[5] + at[6] - at[11] - at[12]) for at in (made.keypoints(), joints)]
    cosine = spines[0] @ spines[1] / np.linalg.norm(spines[0]) / np.linalg.norm(spines[1])
    assert np.degrees(np.arccos(min(cosine, 1))) < 15
    for bone, most in (("pelvis", 45), ("chest", 45)):
        assert between(made.frames[bone], original.frames[bone]) < most
    for side in SIDES:
        for upper, lower in (("upper_arm", "forearm"), ("thigh", "shank")):
            before, after = original.frames[f"{side}_{upper}"], original.frames[f"{side}_{lower}"]
            if between(before, after) > 32:  # bent so far that the pose alone tells the hinge
                assert between(made.frames[f"{side}_{upper}"], before) < 1, (side, upper)
                assert between(made.frames[f"{side}_{lower}"], after) < 1, (side, lower)


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_every_build_takes_a_pose(build):
    joints = as_mocap(
        pose_skeleton(make_stance(both_arm=120, both_elbow=60, left_knee=70, left_hip=60, left_planted=0))
    )
    made = skeleton_from_joints(joints, build, rng(1))
    all_right(made)
    assert max(angles(made.keypoints(), joints, LIMB_BONES | ACROSS).values()) < 0.1


def test_a_pose_in_a_mirror_is_the_mirrored_skeleton():
    away = np.array([-1.0, 1.0, 1.0])
    joints = as_mocap(
        pose_skeleton(make_stance(left_arm=80, left_elbow=50, right_hip=70, right_knee=80, right_planted=0))
    )
    made = skeleton_from_joints(joints, TALL, rng())
    other = skeleton_from_joints(joints[MIRROR_ORDER] * away, TALL, rng())
    all_right(other)
    limbs = slice(5, None)  # heads are held by chance
    pelvis = np.array([made.points["pelvis"], other.points["pelvis"]])
    back = (other.keypoints() - pelvis[1])[MIRROR_ORDER] * away
    assert np.allclose((made.keypoints() - pelvis[0])[limbs], back[limbs], atol=0.02)
    for one in (made, other):
        across = one.points["left_shoulder"] - one.points["right_shoulder"]
        assert across @ one.frames["chest"][:, 0] > 0.3


@pytest.mark.parametrize("turn", [0, 90, 180, 250])
def test_whoever_stands_upright_looks_ahead_on_level_soles_whichever_way_they_face(turn):
    made_of = as_mocap(pose_skeleton(make_stance(turn=turn)))
    ahead = pose_skeleton(make_stance(turn=turn)).frames["pelvis"][:, 2]
    looks = []
    for seed in range(20):
        made = skeleton_from_joints(made_of, Build(), rng(seed))
        looks.append(made.frames["head"][:, 2] @ ahead)
        for bone in ("pelvis", "waist", "chest"):
            assert made.frames[bone][:, 2] @ ahead > 0.9
        for side in SIDES:
            assert made.frames[f"{side}_upper_arm"][:, 2] @ ahead > 0.8
            assert made.frames[f"{side}_thigh"][:, 2] @ ahead > 0.9
            foot = made.frames[f"{side}_foot"]
            assert foot[1, 1] > 0.999
            assert foot[:, 2] @ ahead > 0.9
        outwards = made.points["left_toe"] - made.points["right_toe"] - made.points["left_heel"]
        assert (outwards + made.points["right_heel"]) @ made.frames["pelvis"][:, 0] > 0
    assert np.mean(looks) > 0.75
    assert np.std(looks) > 0.02


def test_a_straight_arm_would_bend_to_the_front():
    for arm, plane, front in ((3, 0, (0, 0, 1)), (90, 0, (0, 0, 1)), (90, 90, (0, 1, 0))):
        made = skeleton_from_joints(
            as_mocap(pose_skeleton(make_stance(both_arm=arm, both_plane=plane, both_elbow=0))), Build(), rng()
        )
        for side in SIDES:
            assert made.frames[f"{side}_upper_arm"][:, 2] @ front > 0.9, (arm, plane, side)


def test_a_foot_off_the_floor_hangs():
    raised = pose_skeleton(make_stance(left_hip=60, left_knee=80, left_planted=0))
    points = []
    for seed in range(20):
        made = skeleton_from_joints(as_mocap(raised), Build(), rng(seed))
        turned = made.frames["left_shank"].T @ made.frames["left_foot"]
        points.append(np.degrees(np.arctan2(-turned[1, 2], turned[2, 2])))
        assert made.points["right_heel"][1] == pytest.approx(0.035, abs=0.01)
    assert 15 < np.mean(points) < 35
    assert np.std(points) > 3


def test_it_is_the_same_by_the_same_chance_and_can_be_dressed():
    joints = as_mocap(pose_skeleton(make_stance(both_arm=60)))
    one, again, other = (skeleton_from_joints(joints, Build(), rng(seed)) for seed in (3, 3, 4))
    assert all((one.points[name] == again.points[name]).all() for name in one.points)
    assert (one.points["left_hand"] != other.points["left_hand"]).any()
    tailor = FigureBuilder(Solids(), one, Look(), 0, True)
    add_body(tailor)
    add_head(tailor)


def test_directions_without_a_length_still_give_turns():
    made = skeleton_from_joints(np.zeros((17, 3), np.float32), Build(), rng())
    assert all(np.isfinite(point).all() for point in made.points.values())
    joints = as_mocap(pose_skeleton(make_stance()))
    joints[7] = joints[5] + (joints[7] - joints[5]) @ about_x(180).T  # straight up, folded upon itself
    joints[9] = joints[5]
    all_right(skeleton_from_joints(joints, Build(), rng()))


def test_files_are_read_one_after_the_other(tmp_path):
    joints = as_mocap(pose_skeleton(make_stance())).astype(np.float16)
    for name, count in (("one.npz", 2), ("two.npz", 3)):
        np.savez(tmp_path / name, X=np.stack([joints] * count), seq=np.zeros(count, np.int16))
    poses = load_poses([tmp_path / "one.npz", tmp_path / "two.npz"])
    assert poses.shape == (5, 17, 3)
    assert poses.dtype == np.float32
    assert load_poses([]).shape == (0, 17, 3)


def test_a_file_that_is_no_motion_capture_is_named(tmp_path):
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


def test_real_movement_keeps_its_directions(shared_data):
    files = sorted((shared_data / "mocap").glob("*.npz"))
    if not files:
        pytest.skip("the motion capture beside the project (../shared/data/mocap) is not here")
    poses = load_poses(files)
    for number in rng().permutation(len(poses))[:150]:
        made = skeleton_from_joints(poses[number], TALL, rng(int(number)))
        all_right(made)
        assert max(angles(made.keypoints(), poses[number], LIMB_BONES | ACROSS).values()) < 0.1
