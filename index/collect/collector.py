"""`pose-mirror index collect`: look at a source's photographs, wave by wave, and make a library of the best.

A wave is downloaded while the one before is scanned. Of those that show somebody well, the ones that add most are kept
(`index.collect.selection`), and the others are given back. Everything is in the ledger, so a run that is stopped
resumes; the library is written at the end.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from index.barred import NOTHING_BARRED
from index.build.choice import TAKEN_DOWN, LookAlikes, skip_barred
from index.build.duplicates import NearDuplicateIndex
from index.build.journal import save_picture
from index.build.photo import NewPicture, Photo, Skipped
from index.build.photo_workers import PhotoWorkers
from index.build.pipeline import PhotoScanner
from index.build.scan import ScanResult, ScanSettings
from index.collect.candidate import Candidate, Source
from index.collect.download import Arrival, Downloads
from index.collect.ledger import FOUND, KEPT, Ledger, Wave
from index.collect.offers import candidates_to_look_at, completed, is_barred, photo_of, renew
from index.errors import LibraryError
from index.formats import UNREACHABLE
from index.library import TakenDown
from models import files
from models.progress import ProgressCallback
from models.text import printable

WAVE_SIZE: Final = 1_000
"""Photographs of a wave at most: enough that the best of them differ, and few enough to lie on the disk twice."""

WAVES: Final = 10
"""Waves of a small library at least."""

MIN_WAVE_SIZE: Final = 50

GAIN_SPAN: Final = 5_000
"""Photographs kept over which the gain is measured: over fewer, chance would end it."""

RESERVE_BYTES: Final = 2_000_000_000
"""Space that collecting leaves free on the disk, for the wave on its way and the library's indexes."""

MAX_MISSED: Final = 20
"""Photographs that do not arrive, one after the other, after which a run stops: the network is gone, or the photographs
are elsewhere."""

NOTHING_TAKEN_DOWN: Final = TakenDown([], NOTHING_BARRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectOptions:
    """How many photographs to keep, and how to get them.

    Of `tries` usable photographs one is kept on average. Collecting ends early when a thousand more photographs
    raise the coverage by less than `min_gain`. Photographs are scanned in `workers` processes and downloaded over
    `connections`; or both on the Dask cluster whose scheduler is at `dask`.
    """

    count: int
    tries: int = 3
    min_gain: float = 1e-4
    workers: int = 1
    connections: int = 8
    dask: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run came to: photographs looked at and kept, its waves, and why it ended, as a sentence."""

    looked: int
    kept: int
    waves: Sequence[Wave]
    ending: str


def fill(
    ledger: Ledger,
    source: Source,
    settings: ScanSettings,
    options: CollectOptions,
    progress: ProgressCallback | None = None,
    taken_down: TakenDown = NOTHING_TAKEN_DOWN,
) -> Collected:
    """Look at a prepared source's photographs until `options.count` are kept, or more would add too little.

    What was taken down is not kept; barred authors and URLs are not even looked at. Raises LibraryError if the disk is
    nearly full or the network is gone, and OSError if the ledger cannot be written.
    """
    if progress is not None:
        progress(0, None, "Checking what is kept")
    renew(source, ledger, taken_down.barred)
    ledger.check_pictures()
    collector = _Collector(ledger, settings, options, taken_down, progress)
    again = ledger.keys_to_reconsider(options.count)
    left = max(0, len(source) - ledger.known) + len(again)
    ending = collector.run(candidates_to_look_at(source, ledger, taken_down.barred, again), left)
    return Collected(ledger.count(), ledger.count(KEPT), ledger.waves(), ending)


def check_space(folder: Path, needed: int = 0) -> None:
    """Raise LibraryError if a folder's disk has no space for so many bytes, besides what is left free."""
    free, needed = files.free_bytes(folder), needed + RESERVE_BYTES
    if free is not None and free < needed:
        raise LibraryError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {printable(folder.parent)}, and collecting needs "
            f"{needed / 1e9:.1f} GB: free some, and run the same command again."
        )


class _Collector:
    """A run under way."""

    def __init__(
        self,
        ledger: Ledger,
        settings: ScanSettings,
        options: CollectOptions,
        taken_down: TakenDown,
        progress: ProgressCallback | None,
    ) -> None:
        self._ledger, self._settings, self._options, self._progress = ledger, settings, options, progress
        self._barred, self._removed = taken_down.barred, LookAlikes(taken_down.pictures)
        self._missed = self._missed_in_row = 0
        self._refused: list[tuple[Candidate, Skipped]] = []
        self._has_arrived = False
        self._selection = ledger.selection()
        self._looked = ledger.count()
        missing = max(0, options.count - ledger.count(KEPT))
        self._found = ledger.usable
        self._limit = self._found - ledger.count(FOUND) + options.tries * missing
        self._near = NearDuplicateIndex()
        self._names: list[str] = []
        for picture in ledger.pictures(FOUND, KEPT):
            self._remember(picture)

    def run(self, candidates: Iterator[Candidate], left: int) -> str:
        """Look at waves of candidates, of which about `left` are left, and return why that ended, as a sentence."""
        ledger, count = self._ledger, self._options.count
        if ledger.count(FOUND):  # a wave that was stopped
            self._decide(left)
        size = max(MIN_WAVE_SIZE, min(WAVE_SIZE, self._options.tries * count // WAVES))
        waves = iter(lambda: list(itertools.islice(candidates, size)), [])
        with self._downloads() as downloads, self._scanner() as scanner:
            coming: _Coming | None = None
            while not (ending := self._ending()):
                coming = coming or self._start(next(waves, []), downloads)
                if not coming.candidates:
                    return f"Kept {ledger.count(KEPT):,} of {count:,}: {self._nothing_left()}"
                now, coming = coming, None
                left -= len(now.candidates)
                if not self._is_last(left + len(now.candidates), len(now.candidates)):
                    coming = self._start(next(waves, []), downloads)
                check_space(self._ledger.folder)
                self._scan(now, scanner, downloads)
                self._decide(left)
        return ending

    def _ending(self) -> str:
        """Return why collecting has ended, as a sentence; nothing if it has not."""
        options, waves, kept = self._options, self._ledger.waves(), self._ledger.count(KEPT)
        if kept >= options.count:
            return f"Kept {min(kept, options.count):,} of {options.count:,}."
        if self._found >= self._limit:
            return f"Kept {kept:,} of {options.count:,}: the others that were looked at would add nothing."
        last = waves[-1] if waves else None
        earlier = next((wave for wave in reversed(waves) if last and last.kept - wave.kept >= GAIN_SPAN), None)
        if last is not None and earlier is not None and earlier.judges == last.judges:
            gain = 1000 * (last.coverage - earlier.coverage) / (last.kept - earlier.kept)
            if gain < options.min_gain:
                return (
                    f"Kept {kept:,} of {options.count:,}: a thousand more would raise the coverage by only "
                    f"{gain:.5f}, less than {options.min_gain:g} (--min-gain)."
                )
        return ""

    def _nothing_left(self) -> str:
        """Return why there are no more candidates, as the end of a sentence."""
        if self._has_arrived:
            self._record_refused()
        missed = self._missed + len(self._refused)
        if not missed:
            self._ledger.note_used_up(self._options.count)
            return "the source has no more photographs."
        return f"{missed:,} could not be downloaded, so run the same command again later."

    def _decide(self, left: int) -> None:
        """Keep the best of the photographs that were found, in proportion to how many are still to come."""
        ledger, options = self._ledger, self._options
        wave = ledger.seen(FOUND)
        usable, kept = self._found, ledger.count(KEPT)
        to_come = min(self._limit - usable, left * usable / max(1, ledger.count()))
        share = len(wave) / max(1.0, len(wave) + to_come)
        wanted = max(0, options.count - kept)
        chosen = self._selection.look(wave, min(wanted, math.ceil(wanted * share)))
        ledger.decide(chosen, self._selection)

    def _is_last(self, left: int, size: int) -> bool:
        """Return whether a wave of this size will most likely be the last one."""
        return left <= size or self._found + size >= self._limit

    def _start(self, candidates: list[Candidate], downloads: Downloads | None) -> _Coming:
        if downloads is None:
            return _Coming(candidates, (Arrival(candidate, candidate.picture) for candidate in candidates))
        return _Coming(candidates, downloads.start(candidates))

    def _scan(self, wave: _Coming, scanner: PhotoScanner, downloads: Downloads | None) -> None:
        """Scan the photographs of a wave, and record what each shows."""
        if self._settings.model is not None:
            self._ledger.add_model(self._settings.model)
        arrived: dict[int, Arrival] = {}

        def photos() -> Iterator[tuple[int, Photo]]:
            for number, arrival in enumerate(wave.arrivals):
                if isinstance(arrival.file, Skipped):
                    self._miss(arrival.candidate, arrival.file)
                else:
                    if isinstance(arrival.file, Path):
                        self._note_arrival()
                    arrived[number] = arrival
                    yield number, photo_of(arrival.candidate, arrival.file)

        with contextlib.closing(scanner.scan(photos())) as results:
            for number, result in results:
                assert isinstance(result, list | Skipped)  # there are no videos among candidates
                arrival = arrived.pop(number)
                self._record(arrival.candidate, _named(arrival, result))
                if downloads is not None and isinstance(arrival.file, Path):
                    downloads.forget(arrival.file)

    def _record(self, candidate: Candidate, result: ScanResult) -> None:
        """Record what a candidate shows, its picture in the ledger's folder."""
        if isinstance(result, Skipped) and result.kind == UNREACHABLE:
            self._miss(candidate, result)
            return
        self._note_arrival()
        found = result if isinstance(result, Skipped) else self._find_reason(candidate, result[0]) or result[0]
        if isinstance(found, Skipped):
            self._ledger.add(candidate.key, found)
        else:
            picture = save_picture(self._ledger.picture_folder, found)
            self._ledger.add(candidate.key, completed(picture, candidate))
            self._remember(picture)
            self._found += 1
        self._report()

    def _report(self) -> None:
        self._looked += 1
        if self._progress is not None:
            kept = len(self._selection.kept)
            self._progress(self._found, self._limit, f"Collecting: {self._looked:,} looked at, {kept:,} kept")

    def _miss(self, candidate: Candidate, skipped: Skipped) -> None:
        """Note a photograph that does not arrive. Raises LibraryError if none does any more.

        One that cannot be reached is left for a later run. What a server refuses to give is recorded once another
        photograph arrives: if none does, the fault is not the photograph's.
        """
        if skipped.kind == UNREACHABLE:
            self._missed += 1
        else:
            self._refused.append((candidate, skipped))
        self._missed_in_row += 1
        if self._missed_in_row >= MAX_MISSED:
            raise LibraryError(
                f"{self._missed_in_row} photographs in a row could not be downloaded. The last one: {skipped.reason} "
                "Check the network and where the photographs are, and run the same command again."
            )

    def _note_arrival(self) -> None:
        self._has_arrived, self._missed_in_row = True, 0
        self._record_refused()

    def _record_refused(self) -> None:
        for candidate, skipped in self._refused:
            self._ledger.add(candidate.key, skipped)
            self._report()
        self._refused.clear()

    def _find_reason(self, candidate: Candidate, picture: NewPicture) -> Skipped | None:
        """Return why a picture is not wanted: it was taken down, or is nearly the same as one found before."""
        name = printable(candidate.picture)
        credit = completed(picture, candidate).credit
        if is_barred(candidate, credit, self._barred):
            return skip_barred(name)
        if self._removed.has(picture.name, picture.fingerprint):
            return Skipped(name, TAKEN_DOWN, f"{name} was taken down from the library.")
        match = self._near.find(picture.fingerprint, picture.people, (picture.width, picture.height))
        if match is None:
            return None
        return Skipped(name, "near-duplicate", f"{name} is nearly the same picture as {self._names[match]}.")

    def _remember(self, picture: NewPicture) -> None:
        """Remember a picture, so that no other one is nearly the same."""
        size = picture.width, picture.height
        self._near.add(len(self._names), picture.fingerprint, picture.people, size)
        self._names.append(picture.credit.title or picture.name)

    def _downloads(self) -> AbstractContextManager[Downloads | None]:
        if self._options.dask is not None:  # its workers download what they scan
            return contextlib.nullcontext()
        return Downloads(self._ledger.folder / "downloads", self._options.connections)

    def _scanner(self) -> AbstractContextManager[PhotoScanner]:
        if self._options.dask is None:
            return PhotoWorkers(
                self._settings, self._options.workers, partial(save_picture, self._ledger.picture_folder)
            )
        from index.build.cluster import Cluster  # needs the extra `dask`

        cluster: AbstractContextManager[PhotoScanner] = Cluster(self._options.dask, self._settings)
        return cluster


@dataclass(frozen=True, slots=True)
class _Coming:
    """A wave whose downloads have been started."""

    candidates: list[Candidate]
    arrivals: Iterator[Arrival]


def _named(arrival: Arrival, result: ScanResult) -> ScanResult:
    """Return a result in which a skipped photograph has its own name, and not that of the download."""
    if not isinstance(result, Skipped):
        return result
    name = printable(arrival.candidate.picture)
    return replace(result, name=name, reason=result.reason.replace(result.name, name))
