"""How long collecting will take, and how large the library will be, before it starts."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Self

from index.build.photo import Photo
from index.build.scan import ScanSettings, scan_photo
from index.build.starter import draw_new_picture
from index.collect.candidate import Source
from index.collect.collector import CollectOptions
from index.collect.ledger import Ledger
from index.credit import NO_CREDIT
from models.text import format_duration, format_photographs

DOWNLOAD_BYTES: Final = 300_000
"""Bytes of a photograph to download, on average: Open Images' 1.7 million training photographs have 513 GB."""

PICTURE_BYTES: Final = 250_000
"""Bytes of a stored picture of 1024 pixels, with its share of the indexes, on average."""

USABLE_SHARE: Final = 0.6
"""Share of the candidates in which somebody is found and seen well, until the ledger tells: about that of
COCO's and Leeds' photographs."""

MIN_LOOKED: Final = 200
"""Photographs looked at after which the ledger tells."""

SAMPLE: Final = 10
"""Candidates that tell whether pictures have to be downloaded."""

ROUNDS: Final = 3
"""Times a picture is scanned to see how long that takes."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What is to be looked at: how many candidates there are, whether they have to be downloaded, and which share of
    them shows somebody well."""

    candidates: int
    is_remote: bool
    usable_share: float = USABLE_SHARE

    @classmethod
    def of(cls, source: Source, ledger: Ledger, again: int = 0) -> Self:
        """Return what is left of a prepared source, and so many that are looked at again.

        Once enough of it is in the ledger, that tells the share.
        """
        looked, usable = ledger.count(), ledger.usable
        is_remote = any(isinstance(candidate.picture, str) for candidate in islice(source.candidates(), SAMPLE))
        share = usable / looked if looked >= MIN_LOOKED and usable else USABLE_SHARE
        return cls(max(0, len(source) - ledger.known) + again, is_remote, share)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What collecting will need: photographs to look at, bytes to download and to keep, and seconds for scanning."""

    looks: int
    download_bytes: int
    disk_bytes: int
    seconds: float

    def __str__(self) -> str:
        """Some sentences for the terminal."""
        scanning = (
            f"the library will take about {_format_bytes(self.disk_bytes)}. Finding the people in them takes about "
            f"{format_duration(max(1.0, self.seconds))} on this machine"
        )
        if not self.download_bytes:
            return f"It looks at about {format_photographs(self.looks)}; {scanning}."
        megabits = 8e-6 * self.download_bytes / max(self.seconds, 1)
        return (
            f"It looks at about {format_photographs(self.looks)}: {_format_bytes(self.download_bytes)} to download, "
            f"and {scanning}; with less than {max(1, round(megabits))} Mbit/s, downloading takes longer."
        )


def estimate(options: CollectOptions, prospect: Prospect, seconds_per_photo: float) -> Estimate:
    """Return what it takes to keep `options.count` photographs."""
    looks = min(prospect.candidates, round(options.count * options.tries / prospect.usable_share))
    return Estimate(
        looks,
        looks * DOWNLOAD_BYTES if prospect.is_remote else 0,
        min(options.count, looks) * PICTURE_BYTES,
        looks * seconds_per_photo / max(1, options.workers),
    )


def measure_scan(settings: ScanSettings) -> float:
    """Return how many seconds scanning a photograph takes on this machine: a drawn one, with somebody in it."""
    if settings.open_estimator is None:
        return 0.0
    drawn = draw_new_picture(0).content
    assert isinstance(drawn, bytes)
    with TemporaryDirectory() as folder, settings.open_estimator() as estimator:
        file = Path(folder, "drawn.jpg")
        file.write_bytes(drawn)
        photo, times = Photo(file, NO_CREDIT), []
        for _ in range(ROUNDS + 1):  # the first one loads what the others use
            start = time.perf_counter()
            scan_photo(photo, estimator, settings.long_side)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _format_bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
