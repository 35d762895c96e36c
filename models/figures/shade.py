"""Light on the drawn surfaces: normals, openness to the light, and the colours that a style gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.figures.look import MATERIALS_PER_PERSON, Material
from models.figures.projection import Camera
from models.figures.solids import Buffers
from models.figures.styles import Style
from models.pose import Floats, Image

TONE_STEPS: Final = 64
RIM_STEPS: Final = 8
"""Steps of light on surfaces, and along outlines (powers of two): the fewer, the smaller the table of colours."""
MIN_NEARNESS: Final = np.float32(-3)
"""Nearness in metres of the empty space, for the light that surroundings take: 3 m behind the target."""

CLOTH_SMOOTHING: Final = 0.022
"""Metres over which cloth is smoothed."""
MAX_SMOOTHING: Final = np.float32(0.02)
"""Metres by which smoothing moves cloth at most."""
IS_CLOTH: Final = np.isin(
    np.arange(256) % MATERIALS_PER_PERSON, (Material.TOP, Material.SLEEVES, Material.BOTTOM, Material.STRIPES)
).astype(np.float32)
"""1 for materials that are cloth, 0 for others."""
RIM_STEP_BY_COSINE: Final = ((1 - np.arange(256) / 255) ** 3 * RIM_STEPS * 0.999).astype(np.uint8)
"""The step of light along outlines, by the cosine between a surface's normal and the line of sight."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """The N pixels with a solid: their flat indices in the buffers, materials, normals (3×N, in the camera's axes), and
    openness to the light (0 to 255)."""

    pixel_indices: npt.NDArray[np.intp]
    material: npt.NDArray[np.uint8]
    normal: Floats
    openness: npt.NDArray[np.uint8]


def extract_surface(buffers: Buffers, camera: Camera) -> Surface:
    """Derive the surface from the nearness of its pixels."""
    where = np.flatnonzero(buffers.material)
    near = _smooth_cloth(buffers, CLOTH_SMOOTHING * float(camera.pixels_per_metre(np.zeros(1))[0])).reshape(-1)
    here, columns = near[where], buffers.nearness.shape[1]
    size = np.float32(camera.focal) / (np.float32(camera.distance) - here)
    normal = np.empty((3, len(where)), np.float32)
    np.multiply(_slope(near, here, where, 1), -size, out=normal[0])
    np.multiply(_slope(near, here, where, columns), size, out=normal[1])
    normal[2] = 1 / np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + 1)
    normal[:2] *= normal[2]
    return Surface(
        where, buffers.material.reshape(-1)[where], normal, 255 - _ambient_occlusion(buffers).reshape(-1)[where]
    )


def _smooth_cloth(buffers: Buffers, reach: float) -> Floats:
    """Return the nearness, H×W, with cloth smoothed over `reach` pixels, because cloth bridges a body's solids.

    Cloth moves by `MAX_SMOOTHING` metres at most, so that a limb in front of another does not merge with it.
    """
    cloth = IS_CLOTH[buffers.material]
    rows, columns = cloth.shape
    half = (columns // 2 + 1, rows // 2 + 1)
    weight = cv2.GaussianBlur(cv2.resize(cloth, half, interpolation=cv2.INTER_AREA), (0, 0), max(reach / 2, 0.5))
    near = cv2.resize(buffers.nearness * cloth, half, interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(near, (0, 0), max(reach / 2, 0.5)) / np.maximum(weight, np.float32(1e-3))
    moved = cv2.resize(near, (columns, rows), interpolation=cv2.INTER_LINEAR) - buffers.nearness
    smoothed: Floats = buffers.nearness + np.clip(moved, -MAX_SMOOTHING, MAX_SMOOTHING) * cloth
    return smoothed


def _slope(near: Floats, here: Floats, where: npt.NDArray[np.intp], step: int) -> Floats:
    """Return how much nearer the next pixel is, by the neighbour that differs less: the other may be beyond an edge."""
    after = near.take(where + step, mode="clip")
    after -= here
    before = near.take(where - step, mode="clip")
    np.subtract(here, before, out=before)
    return np.where(np.abs(after) < np.abs(before), after, before)


def _ambient_occlusion(buffers: Buffers) -> npt.NDArray[np.uint8]:
    """Return how much light nearer surroundings take, 0 to 191, H×W.

    From Luft et al., Image Enhancement by Unsharp Masking the Depth Buffer, 2006.
    """
    rows, columns = buffers.nearness.shape
    near = np.maximum(buffers.nearness, MIN_NEARNESS)
    small = cv2.resize(near, (columns // 4 + 1, rows // 4 + 1), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(rows, columns) / 170)
    nearer = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    nearer -= near
    np.maximum(nearer, 0, out=nearer)
    return np.minimum(cv2.convertScaleAbs(nearer, alpha=0.75 * 9 * 255), np.uint8(191))


def shade_surface(seen: Surface, palette: Floats, style: Style) -> Image:
    """Return the colours of a surface, N×3: those of the palette (M×3) in the light of a style."""
    light = np.array(style.light, np.float32) @ seen.normal
    light *= np.float32(127.5)
    light += np.float32(127.5)
    tone = style.tone[light.astype(np.uint8)].astype(np.uint16)
    tone *= seen.openness
    tone >>= 8
    rim = RIM_STEP_BY_COSINE[(seen.normal[2] * np.float32(255)).astype(np.uint8)]
    index = seen.material.astype(np.int32) * (TONE_STEPS * 2 * RIM_STEPS)
    index += (style.steps[tone] >> (8 - (TONE_STEPS - 1).bit_length())).astype(np.int32) * (2 * RIM_STEPS)
    index += rim
    index += np.where(seen.normal[0] * np.float32(style.light[0]) > 0, 0, RIM_STEPS)
    return _shade_table(palette, style).take(index, axis=0)


def _shade_table(palette: Floats, style: Style) -> Image:
    """Return each material's colour in each tone and rim light, (M · TONE_STEPS · 2 · RIM_STEPS)×3."""
    tone = np.linspace(0, 1, TONE_STEPS, dtype=np.float32)[None, :, None, None]
    dark = np.array(style.shade, np.float32)
    rim = np.array(style.rims, np.float32)[:, None] * np.linspace(0, 1, RIM_STEPS, dtype=np.float32)[None, :, None]
    light = (palette[:, None, None] * (dark + (1 - dark) * tone)) + rim.reshape(1, 1, 2 * RIM_STEPS, 3)
    shades: Image = np.clip(light + 0.5, 0, 255).astype(np.uint8).reshape(-1, 3)
    return shades
