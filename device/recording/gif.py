"""Encoding a recording as a looping GIF: one palette for all frames, each photo stored once, small enough to send.

Pillow quantizes the colours and compresses (LZW). The blocks around that are written here, because Pillow's own writer
chooses a colour table for each frame, and checks every pixel again when only a skeleton moved.
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

from device.display.draw import draw_skeleton
from device.display.style import COOL, INK, MIDDLE, WARM
from models.pose import Image, Pose

Indices = npt.NDArray[np.uint8]
"""H×W uint8: indices into the palette."""

MAX_PALETTE_SAMPLES: Final = 16_000
"""Pixels that a palette is made from at most: more improve it little, and take far longer."""

SKELETON_THICKNESS: Final = 0.01
"""Thickness of the skeleton, as a share of the picture's short side."""

INSET_AREA: Final = 0.06
"""Area of the inset, as a share of the picture's area: the same as on the screen."""

MAX_INSET_SIDE: Final = 0.9
"""Width and height of the inset at most, as a share of the picture's: for very wide or high camera pictures."""

MARGIN: Final = 0.03
"""Space between the inset and the picture's edges, as a share of its short side."""

ESTIMATE_SAFETY_FACTOR: Final = 0.97
"""Share of the limit that a size estimated from a sample must stay under: estimates are wrong by a few per cent."""


class GifError(ValueError):
    """A recording is empty, or makes no GIF small enough."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """What the screen showed at one moment of a recording.

    `photo_index` is the photo's index in the recording, `visitor` the visitor's pose in the photo's pixels.
    `camera_image` is the camera picture (H×W×3) at the size of `inset_size`, or None. `at` is in seconds since the
    recording started.
    """

    photo_index: int
    visitor: Pose | None
    camera_image: Image | None
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What the screen showed: photos (H×W×3, all of one size), the stills in order, and the total seconds."""

    photos: tuple[Image, ...]
    stills: tuple[Still, ...]
    seconds: float


class Gif(NamedTuple):
    """A GIF file's content, and what was chosen to keep it small: colours, frames, and (width, height)."""

    data: bytes
    colours: int
    frames: int
    size: tuple[int, int]


class QualityLevel(NamedTuple):
    """How much detail a GIF keeps: colours, frames per second at most, and its sides as a share of the recording's."""

    colours: int
    fps: float
    scale: float


QUALITY_LEVELS: Final = (
    *(QualityLevel(colours, 60.0, 1.0) for colours in (256, 192, 128, 96, 64)),
    *(QualityLevel(64, rate, 1.0) for rate in (8.0, 6.0)),
    *(QualityLevel(64, 6.0, scale) for scale in (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2)),
)
"""From the best to the smallest: first fewer colours, which dithering hides well, then fewer frames, then fewer
pixels."""


def encode(recording: Recording, max_bytes: int) -> Gif:
    """Encode a recording at the best of `QUALITY_LEVELS` that fits into `max_bytes`.

    If the best level does not fit, a sample of the photos tells which will. So hardly ever more than two GIFs are
    encoded completely. Raises GifError when nothing was recorded, or when not even the last level fits.
    """
    if not recording.stills:
        raise GifError("nothing was recorded")
    palette = cache(lambda colours: Palette.from_recording(recording, colours))
    gif = _encode_at_level(recording, QUALITY_LEVELS[0], palette(QUALITY_LEVELS[0].colours))
    if len(gif.data) <= max_bytes:
        return gif

    def estimated_size(level: QualityLevel) -> float:
        sample, share = _sample_photos(recording, level.fps)
        return len(_encode_at_level(sample, level, palette(level.colours)).data) / share

    # The sample is corrected by what it said about the level whose size is known.
    limit = ESTIMATE_SAFETY_FACTOR * max_bytes * estimated_size(QUALITY_LEVELS[0]) / len(gif.data)
    first = bisect_left(
        QUALITY_LEVELS, True, lo=1, hi=len(QUALITY_LEVELS) - 1, key=lambda level: estimated_size(level) <= limit
    )
    for level in QUALITY_LEVELS[first:]:
        gif = _encode_at_level(recording, level, palette(level.colours))
        if len(gif.data) <= max_bytes:
            return gif
    raise GifError(
        f"the smallest GIF of this recording has {len(gif.data)} bytes, but only {max_bytes} are allowed: record fewer "
        "seconds, or raise megabytes under [gif] in the configuration"
    )


def inset_size(camera: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Return the inset's (width, height) for a camera picture and a canvas of these (width, height)."""
    scale = (INSET_AREA * canvas[0] * canvas[1] / (camera[0] * camera[1])) ** 0.5
    scale = min(scale, *(MAX_INSET_SIDE * c / own for c, own in zip(canvas, camera, strict=True)))
    return max(round(camera[0] * scale), 1), max(round(camera[1] * scale), 1)


class Palette:
    """The colours of all frames, N×3 uint8: the photos' colours, then the skeleton's. Index N is transparent."""

    def __init__(self, colours: npt.NDArray[np.uint8]) -> None:
        self.colours = colours
        self.transparent_index = len(colours)
        self._pillow = Pillow.new("P", (1, 1))
        self._pillow.putpalette(colours.tobytes())

    @classmethod
    def from_recording(cls, recording: Recording, count: int) -> Palette:
        """Choose at most `count` colours, one of them transparent, for a whole recording.

        Pillow's maximum coverage spans the range of the colours, so that dithering can mix all of them; its k-means
        then moves them to where they are needed. Measured on 20 dithered COCO photos, both blurred as the eye sees
        them: 43 dB from the originals (median cut: 35, fast octree: 40). The files are the smallest, except for those
        of coverage alone, which is coarse (27 dB pixel by pixel; this one: 30).
        """
        skeleton = np.array((INK, COOL, WARM, MIDDLE), np.uint8)
        pixels = _sample_pixels(recording)
        quantized = Pillow.fromarray(pixels[None]).quantize(
            count - len(skeleton) - 1, method=Pillow.Quantize.MAXCOVERAGE, kmeans=100
        )
        return cls(np.concatenate([np.array(quantized.getpalette(), np.uint8).reshape(-1, 3), skeleton]))

    def dither(self, picture: Image) -> Indices:
        """Return a photo in these colours, dithered (Floyd–Steinberg)."""
        return self._indices(picture, Pillow.Dither.FLOYDSTEINBERG)

    def quantize(self, picture: Image) -> Indices:
        """Return a picture in the nearest of these colours, which keeps lines crisp."""
        return self._indices(picture, Pillow.Dither.NONE)

    def _indices(self, picture: Image, dither: Pillow.Dither) -> Indices:
        return np.asarray(Pillow.fromarray(picture).quantize(palette=self._pillow, dither=dither))


def _sample_pixels(recording: Recording) -> Image:
    """Return at most `MAX_PALETTE_SAMPLES` pixels (N×3) from all over a recording, and at least one per picture."""
    pictures = [
        *recording.photos,
        *(still.camera_image for still in recording.stills if still.camera_image is not None),
    ]
    step = math.ceil((sum(picture[..., 0].size for picture in pictures) / MAX_PALETTE_SAMPLES) ** 0.5)
    return np.concatenate([picture[::step, ::step].reshape(-1, 3) for picture in pictures])


def _sample_photos(recording: Recording, fps: float, count: int = 8) -> tuple[Recording, float]:
    """Return a recording of at most `count` photos from all over, with their stills at `fps`, and its share of all."""
    by_photo = [
        list(stills) for _, stills in groupby(_thin_out(recording.stills, fps), lambda still: still.photo_index)
    ]
    sample = by_photo[:: -(-len(by_photo) // count)]
    return replace(recording, stills=tuple(chain.from_iterable(sample))), len(sample) / len(by_photo)


def _encode_at_level(recording: Recording, level: QualityLevel, palette: Palette) -> Gif:
    """Encode a recording at one level. A still that looks like the one before makes no frame, but a longer delay."""
    height, width = (max(round(side * level.scale), 1) for side in recording.photos[0].shape[:2])
    size = width, height
    times: list[float] = []
    images: list[bytes] = []
    shown: Indices | None = None
    stills = _thin_out(recording.stills, level.fps)
    for still, canvas in zip(stills, _canvases(recording.photos, stills, size, palette), strict=True):
        image = _image_block(canvas, shown, palette.transparent_index)
        if image is not None:
            times.append(still.at)
            images.append(image)
        shown = canvas
    controls = (_control_block(delay, palette.transparent_index) for delay in _delays(times, recording.seconds))
    blocks = (block for pair in zip(controls, images, strict=True) for block in pair)
    return Gif(b"".join((_header(size, palette), *blocks, b";")), palette.transparent_index + 1, len(images), size)


def _thin_out(stills: Sequence[Still], fps: float) -> list[Still]:
    """Return at most `fps` stills per second."""
    return [next(slot) for _, slot in groupby(stills, lambda still: int(still.at * fps))]


def _delays(times: Sequence[float], end: float) -> list[int]:
    """Return how long each frame is shown, in hundredths of a second, at least 2: browsers show a delay of 1 for 10."""
    ticks = [round(100 * time) for time in (*times, max(end, times[-1]))]
    return [min(max(after - before, 2), 0xFFFF) for before, after in pairwise(ticks)]


def _canvases(
    photos: Sequence[Image], stills: Sequence[Still], size: tuple[int, int], palette: Palette
) -> Iterator[Indices]:
    """Yield each still in the palette's colours. Dither each photo once, so that its pixels do not change."""
    for index, stills_of_photo in groupby(stills, lambda still: still.photo_index):
        photo = _resize(photos[index], size)
        dithered = palette.dither(photo)
        for still in stills_of_photo:
            canvas = dithered.copy()
            if still.visitor is not None:
                scale = size[0] / photos[index].shape[1], size[1] / photos[index].shape[0]
                _overlay_skeleton(canvas, photo, still.visitor.scaled(*scale), palette)
            if still.camera_image is not None:
                _overlay_inset(canvas, still.camera_image, palette)
            yield canvas


def _resize(picture: Image, size: tuple[int, int]) -> Image:
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _overlay_skeleton(canvas: Indices, photo: Image, visitor: Pose, palette: Palette) -> None:
    """Draw the skeleton on a canvas: draw it on the photo, and quantize only the pixels that this changed."""
    drawn = photo.copy()
    draw_skeleton(drawn, visitor, max(min(photo.shape[:2]) * SKELETON_THICKNESS, 2.0))
    bits = drawn ^ photo
    changed = (bits[..., 0] | bits[..., 1] | bits[..., 2]) != 0
    x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
    if width:
        box = slice(y, y + height), slice(x, x + width)
        canvas[box] = np.where(changed[box], palette.quantize(np.ascontiguousarray(drawn[box])), canvas[box])


def _overlay_inset(canvas: Indices, camera: Image, palette: Palette) -> None:
    """Draw the camera picture with a thin border into the lower left corner, as on the screen."""
    height, width = canvas.shape
    framed = _resize(camera, inset_size((camera.shape[1], camera.shape[0]), (width, height))).copy()
    cv2.rectangle(framed, (0, 0), (framed.shape[1] - 1, framed.shape[0] - 1), MIDDLE, 1)
    margin = round(min(width, height) * MARGIN)
    bottom = height - margin
    canvas[bottom - framed.shape[0] : bottom, margin : margin + framed.shape[1]] = palette.dither(framed)


def _image_block(canvas: Indices, shown: Indices | None, transparent: int) -> bytes | None:
    """Return the image block that turns what is `shown` into `canvas`; None when they are the same."""
    patch, x, y = canvas, 0, 0
    if shown is not None:
        changed = canvas != shown
        x, y, width, height = cv2.boundingRect(changed.view(np.uint8))
        if not width:
            return None
        box = slice(y, y + height), slice(x, x + width)
        patch = canvas[box]
        # After a new photo nearly every pixel changed. Making the few others transparent would only break runs in LZW.
        if changed[box].mean() < 0.5:
            patch = np.where(changed[box], patch, np.uint8(transparent))
    return b"".join(getdata(Pillow.fromarray(patch), (x, y)))


def _header(size: tuple[int, int], palette: Palette) -> bytes:
    """Return signature, screen descriptor, global colour table, and the extension for an endless loop."""
    bits = max(palette.transparent_index.bit_length(), 2)
    screen = struct.pack("<6sHHBBB", b"GIF89a", *size, 0x80 | 0x70 | bits - 1, 0, 0)
    table = palette.colours.tobytes().ljust(3 << bits, b"\0")
    return screen + table + b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0, 0)


def _control_block(delay: int, transparent: int) -> bytes:
    """Return the block before an image: keep it in place, its transparent index, and its delay in hundredths."""
    return struct.pack("<3sBHBB", b"!\xf9\x04", 1 << 2 | 1, delay, transparent, 0)
