"""The clip that a test machine's USB camera shows: a video as the 320×240 JPEGs that such a camera sends."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from models import figures
from models.figures import perform
from models.pose import Image
from tests.boot.cache import Cache, Entry, content_key

WIDTH: Final = 320
HEIGHT: Final = 240
"""A quarter of the size that the mirror asks for; it accepts what a camera has. Larger frames take too long without
KVM."""
FPS: Final = 3
"""Frames a second: the mirror examines each, and must keep up without KVM. v4l2loopback reuses the memory of every
fourth picture, so at a higher rate some would be overwritten while they are decoded."""
MAX_FRAMES: Final = 20 * FPS
JPEG_QUALITY: Final = 85

HEADER: Final = struct.Struct("<4sIIII")
"""The header that fixtures/devices reads: "CLIP", pictures, milliseconds for each, width, height. Each picture's length
and bytes follow."""
SECTOR_BYTES: Final = 512
"""The clip is a disk to the guest, and a disk has whole sectors."""


def clip_from_video(video: Path, cache: Cache | None = None) -> Path:
    """The clip of a video file, scaled to fit the frame."""
    return _cached_clip(content_key(video, Path(__file__)), lambda: _video_frames(video), cache)


def performer_clip(cache: Cache | None = None) -> Path:
    """A clip of the drawn performer."""

    def frames() -> Iterator[Image]:
        return (perform(number / FPS, WIDTH, HEIGHT)[0] for number in range(MAX_FRAMES))

    return _cached_clip(content_key(Path(figures.__file__).parent, Path(__file__)), frames, cache)


def read_pictures(clip: Path) -> list[Image]:
    """The pictures of a clip."""
    data = clip.read_bytes()
    count, offset, pictures = HEADER.unpack_from(data)[1], HEADER.size, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, offset)
        offset += 4
        picture = cv2.imdecode(np.frombuffer(data, np.uint8, length, offset), cv2.IMREAD_COLOR)
        assert picture is not None
        pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
        offset += length
    return pictures


def _cached_clip(key: str, frames: Callable[[], Iterator[Image]], cache: Cache | None) -> Path:
    """The clip of some frames, from the cache or added to it."""

    def build(result: Path, _: Path) -> None:
        pictures = [_encode_jpeg(frame) for frame in frames()]
        content = HEADER.pack(b"CLIP", len(pictures), round(1000 / FPS), WIDTH, HEIGHT)
        content += b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
        result.write_bytes(content + bytes(-len(content) % SECTOR_BYTES))

    cache = cache or Cache()
    with cache.lock():
        return cache.get(Entry("clip", key, build, keep=8))


def _video_frames(video: Path) -> Iterator[Image]:
    """The first seconds of a video at the camera's rate, each picture complete, on black."""
    capture = cv2.VideoCapture(str(video))
    try:
        if not capture.isOpened():
            raise ValueError(f"OpenCV cannot read {video} as a video: choose another file.")
        step = max(capture.get(cv2.CAP_PROP_FPS) / FPS, 1.0)
        used = 0
        for number in count():
            has_picture, picture = capture.read()
            if not has_picture or used == MAX_FRAMES:
                return
            if number >= used * step:
                used += 1
                yield _letterbox(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    finally:
        capture.release()


def _letterbox(picture: Image) -> Image:
    height, width = picture.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = round(width * scale), round(height * scale)
    left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return canvas


def _encode_jpeg(picture: Image) -> bytes:
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert encoded
    return data.tobytes()
