"""Which poses a library is rich in and which are thin: how many of its people agree with each of many named poses."""

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
"""From this agreement on somebody is seen to be in the pose."""

BODY: Final = slice(5, 17)
"""The key points that are compared: below the head, as a pose is one wherever somebody looks."""

MIN_KEYPOINTS: Final = 9
"""With fewer of these points nobody can agree by `MIN_AGREEMENT`."""

BATCH_SIZE: Final = 8_000
"""People compared at a time, so that what is worked out for each of them and each reference fits into memory."""

MAX_SAMPLE: Final = 200_000
"""Of more people than this every so-manieth is compared, and counts for all of them: it takes seconds, not minutes."""

MAX_SQUARED_ERROR: Final = 1.0
"""Of those who agree by `MIN_AGREEMENT`, all but two in a thousand have their points, after the best fit, off by less than
this: squared, summed, in parts of the reference's area. The others are missed."""

LEVEL_THRESHOLDS: Final = (1, 4, 16, 64, 256)
"""How many people make a pose the next richer: each time four times as many."""

KIND_HEADINGS: Final = {
    "everyday": "Everyday",
    "sport": "Sport",
    "yoga": "Yoga",
    "dance": "Dance",
    "fight": "Martial arts",
    "acting": "Acting",
}
"""The headings, in their order."""

MAX_NAMED_POSES: Final = 3
"""So many of the richest poses, and of those that are thin, are named in words."""


@dataclass(frozen=True, slots=True, eq=False)
class PoseCoverage:
    """How many people agree with a reference pose or its mirror image by `MIN_AGREEMENT` or more, and how well the best."""

    reference: ReferencePose
    people: int
    best_agreement: float

    @property
    def level(self) -> int:
        """From 0 for nobody, to the number of `LEVEL_THRESHOLDS`."""
        return bisect_right(LEVEL_THRESHOLDS, self.people)


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """How a library's `people` spread over the reference poses; how many are seen whole, and how many to the hips."""

    people: int
    full_body: int
    upper_body: int
    poses: tuple[PoseCoverage, ...]


def measure_coverage(keypoints: Floats) -> Coverage:
    """What N×17×3 key points (third ≤ 0 where unseen; may be mapped from a file) cover.

    People count as they are and as in a mirror, as a library shows them both ways. Of a library of millions a sample is
    compared, so that its numbers are about right.
    """
    step = -(-len(keypoints) // MAX_SAMPLE) or 1
    everybody, keypoints = len(keypoints), keypoints[::step]
    asked = reference_poses()
    straight = np.array([one.keypoints for one in asked])
    queries = np.concatenate([straight, straight[:, MIRROR_ORDER] * np.array([-1, 1], np.float32)])
    counts, best = np.zeros(len(asked), np.int64), np.zeros(len(asked))
    whole = upper = 0
    for start in range(0, len(keypoints), BATCH_SIZE):
        people = np.array(keypoints[start : start + BATCH_SIZE], np.float32)
        seen = people[:, :, 2] > 0
        whole += int(
            (_either_seen(seen, 5) & _either_seen(seen, 11) & _either_seen(seen, 13) & _either_seen(seen, 15)).sum()
        )
        upper += int((_either_seen(seen, 5) & _either_seen(seen, 7) & ~seen[:, 13:].any(1)).sum())
        apart = _squared_errors(queries, people)
        for number in range(len(asked)):
            found = np.zeros(len(people), np.float32)
            for query in (number, number + len(asked)):
                near = np.flatnonzero(apart[query] < MAX_SQUARED_ERROR)
                if not len(near):
                    near = apart[query].argmin(keepdims=True)
                found[near] = np.maximum(found[near], _agreement(queries[query], people[near]))
            counts[number] += int((found >= MIN_AGREEMENT).sum())
            best[number] = max(best[number], float(found.max()))
    poses = (PoseCoverage(*one) for one in zip(asked, (step * counts).tolist(), best.tolist(), strict=True))
    whole, upper = min(step * whole, everybody), min(step * upper, everybody)
    return Coverage(everybody, whole, min(upper, everybody - whole), tuple(poses))


def _squared_errors(queries: Floats, people: Floats) -> Floats:
    """Q×N: how far N people (17×3) are from Q poses (17×2) after the best scale and shift, over the points they have.

    The points' distances squared and summed, in parts of the area that agreement goes by; infinite for people of whom
    too few points are seen. All of it comes from five products of matrices.
    """
    body = queries[:, BODY]
    area = BODY_TO_BOX_RATIO * np.ptp(body, axis=1).prod(1)
    body = (body - body.mean(1, keepdims=True)) / np.sqrt(area)[:, None, None]
    points, seen = people[:, BODY, :2], (people[:, BODY, 2] > 0).astype(np.float32)
    count = seen.sum(1)
    middle = (points * seen[:, :, None]).sum(1) / np.maximum(count, 1)[:, None]
    points = (points - middle[:, None]) * seen[:, :, None]
    spread = np.maximum((points**2).sum((1, 2)), 1e-9)
    fitting = np.maximum(np.einsum("qkc,nkc->qn", body, points, optimize=True), 0)
    missed = (body**2).sum(2) @ seen.T
    for axis in range(2):
        missed -= (body[:, :, axis] @ seen.T) ** 2 / np.maximum(count, 1)
    missed -= fitting**2 / spread
    missed[:, count < MIN_KEYPOINTS] = np.inf
    found: Floats = missed
    return found


def _agreement(query: Floats, people: Floats) -> Floats:
    weights = np.zeros(17, np.float32)
    weights[BODY] = 1
    return agreement(query, weights, people[:, :, :2], people[:, :, 2] > 0)


def _either_seen(seen: npt.NDArray[np.bool_], left: int) -> npt.NDArray[np.bool_]:
    """Whether somebody's left point or the right one after it is seen."""
    return np.asarray(seen[:, left] | seen[:, left + 1])


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
"""What colours a drawing: from thin to rich in even steps of lightness, which every eye tells apart."""


def render_coverage(coverage: Coverage) -> str:
    """The coverage as a piece of HTML: a small figure in each reference pose, coloured by how many people agree.

    It needs `STYLE` in the page, whose `--line` colours outlines.
    """
    kinds = "".join(
        _render_kind(name, [one for one in coverage.poses if one.reference.kind == kind])
        for kind, name in KIND_HEADINGS.items()
    )
    return f'<div class="coverage">\n<p>{_summary(coverage)}</p>\n{_render_legend()}\n{kinds}</div>\n'


def _summary(coverage: Coverage) -> str:
    """How much of people is seen, which poses are the richest, and which are thin."""
    order = sorted(coverage.poses, key=lambda one: (-one.people, -one.best_agreement))
    parts = coverage.people - coverage.full_body - coverage.upper_body
    said = [
        f"{coverage.full_body:,} people are seen whole, {coverage.upper_body:,} to the hips, {parts:,} in other parts."
    ]
    if order and order[0].people:
        said.append(f"The library is richest in {_list_poses(order[:MAX_NAMED_POSES])}.")
    nobody = [one for one in order if not one.people]
    if nobody:
        said.append(
            f"In {len(nobody)} of {len(order)} poses there is nobody yet, such as {_list_poses(nobody[-MAX_NAMED_POSES:])}."
        )
    elif order:
        said.append(f"It is thinnest in {_list_poses(order[-MAX_NAMED_POSES:])}.")
    return " ".join(said)


def _list_poses(poses: Sequence[PoseCoverage]) -> str:
    titles = [f"“{escape(one.reference.title)}”" + (f" ({one.people:,})" if one.people else "") for one in poses]
    return " and ".join([", ".join(titles[:-1]), titles[-1]]) if len(titles) > 1 else "".join(titles)


def _render_legend() -> str:
    ends = [*(str(level - 1) for level in LEVEL_THRESHOLDS[1:]), ""]
    names = [
        "nobody",
        *(f"{low}–{high}" if high else f"{low} or more" for low, high in zip(LEVEL_THRESHOLDS, ends, strict=True)),
    ]
    steps = "".join(f'<span><i class="l{level}"></i>{name}</span>' for level, name in enumerate(names))
    return f'<div class="scale legend" role="img" aria-label="Colours by how many people are in a pose">{steps}</div>'


def _render_kind(name: str, poses: Sequence[PoseCoverage]) -> str:
    """The poses of one kind of movement, the richest first, below a strip that sums them up."""
    order = sorted(poses, key=lambda one: (-one.people, -one.best_agreement))
    counts = [sum(one.level == level for one in poses) for level in range(len(LEVEL_THRESHOLDS) + 1)]
    strip = "".join(
        f'<i class="l{level}" style="flex:{counts[level]}"></i>'
        for level in range(len(counts) - 1, -1, -1)
        if counts[level]
    )
    tiles = "".join(_render_pose(one) for one in order)
    return f'<h3>{name} <span class="scale">{strip}</span></h3>\n<ul class="poses">{tiles}</ul>\n'


def _render_pose(covered: PoseCoverage) -> str:
    drawn = f'<svg viewBox="0 0 {TILE_SIZE} {TILE_SIZE}">{render_figure(covered.reference)}</svg>'
    return (
        f'<li class="l{covered.level}" title="the best agrees by {covered.best_agreement:.2f}">{drawn}'
        f"{escape(covered.reference.title)} <small>{covered.people:,}</small></li>\n"
    )
