"""A pinhole camera: where a point of the scene is in the picture, and how large a metre is there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A pinhole camera.

    `rotation` is 3×3, from the scene's axes to the camera's (x right, y up, z towards the camera). The camera is
    `distance` metres from `target` (scene metres), which is at `centre` in the picture (pixels); `focal` is in pixels.
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
        distance: float = 4.0,
        focal: float = 1000.0,
    ) -> Camera:
        """Return a camera at an azimuth (degrees; 0 in front of the figure, 90 at its left) and elevation (degrees)."""
        a, e = math.radians(azimuth), math.radians(elevation)
        about_y = np.array([[math.cos(a), 0, -math.sin(a)], [0, 1, 0], [math.sin(a), 0, math.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, math.cos(e), -math.sin(e)], [0, math.sin(e), math.cos(e)]])
        return cls(about_x @ about_y, np.asarray(target, float), distance, focal, centre)

    def rolled(self, degrees: float) -> Camera:
        """Return the camera rolled about its line of sight; the picture turns counterclockwise."""
        r = math.radians(degrees)
        about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
        return replace(self, rotation=about_z @ self.rotation)

    @property
    def near_limit(self) -> float:
        """Nearness in metres above which nothing is drawn: too close to the camera, or behind it."""
        return self.distance - 0.25

    def to_camera(self, points: Vector) -> Vector:
        """Convert N×3 scene metres to the camera's axes, relative to the target."""
        relative: Vector = (points - self.target) @ self.rotation.T
        return relative

    def pixels_per_metre(self, nearness: Vector) -> Vector:
        """Return the pixels of a metre at a nearness (metres from the target towards the camera)."""
        scale: Vector = self.focal / np.maximum(self.distance - nearness, 0.05)
        return scale

    def to_pixels(self, points: Vector) -> Vector:
        """Convert N×3 in the camera's axes to N×2 pixels."""
        scale = self.pixels_per_metre(points[:, 2])
        return np.column_stack([self.centre[0] + points[:, 0] * scale, self.centre[1] - points[:, 1] * scale])

    def project(self, points: Vector) -> Vector:
        """Convert N×3 scene metres to N×2 pixels, with pixel centres at whole numbers."""
        return self.to_pixels(self.to_camera(points))

    def horizon(self) -> float:
        """Return the row of the horizon in pixels, far outside the picture if the camera looks straight down."""
        upwards = min(max(float(self.rotation[2, 1]), -0.999), 0.999)
        return self.centre[1] - self.focal * math.tan(math.asin(upwards))
