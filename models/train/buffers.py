"""Buffers with what is visible at each pixel of a scene. The compiled renderer fills them, and `models.train.light`
reads them."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from models.figures.projection import Camera
from models.pose import Floats

Int16s = npt.NDArray[np.int16]

NO_DEPTH: Final = np.float32(-1e6)
"""The depth of a pixel without a person, in metres: farther than any person."""
NOBODY: Final = -1
"""The tag of a pixel without a person."""

AXES_COLUMNS: Final = 9
"""Numbers that place a solid's texture: its origin and two directions, in the camera's axes."""

kernel = njit(cache=True, fastmath={"contract", "arcp", "reassoc"}, error_model="numpy", nogil=True)
"""Compiles functions that are called from Python, once: the result is cached next to the module. Only those fast-math
rules are on that keep infinities and NaN correct."""
inlined = njit(inline="always")
"""Compiles a part of a kernel into the kernel itself. It must be in the kernel's own file, because numba recompiles a
cached kernel only when that file changes."""


class Projection(NamedTuple):
    """A camera without its rotation (see `models.figures.projection.Camera`).

    `focal` is the focal length in pixels, `distance` the metres from the camera to the origin of its axes, and `x` and
    `y` are that origin's place in the picture, in pixels.
    """

    focal: float
    distance: float
    x: float
    y: float

    @classmethod
    def from_camera(cls, camera: Camera) -> Projection:
        """Return a camera's projection. All numbers become floats, because numba compiles a kernel again for each other
        type."""
        x, y = camera.centre
        return cls(float(camera.focal), float(camera.distance), float(x), float(y))


class Buffers(NamedTuple):
    """What is visible at each pixel of a picture of H×W pixels."""

    depth: Floats
    """H×W: metres towards the camera, from the camera's target; `NO_DEPTH` without a person."""
    normals: Floats
    """H×W×3, in the camera's axes, of unit length except where two surfaces melt into each other."""
    tags: Int16s
    """H×W: the person's number × `MATERIALS_PER_PERSON` + the material, or `NOBODY`."""
    solid_ids: Int16s
    """H×W: the solid's number, a row of `texture_axes`."""
    texture_axes: Floats
    """N×9 (`AXES_COLUMNS`), one row for each solid of all people."""


def empty_buffers(height: int, width: int, solids: int) -> Buffers:
    """Return empty buffers for a picture and a number of solids."""
    return Buffers(
        np.full((height, width), NO_DEPTH, np.float32),
        np.zeros((height, width, 3), np.float32),
        np.full((height, width), NOBODY, np.int16),
        np.zeros((height, width), np.int16),
        np.zeros((solids, AXES_COLUMNS), np.float32),
    )
