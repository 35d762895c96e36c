"""Indoor backgrounds: studio, room, dance hall, dojo, gym, stage.

Every painter fills `picture`. The floor begins at the row `line`; the lines of its boards meet at the row `horizon`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.figures.brush import add_glow, fill_ellipse, fill_gradient, fill_polygon, fill_rectangle, mix
from models.figures.look import Colour
from models.pose import Image

WALLS: Final[tuple[Colour, ...]] = (
    (228, 220, 206), (206, 216, 220), (222, 206, 196), (204, 214, 198), (238, 232, 220), (186, 200, 212), (240, 214,
    180),
    (176, 190, 178), (216, 200, 214), (120, 142, 150), (150, 120, 110), (94, 110, 130),
)  # fmt: skip
WOODS: Final[tuple[Colour, ...]] = ((186, 146, 104), (160, 118, 82), (206, 174, 134), (130, 100, 78), (176, 166, 152))
WHITE: Final[Colour] = (246, 244, 238)
BLACK: Final[Colour] = (24, 22, 26)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _paint_floor(picture: Image, line: float, horizon: float, colour: Colour, boards: bool) -> None:
    """Paint a floor from `line` down, perhaps with boards that meet at the horizon."""
    height, width = picture.shape[:2]
    fill_gradient(picture, round(line), height, [mix(colour, BLACK, 0.16), mix(colour, WHITE, 0.10)])
    if not boards or height - horizon < 1:
        return
    seam = mix(colour, BLACK, 0.22)
    reach = (height - horizon) / max(line - horizon, 2.0)
    for number in range(-22, 23):
        x = width / 2 + (number + 0.35) * width / 16 / reach * 1.6
        low = width / 2 + (x - width / 2) * reach
        fill_polygon(picture, [(x, line), (x + 0.6, line), (low + 1.6, height), (low - 1.2, height)], seam)


def paint_studio(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a photographer's seamless paper."""
    height, width = picture.shape[:2]
    paper = _pick(
        rng,
        (*WALLS, (232, 116, 92), (250, 196, 92), (72, 132, 148), (122, 168, 148), (86, 84, 128), (244, 168, 160)),
    )
    fill_gradient(
        picture,
        0,
        height,
        [mix(paper, BLACK, 0.22), paper, mix(paper, WHITE, 0.35), mix(paper, WHITE, 0.12), mix(paper, BLACK, 0.14)],
    )
    add_glow(picture, width * float(rng.uniform(0.3, 0.7)), height * 0.42, height * 0.9, mix(paper, WHITE, 0.6), 0.55)
    del line, horizon


def paint_room(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a living room."""
    height, width = picture.shape[:2]
    wall = _pick(rng, WALLS)
    fill_gradient(picture, 0, round(line), [mix(wall, WHITE, 0.12), wall, mix(wall, BLACK, 0.05)])
    _paint_floor(picture, line, horizon, _pick(rng, WOODS), bool(rng.random() < 0.8))
    skirting = (height * 0.012, mix(wall, WHITE, 0.6))
    fill_rectangle(picture, 0, line - skirting[0], width, line, skirting[1])
    side = 1 if rng.random() < 0.5 else -1
    _paint_window(picture, rng, width * (0.5 - side * float(rng.uniform(0.28, 0.36))), line, height)
    _paint_picture_frames(picture, rng, width * (0.5 + side * float(rng.uniform(0.2, 0.36))), line, height)
    if rng.random() < 0.8:
        _paint_plant(picture, rng, width * (0.5 + side * float(rng.uniform(0.38, 0.46))), line + height * 0.03, height)
    if rng.random() < 0.6:
        _paint_sofa(picture, rng, width * (0.5 - side * float(rng.uniform(0.30, 0.40))), line + height * 0.035, height)
    if rng.random() < 0.5:
        rug = _pick(rng, ((196, 92, 80), (92, 124, 140), (214, 186, 140), (120, 130, 100)))
        deep = (height - line) * 0.36
        fill_ellipse(picture, (width / 2, line + (height - line) * 0.55), (width * 0.36, deep), rug)
        fill_ellipse(
            picture, (width / 2, line + (height - line) * 0.55), (width * 0.32, deep * 0.86), mix(rug, WHITE, 0.25)
        )


def _paint_window(picture: Image, rng: np.random.Generator, x: float, line: float, height: float) -> None:
    across, top, bottom = height * float(rng.uniform(0.12, 0.17)), line * 0.14, line * 0.74
    fill_rectangle(picture, x - across - 7, top - 7, x + across + 7, bottom + 7, WHITE)
    sky = _pick(rng, ((186, 220, 240), (250, 220, 180), (160, 200, 226), (60, 74, 112)))
    for share in range(12):
        fill_rectangle(
            picture,
            x - across,
            top + (bottom - top) * share / 12,
            x + across,
            top + (bottom - top) * (share + 1) / 12 + 1,
            mix(sky, WHITE, share / 20),
        )
    hill = mix((96, 140, 96), sky, 0.4)
    fill_polygon(
        picture,
        [
            (x - across, bottom),
            (x - across, bottom - height * 0.06),
            (x, bottom - height * 0.1),
            (x + across, bottom - height * 0.04),
            (x + across, bottom),
        ],
        hill,
    )
    fill_rectangle(picture, x - 3, top, x + 3, bottom, WHITE)
    fill_rectangle(picture, x - across, (top + bottom) / 2 - 3, x + across, (top + bottom) / 2 + 3, WHITE)
    fill_rectangle(picture, x - across - 16, bottom + 5, x + across + 16, bottom + 14, mix(WHITE, BLACK, 0.08))
    if rng.random() < 0.6:
        cloth = _pick(rng, ((214, 120, 96), (236, 204, 140), (120, 150, 160), (230, 222, 210)))
        for side in (-1, 1):
            edge = x + side * (across + 12)
            fill_polygon(
                picture,
                [(edge - 18, top - 18), (edge + 18, top - 18), (edge + 24, line * 0.985), (edge - 20, line * 0.985)],
                cloth,
            )
            for fold in (-8, 4, 14):
                fill_polygon(
                    picture,
                    [
                        (edge + fold, top - 18),
                        (edge + fold + 3, top - 18),
                        (edge + fold + 4, line * 0.985),
                        (edge + fold - 1, line * 0.985),
                    ],
                    mix(cloth, BLACK, 0.14),
                )


def _paint_picture_frames(picture: Image, rng: np.random.Generator, x: float, line: float, height: float) -> None:
    for number in range(int(rng.integers(1, 4))):
        across, down = height * float(rng.uniform(0.05, 0.09)), height * float(rng.uniform(0.05, 0.10))
        cx, cy = x + (number - 1) * height * 0.19, line * float(rng.uniform(0.28, 0.5))
        fill_rectangle(
            picture, cx - across, cy - down, cx + across, cy + down, _pick(rng, (BLACK, WHITE, (150, 110, 74)))
        )
        inner = _pick(rng, ((236, 190, 120), (120, 170, 180), (220, 130, 110), (150, 176, 130), (240, 232, 214)))
        fill_rectangle(picture, cx - across * 0.84, cy - down * 0.84, cx + across * 0.84, cy + down * 0.84, inner)
        fill_ellipse(picture, (cx + across * 0.2, cy - down * 0.1), (across * 0.4, down * 0.4), mix(inner, WHITE, 0.5))
        fill_polygon(
            picture,
            [
                (cx - across * 0.84, cy + down * 0.84),
                (cx - across * 0.2, cy + down * 0.1),
                (cx + across * 0.84, cy + down * 0.84),
            ],
            mix(inner, BLACK, 0.3),
        )


def _paint_plant(picture: Image, rng: np.random.Generator, x: float, floor: float, height: float) -> None:
    pot = _pick(rng, ((200, 110, 80), (230, 226, 216), (90, 100, 110)))
    green = _pick(rng, ((74, 128, 84), (100, 150, 90), (58, 104, 88)))
    size = height * float(rng.uniform(0.05, 0.08))
    for number in range(11):
        way = (number - 5) / 5 * 1.25 + float(rng.normal(0, 0.08))
        long = size * float(rng.uniform(2.0, 3.4))
        tip = (x + np.sin(way) * long, floor - size * 1.5 - np.cos(way) * long)
        middle = ((x + tip[0]) / 2, (floor - size * 1.5 + tip[1]) / 2)
        fill_ellipse(
            picture,
            (middle[0], middle[1]),
            (long * 0.52, size * 0.26),
            mix(green, WHITE if number % 2 else BLACK, 0.14),
            float(np.degrees(np.arctan2(tip[1] - floor + size * 1.5, tip[0] - x))),
        )
    fill_polygon(
        picture,
        [
            (x - size, floor - size * 1.7),
            (x + size, floor - size * 1.7),
            (x + size * 0.72, floor),
            (x - size * 0.72, floor),
        ],
        pot,
    )
    fill_polygon(
        picture,
        [
            (x + size * 0.3, floor - size * 1.7),
            (x + size, floor - size * 1.7),
            (x + size * 0.72, floor),
            (x + size * 0.3, floor),
        ],
        mix(pot, BLACK, 0.14),
    )


def _paint_sofa(picture: Image, rng: np.random.Generator, x: float, floor: float, height: float) -> None:
    cloth = _pick(rng, ((120, 140, 150), (196, 132, 96), (108, 124, 98), (170, 96, 96), (216, 204, 186)))
    wide, up = height * 0.24, height * 0.15
    for leg in (-0.85, 0.85):
        fill_rectangle(picture, x + leg * wide - 4, floor - height * 0.03, x + leg * wide + 4, floor, (70, 54, 44))
    fill_rectangle(
        picture, x - wide * 0.9, floor - up * 1.55, x + wide * 0.9, floor - up * 0.5, mix(cloth, BLACK, 0.08)
    )
    fill_rectangle(picture, x - wide * 0.9, floor - up * 0.85, x + wide * 0.9, floor - height * 0.025, cloth)
    for arm in (-1, 1):
        fill_ellipse(
            picture, (x + arm * wide * 0.95, floor - up * 1.0), (wide * 0.12, up * 0.18), mix(cloth, WHITE, 0.1)
        )
        fill_rectangle(
            picture,
            x + arm * wide * 0.95 - wide * 0.12,
            floor - up,
            x + arm * wide * 0.95 + wide * 0.12,
            floor - height * 0.02,
            mix(cloth, WHITE, 0.06),
        )
    fill_rectangle(picture, x - 1.5, floor - up * 0.85, x + 1.5, floor - up * 0.3, mix(cloth, BLACK, 0.15))


def paint_hall(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a dance hall with tall windows and a barre."""
    width = picture.shape[1]
    wall = _pick(rng, WALLS)
    fill_gradient(picture, 0, round(line), [mix(wall, WHITE, 0.2), wall])
    _paint_floor(picture, line, horizon, _pick(rng, WOODS), True)
    light = _pick(rng, ((236, 244, 250), (252, 236, 204), (214, 230, 242)))
    step = width / int(rng.integers(3, 6))
    for number in range(7):
        x = (number + 0.1) * step
        across, top, bottom = step * 0.30, line * 0.22, line * 0.86
        fill_ellipse(picture, (x, top), (across + 5, across + 5), WHITE)
        fill_rectangle(picture, x - across - 5, top, x + across + 5, bottom + 5, WHITE)
        fill_ellipse(picture, (x, top), (across, across), light)
        fill_rectangle(picture, x - across, top, x + across, bottom, light)
        for bar in (-0.33, 0.33):
            fill_rectangle(picture, x + across * bar - 1.5, top - across, x + across * bar + 1.5, bottom, WHITE)
        fill_rectangle(picture, x - across, (top + bottom) / 2 - 1.5, x + across, (top + bottom) / 2 + 1.5, WHITE)
    for level in (0.60, 0.74):
        fill_rectangle(picture, 0, line * level, width, line * level + 5, (150, 110, 76))


def paint_dojo(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a dojo's paper screens and straw mats."""
    height, width = picture.shape[:2]
    paper, wood = (246, 238, 216), _pick(rng, ((104, 74, 54), (74, 56, 48), (140, 100, 66)))
    fill_gradient(picture, 0, round(line), [mix(paper, BLACK, 0.08), paper])
    _paint_floor(
        picture, line, horizon, _pick(rng, ((204, 194, 140), (186, 176, 128), (150, 60, 56), (70, 100, 120))), True
    )
    step = width / int(rng.integers(5, 9))
    for number in range(10):
        fill_rectangle(picture, number * step - 2, line * 0.16, number * step + 2, line, wood)
    for level in (0.16, 0.37, 0.58, 0.79):
        fill_rectangle(picture, 0, line * level - 2, width, line * level + 2, wood)
    fill_rectangle(picture, 0, 0, width, line * 0.12, mix(paper, wood, 0.3))
    fill_rectangle(picture, 0, line * 0.11, width, line * 0.17, wood)
    fill_rectangle(picture, 0, line - height * 0.02, width, line, mix(wood, BLACK, 0.2))
    if rng.random() < 0.5:
        x = width * float(rng.choice([0.16, 0.84]))
        fill_rectangle(picture, x - height * 0.06, line * 0.2, x + height * 0.06, line * 0.74, (250, 248, 240))
        fill_ellipse(picture, (x, line * 0.4), (height * 0.038, height * 0.038), (190, 50, 44))


def paint_gym(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a sports hall: a brick wall, a coloured band, court lines."""
    height, width = picture.shape[:2]
    wall = _pick(rng, ((226, 222, 210), (198, 208, 216), (232, 216, 190)))
    band = _pick(rng, ((52, 110, 160), (210, 90, 60), (60, 140, 110), (240, 180, 60)))
    fill_gradient(picture, 0, round(line), [mix(wall, BLACK, 0.1), wall])
    for row in range(14):
        y = line * row / 14
        fill_rectangle(picture, 0, y, width, y + 1.2, mix(wall, BLACK, 0.12))
        for column in range(20):
            x = (column + (row % 2) / 2) * width / 18
            fill_rectangle(picture, x, y, x + 1.2, y + line / 14, mix(wall, BLACK, 0.10))
    fill_rectangle(picture, 0, line * 0.62, width, line, band)
    fill_rectangle(picture, 0, line * 0.60, width, line * 0.62, WHITE)
    floor = _pick(rng, ((206, 164, 112), (90, 140, 160), (178, 110, 90)))
    _paint_floor(picture, line, horizon, floor, False)
    deep = height - line
    for share in (0.2, 0.62):
        fill_rectangle(
            picture, 0, line + deep * share, width, line + deep * (share + 0.03 + share * 0.03), mix(floor, WHITE, 0.7)
        )
    fill_polygon(
        picture,
        [(width * 0.30, line), (width * 0.31, line), (width * 0.12, height), (width * 0.09, height)],
        mix(floor, WHITE, 0.7),
    )
    fill_polygon(
        picture,
        [(width * 0.74, line), (width * 0.75, line), (width * 0.98, height), (width * 0.95, height)],
        mix(floor, WHITE, 0.7),
    )


def paint_stage(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a theatre's curtain and spotlights."""
    height, width = picture.shape[:2]
    cloth = _pick(rng, ((150, 34, 44), (44, 52, 104), (70, 40, 90), (24, 84, 88), (176, 100, 40)))
    folds = int(rng.integers(9, 18))
    across = np.arange(width) / width * folds * 2 * np.pi
    # In four tones, the same from top to bottom: where a style has few colours, shades would turn into saw teeth.
    wave = np.round((0.5 + 0.5 * np.sin(across + np.sin(across * 0.37) * 1.2)) * 3) / 3
    row = np.array(cloth)[None] * (0.40 + 0.65 * wave[:, None])
    picture[: max(round(line), 1)] = np.clip(row, 0, 255).astype(np.uint8)[None]
    floor = _pick(rng, ((120, 84, 60), (84, 64, 56), (150, 110, 76)))
    _paint_floor(picture, line, horizon, floor, True)
    lamp = _pick(rng, ((255, 240, 200), (250, 226, 236), (214, 236, 255)))
    centre = width * float(rng.uniform(0.42, 0.58))
    deep, spot = height - line, (centre, line + (height - line) * 0.5)
    for share, bright in ((1.0, 0.22), (0.78, 0.38)):
        fill_ellipse(picture, spot, (width * 0.38 * share, deep * 0.42 * share), mix(floor, lamp, bright))
    fill_rectangle(picture, 0, 0, width, height * 0.045, mix(cloth, BLACK, 0.5))
    for number in range(int(rng.integers(4, 8))):
        x = width * (number + 0.5) / 7
        fill_ellipse(picture, (x, height * 0.045), (height * 0.02, height * 0.022), lamp)
