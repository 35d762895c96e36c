"""Listed sources: which photographs the rules allow, and their order."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from index.build.photo import SourceError
from index.collect.listed import Listed
from index.collect.rules import load_rules
from tests.support.finders import marked_scene

COCO_LICENCES = [
    (1, "Attribution-NonCommercial-ShareAlike License", "http://creativecommons.org/licenses/by-nc-sa/2.0/"),
    (2, "Attribution-NonCommercial License", "http://creativecommons.org/licenses/by-nc/2.0/"),
    (3, "Attribution-NonCommercial-NoDerivs License", "http://creativecommons.org/licenses/by-nc-nd/2.0/"),
    (4, "Attribution License", "http://creativecommons.org/licenses/by/2.0/"),
    (5, "Attribution-ShareAlike License", "http://creativecommons.org/licenses/by-sa/2.0/"),
    (6, "Attribution-NoDerivs License", "http://creativecommons.org/licenses/by-nd/2.0/"),
    (7, "No known copyright restrictions", "http://flickr.com/commons/usage/"),
    (8, "United States Government Work", "http://www.usa.gov/copyright.shtml"),
]
"""Number, name and URL of each licence in COCO's files."""


def prepared(place: Path, tmp_path: Path) -> Listed:
    source = Listed(place)
    source.prepare(tmp_path, load_rules())
    return source


def test_of_coco_only_licences_with_which_photographs_may_be_shown_and_changed(tmp_path: Path) -> None:
    keypoints = [10, 20, 2] * 17
    document = {
        "licenses": [{"id": number, "name": name, "url": url} for number, name, url in COCO_LICENCES],
        "images": [
            {"id": number, "license": number, "coco_url": f"https://coco.example/{number}.jpg", "width": 9, "height": 9}
            for number, _, _ in COCO_LICENCES
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "keypoints": keypoints}
            for number, _, _ in COCO_LICENCES
        ],
        "categories": [{"id": 1, "name": "person"}],
    }
    file = tmp_path / "person_keypoints.json"
    file.write_text(json.dumps(document))
    source = prepared(file, tmp_path)
    found = {str(candidate.picture) for candidate in source.candidates()}
    assert found == {f"https://coco.example/{number}.jpg" for number in (4, 5, 7, 8)}
    assert all(candidate.people is not None for candidate in source.candidates())


def test_a_file_without_a_licence_is_the_owners_own(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        marked_scene(number).save(photos / f"{number}.jpg")
    assert len(prepared(photos, tmp_path)) == 3


def test_a_table_follows_the_rules(tmp_path: Path) -> None:
    rows = ["picture,title,licence", *(f"https://x.example/{n}.jpg,Leap {n},CC BY 4.0" for n in range(5))]
    rows += [
        "https://x.example/nc.jpg,Leap,CC BY-NC 4.0",
        "https://x.example/?.jpg,Leap,",
        "https://x.example/n.jpg,Nude,CC0",
    ]
    table = tmp_path / "photos.csv"
    table.write_text("\n".join(rows))
    source = prepared(table, tmp_path)
    assert {candidate.key for candidate in source.candidates()} == {f"https://x.example/{n}.jpg" for n in range(5)}


def test_the_order_is_mixed_and_stays(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("picture,licence\n" + "\n".join(f"https://x.example/{n}.jpg,CC0" for n in range(50)))
    order = [candidate.key for candidate in prepared(table, tmp_path).candidates()]
    assert order == [candidate.key for candidate in prepared(table, tmp_path).candidates()]
    assert order != sorted(order)
    assert [candidate.key for candidate in prepared(table, tmp_path).candidates(20)] == order[20:]


def test_names_that_are_no_text_become_some(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9s")
    folder.mkdir()
    marked_scene(1).save(folder / os.fsdecode(b"caf\xe9.jpg"))
    source = prepared(folder, tmp_path)
    (candidate,) = source.candidates()
    assert source.name == f"{tmp_path}/caf\\udce9s"
    assert candidate.key == f"{tmp_path}/caf\\udce9s/caf\\udce9.jpg"
    assert isinstance(candidate.picture, Path)
    assert candidate.picture.is_file()


def test_urls_that_are_no_text_become_some(tmp_path: Path) -> None:
    table = tmp_path / "photos.jsonl"
    table.write_text('{"picture": "https://x.example/\\ud800.jpg", "licence": "CC0"}')
    (candidate,) = prepared(table, tmp_path).candidates()
    assert candidate.key == "https://x.example/\\ud800.jpg"


@pytest.mark.parametrize("place", ["photos", "./photos", "../{name}/photos"])
def test_keys_are_the_same_from_any_working_folder(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos").mkdir()
    marked_scene(1).save(tmp_path / "photos" / "1.jpg")
    monkeypatch.chdir(tmp_path)
    source = Listed(Path(place.format(name=tmp_path.name)))
    monkeypatch.chdir("/")
    source.prepare(tmp_path, load_rules())
    assert source.name == str(tmp_path / "photos")
    assert [candidate.key for candidate in source.candidates()] == [str(tmp_path / "photos" / "1.jpg")]


def test_the_first_of_two_rows_of_one_picture_counts(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    rows = ["a.jpg,Leap,CC0", "b.jpg,Jump,all rights reserved", "a.jpg,Spin,CC0", "b.jpg,Jump,CC0"]
    table.write_text("picture,title,licence\n" + "\n".join(f"https://x.example/{row}" for row in rows))
    source = prepared(table, tmp_path)
    assert len(source) == 1
    assert [candidate.credit.title for candidate in source.candidates()] == ["Leap"]


def test_says_when_the_rules_allow_nothing(tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("picture,licence\nhttps://x.example/1.jpg,all rights reserved\n")
    with pytest.raises(
        SourceError, match=r"photos\.csv lists no photographs that the rules allow: look at their licences"
    ):
        prepared(table, tmp_path)
