"""CREDITS.html: it credits every picture, escapes every text, and links only to the web."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from index.build.credits import PICTURES_PER_LIST, render_credits
from index.library import Item
from index.manifest import CREDITS_FILE
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people

BY = "https://creativecommons.org/licenses/by/4.0/"


def item(
    number: int,
    title: str | None = "Jump",
    author: str | None = "Ann",
    licence: str | None = "CC BY 4.0",
    licence_url: str | None = BY,
    source: str | None = "https://x.org/1",
    date: str | None = None,
) -> Item:
    picture = Path(f"/library/pictures/{number}.jpg")
    return Item(number, picture, 640, 480, (0, 0, 9, 9), title, author, licence, licence_url, source, date)


class Page(HTMLParser):
    """What a browser sees."""

    def __init__(self, items: Iterable[Item]) -> None:
        super().__init__()
        self.html = "".join(render_credits(items))
        self.tags: list[str] = []
        self.images: list[str] = []
        self.links: dict[str, str] = {}
        self.headings: list[str] = []
        self.text = ""
        self._link = ""
        self.feed(self.html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attributes)
        self._link = values.get("href") or "" if tag == "a" else self._link
        if tag == "img":
            self.images.append(values["src"] or "")
            assert values["loading"] == "lazy"

    def handle_endtag(self, tag: str) -> None:
        self._link = "" if tag == "a" else self._link

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link:
            self.links[data] = self._link
        if self.tags[-1:] == ["h2"] or self.tags[-2:] == ["h2", "a"]:
            self.headings.append(data.strip())


def test_credits_each_picture_once() -> None:
    page = Page([item(0), item(0), item(1, "Run", "Bob", source="http://y.org/?a=1&b=2")])
    assert page.images == ["pictures/0.jpg", "pictures/1.jpg"]
    assert page.links == {"Jump": "https://x.org/1", "Run": "http://y.org/?a=1&b=2", "CC BY 4.0": BY}
    assert "2 pictures by 2 authors" in page.text
    assert "Ann" in page.text
    assert "Bob" in page.text


def test_sorts_licences_by_number_of_pictures() -> None:
    items = [item(0, licence=None, licence_url=None), item(1, licence=None, licence_url=None)]
    items += [item(2, licence=None, licence_url="http://creativecommons.org/publicdomain/zero/1.0/")]
    items += [item(number) for number in range(3, 7)]
    page = Page(items)
    assert [heading for heading in page.headings if heading] == ["CC BY 4.0", "CC0 1.0", "Licence unknown"]
    assert page.links["CC0 1.0"] == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert [line.split("\n")[0] for line in page.html.split("<td>")[2::2]] == ["4", "1", "2"]


def test_links_a_licence_known_by_name_only() -> None:
    assert Page([item(0, licence="CC-BY-SA-4.0", licence_url=None)]).links["CC-BY-SA-4.0"].endswith("/by-sa/4.0/")


def test_sorts_pictures_by_author_and_unknown_last() -> None:
    page = Page([item(0, author=None), item(1, author="bea"), item(2, author="Ann"), item(3, author="Bea")])
    assert page.images == ["pictures/2.jpg", "pictures/3.jpg", "pictures/1.jpg", "pictures/0.jpg"]


def test_says_in_which_year_a_photo_was_taken() -> None:
    page = Page(
        [item(1, date="2019-07-14"), item(2, author=None, date="1998"), item(3, author="Bo", date="about 1900")]
    )
    assert "Ann, 2019" in page.text
    assert "Bo, about 1900" in page.text
    assert "07" not in page.text
    assert "<small>1998</small>" in page.html


def test_escapes_texts() -> None:
    bad = '"><script>alert(1)</script>&amp;'
    page = Page([item(0, bad, bad, bad, bad, bad)])
    assert not {"script", "amp"} & set(page.tags)
    assert page.text.count(bad) == 3


def test_links_only_to_the_web() -> None:
    for url in (
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "s3://bucket/a.jpg",
        "http://[",
        "//x",
    ):
        page = Page([item(0, source=url, licence_url=url)])
        assert page.links == {}, url


def test_lists_a_picture_without_a_credit() -> None:
    page = Page([item(0, None, None, None, None, None)])
    assert page.images == ["pictures/0.jpg"]
    assert "Untitled" in page.text
    assert "1 picture." in page.text
    assert "Licence unknown" in page.text


def test_counts_poses_without_a_picture() -> None:
    bare_pose = Item(1, None, 640, 480, (0, 0, 9, 9), "Jump", None, "CC BY 4.0", BY, None)
    assert "1 picture by 1 author and 1 pose without a picture" in Page([item(0), bare_pose]).text


def test_needs_no_network() -> None:
    page = Page([item(number) for number in range(2 * PICTURES_PER_LIST + 1)])
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert "url(" not in page.html
    assert page.tags.count("ul") == 3
    assert len(page.images) == 2 * PICTURES_PER_LIST + 1


def test_a_library_has_the_page_next_to_its_pictures(tmp_path: Path) -> None:
    new = NewItem(np.full((90, 120, 3), 90, np.uint8), sample_people(1)[0], "Jump", "Ann", "CC BY 4.0", BY)
    write_library([new], tmp_path / "library")
    html = (tmp_path / "library" / CREDITS_FILE).read_text("utf-8")
    (picture,) = (tmp_path / "library" / "pictures").iterdir()
    assert f'src="pictures/{picture.name}"' in html
    assert "Ann" in html
