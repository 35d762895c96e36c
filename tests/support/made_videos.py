"""Videos that tests make: of any codec and container, with any times, with and without sound."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from models.pose import Image

MILLISECONDS = Fraction(1, 1000)


def grey(level: int, width: int = 64, height: int = 48) -> Image:
    return np.full((height, width, 3), level, np.uint8)


@contextmanager
def _same_priority() -> Iterator[None]:
    """Give this thread its priority back: if root runs it, libsvtav1 takes the highest one of all, and keeps it.

    A test process with that priority, and whatever it starts, would leave the other ones no time.
    """
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


def write_video(
    file: Path,
    pictures: Iterable[Image | VideoFrame],
    fps: float | Fraction = 25,
    *,
    codec: str = "mpeg4",
    times: Sequence[float] | None = None,
    **options: Any,
) -> Path:
    """Write a video in the format that its file's name says. `times` are those of its frames in seconds.

    Of `options`, `container` are those of the file; the rest are attributes of the encoder.
    """
    container = options.pop("container", None)
    # FFmpeg would interpret the name
    with _same_priority(), file.open("wb") as opened, av.open(opened, "w", _FORMATS[file.suffix], container) as out:
        stream: Any = None
        for number, picture in enumerate(pictures):
            frame = (
                picture if isinstance(picture, VideoFrame) else VideoFrame.from_ndarray(np.ascontiguousarray(picture))
            )
            if stream is None:
                stream = out.add_stream(codec, rate=Fraction(fps).limit_denominator(100_000))
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}.get(codec, "yuv420p")
                for name, value in options.items():
                    setattr(stream.codec_context, name, value)
            if times is not None:
                stream.codec_context.time_base = frame.time_base = MILLISECONDS
                frame.pts = round(times[number] * 1000)
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))
    return file


def write_sound(file: Path) -> Path:
    """Write a second of silence."""
    with file.open("wb") as opened, av.open(opened, "w", _FORMATS[file.suffix]) as out:
        stream = out.add_stream("mp2", rate=44100)
        for number in range(40):
            frame = AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1152
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file


_FORMATS = {
    ".avi": "avi", ".flv": "flv", ".h264": "h264", ".mkv": "matroska", ".mov": "mov", ".mp4": "mp4", ".mpg": "mpeg",
    ".ts": "mpegts", ".webm": "webm",
}  # fmt: skip
