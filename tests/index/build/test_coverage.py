"""Coverage: which poses a library has, and their drawings."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import numpy.typing as npt
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
from index.build.reference import ReferencePose, reference_poses
from models.figures.movement import Kind
from models.pose import MIRROR_ORDER, Floats
from tests.support.sample_poses import sample_people

WEIGHTS = np.zeros(17, np.float32)
WEIGHTS[BODY] = 1

MIRROR = np.array([-1, 1, 1], np.float32)


def people_in(poses: tuple[ReferencePose, ...]) -> Floats:
    return np.array([np.column_stack([pose.keypoints, np.ones(17)]) for pose in poses], np.float32)


@pytest.fixture(scope="module")
def library() -> Floats:
    """Random people, and three in every tenth reference pose, some with hidden key points."""
    posed = np.repeat(people_in(reference_poses()[::10]), 3, 0)
    posed[:, :, :2] += np.random.default_rng(1).normal(0, 8, posed[:, :, :2].shape)
    posed[1::3, [0, 9]] = 0
    return np.concatenate([sample_people(300, seed=3), posed])


def counts(keypoints: Floats) -> list[int]:
    return [pose.people for pose in measure_coverage(keypoints).poses]


def test_counts_people_who_match_straight_or_mirrored(library: Floats) -> None:
    mirrored = library[:, MIRROR_ORDER] * MIRROR
    for pose in measure_coverage(library).poses[::7]:
        query = pose.reference.keypoints
        agreements = np.maximum(
            *(agreement(query, WEIGHTS, people[:, :, :2], people[:, :, 2] > 0) for people in (library, mirrored))
        )
        assert pose.people == (agreements >= MIN_AGREEMENT).sum()
        best = agreements.max()
        assert pose.best_agreement == pytest.approx(best, abs=1e-3) or best < MIN_AGREEMENT


def test_each_reference_pose_covers_itself() -> None:
    poses = measure_coverage(people_in(reference_poses())).poses
    assert all(pose.people >= 1 and pose.best_agreement > 0.999 for pose in poses)


def test_a_mirrored_library_has_the_same_coverage(library: Floats) -> None:
    mirrored = library[:, MIRROR_ORDER] * MIRROR + np.array([640, 0, 0], np.float32)
    assert counts(mirrored) == counts(library)


def test_place_and_size_do_not_change_coverage(library: Floats) -> None:
    assert counts(library * np.array([3, 3, 1], np.float32) + np.array([90, -40, 0], np.float32)) == counts(library)


def test_batches_do_not_change_coverage(library: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = measure_coverage(library)
    monkeypatch.setattr("index.build.coverage.BATCH_SIZE", 170)
    in_batches = measure_coverage(library)
    assert [pose.people for pose in in_batches.poses] == [pose.people for pose in at_once.poses]
    assert (in_batches.full_body, in_batches.upper_body) == (at_once.full_body, at_once.upper_body)


def test_samples_a_very_large_library(library: Floats, monkeypatch: pytest.MonkeyPatch) -> None:
    tripled = np.repeat(library, 3, 0)
    exact = measure_coverage(tripled)
    monkeypatch.setattr("index.build.coverage.MAX_SAMPLE", len(library))
    sampled = measure_coverage(tripled)
    assert [pose.people for pose in sampled.poses] == [pose.people for pose in exact.poses]
    assert (sampled.people, sampled.full_body, sampled.upper_body) == (exact.people, exact.full_body, exact.upper_body)


def test_counts_full_and_upper_bodies() -> None:
    people = np.repeat(sample_people(1), 4, 0)
    people[1, 13:] = 0
    people[2, 15:] = 0
    people[3] = 0
    coverage = measure_coverage(people)
    assert (coverage.people, coverage.full_body, coverage.upper_body) == (4, 1, 1)


@pytest.mark.parametrize("keypoints", [np.zeros((0, 17, 3)), np.zeros((3, 17, 3)), np.ones((2, 17, 3))])
def test_people_without_a_pose_cover_nothing(keypoints: npt.NDArray[np.float64]) -> None:
    coverage = measure_coverage(keypoints.astype(np.float32))
    assert not any(pose.people for pose in coverage.poses)
    assert "Nobody matches" in render_coverage(coverage)


def test_every_kind_of_movement_has_a_heading() -> None:
    assert {pose.kind for pose in reference_poses()} == set(KIND_HEADINGS) == set(get_args(Kind))


@pytest.mark.parametrize(
    ("people", "level"),
    [(0, 0), (LEVEL_THRESHOLDS[0], 1), (LEVEL_THRESHOLDS[1] - 1, 1), (LEVEL_THRESHOLDS[-1], 5), (10**6, 5)],
)
def test_levels_rise_from_nobody_to_the_richest(people: int, level: int) -> None:
    assert PoseCoverage(reference_poses()[0], people, 0).level == level


def test_escapes_titles_in_drawings() -> None:
    pose = replace(reference_poses()[0], title="<b>&")
    html = render_coverage(Coverage(1, 1, 0, (PoseCoverage(pose, 1, 0.9),)))
    assert "&lt;b&gt;&amp;" in html
    assert "<b>" not in html


def test_drawings_fit_into_their_tiles() -> None:
    for pose in reference_poses():
        html = render_coverage(Coverage(0, 0, 0, (PoseCoverage(pose, 0, 0),)))
        coordinates = np.array([float(number) for number in " ".join(paths(html)).split()])
        assert 0 <= coordinates.min() <= coordinates.max() <= 100, pose.title


def paths(html: str) -> list[str]:
    """The coordinates in the SVG paths of a page."""
    return [part.partition('"')[0].translate(str.maketrans("MLZ", "   ")) for part in html.split(' d="')[1:]]
