"""The page that a maker opens after a build: what is in the library, which poses it has, what was skipped and why."""

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
from index.build.photo import Skipped
from index.build.writer import LibraryWriter
from index.library import Item
from index.manifest import REPORT_FILE
from index.pictures import PictureError
from models.pose import EDGES, Floats
from models.text import format_duration, printable

MAX_EXAMPLES: Final = 12
"""Of each kind of reason that many skipped pictures are shown."""

MAX_THUMBNAILS: Final = 200
"""Of the library's pictures at most that many are on the contact sheet."""

ADVICE: Final = {
    "no person": "Nobody was found in these. Somebody upside down, half hidden or very small is easily missed.",
    "too small": "These pictures have too few pixels for a display: use the originals instead of thumbnails.",
    "person too small": "The people in these are too small to be seen across a room: crop the pictures to them.",
    "crowd": "A visitor would not know who of so many people is meant: crop the pictures to one or a few.",
    "too few points": "Too little of a person is seen to tell a pose: take pictures with shoulders, arms and hips.",
    "blurred": "Whoever these show is blurred, by movement or by the focus: a shorter exposure helps.",
    "duplicate": "The very same picture is in the library already: nothing is lost, and nothing needs to be done.",
    "near-duplicate": "Another picture of the same moment is in the library, and the larger of the two was kept.",
    "taken down": "These were removed from this library, and stay away: a library of another name takes them.",
    "other licence": "These have another licence than those asked for with --licence, or none that is known.",
    "wrong size": "The labels were made for pictures of another size or shape: name the folder with the right ones.",
    "video": "Videos in folders are left alone: name each as a source of its own.",
    "not a video": "These hold no frames that can be read: see that they play, or convert them to MP4.",
    "not a picture": "These are no pictures of a sort that is read here: save them as JPEG or PNG.",
    "not a table": "These tables could not be read: see that they are CSV or JSON lines with the columns needed.",
    "damaged": "These break off or hold nonsense: copy them again from where they came from.",
    "cannot be read": "These could not be opened: see that they exist and that you may read them.",
    "too large": "These are larger than the memory of a Raspberry Pi allows: save them smaller.",
    "pose not changed": "In these frames somebody holds the pose of a frame that was kept.",
}
"""What a kind of reason means, and what to do about it."""

STYLE: Final = """
:root { color-scheme: light dark; --ground: #fbfaf7; --ink: #24221e; --soft: #6a655c; --line: #dedad1; --pose: #ffd84d }
@media screen and (prefers-color-scheme: dark) {
  :root { --ground: #181715; --ink: #ece8e0; --soft: #a29c90; --line: #3a3732 }
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
.bar i:first-child { background: #2f8f6b }
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
    """What a build made: `people` in `picture_count`, of whom `indexed` can be found, from `scanned` photos and frames.

    `sources` are names for people to read; `models` (name, sha256) of what found the people, none where all were
    labelled. How long it took (`seconds`, by how many `workers`, `resumed` of them looked at before by a build that was
    stopped) is told where it is given; without it a build gives the same page each time.
    """

    people: int
    indexed: int
    pictures: int
    scanned: int
    sources: Sequence[str] = ()
    models: Sequence[tuple[str, str]] = ()
    seconds: float = 0.0
    workers: int = 1
    resumed: int = 0


@dataclass(slots=True)
class SkipSummary:
    """How many were skipped for one kind of reason, and the first of them."""

    count: int = 0
    examples: list[Skipped] = field(default_factory=list)

    def add(self, skipped: Skipped) -> None:
        """Counts one more, and keeps it while there is room."""
        self.count += 1
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
    """Thumbnails of at most `MAX_THUMBNAILS` of a library's pictures, evenly over it.

    `items` in the library's order, `keypoints` N×17×3, `picture_count` how many different ones there are. A picture that
    cannot be read is left out.
    """
    count = min(picture_count, MAX_THUMBNAILS)
    wanted = {number * picture_count // count for number in range(count)}
    with_pictures = groupby((item for item in items if item.picture is not None), lambda item: item.picture)
    chosen = [list(people) for number, (_, people) in enumerate(with_pictures) if number in wanted]
    with ThreadPoolExecutor() as threads:  # decoding lets go of the interpreter's lock
        return [one for made in threads.map(lambda people: _make_thumbnails(people, keypoints), chosen) for one in made]


def write_report(
    writer: LibraryWriter,
    picture_count: int,
    scanned: int,
    *,
    models: Sequence[tuple[str, str]],
    sources: Sequence[Path] = (),
    skipped: Mapping[str, SkipSummary] | None = None,
) -> None:
    """Puts the page into a library in the making, all of whose people, in `picture_count` pictures, the writer has.

    It tells of the library, not of how it came about, and so is the same each time. The rest is as in `ReportFacts`.
    """
    keypoints = writer.keypoints()
    facts = ReportFacts(
        people=len(writer),
        indexed=indexes.count_findable(keypoints),
        pictures=picture_count,
        scanned=scanned,
        sources=[printable(source) for source in sources],
        models=models,
    )
    sheet = contact_sheet(writer.items(), keypoints, picture_count)
    html = render_report(
        printable(writer.out.name), facts, sheet, render_coverage(measure_coverage(keypoints)), skipped or {}
    )
    writer.write_page(REPORT_FILE, html)


def render_report(
    title: str, facts: ReportFacts, sheet: Sequence[Thumbnail], coverage_html: str, skipped: Mapping[str, SkipSummary]
) -> str:
    """The report as one HTML page that needs nothing else: no other file, no network, no script.

    `sheet` is `contact_sheet`'s, `coverage_html` is `index.build.coverage.render_coverage`'s, `skipped` by kind.
    """
    name = _escape_line(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f'<meta name="viewport" content="width=device-width">\n<title>{name}</title>\n'
        f"<style>{STYLE}{COVERAGE_STYLE}</style>\n<h1>{name}</h1>\n{_render_facts(facts)}"
        f"{_render_sheet(sheet, facts.pictures)}<h2>Poses</h2>\n{coverage_html}{_render_skipped(facts.scanned, skipped)}</html>\n"
    )


def _make_thumbnails(people: Sequence[Item], keypoints: Floats) -> list[Thumbnail]:
    file = people[0].picture
    assert file is not None
    try:
        small = pictures.load_picture(file, pictures.THUMBNAIL_SIZE).image
    except PictureError:
        return []
    height, width = small.shape[:2]
    points = np.array([keypoints[item.number] for item in people], np.float32)
    points[:, :, :2] *= np.array([width / people[0].width, height / people[0].height], np.float32)
    return [Thumbnail(pictures.make_thumbnail(small), width, height, points, people[0].title or "")]


def _render_facts(facts: ReportFacts) -> str:
    numbers = {
        "pictures": f"{facts.pictures:,}",
        "people": f"{facts.people:,}",
        "of them can be found": f"{facts.indexed:,}",
        "looked at": f"{facts.scanned:,}",
        "taken": format_duration(facts.seconds),
    }
    if not facts.pictures:
        del numbers["pictures"]
    if not facts.seconds:
        del numbers["taken"]
    if not facts.scanned:
        del numbers["looked at"]
    tiles = "".join(f"<div><dt>{name}</dt><dd>{number}</dd></div>" for name, number in numbers.items())
    said = []
    new = facts.scanned - facts.resumed
    if facts.seconds > 0 and new > 0:
        processes = f" by {facts.workers} processes" if facts.workers > 1 else ""
        said.append(f"{new / facts.seconds:,.1f} a second were looked at{processes}.")
    if facts.resumed:
        said.append(f"{facts.resumed:,} had been looked at before, by a build that was stopped.")
    if facts.models:
        said.append("The people were found by " + ", ".join(_escape_line(name) for name, _ in facts.models) + ".")
    if facts.sources:
        said.append("The pictures came from " + ", ".join(_escape_line(source) for source in facts.sources) + ".")
    return f'<dl class="facts">{tiles}</dl>\n<p class="soft">{" ".join(said)}</p>\n'


def _render_sheet(sheet: Sequence[Thumbnail], of: int) -> str:
    if not sheet:
        return ""
    said = f"{len(sheet):,} of {of:,}, evenly over the library." if len(sheet) < of else "All of them."
    tiles = "".join(map(_render_tile, sheet))
    return (
        f'<h2>Pictures</h2>\n<p class="soft">{said}</p>\n<input type="checkbox" id="bare"> '
        f'<label for="bare">without the poses</label>\n<ul class="sheet">\n{tiles}</ul>\n'
    )


def _render_tile(one: Thumbnail) -> str:
    lines = "".join(map(_skeleton_path, one.people))
    title = _escape_line(one.title)
    return (
        f'<li style="--ratio:{one.width / one.height:.3f}"><img alt="{title}" src="{_data_url(one.jpeg)}">'
        f'<svg viewBox="0 0 {one.width} {one.height}" preserveAspectRatio="xMidYMid slice"><title>{title}</title>'
        f'<path class="under" d="{lines}"/><path d="{lines}"/></svg></li>\n'
    )


def _skeleton_path(person: Floats) -> str:
    """A path along the edges of which both ends are seen; without those of the face, which would be a blot."""
    points = person[:, :2].round().astype(int).tolist()
    return "".join(
        f"M{points[a][0]} {points[a][1]}L{points[b][0]} {points[b][1]}"
        for a, b in EDGES
        if a >= 5 and person[a, 2] > 0 and person[b, 2] > 0
    )


def _render_skipped(looked_at: int, skipped: Mapping[str, SkipSummary]) -> str:
    total = sum(one.count for one in skipped.values())
    if not looked_at and not total:  # a library that was changed, not built
        return ""
    if not total:
        return '<h2>Skipped</h2>\n<p class="soft">Nothing was skipped.</p>\n'
    order = sorted(skipped.items(), key=lambda one: -one[1].count)
    parts = [max(looked_at - total, 0), *(one.count for _, one in order)]
    names = ["used", *(kind for kind, _ in order)]
    bar = "".join(
        f'<i style="flex:{part}" title="{_escape_line(name)}: {part:,}"></i>'
        for name, part in zip(names, parts, strict=True)
    )
    said = f"{total:,} of {max(looked_at, total):,} looked at gave nothing to the library."
    kinds = "".join(_render_kind(kind, one) for kind, one in order)
    return f'<h2>Skipped</h2>\n<p class="soft">{said}</p>\n<div class="bar">{bar}</div>\n{kinds}'


def _render_kind(kind: str, examples: SkipSummary) -> str:
    tiles = "".join(map(_render_example, examples.examples[:MAX_EXAMPLES]))
    more = examples.count - len(examples.examples)
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    heading = f"{_escape_line(kind[:1].upper() + kind[1:])} <small>{examples.count:,}</small>"
    advice = f"<p>{ADVICE[kind]}</p>\n" if kind in ADVICE else ""
    return f'<h3>{heading}</h3>\n{advice}<ul class="skipped">\n{tiles}{rest}</ul>\n'


def _render_example(one: Skipped) -> str:
    name, reason = _escape_line(os.path.basename(one.name.rstrip("/")) or one.name), _escape_line(one.reason)
    if one.thumbnail is None:
        return f'<li class="wide">{reason}</li>\n'
    return f'<li title="{reason}"><img alt="" src="{_data_url(one.thumbnail)}">{name}</li>\n'


def _data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def _escape_line(text: str) -> str:
    """Text from anywhere as it is shown in a page, in one line."""
    return escape(pictures.clean_text(text) or "")
