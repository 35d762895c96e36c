"""What the heads should say of a scene: heat maps, short offsets and mid offsets, as PersonLab has them.

Papandreou et al., PersonLab, 2018, https://arxiv.org/abs/1803.08225, section 3. Offsets are in cells here, of
`STRIDE` pixels.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from models.pose import Floats
from models.posenet import EDGES, STRIDE

HEAT: Final = 14.0
"""Within how many pixels of a key point a cell is to be sure of it."""
REACH: Final = 26.0
"""Within how many pixels of a key point a cell is to know the way: further than the heat, as the decoder may arrive
anywhere near."""
SPAN: Final = 4.0
"""Mid offsets of this many cells count half: their errors grow with the person, and so does what an error may be."""

_EDGES: Final = np.array(EDGES)
"""Pairs of key points, 16×2, in the order of the mid offsets' channels."""


class Targets(NamedTuple):
    """For B scenes on h×w cells: `heat` B×17×h×w of 0 and 1; `offsets` and how much each counts, B×98×h×w."""

    heat: Floats
    offsets: Floats
    weights: Floats


def targets(people: Floats, size: int) -> Targets:
    """Of B scenes of `size` pixels a side, with up to P people each: B×P×17×3, third 0 where there is no key point."""
    cells = (size - 1) // STRIDE + 1
    heat = np.zeros((len(people), 17, cells, cells), np.float32)
    offsets = np.zeros((len(people), 98, cells, cells), np.float32)
    weights = np.zeros_like(offsets)
    _fill(people, _EDGES, heat, offsets, weights)
    return Targets(heat, offsets, weights)


@njit(cache=True, nogil=True)
def _fill(people: Floats, edges: Floats, heat: Floats, offsets: Floats, weights: Floats) -> None:
    batch, most = people.shape[:2]
    cells = heat.shape[2]
    nearest = np.empty(17, np.int64)
    for b in range(batch):
        for row in range(cells):
            for column in range(cells):
                y, x = row * STRIDE, column * STRIDE
                for kind in range(17):
                    least, who = REACH * REACH, -1
                    for p in range(most):
                        if people[b, p, kind, 2] > 0:
                            far = (people[b, p, kind, 0] - x) ** 2 + (people[b, p, kind, 1] - y) ** 2
                            if far < least:
                                least, who = far, p
                    nearest[kind] = who
                    if who < 0:
                        continue
                    if least < HEAT * HEAT:
                        heat[b, kind, row, column] = 1
                    offsets[b, kind, row, column] = (people[b, who, kind, 1] - y) / STRIDE
                    offsets[b, kind + 17, row, column] = (people[b, who, kind, 0] - x) / STRIDE
                    weights[b, kind, row, column] = weights[b, kind + 17, row, column] = 1
                for way in range(2):
                    for edge in range(16):
                        start, end = edges[edge, way], edges[edge, 1 - way]
                        who = nearest[start]
                        if who < 0 or people[b, who, end, 2] <= 0:
                            continue
                        dy = (people[b, who, end, 1] - y) / STRIDE
                        dx = (people[b, who, end, 0] - x) / STRIDE
                        channel = 34 + 32 * way + edge
                        offsets[b, channel, row, column] = dy
                        offsets[b, channel + 16, row, column] = dx
                        weight = SPAN / (SPAN + np.sqrt(dy * dy + dx * dx))
                        weights[b, channel, row, column] = weights[b, channel + 16, row, column] = weight
