"""Selections: waves, sample visitors, and that chosen photographs answer better than as many by chance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from index.collect import selection as selection_module
from index.collect.gain import SampleVisitors, can_be_visitors
from index.collect.selection import Seen, Selection
from models.pose import Floats
from tests.support.sample_poses import sample_people


@pytest.fixture(autouse=True)
def few_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection_module, "MAX_VISITORS", 300)
    monkeypatch.setattr(selection_module, "MAX_JUDGES", 60)


def make_wave(count: int, first: int = 0) -> list[Seen]:
    people = sample_people(count, first)
    return [Seen(first + number, people[number : number + 1]) for number in range(count)]


def answered(photos: Sequence[Seen], visitors: Floats) -> float:
    """Return the likeness of the visitors' best answers, on average."""
    asked = SampleVisitors(answers=1)
    asked.add(visitors, np.full(len(visitors), -1), np.ones(len(visitors), np.float32))
    for row in asked.likenesses([seen.number for seen in photos], [seen.people for seen in photos]):
        asked.answer(row)
    return asked.coverage


def test_keeps_as_many_as_wanted_and_each_once() -> None:
    selection = Selection()
    first, second = selection.look(make_wave(30), 10), selection.look(make_wave(30, 100), 5)
    assert (len(first), len(second)) == (10, 5)
    assert len({seen.number for seen in selection.kept}) == 15
    assert [seen.number for seen in selection.kept] == first + second


def test_coverage_grows_with_each_wave() -> None:
    selection, last = Selection(), 0.0
    for first in (0, 100, 200, 300):
        selection.look(make_wave(60, first), 20)
        assert selection.coverage >= last or first <= 100, "new judges may lower it at first"
        last = selection.coverage
    assert 0.5 < last <= 1


def test_an_empty_wave_changes_nothing() -> None:
    selection = Selection()
    assert selection.look([], 5) == []
    assert selection.coverage == 0


def test_goes_on_as_before_after_a_stop() -> None:
    selection = Selection()
    selection.look(make_wave(60), 20)
    restored = Selection.restore(selection.save(), selection.kept)
    assert restored.coverage == selection.coverage
    assert restored.look(make_wave(60, 100), 20) == selection.look(make_wave(60, 100), 20)
    assert restored.coverage == selection.coverage


@pytest.mark.parametrize("gone", [[0], [3, 7, 11], list(range(20))])
def test_forgotten_photographs_answer_nobody(gone: list[int]) -> None:
    selection = Selection()
    for first in (0, 100):
        selection.look(make_wave(60, first), 10)
    kept = list(selection.kept)
    selection.forget([kept[row] for row in gone])
    left = [seen for row, seen in enumerate(kept) if row not in gone]
    assert selection.kept == left
    for visitors in (selection._visitors, selection._judges):
        asked = visitors.part(np.arange(len(visitors)))
        for likenesses in asked.likenesses([seen.number for seen in left], [seen.people for seen in left]):
            asked.answer(likenesses)
        assert np.allclose(visitors.best, asked.best, atol=1e-5)


def test_visitors_of_all_waves_are_answered_by_photographs_of_all_waves() -> None:
    selection = Selection()
    wave = make_wave(20)
    selection.look(wave, 20)
    again = [Seen(1000 + seen.number, seen.people) for seen in wave]  # the same people in other photographs
    selection.look(again, 20)
    assert selection.coverage > 0.99


@pytest.mark.slow
def test_chosen_photographs_answer_as_well_as_twice_as_many_by_chance(shared_data: Path) -> None:
    with np.load(shared_data / "poses" / "coco2017_people.npz") as file:
        people, numbers = file["keypoints"].astype(np.float32), file["image_id"]
    people[:, :, 2] = people[:, :, 2] > 0
    order = np.random.default_rng(2).permutation(np.unique(numbers))
    visitors = people[np.isin(numbers, order[:2000]) & can_be_visitors(people)][:300]
    photos = [Seen(int(n), people[numbers == n]) for n in order[2000:2600]]
    shown = [photo for photo in photos if (photo.people[:, :, 2] > 0).sum(1).max() >= 4]
    selection = Selection()
    for start in range(0, len(shown), 200):
        wave = shown[start : start + 200]
        selection.look(wave, len(wave) // 4)
    count = len(selection.kept)
    assert answered(selection.kept, visitors) > answered(shown[: 2 * count], visitors)
