"""Project solids: describe the surface of each as polynomials of the pixel, computed for all solids at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.figures.projection import Camera

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
CutPlane = tuple[Vector, float]
"""A plane (n, d) that keeps the points p with n·p ≤ d."""


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedSolids:
    """Each solid's surface as polynomials of the pixel (X right, Y up) relative to the solid's start.

    A polynomial is 3×3: powers of Y down and of X across, so that two matrix products evaluate it for a box of pixels:
    (1, Y, Y²) · polynomial · (1, X, X²)ᵀ. A surface is given by disc and b: depth = ±√disc - b.
    """

    boxes: npt.NDArray[np.int64]
    """left, top, right, bottom of the solid, of the ball at its start, and of the ball at its end, in pixels."""
    origins: list[list[float]]
    is_cone: list[bool]
    inside_out: list[bool]
    cone_polynomials: Floats
    """disc and b of the cone, and the share of its axis (to which `rise` · depth is added), N×3×3×3."""
    ball_polynomials: Floats
    """disc and b of the balls at start and end, N×2×2×3×3."""
    larger_ball: list[int]
    """Which of the two balls is the larger."""
    rise: list[float]
    depth_to_metres: list[list[float]]
    """nearness in metres = first + second · depth."""
    cuts: list[list[float] | None]
    """The plane to cut at: first · X + second · Y + third · depth ≤ fourth."""


def project_solids(
    starts: Vector, ends: Vector, radii: Vector, squash: Vector, cuts: Sequence[CutPlane | None], camera: Camera
) -> ProjectedSolids:
    """Project N solids: N×3 `starts` and `ends`, N×2 `radii`, N×3×3 `squash` (to axes in which the solid is round)."""
    first_at, last_at = camera.to_camera(starts), camera.to_camera(ends)
    squash = squash @ camera.rotation.T  # from the camera's axes to the solid's own
    scale = camera.pixels_per_metre((first_at[:, 2] + last_at[:, 2]) / 2)
    r0, r1 = radii[:, 0] * camera.pixels_per_metre(first_at[:, 2]), radii[:, 1] * camera.pixels_per_metre(last_at[:, 2])
    first, last = camera.to_pixels(first_at), camera.to_pixels(last_at)
    axis = np.column_stack([last - first, (last_at[:, 2] - first_at[:, 2]) * scale]) * (1, -1, 1)
    round_axis = np.einsum("nij,nj->ni", squash, axis)
    span = (round_axis**2).sum(1) - (r1 - r0) ** 2
    cone = span > 1e-6 * np.maximum(r0, r1) ** 2
    span = np.where(cone, span, 1.0)
    metric = squash.transpose(0, 2, 1) @ squash
    pull = np.einsum("nij,ni->nj", squash, round_axis)  # the solid's axis back in the camera's axes
    away = r0 * (r1 - r0)
    sides, inside_out = _solve_quadratic(
        metric - np.einsum("ni,nj->nij", pull, pull) / span[:, None, None],
        -pull * (away / span)[:, None],
        -(away**2) / span - r0**2,
    )
    ball0, _ = _solve_quadratic(metric, np.zeros_like(pull), -(r0**2))
    ball1, _ = _solve_quadratic(metric, -np.einsum("nij,nj->ni", metric, axis), (round_axis**2).sum(1) - r1**2)
    planes = np.zeros((len(starts), 3, 3, 3))
    planes[:, 0:2] = sides
    planes[:, 2, 0, 1], planes[:, 2, 1, 0], planes[:, 2, 0, 0] = pull[:, 0] / span, pull[:, 1] / span, away / span
    in_front = np.maximum(first_at[:, 2], last_at[:, 2]) < camera.near_limit
    return ProjectedSolids(
        _boxes(np.linalg.inv(squash).astype(float), first, last, r0, r1, in_front),
        first.tolist(),
        cone.tolist(),
        inside_out.tolist(),
        planes.astype(np.float32),
        np.stack([ball0, ball1], axis=1).astype(np.float32),
        (r1 > r0).astype(int).tolist(),
        (pull[:, 2] / span).tolist(),
        np.column_stack([first_at[:, 2], 1 / scale]).tolist(),
        _cuts(starts, cuts, camera, scale),
    )


def _boxes(
    unsquash: Vector, first: Vector, last: Vector, r0: Vector, r1: Vector, in_front: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Return N×12 pixels: boxes around each solid and its two balls; zeros for a solid behind the camera."""
    reach = np.linalg.norm(unsquash[:, :2], axis=2)
    ball0 = np.column_stack([first - reach * r0[:, None], first + reach * r0[:, None] + 1])
    ball1 = np.column_stack([last - reach * r1[:, None], last + reach * r1[:, None] + 1])
    whole = np.column_stack([np.minimum(ball0[:, :2], ball1[:, :2]), np.maximum(ball0[:, 2:], ball1[:, 2:])])
    boxes = np.column_stack([whole, ball0, ball1])
    pixels: npt.NDArray[np.int64] = np.where(in_front[:, None], np.clip(np.floor(boxes), -1e6, 1e6), 0).astype(np.int64)
    return pixels


def _cuts(starts: Vector, cuts: Sequence[CutPlane | None], camera: Camera, scale: Vector) -> list[list[float] | None]:
    rows: list[list[float] | None] = []
    for start, cut, size in zip(starts, cuts, scale.tolist(), strict=True):
        if cut is None:
            rows.append(None)
        else:
            rows.append([*(camera.rotation @ cut[0] / size).tolist(), cut[1] - float(cut[0] @ start)])
    return rows


def _solve_quadratic(square: Vector, linear: Vector, constant: Vector) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """Solve w·square·w + 2 linear·w + constant = 0 for z, where w = (X, Y, z).

    Returns the polynomials of disc and b, N×2×3×3, with z = √disc - b, and for which solids the root is negative.
    """
    a = square[:, 2, 2]
    a = np.where(np.abs(a) < 1e-9, 1e-9, a)
    b = np.zeros((len(a), 3, 3))
    b[:, 0, 0], b[:, 0, 1], b[:, 1, 0] = linear[:, 2], square[:, 0, 2], square[:, 1, 2]
    c = np.zeros((len(a), 3, 3))
    c[:, 0, 0], c[:, 0, 1], c[:, 1, 0] = constant, 2 * linear[:, 0], 2 * linear[:, 1]
    c[:, 0, 2], c[:, 1, 1], c[:, 2, 0] = square[:, 0, 0], 2 * square[:, 0, 1], square[:, 1, 1]
    squared = np.zeros((len(a), 3, 3))
    squared[:, 0, 0], squared[:, 0, 2], squared[:, 2, 0] = b[:, 0, 0] ** 2, b[:, 0, 1] ** 2, b[:, 1, 0] ** 2
    squared[:, 0, 1], squared[:, 1, 0] = 2 * b[:, 0, 0] * b[:, 0, 1], 2 * b[:, 0, 0] * b[:, 1, 0]
    squared[:, 1, 1] = 2 * b[:, 0, 1] * b[:, 1, 0]
    over = 1 / a[:, None, None]
    return np.stack([(squared - c / over) * over**2, b * over], axis=1), a < 0
