"""The pieces that a screen is composed of: skeleton, inset, ring, cards. `scene` decides where they go.

Surfaces are 32-bit in the order blue, green, red, alpha, which SDL blits fastest. Cached surfaces (`lru_cache`) are
shared: don't draw on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pygame

from device.display.continuation import downscale
from device.display.layout import Size, cover, transform_pose
from device.display.style import COOL, CORNER, INK, MIDDLE, WARM, WHITE, Colour
from models.pose import EDGES, KEYPOINT_NAMES, RIGHT_EAR, Floats, Image, Pose
from models.seen import LAYOUT_SCORE

SUBPIXEL_BITS: Final = 4
"""Fractional bits of the coordinates that OpenCV draws with: whole pixels would make slow movement jerky."""


def blit(canvas: pygame.Surface, piece: pygame.Surface, at: tuple[float, float], opacity: float = 1.0) -> None:
    """Blit a piece with its upper left corner at `at`, with `opacity` from 0 to 1."""
    if opacity > 0:
        piece.set_alpha(round(255 * min(opacity, 1.0)))
        canvas.blit(piece, (round(at[0]), round(at[1])))


def draw_skeleton(picture: Image, pose: Pose, thickness: float = 4.0) -> None:
    """Draw a pose into its picture: the person's left in a cool colour, the right in a warm one.

    The picture is H×W×3 RGB or H×W×4 in the order blue, green, red, alpha. Key points that are not seen
    (`LAYOUT_SCORE`) are not drawn.
    """
    seen = (pose.scores >= LAYOUT_SCORE) & np.isfinite(pose.xy).all(-1)
    xy = np.clip(np.nan_to_num(pose.xy), -8192, 8192)  # coordinates far outside would overflow
    points = np.round(xy * (1 << SUBPIXEL_BITS)).astype(np.int32)
    drawn = [
        (stroke.is_fine, stroke.colour, list(points[stroke.edges[seen[stroke.edges].all(1)]])) for stroke in _STROKES
    ]
    dots = [(int(k), tuple(points[k].tolist())) for k in np.flatnonzero(seen)]
    for outline in (True, False):  # a dark outline below, so that the skeleton shows on any photo
        for is_fine, colour, lines in drawn:
            width = max(1, round(_line_width(is_fine, thickness) + outline * thickness * 0.5))
            scalar = _to_scalar(picture, INK if outline else colour)
            cv2.polylines(picture, lines, False, scalar, width, cv2.LINE_AA, SUBPIXEL_BITS)
        for k, at in dots:
            radius = _line_width(k <= RIGHT_EAR, thickness) * 0.8 + outline * thickness * 0.25
            scalar = _to_scalar(picture, INK if outline else _SIDE_COLOURS[k])
            fixed = max(1, round(radius * (1 << SUBPIXEL_BITS)))
            cv2.circle(picture, at, fixed, scalar, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _side_colour(*keypoints: int) -> Colour:
    """Return the colour of the side that all these key points belong to."""
    sides = {KEYPOINT_NAMES[k].split("_")[0] for k in keypoints}
    return {"left": COOL, "right": WARM}.get(sides.pop(), MIDDLE) if len(sides) == 1 else MIDDLE


class _Stroke(NamedTuple):
    """Edges of a skeleton (N×2) that are drawn in one go: those of the face, which are finer, or those of the body."""

    is_fine: bool
    colour: Colour
    edges: npt.NDArray[np.intp]


_SIDE_COLOURS: Final = tuple(_side_colour(k) for k in range(len(KEYPOINT_NAMES)))
"""The colour of each key point."""

_STROKES: Final = tuple(
    _Stroke(is_fine, colour, np.array(edges))
    for is_fine in (True, False)
    for colour in (MIDDLE, COOL, WARM)
    if (edges := [(a, b) for a, b in EDGES if (max(a, b) <= RIGHT_EAR) == is_fine and _side_colour(a, b) == colour])
)


def _line_width(is_fine: bool, thickness: float) -> float:
    """Return the width of a line: the face's points are close together, so they are drawn finer."""
    return thickness * (0.55 if is_fine else 1.0)


def _to_scalar(picture: Image, colour: Colour) -> tuple[int, ...]:
    """Return a colour in the picture's own order of channels."""
    return (*colour[::-1], 255) if picture.shape[2] == 4 else colour


def camera_picture(
    camera_image: Image, visitors: Sequence[Pose], size: Size, mark: bool = False, out: Image | None = None
) -> Image:
    """Return the camera's picture, so large that it covers `size`, with the visitors' skeletons.

    It is H×W×4, in the order blue, green, red, opaque, and written to `out` if that is there. `visitors` are in pixels
    of the camera's picture. With `mark`, each has a mark above the head, as there are others.
    """
    width, height = size
    placement = cover((camera_image.shape[1], camera_image.shape[0]), size)
    left, top = (max(round(-shift / placement.scale), 0) for shift in (placement.x, placement.y))
    cut = camera_image[
        top : top + max(round(height / placement.scale), 1), left : left + max(round(width / placement.scale), 1)
    ]
    reduced = downscale(cut, max(1, min(cut.shape[1] // width, cut.shape[0] // height)))
    pixels = cv2.cvtColor(reduced, cv2.COLOR_RGB2BGRA)  # before it is enlarged, as that has fewer pixels
    # INTER_LINEAR is faster, but may crash when it shrinks a picture: see device.cameras.base.resize
    is_enlarged = width > pixels.shape[1] and height > pixels.shape[0]
    interpolation = cv2.INTER_LINEAR if is_enlarged else cv2.INTER_LINEAR_EXACT
    resized = cv2.resize(pixels, size, dst=out, interpolation=interpolation)
    picture = resized.astype(np.uint8, copy=False)
    for visitor in visitors:
        pose = transform_pose(visitor, placement)
        draw_skeleton(picture, pose, max(1.5, (width * height) ** 0.5 / (60 if width < 600 else 110)))
        if mark:
            _draw_mark(picture, pose)
    return picture


def _draw_mark(picture: Image, pose: Pose) -> None:
    """Draw a triangle that points down at somebody's head, into a picture as of `camera_picture`."""
    seen = pose.scores >= LAYOUT_SCORE
    if not seen[: RIGHT_EAR + 1].any():
        return
    unit = max(6.0, min(picture.shape[:2]) / 22)
    box = pose.box(LAYOUT_SCORE) or (0.0, 0.0, 0.0, 0.0)
    head = pose.xy[: RIGHT_EAR + 1][seen[: RIGHT_EAR + 1]]
    x, y = float(head[:, 0].mean()), float(head[:, 1].min()) - 0.09 * (box[3] - box[1]) - unit * 0.6
    corners = np.array([[x - unit * 0.8, y - unit], [x + unit * 0.8, y - unit], [x, y]], np.float32)
    points = np.round(np.clip(corners, -4096, 4096) * (1 << SUBPIXEL_BITS)).astype(np.int32)
    for colour, width in ((INK, max(2, round(unit * 0.4))), (WHITE, 1)):
        scalar = _to_scalar(picture, colour)
        cv2.polylines(picture, [points], True, scalar, width, cv2.LINE_AA, SUBPIXEL_BITS)
        cv2.fillPoly(picture, [points], scalar, cv2.LINE_AA, SUBPIXEL_BITS)


def inset(picture: Image) -> pygame.Surface:
    """Return a small picture (H×W×4: blue, green, red, alpha) with rounded corners and a thin border."""
    size = picture.shape[1], picture.shape[0]
    radius = min(size) * CORNER
    picture[..., 3] = _rounded_mask(size, radius)
    surface = pygame.image.frombuffer(picture.data, size, "BGRA")
    surface.blit(border(size, radius, max(1.5, min(size) / 110)), (0, 0))
    return surface


def round_corners(canvas: pygame.Surface, pane: pygame.Rect, colour: Colour = INK) -> None:
    """Round a pane's corners by painting what is outside of them."""
    side = max(2, round(min(pane.size) * CORNER / 2))
    mask = _outside_corners(side, colour)
    for x, left in ((0, pane.left), (side, pane.right - side)):
        for y, top in ((0, pane.top), (side, pane.bottom - side)):
            canvas.blit(mask, (left, top), (x, y, side, side))


@lru_cache(maxsize=4)
def _outside_corners(side: int, colour: Colour) -> pygame.Surface:
    """Return the four corners outside a disc of radius `side`, in a square of twice that side."""
    return tint_mask(255 - _rounded_mask((2 * side, 2 * side), side), colour)


def draw_frame_of_light(canvas: pygame.Surface, thickness: float, opacity: float) -> None:
    """Draw a rounded frame along the edges of a canvas."""
    width, height = size = canvas.get_size()
    radius = min(size) * CORNER / 2
    frame = border(size, radius, thickness, COOL, 1.0)
    corner, side = round(max(thickness, radius)) + 1, math.ceil(thickness) + 1
    if 2 * corner >= min(size):
        return  # nobody sees it on a canvas of a few pixels
    right, bottom = width - corner, height - corner
    for piece in (
        *((x, y, corner, corner) for x in (0, right) for y in (0, bottom)),
        *((x, corner, side, height - 2 * corner) for x in (0, width - side)),
        *((corner, y, width - 2 * corner, side) for y in (0, height - side)),
    ):  # its middle is empty, and blending that would take most of the time
        blit(canvas, frame.subsurface(piece), piece[:2], opacity)


@lru_cache(maxsize=4)
def star(size: int, colour: Colour = WHITE) -> pygame.Surface:
    """Return a star with five points."""
    angles = np.arange(10) * math.pi / 5 - math.pi / 2
    radii = np.where(np.arange(10) % 2 == 0, 0.5, 0.22) * size
    points = np.stack([np.cos(angles) * radii, np.sin(angles) * radii], 1) + size / 2 - 0.5
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return tint_mask(mask, colour)


@lru_cache(maxsize=64)
def rounded_rect(size: Size, radius: float, colour: Colour = INK, alpha: float = 0.82) -> pygame.Surface:
    """Return a filled rounded rectangle; with a radius of half its side, a disc."""
    return tint_mask(_rounded_mask(size, radius), colour, alpha)


@lru_cache(maxsize=8)
def border(size: Size, radius: float, thickness: float, colour: Colour = WHITE, alpha: float = 0.85) -> pygame.Surface:
    """Return the border of a rounded rectangle."""
    inside = _coverage(_signed_distance(size, radius) + thickness)
    return tint_mask(_rounded_mask(size, radius) * (255 - inside.astype(np.uint16)) // 255, colour, alpha)


@lru_cache(maxsize=160)  # a ring's percents, and a countdown's steps
def arc(diameter: int, thickness: float, share: float, colour: Colour, alpha: float = 1.0) -> pygame.Surface:
    """Return a part of a ring, `share` from 0 to 1 of it, clockwise from the top, with round ends."""
    middle, radius = (diameter - 1) / 2, (diameter - thickness) / 2 - 0.5
    offsets = np.arange(diameter, dtype=np.float32) - middle
    x, y = offsets[None, :], offsets[:, None]
    along = np.mod(np.arctan2(x, -y), 2 * math.pi)
    distance = np.abs(np.hypot(x, y) - radius)
    if share < 1:
        angle = 2 * math.pi * max(share, 0.0)
        ends = [(0.0, -radius), (radius * math.sin(angle), -radius * math.cos(angle))]
        to_ends = np.minimum(*(np.hypot(x - end_x, y - end_y) for end_x, end_y in ends))
        distance = np.where(along <= angle, distance, to_ends)
    return tint_mask(_coverage(distance - thickness / 2), colour, alpha)


@lru_cache(maxsize=4)
def gradient(size: Size, alpha: float) -> pygame.Surface:
    """Return a strip that darkens softly towards its lower edge, so that small words on it can be read."""
    depth = np.linspace(0, 1, size[1], dtype=np.float32) ** 2
    mask = np.broadcast_to((255 * depth).astype(np.uint8)[:, None], (size[1], size[0]))
    return tint_mask(mask, (0, 0, 0), alpha)


def clear_caches() -> None:
    """Forget all cached pieces."""
    for cached in (rounded_rect, border, arc, gradient, star, _outside_corners, _rounded_mask):
        cached.cache_clear()


def card(words: pygame.Surface, padding: int, accent: Colour) -> pygame.Surface:
    """Return words on a dark rounded card with a coloured bar on its left."""
    bar = max(2, padding // 3)
    width, height = words.get_width() + 3 * padding + bar, words.get_height() + 2 * padding
    surface = rounded_rect((width, height), padding * 0.7).copy()
    surface.blit(rounded_rect((bar, height - 2 * padding), bar / 2, accent, 1.0), (padding, padding))
    surface.blit(border((width, height), padding * 0.7, 1.0, alpha=0.16), (0, 0))
    surface.blit(words, (2 * padding + bar, padding))
    return surface


def _signed_distance(size: Size, radius: float) -> Floats:
    """Return each pixel centre's distance in pixels from a rounded rectangle that fills `size` (negative: inside)."""
    width, height = size
    across = np.abs(np.arange(width, dtype=np.float32) - (width - 1) / 2) - (width / 2 - radius)
    down = np.abs(np.arange(height, dtype=np.float32) - (height - 1) / 2) - (height / 2 - radius)
    x, y = across[None, :], down[:, None]
    distance: Floats = np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - radius
    return distance


def _coverage(distance: Floats) -> npt.NDArray[np.uint8]:
    """Return how much of each pixel a shape covers (0 to 255), from the signed distance to its edge in pixels."""
    covered: npt.NDArray[np.uint8] = (255 * np.clip(0.5 - distance, 0, 1)).astype(np.uint8)
    return covered


@lru_cache(maxsize=8)
def _rounded_mask(size: Size, radius: float) -> npt.NDArray[np.uint8]:
    return _coverage(_signed_distance(size, min(radius, size[0] / 2, size[1] / 2)))


def tint_mask(mask: npt.NDArray[np.integer], colour: Colour, alpha: float = 1.0) -> pygame.Surface:
    """Return a surface of one colour whose opacity is the mask (H×W, 0 to 255) times `alpha`.

    It is a transparent pixel if the mask is empty, as on a tiny canvas.
    """
    if not mask.size:
        return pygame.Surface((1, 1), pygame.SRCALPHA, 32)
    pixels = np.empty((*mask.shape, 4), np.uint8)
    pixels[..., :3] = colour[::-1]
    pixels[..., 3] = np.round(mask * alpha)
    return pygame.image.frombuffer(pixels.data, (mask.shape[1], mask.shape[0]), "BGRA")


def draw_equals(canvas: pygame.Surface, place: pygame.Rect, opacity: float = 1.0) -> None:
    """Draw an equals sign into a disc: what is on both sides of it shows the same."""
    bar = max(4, round(place.width * 0.42)), max(2, round(place.width * 0.1))
    for number in (-1, 1):
        at = place.centerx - bar[0] / 2, place.centery + number * place.width * 0.11 - bar[1] / 2
        blit(canvas, rounded_rect(bar, bar[1] / 2, MIDDLE, 1.0), at, opacity)
