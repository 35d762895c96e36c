"""The edges of drawn people: smooth, blurred or inked, and the shadows along them on cut paper."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.forms import ProjectedSolids
from models.figures.look import Colour
from models.figures.solids import NOTHING, Buffers, Bytes, Solids, sample
from models.pose import Floats, Image

EDGE_DEPTH: Final = np.float32(0.045)
"""Metres between two neighbouring pixels of one material from which on one surface hides another there."""
SUBPIXEL_OFFSETS: Final = ((0.125, 0.375), (0.375, -0.125), (-0.125, -0.375), (-0.375, 0.125))
"""The four places within a pixel where an edge is sampled: no two in one row or column."""

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]


def _find_edges(buffers: Buffers) -> tuple[Flags, Flags]:
    """Return where there is an edge to the next pixel on the right, H×(W-1), and to the next one below, (H-1)×W."""
    near, material = buffers.nearness, buffers.material
    right = material[:, 1:] != material[:, :-1]
    right |= np.abs(near[:, 1:] - near[:, :-1]) > EDGE_DEPTH
    below = material[1:] != material[:-1]
    below |= np.abs(near[1:] - near[:-1]) > EDGE_DEPTH
    return right, below


def _edge_pixels(buffers: Buffers) -> Flags:
    """Return the pixels on both sides of edges, H×W."""
    right, below = _find_edges(buffers)
    edge = np.zeros(buffers.material.shape, np.bool_)
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    edge[1:] |= below
    edge[:-1] |= below
    return edge


def antialias(drawn: Image, buffers: Buffers, background: Image, solids: Solids, forms: ProjectedSolids) -> None:
    """Smooth edges: their pixels become the mean of four places within each.

    A place has the colour of the nearest pixel that shows the same surface, or of the background.
    """
    down, across = np.nonzero(_edge_pixels(buffers))
    total = np.zeros((len(down), 3), np.uint16)
    dx, dy = np.array(SUBPIXEL_OFFSETS, np.float32).T
    x = (across[None] + dx[:, None] + buffers.left).astype(np.float32)
    y = (down[None] + dy[:, None] + buffers.top).astype(np.float32)
    near, material = (values.reshape(x.shape) for values in sample(solids, forms, x.ravel(), y.ravel()))
    flat = drawn.reshape(-1, 3)
    for place in range(len(SUBPIXEL_OFFSETS)):
        step = int(np.sign(dy[place])), int(np.sign(dx[place]))
        where = _matching_pixels(buffers, (down, across), step, near[place], material[place])
        colours = flat[where]
        empty = material[place] == NOTHING
        colours[empty] = background[down[empty], across[empty]]
        total += colours
    flat[down * drawn.shape[1] + across] = (total // len(SUBPIXEL_OFFSETS)).astype(np.uint8)


def _matching_pixels(
    buffers: Buffers, pixels: tuple[Indices, Indices], step: tuple[int, int], near: Floats, material: Bytes
) -> Indices:
    """Return the pixels (flat) that show the same surface as a place in each of `pixels` (rows and columns).

    Each is the pixel itself or one of its three neighbours on the side of `step`, which is 1 or -1 down and across.
    """
    (down, across), (below, right) = pixels, step
    rows, columns = buffers.material.shape
    best: Indices = down * columns + across
    least = np.full(len(down), np.inf, np.float32)
    for step_down, step_across in ((0, 0), (0, right), (below, 0), (below, right)):
        at = np.clip(down + step_down, 0, rows - 1) * columns + np.clip(across + step_across, 0, columns - 1)
        differs = np.abs(buffers.nearness.reshape(-1)[at] - near)
        differs += np.where(buffers.material.reshape(-1)[at] == material, np.float32(0), np.float32(1e9))
        better = differs < least
        np.copyto(best, at, where=better)
        np.minimum(least, differs, out=least)
    return best


def blur_edges(drawn: Image, buffers: Buffers) -> None:
    """Smooth edges by blurring them, which is fast enough for a film."""
    across = np.ones((3, 3), np.uint8)
    edges = cv2.dilate(buffers.material, across) != cv2.erode(buffers.material, across)
    np.copyto(drawn, cv2.GaussianBlur(drawn, (3, 3), 0.8), where=edges[..., None])


def draw_contours(drawn: Image, buffers: Buffers, colour: Colour, width: float) -> None:
    """Draw lines of `width` pixels along all edges."""
    right, below = _find_edges(buffers)
    mask = np.zeros(buffers.material.shape, np.uint8)
    mask[:, :-1][right] = 255
    mask[:-1][below] = 255
    soft = cv2.GaussianBlur(mask, (0, 0), max(width / 2.2, 0.6))
    peak = 255 / (max(width / 2.2, 0.6) * 2.507)  # the brightest value that the blur leaves of a line of one pixel
    share = np.clip(soft.astype(np.float32) * np.float32(2.6 / peak) - np.float32(0.75), 0, 1)
    down, across = np.nonzero(share)
    amount = share[down, across][:, None]
    under = drawn[down, across]
    drawn[down, across] = (under + (np.array(colour, np.float32) - under) * amount + np.float32(0.5)).astype(np.uint8)


def darken_layers(drawn: Image, buffers: Buffers, gap: float) -> None:
    """Darken what is up to `gap` pixels below and to the right of something nearer: the light is at the upper left."""
    shift = round(gap)
    near = np.maximum(buffers.nearness, np.float32(-8))
    over = near.copy()
    over[shift:, shift:] = near[:-shift, :-shift]
    shadow = ((over - near > 0.03) & _material_changes(buffers.material, shift)).astype(np.uint8) * np.uint8(255)
    kept = 256 - cv2.GaussianBlur(shadow, (0, 0), max(gap * 0.22, 0.7)).astype(np.uint16) * 88 // 255
    drawn[:] = ((drawn * kept[..., None]) >> 8).astype(np.uint8)


def _material_changes(material: Bytes, shift: int) -> Flags:
    other = np.zeros(material.shape, np.bool_)
    other[shift:, shift:] = material[:-shift, :-shift] != material[shift:, shift:]
    return other
