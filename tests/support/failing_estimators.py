"""Estimators that fail on command, for the tests of `models.estimator.watched`. They are created in a child process.

A number orders a failure. The model file holds the orders for starts, one a line: each new estimator removes the first
line and obeys it; without a line it starts normally. The first byte of a picture is the order for that picture, and the
second is the number of people to find.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn, Self

import numpy as np

from models.estimator import child
from models.estimator.child import to_rows
from models.pose import Image, Pose

SUCCEED, HANG, HANG_WITH_GIL, ABORT, SEGFAULT, RAISE_OSERROR, RAISE_KEYERROR, EXIT, RESPOND_SLOWLY = range(9)

NO_ROWS, NARROW_ROWS, NAN_ROWS, NO_PICKLE, TOO_LONG = range(9, 14)
"""Invalid answers: not poses, too few numbers for a pose, NaN, bytes that cannot be unpickled, and a message that
announces more bytes than any answer has."""

EXHAUST_MEMORY, EXCEED_MEMORY_LIMIT = 14, 15
"""Allocates more memory than there is, the second one under a limit of its own."""

replacement_answers: list[object] = []
"""The answer to send instead of poses, if there is one."""


def obey(order: int) -> None:
    if order != SUCCEED:
        ACTIONS[order]()


def _hang_with_gil() -> None:
    """Sleep without releasing Python's lock, as a driver may."""
    ctypes.PyDLL(None).sleep(60)


def _raise(error: Exception) -> NoReturn:
    raise error


def _exceed_memory_limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1_000_000_000, resource.RLIM_INFINITY))
    np.ones(2_000_000_000, np.uint8)


def _write_to_pipe(content: bytes) -> None:
    """Write to the pipe of answers, whose descriptor is in this process's command line: serve(requests, answers, …)."""
    os.write(int(re.findall(r"\d+", sys.orig_argv[-1])[1]), content)


ACTIONS: Final[dict[int, Callable[[], object]]] = {
    HANG: partial(time.sleep, 60),
    HANG_WITH_GIL: _hang_with_gil,
    ABORT: os.abort,
    SEGFAULT: lambda: os.kill(os.getpid(), signal.SIGSEGV),
    RAISE_OSERROR: lambda: _raise(OSError("The Edge TPU was unplugged. Plug it in again.")),
    RAISE_KEYERROR: lambda: _raise(KeyError("an unexpected error")),
    EXIT: partial(os._exit, 3),
    RESPOND_SLOWLY: partial(time.sleep, 0.3),
    NO_ROWS: partial(replacement_answers.append, "poses"),
    NARROW_ROWS: partial(replacement_answers.append, np.zeros((1, 51))),
    NAN_ROWS: partial(replacement_answers.append, np.full((1, 52), np.nan)),
    NO_PICKLE: partial(_write_to_pipe, b"\0\0\0\x05hello"),
    TOO_LONG: partial(_write_to_pipe, b"\x7f\xff\xff\xff"),
    EXHAUST_MEMORY: lambda: np.ones(1_000_000_000, np.uint8),
    EXCEED_MEMORY_LIMIT: _exceed_memory_limit,
}
"""What each order does."""


def _rows_or_replacement(poses: list[Pose]) -> object:
    return replacement_answers.pop() if replacement_answers else to_rows(poses)


class FailingEstimator:
    """An estimator whose people have numbers that only their picture has."""

    def __init__(
        self, model: Path, *, device: str = "cpu", size: tuple[int, int] | None = None, threads: int | None = None
    ) -> None:
        child.to_rows = _rows_or_replacement  # type: ignore[assignment]  # only in this process
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

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        obey(int(image[0, 0, 0]))
        return [pose_from_picture(image)] * int(image[0, 0, 1])


class ModuleLister(FailingEstimator):
    """An estimator whose runtime is the list of its process's modules."""

    def __init__(self, model: Path, **options: object) -> None:
        super().__init__(model)
        self.runtime = " ".join(sys.modules)


def pose_from_picture(image: Image) -> Pose:
    """Return a pose that only this picture has, in numbers that float32 holds exactly."""
    checksum = zlib.crc32(image.tobytes())
    xy = np.zeros((17, 2), np.float32)
    xy[0] = image.shape[1], image.shape[0]
    xy[1] = checksum >> 16, checksum & 0xFFFF
    return Pose(xy, np.linspace(0, 1, 17, dtype=np.float32), 0.5)
