"""Light on what was drawn: where surfaces face, how hidden they are, and the colours that a style gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.look import PER_PERSON, Material
from models.figures.projection import Camera
from models.figures.solids import Buffers
from models.figures.styles import Style
from models.pose import Floats, Image

TONES: Final = 64
RIMS: Final = 8
"""Into how many steps light is divided (powers of two)."""
FARTHEST: Final = np.float32(-3)
"""Metres behind the target where what is nowhere is taken to be."""

FOLDS: Final = 0.022
"""Metres over which cloth is smooth."""
DENT: Final = np.float32(0.02)
CLOTH: Final = np.isin(
    np.arange(256) % PER_PERSON, (Material.TOP, Material.SLEEVES, Material.BOTTOM, Material.STRIPES)
).astype(np.float32)
"""1 for each material that is cloth."""
AWAY: Final = ((1 - np.arange(256) / 255) ** 3 * RIMS * 0.999).astype(np.uint8)
"""The step of light around outlines by the cosine between a surface and the camera."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The N pixels where something was drawn: `where` they are in the buffers (flat), what of (`material`), their
    `normal` (3×N, the camera's axes), and how `open` they are to the light, 0 to 255."""

    where: npt.NDArray[np.intp]
    material: npt.NDArray[np.uint8]
    normal: Floats
    open: npt.NDArray[np.uint8]


def surface(buffers: Buffers, camera: Camera) -> Surface:
    """What can be told of the surfaces from how near they are."""
    where = np.flatnonzero(buffers.material)
    near = _ironed(buffers, FOLDS * float(camera.scale(np.zeros(1))[0])).reshape(-1)
    here, columns = near[where], buffers.nearness.shape[1]
    size = np.float32(camera.focal) / (np.float32(camera.distance) - here)
    normal = np.empty((3, len(where)), np.float32)
    np.multiply(_slope(near, here, where, 1), -size, out=normal[0])
    np.multiply(_slope(near, here, where, columns), size, out=normal[1])
    normal[2] = 1 / np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + 1)
    normal[:2] *= normal[2]
    return Surface(where, buffers.material.reshape(-1)[where], normal, 255 - _hidden(buffers).reshape(-1)[where])


def _ironed(buffers: Buffers, reach: float) -> Floats:
    """How near surfaces are, H×W, with cloth smoothed over `reach` pixels: it lies over what a body is put together of.

    It moves by `DENT` metres at most, so that one limb before another is not drawn into it.
    """
    cloth = CLOTH[buffers.material]
    rows, columns = cloth.shape
    half = (columns // 2 + 1, rows // 2 + 1)
    weight = cv2.GaussianBlur(cv2.resize(cloth, half, interpolation=cv2.INTER_AREA), (0, 0), max(reach / 2, 0.5))
    near = cv2.resize(buffers.nearness * cloth, half, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(near, (0, 0), max(reach / 2, 0.5)) / np.maximum(weight, np.float32(1e-3))
    moved = cv2.resize(near, (columns, rows), interpolation=cv2.INTER_LINEAR) - buffers.nearness
    ironed: Floats = buffers.nearness + np.clip(moved, -DENT, DENT) * cloth
    return ironed


def _slope(near: Floats, here: Floats, where: npt.NDArray[np.intp], step: int) -> Floats:
    """How much nearer the next pixel is, by whichever neighbour differs less: the other may be beyond an edge."""
    after = near.take(where + step, mode="clip")
    after -= here
    before = near.take(where - step, mode="clip")
    np.subtract(here, before, out=before)
    return np.where(np.abs(after) < np.abs(before), after, before)


def _hidden(buffers: Buffers) -> npt.NDArray[np.uint8]:
    """How much light the surroundings take because they are nearer, 0 to 191, H×W.

    From Luft et al., Image Enhancement by Unsharp Masking the Depth Buffer, 2006.
    """
    rows, columns = buffers.nearness.shape
    near = np.maximum(buffers.nearness, FARTHEST)
    small = cv2.resize(near, (columns // 4 + 1, rows // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(rows, columns) / 170)
    nearer = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    nearer -= near
    np.maximum(nearer, 0, out=nearer)
    return np.minimum(cv2.convertScaleAbs(nearer, alpha=0.75 * 9 * 255), np.uint8(191))


def colours(seen: Surface, palette: Floats, style: Style) -> Image:
    """The colours of a surface, N×3, each material's (M×3) in the light of a style."""
    light = np.array(style.light, np.float32) @ seen.normal
    light *= np.float32(127.5)
    light += np.float32(127.5)
    tone = style.tone[light.astype(np.uint8)].astype(np.uint16)
    tone *= seen.open
    tone >>= 8
    rim = AWAY[(seen.normal[2] * np.float32(255)).astype(np.uint8)]
    index = seen.material.astype(np.int32) * (TONES * 2 * RIMS)
    index += (style.steps[tone] >> (8 - (TONES - 1).bit_length())).astype(np.int32) * (2 * RIMS)
    index += rim
    index += np.where(seen.normal[0] * np.float32(style.light[0]) > 0, 0, RIMS)
    return _shades(palette, style).take(index, axis=0)


def _shades(palette: Floats, style: Style) -> Image:
    """Each material's colour in each tone and rim light, (M·TONES·2·RIMS)×3."""
    tone = np.linspace(0, 1, TONES, dtype=np.float32)[None, :, None, None]
    dark = np.array(style.shade, np.float32)
    rim = np.array(style.rims, np.float32)[:, None] * np.linspace(0, 1, RIMS, dtype=np.float32)[None, :, None]
    made = (palette[:, None, None] * (dark + (1 - dark) * tone)) + rim.reshape(1, 1, 2 * RIMS, 3)
    shades: Image = np.clip(made + 0.5, 0, 255).astype(np.uint8).reshape(-1, 3)
    return shades
