"""Which poses a library covers."""

from __future__ import annotations

import numpy as np
import pytest

from index.agreement import agreement
from index.build.coverage import (
    BODY,
    KIND_HEADINGS,
    LEVEL_THRESHOLDS,
    MIN_AGREEMENT,
    Coverage,
    PoseCoverage,
    measure_coverage,
    render_coverage,
)
from index.build.reference import reference_poses
from models.figures.movement import Kind
from models.pose import MIRROR_ORDER
from tests.support.sample_poses import sample_people

WEIGHTS = np.zeros(17, np.float32)
WEIGHTS[BODY] = 1


@pytest.fixture(scope="module")
def library():
    """Made-up people, and some in each tenth reference pose, some of whose points are hidden."""
    made = sample_people(300, seed=3)
    posed = np.array([np.column_stack([one.keypoints, np.ones(17)]) for one in reference_poses()[::10]], np.float32)
    posed = np.repeat(posed, 3, 0)
    posed[:, :, :2] += np.random.default_rng(1).normal(0, 8, posed[:, :, :2].shape)
    posed[1::3, [0, 9]] = 0
    return np.concatenate([made, posed])


def counts(keypoints) -> list[int]:
    return [one.people for one in measure_coverage(keypoints).poses]


def test_every_pose_counts_whoever_agrees_with_it_or_its_mirror_image(library):
    covered = measure_coverage(library)
    swapped = library[:, MIRROR_ORDER] * np.array([-1, 1, 1], np.float32)
    for one in covered.poses[::7]:
        found = np.maximum(
            *(
                agreement(one.reference.keypoints, WEIGHTS, each[:, :, :2], each[:, :, 2] > 0)
                for each in (library, swapped)
            )
        )
        assert one.people == (found >= MIN_AGREEMENT).sum()
        assert one.best_agreement == pytest.approx(found.max(), abs=1e-3) or found.max() < MIN_AGREEMENT


def test_each_reference_pose_is_covered_by_itself():
    alone = np.array([np.column_stack([one.keypoints, np.ones(17)]) for one in reference_poses()], np.float32)
    assert all(one.people >= 1 and one.best_agreement > 0.999 for one in measure_coverage(alone).poses)


def test_a_library_and_its_mirror_image_are_covered_alike(library):
    swapped = library[:, MIRROR_ORDER] * np.array([-1, 1, 1], np.float32) + np.array([640, 0, 0], np.float32)
    assert counts(swapped) == counts(library)


def test_coverage_is_blind_to_place_and_size(library):
    assert counts(library * np.array([3, 3, 1], np.float32) + np.array([90, -40, 0], np.float32)) == counts(library)


def test_coverage_in_parts_is_the_whole_s(library, monkeypatch):
    whole = measure_coverage(library)
    monkeypatch.setattr("index.build.coverage.BATCH_SIZE", 170)
    parts = measure_coverage(library)
    assert [one.people for one in parts.poses] == [one.people for one in whole.poses]
    assert (parts.full_body, parts.upper_body) == (whole.full_body, whole.upper_body)


def test_of_very_many_people_some_count_for_all(library, monkeypatch):
    everybody = measure_coverage(np.repeat(library, 3, 0))
    monkeypatch.setattr("index.build.coverage.MAX_SAMPLE", len(library))
    sampled = measure_coverage(np.repeat(library, 3, 0))
    assert [one.people for one in sampled.poses] == [one.people for one in everybody.poses]
    assert (sampled.people, sampled.full_body, sampled.upper_body) == (
        everybody.people,
        everybody.full_body,
        everybody.upper_body,
    )


def test_people_are_told_by_how_much_of_them_is_seen():
    shown = np.repeat(sample_people(1), 4, 0)
    shown[1, 13:] = 0
    shown[2, 15:] = 0
    shown[3] = 0
    covered = measure_coverage(shown)
    assert (covered.people, covered.full_body, covered.upper_body) == (4, 1, 1)


@pytest.mark.parametrize("keypoints", [np.zeros((0, 17, 3)), np.zeros((3, 17, 3)), np.ones((2, 17, 3))])
def test_nobody_who_shows_a_pose_covers_none(keypoints):
    covered = measure_coverage(keypoints.astype(np.float32))
    assert not any(one.people for one in covered.poses)
    assert "there is nobody yet" in render_coverage(covered)


def test_every_kind_of_movement_has_a_heading():
    assert {one.kind for one in reference_poses()} == set(KIND_HEADINGS) == set(Kind.__args__)


def test_levels_go_from_nobody_to_the_richest():
    one = reference_poses()[0]
    assert [
        PoseCoverage(one, count, 0).level
        for count in (0, LEVEL_THRESHOLDS[0], LEVEL_THRESHOLDS[1] - 1, LEVEL_THRESHOLDS[-1], 10**6)
    ] == [
        0,
        1,
        1,
        5,
        5,
    ]


def test_a_drawing_names_each_pose_escaped_and_lies_within_its_tile():
    pose = reference_poses()[0]
    odd = type(pose)("<b>&", pose.kind, pose.keypoints, pose.joints)
    drawn = render_coverage(Coverage(1, 1, 0, (PoseCoverage(odd, 1, 0.9),)))
    assert "&lt;b&gt;&amp;" in drawn
    assert "<b>" not in drawn
    for one in reference_poses():
        places = np.array(
            [
                float(number)
                for number in " ".join(paths(render_coverage(Coverage(0, 0, 0, (PoseCoverage(one, 0, 0),))))).split()
            ]
        )
        assert 0 <= places.min() <= places.max() <= 100, one.title


def paths(drawn: str) -> list[str]:
    return [part.partition('"')[0].translate(str.maketrans("MLZ", "   ")) for part in drawn.split(' d="')[1:]]
