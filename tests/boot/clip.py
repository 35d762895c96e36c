"""What a test machine's USB camera sees: a video, made into 320×240 JPEGs as such a camera sends them."""

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
"""A quarter of what the mirror asks for; it takes what a camera has. Without KVM decoding more would keep it busy."""
FPS: Final = 3
"""The mirror looks at each, and is to have time for more without KVM. v4l2loopback writes every fourth picture into the
same memory: of many a second some would be overwritten while they are decoded."""
MAX_FRAMES: Final = 20 * FPS
JPEG_QUALITY: Final = 85

HEADER: Final = struct.Struct("<4sIIII")
"""As fixtures/devices has it: "CLIP", pictures, milliseconds for each, width, height; then each picture's length and
its bytes."""
SECTOR_BYTES: Final = 512
"""A disk has whole sectors."""


def clip_from_video(video: Path, cache: Cache | None = None) -> Path:
    """The clip of a video file, which is shown as large as it fits."""
    return _cached_clip(content_key(video, Path(__file__)), lambda: _video_frames(video), cache)


def performer_clip(cache: Cache | None = None) -> Path:
    """A clip of the drawn performer."""

    def frames() -> Iterator[Image]:
        return (perform(number / FPS, WIDTH, HEIGHT)[0] for number in range(MAX_FRAMES))

    return _cached_clip(content_key(Path(figures.__file__).parent, Path(__file__)), frames, cache)


def read_pictures(clip: Path) -> list[Image]:
    """A clip's pictures."""
    data = clip.read_bytes()
    count, at, pictures = HEADER.unpack_from(data)[1], HEADER.size, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at)
        at += 4
        picture = cv2.imdecode(np.frombuffer(data, np.uint8, length, at), cv2.IMREAD_COLOR)
        assert picture is not None
        pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
        at += length
    return pictures


def _cached_clip(name: str, frames: Callable[[], Iterator[Image]], cache: Cache | None) -> Path:
    """The clip of these frames, from the cache or for it."""

    def build(whole: Path, _: Path) -> None:
        pictures = [_encode_jpeg(frame) for frame in frames()]
        content = HEADER.pack(b"CLIP", len(pictures), round(1000 / FPS), WIDTH, HEIGHT)
        content += b"".join(struct.pack("<I", len(picture)) + picture for picture in pictures)
        whole.write_bytes(content + bytes(-len(content) % SECTOR_BYTES))

    cache = cache or Cache()
    with cache.lock():
        return cache.get(Entry("clip", name, build, keep=8))


def _video_frames(video: Path) -> Iterator[Image]:
    """A video's first seconds at the camera's rate, each picture whole, on black."""
    film = cv2.VideoCapture(str(video))
    try:
        if not film.isOpened():
            raise ValueError(f"{video} is no video that OpenCV reads: choose another.")
        step = max(film.get(cv2.CAP_PROP_FPS) / FPS, 1.0)
        taken = 0
        for number in count():
            there, picture = film.read()
            if not there or taken == MAX_FRAMES:
                return
            if number >= taken * step:
                taken += 1
                yield _letterbox(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    finally:
        film.release()


def _letterbox(picture: Image) -> Image:
    height, width = picture.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = round(width * scale), round(height * scale)
    left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    whole = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    whole[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return whole


def _encode_jpeg(picture: Image) -> bytes:
    encoded, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert encoded
    return data.tobytes()
