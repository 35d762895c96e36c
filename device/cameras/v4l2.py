"""Linux's video devices: which of them are cameras, and why one cannot be opened. OpenCV tells neither.

Structures and numbers: https://docs.kernel.org/userspace-api/media/v4l/ and linux/videodev2.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from device.cameras.base import CameraError

VIDIOC_QUERYCAP: Final = 0x80685600
CAPABILITY: Final = struct.Struct("16s32s32sIII12x")
"""struct v4l2_capability: driver, card, bus, version, capabilities of the whole device, capabilities of this node."""

VIDIOC_REQBUFS: Final = 0xC0145608
REQUEST_BUFFERS: Final = struct.Struct("IIIIB3x")
"""struct v4l2_requestbuffers: count, type, memory, capabilities, flags."""

CAP_VIDEO_CAPTURE: Final = 0x00000001
CAP_STREAMING: Final = 0x04000000
CAP_DEVICE_CAPS: Final = 0x80000000
BUF_TYPE_VIDEO_CAPTURE: Final = 1
MEMORY_MMAP: Final = 1

NON_CAMERA_DRIVERS: Final = frozenset(
    {"unicam", "rp1-cfe", "bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid", "hevc_dec"}
)
"""Drivers of a Pi's own devices that claim to capture video but are no cameras: raw sensors, scalers and decoders."""


class Device(NamedTuple):
    """A video device: its driver's name, its own name, and whether it captures and streams pictures."""

    driver: str
    card: str
    can_capture: bool

    @property
    def is_camera(self) -> bool:
        """Whether it captures pictures and is not one of the Pi's own devices."""
        return self.can_capture and self.driver not in NON_CAMERA_DRIVERS


def find_cameras(folder: Path = Path("/dev")) -> list[Path]:
    """Return the devices that are cameras, by their numbers, even those in use."""
    numbered = (path for path in folder.glob("video*") if path.name.removeprefix("video").isdecimal())
    return [path for path in sorted(numbered, key=lambda path: int(path.name[5:])) if _is_camera(path)]


def query(path: Path) -> Device:
    """Ask a device what it is. Raises OSError when it is missing or does not answer."""
    with open_device(path) as device:
        return parse_capability(fcntl.ioctl(device, VIDIOC_QUERYCAP, bytes(CAPABILITY.size)))


def parse_capability(capability: bytes) -> Device:
    """Read a struct v4l2_capability."""
    driver, card, _, _, device, node = CAPABILITY.unpack(capability)
    # A webcam has a second node, for metadata alone. The device's capabilities are those of both nodes together.
    capabilities = node if device & CAP_DEVICE_CAPS else device
    captures = capabilities & CAP_VIDEO_CAPTURE and capabilities & CAP_STREAMING
    return Device(_decode(driver), _decode(card), bool(captures))


def require_camera(path: Path) -> Device:
    """Return the camera at `path`. Raises CameraError when it is missing, not a camera, forbidden, or in use."""
    try:
        device = query(path)
        if not device.is_camera:
            raise CameraError(f"{path} is not a camera but {device.card or device.driver}: choose another device.")
        with open_device(path) as opened:
            # A request for 0 buffers changes nothing on a free camera, and fails when another program is streaming.
            fcntl.ioctl(opened, VIDIOC_REQBUFS, REQUEST_BUFFERS.pack(0, BUF_TYPE_VIDEO_CAPTURE, MEMORY_MMAP, 0, 0))
    except CameraError:
        raise
    except OSError as error:
        raise CameraError(_explain(path, error)) from error
    return device


def _explain(path: Path, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return f"No camera found at {path}: plug one in."
        case errno.EACCES | errno.EPERM:
            return f"The camera {path} may not be opened: add the mirror's user to the group video."
        case errno.EBUSY:
            return f"The camera {path} is used by another program: close that program."
        case errno.ENOTTY | errno.EINVAL:
            return f"{path} is not a camera: choose another device."
        case _:
            return f"The camera {path} does not answer ({error.strerror}): unplug it and plug it in again."


def _is_camera(path: Path) -> bool:
    try:
        return query(path).is_camera
    except OSError:
        return False


@contextmanager
def open_device(path: Path) -> Iterator[int]:
    """Open a device for ioctls, even one that streams, and yield its file descriptor. Raises OSError."""
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield device
    finally:
        os.close(device)


def _decode(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")
