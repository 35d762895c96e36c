"""A picture's fingerprint: 256 bits that stay nearly the same when it is scaled, compressed again or brightened."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from models.pose import Image

SIDE: Final = 16
"""Rows and columns of differences: 256 bits."""

BYTES: Final = SIDE * SIDE // 8


def fingerprint(image: Image) -> bytes:
    """32 bytes for an H×W×3 RGB picture: whether it grows brighter from each of 16×16 places to the next on the right.

    The difference hash (Krawetz, "Kind of Like That", 2013). Pictures of one scene differ in few bits, so the number
    of bits that differ tells how alike two pictures are.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()
