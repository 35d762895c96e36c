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
from index.build.choice import Shown, by_picture, left_out
from index.build.journal import Journal, Settings, kept
from index.build.people import FinderFactory
from index.build.photo import Photo, Skipped
from index.build.photo_workers import REASONS, Found, Lookers, is_video
from index.build.reference import references
from index.build.report import EXAMPLES, Examples, write_report
from index.build.sources import Entry, Poses, entries
from index.build.writer import Progress, Writer
from index.library import LibraryError, removed_at
from index.manifest import REPORT, shown
from index.pictures import PictureError

TOLD: Final = 0.1
"""Seconds between two words of progress: telling takes time that the photos could have."""


class WriteFailed(OSError):
    """What a build writes cannot be written: one sentence that says why."""


class Looks(Protocol):
    """What looks at photos: `index.build.photo_workers.Lookers` on this machine, `index.build.cluster.Cluster` on others."""

    def look(self, photos: Iterable[tuple[int, Photo]]) -> Generator[tuple[int, Found], None, None]:
        """What each photo gives under its number, in any order."""
        ...


@dataclass(slots=True)
class Report:
    """What came of a build: `items` people in `pictures` pictures of `looked_at` photos, videos and poses.

    `resumed` of the photos were looked at by an earlier build that was stopped. `kinds` has, by the sort of reason,
    how many were skipped and the first of them; `page` is the report for people to read, where one was written.
    """

    out: Path
    items: int = 0
    indexed: int = 0
    pictures: int = 0
    looked_at: int = 0
    resumed: int = 0
    seconds: float = 0.0
    kinds: dict[str, Examples] = field(default_factory=dict)
    page: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many were skipped for each sort of reason, the most frequent first."""
        return {kind: one.count for kind, one in sorted(self.kinds.items(), key=lambda item: -item[1].count)}

    @property
    def skipped(self) -> list[Skipped]:
        """The first few of each sort, at most `index.build.report.EXAMPLES`, the most frequent sort first."""
        return [one for kind in self.counts for one in self.kinds[kind].some]

    def __str__(self) -> str:
        """Some lines for the terminal: what there is, and what was skipped and why."""
        rate = (self.looked_at - self.resumed) / max(self.seconds, 1e-9)
        said = f", {rate:,.1f} a second" if rate >= 1 else ""  # a video takes its minutes
        before = f" ({self.resumed:,} of them before)" if self.resumed else ""
        lines = [
            f"{shown(self.out)}: {self.items:,} people in {self.pictures:,} pictures, "
            f"{self.indexed:,} of them can be found.",
            f"{self.looked_at:,} looked at{before} in {self.seconds:.1f} s{said}; "
            f"{sum(self.counts.values()):,} skipped.",
        ]
        for kind, count in self.counts.items():
            lines.append(f"  {count:,} {kind}; the first: {self.kinds[kind].some[0].reason}")
        if self.page is not None:
            what = "More of each sort, and what the library is rich in" if self.kinds else "What the library is rich in"
            lines.append(f"{what}: {shown(self.page)}")
        return "\n".join(lines)


def build(
    sources: Sequence[Path],
    out: Path,
    *,
    finder: FinderFactory | None = None,
    model: tuple[str, str] | None = None,
    workers: int = 1,
    dask: str | None = None,
    images: Path | None = None,
    licences: Sequence[str] = (),
    fresh: bool = False,
    long_side: int = pictures.LONG_SIDE,
    progress: Progress | None = None,
) -> Report:
    """Builds a library in the folder `out` from folders, pictures, videos, tables, COCO json and key-point .npz files.

    `finder` opens what finds people in pictures (`index.build.people.photo_finder`), in each of `workers` processes, or on
    the Dask cluster whose scheduler is at `dask`; without it only sources that bring their key points can be used.
    `model` is its name and sha256, for the manifest. `images` is where a COCO file's pictures are, when they are not
    where COCO puts them. With `licences`, pictures are taken only if theirs matches one of these patterns.

    What was looked at is kept beside `out` until the library is whole: a build that was stopped, killed too, goes on
    there, unless it is to begin `fresh`; one that had worked for less than a minute leaves nothing. `progress` is
    first told of what had been looked at before. A picture that is of no use is skipped and reported; whatever stops
    the build leaves the old library as it was. Raises ImportFailed for a source that cannot be used at all,
    LibraryError when nobody was found or `out` is no library, WriteFailed.
    """
    start = time.monotonic()
    tell = _Teller(progress)
    plan = entries(sources, images, licences, can_look=finder is not None)
    report = Report(out)
    try:
        with (
            Journal(out, Settings(finder, model, long_side), fresh=fresh) as journal,
            Writer(out, long_side=long_side) as writer,
        ):
            with ThreadPoolExecutor(1) as aside, _lookers(finder, workers, dask, long_side, journal) as lookers:
                aside.submit(references)  # for the report, while this process has little to do
                keys = _look(plan, journal, lookers, tell)
            report.resumed = journal.resumed
            found = _Results(plan, keys, journal)
            removed = removed_at(out)
            tell("Choosing", 0, None)
            _write(found, left_out(found.pictures(), removed), writer, report, tell)
            for one in removed:
                writer.remove(*one)
            if not len(writer):
                raise LibraryError(f"No library was written to {shown(out)}: {_why_nothing(report)}.")
            by_finder = any(isinstance(one, Photo) and one.people is None for one in plan)
            models = (model,) if model is not None and by_finder else ()
            tell("Drawing the report", 0, None)
            write_report(
                writer, report.pictures, report.looked_at, models=models, sources=sources, skipped=report.kinds
            )
            report.page = out / REPORT
            report.indexed = writer.finish(models, progress).indexed
            journal.done = True
    except OSError as error:
        raise _of_writing(error, out) from error
    report.seconds = time.monotonic() - start
    return report


def _of_writing(error: OSError, out: Path) -> OSError:
    """The error as a sentence; itself where it is one."""
    if isinstance(error, ChildProcessError):
        return WriteFailed(str(error))
    if error.errno is None and type(error) is not OSError:  # the finder's own
        return error
    if error.errno in (None, errno.ENOSPC, errno.EDQUOT):  # None: NumPy's and Annoy's do not say it
        return WriteFailed(f"There is no room left for {shown(out)}: make some, and give the same command again.")
    return WriteFailed(f"{shown(out)} cannot be written ({error.strerror}).")


class _Teller:
    """Passes on how far the build is, not more often than somebody can see."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._what, self._last = "", 0.0

    def __call__(self, what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if self._progress is not None and (what != self._what or done == total or now - self._last >= TOLD):
            self._progress(done, total, what)
            self._what, self._last = what, now


def _lookers(
    finder: FinderFactory | None, workers: int, dask: str | None, long_side: int, journal: Journal
) -> AbstractContextManager[Looks]:
    if dask is None:
        return Lookers(finder, workers, long_side, partial(kept, journal.pictures))
    from index.build.cluster import Cluster  # needs the extra `dask`

    cluster: AbstractContextManager[Looks] = Cluster(dask, finder, long_side)
    return cluster


def _look(plan: Sequence[Entry], journal: Journal, lookers: Looks, tell: _Teller) -> list[bytes]:
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
    with contextlib.closing(lookers.look(missing)) as looked:
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
        name = shown(entry.file)
        found = self._journal.found(key, entry)
        if isinstance(found, list):
            return list(by_picture(f"a frame of {name}" if is_video(entry) else name, found))
        return found or Skipped(name, "cannot be read", f"{name} was looked at, and what was found is lost.")


def _write(results: _Results, out: dict[int, Skipped], writer: Writer, report: Report, tell: _Teller) -> None:
    """Puts all that is not left `out` into the library, and the rest into the report."""
    place = 0
    for number, (entry, result) in enumerate(results):
        if isinstance(result, Poses):
            for item in result.items:
                writer.add(item)
                report.looked_at += 1
                tell("Writing", len(writer), None)
            continue
        report.looked_at += 1
        if isinstance(result, Skipped):
            _skip(report, result, entry)
            continue
        for picture in result:
            if place in out:
                _skip(report, out[place], picture)
            else:
                for item in picture.people:
                    writer.add(item)
                report.pictures += 1
            place += 1
        tell("Writing", number + 1, len(results))
    report.items = len(writer)


def _skip(report: Report, skipped: Skipped, of: Entry | Shown) -> None:
    """Counts what was skipped; the first of each sort get a thumbnail, where they could be looked at."""
    examples = report.kinds.setdefault(skipped.kind, Examples())
    if examples.count < EXAMPLES:
        file = of.picture.file if isinstance(of, Shown) else of.file if isinstance(of, Photo) else None
        if isinstance(file, Path) and (isinstance(of, Shown) or skipped.kind in REASONS):
            with contextlib.suppress(PictureError):
                small = pictures.load(file, pictures.THUMBNAIL).image
                skipped = replace(skipped, thumbnail=pictures.thumbnail(small))
    examples.add(skipped)


def _why_nothing(report: Report) -> str:
    if not report.kinds:
        return "there is nothing in the sources"
    counts = ", ".join(f"{count:,} {kind}" for kind, count in report.counts.items())
    first = report.skipped[0].reason.rstrip(".")
    return f"of {report.looked_at:,} looked at none is of use ({counts}; the first: {first})"
