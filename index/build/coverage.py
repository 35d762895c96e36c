"""Coverage: which poses a library has many people in and which few, measured against the reference poses."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
import numpy.typing as npt

from index.agreement import agreement
from index.build.reference import TILE_SIZE, ReferencePose, reference_poses, render_figure
from models.pose import BODY_TO_BOX_RATIO, MIRROR_ORDER, Floats

MIN_AGREEMENT: Final = 0.7
"""Agreement from which on people see that a photo shows the pose."""

BODY: Final = slice(5, 17)
"""The key points compared: those below the head, because a pose is the same wherever a person looks."""

MIN_KEYPOINTS_TO_COMPARE: Final = 9
"""Minimum number of these key points that a person must show: with fewer, `MIN_AGREEMENT` is out of reach."""

BATCH_SIZE: Final = 8_000
"""People compared at a time, so that their numbers for all reference poses fit into memory."""

MAX_SAMPLE: Final = 200_000
"""Maximum number of people compared. In a larger library every n-th person counts as n, so that measuring takes seconds
and not minutes."""

MAX_SQUARED_ERROR: Final = 1.0
"""Maximum error of a person whose exact agreement is computed: the squared errors of their key points after the best
fit, summed, as a share of the reference pose's area. It misses two in a thousand of those who reach `MIN_AGREEMENT`."""

LEVEL_THRESHOLDS: Final = (1, 4, 16, 64, 256)
"""Numbers of people from which on a pose has the next level: four times as many for each."""

KIND_HEADINGS: Final = {
    "everyday": "Everyday",
    "sport": "Sport",
    "yoga": "Yoga",
    "dance": "Dance",
    "fight": "Martial arts",
    "acting": "Acting",
}
"""The heading of each kind of movement, in the page's order."""

MAX_NAMED_POSES: Final = 3
"""Number of the richest and of the thinnest poses that the summary names."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseCoverage:
    """How many people match a reference pose or its mirror image by `MIN_AGREEMENT`, and how well the best one does."""

    reference: ReferencePose
    people: int
    best_agreement: float

    @property
    def level(self) -> int:
        """0 for nobody, up to the number of `LEVEL_THRESHOLDS`."""
        return bisect_right(LEVEL_THRESHOLDS, self.people)


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How a library's `people` are spread over the reference poses, and how many show their full or only upper body."""

    people: int
    full_body: int
    upper_body: int
    poses: tuple[PoseCoverage, ...]


def measure_coverage(keypoints: Floats) -> Coverage:
    """Measure the coverage of N×17×3 key points (third ≤ 0 where unseen), which may be mapped from a file.

    People count as they are and mirrored, as a library shows them both ways. Counts of a library with more than
    `MAX_SAMPLE` people are estimates.
    """
    step = -(-len(keypoints) // MAX_SAMPLE) or 1
    total, sample = len(keypoints), keypoints[::step]
    references = reference_poses()
    straight = np.array([reference.keypoints for reference in references])
    queries = np.concatenate([straight, straight[:, MIRROR_ORDER] * np.array([-1, 1], np.float32)])
    counts, best = np.zeros(len(references), np.int64), np.zeros(len(references))
    full_body = upper_body = 0
    for start in range(0, len(sample), BATCH_SIZE):
        people = np.array(sample[start : start + BATCH_SIZE], np.float32)
        full_in_batch, upper_in_batch = _count_views(people[:, :, 2] > 0)
        full_body += full_in_batch
        upper_body += upper_in_batch
        agreements = _best_agreements(queries, people)
        counts += (agreements >= MIN_AGREEMENT).sum(1)
        best = np.maximum(best, agreements.max(1))
    full_body, upper_body = min(step * full_body, total), min(step * upper_body, total)
    poses = map(PoseCoverage, references, (step * counts).tolist(), best.tolist())
    return Coverage(total, full_body, min(upper_body, total - full_body), tuple(poses))


def _count_views(seen: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return how many of N people (N×17 `seen`) show the full body, and how many only the upper body with arms."""
    shoulders, elbows, hips, knees, ankles = (seen[:, left] | seen[:, left + 1] for left in (5, 7, 11, 13, 15))
    full_body = shoulders & hips & knees & ankles
    upper_body = shoulders & elbows & ~seen[:, 13:].any(1)
    return int(full_body.sum()), int(upper_body.sum())


def _best_agreements(queries: Floats, people: Floats) -> Floats:
    """Return R×N agreements of N people with R reference poses, straight or mirrored, whichever is better.

    `queries` holds the R poses and then their mirror images. Agreement is exact for people within `MAX_SQUARED_ERROR`
    (or for the nearest, if nobody is) and 0 for the rest, as computing it for all would take minutes.
    """
    count = len(queries) // 2
    errors = _squared_errors(queries, people)
    agreements = np.zeros((count, len(people)), np.float32)
    for query in range(len(queries)):
        near = np.flatnonzero(errors[query] < MAX_SQUARED_ERROR)
        if not len(near):
            near = errors[query].argmin(keepdims=True)
        row = agreements[query % count]
        row[near] = np.maximum(row[near], _agreement(queries[query], people[near]))
    return agreements


def _squared_errors(queries: Floats, people: Floats) -> Floats:
    """Return Q×N errors of N people (17×3) from Q poses (17×2) after the best scale and shift, over seen key points.

    An error is the sum of squared distances as a share of the area that agreement is measured by. It is infinite for
    people who show fewer than `MIN_KEYPOINTS_TO_COMPARE`. Five matrix products give all of them, which is why this is
    fast.
    """
    body = queries[:, BODY]
    area = BODY_TO_BOX_RATIO * np.ptp(body, axis=1).prod(1)
    body = (body - body.mean(1, keepdims=True)) / np.sqrt(area)[:, None, None]
    points, seen = people[:, BODY, :2], (people[:, BODY, 2] > 0).astype(np.float32)
    count = seen.sum(1)
    centre = (points * seen[:, :, None]).sum(1) / np.maximum(count, 1)[:, None]
    points = (points - centre[:, None]) * seen[:, :, None]
    spread = np.maximum((points**2).sum((1, 2)), 1e-9)
    covariance = np.maximum(np.einsum("qkc,nkc->qn", body, points, optimize=True), 0)
    errors: Floats = (body**2).sum(2) @ seen.T
    for axis in range(2):
        errors -= (body[:, :, axis] @ seen.T) ** 2 / np.maximum(count, 1)
    errors -= covariance**2 / spread
    errors[:, count < MIN_KEYPOINTS_TO_COMPARE] = np.inf
    return errors


def _agreement(query: Floats, people: Floats) -> Floats:
    weights = np.zeros(17, np.float32)
    weights[BODY] = 1
    return agreement(query, weights, people[:, :, :2], people[:, :, 2] > 0)


STYLE: Final = """
.coverage { --0: #f2f0e9; --1: #ced9b0; --2: #79c5a4; --3: #21a4aa; --4: #1479a7; --5: #2b4d8e }
@media screen and (prefers-color-scheme: dark) {
  .coverage { --0: #23272c; --1: #2c426a; --2: #27668e; --3: #0f919c; --4: #4dbc92; --5: #cedc69 }
}
.l0 { --tile: var(--0); --near: #a39b8c; --far: #bdb6a9 }
.l1 { --tile: var(--1); --near: #2f3b2a; --far: #6f7d61 }
.l2 { --tile: var(--2); --near: #0d3b3a; --far: #2f7467 }
.l3 { --tile: var(--3); --near: #ffffff; --far: #b5e1e0 }
.l4 { --tile: var(--4); --near: #ffffff; --far: #a9cde3 }
.l5 { --tile: var(--5); --near: #ffffff; --far: #b2c0df }
@media screen and (prefers-color-scheme: dark) {
  .l0 { --near: #6d7178; --far: #4e5259 }
  .l1 { --near: #e6edfb; --far: #98a8c9 }
  .l2 { --near: #ffffff; --far: #a5c7da }
  .l3 { --near: #ffffff; --far: #aadde0 }
  .l4 { --near: #06281c; --far: #1f6b4d }
  .l5 { --near: #2b3005; --far: #6f7a22 }
}
.poses { display: grid; gap: .7rem .5rem; grid-template-columns: repeat(auto-fill, minmax(5.2rem, 1fr));
  margin: .7rem 0 0; padding: 0; list-style: none }
.poses li { font-size: .72rem; line-height: 1.2; text-align: center; break-inside: avoid; overflow-wrap: anywhere }
.poses svg, .scale i { display: block; background: var(--tile); border-radius: 6px; print-color-adjust: exact;
  -webkit-print-color-adjust: exact }
.poses svg { width: 100%; margin-bottom: .25rem }
.poses small { display: block; font-size: inherit; font-variant-numeric: tabular-nums }
.poses path { fill: none; stroke-linecap: round; stroke-linejoin: round }
.poses .edge { stroke: var(--tile) }
.poses .edge.fill { fill: var(--tile) }
.poses .near { stroke: var(--near) }
.poses .far { stroke: var(--far) }
.poses .near.fill { fill: var(--near) }
.poses .floor { fill: var(--far); opacity: .35 }
.coverage h3 { margin: 1.8rem 0 0; display: flex; gap: .3rem .8rem; align-items: center; flex-wrap: wrap;
  break-after: avoid }
.scale { display: flex; flex: 1 1 12rem; max-width: 24rem; gap: 2px; margin: 0; padding: 0; list-style: none }
.scale i { height: .6rem; border-radius: 2px }
.legend { margin-top: .8rem; max-width: 34rem; font-size: .8rem; text-align: center; gap: 3px }
.legend span { flex: 1 1 0 }
.legend i { height: 1rem; margin-bottom: .2rem; border-radius: 3px }
.l0 i, i.l0 { outline: 1px solid var(--line); outline-offset: -1px }
"""
"""Style of the figures. Colours differ in even steps of lightness, so that colour-blind people can tell them apart."""


def render_coverage(coverage: Coverage) -> str:
    """Return the coverage as HTML: a small figure in each reference pose, coloured by how many people match it.

    The page must contain `STYLE` and define the colour `--line` for outlines.
    """
    kinds = "".join(
        _render_kind(heading, [pose for pose in coverage.poses if pose.reference.kind == kind])
        for kind, heading in KIND_HEADINGS.items()
    )
    return f'<div class="coverage">\n<p>{_summary(coverage)}</p>\n{_render_legend()}\n{kinds}</div>\n'


def _summary(coverage: Coverage) -> str:
    """Return sentences on what the drawings mean, how much of people is seen, and the richest and thinnest poses."""
    ranked = sorted(coverage.poses, key=_richness)
    in_part = coverage.people - coverage.full_body - coverage.upper_body
    sentences = [
        "The colour and number of each figure say how many people in the library match its pose.",
        f"{coverage.full_body:,} people show the full body, {coverage.upper_body:,} the upper body, "
        f"and {in_part:,} other parts.",
    ]
    if ranked and ranked[0].people:
        sentences.append(f"The library is richest in {_list_poses(ranked[:MAX_NAMED_POSES])}.")
    missing = [pose for pose in ranked if not pose.people]
    if missing:
        examples = _list_poses(missing[-MAX_NAMED_POSES:])
        sentences.append(f"Nobody matches {len(missing)} of the {len(ranked)} poses yet, such as {examples}.")
    elif ranked:
        sentences.append(f"It is thinnest in {_list_poses(ranked[-MAX_NAMED_POSES:])}.")
    return " ".join(sentences)


def _richness(pose: PoseCoverage) -> tuple[int, float]:
    """Sort the richest pose first."""
    return -pose.people, -pose.best_agreement


def _list_poses(poses: Sequence[PoseCoverage]) -> str:
    """Return titles with their counts, joined as “A” (3), “B” (2) and “C” (1)."""
    titles = [f"“{escape(pose.reference.title)}”" + (f" ({pose.people:,})" if pose.people else "") for pose in poses]
    return " and ".join([", ".join(titles[:-1]), titles[-1]]) if len(titles) > 1 else "".join(titles)


def _render_legend() -> str:
    ends = [*(str(threshold - 1) for threshold in LEVEL_THRESHOLDS[1:]), ""]
    ranges = (f"{low}–{high}" if high else f"{low} or more" for low, high in zip(LEVEL_THRESHOLDS, ends, strict=True))
    labels = enumerate(["nobody", *ranges])
    steps = "".join(f'<span><i class="l{level}"></i>{label}</span>' for level, label in labels)
    return f'<div class="scale legend" role="img" aria-label="Colours by how many people match a pose">{steps}</div>'


def _render_kind(heading: str, poses: Sequence[PoseCoverage]) -> str:
    """Return the poses of one kind of movement, the richest first, below a strip that sums them up."""
    levels = [sum(pose.level == level for pose in poses) for level in range(len(LEVEL_THRESHOLDS) + 1)]
    strip = "".join(
        f'<i class="l{level}" style="flex:{levels[level]}"></i>'
        for level in reversed(range(len(levels)))
        if levels[level]
    )
    tiles = "".join(map(_render_pose, sorted(poses, key=_richness)))
    return f'<h3>{heading} <span class="scale">{strip}</span></h3>\n<ul class="poses">{tiles}</ul>\n'


def _render_pose(pose: PoseCoverage) -> str:
    figure = f'<svg viewBox="0 0 {TILE_SIZE} {TILE_SIZE}">{render_figure(pose.reference)}</svg>'
    return (
        f'<li class="l{pose.level}" title="best agreement {pose.best_agreement:.2f}">{figure}'
        f"{escape(pose.reference.title)} <small>{pose.people:,}</small></li>\n"
    )
