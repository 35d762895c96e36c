"""Solids as a camera sees them: each one's surface as polynomials of the pixel, worked out for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.figures.projection import Camera

Floats = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
CutPlane = tuple[Vector, float]
"""A plane (n, d): the points p with n·p ≤ d are kept."""


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedSolids:
    """Each solid's surface as polynomials of the pixel (X right, Y up) from its start.

    A polynomial is 3×3, powers of Y down and of X across, so that a box of pixels is two matrix products: (1, Y, Y²) ·
    polynomial · (1, X, X²)ᵀ. A surface is disc and b: depth = ±√disc - b. `cone_polynomials` holds, for each solid, the
    polynomials of the cone's disc and b, and of how far along the axis it is, to which `rise` times the depth comes.
    """

    boxes: npt.NDArray[np.int64]
    """left, top, right, bottom of the whole, then of the ball at the start, then of that at the end."""
    origins: list[list[float]]
    is_cone: list[bool]
    inside_out: list[bool]
    cone_polynomials: Floats
    """N×3×3×3."""
    ball_polynomials: Floats
    """disc and b of the balls at start and end, N×2×2×3×3."""
    larger_ball: list[int]
    """Which of the two balls is the larger."""
    rise: list[float]
    depth_to_metres: list[list[float]]
    """Metres = first + second · depth."""
    cuts: list[list[float] | None]
    """X, Y, z ≤ fourth."""


def project_solids(
    starts: Vector, ends: Vector, radii: Vector, squash: Vector, cuts: Sequence[CutPlane | None], camera: Camera
) -> ProjectedSolids:
    """The surfaces of N solids: N×3 `starts` and `ends`, N×2 `radii`, N×3×3 `squash` (to where each one is round)."""
    first_at, last_at = camera.to_camera(starts), camera.to_camera(ends)
    squash = squash @ camera.rotation.T  # from the camera's axes to the solid's own
    scale = camera.pixels_per_metre((first_at[:, 2] + last_at[:, 2]) / 2)
    r0, r1 = radii[:, 0] * camera.pixels_per_metre(first_at[:, 2]), radii[:, 1] * camera.pixels_per_metre(last_at[:, 2])
    first, last = camera.to_pixels(first_at), camera.to_pixels(last_at)
    way = np.column_stack([last - first, (last_at[:, 2] - first_at[:, 2]) * scale]) * (1, -1, 1)
    own = np.einsum("nij,nj->ni", squash, way)
    span = (own**2).sum(1) - (r1 - r0) ** 2
    cone = span > 1e-6 * np.maximum(r0, r1) ** 2
    span = np.where(cone, span, 1.0)
    metric = squash.transpose(0, 2, 1) @ squash
    pull = np.einsum("nij,ni->nj", squash, own)  # the solid's axis back in the camera's axes
    away = r0 * (r1 - r0)
    sides, inside_out = _solve_quadratic(
        metric - np.einsum("ni,nj->nij", pull, pull) / span[:, None, None],
        -pull * (away / span)[:, None],
        -(away**2) / span - r0**2,
    )
    ball0, _ = _solve_quadratic(metric, np.zeros_like(pull), -(r0**2))
    ball1, _ = _solve_quadratic(metric, -np.einsum("nij,nj->ni", metric, way), (own**2).sum(1) - r1**2)
    planes = np.zeros((len(starts), 3, 3, 3))
    planes[:, 0:2] = sides
    planes[:, 2, 0, 1], planes[:, 2, 1, 0], planes[:, 2, 0, 0] = pull[:, 0] / span, pull[:, 1] / span, away / span
    before = np.maximum(first_at[:, 2], last_at[:, 2]) < camera.near_limit
    return ProjectedSolids(
        _boxes(np.linalg.inv(squash).astype(float), first, last, r0, r1, before),
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
    unsquash: Vector, first: Vector, last: Vector, r0: Vector, r1: Vector, before: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """N×12 pixels: around the whole solid, its first ball and its last; nothing for what is not before the camera."""
    reach = np.linalg.norm(unsquash[:, :2], axis=2)
    ball0 = np.column_stack([first - reach * r0[:, None], first + reach * r0[:, None] + 1])
    ball1 = np.column_stack([last - reach * r1[:, None], last + reach * r1[:, None] + 1])
    whole = np.column_stack([np.minimum(ball0[:, :2], ball1[:, :2]), np.maximum(ball0[:, 2:], ball1[:, 2:])])
    boxes = np.column_stack([whole, ball0, ball1])
    made: npt.NDArray[np.int64] = np.where(before[:, None], np.clip(np.floor(boxes), -1e6, 1e6), 0).astype(np.int64)
    return made


def _cuts(starts: Vector, cuts: Sequence[CutPlane | None], camera: Camera, scale: Vector) -> list[list[float] | None]:
    rows: list[list[float] | None] = []
    for start, cut, size in zip(starts, cuts, scale.tolist(), strict=True):
        if cut is None:
            rows.append(None)
        else:
            rows.append([*(camera.rotation @ cut[0] / size).tolist(), cut[1] - float(cut[0] @ start)])
    return rows


def _solve_quadratic(square: Vector, linear: Vector, constant: Vector) -> tuple[Vector, npt.NDArray[np.bool_]]:
    """w·square·w + 2 linear·w + constant = 0 with w = (X, Y, z), solved for z.

    Returns the polynomials of disc and b, N×2×3×3, with which z = √disc - b, and where the root's sign is turned.
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
