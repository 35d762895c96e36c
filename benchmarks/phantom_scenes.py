"""Scenes without people for benchmarks/answers.py: parts of photos, the empty moments of a film, and drawings.

A poster of a person, or a statue, is a person to every estimator, so there are none. There are animals, a teddy bear,
towels, coats on stands, cars, rooms, kitchens and landscapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from PIL import Image as pillow

from benchmarks.film_labels import empty_stretches, read_frames
from device.cameras.base import resize
from models.figures.starter_pictures import SCENES_BY_KIND
from models.pose import Image

FRAMES: Final = 30
"""Frames of each scene: three seconds at ten a second."""

LONG_SIDE: Final = 640
"""Pixels of each picture's longer side, as of the camera's frames."""

DRAWN_COUNT: Final = 48
"""Scenes of each kind that are drawn."""

SEED: Final = 13

PHOTO_PARTS: Final = (
    (49, 0, 0, 380, 220), (136, 140, 0, 500, 360), (139, 0, 0, 360, 420), (151, 0, 0, 400, 640),
    (192, 0, 0, 200, 240), (260, 0, 0, 220, 320), (294, 400, 0, 640, 420), (322, 340, 0, 640, 480),
    (338, 0, 0, 300, 320), (382, 0, 0, 480, 480), (397, 280, 0, 640, 480), (419, 220, 240, 420, 480),
    (431, 360, 0, 640, 380), (531, 340, 0, 640, 480), (531, 0, 0, 340, 200), (532, 360, 0, 640, 480),
    (532, 0, 0, 220, 200), (564, 0, 0, 420, 260), (569, 220, 0, 640, 480), (569, 0, 0, 220, 200),
    (589, 0, 0, 320, 480), (785, 0, 0, 220, 420), (885, 0, 0, 220, 420), (1268, 120, 0, 360, 420),
    (1490, 0, 0, 400, 300), (1584, 280, 0, 600, 600), (1584, 0, 0, 280, 260), (2006, 400, 0, 640, 480),
    (2006, 100, 280, 400, 480), (2153, 0, 160, 240, 480), (2261, 0, 0, 240, 420), (2261, 420, 0, 640, 420),
    (2431, 0, 160, 440, 640), (2473, 420, 0, 640, 220), (2532, 0, 0, 480, 240), (3553, 400, 0, 640, 420),
    (5037, 280, 0, 580, 420), (6460, 360, 0, 640, 420), (6460, 0, 0, 260, 420), (6894, 0, 0, 200, 480),
    (7278, 0, 200, 640, 480), (7278, 380, 0, 640, 200), (7281, 60, 0, 300, 360), (7816, 0, 0, 200, 420),
    (8211, 0, 0, 280, 440), (8844, 0, 0, 280, 420), (9769, 200, 0, 640, 480), (9769, 0, 260, 200, 480),
    (9772, 220, 440, 540, 640), (9891, 400, 0, 640, 480), (11149, 120, 0, 360, 360),
    (11197, 0, 220, 240, 420), (11511, 0, 260, 240, 460), (12280, 0, 420, 240, 640), (12576, 0, 140, 480, 640),
    (13177, 0, 0, 260, 420), (37666, 0, 0, 260, 420), (59598, 0, 0, 500, 480), (81988, 0, 0, 220, 260),
    (105912, 0, 0, 240, 360), (113488, 0, 0, 320, 360), (117425, 0, 200, 240, 420), (129648, 300, 180, 640, 420),
    (136334, 0, 0, 300, 240), (142585, 0, 0, 360, 240), (153797, 0, 0, 260, 400), (165518, 0, 0, 200, 600),
    (177861, 0, 0, 480, 240), (181303, 360, 0, 640, 340), (183872, 0, 0, 380, 420), (183872, 380, 200, 640, 420),
    (188465, 0, 240, 200, 440), (189775, 360, 220, 640, 480), (194875, 380, 360, 640, 560), (214704, 0, 0, 300, 420),
    (214753, 0, 0, 200, 420), (229358, 0, 0, 220, 420), (234748, 0, 0, 220, 420), (273232, 380, 0, 640, 420),
    (288685, 240, 220, 440, 420), (290843, 0, 360, 220, 640), (341719, 0, 0, 640, 220), (341719, 0, 220, 280, 480),
    (361919, 0, 0, 560, 280), (370208, 60, 0, 500, 360), (389684, 220, 0, 640, 480), (397133, 40, 0, 320, 420),
    (397681, 0, 0, 380, 640), (397681, 380, 340, 640, 640), (466137, 0, 0, 380, 640), (482585, 0, 0, 540, 480),
    (488571, 0, 0, 220, 460), (501368, 0, 300, 360, 500), (519208, 0, 0, 240, 400), (531134, 0, 0, 640, 260),
    (549055, 0, 0, 240, 300), (552775, 120, 0, 360, 500),
)  # fmt: skip
"""Parts of COCO's photos without people: the photo's number, then left, top, right and bottom in pixels.

They are the largest rectangles that keep clear of everybody labelled. Those with somebody who is not labelled, seen on
a contact sheet, were left out.
"""

SHAKE: Final = 0.7
"""Pixels (standard deviation) by which a camera shakes from frame to frame."""

NOISE: Final = 4.0
"""Standard deviation of a camera's noise, of 255."""

FLICKER: Final = 0.12
"""The share by which the light changes during a scene."""


class Scene(NamedTuple):
    """Frames in which nobody is, H×W×3 RGB each, ten a second, and what kind of scene it is."""

    kind: str
    frames: list[Image]


def empty_scenes(shared: Path, step: int = 1) -> Iterator[Scene]:
    """Yield every `step`-th scene without people; `shared` is the folder of the test data."""
    rng = np.random.default_rng(SEED)
    for photo, left, top, right, bottom in PHOTO_PARTS[::step]:
        with pillow.open(shared / "photos" / "coco" / f"{photo:012}.jpg") as opened:
            part = np.asarray(opened.convert("RGB").crop((left, top, right, bottom)))
        yield Scene("part of a photo", film_still(rng, _fit(part)))
    for film, first, last in empty_stretches():
        frames = read_frames(shared / "videos" / film, range(first, last + 1))
        yield Scene("empty film", [np.ascontiguousarray(frame[:, ::-1]) for frame in frames])
    for kind, draw in (("drawn room or landscape", draw_place), ("drawn coat stands", draw_coats)):
        for number in range(0, DRAWN_COUNT, step):
            yield Scene(kind, film_still(rng, draw(rng, number)))
    yield from clutter_scenes(rng, step)


def clutter_scenes(rng: np.random.Generator, step: int) -> Iterator[Scene]:
    """Yield the backdrops that the bundled model is trained with, in other random states than training's."""
    from models.train.backgrounds import BackdropPainter  # needs numba
    from models.train.camera_effects import expose

    painter = BackdropPainter(SEED)
    for _ in range(0, DRAWN_COUNT, step):
        yield Scene("drawn clutter", film_still(rng, expose(rng, painter.paint(rng, LONG_SIDE, 480, None))))


def draw_place(rng: np.random.Generator, number: int) -> Image:
    """Return a drawn room or landscape, as behind the people of the starter library."""
    painters = list(dict.fromkeys(painter for painters in SCENES_BY_KIND.values() for painter in painters))
    picture, horizon = np.zeros((240, 320, 3), np.uint8), float(rng.uniform(60, 150))
    painters[number % len(painters)](picture, rng, float(rng.uniform(horizon + 5, 220)), horizon)
    return np.asarray(cv2.resize(picture, (LONG_SIDE, 480), interpolation=cv2.INTER_CUBIC), np.uint8)


def draw_coats(rng: np.random.Generator, number: int) -> Image:
    """Return a drawn room with a few coats on stands, as tall as people and with sleeves, but with nobody in them."""
    picture = draw_place(rng, number)
    for _ in range(int(rng.integers(1, 4))):
        x, top, size = rng.uniform(80, 560), rng.uniform(60, 180), rng.uniform(70, 150)
        colour = rng.integers(10, 200, 3).tolist()
        cv2.line(picture, (int(x), int(top - 0.4 * size)), (int(x), int(top + 2.4 * size)), (60, 40, 25), 7)
        body = np.array([(-0.35, 0), (0.35, 0), (0.5, 1.6), (-0.5, 1.6)]) + rng.normal(0, 0.03, (4, 2))
        cv2.fillPoly(picture, [np.round(body * size + (x, top)).astype(np.int32)], colour, cv2.LINE_AA)
        for side in (-1, 1):
            sleeve = np.array([(0.33 * side, 0.08), (rng.uniform(0.5, 0.62) * side, rng.uniform(0.9, 1.15))])
            ends = np.round(sleeve * size + (x, top)).astype(int).tolist()
            shade = [int(0.8 * channel) for channel in colour]
            cv2.line(picture, tuple(ends[0]), tuple(ends[1]), shade, int(0.2 * size), cv2.LINE_AA)
    return picture


def film_still(rng: np.random.Generator, picture: Image) -> list[Image]:
    """Return frames of a picture as a camera sees them: with noise, a little shake, and light that changes."""
    height, width = picture.shape[:2]
    frames, phase = [], rng.uniform(0, 2 * np.pi)
    for number in range(FRAMES):
        x, y = rng.normal(0, SHAKE, 2)
        moved = cv2.warpAffine(
            picture, np.array([[1, 0, x], [0, 1, y]]), (width, height), borderMode=cv2.BORDER_REFLECT
        )
        light = 1 + FLICKER * np.sin(phase + 2 * np.pi * number / FRAMES)
        noisy = moved * light + rng.normal(0, NOISE, picture.shape)
        frames.append(noisy.clip(0, 255).astype(np.uint8))
    return frames


def _fit(picture: Image) -> Image:
    """Scale a picture to `LONG_SIDE`."""
    scale = LONG_SIDE / max(picture.shape[:2])
    return resize(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale))
