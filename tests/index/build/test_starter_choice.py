"""The starter library's pictures are chosen so that each next one helps most."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import starter_choice
from benchmarks.starter_choice import Candidates, choose, describe_recipe, likeness_row, make_candidates, query_weights
from models.figures.starter_pictures import REPERTOIRE
from models.pose import Floats

NO_TABLE = np.zeros((0, 41), np.float32)


@pytest.fixture(autouse=True)
def two_named_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter_choice, "REPERTOIRE", REPERTOIRE[:2])


def candidates(count: int, *, seated: tuple[int, ...] = ()) -> Candidates:
    """Return candidates of which the last two show the named poses."""
    titles = ["another"] * (count - 2) + [movement.title for movement in REPERTOIRE[:2]]
    sits = np.isin(np.arange(count), seated)
    return Candidates(NO_TABLE, titles, sits, np.zeros(count, bool))


def matrix(*rows: tuple[int, ...]) -> starter_choice.Bytes:
    return np.array([*rows, (0,) * len(rows[0]), (0,) * len(rows[0])], np.uint8)


def ones(count: int) -> Floats:
    return np.ones(count, np.float32)


def test_takes_what_helps_most_first() -> None:
    assert choose(matrix((9, 9, 0), (10, 0, 0), (0, 0, 12)), ones(3), candidates(5), 4)[:2] == [0, 2]


def test_what_is_answered_already_helps_little() -> None:
    assert choose(matrix((9, 9, 0), (9, 8, 0), (0, 0, 2)), ones(3), candidates(5), 4)[:2] == [0, 2]


def test_seated_people_come_later() -> None:
    assert choose(matrix((9, 0), (0, 8)), ones(2), candidates(4, seated=(0,)), 4)[:2] == [1, 0]


def test_named_poses_are_never_missing() -> None:
    assert choose(matrix((9, 0), (0, 8)), ones(2), candidates(4), 2) == [2, 3]


def test_a_recipe_answers_its_own_pose_best() -> None:
    recipes = [describe_recipe(number) for number in range(6)]
    rows = [likeness_row(keypoints, make_candidates(recipes)) for keypoints, *_ in recipes]
    assert [int(row.argmax()) for row in rows] == list(range(6))


def test_seated_people_count_less() -> None:
    seated = np.zeros((1, 17, 3), np.float32)
    seated[0, [11, 12, 13, 14]] = (0, 0, 1), (10, 0, 1), (50, 5, 1), (60, 5, 1)
    standing = seated.copy()
    standing[0, [13, 14], :2] = (0, 50), (10, 50)
    assert query_weights(np.concatenate([seated, standing])).tolist() == [0.5, 1.0]
