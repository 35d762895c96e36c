"""The report page: what it shows of a library, and that it is one safe file."""

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


def make_jpeg(width: int = 160, height: int = 120) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (width, height), "teal").save(buffer, "JPEG")
    return buffer.getvalue()


def make_summary(count: int, kind: str = "blurred", name: str = "a.jpg", thumbnail: bytes | None = None) -> SkipSummary:
    summary = SkipSummary()
    for _ in range(count):
        summary.add(Skipped(name, kind, f"{name}: for a reason.", thumbnail))
    return summary


def make_item(number: int, picture: Path | None, title: str) -> Item:
    return Item(number, picture, 320, 240, (0, 0, 1, 1), title, None, None, None, None)


class Page(HTMLParser):
    """What a browser sees: tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        html.encode("utf-8")
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    """Two people in each of some hundred pictures. The fourth picture is damaged."""
    items = []
    for number in range(2 * (MAX_THUMBNAILS + 50)):
        file = tmp_path / f"{number // 2}.jpg"
        if not number % 2:
            file.write_bytes(b"" if number == 6 else make_jpeg(320, 240))
        items.append(make_item(number, file, f"Picture {number // 2}"))
    return items


def test_spreads_the_contact_sheet_over_the_library(items: list[Item]) -> None:
    keypoints = sample_people(len(items))
    sheet = contact_sheet(items, keypoints, len(items) // 2)
    assert MAX_THUMBNAILS - 1 <= len(sheet) <= MAX_THUMBNAILS
    assert (sheet[0].title, sheet[-1].title) == ("Picture 0", f"Picture {len(items) // 2 - 2}")
    assert (sheet[0].width, sheet[0].height) == (160, 120)
    np.testing.assert_allclose(sheet[0].people, keypoints[:2] * (0.5, 0.5, 1), atol=0.01)


def test_poses_without_pictures_have_no_contact_sheet() -> None:
    assert contact_sheet([make_item(0, None, "a pose")], sample_people(1), 0) == []
    facts = ReportFacts(people=1, indexed=1, pictures=0, scanned=1)
    page = Page(render_report("poses", facts, [], "<p>coverage</p>", {}))
    assert "Pictures" not in page.text
    assert "coverage" in page.text
    assert "Nothing was skipped" in page.text


def test_needs_no_other_file(items: list[Item]) -> None:
    sheet = contact_sheet(items[:8], sample_people(8), 4)
    html = render_report("library", FACTS, sheet, "", {"blurred": make_summary(3, thumbnail=make_jpeg())})
    for tag, attributes in Page(html).tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        assert all((value or "").startswith("data:image/jpeg;") for name, value in attributes.items() if name == "src")
        assert not any(name.startswith("on") or name == "href" for name in attributes)
    assert "url(" not in html
    assert "@import" not in html


def test_escapes_names() -> None:
    facts = ReportFacts(people=1, indexed=1, pictures=1, scanned=2, sources=(NASTY,), models=((NASTY, "0"),))
    thumbnail = report.Thumbnail(make_jpeg(), 160, 120, sample_people(1), NASTY)
    skipped = {NASTY: make_summary(1, NASTY, NASTY), "blurred": make_summary(1, "blurred", f"/a/{NASTY}/", make_jpeg())}
    page = Page(render_report(NASTY, facts, [thumbnail], "", skipped))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count("alert(1)") >= 6


def test_shows_counts_examples_and_advice_of_skipped() -> None:
    skipped = {"blurred": make_summary(2), "crowd": make_summary(5000, "crowd", thumbnail=make_jpeg())}
    page = Page(render_report("library", FACTS, [], "", skipped))
    assert page.text.index("Crowd") < page.text.index("Blurred")
    assert "5,000" in page.text
    assert f"and {5000 - MAX_EXAMPLES:,} more" in page.text
    assert report.ADVICE["crowd"] in page.text
    assert report.ADVICE["blurred"] in page.text
    assert sum(tag == "img" for tag, _ in page.tags) == MAX_EXAMPLES


def test_every_kind_of_reason_has_advice() -> None:
    kinds = set(REASONS) | {"duplicate", "near-duplicate", "taken down", "other licence", "wrong size", "damaged"}
    assert kinds <= set(report.ADVICE)
    package = Path(report.__file__).parents[1]
    code = "".join(file.read_text() for file in package.rglob("*.py") if file.name != "report.py")
    assert [kind for kind in report.ADVICE if f'"{kind}"' not in code] == []


def test_a_full_page_is_small_enough_to_send(items: list[Item]) -> None:
    sheet = contact_sheet(items, sample_people(len(items)), len(items) // 2)
    skipped = {kind: make_summary(MAX_EXAMPLES, kind, thumbnail=make_jpeg()) for kind in report.ADVICE}
    assert len(render_report("library", FACTS, sheet, "", skipped)) < 3_000_000
