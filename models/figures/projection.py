"""A camera that looks at a scene from anywhere: where a point in metres is in the picture, and how large a metre is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera.

    `rotation` is 3×3, from the scene's axes to the camera's (x right, y up, z towards the camera); the camera stands
    `distance` metres from `target` (scene metres), which is seen at `centre` (pixels), and `focal` is in pixels.
    """

    rotation: Vector
    target: Vector
    distance: float
    focal: float
    centre: tuple[float, float]

    @classmethod
    def around(
        cls,
        target: Vector,
        centre: tuple[float, float],
        *,
        azimuth: float = 0.0,
        elevation: float = 0.0,
        roll: float = 0.0,
        distance: float = 4.0,
        focal: float = 1000.0,
    ) -> Camera:
        """A camera at an azimuth (degrees; 0 is before the figure, 90 at its left) and an elevation above the level."""
        a, e, r = math.radians(azimuth), math.radians(elevation), math.radians(roll)
        about_y = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, math.cos(e), -math.sin(e)], [0, math.sin(e), math.cos(e)]])
        about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
        return cls(about_z @ about_x @ about_y, np.asarray(target, float), distance, focal, centre)

    @property
    def near_limit(self) -> float:
        """What is nearer than this (metres towards the camera) is not seen."""
        return self.distance - 0.25

    def to_camera(self, points: Vector) -> Vector:
        """N×3 scene metres to the camera's axes, from the target."""
        seen: Vector = (points - self.target) @ self.rotation.T
        return seen

    def pixels_per_metre(self, nearness: Vector) -> Vector:
        """Pixels to the metre at a depth (metres from the target towards the camera)."""
        found: Vector = self.focal / np.maximum(self.distance - nearness, 0.05)
        return found

    def to_pixels(self, points: Vector) -> Vector:
        """N×3 in the camera's axes to N×2 pixels."""
        scale = self.pixels_per_metre(points[:, 2])
        return np.column_stack([self.centre[0] + points[:, 0] * scale, self.centre[1] - points[:, 1] * scale])

    def project(self, points: Vector) -> Vector:
        """N×3 scene metres to N×2 pixels, pixel centres at whole numbers."""
        return self.to_pixels(self.to_camera(points))

    def horizon(self) -> float:
        """The row where level ground ends, in pixels (far outside the picture when the camera looks straight down)."""
        upwards = min(max(float(self.rotation[2, 1]), -0.999), 0.999)
        return self.centre[1] - self.focal * math.tan(math.asin(upwards))
