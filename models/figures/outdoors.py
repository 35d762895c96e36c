"""Outdoor backgrounds: park, sunset, beach, sea, town, mountains, snow, court.

Every painter fills `picture`. The ground that people stand on begins at the row `line`; the row `horizon` is as far as
level ground reaches.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from models.figures.brush import add_glow, fill_ellipse, fill_gradient, fill_polygon, fill_rectangle, mix
from models.figures.look import Colour
from models.pose import Image

WHITE: Final[Colour] = (252, 250, 244)
DARK: Final[Colour] = (30, 34, 46)
SKIES: Final[tuple[tuple[Colour, ...], ...]] = (
    ((96, 170, 220), (170, 214, 236), (226, 240, 240)), ((120, 196, 214), (206, 232, 226), (250, 240, 214)),
    ((150, 176, 206), (208, 214, 220), (240, 228, 214)), ((250, 190, 150), (252, 216, 180), (250, 236, 214)),
)  # fmt: skip
GREENS: Final[tuple[Colour, ...]] = (
    (118, 168, 88),
    (92, 150, 96),
    (148, 176, 90),
    (86, 136, 104),
    (166, 170, 96),
    (196, 160, 84),
)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _paint_sky(picture: Image, rng: np.random.Generator, horizon: float, clouds: float = 0.8) -> tuple[Colour, ...]:
    height, width = picture.shape[:2]
    sky = SKIES[int(rng.integers(len(SKIES)))]
    fill_gradient(picture, 0, min(max(round(horizon) + 1, 1), height), sky)
    if rng.random() < clouds:
        for _ in range(int(rng.integers(2, 6))):
            x, y = width * float(rng.uniform(0, 1)), max(horizon, height * 0.2) * float(rng.uniform(0.08, 0.6))
            size = height * float(rng.uniform(0.02, 0.05))
            for _ in range(6):
                fill_ellipse(
                    picture,
                    (x + size * float(rng.uniform(-2.6, 2.6)), y + size * float(rng.uniform(-0.4, 0.3))),
                    (size * float(rng.uniform(1.0, 1.8)), size * float(rng.uniform(0.5, 0.9))),
                    mix(WHITE, sky[1], 0.25),
                )
    return sky


def _paint_ridge(
    picture: Image, rng: np.random.Generator, foot: float, high: float, colour: Colour, rough: float
) -> None:
    """Paint a line of hills or mountains with its foot on row `foot`."""
    width = picture.shape[1]
    xs = np.linspace(-10, width + 10, 40)
    waves = sum(np.sin(xs / width * np.pi * 2 * f + float(rng.uniform(0, 6.3))) / f**0.8 for f in (1, 2, 3, 5))
    jag = rng.normal(0, rough, len(xs))
    tops = foot - high * (0.55 + 0.22 * waves + jag)
    fill_polygon(
        picture, [(-10, foot + 4), *zip(xs.tolist(), tops.tolist(), strict=True), (width + 10, foot + 4)], colour
    )


def _paint_tree(picture: Image, rng: np.random.Generator, x: float, foot: float, size: float, green: Colour) -> None:
    fill_rectangle(picture, x - size * 0.06, foot - size * 0.5, x + size * 0.06, foot, (104, 78, 60))
    if rng.random() < 0.35:
        for level in range(4):
            y, wide = foot - size * (0.25 + 0.22 * level), size * (0.36 - 0.075 * level)
            fill_polygon(
                picture, [(x - wide, y), (x + wide, y), (x, y - size * 0.36)], mix(green, DARK, 0.25 - level * 0.05)
            )
        return
    for shade, shift in ((0.18, 0.06), (0.0, 0.0)):
        for _ in range(7):
            fill_ellipse(
                picture,
                (
                    x + size * (float(rng.normal(0, 0.17)) + shift),
                    foot - size * (0.78 + float(rng.normal(0, 0.13)) - shift),
                ),
                (size * 0.22, size * 0.20),
                mix(green, DARK, shade),
            )


def paint_park(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint grass, trees and a path."""
    height, width = picture.shape[:2]
    sky = _paint_sky(picture, rng, horizon)
    green = _pick(rng, GREENS)
    _paint_ridge(picture, rng, horizon + 2, height * 0.10, mix(green, sky[1], 0.55), 0.02)
    _paint_ridge(picture, rng, horizon + 4, height * 0.05, mix(green, sky[1], 0.3), 0.05)
    fill_gradient(picture, round(horizon) + 2, height, [mix(green, sky[2], 0.3), green, mix(green, DARK, 0.14)])
    if rng.random() < 0.6:
        bend = float(rng.uniform(-0.3, 0.3))
        fill_polygon(
            picture,
            [
                (width * (0.5 + bend) - 4, horizon + 4),
                (width * (0.5 + bend) + 6, horizon + 4),
                (width * 0.86, height),
                (width * 0.2, height),
            ],
            (222, 204, 168),
        )
    for number in range(int(rng.integers(3, 8))):
        x = width * float(rng.choice([rng.uniform(-0.02, 0.28), rng.uniform(0.72, 1.02)]))
        _paint_tree(
            picture,
            rng,
            x,
            horizon + height * (0.02 + 0.02 * number * float(rng.random())),
            height * float(rng.uniform(0.16, 0.42)),
            mix(green, _pick(rng, ((60, 110, 70), (90, 140, 60), (206, 130, 50))), 0.6),
        )
    for _ in range(60):
        x, y = width * float(rng.random()), horizon + (height - horizon) * float(rng.uniform(0.15, 1))
        size = 1 + (y - horizon) / max(height - horizon, 1) * height * 0.006
        fill_polygon(
            picture,
            [(x - size, y), (x - size * 0.4, y - size * 2.6), (x, y), (x + size * 0.7, y - size * 2.2), (x + size, y)],
            mix(green, DARK, 0.2),
        )
    del line


def paint_sunset(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a low sun behind hills or over the sea."""
    height, width = picture.shape[:2]
    skies: tuple[tuple[Colour, ...], ...] = (
        ((66, 60, 110), (196, 96, 110), (252, 176, 110), (254, 222, 160)),
        ((40, 62, 104), (110, 110, 150), (240, 160, 130), (252, 206, 150)),
        ((120, 90, 150), (244, 140, 140), (254, 206, 160)),
    )
    sky = skies[int(rng.integers(len(skies)))]
    fill_gradient(picture, 0, round(horizon) + 1, sky)
    x, y = width * float(rng.uniform(0.15, 0.85)), horizon - height * float(rng.uniform(0.02, 0.16))
    add_glow(picture, x, y, height * 0.5, (255, 226, 160), 0.6)
    fill_ellipse(picture, (x, y), (height * 0.07, height * 0.07), (255, 240, 200))
    if rng.random() < 0.5:
        fill_gradient(picture, round(horizon), round(line) + 2, [mix(sky[-1], (60, 80, 120), 0.4), (70, 84, 122)])
        for _ in range(26):
            row = horizon + (line - horizon) * float(rng.uniform(0.02, 1))
            wide = height * float(rng.uniform(0.02, 0.10))
            fill_ellipse(picture, (x + float(rng.normal(0, height * 0.08)), row), (wide, 1.4), (255, 220, 170))
    else:
        _paint_ridge(picture, rng, horizon + 3, height * 0.20, mix(sky[1], DARK, 0.3), 0.05)
        _paint_ridge(picture, rng, horizon + 3, height * 0.10, mix(sky[1], DARK, 0.6), 0.03)
        fill_gradient(picture, round(horizon), round(line) + 2, [mix((120, 96, 90), DARK, 0.3), (136, 108, 96)])
    ground = _pick(rng, ((206, 160, 120), (120, 104, 100), (150, 120, 90), (96, 104, 92)))
    fill_gradient(picture, round(line), height, [mix(ground, sky[-1], 0.35), ground, mix(ground, DARK, 0.2)])


def paint_beach(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint sand, sea and a parasol."""
    height, width = picture.shape[:2]
    _paint_sky(picture, rng, horizon)
    sea = _pick(rng, ((54, 150, 180), (70, 170, 180), (60, 120, 170)))
    fill_gradient(picture, round(horizon), round(line) + 1, [sea, mix(sea, WHITE, 0.3)])
    for _ in range(24):
        row = horizon + (line - horizon) * float(rng.uniform(0.1, 0.95))
        fill_ellipse(
            picture,
            (width * float(rng.random()), row),
            (height * float(rng.uniform(0.02, 0.07)), 1.2),
            mix(sea, WHITE, 0.6),
        )
    sand = _pick(rng, ((238, 214, 164), (226, 196, 150), (244, 226, 190)))
    fill_gradient(picture, round(line), height, [mix(sand, WHITE, 0.3), sand, mix(sand, (150, 110, 70), 0.2)])
    xs = np.linspace(0, width, 30)
    foam = line + np.sin(xs / width * 14 + float(rng.uniform(0, 6))) * height * 0.006
    fill_polygon(
        picture,
        [
            *zip(xs.tolist(), (foam - 4).tolist(), strict=True),
            *zip(xs[::-1].tolist(), (foam[::-1] + 5).tolist(), strict=True),
        ],
        WHITE,
    )
    if rng.random() < 0.7:
        x, y, size = width * float(rng.choice([0.12, 0.88])), line + height * 0.05, height * 0.2
        fill_rectangle(picture, x - 2, y - size * 1.5, x + 2, y, WHITE)
        cloth = _pick(rng, ((226, 84, 70), (250, 186, 70), (60, 140, 160)))
        for part in range(6):
            start, end = np.pi + part * np.pi / 6, np.pi + (part + 1) * np.pi / 6
            arc = [(x + np.cos(t) * size, y - size * 1.3 + np.sin(t) * size * 0.62) for t in np.linspace(start, end, 6)]
            fill_polygon(picture, [(x, y - size * 1.3), *arc], cloth if part % 2 else WHITE)


def paint_town(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint house fronts and a pavement."""
    height, width = picture.shape[:2]
    sky = _paint_sky(picture, rng, line)
    x = -width * 0.05
    while x < width * 1.05:
        wide, tall = width * float(rng.uniform(0.10, 0.22)), line * float(rng.uniform(0.45, 0.95))
        wall = mix(
            _pick(
                rng,
                ((206, 120, 90), (226, 196, 150), (150, 166, 176), (196, 160, 140), (120, 132, 150), (236, 220, 200)),
            ),
            sky[1],
            0.25,
        )
        fill_rectangle(picture, x, line - tall, x + wide + 1, line, wall)
        fill_rectangle(picture, x + wide * 0.93, line - tall, x + wide + 1, line, mix(wall, DARK, 0.12))
        glass = _pick(rng, ((90, 110, 130), (250, 226, 160), (170, 196, 206)))
        columns, rows = max(int(wide / (height * 0.065)), 1), max(int(tall / (height * 0.10)), 1)
        for column in range(columns):
            for row in range(rows):
                left, top = x + wide * (column + 0.28) / columns, line - tall + tall * (row + 0.25) / rows
                fill_rectangle(picture, left, top, left + wide * 0.42 / columns, top + tall * 0.5 / rows, glass)
        x += wide + width * 0.004
    paving = _pick(rng, ((176, 172, 168), (150, 150, 156), (196, 180, 160)))
    fill_gradient(picture, round(line), height, [mix(paving, DARK, 0.1), paving, mix(paving, WHITE, 0.12)])
    fill_rectangle(picture, 0, line, width, line + height * 0.014, mix(paving, DARK, 0.25))
    reach = (height - horizon) / max(line - horizon, 2.0)
    for number in range(-14, 15):
        near = width / 2 + number * width / 9 / reach * 1.4
        far = width / 2 + (near - width / 2) * reach
        fill_polygon(
            picture,
            [(near, line), (near + 0.8, line), (far + 1.4, height), (far - 1.0, height)],
            mix(paving, DARK, 0.14),
        )


def paint_sea(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint open water, with a swell behind and foam in front."""
    height, width = picture.shape[:2]
    sky = _paint_sky(picture, rng, horizon)
    water = _pick(rng, ((34, 132, 168), (30, 112, 150), (46, 150, 160), (64, 104, 150)))
    fill_gradient(picture, round(horizon), height, [mix(water, sky[2], 0.35), water, mix(water, DARK, 0.25)])
    _paint_ridge(picture, rng, line, height * float(rng.uniform(0.10, 0.22)), mix(water, DARK, 0.14), 0.015)
    deep = height - line
    fill_gradient(picture, round(line), height, [mix(water, WHITE, 0.25), water, mix(water, DARK, 0.2)])
    for _ in range(46):
        near = float(rng.random()) ** 1.4
        x, y = width * float(rng.uniform(-0.1, 1.1)), line + deep * near
        long = width * (0.02 + 0.10 * near) * float(rng.uniform(0.5, 1.5))
        foam = mix(water, WHITE, float(rng.uniform(0.35, 0.9)))
        fill_ellipse(picture, (x, y), (long, 0.8 + height * 0.006 * near), foam)


def paint_snow(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a slope with firs under peaks."""
    height, width = picture.shape[:2]
    sky = SKIES[int(rng.integers(3))]
    fill_gradient(picture, 0, max(round(horizon) + 2, 1), sky)
    rock = _pick(rng, ((110, 126, 150), (130, 120, 140), (96, 116, 130)))
    for high, share in ((0.40, 0.62), (0.24, 0.35)):
        _paint_ridge(picture, rng, horizon + 3, height * high, mix(mix(rock, sky[1], share), WHITE, 0.35), 0.10)
    white = (242, 246, 250)
    fill_gradient(picture, round(horizon) + 2, height, [mix(white, sky[0], 0.35), white, mix(white, sky[0], 0.18)])
    tilt = height * float(rng.uniform(-0.12, 0.12))
    for share in (0.25, 0.6):
        y = horizon + (height - horizon) * share
        low = y + height * 0.2
        fill_polygon(
            picture, [(0, y + tilt), (width, y - tilt), (width, low), (0, low)], mix(white, sky[0], 0.05 + share / 8)
        )
    for _ in range(int(rng.integers(5, 14))):
        x = width * float(rng.random())
        size = height * float(rng.uniform(0.08, 0.22))
        _paint_tree(picture, rng, x, horizon + size * 0.4, size, mix((46, 88, 80), sky[1], 0.2))
    del line


def paint_mountains(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint peaks above a meadow or snow."""
    height = picture.shape[0]
    sky = _paint_sky(picture, rng, horizon)
    rock = _pick(rng, ((110, 126, 150), (130, 120, 140), (96, 116, 120)))
    for high, share in ((0.36, 0.62), (0.26, 0.40), (0.14, 0.2)):
        _paint_ridge(picture, rng, horizon + 3, height * high, mix(rock, sky[1], share), 0.09)
    ground = _pick(rng, ((240, 244, 248), (140, 172, 100), (180, 176, 120)))
    fill_gradient(picture, round(horizon) + 2, height, [mix(ground, sky[1], 0.3), ground, mix(ground, rock, 0.2)])
    for _ in range(int(rng.integers(4, 12))):
        x = picture.shape[1] * float(rng.random())
        _paint_tree(
            picture,
            rng,
            x,
            horizon + height * 0.02,
            height * float(rng.uniform(0.06, 0.14)),
            mix((60, 96, 84), sky[1], 0.2),
        )
    del line


def paint_court(picture: Image, rng: np.random.Generator, line: float, horizon: float) -> None:
    """Paint a playing field with lines, a fence and trees."""
    height, width = picture.shape[:2]
    sky = _paint_sky(picture, rng, line)
    green = _pick(rng, GREENS)
    _paint_ridge(picture, rng, line, height * 0.14, mix(green, sky[1], 0.35), 0.06)
    field = _pick(rng, ((190, 96, 70), (70, 130, 90), (60, 110, 160), (110, 160, 80)))
    fill_gradient(picture, round(line), height, [mix(field, DARK, 0.08), field, mix(field, WHITE, 0.1)])
    rail = mix(DARK, sky[1], 0.35)
    for number in range(24):
        fill_rectangle(picture, width * number / 22, line - height * 0.16, width * number / 22 + 1.6, line, rail)
    for level in (0.16, 0.08):
        fill_rectangle(picture, 0, line - height * level, width, line - height * level + 2.2, rail)
    deep = height - line
    fill_rectangle(picture, 0, line + deep * 0.22, width, line + deep * 0.255, WHITE)
    lean = float(rng.uniform(-0.2, 0.2))
    fill_polygon(
        picture,
        [
            (width * (0.4 + lean), line),
            (width * (0.41 + lean), line),
            (width * (0.22 + lean), height),
            (width * (0.18 + lean), height),
        ],
        WHITE,
    )
    del horizon
