"""Decode PoseNet's heads into the people in the picture, with PersonLab's greedy algorithm.

For each cell of a grid, 16 pixels apart, the network says how likely each key point is near (heat maps, as logits), how
far the key point is from the cell (short offsets), and how far each of its neighbours in the skeleton is (mid offsets).
The likeliest key point that does not belong to a person yet starts a new person. From there the mid offsets lead along
the skeleton, and at each joint the short offsets correct the point.

Papandreou et al., PersonLab, 2018, https://arxiv.org/abs/1803.08225. Where the paper leaves a choice, this is Coral's
decoder (google-coral/libcoral, coral/posenet/posenet_decoder.cc), except for `ROOT_REFINEMENT` and
`UNSHARED_SCORE_FACTOR`; docs/explanation/finding-people.md compares the two.

The heads stay quantized, and are read as Python integers from `bytes`. The decoder reads a few thousand of a hundred
thousand numbers, one at a time, and `bytes` returns single numbers faster than an array does.
"""

from __future__ import annotations

import heapq
import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.pose import Floats, Pose

Quantized = npt.NDArray[np.uint8]

STRIDE: Final = 16
"""Pixels of the model's input from one cell to the next; cell 0 is on pixel 0."""

MAX_REFINEMENTS: Final = 5
"""Maximum number of times that the short offsets correct a point."""

CONVERGED_BELOW: Final = 0.01
"""Cells: a point that moves less than this needs no further correction."""

ROOT_REFINEMENT: Final = 0.2
"""Maximum correction, in cells, of the key point that starts a person. Coral's decoder does not correct it."""

UNSHARED_SCORE_FACTOR: Final = 0.5
"""The share of the score threshold that a person must reach without the points shared with a likelier person."""

EDGES: Final = (
    (0, 1), (1, 3), (0, 2), (2, 4),
    (0, 5), (5, 7), (7, 9), (5, 11), (11, 13), (13, 15),
    (0, 6), (6, 8), (8, 10), (6, 12), (12, 14), (14, 16),
)  # fmt: skip
"""The 16 edges in the order of the mid offsets' channels: a tree, so one path leads from any point to any other."""

FIRST_BACKWARD_CHANNEL: Final = 32
"""Channels 0 to 31 lead along the edges: 16 of y, then 16 of x. Channels 32 to 63 lead against them in the same way."""


class Quantization(NamedTuple):
    """The meaning of a quantized number: `(number − zero_point) · scale`."""

    scale: float
    zero_point: int


class Heads(NamedTuple):
    """PoseNet's output for one picture, on a grid of h×w cells, and the quantization of its three arrays.

    `heat_maps` h×w×17 (logits), `short_offsets` h×w×34 and `mid_offsets` h×w×64 (pixels; channels of y before those of
    x).
    """

    heat_maps: Quantized
    short_offsets: Quantized
    mid_offsets: Quantized
    quantization: tuple[Quantization, Quantization, Quantization]


class _Root(int):
    """A key point that may start a person: minus its quantized score, with its `index` in the flat heat maps.

    Only scores are compared, so that a heap returns equal scores in the same order as Coral's `std::priority_queue`
    (both sift alike). Equal scores are common with 8 bits, and another order gives other poses.
    """

    index: int


class _Candidate(NamedTuple):
    ys: list[float]
    xs: list[float]
    scores: list[float]


def decode(heads: Heads, *, max_people: int = 10, score_threshold: float = 0.2, nms_radius: float = 10.0) -> list[Pose]:
    """Return the people in pixels of the model's input, best first.

    A person's score is the mean of the key points' scores. `score_threshold` is the lowest score of a person, and of a
    key point that starts one. A key point within `nms_radius` pixels of a likelier person's same key point belongs to
    that person.
    """
    _, width, kinds = heads.heat_maps.shape
    heat = _HeatMaps(heads.heat_maps, heads.quantization[0])
    short = _Offsets(heads.short_offsets, heads.quantization[1])
    mid = _Offsets(heads.mid_offsets, heads.quantization[2])
    roots = _find_roots(heads.heat_maps, heat.quantized(score_threshold))
    near = (nms_radius / STRIDE) ** 2
    people: list[_Candidate] = []
    while roots and len(people) < max_people:
        cell, kind = divmod(heapq.heappop(roots).index, kinds)
        y, x = short.follow(float(cell // width), float(cell % width), kind, kind + kinds, 1)
        if any((y - person.ys[kind]) ** 2 + (x - person.xs[kind]) ** 2 <= near for person in people):
            continue
        person = _trace_skeleton(kind, y, x, heat, short, mid)
        if sum(person.scores) >= score_threshold * kinds:
            people.append(person)
    return _rank(people, near, UNSHARED_SCORE_FACTOR * score_threshold) if people else []


def _find_roots(heat_maps: Quantized, threshold: float) -> list[_Root]:
    """Return a heap of the key points with at least `threshold` that no neighbouring cell exceeds."""
    highest = heat_maps.copy()
    for axis in (0, 1):
        below, along = np.moveaxis(highest.copy(), axis, 0), np.moveaxis(highest, axis, 0)
        np.maximum(along[1:], below[:-1], out=along[1:])
        np.maximum(along[:-1], below[1:], out=along[:-1])
    indices = np.flatnonzero((heat_maps >= threshold) & (heat_maps == highest))
    heap: list[_Root] = []
    for score, index in zip(heat_maps.ravel()[indices].tolist(), indices.tolist(), strict=True):
        root = _Root(-score)
        root.index = index
        heapq.heappush(heap, root)
    return heap


def _trace_skeleton(root: int, y: float, x: float, heat: _HeatMaps, short: _Offsets, mid: _Offsets) -> _Candidate:
    """Follow the skeleton from key point `root` at `y`, `x`, and return the person."""
    ys, xs = [y] * 17, [x] * 17
    for parent, child, channel in PATHS[root]:
        to_y, to_x = mid.follow(ys[parent], xs[parent], channel, channel + len(EDGES), 1)
        ys[child], xs[child] = short.follow(to_y, to_x, child, child + 17, MAX_REFINEMENTS)
    to_y, to_x = short.follow(y, x, root, root + 17, MAX_REFINEMENTS)
    share = min(1.0, ROOT_REFINEMENT / max(math.hypot(to_y - y, to_x - x), 1e-9))
    ys[root], xs[root] = y + share * (to_y - y), x + share * (to_x - x)
    return _Candidate(ys, xs, [heat.score(ys[kind], xs[kind], kind) for kind in range(17)])


def _rank(people: list[_Candidate], near: float, threshold: float) -> list[Pose]:
    """Return the people with a score of at least `threshold`, best first.

    A key point that several people share counts only in the score of the likeliest. People share one if theirs are at
    most `near` apart, in squared cells.
    """
    people.sort(key=lambda person: -sum(person.scores))
    yx = np.array([(person.ys, person.xs) for person in people])
    scores = np.array([person.scores for person in people])
    shared = ((yx[:, None] - yx[None]) ** 2).sum(2) <= near
    shared_with_likelier = (shared & np.tri(len(people), k=-1, dtype=bool)[:, :, None]).any(1)
    totals = np.where(shared_with_likelier, 0, scores).mean(1)
    order = np.argsort(-totals, kind="stable")
    xy: Floats = (yx[:, ::-1].transpose(0, 2, 1) * STRIDE).astype(np.float32)
    return [Pose(xy[i], scores[i].astype(np.float32), float(totals[i])) for i in order if totals[i] >= threshold]


class _HeatMaps:
    """Heat maps, interpolated between the cells."""

    def __init__(self, values: Quantized, quantization: Quantization) -> None:
        _, self._width, self._kinds = values.shape
        self._data = _pad(values)
        self._scale, self._zero = quantization

    def quantized(self, score: float) -> float:
        """Return the quantized number (unrounded) for a score between 0 and 1."""
        return math.log(score / (1 - score)) / self._scale + self._zero

    def score(self, y: float, x: float, kind: int) -> float:
        """Return the score, 0 to 1, of a key point at a point of the grid."""
        data, across = self._data, self._kinds
        row, column = int(y), int(x)
        down, right = y - row, x - column
        at = (row * self._width + column) * across + kind
        below = at + self._width * across
        upper = data[at] + (data[at + across] - data[at]) * right
        lower = data[below] + (data[below + across] - data[below]) * right
        logit = (upper + (lower - upper) * down - self._zero) * self._scale
        return 1 / (1 + math.exp(-logit))


class _Offsets:
    """Offsets, interpolated between the cells."""

    def __init__(self, values: Quantized, quantization: Quantization) -> None:
        height, self._width, self._channels = values.shape
        self._data = _pad(values)
        self._scale = quantization.scale / STRIDE
        self._zero = quantization.zero_point * self._scale
        self._bottom, self._right = height - 1.0, self._width - 1.0

    def follow(self, y: float, x: float, channel_y: int, channel_x: int, max_steps: int) -> tuple[float, float]:
        """Follow the offsets from a point of the grid up to `max_steps` times, without leaving the grid.

        The decoder spends most of its time in this loop, so it is written out instead of being split into functions.
        """
        data, across, scale, zero = self._data, self._channels, self._scale, self._zero
        bottom, right, down = self._bottom, self._right, self._width * self._channels
        apart = channel_x - channel_y
        for _ in range(max_steps):
            row, column = int(y), int(x)
            fy, fx = y - row, x - column
            both = fy * fx
            only_x, only_y = fx - both, fy - both
            neither = 1 - fx - only_y
            at = row * down + column * across + channel_y
            to = at + across
            below = at + down
            beyond = to + down
            dy = data[at] * neither + data[to] * only_x + data[below] * only_y + data[beyond] * both
            at += apart
            to += apart
            below += apart
            beyond += apart
            dx = data[at] * neither + data[to] * only_x + data[below] * only_y + data[beyond] * both
            dy = dy * scale - zero
            dx = dx * scale - zero
            y += dy
            x += dx
            if not 0 <= y <= bottom:
                y = 0.0 if y < 0 else bottom
            if not 0 <= x <= right:
                x = 0.0 if x < 0 else right
            if -CONVERGED_BELOW < dy < CONVERGED_BELOW and -CONVERGED_BELOW < dx < CONVERGED_BELOW:
                break
        return y, x


def _pad(values: Quantized) -> bytes:
    """Return the numbers, then a row and a cell of zeros, which interpolation at the last cells reads with weight 0."""
    _, width, channels = values.shape
    return values.tobytes() + bytes((width + 1) * channels)


def _build_paths() -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """Return each key point's steps through the skeleton: parent, child, and channel of the mid offset."""
    steps = [(a, b, edge) for edge, (a, b) in enumerate(EDGES)]
    steps += [(b, a, edge + FIRST_BACKWARD_CHANNEL) for a, b, edge in steps]
    # Coral's decoder reads its first backward edge, left eye → nose, from another edge's channels. So does this one:
    # the right channels move 0.3 % of the points and are no better (OKS 0.001 lower, AP the same).
    steps = [(a, b, len(EDGES) if channel == FIRST_BACKWARD_CHANNEL else channel) for a, b, channel in steps]
    return tuple(_build_path(root, steps) for root in range(17))


def _build_path(root: int, steps: list[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    path: list[tuple[int, int, int]] = []
    reached = [root]
    for parent in reached:
        for step in steps:
            if step[0] == parent and step[1] not in reached:
                path.append(step)
                reached.append(step[1])
    return tuple(path)


PATHS: Final = _build_paths()
