"""The contract of sources (`index.collect.candidate.Source`), held against each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from index.build.photo import SourceError
from index.collect.candidate import Candidate, Source
from index.collect.listed import Listed
from index.collect.open_images import OpenImages
from index.collect.rules import load_rules
from tests.index.collect.open_images_tables import Sample, TableMaker
from tests.support.finders import marked_scene

COUNT = 7

RULES = load_rules()


def open_images(folder: Path) -> Source:
    maker = TableMaker()
    for number in range(COUNT):
        maker.add(Sample(title=f"Leap {number}"))
    return OpenImages(maker.write(folder))


def coco(folder: Path) -> Source:
    document = {
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}],
        "images": [
            {"id": n, "license": 4, "coco_url": f"https://coco.example/{n}.jpg", "width": 9, "height": 9}
            for n in range(COUNT)
        ],
        "annotations": [{"id": n, "image_id": n, "category_id": 1, "keypoints": [5, 5, 2] * 17} for n in range(COUNT)],
        "categories": [{"id": 1, "name": "person"}],
    }
    return save(folder / "coco.json", json.dumps(document))


def commons(folder: Path) -> Source:
    licence = {"LicenseShortName": {"value": "CC BY-SA 4.0"}}
    pages = [
        {
            "title": f"File:Leap {number}.jpg",
            "imageinfo": [{"url": f"https://commons.example/{number}.jpg", "extmetadata": licence}],
        }
        for number in range(COUNT)
    ]
    return save(folder / "commons.json", json.dumps({"query": {"pages": pages}}))


def table(folder: Path) -> Source:
    rows = [f"https://table.example/{number}.jpg,CC0" for number in range(COUNT)]
    return save(folder / "photos.csv", "\n".join(["picture,licence", *rows]))


def photo_folder(folder: Path) -> Source:
    for number in range(COUNT):
        marked_scene(number).save(folder / f"{number}.jpg")
    return Listed(folder)


def save(file: Path, text: str) -> Source:
    file.write_text(text)
    return Listed(file)


EVERY_SOURCE = pytest.mark.parametrize("make", [open_images, coco, commons, table, photo_folder])


def prepared(make: Callable[[Path], Source], tmp_path: Path) -> Source:
    (tmp_path / "source").mkdir(exist_ok=True)
    (tmp_path / "kept").mkdir(exist_ok=True)
    source = make(tmp_path / "source")
    source.prepare(tmp_path / "kept", RULES)
    return source


def told(candidate: Candidate) -> tuple[object, ...]:
    return candidate.key, candidate.picture, candidate.credit, candidate.author_url, candidate.rotation, candidate.size


@EVERY_SOURCE
def test_yields_as_many_as_it_says_each_once(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = prepared(make, tmp_path)
    keys = [candidate.key for candidate in source.candidates()]
    assert len(source) == len(keys) == len(set(keys)) == COUNT


@EVERY_SOURCE
def test_yields_the_same_again(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = prepared(make, tmp_path)
    first = [told(candidate) for candidate in source.candidates()]
    assert [told(candidate) for candidate in source.candidates()] == first
    assert [told(candidate) for candidate in source.candidates(3)] == first[3:]
    assert list(source.candidates(COUNT)) == []
    again = prepared(make, tmp_path)
    assert [told(candidate) for candidate in again.candidates()] == first


@EVERY_SOURCE
def test_has_nothing_left_to_download_once_it_is_prepared(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = prepared(make, tmp_path)
    assert list(source.downloads(RULES, tmp_path / "kept")) == []
    assert source.photos_place
    assert source.name


@EVERY_SOURCE
def test_names_a_licence_or_is_the_owners_own(make: Callable[[Path], Source], tmp_path: Path) -> None:
    for candidate in prepared(make, tmp_path).candidates():
        assert candidate.credit.licence or candidate.credit.licence_url or isinstance(candidate.picture, Path)


@EVERY_SOURCE
def test_reports_a_missing_list_in_one_sentence(make: Callable[[Path], Source], tmp_path: Path) -> None:
    source = prepared(make, tmp_path)
    for file in sorted((tmp_path / "source").rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    (tmp_path / "source").rmdir()
    (tmp_path / "new").mkdir()
    with pytest.raises(SourceError, match=r"^[^\n]*\.$"):
        source.prepare(tmp_path / "new", RULES)
