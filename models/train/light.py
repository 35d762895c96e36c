"""Light, cloth, skin and faces on what was drawn: colours for every pixel where there is somebody, compiled."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from models.figures.look import PER_PERSON, Material
from models.pose import Floats
from models.train.render import Shorts

SIDE: Final = 256
"""Pixels of a texture's side."""

SKIN, HAIR, TOP, SLEEVES, BOTTOM = (
    int(Material.SKIN), int(Material.HAIR), int(Material.TOP), int(Material.SLEEVES), int(Material.BOTTOM)
)  # fmt: skip
NOSE: Final = int(Material.NOSE)
PLAIN, BANDS, STRIPES, CHECKS, PLAID, FLOWERS, PRINT = range(7)
"""Patterns of cloth."""

HEAD: Final = 20
"""Numbers of a head: centre 3, frame 9 (its axes as rows, the camera's), unit, mouth, lids, glasses, brow's colour 3,
(one free)."""
CLOTH: Final = 8
"""Numbers of a cloth: pattern, its frequency (1/m), second colour 3, folds, texture, shine."""


def textures(seed: int) -> Floats:
    """8×256×256 about −1…1: noise of several grains, and folds that run along one way."""
    chance = np.random.default_rng(seed)
    made = np.empty((8, SIDE, SIDE), np.float32)
    f = np.fft.fftfreq(SIDE)
    for number, (power, long) in enumerate(
        ((0.5, 1.0), (1.0, 1.0), (1.5, 1.0), (1.9, 1.0), (1.7, 3.0), (1.7, 0.33), (1.2, 4.0), (1.4, 0.25))
    ):
        radius = np.sqrt((f[:, None] * long) ** 2 + f[None] ** 2)
        radius[0, 0] = np.inf
        waves = (chance.normal(size=(SIDE, SIDE)) + 1j * chance.normal(size=(SIDE, SIDE))) * radius**-power
        grain = np.fft.ifft2(waves).real
        made[number] = np.clip(grain / grain.std() * 0.5, -1.5, 1.5)
    return made


@njit(cache=True, fastmath={"contract", "arcp", "reassoc"}, error_model="numpy", nogil=True)
def light(
    picture: Floats, near: Floats, normals: Floats, what: Shorts, which: Shorts, axes: Floats, shadow: Floats,
    palette: Floats, cloths: Floats, heads: Floats, grain: Floats, lamp: Floats, tint: Floats, focal: float,
    distance: float, cx: float, cy: float,
) -> None:  # fmt: skip
    """Colours the pixels where there is somebody, in place.

    `shadow` H×W is how much of the ambient light is left; `palette` P×16×3, `cloths` P×16×8 and `heads` P×20; `lamp`:
    direction 3, how much of the light is ambient, how soft the edge of the shade; `tint` 2×3: the lamp's colour and the
    ambient's.
    """
    height, width = near.shape
    for y in range(height):
        for x in range(width):
            tag = what[y, x]
            if tag < 0:
                continue
            who, material = tag // PER_PERSON, tag % PER_PERSON
            depth = near[y, x]
            metre = (distance - depth) / focal
            px, py = (x - cx) * metre, (cy - y) * metre
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            cloth = cloths[who, material]
            u, v = _spot(axes[which[y, x]], px, py, depth)
            sheet = grain[int(cloth[6])]
            iu, iv = int(np.floor(u * 180)) + 31 * tag, int(np.floor(v * 180))
            here = sheet[iv & 255, iu & 255]
            folds = cloth[5]
            nx += folds * (sheet[iv & 255, (iu + 3) & 255] - here)
            ny += folds * (sheet[(iv + 3) & 255, iu & 255] - here)
            scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-9)
            nx, ny, nz = nx * scale, ny * scale, nz * scale
            facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
            facing = max(0.0, (facing + lamp[4]) / (1 + lamp[4]))
            around = lamp[3] * (0.72 + 0.28 * ny) * shadow[y, x] + 0.06 * nz
            direct = (1 - lamp[3]) * facing * (0.5 + 0.5 * shadow[y, x])
            hx, hy, hz = lamp[0], lamp[1], lamp[2] + 1
            half = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-6)
            gloss = cloth[7] * max(half, 0.0) ** 18 * 255 * (1 - lamp[3])
            mix = _pattern(int(cloth[0]), u * cloth[1], v * cloth[1], u, v, sheet)
            rough = 1 + 0.10 * here if material != SKIN else 1 + 0.03 * here
            face, opaque = _face(heads[who], material, px, py, depth)
            for c in range(3):
                albedo = palette[who, material, c]
                albedo += (cloth[2 + c] - albedo) * mix
                if opaque > 0:
                    albedo += (_feature(face, c, palette[who, SKIN, c], heads[who, 16 + c]) - albedo) * opaque
                lit = albedo * rough * (around * tint[1, c] + direct * tint[0, c]) * 1.25 + gloss * tint[0, c]
                picture[y, x, c] = min(lit, 255.0)


@njit(cache=True, inline="always")
def _spot(axes: Any, px: float, py: float, depth: float) -> tuple[float, float]:
    dx, dy, dz = px - axes[0], py - axes[1], depth - axes[2]
    along = dx * axes[3] + dy * axes[4] + dz * axes[5]
    across = dx * axes[6] + dy * axes[7] + dz * axes[8]
    return along, across


@njit(cache=True, inline="always")
def _pattern(kind: int, u: float, v: float, along: float, across: float, sheet: Any) -> float:
    """How much of the second colour there is."""
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
        return 1.0 if sheet[int(np.floor(u * 16)) & 255, int(np.floor(v * 16)) & 255] > 0.25 else 0.0
    if kind == PRINT and abs(along + 0.02) < 0.09 and abs(across) < 0.10:  # on the chest
        return 1.0 if sheet[int(np.floor(along * 260)) & 255, int(np.floor(across * 260)) & 255] > -0.1 else 0.0
    return 0.0


@njit(cache=True, inline="always")
def _face(head: Any, material: int, px: float, py: float, depth: float) -> tuple[int, float]:
    """Which feature of the face is at a pixel, and how opaque: 0 none, 1 white of the eye, 2 dark, 3 brow, 4 lips,
    5 the mouth's inside, 6 cheeks, 7 the sockets."""
    if material != SKIN and material != NOSE:
        return 0, 0.0
    dx, dy, dz = px - head[0], py - head[1], depth - head[2]
    unit = head[12]
    side = (dx * head[3] + dy * head[4] + dz * head[5]) / unit
    up = (dx * head[6] + dy * head[7] + dz * head[8]) / unit
    ahead = (dx * head[9] + dy * head[10] + dz * head[11]) / unit
    if ahead < 0.02 or abs(side) > 0.12 or abs(up) > 0.12:
        return 0, 0.0
    ex, ey = abs(side) - 0.034, up - 0.014
    eye = (ex / 0.0165) ** 2 + (ey / (0.0085 * head[14])) ** 2
    if head[15] > 0:
        ring = np.sqrt((ex / 0.026) ** 2 + (ey / 0.022) ** 2)
        if abs(ring - 1) < 0.14 or (abs(side) < 0.012 and abs(ey - 0.004) < 0.003):
            return 2, 0.9
        if head[15] > 1.5 and ring < 1:  # sunglasses
            return 2, 0.92
    if eye < 1:
        iris = ex * ex + ey * ey < 0.0072**2
        lid = ey > 0.0085 * head[14] * 0.55
        return (2, 0.85) if iris or lid else (1, 0.8)
    if abs(ex - 0.001) < 0.023 and abs(up - 0.041 + ex * ex * 11) < 0.0048:
        return 3, 0.75
    if (ex / 0.024) ** 2 + ((up - 0.02) / 0.02) ** 2 < 1:
        return 7, 0.35
    mx, my = side / 0.0265, (up + 0.060) - (side / 0.026) ** 2 * 0.006
    opened = 0.004 + 0.014 * head[13]
    if abs(mx) < 1:
        wide = opened * np.sqrt(1 - mx * mx)
        if abs(my) < wide * 0.6 and head[13] > 0.3:
            return (1, 0.85) if my > -wide * 0.2 else (5, 0.8)
        if abs(my) < wide + 0.004:
            return 4, 0.7
    if abs(side) < 0.014 and abs(up + 0.030) < 0.004:
        return 7, 0.8
    if (abs(side) - 0.043) ** 2 + (up + 0.026) ** 2 < 0.018**2:
        return 6, 0.35
    return 0, 0.0


@njit(cache=True, inline="always")
def _feature(face: int, channel: int, skin: float, brow: float) -> float:
    if face == 1:
        return 232.0
    if face == 2:
        return 34.0
    if face == 3:
        return brow * 0.8
    if face == 4:
        return skin * (0.86 if channel == 0 else 0.60)
    if face == 5:
        return skin * 0.25
    if face == 6:
        return skin * (1.0 if channel == 0 else 0.86)
    return skin * 0.62


@njit(cache=True, nogil=True)
def soften(picture: Floats, near: Floats, what: Shorts, behind: Floats) -> None:
    """Outlines become the mean of what is around them, in place; `behind` is room for a copy of the picture."""
    height, width = near.shape
    behind[:] = picture
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            d = near[y, x]
            edge = False
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
                if abs(near[y + dy, x + dx] - d) > 0.05 or what[y + dy, x + dx] != what[y, x]:
                    edge = True
            if edge:
                for c in range(3):
                    total = 4 * behind[y, x, c]
                    total += 2 * (behind[y - 1, x, c] + behind[y + 1, x, c] + behind[y, x - 1, c] + behind[y, x + 1, c])
                    total += behind[y - 1, x - 1, c] + behind[y - 1, x + 1, c]
                    total += behind[y + 1, x - 1, c] + behind[y + 1, x + 1, c]
                    picture[y, x, c] = total / 16
