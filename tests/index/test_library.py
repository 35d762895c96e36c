"""Libraries: reading what was written, and verifying it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index import manifest as manifests
from index.build.photo import NewPicture
from index.build.writer import BATCH_SIZE, LibraryWriter
from index.errors import LibraryError
from index.library import Library, RemovedPicture, load_manifest, verify_library
from index.manifest import (
    CREDITS_FILE,
    MANIFEST_FILE,
    PAGES,
    PICTURES_FOLDER,
    REPORT_FILE,
)
from index.match import Matcher
from models.pose import Pose
from tests.support.libraries import NewItem, add_item, write_library
from tests.support.sample_library import CHECKED, COUNT, flip_first, items, picture
from tests.support.sample_poses import sample_people


def test_opens_the_library_that_takes_the_place_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a mirror starts while another one's starter library grows."""
    folder, people = tmp_path / "library", sample_people(3)
    write_library([NewItem(None, person) for person in people[:1]], folder)
    verify = manifests.verify_mapped_files

    def replace_first(*args: Any) -> None:
        if load_manifest(folder).items == 1:
            write_library([NewItem(None, person) for person in people[:2]], folder)
        verify(*args)

    monkeypatch.setattr(manifests, "verify_mapped_files", replace_first)
    with Library.open(folder) as library:
        assert len(library) == 2


def test_reads_what_was_written(built: Path) -> None:
    with Library.open(built) as library:
        assert len(library) == COUNT
        assert library.keypoints.shape == (COUNT, 17, 3)
        assert library.keypoints.dtype == np.float32
        assert np.allclose(library.pose(400).xy, sample_people(COUNT)[400, :, :2])
        item = library.item(3)
        assert (item.number, item.width, item.height) == (3, 128, 96)
        assert item.credit == "Item 3, Ann, CC BY 4.0"
        assert (item.licence_url, item.source_url) == ("https://cc.example", "https://3")
        assert item.box == pytest.approx(library.pose(3).box())
        assert item.picture is not None
        assert item.picture.is_file()
        assert np.abs(library.picture(3).astype(int) - picture(3)).mean() < 4
        assert library.item(100).picture is None
        with pytest.raises(LibraryError, match="is a pose without a picture"):
            library.picture(100)
        for nobody in (COUNT, -1):
            with pytest.raises(IndexError, match="no item"):
                library.item(nobody)
    assert verify_library(built) == load_manifest(built)
    assert load_manifest(built).models == (("posenet", "ab12"),)
    assert load_manifest(built).pictures == 5


def test_names_an_author_once_where_the_notice_does(tmp_path: Path) -> None:
    people = sample_people(2)
    items = [NewItem(None, people[0], "Jump", "Ann", "© 2020 Ann"), NewItem(None, people[1], "Jump", "Ann", "Annual")]
    write_library(items, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert [item.credit for item in library.items()] == ["Jump, © 2020 Ann", "Jump, Ann, Annual"]


def test_key_points_are_read_only(built: Path) -> None:
    with Library.open(built) as library, pytest.raises(ValueError, match="read-only"):
        library.keypoints[0] = 0


def test_scales_a_picture_with_its_key_points(tmp_path: Path) -> None:
    wide = np.zeros((100, 400, 3), np.uint8)
    person = np.zeros((17, 3), np.float32)
    person[5:9] = (0, 0, 1), (399, 0, 1), (399, 99, 1), (199.5, 49.5, 1)
    write_library([NewItem(wide, person)], tmp_path / "small", long_side=200)
    with Library.open(tmp_path / "small") as library:
        assert (library.item(0).width, library.item(0).height) == (200, 50)
        assert library.picture(0).shape == (50, 200, 3)
        assert library.keypoints[0, 5:9, :2].tolist() == [
            [-0.25, -0.25],
            [199.25, -0.25],
            [199.25, 49.25],
            [99.5, 24.5],
        ]
        assert not library.keypoints[0, :5].any(), "unseen points stay unseen"


def test_stores_the_picture_of_two_people_once(tmp_path: Path) -> None:
    write_library([NewItem(picture(0), person) for person in sample_people(2)], tmp_path / "library")
    assert len(list((tmp_path / "library" / PICTURES_FOLDER).iterdir())) == 1


def test_stores_one_fingerprint_per_picture(built: Path) -> None:
    with Library.open(built) as library:
        expected = {stored.name: stored.fingerprint for stored in (NewPicture.encode(picture(i)) for i in range(5))}
        assert list(library.fingerprints()) == sorted(expected.items())
        assert list(library.picture_names()) == sorted(expected)


def test_yields_items_in_order(built: Path) -> None:
    with Library.open(built) as library:
        assert list(library.items()) == [library.item(i) for i in range(COUNT)]


@pytest.mark.slow
def test_reads_items_while_writing(tmp_path: Path) -> None:
    people = sample_people(BATCH_SIZE + 5)
    with LibraryWriter(tmp_path / "library") as writer:
        assert writer.keypoints().shape == (0, 17, 3)
        for i, person in enumerate(people):
            add_item(writer, NewItem(picture(0) if i == 3 else None, person, f"Item {i}"))
            if i == BATCH_SIZE + 2:
                assert len(writer) == BATCH_SIZE + 3
                assert (writer.keypoints() == people[: BATCH_SIZE + 3]).all()
        assert writer.keypoints().shape == people.shape
        written = list(writer.items())
        assert written[3].picture is not None
        assert written[3].picture.is_file()
        writer.finish()
    with Library.open(tmp_path / "library") as library:
        assert (library.keypoints == people).all()
        assert [item.title for item in library.items()] == [item.title for item in written]
        assert (
            library.item(BATCH_SIZE + 1).box
            == written[BATCH_SIZE + 1].box
            == pytest.approx(library.pose(BATCH_SIZE + 1).box())
        )


def test_remembers_removed_pictures(tmp_path: Path) -> None:
    gone = [
        RemovedPicture(f"{'b' * 64}.jpg", bytes(32), None),
        RemovedPicture(f"{'a' * 64}.jpg", bytes(range(32)), "A"),
    ]
    with LibraryWriter(tmp_path / "library") as writer:
        add_item(writer, items(1)[0])
        for removed in (*gone, gone[0]):
            writer.add_removed(removed)
        writer.finish()
    with Library.open(tmp_path / "library") as library:
        assert library.removed_pictures() == gone[::-1]


def test_only_verify_checks_pages(tmp_path: Path) -> None:
    with LibraryWriter(tmp_path / "library") as writer:
        add_item(writer, items(1)[0])
        with pytest.raises(ValueError, match=r"'index\.html' is not one of"):
            writer.write_page("index.html", "")
        writer.write_page(REPORT_FILE, "<p>Möbius")
        writer.finish()
    assert (tmp_path / "library" / REPORT_FILE).read_text(encoding="utf-8") == "<p>Möbius"
    assert "Ann" in (tmp_path / "library" / CREDITS_FILE).read_text(encoding="utf-8")
    verify_library(tmp_path / "library")
    for page in PAGES:
        flip_first(tmp_path / "library" / page)
        Library.open(tmp_path / "library").close()
        with pytest.raises(LibraryError, match=page):
            verify_library(tmp_path / "library")
        flip_first(tmp_path / "library" / page)


def test_poses_without_pictures_have_no_credits_page(tmp_path: Path) -> None:
    write_library([NewItem(None, person) for person in sample_people(2)], tmp_path / "library")
    assert not (tmp_path / "library" / CREDITS_FILE).exists()


def test_verify_reports_progress(built: Path) -> None:
    reports: list[tuple[int, int | None, str]] = []
    verify_library(built, progress=lambda *report: reports.append(report))
    size = sum((built / name).stat().st_size for name in CHECKED)
    assert [report for report in reports if report[2] == "Checking"][-1] == (size, size, "Checking")
    assert reports[-1] == (5, 5, "Checking pictures")


def test_the_same_items_give_the_same_bytes(built: Path, tmp_path: Path) -> None:
    write_library(items(COUNT), tmp_path / "again", models=[("posenet", "ab12")])
    for name in (*CHECKED, MANIFEST_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (built / name).read_bytes(), name


@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_a_library_may_be_small(tmp_path: Path, count: int) -> None:
    write_library([NewItem(None, person) for person in sample_people(count)], tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert [m.item for m in Matcher(library).find(library.pose(count - 1), 1)] == [count - 1]


def test_stores_people_who_cannot_be_found(tmp_path: Path) -> None:
    people = sample_people(3)
    people[1, 2:] = 0
    write_library([NewItem(None, person) for person in people], tmp_path / "library")
    assert (load_manifest(tmp_path / "library").items, load_manifest(tmp_path / "library").indexed) == (3, 2)
    with pytest.raises(LibraryError, match="its only person does not show at least 3 key points"):
        write_library([NewItem(None, people[1])], tmp_path / "nobody")
    with pytest.raises(LibraryError, match="none of the 0 people"):
        write_library([], tmp_path / "nobody")
    assert [file.name for file in tmp_path.iterdir()] == ["library"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e9])
def test_rejects_a_coordinate_outside_any_picture(tmp_path: Path, value: float) -> None:
    person = sample_people(1)[0]
    person[3, 0] = value
    with pytest.raises(ValueError, match="cannot be a pixel"):
        write_library([NewItem(None, person)], tmp_path / "library")


def test_close_may_be_called_twice(built: Path) -> None:
    library = Library.open(built)
    library.close()
    library.close()


def test_poses_are_in_pixels_of_the_stored_picture(built: Path) -> None:
    with Library.open(built) as library:
        pose = library.pose(0)
        assert isinstance(pose, Pose)
        assert pose.mirrored(library.item(0).width).mirrored(library.item(0).width).xy == pytest.approx(pose.xy)
