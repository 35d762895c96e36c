"""How long a collection will take, and how large it will be, before it starts."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from index.build.photo import Photo
from index.build.scan import ScanSettings, scan_photo
from index.collect.collector import CollectOptions
from index.credit import NO_CREDIT
from index.pictures import encode_jpeg
from models.text import format_duration

DOWNLOAD_BYTES: Final = 300_000
"""Bytes of a photograph to download, on average: Open Images' 1.7 million training photographs have 513 GB."""

PICTURE_BYTES: Final = 250_000
"""Bytes of a stored picture of 1024 pixels, with its share of the indexes, on average."""

ROUNDS: Final = 3
"""Times a picture is scanned to see how long that takes."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a collection will need: photographs to look at, bytes to download and to keep, and seconds for scanning."""

    looks: int
    download_bytes: int
    disk_bytes: int
    seconds: float

    def __str__(self) -> str:
        """Some sentences for the terminal."""
        scanning = (
            f"the library will take about {_format_bytes(self.disk_bytes)}. Finding the people in them takes about "
            f"{format_duration(self.seconds)} on this machine"
        )
        if not self.download_bytes:
            return f"It looks at about {self.looks:,} photographs; {scanning}."
        megabits = 8e-6 * self.download_bytes / max(self.seconds, 1)
        return (
            f"It looks at about {self.looks:,} photographs: {_format_bytes(self.download_bytes)} to download, and "
            f"{scanning}; with less than {max(1, round(megabits))} Mbit/s, downloading takes longer."
        )


def estimate(options: CollectOptions, candidates: int, seconds_per_photo: float, *, is_remote: bool) -> Estimate:
    """Return what it takes to keep `options.count` photographs out of so many candidates."""
    looks = min(candidates, options.count * options.tries)
    return Estimate(
        looks,
        looks * DOWNLOAD_BYTES if is_remote else 0,
        min(options.count, looks) * PICTURE_BYTES,
        looks * seconds_per_photo / max(1, options.workers),
    )


def measure_scan(settings: ScanSettings) -> float:
    """Return how many seconds scanning a photograph of 1024×768 pixels takes on this machine."""
    if settings.open_estimator is None:
        return 0.0
    noise = np.random.default_rng(0).integers(0, 255, (768, 1024, 3), np.uint8)
    with TemporaryDirectory() as folder, settings.open_estimator() as estimator:
        file = Path(folder, "noise.jpg")
        file.write_bytes(encode_jpeg(noise, 1024, 60)[0])
        photo, times = Photo(file, NO_CREDIT), []
        for _ in range(ROUNDS + 1):  # the first one loads what the others use
            start = time.perf_counter()
            scan_photo(photo, estimator, settings.long_side)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _format_bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
