"""A recording becomes a looping GIF: one palette for all of it, held photos stored once, small enough to be sent.

Pillow quantizes and compresses (LZW); the blocks around its output are written here, because its own writer decides by
itself which frames get a colour table of their own and quantizes or compares whole frames where only a skeleton moved.
Source: Graphics Interchange Format, version 89a (CompuServe, 1990), and Netscape's extension for looping.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL.GifImagePlugin import getdata

from models.pose import EDGES, Image, Pose

Indices = npt.NDArray[np.uint8]
"""H×W, numbers of colours in the palette."""


class GifError(ValueError):
    """A recording that no GIF within the limit can be made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One frame of a recording: which photo, the visitor's pose in its pixels, their picture for the inset, and when.

    `at` is in seconds since the recording began.
    """

    photo: int
    visitor: Pose | None
    camera: Image | None
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was on the screen: photos (all H×W×3 of one size), the stills that show them in order, and its length."""

    photos: tuple[Image, ...]
    stills: tuple[Still, ...]
    seconds: float


class Gif(NamedTuple):
    """A whole GIF file, and what was chosen so that it fits."""

    data: bytes
    colours: int
    frames: int
    size: tuple[int, int]


def encode(recording: Recording, limit: int) -> Gif:
    """The recording as a GIF of at most `limit` bytes. Raises GifError when there is none, or nothing was recorded."""
    raise NotImplementedError
