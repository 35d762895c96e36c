"""Codes (QR) that a phone's camera reads from the display: of a page, and of a Wi-Fi to join.

`encode_code` takes some milliseconds in pure Python, so the thread that writes GIFs calls it; drawing is quick.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pygame
import segno

from device.display import draw, style

Modules: TypeAlias = npt.NDArray[np.bool_]
"""The squares of a code, N×N, with the quiet zone around them; dark ones are True."""

QUIET_ZONE: Final = 4
"""Light modules around a code (ISO/IEC 18004): without them, many phones do not find it."""

ERROR_LEVEL: Final = "m"
"""Up to 15 % of a code may be hidden, as by a reflection. More would make its modules smaller."""

TILE_CORNER: Final = 2.5
"""Radius of a tile's corners in modules: they stay within the quiet zone."""


def encode_code(text: str) -> Modules:
    """Return the code of a text. Raises ValueError for a text that is too long for any (2 kB)."""
    code = segno.make(text, error=ERROR_LEVEL, micro=False)
    return np.pad(np.array(code.matrix, np.uint8).astype(bool), QUIET_ZONE)


def wifi_text(name: str, password: str) -> str:
    """Return what joins a Wi-Fi when a phone reads it from a code; without a password, an open one."""
    kind = f"WPA;S:{_escape(name)};P:{_escape(password)}" if password else f"nopass;S:{_escape(name)}"
    return f"WIFI:T:{kind};;"


def _escape(text: str) -> str:
    return re.sub(r'([\\;,:"])', r"\\\1", text)


def draw_code(modules: Modules, pixels: int) -> pygame.Surface:
    """Return a code as a white tile with rounded corners, `pixels` for each module."""
    side = modules.shape[0] * pixels
    tile = draw.rounded_rect((side, side), TILE_CORNER * pixels, style.WHITE, 1.0).copy()
    inner = slice(QUIET_ZONE, -QUIET_ZONE)
    squares = np.where(modules[inner, inner, None], np.array(style.INK, np.uint8), np.uint8(255))
    picture = squares.repeat(pixels, 0).repeat(pixels, 1).swapaxes(0, 1)
    tile.blit(pygame.surfarray.make_surface(picture), (QUIET_ZONE * pixels, QUIET_ZONE * pixels))
    return tile
