"""Props that people carry in one hand, sit on or stand on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.figures.figure_builder import FigureBuilder
from models.figures.look import Material
from models.figures.movement import Prop
from models.figures.skeleton import SIDES, Skeleton, Vector

MAIN, ACCENT = Material.PROP, Material.PROP_ACCENT
UP = np.array([0.0, 1.0, 0.0])


def _level_axes(way: Vector) -> Vector:
    """Return upright axes whose z is along a direction: x, y, z as columns."""
    ahead = way * (1, 0, 1)
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-6)
    return np.column_stack([np.cross(UP, ahead), UP, ahead])


def prop_outline(body: Skeleton, props: Sequence[Prop]) -> Vector:
    """Return the ends of long props, N×3 metres, which must be in the picture."""
    places: list[Vector] = []
    hand, across = body.points["right_hand"], body.frames["pelvis"][:, 0]
    for prop in props:
        if prop == "umbrella":
            places += [hand + UP * 0.88, hand + UP * 0.66 + across * 0.45, hand + UP * 0.66 - across * 0.45]
        elif prop in ("racket", "bat", "club"):
            way = body.frames["right_hand"] @ np.array([0.0, -0.62, 0.78])
            places.append(hand + way * (0.62 if prop == "racket" else 0.8))
        elif prop == "skis":
            for side in SIDES:
                ahead = body.frames[f"{side}_foot"][:, 2]
                places += [body.points[f"{side}_ankle"] + ahead * 0.8, body.points[f"{side}_ankle"] - ahead * 0.5]
        elif prop in ("surfboard", "board"):
            way = body.points["left_ankle"] - body.points["right_ankle"]
            half = way / max(float(np.linalg.norm(way)), 1e-6) * (1.0 if prop == "surfboard" else 0.75)
            middle = (body.points["left_heel"] + body.points["right_heel"]) / 2
            places += [middle + half, middle - half]
        elif prop == "wheelchair":
            places += [
                body.points["pelvis"] * (1, 0, 1) + across * 0.35,
                body.points["pelvis"] * (1, 0, 1) - across * 0.35,
            ]
    return np.array(places).reshape(-1, 3)


def add_held_prop(builder: FigureBuilder, prop: Prop) -> None:
    """Add a prop that hangs from a hand or is upright in it."""
    hand, frame = builder.points["right_hand"], builder.frames["right_hand"]
    ahead = _level_axes(builder.frames["pelvis"][:, 2])
    grip = hand + frame @ np.array([0.022, -0.012, 0.0]) * builder.scale
    if prop == "cup":
        builder.add(ACCENT, grip - UP * 0.04, grip + UP * 0.055, (0.030, 0.038), cut=(UP, float(grip[1]) + 0.055))
        builder.add(MAIN, grip - UP * 0.028, grip + UP * 0.022, (0.034, 0.039), cut=(UP, float(grip[1]) + 0.022))
    elif prop == "frisbee":
        centre = hand - frame[:, 1] * 0.13
        builder.add(MAIN, centre, centre, (0.135, 0.135), frame=frame, squash=(0.15, 1.0, 1.0))
        builder.add(ACCENT, centre, centre, (0.075, 0.075), frame=frame, squash=(0.34, 1.0, 1.0))
    elif prop == "umbrella":
        top = grip + UP * 0.78
        builder.add(ACCENT, grip - UP * 0.12, top + UP * 0.06, (0.009, 0.009))
        builder.add(
            MAIN,
            top - UP * 0.16,
            top - UP * 0.16,
            (0.56, 0.56),
            squash=(1.0, 0.42, 1.0),
            cut=(-UP, -float(top[1]) + 0.10),
        )
    elif prop == "case":
        foot = grip * (1, 0, 1) - ahead[:, 2] * 0.10
        builder.add(ACCENT, grip, foot + UP * 0.55, (0.012, 0.012))
        builder.add(MAIN, foot + UP * 0.19, foot + UP * 0.45, (0.17, 0.17), frame=ahead, squash=(1.0, 0.8, 0.62))
        for x in (-0.11, 0.11):
            wheel = foot + ahead[:, 0] * x + UP * 0.04
            builder.add(ACCENT, wheel, wheel, (0.04, 0.04))
    else:
        for side in ("left", "right") if prop == "bags" else ("right",):
            held = builder.points[f"{side}_hand"] - builder.frames[f"{side}_hand"][:, 1] * 0.02
            for place in (-0.07, 0.07):
                builder.add(ACCENT, held, held - UP * 0.17 + ahead[:, 2] * place, (0.008, 0.008))
            builder.add(MAIN, held - UP * 0.24, held - UP * 0.36, (0.11, 0.135), frame=ahead, squash=(0.5, 0.6, 1.0))


def add_support(builder: FigureBuilder, prop: Prop) -> None:
    """Add a prop that carries the person's weight."""
    if prop == "skis":
        _add_skis(builder)
    elif prop in ("skateboard", "board", "surfboard"):
        _add_board(builder, prop)
    elif prop == "stool":
        _add_stool(builder)
    elif prop == "chair":
        _add_chair(builder)
    else:
        _add_wheelchair(builder)


def _seat_centre(builder: FigureBuilder) -> Vector:
    seat: Vector = (
        builder.points["pelvis"] - (0, 0.165 * builder.scale, 0) - builder.frames["pelvis"][:, 2] * 0.02 * builder.scale
    )
    return seat


def _add_stool(builder: FigureBuilder) -> None:
    u, top = builder.scale, _seat_centre(builder)
    builder.add(MAIN, top, top, (0.20 * u, 0.20 * u), squash=(1.0, 0.16, 1.0))
    for x, z in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
        foot = np.array([top[0] + x * 0.17 * u, 0.01, top[2] + z * 0.17 * u])
        builder.add(ACCENT, top + np.array([x * 0.11, -0.02, z * 0.11]) * u, foot, (0.017 * u, 0.014 * u))


def _add_chair(builder: FigureBuilder) -> None:
    u, top, axes = builder.scale, _seat_centre(builder), _level_axes(builder.frames["pelvis"][:, 2])

    def at(x: float, y: float, z: float) -> Vector:
        point: Vector = top + axes @ (np.array([x, y, z]) * u)
        return point

    builder.add(
        MAIN, at(-0.09, -0.01, 0.05), at(0.09, -0.01, 0.05), (0.20 * u, 0.20 * u), frame=axes, squash=(0.6, 0.16, 1.0)
    )
    for x in (-0.18, 0.18):
        builder.add(ACCENT, at(x, 0, -0.16), at(x, 0.52, -0.25), (0.017 * u, 0.015 * u))
        for z in (-0.14, 0.20):
            foot = at(x * 1.06, 0, z * 1.1)
            foot[1] = 0.012
            builder.add(ACCENT, at(x * 0.94, -0.03, z), foot, (0.019 * u, 0.014 * u))
    for y in (0.22, 0.34, 0.46):
        z = -0.17 - 0.15 * y
        builder.add(MAIN, at(-0.17, y, z), at(0.17, y, z), (0.045 * u, 0.045 * u), frame=axes, squash=(1.0, 0.8, 0.3))


def _add_wheelchair(builder: FigureBuilder) -> None:
    u, top, axes = builder.scale, _seat_centre(builder), _level_axes(builder.frames["pelvis"][:, 2])
    floor = float(top[1])

    def at(x: float, y: float, z: float) -> Vector:
        point: Vector = top + axes @ (np.array([x, y, z]) * u)
        return point

    builder.add(
        MAIN, at(-0.08, -0.01, 0.06), at(0.08, -0.01, 0.06), (0.20 * u, 0.20 * u), frame=axes, squash=(0.6, 0.14, 1.0)
    )
    for x in (-0.19, 0.19):
        builder.add(ACCENT, at(x, -0.02, -0.17), at(x, 0.46, -0.21), (0.014 * u, 0.014 * u))
        builder.add(ACCENT, at(x, -0.05, 0.20), at(x * 0.8, 0.09 - floor / u, 0.42), (0.014 * u, 0.012 * u))
        caster = at(x * 0.9, 0.06 - floor / u, 0.30)
        builder.add(ACCENT, caster, caster, (0.06, 0.06), frame=axes, squash=(0.35, 1.0, 1.0))
        out = axes[:, 0] * np.sign(x) * u
        hub = at(x * 1.22, 0.0, -0.06)
        hub[1] = 0.30
        builder.add(MAIN, hub, hub, (0.30, 0.30), frame=axes, squash=(0.06, 1.0, 1.0))
        builder.add(ACCENT, hub, hub, (0.265, 0.265), frame=axes, squash=(0.09, 1.0, 1.0))
        builder.add(MAIN, hub - out * 0.02, hub + out * 0.02, (0.045, 0.045))
    builder.add(
        MAIN, at(-0.17, 0.30, -0.20), at(0.17, 0.30, -0.20), (0.15 * u, 0.15 * u), frame=axes, squash=(1.0, 1.0, 0.16)
    )
    rest = at(0, 0.09 - floor / u, 0.44)
    builder.add(
        ACCENT, rest - axes[:, 0] * 0.14, rest + axes[:, 0] * 0.14, (0.05, 0.05), frame=axes, squash=(1.0, 0.3, 1.0)
    )


def _add_board(builder: FigureBuilder, prop: Prop) -> None:
    balls = [(builder.points[f"{side}_ball"] + builder.points[f"{side}_heel"]) / 2 for side in SIDES]
    middle, way = (balls[0] + balls[1]) / 2, balls[0] - balls[1]
    if float(np.linalg.norm(way * (1, 0, 1))) < 0.12:
        way = builder.frames["pelvis"][:, 2]
    if prop != "board":  # a snowboard is strapped to the feet; the others stay level
        way, middle = way * (1, 0, 1), middle * (1, 0, 1) + UP * min(float(ball[1]) for ball in balls)
    along = way / np.linalg.norm(way)
    side = np.cross(UP, along)
    side = side / max(float(np.linalg.norm(side)), 1e-6)
    axes = np.column_stack([side, np.cross(along, side), along])
    long, wide, thick = {"skateboard": (0.40, 0.105, 0.13), "board": (0.76, 0.145, 0.10),
                         "surfboard": (1.05, 0.27, 0.09)}[prop]  # fmt: skip
    deck = middle - axes[:, 1] * 0.048
    if prop == "surfboard":
        builder.add(MAIN, deck, deck, (long, long), frame=axes, squash=(wide / long, 0.028, 1.0))
        builder.add(ACCENT, deck, deck, (long, long), frame=axes, squash=(0.02, 0.034, 0.99))
        return
    ends = [deck - along * (long - wide), deck + along * (long - wide)]
    builder.add(MAIN, ends[0], ends[1], (wide, wide), frame=axes, squash=(1.0, thick, 1.0))
    if prop == "skateboard":
        for place in (-0.24, 0.24):
            for out in (-0.075, 0.075):
                wheel = deck + along * place + side * out - axes[:, 1] * 0.045
                builder.add(ACCENT, wheel, wheel, (0.034, 0.034))


def _add_skis(builder: FigureBuilder) -> None:
    for side in SIDES:
        foot = builder.frames[f"{side}_foot"]
        under = (builder.points[f"{side}_ball"] + builder.points[f"{side}_heel"]) / 2 - foot[:, 1] * 0.045
        ahead = foot[:, 2]
        builder.add(
            MAIN, under - ahead * 0.62, under + ahead * 0.80, (0.048, 0.048), frame=foot, squash=(1.0, 0.22, 1.0)
        )
        builder.add(
            MAIN,
            under + ahead * 0.80,
            under + ahead * 0.95 + foot[:, 1] * 0.07,
            (0.048, 0.02),
            frame=foot,
            squash=(1.0, 0.3, 1.0),
        )
        grip = builder.points[f"{side}_hand"] - builder.frames[f"{side}_hand"][:, 1] * 0.02
        down = builder.frames[f"{side}_forearm"] @ np.array([0.0, -0.55, -0.80]) - UP * 0.7
        down = down / float(np.linalg.norm(down))
        long = min(1.15, float(grip[1]) / max(-float(down[1]), 0.3))
        builder.add(ACCENT, grip - down * 0.06, grip + down * long, (0.011, 0.008))
        basket = grip + down * max(long - 0.08, 0.1)
        builder.add(
            MAIN,
            basket,
            basket,
            (0.045, 0.045),
            frame=_level_axes(builder.frames["pelvis"][:, 2]),
            squash=(1.0, 0.25, 1.0),
        )
