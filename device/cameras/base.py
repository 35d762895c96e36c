"""Cameras: what the mirror asks of one, and the one place where a picture is flipped.

The drivers are in `device.cameras`: the Pi's own camera, USB cameras, films and pictures from disk, and the
performer. A camera yields frames and nothing more; `device.cameras.opening` opens the one that is asked for, and
`device.cameras.watch` keeps it open through whatever befalls it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self

import cv2
import numpy as np
from cv2.typing import MatLike

from models.pose import Image

SILENT_AFTER: Final = 2.0
"""Seconds without a new picture after which a camera counts as gone."""


class CameraError(OSError):
    """A camera cannot be opened, or has stopped giving pictures; the message is a sentence for the screen."""


class CameraSilent(CameraError):
    """No new picture came in the time that `latest` was given, and it is `seconds` since the last; it may yet go on."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} has been silent for {seconds:.2g} s.")
        self.seconds = seconds


class CameraStuck(CameraError):
    """A camera's driver hangs in the kernel and cannot be closed: only a new process gets at that camera again."""


class EndOfVideo(EOFError):
    """A film, or a folder of pictures, that is shown once has been shown. No fault of the camera's."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a camera.

    `image` is H×W×3 for the screen; `small_shape` is the same view h×w×3 for the estimator (the same object where no other
    size was asked for), which may squeeze it a little: x and y scale by themselves. Both are contiguous. `captured_at` is
    when it was captured, seconds of time.monotonic(). `mirrored`: left and right are already exchanged, as in a
    mirror.
    """

    image: Image
    small: Image
    captured_at: float
    mirrored: bool


class Camera(Protocol):
    """What every driver keeps to; `tests/device/cameras/test_contract.py` holds each of them to it."""

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        """A frame newer than the last one returned: the newest there is, those in between are dropped, none is queued.

        Waits for it for `timeout` seconds at most. Raises CameraSilent when none came, another CameraError when none
        will come (unplugged, closed), EndOfVideo when a film that is shown once is over.
        """
        ...

    def close(self) -> None:
        """Let the device go; a second time does nothing. Raises CameraStuck when its driver hangs."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mirror_frame(frame: Frame, rotate: int = 0) -> Frame:
    """The frame upright and with left and right exchanged: the visitor's right hand is on the right.

    This is the one place where a picture is flipped, unless the driver has had the camera do it (`frame.mirrored`).
    `rotate` is how far the camera is turned clockwise where it is mounted, seen from behind it: 0, 90, 180 or 270
    degrees, by which its picture must then be turned clockwise to stand upright. A flip makes anticlockwise of
    clockwise, so a picture that is mirrored already is turned the other way round.
    """
    turn = (_TURN_MIRRORED if frame.mirrored else _TURN_AND_MIRROR)[rotate]
    image = np.asarray(turn(frame.image), np.uint8)
    small = image if frame.small is frame.image else np.asarray(turn(frame.small), np.uint8)
    return replace(frame, image=image, small=small, mirrored=True)


_TURN_AND_MIRROR: Final[dict[int, Callable[[MatLike], MatLike]]] = {
    0: lambda image: cv2.flip(image, 1),
    90: lambda image: cv2.transpose(image),
    180: lambda image: cv2.flip(image, 0),
    270: lambda image: cv2.rotate(cv2.transpose(image), cv2.ROTATE_180),
}
"""By `rotate`: turned clockwise by that much, then left and right exchanged, in as few steps as that takes."""

_TURN_MIRRORED: Final[dict[int, Callable[[MatLike], MatLike]]] = {
    0: lambda image: image,
    90: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    180: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    270: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
}
"""The same for a picture whose left and right the camera has exchanged already."""


def make_frame(image: Image, small_shape: tuple[int, int] | None, captured_at: float) -> Frame:
    """A frame of a camera that gives one picture only: `small_shape`, (height, width), is made of it here."""
    if small_shape is None or image.shape[:2] == small_shape:
        return Frame(image, image, captured_at, mirrored=False)
    height, width = small_shape
    return Frame(image, resize(image, width, height), captured_at, mirrored=False)


def resize(image: Image, width: int, height: int) -> Image:
    """The image at another size, to the same edges; each pixel of a smaller one is made of all that it covers.

    Averaging is fast by whole numbers of pixels only: what is more than halved is brought to such a size first.
    """
    step = min(image.shape[1] // width, image.shape[0] // height)
    near = cv2.resize(image, (width * max(step, 1), height * max(step, 1)), interpolation=cv2.INTER_LINEAR)
    if step > 1:
        near = cv2.resize(near, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(near, np.uint8)


def fit_within(image: Image, max_side: int) -> Image:
    """The image, made smaller where a side is longer than `max_side` pixels."""
    height, width = image.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return image
    return resize(image, max(round(width * scale), 1), max(round(height * scale), 1))
