"""Saved answers of Wikimedia Commons: both forms, credits out of HTML, and what is not a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build.commons import _plain_text, is_commons, read_commons
from index.build.photo import Credit, Photo, Skipped, SourceError
from index.build.sources import read_sources

LEAP: dict[str, Any] = {
    "pageid": 36266497,
    "ns": 6,
    "title": "File:A leap (2019).jpg",
    "imageinfo": [
        {
            "url": "https://upload.example/a/A_leap_(2019).jpg",
            "thumburl": "https://upload.example/thumb/A_leap_(2019).jpg/1280px-A_leap_(2019).jpg",
            "descriptionurl": "https://commons.example/wiki/File:A_leap_(2019).jpg",
            "mime": "image/jpeg",
            "extmetadata": {
                "ObjectName": {"value": "A leap", "source": "mediawiki-metadata"},
                "Artist": {"value": '<a href="//commons.example/wiki/User:Ann" title="User:Ann">Ann &amp; Bob</a>'},
                "LicenseShortName": {"value": "CC BY-SA 4.0"},
                "LicenseUrl": {"value": "https://creativecommons.org/licenses/by-sa/4.0"},
                "DateTimeOriginal": {"value": '2019-05-04 <span style="display:none">x</span>'},
            },
        }
    ],
}


def save(tmp_path: Path, document: object) -> Path:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(document, indent=4))
    return file


def page(**changes: Any) -> dict[str, Any]:
    """Return the leap's page with changes to its `imageinfo`; None removes a key."""
    info = {key: value for key, value in {**LEAP["imageinfo"][0], **changes}.items() if value is not None}
    return {**LEAP, "imageinfo": [info]}


@pytest.mark.parametrize("pages", [{"36266497": LEAP}, [LEAP]], ids=["by number", "formatversion 2"])
def test_reads_the_smaller_copy_and_the_credit(tmp_path: Path, pages: object) -> None:
    (photo,) = read_commons(save(tmp_path, {"batchcomplete": "", "query": {"pages": pages}}))
    assert isinstance(photo, Photo)
    assert photo.file == "https://upload.example/thumb/A_leap_(2019).jpg/1280px-A_leap_(2019).jpg"
    assert photo.credit == Credit(
        "A leap",
        "Ann & Bob",
        "CC BY-SA 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0",
        "https://commons.example/wiki/File:A_leap_(2019).jpg",
        "2019-05-04",
    )


def test_reads_several_answers_and_each_file_once(tmp_path: Path) -> None:
    other = {**LEAP, "title": "File:Another.jpg"}
    answers = [{"continue": {}, "query": {"pages": [LEAP]}}, {"query": {"pages": [LEAP, other]}}]
    photos = list(read_commons(save(tmp_path, answers)))
    assert len(photos) == 2


@pytest.mark.parametrize("empty", [{}, {"imageinfo": []}])
def test_a_file_is_read_where_a_continued_answer_describes_it(tmp_path: Path, empty: dict[str, Any]) -> None:
    bare = {"title": LEAP["title"], **empty}
    other = {"title": "File:Another.jpg", **empty}
    answers = [{"query": {"pages": pages}} for pages in ([bare, other], [LEAP, other], [bare, other])]
    photo, skipped = read_commons(save(tmp_path, answers))
    assert isinstance(photo, Photo)
    assert isinstance(skipped, Skipped)
    assert "Another.jpg”, has no URL" in skipped.reason


def test_a_file_without_metadata_has_its_name_as_title(tmp_path: Path) -> None:
    (photo,) = read_commons(save(tmp_path, {"query": {"pages": [page(extmetadata=None, thumburl=None)]}}))
    assert isinstance(photo, Photo)
    assert photo.file == "https://upload.example/a/A_leap_(2019).jpg"
    assert photo.credit.title == "A leap (2019)"
    assert photo.credit.licence is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mime": "video/webm"}, "is no picture, but video/webm."),
        ({"url": None, "thumburl": None}, "has no URL: ask with iiprop=url|mime|size|extmetadata."),
        ({"url": 5, "thumburl": "a.jpg"}, "has no URL: ask with iiprop=url|mime|size|extmetadata."),
    ],
)
def test_skips_what_is_no_picture(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    (skipped,) = read_commons(save(tmp_path, {"query": {"pages": [page(**changes)]}}))
    assert isinstance(skipped, Skipped)
    assert skipped.reason.endswith(f"“File:A leap (2019).jpg”, {reason}")


@pytest.mark.parametrize("document", [{"query": {}}, {"query": {"pages": 3}}, {"batchcomplete": ""}, [5]])
def test_says_what_to_ask_for_when_no_pages_are_listed(tmp_path: Path, document: object) -> None:
    with pytest.raises(SourceError, match=r"lists no pages: ask with generator=categorymembers"):
        list(read_commons(save(tmp_path, document)))


def test_is_told_from_a_coco_file(tmp_path: Path) -> None:
    assert is_commons(save(tmp_path, {"batchcomplete": "", "query": {"pages": []}}))
    assert is_commons(save(tmp_path, [{"continue": {}, "query": {"pages": []}}]))
    assert not is_commons(save(tmp_path, {"info": {}, "images": []}))
    assert not is_commons(tmp_path / "missing.json")


def test_is_a_source_of_a_build(tmp_path: Path) -> None:
    file = save(tmp_path, {"query": {"pages": [LEAP]}})
    (photo,) = read_sources([file], licences=["CC BY-SA 4.0"])
    assert isinstance(photo, Photo)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('Unknown author<span style="display: none;">Unknown author</span>', "Unknown author"),
        ('<div style="color:red; DISPLAY :\tNone">date QS:P571</div>2019', "2019"),
        ('<span style="display:none">a<br>b<img src="x">c<wbr/>d</span>Jane', "Jane"),
        ('<ul style="display: none"><li>a<li>b</i></ul>Jane', "Jane"),
        ('<b><span style="display: none">a<span>b</span>c</span>Jane</b>', "Jane"),
        ('<br style="display:none">Jane <span style="display: inline">Doe</span>', "Jane Doe"),
    ],
)
def test_hidden_text_is_left_out_and_nothing_else(html: str, text: str) -> None:
    assert _plain_text(html) == text


@given(html=st.text(max_size=200) | st.text(alphabet="<>/&;abstyle= \"'!-", max_size=60))
def test_any_html_gives_one_line(html: str) -> None:
    text = _plain_text(html)
    assert text is None or (text == " ".join(text.split()) and text)
