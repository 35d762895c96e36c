"""A status for tests."""

from __future__ import annotations

from typing import Final

from device.status.status_file import (
    DiskStatus,
    EstimatorStatus,
    Frames,
    Hardware,
    Hour,
    LibraryStatus,
    PastFault,
    SharingStatus,
    Status,
)

NOON: Final = 1_795_867_200
"""The full hour at which `SAMPLE` was written, in seconds since 1970."""

SAMPLE: Final = Status(
    version="1.2.3",
    running=True,
    written_at=NOON + 600.0,
    written_uptime=7600.0,
    well=True,
    since=NOON - 6000.0,
    since_uptime=1000.0,
    faults=(),
    frames=Frames(24.2, 61.4),
    estimator=EstimatorStatus("cpu", "posenet"),
    hardware=Hardware(61.0, False, False, False, True),
    disk=DiskStatus(12_300_000_000, 14),
    library=LibraryStatus("starter", 6012, 6000, "dance"),
    sharing=SharingStatus(True, "http://10.41.0.1/"),
    hours=(Hour(NOON - 3600, 12, 3, 2), Hour(NOON, 6, 1, 0)),
    past_faults=(PastFault("No camera found.", NOON - 5000.0, NOON - 4000.0, 2),),
)
