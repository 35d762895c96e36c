"""How colours look to people who see few: a simulation, the distance between two colours, and contrast.

The matrices are those of Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
Deficiency" (IEEE TVCG 15, 2009), for a severity of 1. They apply to linear RGB.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from device.display.style import Colour

Vision: TypeAlias = Literal["typical", "protanopia", "deuteranopia", "tritanopia"]

MATRICES: Final[dict[Vision, npt.NDArray[np.float64]]] = {
    "typical": np.eye(3),
    "protanopia": np.array(
        [(0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)]
    ),
    "deuteranopia": np.array(
        [(0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)]
    ),
    "tritanopia": np.array(
        [(1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)]
    ),
}
"""One person in twelve with an X and a Y chromosome sees less red or green (the first two); the last is rare."""

TO_XYZ: Final = np.array([(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)])
"""From linear RGB (sRGB's primaries) to CIE XYZ."""


def simulate(pixels: npt.ArrayLike, vision: Vision) -> npt.NDArray[np.uint8]:
    """Return how colours (…×3 RGB, 0 to 255) look to somebody: as the colours that look the same to typical vision."""
    linear = np.clip(_to_linear(pixels) @ MATRICES[vision].T, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)


def distance(first: Colour, second: Colour, vision: Vision = "typical") -> float:
    """Return how different two colours look to somebody (CIE 1976 ΔE): 2 can just be seen, white and black are 100."""
    a, b = (_to_lab(simulate(colour, vision)) for colour in (first, second))
    return float(np.linalg.norm(a - b))


def contrast(first: Colour, second: Colour) -> float:
    """Return the contrast ratio of two colours as WCAG 2 defines it, from 1 to 21; it asks for 4.5 between text and
    its background, and for 3 between shapes."""
    bright, dark = sorted((float(_to_linear(colour) @ TO_XYZ[1]) for colour in (first, second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _to_linear(pixels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    values = np.asarray(pixels, np.float64) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _to_lab(colour: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return a colour in CIE L*a*b*, for the white of sRGB."""
    xyz = (TO_XYZ @ _to_linear(colour)) / TO_XYZ.sum(1)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
