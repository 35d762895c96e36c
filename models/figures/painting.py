"""Paint people on a background with light and shade, faces, contours and shadows; find their visible key points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from models.figures.body import add_body
from models.figures.edges import antialias, blur_edges, darken_layers, draw_contours
from models.figures.face import paint_face, paint_stripes
from models.figures.figure_builder import FigureBuilder
from models.figures.head import add_head
from models.figures.look import MATERIALS_PER_PERSON, Look
from models.figures.movement import Prop
from models.figures.projection import Camera
from models.figures.props import add_prop
from models.figures.shade import extract_surface, shade_surface
from models.figures.shadow import cast_shadow
from models.figures.skeleton import Skeleton
from models.figures.solids import Buffers, Solids, draw
from models.figures.styles import SOFT, Style
from models.pose import Image

OCCLUSION_DEPTHS: Final = (0.05, 0.05, 0.05, 0.09, 0.09)
"""Metres in front of nose, eyes and ears at which a surface hides them. Ears get more, because hair may cover them."""


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A person in a scene, with the props that they hold or sit on."""

    skeleton: Skeleton
    look: Look
    props: tuple[Prop, ...] = ()


class Painting(NamedTuple):
    """A picture, and which of each person's key points are visible in it (17 booleans each)."""

    picture: Image
    seen: list[npt.NDArray[np.bool_]]


def paint(
    background: Image,
    people: Sequence[Person],
    camera: Camera,
    *,
    style: Style = SOFT,
    shadow_strength: float = 1.0,
    quick: bool = False,
) -> Painting:
    """Return a picture of people in front of a background, H×W×3.

    `shadow_strength` is the darkness of their shadows on the floor, relative to the style's. A `quick` picture, for a
    film, has hands with fewer fingers and blurred edges.
    """
    height, width = background.shape[:2]
    picture = cast_shadow(background, [person.skeleton for person in people], camera, style, shadow_strength)
    solids = Solids()
    for number, person in enumerate(people):
        builder = FigureBuilder(solids, person.skeleton, person.look, number * MATERIALS_PER_PERSON, not quick)
        add_body(builder)
        add_head(builder)
        for prop in person.props:
            add_prop(builder, prop)
    scale = float(camera.pixels_per_metre(np.zeros(1))[0])
    lifted = style.layer_gap * 1.7 * scale
    forms = solids.project(camera)
    buffers = draw(solids, forms, width, height, margin=3 + round(1.5 * lifted))
    if buffers is None:
        return Painting(picture, [np.zeros(17, bool) for _ in people])
    seen = [_seen_keypoints(buffers, person, camera, width, height) for person in people]
    for number, person in enumerate(people):
        if person.look.stripes:
            paint_stripes(buffers, person.skeleton, camera, number * MATERIALS_PER_PERSON)
    rows, columns = buffers.material.shape
    part = picture[buffers.top : buffers.top + rows, buffers.left : buffers.left + columns]
    drawn = np.ascontiguousarray(part)
    lit = extract_surface(buffers, camera)
    palette = np.concatenate([person.look.palette() for person in people])
    drawn.reshape(-1, 3)[lit.pixel_indices] = shade_surface(lit, palette, style)
    for number, person in enumerate(people):
        paint_face(drawn, buffers, person.skeleton, person.look, camera, number * MATERIALS_PER_PERSON)
    if lifted >= 1:
        darken_layers(drawn, buffers, lifted)
    if quick:
        blur_edges(drawn, buffers)
    else:
        antialias(drawn, buffers, part, solids, forms)
    if style.line_colour is not None:
        draw_contours(drawn, buffers, style.line_colour, style.line_width * scale * 1.7 / 1000)
    part[:] = drawn
    return Painting(picture, seen)


def _seen_keypoints(buffers: Buffers, person: Person, camera: Camera, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Return which key points are in the picture, without those of the face that something hides.

    This is how people label photos.
    """
    places = camera.to_camera(person.skeleton.keypoints())
    pixels = np.round(camera.to_pixels(places)).astype(int)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(1) & (places[:, 2] < camera.near_limit)
    at = pixels - (buffers.left, buffers.top)
    rows, columns = buffers.nearness.shape
    for point in np.flatnonzero(inside[: len(OCCLUSION_DEPTHS)]).tolist():
        x, y = at[point]
        if 0 <= x < columns and 0 <= y < rows:
            inside[point] = buffers.nearness[y, x] - places[point, 2] < OCCLUSION_DEPTHS[point]
    return inside
