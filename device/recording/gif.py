"""Encoding a recording as a looping GIF: one palette for all frames, each photo stored once, small enough to send.

Pillow quantizes the colours and compresses (LZW). The blocks around that are written here, because Pillow's own writer
chooses a colour table for each frame, and checks every pixel again when only a figure moved.
Source: Graphics Interchange Format, version 89a (CompuServe, 1990), and Netscape's extension for loops.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, groupby, pairwise
from typing import Final, NamedTuple

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL.GifImagePlugin import getdata

from device.recording.frames import Composer, pane_slices
from device.recording.gif_palette import Bools, Indices, Palette, changed_box
from device.recording.gif_titles import Titles
from device.recording.stills import Recording, Still
from models.pose import Image

CLOSING_SECONDS: Final = 2.0
"""Seconds for which each of the last frames is shown, which have the credits."""

STEADY: Final = 14
"""How much a channel of a camera pixel (0 to 255) may change before the GIF shows it: less is noise, or hardly seen."""

SAMPLE_SECONDS: Final = 0.75
SAMPLES: Final = 8
"""Length and number of the pieces of a recording by which a GIF's size is estimated."""

ESTIMATE_SAFETY_FACTOR: Final = 0.97
"""Share of the limit that a size estimated from a sample must stay under: estimates are wrong by a few per cent."""


class GifError(ValueError):
    """A recording is empty, or makes no GIF small enough."""


class Gif(NamedTuple):
    """A GIF file's content, and what was chosen to keep it small: colours, frames, and (width, height).

    `titles` are those of the full size, for the replay on the display.
    """

    data: bytes
    colours: int
    frames: int
    size: tuple[int, int]
    titles: Titles


class QualityLevel(NamedTuple):
    """How much detail a GIF keeps: colours, frames per second at most, and its sides as a share of the layout's."""

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

    If the best level does not fit, a sample of the recording tells which will. So hardly ever more than two GIFs are
    encoded completely. Raises GifError when nothing was recorded, or when not even the last level fits.
    """
    if not recording.stills:
        raise GifError("nothing was recorded")
    composer = cache(lambda scale: Composer(recording, scale))
    palette = cache(lambda colours: Palette.for_frames(composer(1.0), colours))

    def encode_stills(stills: Sequence[Still], level: QualityLevel) -> Gif:
        return _encode_at_level(stills, level, composer(level.scale), palette(level.colours))

    gif = encode_stills(recording.stills, QUALITY_LEVELS[0])
    titles = gif.titles
    if len(gif.data) <= max_bytes:
        return gif

    def estimated_size(level: QualityLevel) -> float:
        sample, share = _sample_stills(recording.stills, level.fps)
        last_frame = len(encode_stills((), level).data)
        return last_frame + (len(encode_stills(sample, level).data) - last_frame) / share

    # The sample is corrected by what it said about the level whose size is known.
    limit = ESTIMATE_SAFETY_FACTOR * max_bytes * estimated_size(QUALITY_LEVELS[0]) / len(gif.data)
    first = bisect_left(
        QUALITY_LEVELS, True, lo=1, hi=len(QUALITY_LEVELS) - 1, key=lambda level: estimated_size(level) <= limit
    )
    for level in QUALITY_LEVELS[first:]:
        gif = encode_stills(recording.stills, level)
        if len(gif.data) <= max_bytes:
            return gif._replace(titles=titles)
    raise GifError(
        f"the smallest GIF of this recording has {len(gif.data)} bytes, but only {max_bytes} are allowed: record fewer "
        "seconds, or raise megabytes under [gif] in the configuration"
    )


def _sample_stills(stills: Sequence[Still], fps: float) -> tuple[list[Still], float]:
    """Return stills at `fps` from some pieces all over a recording, and their share of all pieces.

    Nearly all of a GIF's bytes are its photos, and each piece begins with one.
    """
    thinned = _thin_out(stills, fps)
    pieces = [
        list(piece) for _, piece in groupby(thinned, lambda still: (still.photo_index, int(still.at / SAMPLE_SECONDS)))
    ]
    sample = pieces[:: -(-len(pieces) // SAMPLES)]
    return list(chain.from_iterable(sample)), len(sample) / len(pieces)


def _encode_at_level(stills: Sequence[Still], level: QualityLevel, composer: Composer, palette: Palette) -> Gif:
    """Encode stills and the last frames. A still that looks like the one before makes no frame, but a longer delay."""
    times: list[float] = []
    images: list[bytes] = []
    shown: Indices | None = None
    thinned = _thin_out(stills, level.fps)
    pages = [composer.recording.seconds + page * CLOSING_SECONDS for page in range(len(composer.titles.closing))]
    starts = [*(still.at for still in thinned), *pages]
    for at, canvas in zip(starts, _canvases(composer, thinned, palette), strict=True):
        image = _image_block(canvas, shown, palette.transparent_index)
        if image is not None:
            times.append(at)
            images.append(image)
        shown = canvas
    controls = (
        _control_block(delay, palette.transparent_index) for delay in _delays(times, pages[-1] + CLOSING_SECONDS)
    )
    blocks = (block for pair in zip(controls, images, strict=True) for block in pair)
    size = composer.layout.size
    data = b"".join((_header(size, palette), *blocks, b";"))
    return Gif(data, palette.transparent_index + 1, len(images), size, composer.titles)


def _thin_out(stills: Sequence[Still], fps: float) -> list[Still]:
    """Return at most `fps` stills per second."""
    return [next(slot) for _, slot in groupby(stills, lambda still: int(still.at * fps))]


def _delays(times: Sequence[float], end: float) -> list[int]:
    """Return how long each frame is shown, in hundredths of a second, at least 2: browsers show a delay of 1 for 10."""
    ticks = [round(100 * time) for time in (*times, max(end, times[-1]))]
    return [min(max(after - before, 2), 0xFFFF) for before, after in pairwise(ticks)]


def _canvases(composer: Composer, stills: Sequence[Still], palette: Palette) -> Iterator[Indices]:
    """Yield each still and the last frames in the palette's colours.

    A photo is dithered once, so that its pixels do not change. Figures and letters are not dithered at all.
    """
    layout = composer.layout
    visitor_box, answer_box = (pane_slices(corner, layout.pane) for corner in (layout.visitor, layout.answer))
    canvas = palette.quantize(composer.titles.backdrop)
    visitors = _visitor_panes(composer, stills, palette)
    shown_photo = -1
    for still, visitor in zip(stills, visitors, strict=True):
        canvas = canvas.copy()
        canvas[visitor_box] = visitor
        if still.photo_index != shown_photo:
            canvas[answer_box] = palette.dither(composer.answer(still.photo_index))
            shown_photo = still.photo_index
        yield canvas
    yield from map(palette.quantize, composer.titles.closing)


def _visitor_panes(composer: Composer, stills: Sequence[Still], palette: Palette) -> Iterator[Indices]:
    """Yield the visitor's pane of each still in the palette's colours."""
    empty = palette.quantize(composer.empty_pane)
    camera = _SteadyPicture(palette)
    for still in stills:
        picture = composer.visitor(still)
        if still.camera_image is not None:
            yield camera.update(picture)
            continue
        pane = empty.copy()
        if (box := changed_box((picture != composer.empty_pane).any(-1))) is not None:
            pane[box] = palette.quantize(np.ascontiguousarray(picture[box]))
        yield pane


class _SteadyPicture:
    """The camera's pictures, dithered, but without their noise: a pixel changes only if it changes visibly.

    Noise and a dither that is new in each frame would make a GIF three times as large, and a still wall crawl.
    """

    def __init__(self, palette: Palette) -> None:
        self._palette = palette
        self._picture: Image | None = None
        self._indices = np.zeros((0, 0), np.uint8)

    def update(self, picture: Image) -> Indices:
        """Return the next picture in the palette's colours."""
        if self._picture is None:
            self._picture, self._indices = picture, self._palette.dither(picture)
            return self._indices
        changed: Bools = np.asarray((cv2.absdiff(picture, self._picture) > STEADY).any(-1), np.bool_)
        if (box := changed_box(changed)) is not None:
            where = changed[box]
            self._picture, self._indices = self._picture.copy(), self._indices.copy()
            self._picture[box][where] = picture[box][where]
            self._indices[box][where] = self._palette.dither(np.ascontiguousarray(self._picture[box]))[where]
        return self._indices


def _image_block(canvas: Indices, shown: Indices | None, transparent: int) -> bytes | None:
    """Return the image block that turns what is `shown` into `canvas`; None when they are the same."""
    patch, corner = canvas, (0, 0)
    if shown is not None:
        changed: Bools = canvas != shown
        if (box := changed_box(changed)) is None:
            return None
        patch, corner = canvas[box], (box[1].start, box[0].start)
        # After a new photo nearly every pixel changed. Making the few others transparent would only break runs in LZW.
        if changed[box].mean() < 0.5:
            patch = np.where(changed[box], patch, np.uint8(transparent))
    return b"".join(getdata(Pillow.fromarray(patch), corner))


def _header(size: tuple[int, int], palette: Palette) -> bytes:
    """Return signature, screen descriptor, global colour table, and the extension for an endless loop."""
    bits = max(palette.transparent_index.bit_length(), 2)
    screen = struct.pack("<6sHHBBB", b"GIF89a", *size, 0x80 | 0x70 | bits - 1, 0, 0)
    table = palette.colours.tobytes().ljust(3 << bits, b"\0")
    return screen + table + b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0, 0)


def _control_block(delay: int, transparent: int) -> bytes:
    """Return the block before an image: keep it in place, its transparent index, and its delay in hundredths."""
    return struct.pack("<3sBHBB", b"!\xf9\x04", 1 << 2 | 1, delay, transparent, 0)
