"""CREDITS.html: everybody is thanked, nothing in it is taken for HTML, and links lead to the web or nowhere."""

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
    number: int, title="Jump", author="Ann", licence="CC BY 4.0", licence_url=BY, source="https://x.org/1"
) -> Item:
    picture = Path(f"/library/pictures/{number}.jpg")
    return Item(number, picture, 640, 480, (0, 0, 9, 9), title, author, licence, licence_url, source)


class Read(HTMLParser):
    """What a browser makes of a page."""

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
        given = dict(attributes)
        self._link = given.get("href") or "" if tag == "a" else self._link
        if tag == "img":
            self.images.append(given["src"] or "")
            assert given["loading"] == "lazy"

    def handle_endtag(self, tag: str) -> None:
        self._link = "" if tag == "a" else self._link

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._link:
            self.links[data] = self._link
        if self.tags[-1:] == ["h2"] or self.tags[-2:] == ["h2", "a"]:
            self.headings.append(data.strip())


def test_each_picture_is_there_once_with_its_credit():
    read = Read([item(0), item(0), item(1, "Run", "Bob", source="http://y.org/?a=1&b=2")])
    assert read.images == ["pictures/0.jpg", "pictures/1.jpg"]
    assert read.links == {"Jump": "https://x.org/1", "Run": "http://y.org/?a=1&b=2", "CC BY 4.0": BY}
    assert "2 pictures by 2 authors" in read.text
    assert "Ann" in read.text
    assert "Bob" in read.text


def test_licences_come_by_how_many_pictures_they_have_and_none_last():
    items = [item(0, licence=None, licence_url=None), item(1, licence=None, licence_url=None)]
    items += [item(2, licence=None, licence_url="http://creativecommons.org/publicdomain/zero/1.0/")]
    items += [item(number) for number in range(3, 7)]
    read = Read(items)
    assert [one for one in read.headings if one] == ["CC BY 4.0", "CC0 1.0", "No licence is known"]
    assert read.links["CC0 1.0"] == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert [line.split("\n")[0] for line in read.html.split("<td>")[2::2]] == ["4", "1", "2"]


def test_a_licence_known_by_its_name_alone_is_linked_all_the_same():
    assert Read([item(0, licence="CC-BY-SA-4.0", licence_url=None)]).links["CC-BY-SA-4.0"].endswith("/by-sa/4.0/")


def test_pictures_come_by_their_authors_and_nobody_s_last():
    read = Read([item(0, author=None), item(1, author="bea"), item(2, author="Ann"), item(3, author="Bea")])
    assert read.images == ["pictures/2.jpg", "pictures/3.jpg", "pictures/1.jpg", "pictures/0.jpg"]


def test_no_text_becomes_html():
    bad = '"><script>alert(1)</script>&amp;'
    read = Read([item(0, bad, bad, bad, bad, bad)])
    assert not {"script", "amp"} & set(read.tags)
    assert read.text.count(bad) == 3


def test_only_the_web_is_linked():
    for url in (
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "s3://bucket/a.jpg",
        "http://[",
        "//x",
    ):
        read = Read([item(0, source=url, licence_url=url)])
        assert read.links == {}, url


def test_a_picture_without_any_credit_is_there_all_the_same():
    read = Read([item(0, None, None, None, None, None)])
    assert read.images == ["pictures/0.jpg"]
    assert "Untitled" in read.text
    assert "1 picture." in read.text
    assert "No licence is known" in read.text


def test_poses_alone_are_counted():
    alone = Item(1, None, 640, 480, (0, 0, 9, 9), "Jump", None, "CC BY 4.0", BY, None)
    assert "1 picture by 1 author and 1 pose without a picture" in Read([item(0), alone]).text


def test_the_page_needs_nothing_from_the_network():
    read = Read([item(number) for number in range(2 * PICTURES_PER_LIST + 1)])
    assert not {"script", "link", "iframe"} & set(read.tags)
    assert "url(" not in read.html
    assert read.tags.count("ul") == 3
    assert len(read.images) == 2 * PICTURES_PER_LIST + 1


def test_a_library_has_the_page_beside_its_pictures(tmp_path):
    new = NewItem(np.full((90, 120, 3), 90, np.uint8), sample_people(1)[0], "Jump", "Ann", "CC BY 4.0", BY)
    write_library([new], tmp_path / "library")
    html = (tmp_path / "library" / CREDITS_FILE).read_text("utf-8")
    (picture,) = (tmp_path / "library" / "pictures").iterdir()
    assert f'src="pictures/{picture.name}"' in html
    assert "Ann" in html
