"""Sidecars of phones, cloud services and photo editors: matched with their photos by name, used, and no faults."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.build.photo import Credit, Photo
from index.build.sidecars import Sidecars
from index.build.tree import read_folder
from index.credit import NO_CREDIT
from tests.index.test_picture_credit import alternatives, xmp
from tests.support.paths import SHARED


def write(folder: Path, *names: str, text: str = "") -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(text)


def sidecar(folder: Path, name: str, **values: object) -> None:
    write(folder, name, text=json.dumps(values))


def credits(folder: Path) -> dict[str, Credit]:
    """Return the credit of each photo in a folder, none of which is skipped."""
    entries = list(read_folder(folder))
    assert all(isinstance(entry, Photo) for entry in entries), entries
    return {Path(entry.file).name: entry.credit for entry in entries if isinstance(entry, Photo)}


@pytest.mark.parametrize(
    ("photo", "json_name"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.json"),
        ("a.heic", "A.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg", "D7157814-D2D5-4A62-AFCE-9CF465CB7D66.jpeg.supp.json"),
        ("Screenshot_2017-07-05-10-05-26.png", "Screenshot_2017-07-05-10-05-26.png.supplementa.json"),
        (
            "Screenshot_20220207_102421_com.snapchat.android.jpg",
            "Screenshot_20220207_102421_com.snapchat.androi.json",
        ),
        ("Urlaub in Knaufspesch in der Schneifel (38).JPG", "Urlaub in Knaufspesch in der Schneifel (38).JP.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-metadata(12).json"),
        ("IMG_1(1).jpg", "IMG_1(1).jpg.json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-bearbeitet(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
        ("Cafe\u0301.jpg", "Café.jpg.json"),
    ],
)
def test_finds_the_json_of_a_photo(tmp_path: Path, photo: str, json_name: str) -> None:
    write(tmp_path, photo)
    sidecar(tmp_path, json_name, description="Somebody jumps", url="https://photos.example/1")
    expected = Credit("Somebody jumps", source_url="https://photos.example/1")
    assert credits(tmp_path) == {photo: expected}


def test_keeps_numbered_photos_apart(tmp_path: Path) -> None:
    for photo, json_name in (
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
        ("IMG_1(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_10.jpg", "IMG_10.jpg.json"),
    ):
        write(tmp_path, photo)
        sidecar(tmp_path, json_name, description=f"title of {photo}")
    write(tmp_path, "IMG.jpg", "IMG_1-final.jpg")
    titles = {name: credit.title for name, credit in credits(tmp_path).items()}
    assert titles.pop("IMG.jpg") == "IMG"
    assert titles.pop("IMG_1-final.jpg") == "IMG 1-final"
    assert titles == {name: f"title of {name}" for name in titles}
    assert len(titles) == 4


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"title": "IMG_1.jpg", "description": "Ann jumps"}, ("Ann jumps", None, None)),
        ({"title": "Ann jumps", "description": "A long story"}, ("Ann jumps", None, None)),
        ({"title": "The_real name.HEIC", "description": ""}, ("The real name", None, None)),
        ({"title": "", "author": {"name": "Ann"}, "license": "CC BY 4.0"}, ("IMG 1", "Ann", "CC BY 4.0")),
        ({"description": "JosÃ© springt"}, ("José springt", None, None)),
        ({"title": 5, "author": ["Ann"], "url": "javascript:x", "photoTakenTime": None}, ("IMG 1", None, None)),
        ({}, ("IMG 1", None, None)),
    ],
)
def test_reads_what_a_json_sidecar_says(
    tmp_path: Path, values: dict[str, object], expected: tuple[str | None, ...]
) -> None:
    write(tmp_path, "IMG_1.jpg")
    sidecar(tmp_path, "IMG_1.jpg.json", **values)
    credit = credits(tmp_path)["IMG_1.jpg"]
    assert credit[:3] == expected
    assert credit.source_url is None


@pytest.mark.parametrize(
    ("values", "date"),
    [
        ({"photoTakenTime": {"timestamp": "1563111111", "formatted": "14.07.2019"}}, "2019-07-14"),
        ({"photoTakenTime": {"timestamp": "0"}}, None),
        ({"photoTakenTime": {"timestamp": "9" * 30}}, None),
        ({"date_taken": "2019-07-14 12:00:00"}, "2019-07-14"),
    ],
)
def test_reads_when_a_photo_was_taken(tmp_path: Path, values: dict[str, object], date: str | None) -> None:
    write(tmp_path, "IMG_1.jpg")
    sidecar(tmp_path, "IMG_1.jpg.json", **values)
    assert credits(tmp_path)["IMG_1.jpg"].date == date


@pytest.mark.parametrize("name", ["IMG_1.xmp", "IMG_1.jpg.xmp", "img_1.JPG.XMP"])
def test_takes_an_xmp_sidecar_before_json(tmp_path: Path, name: str) -> None:
    write(tmp_path, "IMG_1.jpg")
    packet = xmp("<dc:creator><rdf:Seq><rdf:li>José</rdf:li></rdf:Seq></dc:creator>" + alternatives("dc:title", en="A"))
    (tmp_path / name).write_bytes(packet)
    sidecar(tmp_path, "IMG_1.jpg.json", description="B", url="https://photos.example/1")
    assert credits(tmp_path)["IMG_1.jpg"] == Credit("A", "José", source_url="https://photos.example/1")


def test_a_table_counts_before_a_sidecar(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg", "b.jpg")
    sidecar(tmp_path, "a.jpg.json", description="from the sidecar", author="from the sidecar")
    sidecar(tmp_path, "b.jpg.json", description="from the sidecar", license="all rights reserved")
    write(
        tmp_path, "credits.csv", text="picture,title,author,licence_url\na.jpg,,from the table,\nb.jpg,B,,https://x\n"
    )
    found = credits(tmp_path)
    assert found["a.jpg"] == Credit("from the sidecar", "from the table")
    assert found["b.jpg"] == Credit("B", None, None, "https://x")


def test_no_file_of_an_export_is_a_fault(tmp_path: Path) -> None:
    write(
        tmp_path,
        *("IMG_1.HEIC", "IMG_1.MOV", "IMG_1.AAE", "IMG_2.JPG", "IMG_2.mp4", "PXL_3.MP.jpg", "PXL_3.MP", "IMG_2.THM"),
        *("Thumbs.db", "desktop.ini", ".DS_Store", "._IMG_1.HEIC", "IMG_2.pp3", "Icon\r", "@eaDir/IMG_1.HEIC/x.jpg"),
        *("__MACOSX/._IMG_1.HEIC", "$RECYCLE.BIN/a.jpg"),
    )
    sidecar(tmp_path, "metadata.json", title="Summer 2019", description="", access="protected")
    sidecar(tmp_path, "print-subscriptions.json")
    sidecar(tmp_path, "gone.jpg.supplemental-metadata.json", title="gone.jpg")
    (tmp_path / "broken.jpg.xmp").write_bytes(b"\xff\xfe\0")
    assert list(credits(tmp_path)) == ["IMG_1.HEIC", "IMG_2.JPG", "PXL_3.MP.jpg"]


def test_reports_json_that_is_no_sidecar(tmp_path: Path) -> None:
    sidecar(tmp_path, "people.json", images=[], annotations=[])
    write(tmp_path, "broken.json", text="{")
    write(tmp_path, "large.json", text=json.dumps({"x": "y" * 1_000_001}))
    assert list(credits(tmp_path)) == ["broken.json", "large.json", "people.json"]


def test_films_without_a_picture_are_still_told(tmp_path: Path) -> None:
    write(tmp_path, "IMG_1.HEIC", "IMG_2.MOV", "IMG_1.avi")
    reasons = [entry.reason for entry in read_folder(tmp_path) if not isinstance(entry, Photo)]
    assert [Path(reason.split(" is a video: ")[0]).name for reason in reasons] == ["IMG_1.avi", "IMG_2.MOV"]


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), unique=True))
def test_any_names_may_be_in_a_folder(names: list[str]) -> None:
    sidecars = Sidecars(Path("/nowhere"), names)
    assert set(sidecars.names) <= set(names)
    assert all(sidecars.credit(name) == NO_CREDIT for name in sidecars.names)


def test_uses_the_photo_of_a_phone_and_its_json() -> None:
    folder = SHARED / "odd" / "heic"
    if not folder.exists():
        pytest.skip(f"{folder} is missing")
    assert list(credits(folder)) == ["a.heic"]
