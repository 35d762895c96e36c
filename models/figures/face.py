"""Paint on the solids: faces on heads and stripes on tops, by where on the body a pixel is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.figures.look import Look, Material
from models.figures.projection import Camera
from models.figures.skeleton import Skeleton, Vector
from models.figures.solids import Buffers
from models.pose import Floats, Image

Reals = npt.NDArray[np.floating[Any]]


def paint_stripes(buffers: Buffers, skeleton: Skeleton, camera: Camera, material_offset: int) -> None:
    """Change the material of some of a top's pixels to stripes."""
    where = np.flatnonzero(buffers.material == material_offset + Material.TOP)
    (height,) = _bone_coordinates(buffers, camera, where, skeleton.points["chest"], skeleton.frames["chest"][:, 1:2])
    buffers.material.reshape(-1)[where[np.mod(height, np.float32(0.075)) < 0.028]] = material_offset + Material.STRIPES


def paint_face(
    colours: Image, buffers: Buffers, skeleton: Skeleton, look: Look, camera: Camera, material_offset: int
) -> None:
    """Paint the part of the face that is turned to the camera."""
    unit = skeleton.build.scale * skeleton.build.head
    at = camera.to_camera(skeleton.points["head"][None])
    if at[0, 2] > camera.near_limit:
        return
    (x, y), reach = camera.to_pixels(at)[0], 0.13 * unit * float(camera.pixels_per_metre(at[:, 2])[0])
    rows = slice(max(int(y - reach) - buffers.top, 0), max(int(y + reach) + 2 - buffers.top, 0))
    columns = slice(max(int(x - reach) - buffers.left, 0), max(int(x + reach) + 2 - buffers.left, 0))
    part = buffers.material[rows, columns]
    down, across = np.nonzero((part == material_offset + Material.SKIN) | (part == material_offset + Material.NOSE))
    where = (down + rows.start) * buffers.material.shape[1] + across + columns.start
    side, up, ahead = _bone_coordinates(buffers, camera, where, skeleton.points["head"], skeleton.frames["head"] / unit)
    front = (ahead > 0.02) & (np.abs(side) < 0.13) & (np.abs(up) < 0.13)
    where, side, up = where[front], side[front], up[front]
    flat = colours.reshape(-1, 3)
    skin = np.array(look.skin, np.float32)
    shaded = flat[where] / skin
    flat[where] = np.clip(face_colours(side, up, skin, look) * shaded, 0, 255).astype(np.uint8)


def face_colours(x: Reals, y: Reals, skin: Floats, look: Look) -> Floats:
    """Return the colours (N×3) of a face from the front at x, y (metres from the head's centre)."""
    dark = np.array([38, 28, 30], np.float32)
    brow = np.array(look.hair, np.float32) * 0.75
    lips = skin * np.array([0.86, 0.58, 0.58], np.float32)
    blush = skin * np.array([1.0, 0.80, 0.78], np.float32)
    colours: Floats = np.repeat(skin[None], len(x), axis=0)
    ax = np.abs(x)

    def lay(colour: Reals, amount: Reals) -> None:
        colours[:] += (colour - colours) * np.clip(amount, 0, 1)[:, None]

    lay(blush, 0.75 - np.hypot(ax - 0.043, y + 0.026) / 0.018 * 0.75)
    lay(skin * np.float32(0.8), _ellipse_mask(ax - 0.034, y - 0.017, 0.0195, 0.0135) * np.float32(0.6))
    lay(np.array([250, 250, 248], np.float32), _ellipse_mask(ax - 0.034, y - 0.014, 0.0155, 0.0100))
    lay(np.array([70, 52, 44], np.float32), _ellipse_mask(ax - 0.033, y - 0.0145, 0.0085, 0.0092))
    lay(dark, _ellipse_mask(ax - 0.033, y - 0.0145, 0.0050, 0.0055))
    lid = 0.0235 - ((ax - 0.034) / 0.017) ** 2 * 0.0085
    lay(dark, _line_mask(y - lid, 0.0022) * _ellipse_mask(ax - 0.034, y - 0.017, 0.019, 0.019))
    arch = 0.043 - ((ax - 0.034) / 0.024) ** 2 * 0.007
    lay(brow, _line_mask(y - arch, 0.0042) * _ellipse_mask(ax - 0.035, y - 0.040, 0.0235, 0.02))
    smile = -0.060 + (x / 0.026) ** 2 * 0.0075
    lay(lips * np.float32(0.72), _line_mask(y - smile, 0.0022) * _ellipse_mask(x, y + 0.055, 0.0265, 0.02))
    lay(lips, _line_mask(y - smile + 0.0055, 0.0050) * _ellipse_mask(x, y + 0.057, 0.0185, 0.02))
    if look.glasses:
        ring = np.abs(np.hypot((ax - 0.035) / 0.026, (y - 0.013) / 0.023) - 1) * 0.024
        lay(dark, _line_mask(ring, 0.0028) + _line_mask(y - 0.018, 0.0022) * (ax < 0.010))
    return colours


def _ellipse_mask(x: Reals, y: Reals, a: float, b: float) -> Reals:
    """Return 1 within an ellipse with the half axes a and b, 0 outside, with a soft edge."""
    edge = (1 - np.hypot(x / np.float32(a), y / np.float32(b))) * np.float32(min(a, b) / 0.0016)
    mask: Reals = np.clip(edge + np.float32(0.5), 0, 1)
    return mask


def _line_mask(distance: Reals, half_width: float) -> Reals:
    mask: Reals = np.clip((half_width - np.abs(distance)) / np.float32(0.0016) + np.float32(0.5), 0, 1)
    return mask


def _bone_coordinates(
    buffers: Buffers, camera: Camera, where: npt.NDArray[np.intp], origin: Vector, axes: Vector
) -> list[Floats]:
    """Return the metres from a bone's origin to pixels (flat indices), along each of n axes (3×n, as columns)."""
    down = where // buffers.nearness.shape[1]
    across = where - down * buffers.nearness.shape[1]
    near = buffers.nearness.reshape(-1)[where]
    size = (np.float32(camera.distance) - near) / np.float32(camera.focal)
    x = (across.astype(np.float32) + np.float32(buffers.left - camera.centre[0])) * size
    y = (np.float32(camera.centre[1] - buffers.top) - down.astype(np.float32)) * size
    turned, since = (camera.rotation @ axes).astype(np.float32), ((camera.target - origin) @ axes).astype(np.float32)
    return [x * turned[0, i] + y * turned[1, i] + near * turned[2, i] + since[i] for i in range(axes.shape[1])]
