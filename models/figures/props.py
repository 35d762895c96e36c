"""Props that people swing, throw or hold with care; `rides` has the others."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.figures.figure_builder import FigureBuilder
from models.figures.look import Material
from models.figures.movement import Prop
from models.figures.rides import add_held_prop, add_support
from models.figures.skeleton import Vector

MAIN, ACCENT = Material.PROP, Material.PROP_ACCENT

PROP_HEIGHTS: Final[dict[Prop, float]] = {"skateboard": 0.10, "surfboard": 0.05, "board": 0.035, "skis": 0.03}
"""Metres by which a prop raises the person who stands on it."""


def add_prop(builder: FigureBuilder, prop: Prop) -> None:
    """Add one prop."""
    grip, along = _grip(builder)
    if prop == "racket":
        _add_racket(builder, grip, along)
    elif prop in ("bat", "club", "foil"):
        _add_stick(builder, prop, grip, along)
    elif prop in ("ball", "football"):
        _add_ball(builder, prop)
    elif prop == "barbell":
        _add_barbell(builder)
    elif prop in ("phone", "parcel", "book"):
        _add_carried(builder, prop)
    elif prop in ("bag", "bags", "case", "cup", "frisbee", "umbrella"):
        add_held_prop(builder, prop)
    else:
        add_support(builder, prop)


def _grip(builder: FigureBuilder) -> tuple[Vector, Vector]:
    """Return where the right hand closes, and the direction of a stick in it."""
    frame = builder.frames["right_hand"]
    grip = builder.points["right_hand"] + frame @ (np.array([0.018, 0.01, 0.0]) * builder.scale)
    direction = frame @ np.array([0.0, -0.62, 0.78])
    return grip, direction / np.linalg.norm(direction)


def _axes_along(y: Vector, near: Vector) -> Vector:
    """Return axes with y along one direction and z as near as possible to another."""
    x = np.cross(y, near)
    x = x / max(float(np.linalg.norm(x)), 1e-9)
    return np.column_stack([x, y, np.cross(x, y)])


def _add_racket(builder: FigureBuilder, grip: Vector, along: Vector) -> None:
    frame = _axes_along(along, builder.frames["right_hand"][:, 1])
    builder.add(MAIN, grip - along * 0.08, grip + along * 0.34, (0.015, 0.011))
    centre = grip + along * 0.46
    builder.add(MAIN, centre, centre, (0.16, 0.16), frame=frame, squash=(0.80, 1.0, 0.07))
    builder.add(ACCENT, centre, centre, (0.14, 0.14), frame=frame, squash=(0.80, 1.0, 0.12))


def _add_stick(builder: FigureBuilder, prop: Prop, grip: Vector, along: Vector) -> None:
    length, radii = {"bat": (0.78, (0.014, 0.034)), "club": (0.95, (0.011, 0.009)), "foil": (0.92, (0.006, 0.004))}[
        prop
    ]
    builder.add(MAIN, grip - along * 0.10, grip + along * length, radii)
    if prop == "foil":
        guard = grip + along * 0.05
        builder.add(
            ACCENT,
            guard,
            guard,
            (0.05, 0.05),
            frame=_axes_along(along, builder.frames["right_hand"][:, 1]),
            squash=(1.0, 0.4, 1.0),
        )
    if prop == "club":
        builder.add(ACCENT, grip + along * length, grip + along * (length + 0.07), (0.02, 0.02))


def _add_ball(builder: FigureBuilder, prop: Prop) -> None:
    if prop == "football":
        ahead = builder.frames["right_foot"] @ np.array([0.0, 0.02, 0.34])
        centre = builder.points["right_ankle"] + ahead
    else:
        hands = [builder.points[f"{side}_hand"] for side in ("left", "right")]
        if float(np.linalg.norm(hands[0] - hands[1])) < 0.5:
            centre = (hands[0] + hands[1]) / 2 - (
                builder.frames["left_forearm"][:, 1] + builder.frames["right_forearm"][:, 1]
            ) * 0.05
        else:
            centre = hands[1] + builder.frames["right_hand"] @ np.array([0.11, -0.05, 0.0])
    builder.add(MAIN, centre, centre, (0.11, 0.11))
    for place in ((0.6, 0.5, 0.62), (-0.6, 0.6, 0.5), (0.0, -0.5, 0.86)):
        spot = centre + np.array(place) * 0.075
        builder.add(ACCENT, spot, spot, (0.042, 0.042))


def _add_barbell(builder: FigureBuilder) -> None:
    left, right = (builder.points[f"{side}_hand"] for side in ("left", "right"))
    way = (left - right) / max(float(np.linalg.norm(left - right)), 1e-9)
    middle = (left + right) / 2
    builder.add(ACCENT, middle - way * 0.85, middle + way * 0.85, (0.013, 0.013))
    frame = _axes_along(way, np.array([0.0, 0.0, 1.0]))
    for side in (-1, 1):
        for place, size in ((0.66, 0.20), (0.72, 0.16)):
            disc = middle + way * side * place
            builder.add(MAIN, disc, disc, (size, size), frame=frame, squash=(1.0, 0.16, 1.0))


def _add_carried(builder: FigureBuilder, prop: Prop) -> None:
    hands = [builder.points[f"{side}_hand"] for side in ("left", "right")]
    middle, frame = (hands[0] + hands[1]) / 2, builder.frames["chest"]
    if prop == "phone":
        hand = builder.frames["right_hand"]
        centre = hands[1] + hand @ np.array([0.02, -0.01, 0.01])
        builder.add(MAIN, centre, centre, (0.075, 0.075), frame=hand, squash=(0.12, 1.0, 0.5))
    elif prop == "book":
        up = builder.frames["chest"] @ np.array([0.0, 0.80, -0.60])
        for side in (-1, 1):
            page, axes = middle + frame[:, 0] * side * 0.072 + up * 0.02, _axes_along(up, frame[:, 2])
            builder.add(MAIN, page - up * 0.045, page + up * 0.045, (0.074, 0.074), frame=axes, squash=(1.0, 0.8, 0.14))
            page = page + axes[:, 2] * 0.006 * np.sign(axes[:, 2] @ frame[:, 2]) * -1
            builder.add(
                ACCENT, page - up * 0.042, page + up * 0.042, (0.068, 0.068), frame=axes, squash=(1.0, 0.8, 0.14)
            )
    else:
        across = frame[:, 0] * 0.10
        centre = middle + frame[:, 2] * 0.03
        builder.add(MAIN, centre - across, centre + across, (0.15, 0.15), frame=frame, squash=(0.7, 0.85, 0.8))
        builder.add(
            ACCENT,
            centre - frame[:, 0] * 0.004,
            centre + frame[:, 0] * 0.004,
            (0.156, 0.156),
            frame=frame,
            squash=(0.14, 0.85, 0.8),
        )
