"""Paints what was drawn: light and shade, faces, stripes, shadows on the floor; and puts it on a background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.body import Tailor, dress
from models.figures.camera import Camera
from models.figures.face import paint_face, paint_stripes
from models.figures.head import head
from models.figures.look import PER_PERSON, Look
from models.figures.movement import Prop
from models.figures.props import hold
from models.figures.skeleton import Skeleton
from models.figures.solids import Buffers, Solids, draw
from models.pose import Floats, Image

SHADOW_TINT: Final = np.array([0.60, 0.56, 0.68], np.float32)
"""What is left of a colour in full shade: cooler and darker."""
LIGHT: Final = np.array([-0.42, 0.55, 0.722], np.float32)
"""Where the light is, in the camera's axes: upper left, before the figure."""


HIDDEN_BY: Final = (0.05, 0.05, 0.05, 0.09, 0.09)
"""How many metres before nose, eyes and ears something must be to hide them (hair may lie over an ear)."""
TONES: Final = 64
RIMS: Final = 8
"""Into how many steps light is divided (powers of two)."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody in a scene, with what they hold or sit on."""

    skeleton: Skeleton
    look: Look
    props: tuple[Prop, ...] = ()


class Painting(NamedTuple):
    """A picture, and which of each person's key points are seen in it (17 truths each)."""

    picture: Image
    seen: list[npt.NDArray[np.bool_]]


def paint(
    background: Image,
    people: Sequence[Person],
    camera: Camera,
    *,
    finer: int = 2,
    fine: bool = True,
    shadow: float = 0.45,
) -> Painting:
    """A picture of people before a background, H×W×3; drawn `finer` times larger than it is and averaged down.

    `fine` draws every finger; `shadow` is how dark their shadows on the floor are, 0 to 1.
    """
    height, width = background.shape[:2]
    picture = cast_shadow(background, people, camera, shadow)
    solids = Solids()
    for number, person in enumerate(people):
        tailor = Tailor(solids, person.skeleton, person.look, number * PER_PERSON, fine)
        dress(tailor)
        head(tailor)
        for prop in person.props:
            hold(tailor, prop)
    larger = Camera(camera.turn, camera.target, camera.distance, camera.focal * finer,
                    ((camera.centre[0] + 0.5) * finer - 0.5, (camera.centre[1] + 0.5) * finer - 0.5))  # fmt: skip
    buffers = draw(solids, larger, LIGHT, width * finer, height * finer, margin=2 * finer)
    if buffers is None:
        return Painting(picture, [np.zeros(17, bool) for _ in people])
    seen = [_seen(buffers, person, larger, width * finer, height * finer) for person in people]
    return Painting(_lay(picture, buffers, shade(buffers, people, larger), finer), seen)


def _seen(buffers: Buffers, person: Person, camera: Camera, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Which key points are in the picture, and of the face's those that nothing hides: as people label photos."""
    places = camera.see(person.skeleton.keypoints())
    pixels = np.round(camera.pixels(places)).astype(int)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(1) & (places[:, 2] < camera.nearest)
    at = pixels - (buffers.left, buffers.top)
    rows, columns = buffers.nearness.shape
    for point in np.flatnonzero(inside[: len(HIDDEN_BY)]).tolist():
        x, y = at[point]
        if 0 <= x < columns and 0 <= y < rows:
            inside[point] = buffers.nearness[y, x] - places[point, 2] < HIDDEN_BY[point]
    return inside


def shade(buffers: Buffers, people: Sequence[Person], camera: Camera) -> Image:
    """Colours of what is in the buffers, H×W×3; black where nothing is."""
    for number, person in enumerate(people):
        if person.look.stripes:
            paint_stripes(buffers, person.skeleton, camera, number * PER_PERSON)
    light = cv2.convertScaleAbs(np.maximum(buffers.light, -1), alpha=127.5, beta=127.5)
    tone = cv2.multiply(cv2.LUT(light, TONE), cv2.LUT(occlusion(buffers), OPEN), scale=1 / 255)
    facing = cv2.convertScaleAbs(np.maximum(buffers.facing, 0), alpha=255)
    rim = cv2.multiply(cv2.LUT(facing, AWAY), cv2.LUT(light, LIT), scale=1 / 255)
    where = np.flatnonzero(buffers.material)
    index = buffers.material.reshape(-1)[where].astype(np.int32) * (TONES * RIMS)
    index += np.right_shift(tone.reshape(-1)[where], 8 - TONES.bit_length() + 1).astype(np.int32) * RIMS
    index += np.right_shift(rim.reshape(-1)[where], 8 - RIMS.bit_length() + 1)
    palette = np.concatenate([person.look.palette() for person in people])
    colours = np.zeros((*buffers.material.shape, 3), np.uint8)
    colours.reshape(-1, 3)[where] = _shades(palette).take(index, axis=0)
    for number, person in enumerate(people):
        paint_face(colours, buffers, person.skeleton, person.look, camera, number * PER_PERSON)
    return colours


def _table(values: npt.NDArray[np.floating[Any]]) -> Image:
    """256 shares of 0 to 1 as bytes."""
    return np.asarray(np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)


_BYTES: Final = np.arange(256) / 255
_LIT: Final = np.clip((_BYTES * 2 - 1 + 0.20) * 1.25, 0, 1)
TONE: Final = _table(_LIT * _LIT * (3 - 2 * _LIT))
"""How bright a surface is by the cosine between it and the light (-1 to 1 in 256 steps)."""
LIT: Final = _table(_BYTES * 2 - 1 + 0.4)
"""How much of the light around the figure's outline falls on it, by the same."""
AWAY: Final = _table((1 - _BYTES) ** 3)
"""How much a surface is turned from the camera, by the cosine between the two."""
OPEN: Final = _table(1 - 0.75 * _BYTES)
"""How much light is left by how occluded a place is."""


def _shades(palette: Floats) -> Image:
    """Each material's colour in each tone and rim light, (M·TONES·RIMS)×3."""
    tone = np.linspace(0, 1, TONES, dtype=np.float32)[None, :, None, None]
    rim = np.linspace(0, 1, RIMS, dtype=np.float32)[None, None, :, None] * 40
    made = palette[:, None, None] * (SHADOW_TINT + (1 - SHADOW_TINT) * tone) + rim
    shades: Image = np.clip(made + 0.5, 0, 255).astype(np.uint8).reshape(-1, 3)
    return shades


def occlusion(buffers: Buffers) -> npt.NDArray[np.uint8]:
    """How much nearer the surroundings are, 0 to 255.

    From Luft et al., Image Enhancement by Unsharp Masking the Depth Buffer, 2006.
    """
    rows, columns = buffers.nearness.shape
    half = cv2.resize(buffers.nearness, (columns // 2 + 1, rows // 2 + 1), interpolation=cv2.INTER_NEAREST)
    np.maximum(half, np.float32(-3), out=half)
    small = cv2.resize(half, (columns // 4 + 1, rows // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(rows, columns) / 360)
    nearer = cv2.resize(small, half.shape[::-1], interpolation=cv2.INTER_LINEAR) - half
    found = cv2.convertScaleAbs(np.maximum(nearer, 0), alpha=7 * 255)
    return np.asarray(cv2.resize(found, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)


def cast_shadow(background: Image, people: Sequence[Person], camera: Camera, strength: float) -> Image:
    """The background with the people's soft shadows on the floor."""
    picture = background.copy()
    if strength <= 0 or camera.turn[2, 1] < 0.01:
        return picture
    height, width = background.shape[:2]
    mask = np.zeros(((height + 1) // 2, (width + 1) // 2), np.uint8)
    boxes = [box for person in people if (box := _shadow(mask, person, camera)) is not None]
    soft = max(float(camera.scale(np.zeros(1))[0]) * 0.02, 0.8)
    if not boxes:
        return picture
    room = int(soft * 3) + 1
    left, top = np.clip(np.min([box[:2] for box in boxes], axis=0) - room, 0, (mask.shape[1], mask.shape[0])).tolist()
    right, bottom = np.clip(np.max([box[2:] for box in boxes], axis=0) + room, 0, mask.shape[::-1]).tolist()
    if right <= left or bottom <= top:
        return picture
    dark = cv2.GaussianBlur(mask[top:bottom, left:right], (0, 0), soft)
    part = picture[2 * top : 2 * bottom, 2 * left : 2 * right]
    dark = cv2.resize(dark, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[: part.shape[0], : part.shape[1]]
    kept = cv2.convertScaleAbs(dark, alpha=-strength, beta=255)
    part[:] = cv2.multiply(part, cv2.merge([kept, kept, kept]), scale=1 / 255)
    return picture


_CAST: Final = {
    "head": 0.10, "chest": 0.15, "pelvis": 0.16, "left_knee": 0.07, "right_knee": 0.07, "left_ankle": 0.06,
    "right_ankle": 0.06, "left_toe": 0.05, "right_toe": 0.05, "left_elbow": 0.05, "right_elbow": 0.05,
    "left_wrist": 0.05, "right_wrist": 0.05,
}  # fmt: skip
"""How wide a joint's shadow is, in metres."""
_BONES: Final = (
    ("head", "chest"), ("chest", "pelvis"), ("pelvis", "left_knee"), ("pelvis", "right_knee"),
    ("left_knee", "left_ankle"),
    ("right_knee", "right_ankle"), ("left_ankle", "left_toe"), ("right_ankle", "right_toe"),
    ("chest", "left_elbow"),
    ("chest", "right_elbow"), ("left_elbow", "left_wrist"), ("right_elbow", "right_wrist"),
)  # fmt: skip


def _shadow(mask: Image, person: Person, camera: Camera) -> tuple[int, int, int, int] | None:
    """Draws the body laid down on the floor along the light, in half resolution, and returns the box around it."""
    names, wide = list(_CAST), _CAST
    places = np.array([person.skeleton.points[name] for name in names])
    away = camera.turn.T @ np.array([0.30, 0.0, -0.35])
    floor = places + places[:, 1:2] * away * 0.55
    floor[:, 1] = 0
    seen = camera.see(floor)
    if (seen[:, 2] > camera.nearest).any():
        return None
    pixels = camera.pixels(seen) / 2
    scale = dict(zip(names, (camera.scale(seen[:, 2]) / 2).tolist(), strict=True))
    spots = dict(zip(names, np.round(pixels * 16).astype(int).tolist(), strict=True))
    for one, two in _BONES:
        cv2.line(
            mask, spots[one], spots[two], 255, max(int((wide[one] + wide[two]) * 0.8 * scale[two]), 1), cv2.LINE_AA, 4
        )
    room = int(0.2 * max(scale.values())) + 1
    (left, top), (right, bottom) = (
        (pixels.min(0) - room).astype(int).tolist(),
        (pixels.max(0) + room).astype(int).tolist(),
    )
    return left, top, right, bottom


def _lay(picture: Image, buffers: Buffers, colours: Image, finer: int) -> Image:
    """Averages the drawing down and lays it on the picture."""
    if finer == 1:
        return _lay_softly(picture, buffers, colours)
    height, width = picture.shape[:2]
    top, left = buffers.top // finer, buffers.left // finer
    rows, columns = buffers.nearness.shape
    above, before = buffers.top - top * finer, buffers.left - left * finer
    below, after = -(above + rows) % finer, -(before + columns) % finer
    drawn = cv2.merge([colours, (buffers.material > 0).astype(np.uint8) * np.uint8(255)])
    drawn = cv2.copyMakeBorder(drawn, above, below, before, after, cv2.BORDER_CONSTANT, value=0)
    small = cv2.resize(drawn, None, fx=1 / finer, fy=1 / finer, interpolation=cv2.INTER_AREA)
    small = small[: height - top, : width - left]
    part = picture[top : top + small.shape[0], left : left + small.shape[1]]
    clear = 255 - small[..., 3]
    part[:] = cv2.add(cv2.multiply(part, cv2.merge([clear, clear, clear]), scale=1 / 255), small[..., :3])
    return picture


def _lay_softly(picture: Image, buffers: Buffers, colours: Image) -> Image:
    """Lays a drawing of the picture's own size on it, its edges blurred: a quick film's way to smooth them."""
    rows, columns = buffers.material.shape
    part = picture[buffers.top : buffers.top + rows, buffers.left : buffers.left + columns]
    np.copyto(part, colours, where=(buffers.material > 0)[..., None])
    across = np.ones((3, 3), np.uint8)
    edges = cv2.dilate(buffers.material, across) != cv2.erode(buffers.material, across)
    np.copyto(part, cv2.GaussianBlur(part, (3, 3), 0.8), where=edges[..., None])
    return picture
