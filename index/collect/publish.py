"""Make a library from its ledger."""

from __future__ import annotations

from pathlib import Path

from index.build.choice import find_skipped
from index.build.photo import Skipped
from index.build.report import MAX_EXAMPLES, SkipSummary, write_report
from index.build.swap import check_picture_count
from index.build.writer import LibraryWriter
from index.collect.curve import MAX_POINTS, render_curve
from index.collect.ledger import KEPT, Ledger
from index.errors import LibraryError
from index.library import read_taken_down
from index.manifest import Manifest
from models.progress import ProgressCallback
from models.text import printable


def publish(ledger: Ledger, out: Path, count: int, progress: ProgressCallback | None = None) -> Manifest:
    """Write the library `out` from the first `count` pictures that were kept, and return its manifest.

    What was taken down from the library stays down, and near-duplicates are left out. Raises LibraryError if nothing
    is left, and OSError if the disk is full.
    """
    pictures, skips = list(ledger.pictures(KEPT, limit=count)), _summaries(ledger)
    check_picture_count(out, len(pictures))
    taken_down = read_taken_down(out)
    named = ((picture.credit.title or picture.name, picture) for picture in pictures)
    skipped = find_skipped(named, taken_down.pictures, taken_down.barred)
    with LibraryWriter(out) as writer:
        for place, picture in enumerate(pictures):
            if place in skipped:
                _skip(skips, skipped[place])
                continue
            writer.add(picture)
            if progress is not None:
                progress(place + 1, len(pictures), "Writing")
        for removed in taken_down.pictures:
            writer.add_removed(removed)
        writer.add_barred(taken_down.barred)
        if not len(writer):
            raise LibraryError(f"No library was written to {printable(out)}: {_why_nothing(skips)}")
        curve, sources = render_curve(*_curve(ledger, progress)), [ledger.source]
        write_report(writer, ledger.count(), models=ledger.models, sources=sources, skipped=skips, more_html=curve)
        return writer.finish(ledger.models, progress)


def _curve(ledger: Ledger, progress: ProgressCallback | None) -> tuple[int, list[tuple[int, float]]]:
    """Return how many photographs were looked at, and the curve of coverage by photographs kept."""
    waves = ledger.waves()
    if progress is not None:
        progress(0, None, "Measuring the coverage")
    step = -(-len(waves) // MAX_POINTS) or 1
    counts = [wave.kept for wave in [*waves[:-1:step], *waves[-1:]]]
    return ledger.count(), list(zip(counts, ledger.selection().curve(counts), strict=True))


def _why_nothing(skips: dict[str, SkipSummary]) -> str:
    """Return why no picture is left, as the end of a sentence: the commonest reason, with an example."""
    if not skips:
        return "no photograph was looked at."
    commonest = max(skips.values(), key=lambda summary: summary.count)
    reason = f" The commonest reason: {commonest.examples[0].reason}" if commonest.examples else ""
    return f"no photograph is left.{reason}"


def _summaries(ledger: Ledger) -> dict[str, SkipSummary]:
    return {kind: SkipSummary(count, examples) for kind, (count, examples) in ledger.skips(MAX_EXAMPLES).items()}


def _skip(skips: dict[str, SkipSummary], skipped: Skipped) -> None:
    skips.setdefault(skipped.kind, SkipSummary()).add(skipped)
