"""`pose-mirror index build`: from photos, videos, tables, COCO and key-point files to a library.

Three times over what the sources hold: each photo is looked at, and what it gives is written into the journal; then
it is decided which of the pictures found are worth keeping beside the others; then the library is written, in the
order of the sources. So it comes out the same however many processes look, and however often they are stopped.
"""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from index import pictures
from index.build.choice import Shown, find_skipped, group_by_picture
from index.build.journal import Journal, ScanSettings, save_picture
from index.build.people import EstimatorFactory
from index.build.photo import Photo, Skipped
from index.build.photo_workers import REASONS, PhotoWorkers, ScanResult, is_video
from index.build.reference import reference_poses
from index.build.report import MAX_EXAMPLES, SkipSummary, write_report
from index.build.sources import Entry, Poses, read_sources
from index.build.writer import LibraryWriter
from index.library import LibraryError, read_removed_pictures
from index.manifest import REPORT_FILE
from index.pictures import PictureError
from models.progress import ProgressCallback
from models.text import printable

PROGRESS_INTERVAL: Final = 0.1
"""Seconds between two words of progress: telling takes time that the photos could have."""


class WriteError(OSError):
    """What a build writes cannot be written: one sentence that says why."""


class PhotoScanner(Protocol):
    """What looks at photos: `index.build.photo_workers.PhotoWorkers` on this machine, `index.build.cluster.Cluster` on others."""

    def scan(self, photos: Iterable[tuple[int, Photo]]) -> Generator[tuple[int, ScanResult], None, None]:
        """What each photo gives under its number, in any order."""
        ...


@dataclass(slots=True)
class BuildResult:
    """What came of a build: `items` people in `pictures` pictures of `scanned` photos, videos and poses.

    `resumed` of the photos were looked at by an earlier build that was stopped. `skips_by_kind` has, by the sort of reason,
    how many were skipped and the first of them; `report_file` is the report for people to read, where one was written.
    """

    out: Path
    items: int = 0
    indexed: int = 0
    pictures: int = 0
    scanned: int = 0
    resumed: int = 0
    seconds: float = 0.0
    skips_by_kind: dict[str, SkipSummary] = field(default_factory=dict)
    report_file: Path | None = None

    @property
    def skip_counts(self) -> dict[str, int]:
        """How many were skipped for each sort of reason, the most frequent first."""
        return {kind: one.count for kind, one in sorted(self.skips_by_kind.items(), key=lambda item: -item[1].count)}

    @property
    def skipped(self) -> list[Skipped]:
        """The first few of each sort, at most `index.build.report.MAX_EXAMPLES`, the most frequent sort first."""
        return [one for kind in self.skip_counts for one in self.skips_by_kind[kind].examples]

    def __str__(self) -> str:
        """Some lines for the terminal: what there is, and what was skipped and why."""
        rate = (self.scanned - self.resumed) / max(self.seconds, 1e-9)
        said = f", {rate:,.1f} a second" if rate >= 1 else ""  # a video takes its minutes
        before = f" ({self.resumed:,} of them before)" if self.resumed else ""
        lines = [
            f"{printable(self.out)}: {self.items:,} people in {self.pictures:,} pictures, "
            f"{self.indexed:,} of them can be found.",
            f"{self.scanned:,} looked at{before} in {self.seconds:.1f} s{said}; "
            f"{sum(self.skip_counts.values()):,} skipped.",
        ]
        for kind, count in self.skip_counts.items():
            lines.append(f"  {count:,} {kind}; the first: {self.skips_by_kind[kind].examples[0].reason}")
        if self.report_file is not None:
            what = (
                "More of each sort, and what the library is rich in"
                if self.skips_by_kind
                else "What the library is rich in"
            )
            lines.append(f"{what}: {printable(self.report_file)}")
        return "\n".join(lines)


def build(
    sources: Sequence[Path],
    out: Path,
    *,
    open_estimator: EstimatorFactory | None = None,
    model: tuple[str, str] | None = None,
    workers: int = 1,
    dask: str | None = None,
    images: Path | None = None,
    licences: Sequence[str] = (),
    fresh: bool = False,
    long_side: int = pictures.LONG_SIDE,
    progress: ProgressCallback | None = None,
) -> BuildResult:
    """Builds a library in the folder `skipped` from folders, pictures, videos, tables, COCO json and key-point .npz files.

    `open_estimator` opens what finds people in pictures (`index.build.people.estimator_factory`), in each of `workers` processes, or on
    the Dask cluster whose scheduler is at `dask`; without it only sources that bring their key points can be used.
    `model` is its name and sha256, for the manifest. `images` is where a COCO file's pictures are, when they are not
    where COCO puts them. With `licences`, pictures are taken only if theirs matches one of these patterns.

    What was looked at is kept beside `skipped` until the library is whole: a build that was stopped, killed too, goes on
    there, unless it is to begin `fresh`; one that had worked for less than a minute leaves nothing. `progress` is
    first told of what had been looked at before. A picture that is of no use is skipped and reported; whatever stops
    the build leaves the old library as it was. Raises ImportFailed for a source that cannot be used at all,
    LibraryError when nobody was found or `skipped` is no library, WriteFailed.
    """
    start = time.monotonic()
    tell = _ThrottledProgress(progress)
    plan = read_sources(sources, images, licences, has_estimator=open_estimator is not None)
    report = BuildResult(out)
    try:
        with (
            Journal(out, ScanSettings(open_estimator, model, long_side), fresh=fresh) as journal,
            LibraryWriter(out, long_side=long_side) as writer,
        ):
            with (
                ThreadPoolExecutor(1) as aside,
                _make_scanner(open_estimator, workers, dask, long_side, journal) as lookers,
            ):
                aside.submit(reference_poses)  # for the report, while this process has little to do
                keys = _scan_photos(plan, journal, lookers, tell)
            report.resumed = journal.resumed
            found = _Results(plan, keys, journal)
            removed = read_removed_pictures(out)
            tell("Choosing", 0, None)
            _write_results(found, find_skipped(found.pictures(), removed), writer, report, tell)
            for one in removed:
                writer.add_removed(*one)
            if not len(writer):
                raise LibraryError(f"No library was written to {printable(out)}: {_explain_empty(report)}.")
            by_finder = any(isinstance(one, Photo) and one.people is None for one in plan)
            models = (model,) if model is not None and by_finder else ()
            tell("Drawing the report", 0, None)
            write_report(
                writer, report.pictures, report.scanned, models=models, sources=sources, skipped=report.skips_by_kind
            )
            report.report_file = out / REPORT_FILE
            report.indexed = writer.finish(models, progress).indexed
            journal.done = True
    except OSError as error:
        raise _to_write_error(error, out) from error
    report.seconds = time.monotonic() - start
    return report


def _to_write_error(error: OSError, out: Path) -> OSError:
    """The error as a sentence; itself where it is one."""
    if isinstance(error, ChildProcessError):
        return WriteError(str(error))
    if error.errno is None and type(error) is not OSError:  # the finder's own
        return error
    if error.errno in (None, errno.ENOSPC, errno.EDQUOT):  # None: NumPy's and Annoy's do not say it
        return WriteError(f"There is no room left for {printable(out)}: make some, and give the same command again.")
    return WriteError(f"{printable(out)} cannot be written ({error.strerror}).")


class _ThrottledProgress:
    """Passes on how far the build is, not more often than somebody can see."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self._what, self._last = "", 0.0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._progress is not None and (
            what != self._what or done == total or now - self._last >= PROGRESS_INTERVAL
        ):
            self._progress(done, total, what)
            self._what, self._last = what, now


def _make_scanner(
    open_estimator: EstimatorFactory | None, workers: int, dask: str | None, long_side: int, journal: Journal
) -> AbstractContextManager[PhotoScanner]:
    if dask is None:
        return PhotoWorkers(open_estimator, workers, long_side, partial(save_picture, journal.picture_folder))
    from index.build.cluster import Cluster  # needs the extra `dask`

    cluster: AbstractContextManager[PhotoScanner] = Cluster(dask, open_estimator, long_side)
    return cluster


def _scan_photos(
    plan: Sequence[Entry], journal: Journal, scanner: PhotoScanner, tell: _ThrottledProgress
) -> list[bytes]:
    """Has every photo looked at of which the journal knows nothing; the key of each entry's result."""
    keys = [journal.key(entry) if isinstance(entry, Photo) else b"" for entry in plan]
    total = len(keys) - keys.count(b"")
    missing: list[tuple[int, Photo]] = []
    for number, (entry, key) in enumerate(zip(plan, keys, strict=True)):
        if isinstance(entry, Photo) and not journal.has(key):
            missing.append((number, entry))
        tell("Checking what was looked at before", number + 1, len(keys))
    done = total - len(missing)
    tell("Looking", done, total)
    with contextlib.closing(scanner.scan(missing)) as looked:
        for number, found in looked:
            journal.add(keys[number], found)
            done += 1
            tell("Looking", done, total)
    return keys


class _Results:
    """What the entries of a plan gave, in their order."""

    def __init__(self, plan: Sequence[Entry], keys: Sequence[bytes], journal: Journal) -> None:
        self._plan, self._keys, self._journal = plan, keys, journal

    def __len__(self) -> int:
        return len(self._plan)

    def __iter__(self) -> Iterator[tuple[Entry, list[Shown] | Skipped | Poses]]:
        for entry, key in zip(self._plan, self._keys, strict=True):
            yield entry, self._result(entry, key)

    def pictures(self) -> Iterator[Shown]:
        """All pictures that show somebody."""
        for _, result in self:
            if isinstance(result, list):
                yield from result

    def _result(self, entry: Entry, key: bytes) -> list[Shown] | Skipped | Poses:
        if not isinstance(entry, Photo):
            return entry
        name = printable(entry.file)
        found = self._journal.get(key, entry)
        if isinstance(found, list):
            return list(group_by_picture(f"a frame of {name}" if is_video(entry) else name, found))
        return found or Skipped(name, "cannot be read", f"{name} was looked at, and what was found is lost.")


def _write_results(
    results: _Results, skipped: dict[int, Skipped], writer: LibraryWriter, report: BuildResult, tell: _ThrottledProgress
) -> None:
    """Puts all that is not left `skipped` into the library, and the rest into the report."""
    place = 0
    for number, (entry, result) in enumerate(results):
        if isinstance(result, Poses):
            for item in result.items:
                writer.add(item)
                report.scanned += 1
                tell("Writing", len(writer), None)
            continue
        report.scanned += 1
        if isinstance(result, Skipped):
            _record_skip(report, result, entry)
            continue
        for picture in result:
            if place in skipped:
                _record_skip(report, skipped[place], picture)
            else:
                for item in picture.people:
                    writer.add(item)
                report.pictures += 1
            place += 1
        tell("Writing", number + 1, len(results))
    report.items = len(writer)


def _record_skip(report: BuildResult, skipped: Skipped, of: Entry | Shown) -> None:
    """Counts what was skipped; the first of each sort get a thumbnail, where they could be looked at."""
    examples = report.skips_by_kind.setdefault(skipped.kind, SkipSummary())
    if examples.count < MAX_EXAMPLES:
        file = of.picture.file if isinstance(of, Shown) else of.file if isinstance(of, Photo) else None
        if isinstance(file, Path) and (isinstance(of, Shown) or skipped.kind in REASONS):
            with contextlib.suppress(PictureError):
                small = pictures.load_picture(file, pictures.THUMBNAIL_SIZE).image
                skipped = replace(skipped, thumbnail=pictures.make_thumbnail(small))
    examples.add(skipped)


def _explain_empty(report: BuildResult) -> str:
    if not report.skips_by_kind:
        return "there is nothing in the sources"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in report.skip_counts.items())
    first = report.skipped[0].reason.rstrip(".")
    return f"of {report.scanned:,} looked at none is of use ({counts}; the first: {first})"
