"""A recording becomes a looping GIF: one palette for all of it, held photos stored once, small enough to be sent.

Pillow quantizes and compresses (LZW); the blocks around that are written here, because its own writer decides frame by
frame whether there is a colour table, and looks at every pixel again where only a skeleton moved.
Source: Graphics Interchange Format, version 89a (CompuServe, 1990), and Netscape's extension for loops.
"""

from __future__ import annotations

import math
import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, groupby, pairwise
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL.GifImagePlugin import getdata

from device.display.draw import INK, LEFT_COLOUR, MIDDLE_COLOUR, RIGHT_COLOUR, draw_skeleton
from models.pose import Image, Pose

Indices = npt.NDArray[np.uint8]
"""H×W, numbers of colours in the palette."""

MAX_PALETTE_SAMPLES: Final = 16_000
"""Pixels of a recording, at most, that its palette is made from: more make it little better, and take far longer."""

SKELETON_THICKNESS: Final = 0.01
"""The skeleton's thickness, as a share of the picture's short side."""

INSET_AREA: Final = 0.06
"""The camera picture's share of the picture's area, as on the screen."""

MAX_INSET_SIDE: Final = 0.9
"""Of the picture's width and height, which a camera picture much wider or higher than it may take."""

MARGIN: Final = 0.03
"""Of the picture's short side, between its edges and the camera picture."""

ESTIMATE_SAFETY_FACTOR: Final = 0.97
"""A size foretold from a sample must stay under this share of the limit: it is a few per cent out."""


class GifError(ValueError):
    """A recording that no GIF within the limit can be made of."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """One frame of a recording: which photo, the visitor's pose in its pixels, their own picture, and when.

    `at` is in seconds since the recording began; `camera_image` (H×W×3) is as large as `inset_size` says, or None.
    """

    photo_index: int
    visitor: Pose | None
    camera_image: Image | None
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What was on the screen: photos (all H×W×3 of one size), the stills that show them in order, seconds in all."""

    photos: tuple[Image, ...]
    stills: tuple[Still, ...]
    seconds: float


class Gif(NamedTuple):
    """A whole GIF file, and what was chosen so that it fits: colours at most, frames, width and height."""

    data: bytes
    colours: int
    frames: int
    size: tuple[int, int]


class QualityLevel(NamedTuple):
    """How much a GIF holds: colours, frames a second at most, and its sides as a share of the recording's."""

    colours: int
    fps: float
    scale: float


QUALITY_LEVELS: Final = (
    *(QualityLevel(colours, 60.0, 1.0) for colours in (256, 192, 128, 96, 64)),
    *(QualityLevel(64, rate, 1.0) for rate in (8.0, 6.0)),
    *(QualityLevel(64, 6.0, scale) for scale in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)),
)
"""From the best to the smallest: first fewer colours, which dithering hides longest, then fewer frames, then pixels."""


def encode(recording: Recording, max_bytes: int) -> Gif:
    """The recording as a GIF of at most `max_bytes` bytes, the best of `QUALITY_LEVELS` that fits.

    Where the best does not, a few photos tell which will, so that hardly ever more than two are made whole.
    Raises GifError when not even the last fits, or nothing was recorded.
    """
    if not recording.stills:
        raise GifError("nothing was recorded")
    palette = cache(lambda colours: Palette.from_recording(recording, colours))
    gif = _encode_at_level(recording, QUALITY_LEVELS[0], palette(QUALITY_LEVELS[0].colours))
    if len(gif.data) <= max_bytes:
        return gif

    def foretold(rung: QualityLevel) -> float:
        sample, share = _sample_photos(recording, rung.fps)
        return len(_encode_at_level(sample, rung, palette(rung.colours)).data) / share

    bearable = ESTIMATE_SAFETY_FACTOR * max_bytes * foretold(QUALITY_LEVELS[0]) / len(gif.data)
    first = bisect_left(
        QUALITY_LEVELS, True, lo=1, hi=len(QUALITY_LEVELS) - 1, key=lambda rung: foretold(rung) <= bearable
    )
    for rung in QUALITY_LEVELS[first:]:
        gif = _encode_at_level(recording, rung, palette(rung.colours))
        if len(gif.data) <= max_bytes:
            return gif
    raise GifError(f"the smallest GIF of this recording has {len(gif.data)} bytes, and {max_bytes} are allowed")


def inset_size(camera: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a camera picture is laid into a canvas; both sizes are (width, height) too."""
    scale = (INSET_AREA * canvas[0] * canvas[1] / (camera[0] * camera[1])) ** 0.5
    scale = min(scale, *(MAX_INSET_SIDE * c / own for c, own in zip(canvas, camera, strict=True)))
    return max(round(camera[0] * scale), 1), max(round(camera[1] * scale), 1)


class Palette:
    """The colours of all frames, N×3 uint8: those of the photos, then the skeleton's. Index N is transparent."""

    def __init__(self, colours: npt.NDArray[np.uint8]) -> None:
        self.colours = colours
        self.transparent_index = len(colours)
        self._pillow = Pillow.new("P", (1, 1))
        self._pillow.putpalette(colours.tobytes())

    @classmethod
    def from_recording(cls, recording: Recording, count: int) -> Palette:
        """At most `count` colours, one of them transparent, that serve all of a recording.

        Pillow's maximum coverage spans the colours there are, so that dithering can mix each of them; its k-means then
        draws them to where they are needed. Dithered, 20 COCO photos differ from the originals, as a blurring eye sees
        both, by 43 dB (its median cut: 35, fast octree: 40), in the smallest files but for coverage alone, which is
        coarse (27 dB pixel by pixel, this 30).
        """
        drawn = np.array((INK, LEFT_COLOUR, RIGHT_COLOUR, MIDDLE_COLOUR), np.uint8)
        pixels = _sample_pixels(recording)
        found = Pillow.fromarray(pixels[None]).quantize(
            count - len(drawn) - 1, method=Pillow.Quantize.MAXCOVERAGE, kmeans=100
        )
        return cls(np.concatenate([np.array(found.getpalette(), np.uint8).reshape(-1, 3), drawn]))

    def dither(self, picture: Image) -> Indices:
        """A photo's pixels in these colours, what each leaves over passed on to its neighbours (Floyd–Steinberg)."""
        return self._indices(picture, Pillow.Dither.FLOYDSTEINBERG)

    def quantize(self, picture: Image) -> Indices:
        """The nearest colours: of lines, which are crisp so."""
        return self._indices(picture, Pillow.Dither.NONE)

    def _indices(self, picture: Image, dither: Pillow.Dither) -> Indices:
        return np.asarray(Pillow.fromarray(picture).quantize(palette=self._pillow, dither=dither))


def _sample_pixels(recording: Recording) -> Image:
    """At most `MAX_PALETTE_SAMPLES` pixels (N×3), or one a picture, from all over a recording."""
    pictures = [
        *recording.photos,
        *(still.camera_image for still in recording.stills if still.camera_image is not None),
    ]
    step = math.ceil((sum(picture[..., 0].size for picture in pictures) / MAX_PALETTE_SAMPLES) ** 0.5)
    return np.concatenate([picture[::step, ::step].reshape(-1, 3) for picture in pictures])


def _sample_photos(recording: Recording, rate: float, photos: int = 8) -> tuple[Recording, float]:
    """A few photos from all over a recording of `fps` stills a second, each with all its stills, and their share."""
    held = [list(stills) for _, stills in groupby(_thin_out(recording.stills, rate), lambda still: still.photo_index)]
    chosen = held[:: -(-len(held) // photos)]
    return replace(recording, stills=tuple(chain.from_iterable(chosen))), len(chosen) / len(held)


def _encode_at_level(recording: Recording, rung: QualityLevel, palette: Palette) -> Gif:
    height, width = (max(round(side * rung.scale), 1) for side in recording.photos[0].shape[:2])
    size = width, height
    times: list[float] = []
    images: list[bytes] = []
    shown: Indices | None = None
    stills = _thin_out(recording.stills, rung.fps)
    for still, canvas in zip(stills, _canvases(recording.photos, stills, size, palette), strict=True):
        image = _image_block(canvas, shown, palette.transparent_index)
        if image is not None:
            times.append(still.at)
            images.append(image)
        shown = canvas
    controls = (_control_block(delay, palette.transparent_index) for delay in _delays(times, recording.seconds))
    blocks = (block for pair in zip(controls, images, strict=True) for block in pair)
    return Gif(b"".join((_header(size, palette), *blocks, b";")), palette.transparent_index + 1, len(images), size)


def _thin_out(stills: Sequence[Still], rate: float) -> list[Still]:
    """At most `fps` stills a second."""
    return [next(slot) for _, slot in groupby(stills, lambda still: int(still.at * rate))]


def _delays(times: Sequence[float], end: float) -> list[int]:
    """How long each frame is shown, in hundredths of a second; browsers take less than 2 for 10."""
    ticks = [round(100 * time) for time in (*times, max(end, times[-1]))]
    return [min(max(after - before, 2), 0xFFFF) for before, after in pairwise(ticks)]


def _canvases(
    photos: Sequence[Image], stills: Sequence[Still], size: tuple[int, int], palette: Palette
) -> Iterator[Indices]:
    """Each still in the palette's colours. A photo is dithered once: as long as it is held its pixels stay the same."""
    for number, held in groupby(stills, lambda still: still.photo_index):
        photo = _resize(photos[number], size)
        plain = palette.dither(photo)
        for still in held:
            canvas = plain.copy()
            if still.visitor is not None:
                scale = size[0] / photos[number].shape[1], size[1] / photos[number].shape[0]
                _overlay_skeleton(canvas, photo, still.visitor.scaled(*scale), palette)
            if still.camera_image is not None:
                _overlay_inset(canvas, still.camera_image, palette)
            yield canvas


def _resize(picture: Image, size: tuple[int, int]) -> Image:
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _overlay_skeleton(canvas: Indices, photo: Image, visitor: Pose, palette: Palette) -> None:
    drawn = photo.copy()
    draw_skeleton(drawn, visitor, max(min(photo.shape[:2]) * SKELETON_THICKNESS, 2.0))
    bits = drawn ^ photo
    changed = (bits[..., 0] | bits[..., 1] | bits[..., 2]) != 0
    x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
    if width:
        there = slice(y, y + height), slice(x, x + width)
        canvas[there] = np.where(changed[there], palette.quantize(np.ascontiguousarray(drawn[there])), canvas[there])


def _overlay_inset(canvas: Indices, camera: Image, palette: Palette) -> None:
    """The camera picture in the lower left corner, within a thin line, as on the screen."""
    height, width = canvas.shape
    framed = _resize(camera, inset_size((camera.shape[1], camera.shape[0]), (width, height))).copy()
    cv2.rectangle(framed, (0, 0), (framed.shape[1] - 1, framed.shape[0] - 1), MIDDLE_COLOUR, 1)
    margin = round(min(width, height) * MARGIN)
    bottom = height - margin
    canvas[bottom - framed.shape[0] : bottom, margin : margin + framed.shape[1]] = palette.dither(framed)


def _image_block(canvas: Indices, shown: Indices | None, transparent: int) -> bytes | None:
    """The image block that makes `canvas` of what is `shown`, without a colour table; None when they are the same."""
    patch, x, y = canvas, 0, 0
    if shown is not None:
        changed = canvas != shown
        x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
        if not width:
            return None
        there = slice(y, y + height), slice(x, x + width)
        patch = canvas[there]
        if changed[there].mean() < 0.5:  # where a whole photo changed, the few pixels that stayed only break its runs
            patch = np.where(changed[there], patch, np.uint8(transparent))
    return b"".join(getdata(Pillow.fromarray(patch), (x, y)))


def _header(size: tuple[int, int], palette: Palette) -> bytes:
    """Signature, screen descriptor, the global colour table, and the extension that says: for ever."""
    bits = max(palette.transparent_index.bit_length(), 2)
    screen = struct.pack("<6sHHBBB", b"GIF89a", *size, 0x80 | 0x70 | bits - 1, 0, 0)
    table = palette.colours.tobytes().ljust(3 << bits, b"\0")
    return screen + table + b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0, 0)


def _control_block(delay: int, transparent: int) -> bytes:
    """The block before an image: leave it in place, which index is transparent, and for how many hundredths."""
    return struct.pack("<3sBHBB", b"!\xf9\x04", 1 << 2 | 1, delay, transparent, 0)
