"""Gain: what a photograph adds, and that the choice is the greedy one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.collect.gain import SampleVisitors, can_be_visitors, choose
from models.pose import Floats
from tests.support.sample_poses import sample_people

ROWS = arrays(np.float32, st.tuples(st.integers(1, 12), st.just(6)), elements=st.floats(0, 1, width=16))
"""Likenesses of up to twelve photographs to six sample visitors."""


def make_visitors(count: int, answers: int = 2, seed: int = 0) -> SampleVisitors:
    visitors = SampleVisitors(answers)
    visitors.add(sample_people(count, seed), np.full(count, -1), np.ones(count, np.float32))
    return visitors


def choose_slowly(visitors: SampleVisitors, likenesses: Floats, count: int) -> list[float]:
    """Return the gain of each choice when all gains are computed again before each."""
    gains: list[float] = []
    left = list(range(len(likenesses)))
    while left and len(gains) < count:
        best = max(left, key=lambda number: visitors.gain(likenesses[number]))
        gain = visitors.gain(likenesses[best])
        if gain <= 0:
            break
        gains.append(gain)
        visitors.answer(likenesses[best])
        left.remove(best)
    return gains


@given(likenesses=ROWS, count=st.integers(1, 12))
def test_chooses_the_greatest_gain_each_time(likenesses: Floats, count: int) -> None:
    visitors, others = make_visitors(6), make_visitors(6)
    chosen = choose(visitors, likenesses, count)
    gains = []
    again = make_visitors(6)
    for number in chosen:
        gains.append(again.gain(likenesses[number]))
        again.answer(likenesses[number])
    assert gains == pytest.approx(choose_slowly(others, likenesses, count), abs=1e-5)
    assert len(set(chosen)) == len(chosen)


@given(likenesses=ROWS)
def test_gains_fall_as_others_answer(likenesses: Floats) -> None:
    visitors = make_visitors(6)
    before = visitors.gain(likenesses[0])
    for row in likenesses[1:]:
        visitors.answer(row)
        now = visitors.gain(likenesses[0])
        assert now <= before + 1e-6
        before = now


@given(likenesses=ROWS)
def test_answers_are_the_best_of_all_photographs(likenesses: Floats) -> None:
    visitors = make_visitors(6, answers=3)
    for row in likenesses:
        visitors.answer(row)
    padded = np.vstack([likenesses, np.zeros((3, 6), np.float32)])
    assert visitors.best.tolist() == (-np.sort(-padded, axis=0)[:3].T).tolist()
    assert visitors.coverage == pytest.approx(likenesses.max(0).mean(), abs=1e-6)


def test_a_photograph_does_not_answer_the_person_in_it() -> None:
    person = sample_people(1, 3)
    visitors = SampleVisitors()
    visitors.add(person, np.array([7]), np.ones(1, np.float32))
    own, other = visitors.likenesses([7, 8], [person, person])
    assert own[0] == 0
    assert other[0] > 0.99


def test_a_mirror_image_answers_as_well() -> None:
    person = sample_people(1, 3)
    mirrored = person[:, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]] * np.array([-1, 1, 1], np.float32)
    visitors = SampleVisitors()
    visitors.add(person, np.array([-1]), np.ones(1, np.float32))
    assert visitors.likenesses([1], [mirrored])[0, 0] > 0.99


def test_the_best_of_several_people_counts() -> None:
    people = sample_people(5, 3)
    visitors = SampleVisitors()
    visitors.add(people[:3], np.full(3, -1), np.ones(3, np.float32))
    together = visitors.likenesses([1, 2], [people[1:3], people[3:]])
    assert together.shape == (2, 3)
    alone = visitors.likenesses([1, 2], [people[1:2], people[2:3]])
    assert together[0].tolist() == alone.max(0).tolist()


def test_the_same_photograph_again_gains_nothing_once_all_have_answers() -> None:
    people = sample_people(4, 1)
    visitors = make_visitors(4, answers=1, seed=1)
    row = visitors.likenesses([1], [people])[0]
    assert choose(visitors, np.stack([row, row]), 2) == [0]


def test_visitors_with_more_weight_are_answered_first() -> None:
    visitors = SampleVisitors(answers=1)
    visitors.add(sample_people(2, 0), np.full(2, -1), np.array([1, 5], np.float32))
    assert choose(visitors, np.array([[0.9, 0.1], [0.1, 0.9]], np.float32), 1) == [1]
    assert visitors.coverage == pytest.approx((0.1 + 5 * 0.9) / 6)


def test_nobody_is_answered_without_photographs() -> None:
    visitors = make_visitors(2)
    assert visitors.likenesses([], []).shape == (0, 2)
    assert SampleVisitors().likenesses([1], [sample_people(1, 0)]).shape == (1, 0)
    assert SampleVisitors().coverage == 0


def test_only_people_who_are_seen_well_can_be_visitors() -> None:
    people = sample_people(2, 0)
    people[1, 11:, 2] = 0
    assert can_be_visitors(people).tolist() == [True, False]
