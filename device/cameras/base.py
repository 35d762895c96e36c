"""The contract of a camera, and the one place where pictures are mirrored.

To write a driver for a device that delivers frames at its own pace (a webcam, a network camera), implement
`device.cameras.live.CaptureDevice` and wrap it in a `LiveCamera`, which does the waiting, the dropping and the closing.
To write one for frames that are made on request (a video, a drawing), implement `device.cameras.paced.Clip` and wrap it
in a `PacedCamera`. Both wrappers are `Camera`s. Then:

1. return frames that are not mirrored, unless the device itself mirrors them (`Frame.mirrored`);
2. raise `CameraError` with a sentence for the screen when the camera cannot be opened or stops delivering frames;
3. add the driver to `device.cameras.opening.open_camera`;
4. add it to `RIGS` in `tests/device/cameras/test_contract.py`, which tests every rule of this module.

A driver never retries: `device.cameras.watch` opens a lost camera again.
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
"""Seconds without a new frame after which a camera counts as lost. Even in poor light, cameras are much faster."""


class CameraError(OSError):
    """A camera cannot be opened, or delivers no more frames. The message is a sentence for the screen.

    The sentence names the camera and the remedy: "The camera /dev/video0 was unplugged: plug it in again."
    """


class CameraSilent(CameraError):
    """No new frame came within the timeout of `latest`. `seconds` have passed since the last; more frames may come."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"{name} has sent no picture for {seconds:.2g} s.")
        self.seconds = seconds


class CameraStuck(CameraError):
    """A camera's driver hangs in the kernel and cannot be closed. Only a new process can open that camera again."""


class EndOfVideo(EOFError):
    """A video, or a folder of pictures, that plays once has reached its end. This is not a fault."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture from a camera, in two sizes.

    `image` is H×W×3 RGB for the screen. `small` is h×w×3 RGB for the estimator: the same view at the requested size, or
    the same object as `image` when no size was requested. Its aspect ratio may differ a little, so x and y scale
    separately. Both arrays are uint8 and contiguous. `captured_at` is the time of capture in seconds of
    time.monotonic(). `mirrored` tells whether left and right are already exchanged, as in a mirror.
    """

    image: Image
    small: Image
    captured_at: float
    mirrored: bool


class Camera(Protocol):
    """An open camera: what every driver returns. A context manager that closes the camera.

    `tests/device/cameras/test_contract.py` tests every driver against it. One thread calls `latest`; another may call
    `close` meanwhile, which ends the wait with a CameraError.
    """

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        """Return the newest frame, waiting up to `timeout` seconds for one newer than the last one returned.

        Frames in between are dropped, never queued: a visitor sees themselves now, not a moment ago.
        Raises CameraSilent when no frame came in time (the camera stays open), another CameraError when none will come
        any more (unplugged, closed), and EndOfVideo when a video that plays once is over.
        """
        ...

    def close(self) -> None:
        """Release the device. Closing twice does nothing. Raises CameraStuck when the driver hangs."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mirror_frame(frame: Frame, rotate: int = 0) -> Frame:
    """Return the frame upright and mirrored: the visitor's right hand is on the right.

    No other code mirrors a camera's picture, but a device may have done so itself (`frame.mirrored`). `rotate` (0, 90,
    180 or 270) tells how the camera is mounted: the degrees clockwise by which it is turned, seen from behind. The
    picture is turned clockwise by the same angle to stand upright. Mirroring swaps clockwise and anticlockwise, so a
    picture that is already mirrored is turned the other way.
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
"""By `rotate`: turn clockwise by that many degrees, then mirror. Together they are often one cheap step."""

_TURN_MIRRORED: Final[dict[int, Callable[[MatLike], MatLike]]] = {
    0: lambda image: image,
    90: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
    180: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    270: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
}
"""By `rotate`: the turn for a picture that the camera has already mirrored."""


def make_frame(image: Image, small_shape: tuple[int, int] | None, captured_at: float) -> Frame:
    """Make a frame, not mirrored, from one picture; scale `Frame.small` to `small_shape` (height, width)."""
    if small_shape is None or image.shape[:2] == small_shape:
        return Frame(image, image, captured_at, mirrored=False)
    height, width = small_shape
    return Frame(image, resize(image, width, height), captured_at, mirrored=False)


def resize(image: Image, width: int, height: int) -> Image:
    """Scale an image, edge to edge. When it shrinks, each new pixel averages all the pixels it covers.

    OpenCV averages fast only by whole factors. So before a shrink by more than half, the image is scaled to a multiple
    of the new size.
    """
    step = min(image.shape[1] // width, image.shape[0] // height)
    # INTER_LINEAR crashes on arm64 when it shrinks an image by a pixel or two (opencv/opencv issue 29794).
    scaled = cv2.resize(image, (width * max(step, 1), height * max(step, 1)), interpolation=cv2.INTER_LINEAR_EXACT)
    if step > 1:
        scaled = cv2.resize(scaled, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)
