"""Estimators that fail when they are told to, for the tests of `models.estimator.watched`: made in a child process.

The model file tells what to do when an estimator is made: each takes the first line off it (none: all is well). The
first byte of a picture tells what to do about that picture.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
import time
import zlib
from pathlib import Path
from typing import Self

import numpy as np

from models.estimator import child
from models.estimator.child import to_rows
from models.pose import Image, Pose

SUCCEED, HANG, HANG_WITH_GIL, ABORT, SEGFAULT, RAISE_OSERROR, RAISE_KEYERROR, EXIT, RESPOND_SLOWLY = range(9)
EXHAUST_MEMORY, EXCEED_MEMORY_LIMIT = 14, 15
"""Takes more memory than there is, the second by a limit of its own."""

NO_ROWS, NARROW_ROWS, NAN_ROWS, NO_PICKLE, TOO_LONG = range(9, 14)
"""Answers that are none: something else than poses, too few numbers for one, NaN, bytes that are no object, and a
message that is announced as longer than any."""


def obey(order: int) -> None:
    match order:
        case 1:
            time.sleep(60)
        case 2:
            ctypes.PyDLL(None).sleep(60)  # type: ignore[no-untyped-call]  # keeps Python's global lock, as a driver may
        case 3:
            os.abort()
        case 4:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 5:
            raise OSError("The Edge TPU has left. Plug it in again.")
        case 6:
            raise KeyError("nobody thought of this")
        case 7:
            os._exit(3)
        case 8:
            time.sleep(0.3)
        case 9 | 10 | 11:
            replacement_answers.append({9: "poses", 10: np.zeros((1, 51)), 11: np.full((1, 52), np.nan)}[order])
        case 12:
            os.write(_answer_pipe(), b"\0\0\0\x05hello")
        case 13:
            os.write(_answer_pipe(), b"\x7f\xff\xff\xff")
        case 14:
            np.ones(1_000_000_000, np.uint8)
        case 15:
            resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, resource.RLIM_INFINITY))
            np.ones(2_000_000_000, np.uint8)


replacement_answers: list[object] = []
"""What is answered next, in the place of poses."""


def rows_or_replacement(poses: list[Pose]) -> object:
    return replacement_answers.pop() if replacement_answers else to_rows(poses)


def _answer_pipe() -> int:
    """The pipe that this process answers by, as its command line has it: serve(requests, answers, …)."""
    return int(re.findall(r"\d+", sys.orig_argv[-1])[1])


class FailingEstimator:
    """Finds one person whose numbers tell which picture it was."""

    def __init__(
        self, model: Path, *, device: str = "cpu", size: tuple[int, int] | None = None, threads: int | None = None
    ) -> None:
        child.to_rows = rows_or_replacement  # type: ignore[assignment]  # in this process alone
        order, _, rest = model.read_text().partition("\n")
        if order:
            model.write_text(rest)
            obey(int(order))
        self.size = size or (48, 64)
        self.runtime = f"{model.name} on {device}, size {size}, {threads} threads"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def estimate(self, image: Image) -> list[Pose]:
        obey(int(image[0, 0, 0]))
        return [pose_from_picture(image)] * int(image[0, 0, 1])


class ModuleLister(FailingEstimator):
    """Its runtime names the modules in its process."""

    def __init__(self, model: Path, **options: object) -> None:
        super().__init__(model)
        self.runtime = " ".join(sys.modules)


def pose_from_picture(image: Image) -> Pose:
    """A pose that only this picture has, in numbers that float32 holds exactly."""
    check = zlib.crc32(image.tobytes())
    xy = np.zeros((17, 2), np.float32)
    xy[0] = image.shape[1], image.shape[0]
    xy[1] = check >> 16, check & 0xFFFF
    return Pose(xy, np.linspace(0, 1, 17, dtype=np.float32), 0.5)
