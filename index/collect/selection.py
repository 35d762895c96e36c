"""Select photographs wave by wave: keep those of each wave that add most to what is already kept."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from index.build.reference import reference_poses
from index.collect.gain import ANSWERS, SampleVisitors, can_be_visitors, choose
from models.pose import Floats

MAX_VISITORS: Final = 8_000
"""Sample visitors by whom photographs are selected. Comparing a photograph with all takes a few milliseconds."""

MAX_JUDGES: Final = 2_000
"""Sample visitors by whom coverage is measured. They take no part in selecting, so coverage does not flatter it."""

JUDGE_EVERY: Final = 5
"""Every how many well-seen people one is a judge."""

REFERENCE_SHARE: Final = 0.25
"""How much the reference poses count among the sample visitors. Visitors strike poses that few photographs show."""

SAVED_ARRAYS: Final = ("people", "photos", "weights", "best")
"""The arrays of sample visitors that are saved."""

ROUNDING: Final = 1e-5
"""How much the likeness of the same people may differ when it is computed among others."""

BATCH_SIZE: Final = 1_000
"""Photographs compared at a time: their likenesses to all sample visitors need 32 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A photograph of a wave: its number, and the people it shows (N×17×3, scores ≤ 0 where unseen)."""

    number: int
    people: Floats


class Selection:
    """Which photographs have been kept, and what the next ones would add.

    The first people who are seen well become the sample visitors, next to the reference poses.
    """

    def __init__(self) -> None:
        """Start with nothing kept."""
        self.kept: list[Seen] = []
        self._visitors, self._judges = SampleVisitors(), SampleVisitors(answers=1)
        self._well_seen = 0
        references = _reference_people()
        weight = REFERENCE_SHARE / (1 - REFERENCE_SHARE) * MAX_VISITORS / len(references)
        self._visitors.add(references, np.full(len(references), -1), np.full(len(references), weight, np.float32))

    @property
    def coverage(self) -> float:
        """How alike the best answers of the judges look on average, 0 to 1."""
        return self._judges.coverage

    @property
    def judges(self) -> int:
        """How many people measure the coverage."""
        return len(self._judges)

    def curve(self, counts: Sequence[int]) -> list[float]:
        """Return the coverage that the first so many kept photographs gave, for rising counts, by today's judges."""
        judges = SampleVisitors(answers=1)
        judges.add(self._judges.people, self._judges.photos, self._judges.weights)
        photos, result = sorted(self.kept, key=lambda seen: seen.number), []
        for start, end in itertools.pairwise([0, *counts]):
            _answer(judges, photos[start:end])
            result.append(judges.coverage)
        return result

    def look(self, wave: Sequence[Seen], count: int) -> list[int]:
        """Keep the `count` photographs of a wave that gain most, and return their numbers, the best first.

        Each of them shows somebody.
        """
        if not wave:
            return []
        self._recruit(wave)
        kept = [wave[row] for row in choose(self._visitors, _likenesses(self._visitors, wave), count)]
        _answer(self._judges, kept)
        self.kept += kept
        return [seen.number for seen in kept]

    def forget(self, gone: Sequence[Seen]) -> None:
        """Let photographs that are no longer kept answer nobody."""
        numbers = {seen.number for seen in gone}
        self.kept = [seen for seen in self.kept if seen.number not in numbers]
        for visitors in (self._visitors, self._judges):
            rows = _answered_by(visitors, gone)
            part = visitors.part(rows)
            _answer(part, self.kept)
            visitors.best[rows] = part.best

    def save(self) -> bytes:
        """Return the sample visitors and their answers, for `restore`."""
        file = io.BytesIO()
        arrays = {
            f"{group}_{name}": getattr(visitors, name)
            for group, visitors in (("visitors", self._visitors), ("judges", self._judges))
            for name in SAVED_ARRAYS
        }
        np.savez(file, well_seen=self._well_seen, **arrays)
        return file.getvalue()

    @classmethod
    def restore(cls, saved: bytes, kept: Sequence[Seen]) -> Self:
        """Return a selection as it was when it was saved, with these photographs kept."""
        selection = cls()
        with np.load(io.BytesIO(saved)) as file:
            arrays = {name: file[name] for name in file.files}
        selection._well_seen = int(arrays["well_seen"])
        selection._visitors = _restore_visitors(arrays, "visitors", ANSWERS)
        selection._judges = _restore_visitors(arrays, "judges", 1)
        selection.kept = list(kept)
        return selection

    def _recruit(self, wave: Sequence[Seen]) -> None:
        """Make sample visitors of the people of a wave, whom the photographs that are kept then answer."""
        people = np.concatenate([seen.people for seen in wave])
        photos = np.repeat([seen.number for seen in wave], [len(seen.people) for seen in wave])
        well_seen = np.flatnonzero(can_be_visitors(people))
        is_judge = (self._well_seen + np.arange(len(well_seen))) % JUDGE_EVERY == 0
        self._well_seen += len(well_seen)
        for visitors, limit, candidates in (
            (self._visitors, MAX_VISITORS, well_seen[~is_judge]),
            (self._judges, MAX_JUDGES, well_seen[is_judge]),
        ):
            start = len(visitors)
            recruits = candidates[: max(0, limit - start)]
            visitors.add(people[recruits], photos[recruits], np.ones(len(recruits), np.float32))
            _answer(visitors, self.kept, start)


def _answer(visitors: SampleVisitors, photos: Sequence[Seen], start: int = 0) -> None:
    """Let photographs answer the sample visitors from number `start` on."""
    for first in range(0, len(photos) if start < len(visitors) else 0, BATCH_SIZE):
        for likenesses in _likenesses(visitors, photos[first : first + BATCH_SIZE], start):
            visitors.answer(likenesses, start)


def _answered_by(visitors: SampleVisitors, photos: Sequence[Seen]) -> npt.NDArray[np.int64]:
    """Return the rows of the sample visitors of whose best answers some may be among these photographs."""
    answered, least = np.zeros(len(visitors), np.bool_), visitors.best[:, -1] - ROUNDING
    for first in range(0, len(photos), BATCH_SIZE):
        likenesses = _likenesses(visitors, photos[first : first + BATCH_SIZE])
        answered |= ((likenesses > 0) & (likenesses >= least)).any(0)
    return np.flatnonzero(answered)


def _likenesses(visitors: SampleVisitors, photos: Sequence[Seen], start: int = 0) -> Floats:
    return visitors.likenesses([seen.number for seen in photos], [seen.people for seen in photos], start)


def _restore_visitors(arrays: Mapping[str, npt.NDArray[Any]], group: str, answers: int) -> SampleVisitors:
    visitors = SampleVisitors(answers)
    people, photos, weights, best = (arrays[f"{group}_{name}"] for name in SAVED_ARRAYS)
    visitors.add(people, photos, weights)
    visitors.best = best
    return visitors


def _reference_people() -> Floats:
    """Return the reference poses as people who are seen as a whole, N×17×3."""
    points = np.stack([reference.keypoints for reference in reference_poses()])
    return np.concatenate([points, np.ones((*points.shape[:2], 1))], 2).astype(np.float32)
