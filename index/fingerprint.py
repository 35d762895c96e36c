"""Fingerprints: 256 bits of a picture that hardly change when it is scaled, compressed again or brightened."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.pose import Image

FINGERPRINT_BITS: Final = 256
FINGERPRINT_BYTES: Final = FINGERPRINT_BITS // 8

SIDE_PIXELS: Final = 64
"""Side in pixels of the small square that a picture is reduced to: finer detail changes with each copy."""


def fingerprint(image: Image) -> bytes:
    """Return 32 bytes for an H×W×3 RGB picture: the signs of its 256 lowest frequencies, the lowest first.

    This is a perceptual hash by cosine transform (Zauner, Implementation and Benchmarking of Perceptual Image Hash
    Functions, 2010), but with signs instead of a comparison with the median. Pictures of one scene differ in few bits,
    so the number of differing bits measures how alike two pictures are. The first bits change least.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.packbits(cv2.dct(small).ravel()[_LOWEST_FREQUENCIES] > 0).tobytes()


def _lowest_frequencies() -> npt.NDArray[np.intp]:
    """Return the flat indices of the lowest frequencies in the transform, without the mean brightness."""
    down, across = np.mgrid[:SIDE_PIXELS, :SIDE_PIXELS]
    return np.lexsort((down.ravel(), (down + across).ravel()))[1 : FINGERPRINT_BITS + 1]


_LOWEST_FREQUENCIES: Final = _lowest_frequencies()
