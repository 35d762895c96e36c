"""The page of contact sheets: its markup, style and script, and the sheets that it loads.

Whatever a library says about a picture is data to the page's script, which shows it as text and never as markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from index.build.sheets_script import SCRIPT
from index.library import Item

FIRST_LINE: Final = "<!DOCTYPE html><!-- Contact sheets by Pose Mirror -->\n"
"""The first line of the page, by which a later run recognises it."""

KNOWN_DIGITS: Final = 8
"""Digits of each picture's name by which the page knows whether a picture that was struck out is still there."""

# The colours are those of report.html; the red is the screen's (docs/reference/looks.md), darker on a light page.
STYLE: Final = """
:root { color-scheme: light dark; --ground: #fbfaf6; --ink: #23303d; --soft: #5d6975; --line: #dcdfe1;
  --tile: #ecebe5; --card: #fff; --red: #c8282c; --focus: #0f7c8a }
@media (prefers-color-scheme: dark) {
  :root { --ground: #101218; --ink: #faf6ec; --soft: #9ea0a6; --line: #3a4150;
    --tile: #181b23; --card: #20242f; --red: #ec4848; --focus: #56d6de }
}
* { box-sizing: border-box }
html { scroll-padding: 4.5rem 0 8rem }
body { display: flex; flex-direction: column; min-height: 100vh; margin: 0; background: var(--ground);
  color: var(--ink); font: 1rem/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
header, main, nav { width: 100%; margin: 0 auto; padding: 0 1rem; max-width: 100rem }
main { flex: 1 }
header { padding-top: 1.5rem }
h1 { margin: 0; font-size: 2rem; line-height: 1.2 }
p { margin: .4rem 0; max-width: 46rem }
.soft { color: var(--soft) }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center;
  padding-block: .7rem; background: var(--ground) }
button, select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 999px; padding: .35rem .9rem; min-height: 2.4rem; max-width: 100% }
button:not(:disabled) { cursor: pointer }
button:disabled { color: var(--soft); opacity: .6 }
button:hover:not(:disabled), select:hover { border-color: var(--soft) }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px }
#tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem .7rem; margin: 0;
  padding: 4px 0 2rem; list-style: none }
#tiles button { display: flex; flex-direction: column; align-items: stretch; width: 100%; height: 100%; padding: 0;
  border: 0; border-radius: 6px; background: none; text-align: start; font-size: .82rem; line-height: 1.3 }
.frame { position: relative; display: block; aspect-ratio: 1; background: var(--tile); border-radius: 6px;
  overflow: hidden }
.frame img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; transition: opacity .15s }
.frame span { position: absolute; inset: 0; display: grid; place-content: center; text-align: center; padding: .5rem;
  color: var(--soft) }
.frame svg { position: absolute; inset: 6%; width: 88%; height: 88%; visibility: hidden; overflow: visible }
.frame path { fill: none; stroke: var(--red); stroke-width: 6; stroke-linecap: round; vector-effect: non-scaling-stroke;
  opacity: .92 }
#tiles button:hover .frame { box-shadow: 0 0 0 2px var(--line) }
#tiles button[aria-pressed=true] .frame { box-shadow: 0 0 0 2px var(--red) }
#tiles [aria-pressed=true] img { opacity: .3; filter: grayscale(1) }
#tiles [aria-pressed=true] svg { visibility: visible }
.title, .more { display: -webkit-box; overflow: hidden; padding: 0 .1rem; -webkit-box-orient: vertical;
  -webkit-line-clamp: 2 }
.title { margin-top: .35rem }
.title b { font-weight: 600; font-variant-numeric: tabular-nums; margin-inline-end: .3rem }
.more { color: var(--soft); font-size: .76rem }
[aria-pressed=true] .title bdi { text-decoration: line-through; text-decoration-color: var(--red) }
#bar { position: sticky; bottom: 0; border-top: 1px solid var(--line); background: var(--card) }
#bar > div { display: flex; flex-wrap: wrap; gap: .5rem .8rem; align-items: center; margin: 0 auto; padding: .6rem 1rem;
  max-width: 100rem }
#count { flex: 1 1 14rem; margin: 0; max-width: none; font-variant-numeric: tabular-nums }
#count b { color: var(--red); font-size: 1.3rem }
#run { display: flex; flex: 1 1 100%; flex-wrap: wrap; gap: .4rem .6rem; align-items: center; margin: 0;
  max-width: none; font-size: .88rem }
code { padding: .25rem .6rem; border-radius: 6px; background: var(--tile); font: .84rem/1.5 ui-monospace, monospace;
  user-select: all }
#save { border-color: var(--red) }
[hidden] { display: none !important }
@media (max-width: 40rem) {
  #tiles { grid-template-columns: repeat(auto-fill, minmax(6.6rem, 1fr)); gap: .8rem .5rem }
  #run { display: none }
}
@media (max-height: 32rem) { #bar, nav { position: static } }
@media (prefers-reduced-motion: reduce) { * { transition: none !important } }
@media print { nav, #bar { display: none } :root { --ground: #fff } #tiles li { break-inside: avoid } }
"""


@dataclass(frozen=True, slots=True)
class SheetsFacts:
    """What the page says: the library's name, the collection if it shows only one, and the library's folder as a word
    of a shell; the numbers of the first and the last item of each sheet, and the names of all pictures."""

    library: str
    collection: str | None
    folder: str
    ranges: Sequence[tuple[int, int]]
    names: Sequence[str]


def render_page(facts: SheetsFacts) -> str:
    """Return the page, which needs only the sheets and thumbnails next to it, and no network."""
    policy = (
        f"default-src 'none'; img-src 'self' file:; style-src '{_hash(STYLE)}'; "
        f"script-src 'self' file: '{_hash(SCRIPT)}'; base-uri 'none'; form-action 'none'"
    )
    name = escape(facts.library)
    what = f" of the collection “{escape(facts.collection)}”" if facts.collection is not None else ""
    counts = f"{_count(len(facts.names), 'picture')}{what} on {_count(len(facts.ranges), 'sheet')}."
    command = f"pose-mirror index remove {facts.folder} --from struck.txt"
    data = {
        "library": facts.library,
        "command": command,
        "again": f"pose-mirror index sheets {facts.folder}",
        "ranges": facts.ranges,
        "digits": KNOWN_DIGITS,
        "known": "".join(picture[:KNOWN_DIGITS] for picture in facts.names),
    }
    return (
        f'{FIRST_LINE}<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width">\n<title>Contact sheets of {name}</title>\n'
        f"<style>{STYLE}</style>\n<header>\n<h1>Contact sheets of <bdi>{name}</bdi></h1>\n"
        f'<p class="soft">{counts} Strike out what the mirror should not show: click on a picture, or move with the '
        "arrow keys and press the space bar. The browser remembers it. Nothing is taken down before you run the "
        "command below.</p>\n"
        "<noscript><p>This page needs JavaScript, which is turned off in this browser.</p></noscript>\n"
        '<p id="note" role="alert" hidden></p>\n</header>\n'
        '<nav aria-label="Sheets"><button type="button" id="previous">← Previous</button>'
        '<select id="sheet" aria-label="Sheet"></select><button type="button" id="next">Next →</button>'
        '<button type="button" id="struck"></button>'
        '<button type="button" id="back" hidden>Take all back</button></nav>\n'
        '<main>\n<p id="none" hidden>Nothing is struck out.</p>\n'
        '<ul id="tiles" role="list" aria-label="Pictures"></ul>\n</main>\n'
        '<section id="bar" aria-label="What is struck out"><div><p id="count" role="status"></p>'
        '<button type="button" id="save" disabled>Save struck.txt</button>'
        '<button type="button" id="copy" disabled>Copy the list</button>'
        f'<p id="run" hidden>Then, in the folder with struck.txt: <code>{escape(command)}</code>'
        '<button type="button" id="copy-command">Copy the command</button></p></div></section>\n'
        f'<script type="application/json" id="facts">{_dump(data)}</script>\n<script>{SCRIPT}</script>\n</html>\n'
    )


def render_sheet(number: int, items: Sequence[Item], has_thumbnail: Sequence[bool]) -> str:
    """Return the script of one sheet: the first person of each picture, and whether its thumbnail is there."""
    rows = [
        [item.picture.name, item.number, item.title or "", item.author or "", item.licence or "", shown]
        for item, shown in zip(items, has_thumbnail, strict=True)
        if item.picture is not None
    ]
    return f"sheet({number}, {_dump(rows)});\n"


def _dump(data: object) -> str:
    """Return JSON in ASCII that ends no script and begins no markup, whatever is in it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _hash(text: str) -> str:
    """Return the source by which a page's policy lets this text in it pass."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
