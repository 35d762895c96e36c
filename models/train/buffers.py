"""What is seen at each pixel of a scene: the compiled renderer fills it, and light is put on it."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from models.figures.projection import Camera
from models.pose import Floats

Int16s = npt.NDArray[np.int16]

NO_DEPTH: Final = np.float32(-1e6)
"""How near a pixel is where there is nobody, in metres."""
NOBODY: Final = -1
"""What such a pixel is made of."""

AXES_COLUMNS: Final = 9
"""Numbers of a solid's texture: where it starts and two directions, in the camera's axes."""

kernel = njit(cache=True, fastmath={"contract", "arcp", "reassoc"}, error_model="numpy", nogil=True)
"""How what is called from outside is compiled: once, then kept beside the module. No fast mathematics but what keeps
the infinite and what is no number."""
inlined = njit(inline="always")
"""How a part of a kernel is: as if it were written there. It has to stand in the same file, as a kernel is compiled
again only when its own file has changed."""


class Projection(NamedTuple):
    """A camera without its turn (see `models.figures.projection.Camera`): focal length in pixels, distance in metres from
    the origin of its axes, and where that is in the picture, in pixels."""

    focal: float
    distance: float
    x: float
    y: float

    @classmethod
    def from_camera(cls, camera: Camera) -> Projection:
        """A camera's, whose numbers may be whole ones: kernels are compiled for each type that they are given."""
        x, y = camera.centre
        return cls(float(camera.focal), float(camera.distance), float(x), float(y))


class Buffers(NamedTuple):
    """What is seen at each pixel of a picture of H×W."""

    depth: Floats
    """H×W metres towards the camera from its target, `NO_DEPTH` where there is nobody."""
    normals: Floats
    """H×W×3, the camera's axes, of unit length but for where surfaces melt."""
    tags: Int16s
    """H×W: person·`PER_PERSON` + material, or `NOBODY`."""
    solid_ids: Int16s
    """H×W: the solid, a row of `texture_axes`."""
    texture_axes: Floats
    """N×9 (`AXES_COLUMNS`), one row for each solid of all people."""


def empty_buffers(height: int, width: int, solids: int) -> Buffers:
    """Empty ones, for so many solids."""
    return Buffers(
        np.full((height, width), NO_DEPTH, np.float32),
        np.zeros((height, width, 3), np.float32),
        np.full((height, width), NOBODY, np.int16),
        np.zeros((height, width), np.int16),
        np.zeros((solids, AXES_COLUMNS), np.float32),
    )
