"""Colours every pixel that shows a person: light, cloth, skin and faces. Compiled.

Kernels take scalars, because numba compiles them fastest that way.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from models.figures.look import MATERIALS_PER_PERSON, Material
from models.pose import Floats
from models.train.buffers import Buffers, Int16s, Projection, inlined, kernel

TEXTURES: Final = ((0.5, 1.0), (1.0, 1.0), (1.5, 1.0), (1.9, 1.0), (1.7, 3.0), (1.7, 0.33), (1.2, 4.0), (1.4, 0.25))
"""For each texture, how its waves fade with their frequency (an exponent), and how much longer they are along than
across. They go from sand to large folds, then to folds that run one way."""
TEXTURE_SIDE: Final = 256
"""Side of a texture in pixels. It is a power of two …"""
WRAP_MASK: Final = TEXTURE_SIDE - 1
"""… so that `& WRAP_MASK` wraps an index around."""
TEXELS_PER_METRE: Final = 180
"""Pixels of a texture for each metre of cloth."""

PATTERN, PER_METRE, SECOND, FOLDS, TEXTURE, SHINE, CLOTH_COLUMNS = 0, 1, 2, 5, 6, 7, 8
"""Columns of a cloth's numbers: which pattern, how often it repeats (1/m), its second colour (3), how deep the folds
are, which texture they have, and how much the cloth shines; then the number of columns."""
CENTRE, FRAME, HEAD_SCALE, MOUTH, LIDS, GLASSES, BROW, HEAD_COLUMNS = 0, 3, 12, 13, 14, 15, 16, 19
"""Columns of a head's numbers: the centre (3, m), the axes to its left, up and ahead (3×3), its size relative to an
average adult's, how far the mouth is open (0 to 1) and the eyes are (1: as usual), whether there are glasses (1) or
sunglasses (2), and the brow's colour (3); then the number of columns."""
PLAIN, BANDS, STRIPES, CHECKS, PLAID, FLOWERS, PRINT = range(7)
"""Patterns of cloth."""
NONE, WHITE, DARK, EYEBROW, LIPS, MOUTH_INSIDE, CHEEK, HOLLOW = range(8)
"""Features of a face."""

SKIN: Final = int(Material.SKIN)
NOSE: Final = int(Material.NOSE)
OUTLINE_DEPTH: Final = 0.05
"""Metres between the depths of neighbouring pixels from which there is an outline between them."""


class Lamp(NamedTuple):
    """A lamp and the ambient light.

    `direction` points to the lamp (3, of unit length, the camera's axes). `ambient` is the share of the light that
    comes from all around instead. `softness` is how far the light reaches around a body (0: half of a ball is lit).
    `tint` holds the colours of lamp and ambient light, 2×3 around 1.
    """

    direction: Floats
    ambient: float
    softness: float
    tint: Floats


class Lighting(NamedTuple):
    """The light of a scene: its lamp, and the share of the ambient light that reaches each pixel (H×W, 0 to 1)."""

    lamp: Lamp
    reached: Floats


class Appearance(NamedTuple):
    """The colours of P people, by material.

    `palette` is P×16×3 (0 to 255), `cloths` P×16×8 (`CLOTH_COLUMNS`) and `heads` P×19 (`HEAD_COLUMNS`).
    """

    palette: Floats
    cloths: Floats
    heads: Floats


def make_textures(seed: int) -> Floats:
    """Return 8×256×256 numbers of about −1 to 1: noise of several grains, and folds that run one way."""
    rng = np.random.default_rng(seed)
    textures = np.empty((len(TEXTURES), TEXTURE_SIDE, TEXTURE_SIDE), np.float32)
    f = np.fft.fftfreq(TEXTURE_SIDE)
    for number, (power, length) in enumerate(TEXTURES):
        radius = np.sqrt((f[:, None] * length) ** 2 + f[None] ** 2)
        radius[0, 0] = np.inf
        waves = (
            rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE)) + 1j * rng.normal(size=(TEXTURE_SIDE, TEXTURE_SIDE))
        ) * radius**-power
        grain = np.fft.ifft2(waves).real
        textures[number] = np.clip(grain / grain.std() * 0.5, -1.5, 1.5)
    return textures


@kernel
def shade_people(
    picture: Floats, seen: Buffers, dress: Appearance, textures: Floats, lighting: Lighting, view: Projection
) -> None:
    """Colour the pixels that show people, in place. `picture` is H×W×3, 0 to 255; `textures` are `make_textures`."""
    lamp, reached, grain = lighting.lamp, lighting.reached, textures
    height, width = seen.depth.shape
    for y in range(height):
        for x in range(width):
            tag = seen.tags[y, x]
            if tag < 0:
                continue
            who, material = tag // MATERIALS_PER_PERSON, tag % MATERIALS_PER_PERSON
            cloth, palette, head = dress.cloths[who, material], dress.palette[who], dress.heads[who]
            depth = seen.depth[y, x]
            metre = (view.distance - depth) / view.focal
            px, py = (x - view.x) * metre, (view.y - y) * metre
            along, across = _cloth_position(seen.texture_axes[seen.solid_ids[y, x]], px, py, depth)
            sheet = grain[int(cloth[TEXTURE])]
            nx, ny, nz, here = _bump_normal(seen.normals[y, x], cloth[FOLDS], sheet, along, across, tag)
            around, direct, gloss = _brightness(lamp, nx, ny, nz, reached[y, x])
            second = _pattern(int(cloth[PATTERN]), cloth[PER_METRE], along, across, sheet)
            rough = 1 + (0.03 if material == SKIN else 0.10) * here
            feature, opaque = NONE, 0.0
            if material in (SKIN, NOSE):
                feature, opaque = _face(head, px, py, depth)
            for c in range(3):
                colour = palette[material, c]
                colour += (cloth[SECOND + c] - colour) * second
                if opaque > 0:
                    colour += (_feature_colour(feature, c, palette[SKIN, c], head[BROW + c]) - colour) * opaque
                lit = colour * rough * (around * lamp.tint[1, c] + direct * lamp.tint[0, c]) * 1.25
                picture[y, x, c] = min(lit + gloss * cloth[SHINE] * lamp.tint[0, c], 255.0)


@inlined
def _cloth_position(axes: Any, px: float, py: float, depth: float) -> tuple[float, float]:
    """Return the place on a solid's cloth, in metres along and across, of a point in the camera's axes."""
    dx, dy, dz = px - axes[0], py - axes[1], depth - axes[2]
    return dx * axes[3] + dy * axes[4] + dz * axes[5], dx * axes[6] + dy * axes[7] + dz * axes[8]


@inlined
def _bump_normal(
    normal: Any, folds: float, sheet: Any, along: float, across: float, tag: int
) -> tuple[float, float, float, float]:
    """Return the normal with the folds' bumps, and the texture's value there. Every cloth has its own part of the
    texture."""
    row, column = int(np.floor(across * TEXELS_PER_METRE)), int(np.floor(along * TEXELS_PER_METRE)) + 31 * tag
    here = sheet[row & WRAP_MASK, column & WRAP_MASK]
    nx = normal[0] + folds * (sheet[row & WRAP_MASK, (column + 3) & WRAP_MASK] - here)
    ny = normal[1] + folds * (sheet[(row + 3) & WRAP_MASK, column & WRAP_MASK] - here)
    nz = normal[2]
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-9)
    return nx * scale, ny * scale, nz * scale, here


@inlined
def _brightness(lamp: Lamp, nx: float, ny: float, nz: float, reached: float) -> tuple[float, float, float]:
    """Return the ambient light (stronger from above), the lamp's light, and the gloss of shiny materials (Blinn,
    1977)."""
    lx, ly, lz = lamp.direction[0], lamp.direction[1], lamp.direction[2]
    facing = max(0.0, (nx * lx + ny * ly + nz * lz + lamp.softness) / (1 + lamp.softness))
    around = lamp.ambient * (0.72 + 0.28 * ny) * reached + 0.06 * nz
    direct = (1 - lamp.ambient) * facing * (0.5 + 0.5 * reached)
    half = (nx * lx + ny * ly + nz * (lz + 1)) / np.sqrt(lx * lx + ly * ly + (lz + 1) * (lz + 1) + 1e-6)
    return around, direct, max(half, 0.0) ** 18 * 255 * (1 - lamp.ambient)


@inlined
def _pattern(kind: int, per_metre: float, along: float, across: float, sheet: Any) -> float:
    """Return the share of the second colour."""
    u, v = along * per_metre, across * per_metre
    fu, fv = u - np.floor(u), v - np.floor(v)
    if kind == BANDS:
        return 1.0 if fu < 0.45 else 0.0
    if kind == STRIPES:
        return 1.0 if fv < 0.35 else 0.0
    if kind == CHECKS:
        return 1.0 if (fu < 0.5) != (fv < 0.5) else 0.0
    if kind == PLAID:
        return (0.5 if fu < 0.3 else 0.0) + (0.5 if fv < 0.3 else 0.0)
    if kind == FLOWERS:
        return 1.0 if sheet[int(np.floor(u * 16)) & WRAP_MASK, int(np.floor(v * 16)) & WRAP_MASK] > 0.25 else 0.0
    if kind == PRINT and abs(along + 0.02) < 0.09 and abs(across) < 0.10:  # on the chest
        return (
            1.0
            if sheet[int(np.floor(along * 260)) & WRAP_MASK, int(np.floor(across * 260)) & WRAP_MASK] > -0.1
            else 0.0
        )
    return 0.0


@inlined
def _face(head: Any, px: float, py: float, depth: float) -> tuple[int, float]:
    """Return which feature of a face is at a point, and how opaque it is.

    Lengths are those of an average adult, in metres from the head's centre (`models.figures.head`); features are on
    its front.
    """
    dx, dy, dz = px - head[CENTRE], py - head[CENTRE + 1], depth - head[CENTRE + 2]
    side = (dx * head[FRAME] + dy * head[FRAME + 1] + dz * head[FRAME + 2]) / head[HEAD_SCALE]
    up = (dx * head[FRAME + 3] + dy * head[FRAME + 4] + dz * head[FRAME + 5]) / head[HEAD_SCALE]
    forward = (dx * head[FRAME + 6] + dy * head[FRAME + 7] + dz * head[FRAME + 8]) / head[HEAD_SCALE]
    side = abs(side)
    if forward < 0.02 or side > 0.12 or abs(up) > 0.12:
        return NONE, 0.0
    feature, opacity = NONE, 0.0
    if head[GLASSES] > 0:
        feature, opacity = _glasses(side - 0.034, up - 0.014, side, head[GLASSES])
    if feature == NONE:
        feature, opacity = _eye(side - 0.034, up - 0.014, head[LIDS])
    if feature == NONE:
        feature, opacity = _mouth(side, up + 0.060, head[MOUTH])
    if feature != NONE:
        return feature, opacity
    if side < 0.014 and abs(up + 0.030) < 0.004:  # below the nose
        return HOLLOW, 0.8
    if (side - 0.043) ** 2 + (up + 0.026) ** 2 < 0.018**2:
        return CHEEK, 0.35
    return NONE, 0.0


@inlined
def _glasses(x: float, y: float, side: float, kind: float) -> tuple[int, float]:
    """Return frames, the bridge between them, or dark glass, at a place relative to the middle of an eye."""
    ring = np.sqrt((x / 0.026) ** 2 + (y / 0.022) ** 2)
    if abs(ring - 1) < 0.14 or (side < 0.012 and abs(y - 0.004) < 0.003):
        return DARK, 0.9
    if kind > 1.5 and ring < 1:
        return DARK, 0.92
    return NONE, 0.0


@inlined
def _eye(x: float, y: float, lids: float) -> tuple[int, float]:
    """Return the eye itself (an ellipse), the brow above it or the socket around it, relative to the eye's middle."""
    tall = 0.0085 * lids
    if (x / 0.0165) ** 2 + (y / tall) ** 2 < 1:
        is_iris, is_lash = x * x + y * y < 0.0072**2, y > 0.55 * tall
        return (DARK, 0.85) if is_iris or is_lash else (WHITE, 0.8)
    if abs(x - 0.001) < 0.023 and abs(y - 0.027 + x * x * 11) < 0.0048:  # a bow
        return EYEBROW, 0.75
    if (x / 0.024) ** 2 + ((y - 0.006) / 0.02) ** 2 < 1:
        return HOLLOW, 0.35
    return NONE, 0.0


@inlined
def _mouth(side: float, y: float, opened: float) -> tuple[int, float]:
    """Return lips, teeth or the dark inside, relative to the mouth's middle. The corners of the lips are higher than
    their middle."""
    across, y = side / 0.0265, y - (side / 0.026) ** 2 * 0.006
    if across >= 1:
        return NONE, 0.0
    tall = (0.004 + 0.014 * opened) * np.sqrt(1 - across * across)
    if abs(y) < tall * 0.6 and opened > 0.3:
        return (WHITE, 0.85) if y > -tall * 0.2 else (MOUTH_INSIDE, 0.8)
    return (LIPS, 0.7) if abs(y) < tall + 0.004 else (NONE, 0.0)


@inlined
def _feature_colour(feature: int, channel: int, skin: float, brow: float) -> float:
    """Return a feature's colour in one channel, 0 to 255."""
    is_red = channel == 0
    if feature == WHITE:
        return 232.0
    if feature == DARK:
        return 34.0
    if feature == EYEBROW:
        return brow * 0.8
    if feature == LIPS:
        return skin * (0.86 if is_red else 0.60)
    if feature == MOUTH_INSIDE:
        return skin * 0.25
    if feature == CHEEK:
        return skin * (1.0 if is_red else 0.86)
    return skin * 0.62


@kernel
def soften_outlines(picture: Floats, depth: Floats, tags: Int16s, before: Floats) -> None:
    """Blur outlines with the pixels around them, in place; `before` is room for a copy of the picture."""
    height, width = depth.shape
    before[:] = picture
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            if not _is_edge(depth, tags, y, x):
                continue
            for c in range(3):
                total = 4 * before[y, x, c]
                total += 2 * (before[y - 1, x, c] + before[y + 1, x, c] + before[y, x - 1, c] + before[y, x + 1, c])
                total += before[y - 1, x - 1, c] + before[y - 1, x + 1, c]
                total += before[y + 1, x - 1, c] + before[y + 1, x + 1, c]
                picture[y, x, c] = total / 16


@inlined
def _is_edge(depth: Any, tags: Any, y: int, x: int) -> bool:
    here, tag, edge = depth[y, x], tags[y, x], False
    for step in (-1, 1):
        edge |= abs(depth[y + step, x] - here) > OUTLINE_DEPTH or tags[y + step, x] != tag
        edge |= abs(depth[y, x + step] - here) > OUTLINE_DEPTH or tags[y, x + step] != tag
    return edge
