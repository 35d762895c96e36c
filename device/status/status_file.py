"""The status of a mirror, and its file, which is in memory only: what the mirror writes, and other programs read.

docs/reference/status.md describes every field.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

FILE_NAME: Final = "status.json"

SERVICE_FOLDER: Final = Path("/run/pose-mirror")
"""The runtime folder of the mirror that runs as a service."""

MEMORY_FILE_SYSTEMS: Final = frozenset({"tmpfs", "ramfs"})

MAX_BYTES: Final = 200_000
"""Bytes that are read of a status at most. A full one has less than a tenth of that."""

LARGEST_NUMBER: Final = 2**53
"""Up to this number a float counts exactly; a larger one is not the mirror's."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The averages of the last five seconds: frames a second, and from camera to display in milliseconds."""

    per_second: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class EstimatorStatus:
    """Where poses are estimated, and with which model."""

    device: str
    model: str


@dataclass(frozen=True, slots=True)
class Hardware:
    """Heat in °C and power. Those that a machine does not report are None. Earlier: since the machine was started."""

    temperature: float | None = None
    too_hot: bool | None = None
    too_hot_earlier: bool = False
    under_voltage: bool | None = None
    under_voltage_earlier: bool = False


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """The bytes that are free where GIFs are saved (None: unknown), and how many GIFs are there."""

    free_bytes: int | None = None
    gifs: int = 0


@dataclass(frozen=True, slots=True)
class LibraryStatus:
    """The library in use: the name of its folder, and what of it answers (`collection`: None for everything)."""

    name: str
    people: int
    pictures: int
    collection: str | None


@dataclass(frozen=True, slots=True)
class Hour:
    """What happened in the hour that began at `start`, in seconds since 1970."""

    start: int
    visitors: int = 0
    presses: int = 0
    gifs: int = 0


@dataclass(frozen=True, slots=True)
class PastFault:
    """A fault, when it was seen first and last, in seconds since 1970, and how many times it came."""

    sentence: str
    first_seen: float
    last_seen: float
    count: int


@dataclass(frozen=True, slots=True)
class SharingStatus:
    """Whether visitors are offered their GIFs on their phones, and where the page is (None: it is not served)."""

    enabled: bool = False
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """How a mirror is doing. Times are in seconds since 1970; those named `uptime` since the machine was started."""

    version: str
    running: bool
    written_at: float
    written_uptime: float
    well: bool
    since: float
    since_uptime: float
    faults: tuple[str, ...]
    frames: Frames | None
    estimator: EstimatorStatus
    hardware: Hardware
    disk: DiskStatus
    library: LibraryStatus | None
    sharing: SharingStatus
    hours: tuple[Hour, ...]
    past_faults: tuple[PastFault, ...]

    @property
    def clock_offset(self) -> float:
        """The time since 1970 at which the machine was started, by the clock of the time of writing."""
        return self.written_at - self.written_uptime


def own_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder for this mirror's status, created if needed; None if there is none in memory."""
    service = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    folder = Path(service) if service else user_folder(environ)
    with contextlib.suppress(OSError):
        if not service and is_in_memory(folder.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        if is_in_memory(folder):
            return folder
    return None


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of a mirror that a user starts by hand. It need not be there."""
    return Path(environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}") / "pose-mirror"


def is_in_memory(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Return whether a folder is in a file system that has no disk. Raises OSError for a folder that is not there."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.read_text(errors="replace").splitlines():  # proc(5): the type follows the dash
        fields = line.split()
        if fields[2] == number and "-" in fields:
            return fields[fields.index("-") + 1] in MEMORY_FILE_SYSTEMS
    return False


def write_status(folder: Path, status: Status) -> None:
    """Write a status completely or not at all. Raises OSError."""
    partial = folder / f".{FILE_NAME}.part"
    text = json.dumps(dataclasses.asdict(status), ensure_ascii=False, allow_nan=False)
    partial.write_text(f"{text}\n", encoding="utf-8", errors="replace")  # the name of a file may hold any bytes
    partial.replace(folder / FILE_NAME)


def read_status(folder: Path) -> Status | None:
    """Return the status in a folder; None if there is none, or if it is damaged."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            return parse_status(file.read(MAX_BYTES))
    except (OSError, ValueError):
        return None


def find_status() -> Status | None:
    """Return the newest status on this machine that this user may read: the service's, or of a mirror of their own."""
    folders = (SERVICE_FOLDER, user_folder())
    found = [status for folder in folders if (status := read_status(folder)) is not None]
    return max(found, key=lambda status: status.written_uptime, default=None)


def parse_status(text: bytes) -> Status:
    """Return the status in a file's text. Raises ValueError for anything else."""
    try:
        status = _convert(json.loads(text), Status)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    assert isinstance(status, Status)
    return status


def _convert(value: object, kind: Any) -> object:
    """Return a value of JSON as a value of this type. Raises ValueError if it has another one."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise ValueError(f"{kind.__name__} is not an object")
        types_of = get_type_hints(kind)
        if missing := types_of.keys() - value.keys():
            raise ValueError(f"{kind.__name__} has no {min(missing)}")
        return kind(**{name: _convert(value[name], types_of[name]) for name in types_of})
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _convert(value, get_args(kind)[0])
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ValueError("a list is missing")
        return tuple(_convert(item, get_args(kind)[0]) for item in value)
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < LARGEST_NUMBER else math.inf
    if type(value) is not kind or (isinstance(value, (int, float)) and not abs(value) < LARGEST_NUMBER):
        raise ValueError(f"{str(value)[:40]!r} should be of type {kind.__name__}")
    return value
