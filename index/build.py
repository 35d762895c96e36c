"""`pose-mirror index build`: from photos, videos, COCO and key-point files to a library."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from index import pictures
from index.importers import VIDEOS, ImportFailed, Photo, Skipped, photos_in, photos_of_coco, poses_in, title_of
from index.importers import Credit as Credit
from index.library import LibraryError
from index.manifest import shown
from index.people import FinderFactory
from index.pictures import Stored
from index.video import frames_of
from index.workers import Found, Lookers
from index.writer import NewItem, Progress, Writer

Stream = Iterator[Photo | NewItem | Skipped]


@dataclass(slots=True)
class Report:
    """What came of a build: `items` people in `pictures` pictures of `looked_at` photos, frames and poses."""

    out: Path
    items: int = 0
    indexed: int = 0
    pictures: int = 0
    looked_at: int = 0
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many were skipped for each sort of reason, the most frequent first."""
        return dict(Counter(one.kind for one in self.skipped).most_common())

    def __str__(self) -> str:
        """Some lines for the terminal: what there is, and what was skipped and why."""
        rate = f", {self.looked_at / self.seconds:.1f} a second" if self.seconds > 0 else ""
        lines = [
            f"{shown(self.out)}: {self.items} people in {self.pictures} pictures, {self.indexed} of them can be found.",
            f"{self.looked_at} looked at in {self.seconds:.1f} s{rate}; {len(self.skipped)} skipped.",
        ]
        return "\n".join([*lines, *(f"  {count} {kind}" for kind, count in self.counts.items())])


def build(
    sources: Sequence[Path],
    out: Path,
    *,
    finder: FinderFactory | None = None,
    model: tuple[str, str] | None = None,
    workers: int = 1,
    images: Path | None = None,
    long_side: int = pictures.LONG_SIDE,
    progress: Progress | None = None,
) -> Report:
    """Builds a library in the folder `out` from folders, pictures, videos, COCO json and key-point .npz files.

    `finder` opens what finds people in pictures (`index.people.photo_finder`), in each of `workers` processes; without
    it only sources that bring their key points can be used. `model` is its name and sha256, for the manifest. `images`
    is where a COCO file's pictures are, when they are not where COCO puts them. The library comes out the same for any
    number of workers. A picture that is of no use is skipped and reported; whatever stops the build leaves the old
    library as it was. Raises ImportFailed for a source that cannot be used at all, LibraryError when nobody was found
    or `out` is no library, OSError when the disk is full.
    """
    start = time.monotonic()
    report = Report(out)
    streams = [_stream(source, images, finder is not None) for source in sources]
    total = None if any(count is None for count, _ in streams) else sum(count or 0 for count, _ in streams)
    with Writer(out, long_side=long_side) as writer, Lookers(finder, max(1, workers), long_side) as lookers:
        pictures_seen: dict[str, str] = {}
        for source, (_, stream) in zip(sources, streams, strict=True):
            found = lookers.look(stream) if stream is not None else _frames(source, lookers, long_side)
            with closing(found):
                for one in found:
                    report.looked_at += 1
                    _take(one, writer, report, pictures_seen)
                    if progress is not None:
                        progress(report.looked_at, total, shown(source.name))
        report.items, report.pictures = len(writer), len(pictures_seen)
        if not len(writer):
            raise LibraryError(f"No library was written to {shown(out)}: {_why_nothing(report)}.")
        report.indexed = writer.finish([model] if model else [], progress).indexed
    report.seconds = time.monotonic() - start
    return report


def _stream(source: Path, images: Path | None, can_look: bool) -> tuple[int | None, Stream | None]:
    """How many there are in a source (None: not known) and each of them (None: a video). Raises ImportFailed."""
    suffix = source.suffix.lower()
    if source.is_dir():
        found = list(photos_in(source))
        needs_a_model = any(isinstance(one, Photo) for one in found)
        count, stream = len(found), iter(found)
    elif not source.exists():
        raise ImportFailed(f"{shown(source)} does not exist: name a folder, a picture, a video, a .json or an .npz.")
    elif suffix == ".npz":
        return poses_in(source)
    elif suffix == ".json":
        return photos_of_coco(source, images)
    elif suffix in VIDEOS:
        needs_a_model, count, stream = True, None, None
    else:
        needs_a_model, count, stream = True, 1, iter([Photo(source, Credit(title=title_of(source)))])
    if needs_a_model and not can_look:
        raise ImportFailed(f"{shown(source)} holds pictures, and no model was given to find the people in them.")
    return count, stream


def _frames(source: Path, lookers: Lookers, long_side: int) -> Generator[Found, None, None]:
    finder = lookers.finder()
    assert finder is not None, "checked by _stream"
    yield from frames_of(source, finder, long_side)


def _take(found: Found, writer: Writer, report: Report, sources: dict[str, str]) -> None:
    """Puts what a photo gave into the library, unless that very picture is in it; `sources` says what came before."""
    if isinstance(found, Skipped):
        report.skipped.append(found)
        return
    stored = found[0].picture
    if isinstance(stored, Stored):
        name, source = stored.name, found[0].title or "a picture"
        if name in sources:
            report.skipped.append(Skipped(source, "duplicate", f"{source} is the same picture as {sources[name]}."))
            return
        sources[name] = source
    for item in found:
        writer.add(item)


def _why_nothing(report: Report) -> str:
    if not report.skipped:
        return "there is nothing in the sources"
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts.items())
    return (
        f"of {report.looked_at} looked at none is of use ({counts}; the first: {report.skipped[0].reason.rstrip('.')})"
    )
