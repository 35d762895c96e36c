"""`FigureBuilder`: what `body`, `head`, `props` and `rides` add a person's solids with."""

from __future__ import annotations

from typing import Final, Unpack

import numpy as np

from models.figures.look import Look, Material
from models.figures.skeleton import Skeleton, Vector
from models.figures.solids import Shape, Solids

LIMB_MELT: Final = 0.02
TRUNK_MELT: Final = 0.04
"""Metres of depth over which the surfaces of a limb, and of the trunk, melt into each other."""


class FigureBuilder:
    """Adds the solids of one person to those of a scene.

    `material_offset` is added to each material's number. A `fine` figure has four fingers on each hand, others two.
    """

    def __init__(self, solids: Solids, skeleton: Skeleton, look: Look, material_offset: int, fine: bool) -> None:
        self.solids, self.look, self.material_offset, self.fine = solids, look, material_offset, fine
        self.skeleton, self.points, self.frames = skeleton, skeleton.points, skeleton.frames
        self.scale = skeleton.build.scale

    def add(
        self, material: Material, start: Vector, end: Vector, radii: tuple[float, float], **shape: Unpack[Shape]
    ) -> None:
        """Add one solid; see `Solids.add`."""
        self.solids.add(self.material_offset + int(material), start, end, radii, **shape)

    def add_ellipsoid(
        self,
        material: Material,
        bone: str,
        centre: Vector,
        place: tuple[float, float, float],
        size: tuple[float, float, float],
        melt: float = LIMB_MELT,
    ) -> None:
        """Add an ellipsoid with the half axes `size` at a place in a bone's axes, relative to `centre`."""
        at = centre + self.frames[bone] @ (np.array(place) * self.scale)
        radius = max(size) * self.scale
        squash = (size[0] / max(size), size[1] / max(size), size[2] / max(size))
        self.add(material, at, at, (radius, radius), frame=self.frames[bone], squash=squash, melt=melt * self.scale)
