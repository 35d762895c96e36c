"""Heads: skull, jaw, nose, ears, hair and hats as solids. `face` paints eyes, brows and mouth on them."""

from __future__ import annotations

from typing import Final, TypedDict, Unpack

import numpy as np

from models.figures.figure_builder import LIMB_MELT, FigureBuilder
from models.figures.look import Material
from models.figures.skeleton import Vector

Place = tuple[float, float, float]

HAIRLINE_NORMAL: Final = (0.0, -0.50, 0.866)
"""The normal of the plane where hair ends, from brow to nape: down and ahead in the head's axes."""
HAIRLINE_OFFSET: Final = 0.012
"""Metres from the head's centre to that plane."""


class _HeadShape(TypedDict, total=False):
    """What makes a solid differ from the hull of two balls, in the head's axes; see `solids.Shape`."""

    squash: Place
    cut: tuple[Place, float]
    melt: float
    """`LIMB_MELT` by default."""


class _HeadBuilder:
    """Adds solids in the head's own axes, in metres of an average adult's head."""

    def __init__(self, builder: FigureBuilder) -> None:
        self.builder = builder
        self.unit = builder.scale * builder.skeleton.build.head
        self.centre, self.frame = builder.points["head"], builder.frames["head"]

    def to_scene(self, place: Place) -> Vector:
        point: Vector = self.centre + self.frame @ (np.array(place) * self.unit)
        return point

    def add_ellipsoid(self, material: Material, place: Place, half_axes: Place, **shape: Unpack[_HeadShape]) -> None:
        radius = max(half_axes)
        shape["squash"] = (half_axes[0] / radius, half_axes[1] / radius, half_axes[2] / radius)
        self.add_cone(material, place, place, (radius, radius), **shape)

    def add_cone(
        self, material: Material, start: Place, end: Place, radii: tuple[float, float], **shape: Unpack[_HeadShape]
    ) -> None:
        u, plane = self.unit, None
        if "cut" in shape:
            normal = self.frame @ np.array(shape["cut"][0])
            plane = (normal, float(normal @ self.centre) + shape["cut"][1] * u)
        self.builder.add(
            material,
            self.to_scene(start),
            self.to_scene(end),
            (radii[0] * u, radii[1] * u),
            frame=self.frame,
            squash=shape.get("squash", (1.0, 1.0, 1.0)),
            cut=plane,
            melt=shape.get("melt", LIMB_MELT) * u,
        )


def add_head(builder: FigureBuilder) -> None:
    """Add a person's head."""
    h = _HeadBuilder(builder)
    look = builder.look
    h.add_ellipsoid(Material.SKIN, (0, 0.030, -0.010), (0.077, 0.088, 0.094))
    h.add_cone(Material.SKIN, (0, -0.016, 0.014), (0, -0.072, 0.042), (0.068, 0.041), squash=(1.0, 0.95, 0.98))
    nose = (1.05, 0.9, 1.0)
    h.add_cone(Material.NOSE, (0, 0.004, 0.082), (0, -0.026, 0.097), (0.0065, 0.0120), squash=nose, melt=0.0)
    for sign in (1, -1) if look.hair_style != "scarf" else ():
        h.add_ellipsoid(Material.EARS, (sign * 0.0755, -0.010, -0.008), (0.010, 0.027, 0.017))
    if look.beard:
        h.add_cone(
            Material.HAIR,
            (0, -0.028, 0.012),
            (0, -0.078, 0.042),
            (0.0705, 0.047),
            squash=(1.0, 0.95, 0.99),
            cut=((0.0, 0.82, 0.57), -0.003),
        )
    _add_hair(h)


def _add_hair_shell(h: _HeadBuilder, material: Material, thick: float = 0.0, line: float = HAIRLINE_OFFSET) -> None:
    h.add_ellipsoid(
        material, (0, 0.036, -0.016), (0.081 + thick, 0.092 + thick, 0.097 + thick), cut=(HAIRLINE_NORMAL, line)
    )


def _add_hair(h: _HeadBuilder) -> None:
    style, hair = h.builder.look.hair_style, Material.HAIR
    if style == "bald":
        return
    if style == "cropped":
        _add_hair_shell(h, hair, 0.0, 0.008)
    elif style == "short":
        _add_hair_shell(h, hair, 0.006)
        h.add_ellipsoid(hair, (0.0, 0.098, 0.030), (0.062, 0.032, 0.048))
        h.add_ellipsoid(hair, (0.030, 0.090, 0.040), (0.040, 0.026, 0.034))
    elif style == "side":
        _add_hair_shell(h, hair, 0.007)
        h.add_ellipsoid(hair, (-0.026, 0.094, 0.036), (0.056, 0.030, 0.046))
        h.add_ellipsoid(hair, (0.048, 0.074, 0.030), (0.034, 0.030, 0.044))
    elif style == "afro":
        h.add_ellipsoid(hair, (0, 0.060, -0.034), (0.132, 0.122, 0.118), cut=(HAIRLINE_NORMAL, 0.020))
    elif style == "curls":
        _add_hair_shell(h, hair, 0.006)
        for x, y, z in _CURLS:
            h.add_ellipsoid(hair, (x, y, z), (0.036, 0.034, 0.036), melt=0.008)
    elif style == "scarf":
        _add_scarf(h)
    elif style in ("cap", "beanie"):
        _add_hat(h, style)
    else:
        _add_long_hair(h, style)


_CURLS = [
    (0.05, 0.10, 0.035), (-0.05, 0.10, 0.035), (0.0, 0.115, 0.04), (0.078, 0.06, 0.0), (-0.078, 0.06, 0.0), (0.03,
    0.125, -0.02),
    (-0.03, 0.125, -0.02), (0.07, 0.09, -0.05), (-0.07, 0.09, -0.05), (0.075, 0.01, -0.05), (-0.075, 0.01, -0.05),
    (0.0, 0.11, -0.075), (0.045, 0.05, -0.1), (-0.045, 0.05, -0.1), (0.0, 0.0, -0.105), (0.05, -0.03, -0.085),
    (-0.05, -0.03, -0.085),
]  # fmt: skip


def _add_long_hair(h: _HeadBuilder, style: str) -> None:
    hair = Material.HAIR
    _add_hair_shell(h, hair, 0.003)
    for sign in (1, -1):  # parted in the middle
        h.add_ellipsoid(
            hair,
            (sign * 0.008, 0.038, -0.016),
            (0.080, 0.096, 0.103),
            cut=((-sign * 0.50, -0.36, 0.79), 0.022),
            melt=0.006,
        )
    if style in ("bob", "long"):
        down, wide = (-0.070, 0.050) if style == "bob" else (-0.185, 0.042)
        for sign in (1, -1):
            h.add_cone(
                hair,
                (sign * 0.048, 0.03, -0.030),
                (sign * 0.062, down, -0.040),
                (0.046, wide),
                squash=(0.85, 0.6, 1.0),
                melt=0.03,
            )
        back = (1.1, 0.5, 0.6)
        h.add_cone(hair, (0, 0.02, -0.055), (0, down - 0.01, -0.075), (0.070, 0.072), squash=back, melt=0.03)
    elif style == "tail":
        h.add_ellipsoid(Material.BELT, (0, 0.075, -0.112), (0.02, 0.02, 0.016))
        swing = h.frame.T @ np.array([0.0, -0.19, 0.0])
        hang = np.array([0, 0.062, -0.135]) + 0.72 * swing + 0.28 * np.array([0.0, -0.12, -0.10])
        knot = (0.0, 0.070, -0.125)
        middle = tuple(((np.array(knot) + hang) / 2 + (0, 0.012, -0.02)).tolist())
        h.add_cone(hair, knot, middle, (0.026, 0.038))
        h.add_cone(hair, middle, tuple(hang.tolist()), (0.038, 0.012))
    elif style == "bun":
        h.add_ellipsoid(hair, (0, 0.045, -0.122), (0.042, 0.042, 0.036), melt=0.003)
    elif style == "knot":
        h.add_ellipsoid(hair, (0, 0.142, -0.035), (0.040, 0.036, 0.040), melt=0.003)


def _add_scarf(h: _HeadBuilder) -> None:
    hat = Material.HAT
    h.add_ellipsoid(hat, (0, 0.032, -0.014), (0.088, 0.100, 0.106), cut=((0.0, -0.22, 0.975), 0.040))
    h.add_cone(
        hat,
        (0, 0.0, -0.012),
        (0, -0.085, 0.0),
        (0.088, 0.072),
        squash=(1.0, 1.0, 1.08),
        cut=((0.0, 0.30, 0.954), 0.012),
    )
    h.add_cone(hat, (0, -0.09, -0.012), (0, -0.16, -0.022), (0.072, 0.088), squash=(1.0, 0.8, 0.9))


def _add_hat(h: _HeadBuilder, style: str) -> None:
    _add_hair_shell(h, Material.HAIR, 0.003)
    if style == "cap":
        h.add_ellipsoid(Material.HAT, (0, 0.050, -0.012), (0.087, 0.082, 0.102), cut=((0.0, -0.97, 0.10), -0.042))
        h.add_cone(Material.HAT, (0, 0.058, 0.055), (0, 0.046, 0.125), (0.062, 0.058), squash=(1.0, 0.12, 0.62))
    else:
        h.add_ellipsoid(Material.HAT, (0, 0.060, -0.014), (0.088, 0.088, 0.104), cut=((0.0, -0.97, 0.10), -0.046))
        h.add_cone(Material.HAT, (0, 0.062, -0.012), (0, 0.078, -0.014), (0.091, 0.090), squash=(1.0, 0.16, 1.16))
