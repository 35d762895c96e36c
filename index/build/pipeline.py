"""`pose-mirror index build`: from photos, videos, tables, COCO and key-point files to a library.

A build goes through its sources three times. It scans each photo and records the result in the journal; it chooses
which pictures to keep, without duplicates; it writes the library in the order of the sources. So the library is the
same however many workers scan, and however often the build is stopped.
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
from index.barred import Barred
from index.build.choice import find_skipped, skip_barred
from index.build.journal import Journal, save_picture
from index.build.orientation import ASSUMED_FRAME
from index.build.photo import NewPicture, Photo, Skipped, VideoProgress
from index.build.photo_workers import PhotoWorkers
from index.build.reference import reference_poses
from index.build.report import MAX_EXAMPLES, REMARKS, SkipSummary, write_report
from index.build.scan import REASONS, WITHOUT_ESTIMATOR, ScanResult, ScanSettings, is_video
from index.build.sources import Entry, Poses, read_sources
from index.build.swap import check_picture_count, check_replaceable
from index.build.writer import LibraryWriter
from index.errors import LibraryError
from index.library import read_taken_down
from index.manifest import REPORT_FILE, describe_people
from index.pictures import PictureError
from models import files
from models.progress import ProgressCallback
from models.text import printable

PROGRESS_INTERVAL: Final = 0.1
"""Seconds between two progress reports: nobody can read them faster, and each takes time from scanning."""


class WriteError(OSError):
    """A build cannot write its library. The text is one sentence that says why."""


class PhotoScanner(Protocol):
    """Scans photos: `index.build.photo_workers.PhotoWorkers` here, `index.build.cluster.Cluster` on other machines."""

    def scan(
        self, photos: Iterable[tuple[int, Photo]]
    ) -> Generator[tuple[int, ScanResult | VideoProgress], None, None]:
        """Scan numbered photos and yield each number with its result, in any order; of videos the progress before."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How a build works and what it leaves out.

    Photos are scanned in `workers` processes, or on the Dask cluster whose scheduler is at `dask`. `images` is the
    folder of a COCO file's pictures, if they are not where COCO puts them. With `licences`, pictures whose licence
    matches none of these patterns are skipped. `fresh` starts over instead of resuming a stopped build. With
    `collections`, the folders in a source are the collections of the photos in them.
    """

    workers: int = 1
    dask: str | None = None
    images: Path | None = None
    licences: Sequence[str] = ()
    fresh: bool = False
    collections: bool = False


@dataclass(slots=True)
class BuildResult:
    """What a build made: `items` people in `pictures` pictures, out of `scanned` photos, videos and poses.

    `indexed` of the people show enough key points to be found. `resumed` of the photos were scanned by an earlier build
    that was stopped. `skips_by_kind` counts the skipped photos by the kind of reason, with the first of each;
    `report_file` is the report in the library.
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
        """How many photos were skipped for each kind of reason, the most frequent first."""
        kinds = sorted(self.skips_by_kind.items(), key=lambda kind: -kind[1].count)
        return {kind: summary.count for kind, summary in kinds}

    @property
    def skipped(self) -> list[Skipped]:
        """The first skipped photos of each kind, at most `index.build.report.MAX_EXAMPLES`, in that order."""
        return [example for kind in self.skip_counts for example in self.skips_by_kind[kind].examples]

    def __str__(self) -> str:
        """Some lines for the terminal: what the library holds, and what was skipped and why."""
        rate = (self.scanned - self.resumed) / max(self.seconds, 1e-9)
        per_second = f", {rate:,.1f} per second" if rate >= 1 else ""  # a video takes minutes
        resumed = f" ({self.resumed:,} of them by an earlier build)" if self.resumed else ""
        lines = [
            f"{printable(self.out)}: {describe_people(self.items, self.indexed, self.pictures)}",
            f"{self.scanned:,} scanned{resumed} in {self.seconds:.1f} s{per_second}; "
            f"{sum(count for kind, count in self.skip_counts.items() if kind not in REMARKS):,} skipped.",
        ]
        for kind, count in self.skip_counts.items():
            lines.append(f"  {count:,} {kind}; the first: {self.skips_by_kind[kind].examples[0].reason}")
        if self.report_file is not None:
            contents = "What was skipped, and which poses there are" if self.skips_by_kind else "Which poses there are"
            lines.append(f"{contents}: {printable(self.report_file)}")
        return "\n".join(lines)


def build(
    sources: Sequence[Path],
    out: Path,
    settings: ScanSettings = WITHOUT_ESTIMATOR,
    options: BuildOptions = BuildOptions(),
    progress: ProgressCallback | None = None,
) -> BuildResult:
    """Build a library in the folder `out` from folders, pictures, videos, tables, COCO json and key-point .npz files.

    Without an estimator in `settings`, only sources with key points can be used. Photos that cannot be used are skipped
    and reported. Whatever stops the build leaves the old library as it was, and the scans so far in a journal next to
    `out`, so that the next build resumes there; a build of less than a minute leaves nothing. `progress` first tells
    how many photos an earlier build scanned.

    Raises SourceError if a source cannot be used at all, LibraryError if nobody was found or `out` holds something
    other than a library, and WriteError if the library cannot be written.
    """
    start = time.monotonic()
    report_progress = _ThrottledProgress(progress)
    has_estimator = settings.open_estimator is not None
    entries = read_sources(
        sources, options.images, options.licences, has_estimator=has_estimator, use_folders=options.collections
    )
    check_replaceable(out)
    check_picture_count(out, len(entries))
    result = BuildResult(out)
    try:
        with Journal(out, settings, fresh=options.fresh) as journal, LibraryWriter(out) as writer:
            removed, barred = read_taken_down(out)
            entries = _leave_out_barred(entries, barred)
            with ThreadPoolExecutor(1) as thread, _make_scanner(settings, options, journal) as scanner:
                thread.submit(reference_poses)  # the report needs them, and this process has little to do meanwhile
                keys = _scan_photos(entries, journal, scanner, report_progress)
            result.resumed = journal.resumed
            results = _Results(entries, keys, journal)
            report_progress("Removing duplicates", 0, None)
            skipped = find_skipped(results.pictures(), removed, barred)
            _write_results(results, skipped, writer, result, report_progress)
            for picture in removed:
                writer.add_removed(picture)
            writer.add_barred(barred)
            if not len(writer):
                raise LibraryError(f"No library was written to {printable(out)}: {_explain_empty(result)}.")
            used_estimator = any(isinstance(entry, Photo) and entry.people is None for entry in entries)
            models = (settings.model,) if settings.model is not None and used_estimator else ()
            report_progress("Drawing the report", 0, None)
            write_report(writer, result.scanned, models=models, sources=sources, skipped=result.skips_by_kind)
            result.report_file = out / REPORT_FILE
            result.indexed = writer.finish(models, progress).indexed
            journal.done = True
    except OSError as error:
        raise _to_write_error(error, out) from error
    result.seconds = time.monotonic() - start
    return result


def _to_write_error(error: OSError, out: Path) -> OSError:
    """Return the error as a WriteError with a remedy; or the error itself if the estimator raised it."""
    if isinstance(error, ChildProcessError):
        return WriteError(str(error))
    if error.errno is None and type(error) is not OSError:
        return error
    if error.errno in (None, errno.ENOSPC, errno.EDQUOT):  # NumPy and Annoy raise OSError without a number
        return WriteError(f"There is no space left for {printable(out)}: free some, and run the same command again.")
    return WriteError(f"{printable(out)} cannot be written ({files.explain(error, out) or error.strerror}).")


def _leave_out_barred(entries: Sequence[Entry], barred: Barred) -> list[Entry]:
    """Return the entries, skipping each photo that is known to be barred: it is neither fetched nor scanned.

    The author of another photo may stand in its own metadata, and it is skipped when it has been scanned.
    """
    return [
        skip_barred(printable(entry.file))
        if isinstance(entry, Photo) and barred.bars(entry.credit, entry.file if isinstance(entry.file, str) else None)
        else entry
        for entry in entries
    ]


class _ThrottledProgress:
    """Reports progress, but not more often than every `PROGRESS_INTERVAL` seconds."""

    def __init__(self, progress: ProgressCallback | None) -> None:
        self._progress = progress
        self._step, self._last_time = "", 0.0

    def __call__(self, step: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._progress is not None and (
            step != self._step or done == total or now - self._last_time >= PROGRESS_INTERVAL
        ):
            self._progress(done, total, step)
            self._step, self._last_time = step, now


def _make_scanner(
    settings: ScanSettings, options: BuildOptions, journal: Journal
) -> AbstractContextManager[PhotoScanner]:
    if options.dask is None:
        return PhotoWorkers(settings, options.workers, partial(save_picture, journal.picture_folder))
    from index.build.cluster import Cluster  # needs the extra `dask`

    cluster: AbstractContextManager[PhotoScanner] = Cluster(options.dask, settings)
    return cluster


def _scan_photos(
    entries: Sequence[Entry], journal: Journal, scanner: PhotoScanner, report_progress: _ThrottledProgress
) -> list[bytes]:
    """Scan every photo that the journal does not know. Return each entry's key in the journal, empty for poses."""
    keys = [journal.key(entry) if isinstance(entry, Photo) else b"" for entry in entries]
    total = len(keys) - keys.count(b"")
    missing: list[tuple[int, Photo]] = []
    for number, (entry, key) in enumerate(zip(entries, keys, strict=True)):
        if isinstance(entry, Photo) and not journal.has(key):
            missing.append((number, entry))
        report_progress("Checking earlier scans", number + 1, len(keys))
    done = total - len(missing)
    report_progress("Scanning photos", done, total)
    with contextlib.closing(scanner.scan(missing)) as results:
        videos: dict[int, VideoProgress] = {}  # those that are being scanned; each of their frames counts as a photo
        for number, result in results:
            before = videos.pop(number, VideoProgress(0, 1))
            if isinstance(result, VideoProgress):
                now = videos[number] = result
            else:
                journal.add(keys[number], result)
                now = VideoProgress(before.total, before.total)
            done += now.done - before.done
            total += now.total - before.total
            report_progress("Scanning photos", done, total)
    return keys


class _Results:
    """The results of all entries, in the order of the sources, read from the journal each time they are iterated."""

    def __init__(self, entries: Sequence[Entry], keys: Sequence[bytes], journal: Journal) -> None:
        self._entries, self._keys, self._journal = entries, keys, journal

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Entry, ScanResult | Poses]]:
        for entry, key in zip(self._entries, self._keys, strict=True):
            yield entry, self._result(entry, key)

    def pictures(self) -> Iterator[tuple[str, NewPicture]]:
        """Yield all pictures, each with what to call it in a sentence."""
        for entry, result in self:
            if isinstance(entry, Photo) and isinstance(result, list):
                name = printable(entry.file)
                for picture in result:
                    yield f"a frame of {name}" if is_video(entry) else name, picture

    def _result(self, entry: Entry, key: bytes) -> ScanResult | Poses:
        if not isinstance(entry, Photo):
            return entry
        name = printable(entry.file)
        return self._journal.get(key, entry) or Skipped(
            name, "cannot be read", f"{name} was scanned, but its result is lost: build again."
        )


def _write_results(
    results: _Results,
    skipped: dict[int, Skipped],
    writer: LibraryWriter,
    build_result: BuildResult,
    report_progress: _ThrottledProgress,
) -> None:
    """Write all pictures that are not `skipped`, by their place among the pictures, and all poses; count the rest."""
    place = 0
    for number, (entry, result) in enumerate(results):
        if isinstance(result, Poses):
            for pose in result.items:
                writer.add_pose(pose)
                build_result.scanned += 1
                report_progress("Writing", len(writer), None)
            continue
        build_result.scanned += result.count if isinstance(result, Skipped) else 1
        if isinstance(result, Skipped):
            file = entry.file if isinstance(entry, Photo) and result.kind in REASONS else None
            _record_skip(build_result, result, file)
            continue
        for picture in result:
            if place in skipped:
                _record_skip(build_result, skipped[place], picture.content)
            else:
                writer.add(picture)
                build_result.pictures += 1
                if picture.assumption and isinstance(entry, Photo):
                    name = printable(entry.file)
                    remark = Skipped(name, ASSUMED_FRAME, f"{name} is used: {picture.assumption}.")
                    _record_skip(build_result, remark, entry.file)
            place += 1
        report_progress("Writing", number + 1, len(results))
    build_result.items = len(writer)


def _record_skip(result: BuildResult, skipped: Skipped, file: Path | str | bytes | None) -> None:
    """Count a skipped photo. If it is among the first of its kind and `file` is its picture, add a thumbnail."""
    summary = result.skips_by_kind.setdefault(skipped.kind, SkipSummary())
    if summary.count < MAX_EXAMPLES and isinstance(file, Path):  # a URL is not fetched again for a thumbnail
        with contextlib.suppress(PictureError):
            small = pictures.load_picture(file, pictures.THUMBNAIL_SIZE).image
            skipped = replace(skipped, thumbnail=pictures.make_thumbnail(small))
    summary.add(skipped)


def _explain_empty(result: BuildResult) -> str:
    if not result.skips_by_kind:
        return "the sources hold no photos"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in result.skip_counts.items())
    first = result.skipped[0].reason.rstrip(".")
    return f"none of {result.scanned:,} photos can be used ({counts}; the first: {first})"
