"""Open a video of any format: its frames as upright pictures with their times, or the reason why it shows none.

FFmpeg, in the package PyAV, gets an open file and never its name, some characters of which it would interpret. It opens
no second file and no connection, whatever the file asks for, and prints nothing. Pillow reads animated pictures.
"""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from PIL import Image as Pillow

from index.formats import (
    ANIMATED_FORMATS,
    PREFIX_LENGTH,
    TooManyPixelsError,
    check_size,
    identify_format,
    is_still,
)
from index.video_problems import find_problem
from models.pose import Image
from models.text import printable

MIN_FPS, MAX_FPS, DEFAULT_FPS = 0.1, 1000.0, 25.0
"""Frames per second that a video may claim. A video that claims fewer or more, or nothing, gets the default."""

MAX_GAP: Final = 10.0
"""Seconds between two frames. A longer gap, or a step back, is where recordings were joined: the next frame follows at
the video's own rate."""

MAX_BAD_PACKETS: Final = 250
"""Damaged packets in a row, ten seconds of most videos, after which nothing more is expected of a video."""

MIN_HD_LINES: Final = 720
"""Lines from which a video has the colours of HDTV (BT.709) if it does not say which. Players assume that, too."""

COLOURS_UNKNOWN: Final = 2
"""FFmpeg's AVCOL_SPC_UNSPECIFIED."""

ENCRYPTED_TAGS: Final = ("encv", "drmi")
"""Tags of encrypted videos in MP4 files."""

MIN_ANIMATION_SECONDS, DEFAULT_ANIMATION_SECONDS = 0.011, 0.1
"""Seconds for which a frame of an animation is shown: with less than the first, browsers show it for the second."""

ErrorKind = Literal["cannot be read", "not a video", "damaged", "too large"]


class VideoError(ValueError):
    """A file without a video that can be read. The text is one sentence that names it; `kind` sorts the reasons."""

    def __init__(self, file: Path, kind: ErrorKind, problem: str) -> None:
        super().__init__(f"{printable(file)} {problem}.")
        self.kind: ErrorKind = kind


class VideoFrameAt(NamedTuple):
    """A frame of a video.

    `time` is in seconds since the first frame, and rises from frame to frame; `seconds` is for how long the frame is
    shown if it is the last. `make_image` returns the picture as H×W×3 RGB, upright, with no side longer than a number
    of pixels (None: any). It takes a while, and also works when the video is closed.
    """

    time: float
    seconds: float
    make_image: Callable[[int | None], Image]


class Video(Protocol):
    """An open video; a context manager. It has at least one frame: opening has read it.

    `duration` is its length in seconds as its file tells it, None if it does not.
    """

    duration: float | None

    def frames(self) -> Iterator[VideoFrameAt]:
        """Yield the frames, once. Damaged parts are left out."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_video(file: Path, threads: int = 1) -> Video:
    """Open a video, to be decoded by up to `threads` threads. Raises VideoError."""
    opened = _open_file(file)
    try:
        if is_still(file):
            raise VideoError(file, "not a video", "is a picture, not a video: give it a name that ends in .jpg or so")
        if problem := find_problem(opened):
            raise VideoError(file, "not a video", problem)
        opened.seek(0)
        prefix = opened.read(PREFIX_LENGTH)
        opened.seek(0)
        return Animation(file, opened) if identify_format(prefix) else FFmpegVideo(file, opened, threads)
    except BaseException:
        opened.close()
        raise


class FFmpegVideo(Video):
    """A video that FFmpeg decodes."""

    def __init__(self, file: Path, opened: FileIO, threads: int) -> None:
        """Take over an open file, and decode its first frame. Raises VideoError."""
        self._path, self._file = file, opened
        self._container = self._open_container()
        try:
            self._stream = self._choose_stream()
            self._stream.codec_context.thread_type = "AUTO" if threads > 1 else "NONE"
            self._stream.codec_context.thread_count = threads
            self._bad_packets, self._encrypted = 0, False
            self._decoded = self._decode()
            self._first = self._decode_first()
        except BaseException:
            self._container.close()
            raise
        # read now what frames need: to ask a closed container crashes the process
        self.duration = _duration(self._container, self._stream)
        self._seconds = 1 / _valid_fps(self._stream.average_rate or self._stream.guessed_rate)
        self._aspect = self._stream.sample_aspect_ratio or Fraction(1)  # of a pixel
        self._matrix = _display_matrix(self._first)
        self._reformatter = VideoReformatter()

    def frames(self) -> Iterator[VideoFrameAt]:
        """Yield the frames, once. Damaged parts are left out."""
        time, stamp = 0.0, self._first.time
        yield VideoFrameAt(time, self._seconds, partial(self._make_image, self._first))
        for frame in self._decoded:
            step = 0.0 if frame.time is None or stamp is None else frame.time - stamp
            stamp = frame.time
            time += step if 0 < step <= MAX_GAP else self._seconds
            yield VideoFrameAt(time, self._seconds, partial(self._make_image, frame))

    def close(self) -> None:
        """Close the file, and free the decoder."""
        self._decoded.close()
        self._container.close()
        self._file.close()

    def _open_container(self) -> InputContainer:
        try:
            return av.open(
                self._file,
                "r",
                container_options={"protocol_whitelist": "none"},  # a playlist must not lead to other files or servers
                metadata_errors="replace",
            )
        except EOFError as error:
            raise VideoError(self._path, "damaged", "ends before its first frame: copy it again") from error
        except FFmpegError as error:
            problem = "is not a video, or has a format that is not supported: save it as MP4 with H.264"
            raise VideoError(self._path, "not a video", problem) from error
        except OSError as error:
            raise VideoError(self._path, "cannot be read", f"cannot be read ({error.strerror})") from error

    def _choose_stream(self) -> VideoStream:
        """Return the largest picture that moves. Raises VideoError."""
        if self._container.format.name.endswith("_pipe"):  # FFmpeg's name for pictures
            raise VideoError(
                self._path, "not a video", "is a picture of a format that is not supported: save it as JPEG"
            )
        streams = self._container.streams
        moving = [stream for stream in streams.video if not stream.disposition & Disposition.attached_pic]
        decodable = [stream for stream in moving if stream.codec_context is not None]
        if decodable:
            return max(decodable, key=lambda stream: stream.width * stream.height)
        if moving:
            problem = "needs a decoder that FFmpeg does not have: save it as MP4 with H.264"
        elif streams.audio:
            problem = "has sound but no moving pictures: choose another"
        else:
            problem = "has no frames: choose another"
        raise VideoError(self._path, "not a video", problem)

    def _decode(self) -> Generator[VideoFrame, None, None]:
        """Yield the frames without those of damaged packets.

        End where the file does, where it is damaged for long, and where it is encrypted.
        """
        bad_in_a_row = 0
        try:
            for packet in self._container.demux(self._stream):
                if packet.has_sidedata("encryption_info"):  # without its key it decodes to noise, if at all
                    self._encrypted = True
                    return
                try:
                    yield from packet.decode()
                    bad_in_a_row = 0
                except FFmpegError:
                    self._bad_packets += 1
                    bad_in_a_row += 1
                    if bad_in_a_row == MAX_BAD_PACKETS:
                        return
        except (FFmpegError, OSError):  # the file ends in the middle of a packet, or its disk is gone
            return

    def _decode_first(self) -> VideoFrame:
        first = next(self._decoded, None)
        if first is not None:
            return first
        if self._encrypted or self._stream.codec_context.codec_tag in ENCRYPTED_TAGS:
            raise VideoError(self._path, "not a video", "is encrypted: choose one without copy protection")
        if self._bad_packets:
            raise VideoError(self._path, "damaged", "is damaged, so that no frame can be read: copy it again")
        raise VideoError(self._path, "not a video", "has no frames: choose another")

    def _make_image(self, frame: VideoFrame, max_side: int | None) -> Image:
        """Return a frame's picture, upright and with square pixels."""
        width, height = _fit_size(max(round(frame.width * self._aspect), 1), frame.height, max_side)
        colours = "ITU709" if frame.colorspace == COLOURS_UNKNOWN and frame.height >= MIN_HD_LINES else None
        # Every second line of an interlaced frame was taken a moment later, and gives a moving person teeth.
        lines = frame.height if frame.interlaced_frame else height
        reformat: Any = self._reformatter.reformat  # its stub lacks the names of colours
        image = reformat(frame, width, lines, "rgb24", src_colorspace=colours, threads=1).to_ndarray()
        if frame.interlaced_frame:
            image = cv2.resize(image[::2], (width, height), interpolation=cv2.INTER_LINEAR_EXACT)
        return np.ascontiguousarray(_turn_upright(image, self._matrix))


class Animation(Video):
    """An animated picture that Pillow decodes."""

    def __init__(self, file: Path, opened: FileIO) -> None:
        """Take over an open file, and decode its first frame. Raises VideoError."""
        self._file = opened
        self.duration = None  # of an animation it takes decoding all of it to find out
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._picture = Pillow.open(opened, formats=ANIMATED_FORMATS)
            check_size(*self._picture.size)
            self._picture.load()
        except TooManyPixelsError as error:
            raise VideoError(file, "too large", str(error)) from error
        except Exception as error:  # Pillow's decoders raise almost anything on a damaged file
            raise VideoError(file, "damaged", "is damaged, so that no frame can be read: copy it again") from error

    def frames(self) -> Iterator[VideoFrameAt]:
        """Yield the frames, once. Damaged parts are left out."""
        time, number = 0.0, 0
        while True:
            seconds = float(self._picture.info.get("duration", 0)) / 1000
            seconds = seconds if seconds >= MIN_ANIMATION_SECONDS else DEFAULT_ANIMATION_SECONDS
            yield VideoFrameAt(time, seconds, partial(_flatten, self._picture.copy()))
            time, number = time + seconds, number + 1
            try:
                self._picture.seek(number)
                self._picture.load()
            except Exception:  # EOFError after the last frame; almost anything on a damaged one
                return

    def close(self) -> None:
        """Close the file."""
        self._picture.close()
        self._file.close()


def _open_file(file: Path) -> FileIO:
    """Open a regular file. Raises VideoError.

    Nothing else is opened: opening a pipe would wait until somebody writes to it.
    """
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise VideoError(file, "cannot be read", "is not a regular file")
        return FileIO(os.open(file, os.O_RDONLY))  # by number: FFmpeg would learn the name of a file that has one
    except OSError as error:
        raise VideoError(file, "cannot be read", f"cannot be read ({error.strerror})") from error


def _duration(container: InputContainer, stream: VideoStream) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _valid_fps(rate: Fraction | None) -> float:
    return float(rate) if rate is not None and MIN_FPS <= rate <= MAX_FPS else DEFAULT_FPS


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return how a frame is turned and mirrored for display: x = a·x + c·y and y = b·x + d·y, as (a, b, c, d)."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return a, b, c, d


def _turn_upright(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    """Turn by quarters, and mirror, as a display matrix says."""
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.transpose(1, 0, 2), c, b
    return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _flatten(picture: Pillow.Image, max_side: int | None) -> Image:
    """Return a frame of an animation as RGB; what is transparent is white."""
    white = Pillow.new("RGBA", picture.size, "white")
    flat = Pillow.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
    return np.asarray(flat.resize(_fit_size(*flat.size, max_side)))


def _fit_size(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Return the width and height of a picture that is shrunk until no side is longer than `max_side` pixels."""
    scale = 1.0 if max_side is None else min(max_side / max(width, height), 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)
