"""Draw the curve of a collection: how the coverage grew with the photographs that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

Curve = Sequence[tuple[int, float]]
"""Numbers of photographs kept, each with the coverage that they gave."""

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 260, 52, 34, 14, 16
"""Size of the drawing and its margins, in its own units."""

MIN_LOW: Final = 0.7
"""Coverage from which on the lines of the drawing are closer together."""

MAX_POINTS: Final = 200
"""Points of the curve at most: more cannot be told apart."""

STYLE: Final = """
.curve { max-width: 46rem; width: 100%; font-size: 12px }
.curve path { fill: none; stroke: #0f7c8a; stroke-width: 2.5; stroke-linejoin: round; stroke-linecap: round }
.curve line { stroke: var(--line) } .curve text { fill: var(--soft) } .curve circle { fill: #0f7c8a }
"""


def render_curve(looked: int, curve: Curve) -> str:
    """Return the section of a library's report about its collection, as HTML; nothing without a curve."""
    if not curve:
        return ""
    text = (
        f"{looked:,} photographs were looked at, and {curve[-1][0]:,} kept. The curve shows how well they answered "
        "as their number grew: how alike the best answers to sample visitors look on average, 0 to 1. The sample "
        "visitors are people of the source's own photographs, who took no part in choosing."
    )
    return f"<h2>Collecting</h2>\n<style>{STYLE}</style>\n<p>{text}</p>\n{_draw(curve)}\n"


def _draw(curve: Curve) -> str:
    lowest = min(coverage for _, coverage in curve)
    step = 5 if lowest > MIN_LOW else 10  # hundredths
    low = min(step * int(100 * lowest // step), 100 - step) / 100
    most, last = max(1, curve[-1][0]), curve[-1][1]

    def x(kept: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * kept / most

    def y(coverage: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (coverage - low) / (1 - low))

    lines = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>'
        for value in (hundredths / 100 for hundredths in range(round(100 * low), 101, step))
    )
    marks = "".join(
        f'<text x="{x(kept):.1f}" y="{HEIGHT - 10}" text-anchor="{anchor}">{kept:,.0f}</text>'
        for kept, anchor in ((0, "start"), (most / 2, "middle"), (most, "end"))
    )
    path = " ".join(f"{'ML'[i > 0]}{x(kept):.1f} {y(coverage):.1f}" for i, (kept, coverage) in enumerate(curve))
    label = f"Coverage from {curve[0][1]:.3f} to {last:.3f}, by photographs kept"
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{lines}{marks}'
        f'<path d="{path}"/><circle cx="{x(most):.1f}" cy="{y(last):.1f}" r="4"/>'
        f'<text x="{x(most):.1f}" y="{y(last) - 9:.1f}" text-anchor="end">{last:.3f}</text></svg>'
    )
