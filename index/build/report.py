"""report.html: what a library holds, which poses it covers, and what the build skipped and why."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from index import pictures
from index.build import indexes
from index.build.coverage import STYLE as COVERAGE_STYLE
from index.build.coverage import measure_coverage, render_coverage
from index.build.orientation import ASSUMED_FRAME
from index.build.photo import Skipped
from index.build.writer import LibraryWriter
from index.library import Item
from index.manifest import REPORT_FILE
from index.pictures import PictureError
from models.pose import EDGES, LEFT_SHOULDER, Floats
from models.text import printable

MAX_EXAMPLES: Final = 12
"""Maximum number of skipped photos shown for each kind of reason."""

MAX_THUMBNAILS: Final = 200
"""Maximum number of pictures on the contact sheet. It keeps the page small enough to send by mail."""

REMARKS: Final = frozenset((ASSUMED_FRAME,))
"""Kinds that the report counts with those of skipped photos, although nothing was skipped."""

ADVICE: Final = {
    ASSUMED_FRAME: "Viewers turn these photos by their EXIF orientation, and nothing says whether their labels are for "
    "the pixels before or after. They are used: check that nobody has arms for legs.",
    "no person": "No people were found. People who are upside down, half hidden or very small are easily missed.",
    "too small": "These photos have too few pixels for a display: use the originals instead of thumbnails.",
    "person too small": "The people are too small to be seen across a room: crop the photos.",
    "crowd": "With so many people a visitor cannot tell whose pose is meant: crop the photos to one or a few people.",
    "too few points": "Too little of each person is visible: choose photos that show shoulders, arms and hips.",
    "blurred": "The people are blurred, by movement or poor focus: a shorter exposure helps.",
    "duplicate": "The same photo occurs more than once. One copy is in the library, so there is nothing to do.",
    "near-duplicate": "Another photo of the same moment is in the library. The larger of the two was kept.",
    "taken down": "These, or others of their author, were taken down from this library, and stay out. A library with "
    "another name accepts them.",
    "other licence": "Their licence is unknown, or is not among those that --licence allows.",
    "wrong size": "The labels belong to photos of another size or shape: name the folder with the original photos.",
    "video": "Videos in folders are not read: name each video as a source.",
    "archive": "These archives, or files in them, cannot be read: unpack them, and name the folder.",
    "not a video": "No frames could be read: check that the videos play, or convert them to MP4.",
    "not a picture": "These are not images that can be read: save them as JPEG or PNG.",
    "raw": "What a camera's sensor recorded cannot be shown: export these photos as JPEG from your photo program.",
    "not a row": "These rows of a table could not be read: correct them.",
    "unknown column": "These columns are not known, and their values were not used: check how they are spelled.",
    "no picture": "These rows or labels name no picture that is known, so they were not used.",
    "no key points": "These labels show no pose: they have a box only, or no key point, or are of a crowd.",
    "other key points": "These labels are not of people, or have other key points than COCO's 17.",
    "repeated label": "The same person is labelled more than once. One label was used, so there is nothing to do.",
    "not a label": "These labels could not be read: correct them.",
    "not a table": "These tables could not be read: check that they are CSV or JSON Lines with the columns needed.",
    "damaged": "These files are incomplete or corrupted: copy them again from the original.",
    "unreachable": "These URLs could not be reached: check the network, and run the same command again.",
    "cannot be read": "These files could not be opened: check that they exist and that you are allowed to read them.",
    "too large": "These photos are too large for the memory of a Raspberry Pi: save them at a smaller size.",
    "adds little": "These photographs were given back: others that are kept answer their poses already.",
    "gone": "Their servers no longer have them.",
    "pose not changed": "In these frames the person still holds the pose of a frame that was kept.",
}
"""What each kind of reason means, and what to do about it."""

# The colours are those of docs/reference/looks.md, and on a light page those of the drawings in the documents.
STYLE: Final = """
:root { color-scheme: light dark; --ground: #fbfaf6; --ink: #23303d; --soft: #5d6975; --line: #dcdfe1; --pose: #56d6de }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #101218; --ink: #faf6ec; --soft: #9ea0a6; --line: #262b38 }
}
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { margin: 0; font-size: 2rem; line-height: 1.2 }
h2 { margin: 3rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--line); break-after: avoid }
h3 { font-size: 1.05rem }
p { max-width: 46rem; margin: .4rem 0 }
.soft, small, dt { color: var(--soft) }
.facts { display: flex; flex-wrap: wrap; gap: 1rem 2.4rem; margin: 1.4rem 0 }
.facts div { display: flex; flex-direction: column-reverse }
.facts dt { font-size: .85rem }
.facts dd { margin: 0; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums }
.sheet { --row: 7.5rem; display: flex; flex-wrap: wrap; gap: 4px; margin: .8rem 0 0; padding: 0; list-style: none }
.sheet::after { content: ""; flex: 1000 1 0 }
.sheet li { position: relative; height: var(--row); flex: var(--ratio) 1 calc(var(--ratio) * var(--row));
  max-width: calc(var(--ratio) * var(--row) * 1.35); overflow: hidden; border-radius: 4px; break-inside: avoid }
.sheet img, .sheet svg { position: absolute; width: 100%; height: 100%; object-fit: cover }
.sheet path { fill: none; stroke: var(--pose); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round;
  vector-effect: non-scaling-stroke; opacity: .9 }
.sheet path.under { stroke: #000; stroke-width: 3.8; opacity: .35 }
.sheet svg { transition: opacity .2s }
.sheet li:hover svg, #bare:checked ~ .sheet svg { opacity: 0 }
.skipped { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); margin: .6rem 0 0;
  padding: 0; list-style: none; font-size: .8rem; line-height: 1.3 }
.skipped li { break-inside: avoid }
.skipped img { display: block; max-width: 100%; height: 7rem; object-fit: contain; object-position: left bottom;
  border-radius: 4px; margin-bottom: .3rem }
.skipped .wide { grid-column: 1 / -1 }
.bar { display: flex; gap: 2px; height: .7rem; margin: .8rem 0 1.2rem }
.bar i { background: var(--soft); border-radius: 2px; min-width: 2px }
.bar i:first-child { background: #0f7c8a }
@media (max-width: 40rem) { .sheet { --row: 5.2rem } }
@media print {
  :root { --ground: #fff }
  .sheet { --row: 5.2rem }
  .coverage .poses { grid-template-columns: repeat(auto-fill, minmax(3.8rem, 1fr)) }
  body { max-width: none; padding: 0 } label, #bare { display: none }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """The facts at the top of the page.

    `people` counts the people in the `pictures` pictures, and `indexed` those of them who can be found. `scanned`
    counts the photos and frames that the build scanned; it is 0 for a library that was changed, not built. `sources`
    are names for display. `models` are the name and sha256 of each estimator that found the people, empty where all
    were labelled.
    """

    people: int
    indexed: int
    pictures: int
    scanned: int
    sources: Sequence[str] = ()
    models: Sequence[tuple[str, str]] = ()


@dataclass(slots=True)
class SkipSummary:
    """How many photos were skipped for one kind of reason, and the first of them."""

    count: int = 0
    examples: list[Skipped] = field(default_factory=list)

    def add(self, skipped: Skipped) -> None:
        """Count one more photo, or those it stands for, and keep it if there are fewer than `MAX_EXAMPLES`."""
        self.count += skipped.count
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(skipped)


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """One picture of the contact sheet: a small JPEG, its size, its people (P×17×3 in its pixels) and its title."""

    jpeg: bytes
    width: int
    height: int
    people: Floats
    title: str


def contact_sheet(items: Iterable[Item], keypoints: Floats, picture_count: int) -> list[Thumbnail]:
    """Return thumbnails of at most `MAX_THUMBNAILS` of a library's pictures, spread evenly over it.

    `items` are in the library's order, `keypoints` are N×17×3, and `picture_count` is the number of different pictures.
    Pictures that cannot be read are skipped.
    """
    count = min(picture_count, MAX_THUMBNAILS)
    places = {number * picture_count // count for number in range(count)}
    with_pictures = groupby((item for item in items if item.picture is not None), lambda item: item.picture)
    chosen = [list(people) for place, (_, people) in enumerate(with_pictures) if place in places]
    with ThreadPoolExecutor() as threads:  # decoding releases the interpreter's lock
        thumbnails = threads.map(lambda people: _make_thumbnail(people, keypoints), chosen)
        return [thumbnail for thumbnail in thumbnails if thumbnail is not None]


def write_report(
    writer: LibraryWriter,
    scanned: int,
    *,
    models: Sequence[tuple[str, str]],
    sources: Sequence[Path | str] = (),
    skipped: Mapping[str, SkipSummary] | None = None,
    more_html: str = "",
) -> None:
    """Add the page to a library that is being written, once all its people are added.

    The page describes the library, not the build, so the same photos give the same page. `scanned`, `models` and
    `sources` are as in `ReportFacts`; `skipped` is by kind of reason; `more_html` is a section before the poses.
    """
    keypoints = writer.keypoints()
    facts = ReportFacts(
        people=len(writer),
        indexed=indexes.count_findable(keypoints),
        pictures=writer.picture_count,
        scanned=scanned,
        sources=[printable(source) for source in sources],
        models=models,
    )
    sheet = contact_sheet(writer.items(), keypoints, writer.picture_count)
    coverage_html = render_coverage(measure_coverage(keypoints))
    html = render_report(printable(writer.out.name), facts, sheet, coverage_html, skipped or {}, more_html)
    writer.write_page(REPORT_FILE, html)


def render_report(
    title: str,
    facts: ReportFacts,
    sheet: Sequence[Thumbnail],
    coverage_html: str,
    skipped: Mapping[str, SkipSummary],
    more_html: str = "",
) -> str:
    """Return the report as one HTML page, which needs no other file, no network and no script.

    `sheet` is from `contact_sheet`, `coverage_html` from `index.build.coverage.render_coverage`; `skipped` is by kind
    of reason. `more_html` comes before the poses.
    """
    name = _escape_line(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f'<meta name="viewport" content="width=device-width">\n<title>{name}</title>\n'
        f"<style>{STYLE}{COVERAGE_STYLE}</style>\n<h1>{name}</h1>\n{_render_facts(facts)}"
        f"{_render_sheet(sheet, facts.pictures)}{more_html}<h2>Poses</h2>\n{coverage_html}"
        f"{_render_skipped(facts.scanned, skipped)}</html>\n"
    )


def _make_thumbnail(people: Sequence[Item], keypoints: Floats) -> Thumbnail | None:
    """Return the thumbnail of the picture that these people are in; None when the picture cannot be read."""
    file = people[0].picture
    assert file is not None
    try:
        small = pictures.load_picture(file, pictures.THUMBNAIL_SIZE).image
    except PictureError:
        return None
    height, width = small.shape[:2]
    points = np.array([keypoints[item.number] for item in people], np.float32)
    points[:, :, :2] *= np.array([width / people[0].width, height / people[0].height], np.float32)
    return Thumbnail(pictures.make_thumbnail(small), width, height, points, people[0].title or "")


def _render_facts(facts: ReportFacts) -> str:
    numbers = {"people": facts.people, "people who can be found": facts.indexed}
    if facts.pictures:
        numbers = {"pictures": facts.pictures, **numbers}
    if facts.scanned:
        numbers["photos and frames scanned"] = facts.scanned
    tiles = "".join(f"<div><dt>{name}</dt><dd>{number:,}</dd></div>" for name, number in numbers.items())
    sentences = []
    if facts.sources:
        sentences.append("Sources: " + ", ".join(map(_escape_line, facts.sources)) + ".")
    if facts.models:
        names = ", ".join(_escape_line(name) for name, _ in facts.models)
        sentences.append(f"The people were found by {names}.")
    return f'<dl class="facts">{tiles}</dl>\n<p class="soft">{" ".join(sentences)}</p>\n'


def _render_sheet(sheet: Sequence[Thumbnail], picture_count: int) -> str:
    if not sheet:
        return ""
    selection = f"{len(sheet):,} of {picture_count:,} pictures, spread evenly over the library."
    caption = selection if len(sheet) < picture_count else "All pictures in the library."
    tiles = "".join(map(_render_tile, sheet))
    return (
        f'<h2>Pictures</h2>\n<p class="soft">{caption}</p>\n<input type="checkbox" id="bare"> '
        f'<label for="bare">hide the poses</label>\n<ul class="sheet">\n{tiles}</ul>\n'
    )


def _render_tile(thumbnail: Thumbnail) -> str:
    width, height, title = thumbnail.width, thumbnail.height, _escape_line(thumbnail.title)
    lines = "".join(map(_skeleton_path, thumbnail.people))
    return (
        f'<li style="--ratio:{width / height:.3f}"><img alt="{title}" src="{_data_url(thumbnail.jpeg)}">'
        f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="xMidYMid slice"><title>{title}</title>'
        f'<path class="under" d="{lines}"/><path d="{lines}"/></svg></li>\n'
    )


def _skeleton_path(person: Floats) -> str:
    """Return an SVG path along the edges with both ends seen, without the face's: at this size they would be a blot."""
    points = person[:, :2].round().astype(int).tolist()
    return "".join(
        f"M{points[a][0]} {points[a][1]}L{points[b][0]} {points[b][1]}"
        for a, b in EDGES
        if a >= LEFT_SHOULDER and person[a, 2] > 0 and person[b, 2] > 0
    )


def _render_skipped(scanned: int, skipped: Mapping[str, SkipSummary]) -> str:
    total = sum(summary.count for kind, summary in skipped.items() if kind not in REMARKS)
    if not scanned and not skipped:  # a library that was changed, not built
        return ""
    if not skipped:
        return '<h2>Skipped</h2>\n<p class="soft">Nothing was skipped.</p>\n'
    by_count = sorted(skipped.items(), key=lambda entry: -entry[1].count)
    bar = "".join(
        f'<i style="flex:{count}" title="{_escape_line(name)}: {count:,}"></i>'
        for name, count in [
            ("used", max(scanned - total, 0)),
            *((kind, summary.count) for kind, summary in by_count),
        ]
    )
    caption = f"{total:,} of {max(scanned, total):,} photos, frames, rows and labels were skipped, for these reasons:"
    if not total:
        caption = "Nothing was skipped."
    kinds = "".join(_render_kind(kind, summary) for kind, summary in by_count)
    return f'<h2>Skipped</h2>\n<p class="soft">{caption}</p>\n<div class="bar">{bar}</div>\n{kinds}'


def _render_kind(kind: str, summary: SkipSummary) -> str:
    tiles = "".join(map(_render_example, summary.examples[:MAX_EXAMPLES]))
    more = summary.count - len(summary.examples)
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    heading = f"{_escape_line(kind[:1].upper() + kind[1:])} <small>{summary.count:,}</small>"
    advice = f"<p>{ADVICE[kind]}</p>\n" if kind in ADVICE else ""
    return f'<h3>{heading}</h3>\n{advice}<ul class="skipped">\n{tiles}{rest}</ul>\n'


def _render_example(skipped: Skipped) -> str:
    name = _escape_line(os.path.basename(skipped.name.rstrip("/")) or skipped.name)
    reason = escape(" ".join(printable(skipped.reason).split()))  # whole, however long the paths in it are
    if skipped.thumbnail is None:
        return f'<li class="wide">{reason}</li>\n'
    return f'<li title="{reason}"><img alt="" src="{_data_url(skipped.thumbnail)}">{name}</li>\n'


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _escape_line(text: str) -> str:
    """Return any text as HTML in one line, without unprintable characters."""
    return escape(pictures.clean_text(text) or "")
