"""The colours of a GIF: one palette for all its frames, and pictures as indices into it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from device.display.style import COOL, INK, MIDDLE, SLATE, WARM
from device.recording.frames import FLOOR, Composer
from models.pose import Image

Indices = npt.NDArray[np.uint8]
"""H×W uint8: indices into the palette."""

Bools = npt.NDArray[np.bool_]

MAX_PALETTE_SAMPLES: Final = 16_000
"""Pixels that a palette is made from at most: more improve it little, and take far longer."""

DRAWN_SHARE: Final = 1 / 6
"""Share of the palette for what is drawn: figure and letters. They are flat, but their smooth edges have many colours,
and they are not dithered."""

DRAWN_STILLS: Final = 6
"""Stills whose figures the palette is made from."""

EXACT_COLOURS: Final = (INK, SLATE, FLOOR, COOL, WARM, MIDDLE)
"""The colours of large flat areas: a palette's colour that is only near would show as a tint."""


class Palette:
    """The colours of all frames, N×3 uint8. Index N is transparent."""

    def __init__(self, colours: npt.NDArray[np.uint8]) -> None:
        self.colours = colours
        self.transparent_index = len(colours)
        self._pillow = Pillow.new("P", (1, 1))
        self._pillow.putpalette(colours.tobytes())

    @classmethod
    def for_frames(cls, composer: Composer, count: int) -> Palette:
        """Choose at most `count` colours, one of them transparent, for a whole GIF.

        Pillow's maximum coverage spans the range of the colours, so that dithering can mix all of them; its k-means
        then moves them to where they are needed. Measured on 20 dithered COCO photos, both blurred as the eye sees
        them: 43 dB from the originals (median cut: 35, fast octree: 40). The files are the smallest, except for those
        of coverage alone, which is coarse (27 dB pixel by pixel; this one: 30).
        """
        stills = composer.recording.stills
        photos = [composer.answer(index) for index in range(len(composer.recording.photos))]
        with_camera = [still for still in stills if still.camera_image is not None]
        photos += [composer.visitor(still) for still in with_camera[:: -(-len(with_camera) // len(photos)) or 1]]
        drawn = [*composer.titles.closing, composer.titles.backdrop]
        if not with_camera:
            drawn += [composer.visitor(still) for still in stills[:: -(-len(stills) // DRAWN_STILLS)]]
        exact = np.array(EXACT_COLOURS, np.uint8)
        for_drawn = max(round(count * DRAWN_SHARE) - len(exact), 2)
        for_photos = count - 1 - len(exact) - for_drawn
        return cls(np.concatenate([_choose(_sample(photos), for_photos), _choose(_sample(drawn), for_drawn), exact]))

    def dither(self, picture: Image) -> Indices:
        """Return a photo in these colours, dithered (Floyd–Steinberg)."""
        return self._indices(picture, Pillow.Dither.FLOYDSTEINBERG)

    def quantize(self, picture: Image) -> Indices:
        """Return a picture in the nearest of these colours, which keeps lines crisp and flat areas flat."""
        return self._indices(picture, Pillow.Dither.NONE)

    def _indices(self, picture: Image, dither: Pillow.Dither) -> Indices:
        return np.asarray(Pillow.fromarray(picture).quantize(palette=self._pillow, dither=dither))


def _choose(pixels: Image, count: int) -> npt.NDArray[np.uint8]:
    """Return at most `count` colours (N×3) for pixels (N×3)."""
    quantized = Pillow.fromarray(pixels[None]).quantize(count, method=Pillow.Quantize.MAXCOVERAGE, kmeans=100)
    return np.array(quantized.getpalette(), np.uint8).reshape(-1, 3)


def _sample(pictures: Sequence[Image]) -> Image:
    """Return at most `MAX_PALETTE_SAMPLES` pixels (N×3) from all over some pictures, and at least one of each."""
    step = math.ceil((sum(picture[..., 0].size for picture in pictures) / MAX_PALETTE_SAMPLES) ** 0.5)
    return np.concatenate([picture[::step, ::step].reshape(-1, 3) for picture in pictures])


def changed_box(changed: Bools) -> tuple[slice, slice] | None:
    """Return the rows and columns of the smallest box around the pixels that are set; None if no pixel is."""
    x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
    return (slice(y, y + height), slice(x, x + width)) if width else None
