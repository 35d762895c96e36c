"""The page that a build leaves."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.build import report
from index.build.photo import Skipped
from index.build.report import MAX_EXAMPLES, MAX_THUMBNAILS, ReportFacts, SkipSummary, contact_sheet, render_report
from index.build.scan import REASONS
from index.library import Item
from tests.support.sample_poses import sample_people

NASTY = "</style><script>alert(1)</script>\"'&\ud800\x00\u202e.jpg"
FACTS = ReportFacts(people=3, indexed=2, pictures=2, scanned=9, sources=("Photos",), models=(("posenet", "0"),))


def jpeg(width: int = 160, height: int = 120) -> bytes:
    made = io.BytesIO()
    Pillow.new("RGB", (width, height), "teal").save(made, "JPEG")
    return made.getvalue()


def made(count: int, kind: str = "blurred", name: str = "a.jpg", thumbnail: bytes | None = None) -> SkipSummary:
    examples = SkipSummary()
    for _ in range(count):
        examples.add(Skipped(name, kind, f"{name}: so it is.", thumbnail))
    return examples


class Page(HTMLParser):
    """What a browser sees: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        html.encode("utf-8")
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def items(tmp_path) -> list[Item]:
    """Two people in each of some hundred pictures, the third of which is damaged."""
    found = []
    for number in range(2 * (MAX_THUMBNAILS + 50)):
        file = tmp_path / f"{number // 2}.jpg"
        if not number % 2:
            file.write_bytes(b"" if number == 6 else jpeg(320, 240))
        found.append(Item(number, file, 320, 240, (0, 0, 1, 1), f"Picture {number // 2}", *[None] * 4))
    return found


def test_the_contact_sheet_is_spread_evenly_and_lays_people_on_the_thumbnails(items):
    keypoints = sample_people(len(items))
    sheet = contact_sheet(items, keypoints, len(items) // 2)
    assert MAX_THUMBNAILS - 1 <= len(sheet) <= MAX_THUMBNAILS
    assert (sheet[0].title, sheet[-1].title) == ("Picture 0", f"Picture {len(items) // 2 - 2}")
    assert (sheet[0].width, sheet[0].height) == (160, 120)
    np.testing.assert_allclose(sheet[0].people, keypoints[:2] * (0.5, 0.5, 1), atol=0.01)


def test_a_library_of_poses_alone_has_no_contact_sheet():
    item = Item(0, None, 0, 0, (0, 0, 1, 1), "a pose", *[None] * 4)
    assert contact_sheet([item], sample_people(1), 0) == []
    shown = Page(
        render_report("poses", ReportFacts(people=1, indexed=1, pictures=0, scanned=1), [], "<p>coverage</p>", {})
    )
    assert "Pictures" not in shown.text
    assert "coverage" in shown.text
    assert "Nothing was skipped" in shown.text


def test_the_page_needs_nothing_from_elsewhere(items):
    sheet = contact_sheet(items[:8], sample_people(8), 4)
    html = render_report("library", FACTS, sheet, "", {"blurred": made(3, thumbnail=jpeg())})
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        assert all((value or "").startswith("data:image/jpeg;") for name, value in attributes.items() if name == "src")
        assert not any(name.startswith("on") or name == "href" for name in attributes)
    assert "url(" not in html
    assert "@import" not in html


def test_whatever_is_in_names_stays_text():
    facts = ReportFacts(people=1, indexed=1, pictures=1, scanned=2, sources=(NASTY,), models=((NASTY, "0"),))
    tile = report.Thumbnail(jpeg(), 160, 120, sample_people(1), NASTY)
    skipped = {NASTY: made(1, NASTY, NASTY), "blurred": made(1, "blurred", f"/a/{NASTY}/", jpeg())}
    shown = Page(render_report(NASTY, facts, [tile], "", skipped))
    assert "script" not in {tag for tag, _ in shown.tags}
    assert shown.text.count("alert(1)") >= 6


def test_each_kind_of_skipped_picture_has_its_count_some_examples_and_what_to_do():
    skipped = {"blurred": made(2), "crowd": made(5000, "crowd", thumbnail=jpeg())}
    shown = Page(render_report("library", FACTS, [], "", skipped))
    assert shown.text.index("Crowd") < shown.text.index("Blurred")
    assert "5,000" in shown.text
    assert f"and {5000 - MAX_EXAMPLES:,} more" in shown.text
    assert report.ADVICE["crowd"] in shown.text
    assert report.ADVICE["blurred"] in shown.text
    assert sum(tag == "img" for tag, _ in shown.tags) == MAX_EXAMPLES


def test_every_kind_of_reason_is_explained():
    said = Path(report.__file__).parents[1]
    kinds = set(REASONS) | {"duplicate", "near-duplicate", "taken down", "other licence", "wrong size", "damaged"}
    assert kinds <= set(report.ADVICE)
    sources = "".join(file.read_text() for file in said.rglob("*.py") if file.name != "report.py")
    assert [kind for kind in report.ADVICE if f'"{kind}"' not in sources] == []


def test_the_time_is_told_only_where_it_is_given():
    timed = ReportFacts(people=1, indexed=1, pictures=1, scanned=100, seconds=20, workers=2, resumed=60)
    shown = Page(render_report("library", timed, [], "", {})).text
    assert "20 s" in shown
    assert "2.0 a second" in shown
    assert "by 2 processes" in shown
    assert "a second" not in Page(render_report("library", FACTS, [], "", {})).text


def test_a_full_page_is_small_enough_to_send(items):
    sheet = contact_sheet(items, sample_people(len(items)), len(items) // 2)
    skipped = {kind: made(MAX_EXAMPLES, kind, thumbnail=jpeg()) for kind in report.ADVICE}
    assert len(render_report("library", FACTS, sheet, "", skipped)) < 3_000_000
