"""Gain: how much a photograph would add to how well a library answers.

A library answers well if every visitor finds people in it who look like them. So collecting keeps sample visitors,
each with the likeness of their best answers so far. A photograph's gain is by how much it would raise these. The first
photographs of a pose gain much and the hundredth little, so those that are kept are spread over what visitors do, and
not over what photographers like. That is facility location, and choosing the greatest gain first is within 1 − 1/e of
the best choice (Nemhauser, Wolsey and Fisher, 1978).

docs/explanation/collecting.md shows what it is worth.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from index.likeness import PART_COUNT, Query, compare, make_queries, part_table
from models.pose import Floats, Pose

ANSWERS: Final = 8
"""Answers that each sample visitor is to find: with one, nothing would be gained by more photographs than there are
sample visitors, and real visitors differ from these."""

MIN_PARTS: Final = 8
"""Parts of the body that a person must show to be a sample visitor: visitors stand before the camera as a whole."""


class SampleVisitors:
    """People who might stand before the mirror, each with how alike their best answers look.

    `people` is N×17×3; `photos` has the number of the photograph that shows each of them, negative for none: nobody is
    answered by the photograph that shows them. Each counts by one of N `weights`. `best` is N×`answers` likenesses, the
    greatest first.
    """

    def __init__(self, answers: int = ANSWERS) -> None:
        """Start with nobody."""
        self.people: Floats = np.zeros((0, 17, 3), np.float32)
        self.photos: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.weights: Floats = np.zeros(0, np.float32)
        self.best: Floats = np.zeros((0, answers), np.float32)
        self._queries: list[Query] = []

    def __len__(self) -> int:
        return len(self.people)

    @property
    def coverage(self) -> float:
        """How alike the best answers look on average, 0 to 1."""
        return float(np.average(self.best[:, 0], weights=self.weights)) if len(self) else 0.0

    def add(self, people: Floats, photos: npt.NDArray[np.int64], weights: Floats) -> None:
        """Add N people. They have no answers yet."""
        if not len(people):
            return
        poses = [Pose.from_keypoints(person) for person in people]
        self._queries += make_queries(
            np.stack([pose.xy for pose in poses]), np.stack([pose.visibility for pose in poses])
        )
        self.people = np.concatenate([self.people, people])
        self.photos = np.concatenate([self.photos, photos])
        self.weights = np.concatenate([self.weights, weights.astype(np.float32)])
        self.best = np.concatenate([self.best, np.zeros((len(people), self.best.shape[1]), np.float32)])

    def part(self, rows: npt.NDArray[np.int64]) -> SampleVisitors:
        """Return some of the people, without answers."""
        part = SampleVisitors(self.best.shape[1])
        part.people, part.photos, part.weights = self.people[rows], self.photos[rows], self.weights[rows]
        part.best = np.zeros((len(rows), self.best.shape[1]), np.float32)
        part._queries = [self._queries[row] for row in rows]
        return part

    def likenesses(self, photos: Sequence[int], people: Sequence[Floats], start: int = 0) -> Floats:
        """Return how well P photographs, by their numbers, answer the sample visitors from number `start` on: P×V.

        `people` has those whom each photograph shows (N×17×3, scores ≤ 0 where unseen).
        """
        queries = self._queries[start:]
        result = np.zeros((len(photos), len(queries)), np.float32)
        if not len(photos) or not queries:
            return result
        everybody = np.concatenate(people)
        table = part_table(everybody[:, :, :2], (everybody[:, :, 2] > 0).astype(np.float32))[0]
        firsts = np.cumsum([0, *map(len, people)])[:-1]
        straight, mirrored = np.zeros(len(table), np.bool_), np.ones(len(table), np.bool_)
        for column, query in enumerate(queries):
            best = np.maximum(compare(query, table, straight), compare(query, table, mirrored))
            result[:, column] = np.maximum.reduceat(best, firsts)
        result[np.asarray(photos)[:, None] == self.photos[None, start:]] = 0
        return result

    def answer(self, likenesses: Floats, start: int = 0) -> None:
        """Let a photograph answer: `likenesses` is its row of `likenesses`, from visitor number `start` on."""
        best = self.best[start:]
        better = likenesses > best[:, -1]
        rows = best[better]
        rows[:, -1] = likenesses[better]
        rows.sort(1)
        best[better] = rows[:, ::-1]

    def gain(self, likenesses: Floats) -> float:
        """Return how much a photograph with this row of `likenesses` would raise the answers, summed up."""
        return float(np.maximum(likenesses - self.best[:, -1], 0) @ self.weights)


def choose(visitors: SampleVisitors, likenesses: Floats, count: int) -> list[int]:
    """Return the rows of the `count` photographs (P×V `likenesses`) that gain most together, the best first.

    Each of them has then answered the visitors. There are fewer if the others gain nothing.
    """
    # Gains only fall as others are chosen. So an old gain is an upper bound, and only the best need be computed again.
    heap = [(-visitors.gain(row), number) for number, row in enumerate(likenesses)]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and len(chosen) < count:
        _, number = heapq.heappop(heap)
        gain = visitors.gain(likenesses[number])
        if gain <= 0:
            continue
        if heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, number))
            continue
        visitors.answer(likenesses[number])
        chosen.append(number)
    return chosen


def can_be_visitors(people: Floats) -> npt.NDArray[np.bool_]:
    """Return which of N people (N×17×3) are seen well enough to be sample visitors."""
    weights = part_table(people[:, :, :2], (people[:, :, 2] > 0).astype(np.float32))[1]
    return np.asarray((weights > 0).sum(1) >= min(MIN_PARTS, PART_COUNT))
