"""What the heads should output for a scene: heat maps, short offsets and mid offsets, as PersonLab defines them.

Papandreou et al., PersonLab, 2018, https://arxiv.org/abs/1803.08225, section 3. Offsets are in cells of `STRIDE`
pixels here.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from models.estimator.posenet import EDGES, FIRST_BACKWARD_CHANNEL, STRIDE
from models.pose import KEYPOINT_NAMES, Floats

KEYPOINT_COUNT: Final = len(KEYPOINT_NAMES)
EDGE_COUNT: Final = len(EDGES)
SHORT_CHANNELS: Final = 2 * KEYPOINT_COUNT
"""Channels of the short offsets, those of y before those of x. The channels of the mid offsets follow."""
OFFSET_CHANNELS: Final = SHORT_CHANNELS + 2 * FIRST_BACKWARD_CHANNEL
"""Channels of short and mid offsets."""

HEAT_RADIUS: Final = 14.0
"""Pixels around a key point within which a cell should be sure of it."""
OFFSET_RADIUS: Final = 26.0
"""Pixels around a key point within which a cell should know the offset to it. It is larger than the heat's radius,
because the decoder may arrive anywhere near."""
HALF_WEIGHT_CELLS: Final = 4.0
"""Mid offsets of this many cells count half: their errors grow with the person, and so does the error that is
acceptable."""

_EDGE_PAIRS: Final = np.array(EDGES)
"""Pairs of key points, 16×2, in the order of the mid offsets' channels."""


class Targets(NamedTuple):
    """Targets for B scenes on h×w cells, in the order of `models.estimator.posenet.Heads`.

    `heat` is B×17×h×w, of 0 and 1; `offsets` and their `weights` are B×98×h×w.
    """

    heat: Floats
    offsets: Floats
    weights: Floats


def targets(people: Floats, size: int) -> Targets:
    """Return the targets for B scenes of `size` pixels a side.

    `people` is B×P×17×3, with up to P people per scene; the third number of an absent key point is 0.
    """
    cells = (size - 1) // STRIDE + 1
    heat = np.zeros((len(people), KEYPOINT_COUNT, cells, cells), np.float32)
    offsets = np.zeros((len(people), OFFSET_CHANNELS, cells, cells), np.float32)
    weights = np.zeros_like(offsets)
    for scene, arrays in enumerate(zip(heat, offsets, weights, strict=True)):
        _fill_scene(people[scene], _EDGE_PAIRS, *arrays)
    return Targets(heat, offsets, weights)


@njit(cache=True, nogil=True)
def _fill_scene(people: Floats, edges: npt.NDArray[np.int64], heat: Floats, offsets: Floats, weights: Floats) -> None:
    """Fill the targets of one scene, in place: people P×17×3; heat 17×h×w; offsets and weights 98×h×w."""
    nearest = np.empty(KEYPOINT_COUNT, np.int64)
    for row in range(heat.shape[1]):
        for column in range(heat.shape[2]):
            y, x = row * STRIDE, column * STRIDE
            cell_offsets, cell_weights = offsets[:, row, column], weights[:, row, column]
            for kind in range(KEYPOINT_COUNT):
                who, distance2 = _nearest(people, kind, y, x)
                nearest[kind] = who
                if who >= 0:
                    heat[kind, row, column] = 1 if distance2 < HEAT_RADIUS * HEAT_RADIUS else 0
                    cell_offsets[kind], cell_offsets[kind + KEYPOINT_COUNT] = _offset_to(people[who, kind], y, x)
                    cell_weights[kind] = cell_weights[kind + KEYPOINT_COUNT] = 1
            for step in range(2 * EDGE_COUNT):  # along the edges, then against them
                edge, against = step % EDGE_COUNT, step // EDGE_COUNT
                who, end = nearest[edges[edge, against]], edges[edge, 1 - against]
                if who >= 0 and people[who, end, 2] > 0:
                    dy, dx = _offset_to(people[who, end], y, x)
                    channel = SHORT_CHANNELS + FIRST_BACKWARD_CHANNEL * against + edge
                    cell_offsets[channel], cell_offsets[channel + EDGE_COUNT] = dy, dx
                    cell_weights[channel] = cell_weights[channel + EDGE_COUNT] = HALF_WEIGHT_CELLS / (
                        HALF_WEIGHT_CELLS + np.sqrt(dy * dy + dx * dx)
                    )


@njit(inline="always")
def _nearest(people: Any, kind: int, y: int, x: int) -> tuple[int, float]:
    """Return the person whose key point of a kind is nearest to a pixel, or −1 if none is in reach; and the squared
    distance."""
    who, least = -1, OFFSET_RADIUS * OFFSET_RADIUS
    for number in range(len(people)):
        if people[number, kind, 2] > 0:
            distance2 = (people[number, kind, 0] - x) ** 2 + (people[number, kind, 1] - y) ** 2
            if distance2 < least:
                who, least = number, distance2
    return who, least


@njit(inline="always")
def _offset_to(point: Any, y: int, x: int) -> tuple[float, float]:
    """Return the offset from a pixel to a key point, y and x, in cells."""
    return (point[1] - y) / STRIDE, (point[0] - x) / STRIDE
