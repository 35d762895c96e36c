"""Labels of photos that EXIF turns: people come out upright, whichever pixels their labels are for."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from index.build.coco import read_coco
from index.build.journal import Journal
from index.build.orientation import turn_upright
from index.build.photo import Frame, Photo, Skipped
from index.build.pipeline import build
from index.build.scan import WITHOUT_ESTIMATOR, scan_photo
from index.credit import NO_CREDIT
from index.decoding import ORIENTATION_TAG, TRANSPOSE_BY_ORIENTATION
from index.library import Library
from models.pose import MIRROR_ORDER, Floats

SIDEWAYS, LEVEL = (5, 6, 7, 8), (2, 3, 4)
WIDTH, HEIGHT = 480, 640
"""The size of the picture as it is shown."""


def standing() -> Floats:
    """Return a person who stands in the picture, slightly to the left, with key points that all differ."""
    y = np.array([80, 70, 70, 75, 75, 150, 150, 240, 240, 330, 330, 340, 340, 440, 440, 560, 560])
    side = np.array([0, 8, -8, 16, -16, 60, -60, 70, -80, 75, -90, 40, -40, 45, -50, 40, -60])
    return np.column_stack([220 + side, y, np.full(17, 2)]).astype(np.float32)


def stored(upright: Pillow.Image, orientation: int) -> Pillow.Image:
    """Return a picture as a camera stores it that viewers turn upright by its orientation."""
    undo = {6: Pillow.Transpose.ROTATE_90, 8: Pillow.Transpose.ROTATE_270}
    turn = undo.get(orientation, TRANSPOSE_BY_ORIENTATION.get(orientation))
    return upright if turn is None else upright.transpose(turn)


def write_photo(file: Path, orientation: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    noise = np.random.default_rng(orientation).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = stored(Pillow.fromarray(noise), orientation)
    exif = Pillow.Exif()
    exif[ORIENTATION_TAG] = orientation
    picture.save(file, quality=60, exif=exif)


def as_stored(person: Floats, orientation: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Floats:
    """Return the labels of a person that somebody makes who sees the picture as it is stored.

    They are found by turning a picture of each key point's number, as PIL turns pictures.
    """
    numbers = np.zeros((size[1], size[0]), np.uint8)
    for number, (x, y, _) in enumerate(person, 1):
        numbers[int(y), int(x)] = number
    turned = np.asarray(stored(Pillow.fromarray(numbers), orientation))
    places = [np.argwhere(turned == number)[0] for number in range(1, 18)]
    points = np.array([(column, row, 2) for row, column in places], np.float32)
    return points[MIRROR_ORDER] if orientation in (2, 4, 5, 7) else points


def scan(
    file: Path, person: Floats, size: tuple[int, int] | None = None, frame: Frame | None = None
) -> tuple[Floats, str]:
    """Return the person in a scanned photo, and what was assumed."""
    result = scan_photo(Photo(file, NO_CREDIT, person[None], size, frame), None, 1920)
    assert not isinstance(result, Skipped), result.reason
    (picture,) = result
    (found,) = picture.people
    return found, picture.assumption


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_points_as_pillow_turns_pictures(orientation: int) -> None:
    person = standing()
    if orientation == 1:
        assert np.allclose(as_stored(person, 1), person)
        return
    size = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    assert np.allclose(turn_upright(as_stored(person, orientation), size, orientation), person)


@pytest.mark.parametrize("orientation", SIDEWAYS)
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_the_labelled_size_tells_the_frame(tmp_path: Path, orientation: int, frame: Frame) -> None:
    write_photo(tmp_path / "a.jpg", orientation)
    person = as_stored(standing(), orientation) if frame == "stored" else standing()
    size = (HEIGHT, WIDTH) if frame == "stored" else (WIDTH, HEIGHT)
    found, assumption = scan(tmp_path / "a.jpg", person, size)
    assert np.allclose(found[:, :2], standing()[:, :2], atol=0.01)
    assert assumption == ""


def test_labels_of_a_smaller_copy_are_scaled_and_turned(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 6, (960, 1280))
    found, _ = scan(tmp_path / "a.jpg", as_stored(standing(), 6), (HEIGHT, WIDTH))
    assert np.allclose(found[:, :2], (standing()[:, :2] + 0.5) * 2 - 0.5, atol=0.01)


@pytest.mark.parametrize("orientation", SIDEWAYS)
def test_points_beyond_the_labelled_size_tell_the_frame(tmp_path: Path, orientation: int) -> None:
    """Some tools show the picture upright, but read its size from the file's header."""
    write_photo(tmp_path / "a.jpg", orientation)
    for size in ((HEIGHT, WIDTH), None):
        found, assumption = scan(tmp_path / "a.jpg", standing(), size)
        assert np.allclose(found[:, :2], standing()[:, :2], atol=0.01)
        assert assumption == ""


@pytest.mark.parametrize("orientation", [3, 4])
@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_people_stand_if_nothing_else_tells(tmp_path: Path, orientation: int, frame: Frame) -> None:
    write_photo(tmp_path / "a.jpg", orientation)
    person = as_stored(standing(), orientation) if frame == "stored" else standing()
    found, assumption = scan(tmp_path / "a.jpg", person, (WIDTH, HEIGHT))
    assert np.allclose(found[:, :2], standing()[:, :2], atol=0.01)
    assert "because people are upright so" in assumption


@pytest.mark.parametrize("orientation", [*LEVEL, *SIDEWAYS])
def test_the_other_labels_of_a_file_tell_the_frame(tmp_path: Path, orientation: int) -> None:
    """A person on the head, in a square photo: neither its size nor the pose tells."""
    size = (640, 640)
    write_photo(tmp_path / "a.jpg", orientation, size)
    headstand = standing()
    headstand[:, 1] = 639 - headstand[:, 1]
    frames: dict[Frame, Floats] = {"stored": as_stored(headstand, orientation, size), "upright": headstand}
    for frame, person in frames.items():
        found, assumption = scan(tmp_path / "a.jpg", person, size, frame)
        assert np.allclose(found[:, :2], headstand[:, :2], atol=0.01)
        assert assumption == ""


def test_labels_are_for_the_picture_as_shown_if_nothing_tells(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 2)
    found, assumption = scan(tmp_path / "a.jpg", standing(), (WIDTH, HEIGHT))
    assert np.allclose(found[:, :2], standing()[:, :2], atol=0.01)
    assert "for the picture as it is shown, as most programs make them" in assumption


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_skips_labels_for_a_picture_of_another_shape(tmp_path: Path, orientation: int) -> None:
    write_photo(tmp_path / "a.jpg", orientation)
    result = scan_photo(Photo(tmp_path / "a.jpg", NO_CREDIT, standing()[None], (500, 500)), None, 1920)
    assert isinstance(result, Skipped)
    assert result.kind == "wrong size"
    assert "is 480×640 pixels, but its labels are for a 500×500 picture" in result.reason


def test_points_far_outside_the_picture_are_not_seen(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 1)
    person = standing()
    person[9:11, :2] = (-500, 300), (300, 5000)
    person[15, 1] = 650
    found, _ = scan(tmp_path / "a.jpg", person, (WIDTH, HEIGHT))
    assert (found[:, 2] > 0).tolist() == [number not in (9, 10) for number in range(17)]


def write_labels(folder: Path, photos: dict[str, int], frame: Frame, sizes: dict[str, tuple[int, int] | None]) -> Path:
    """Write photos with their orientations, and a COCO file of labels that all are for one frame."""
    images, annotations = [], []
    for number, (name, orientation) in enumerate(photos.items()):
        write_photo(folder / name, orientation)
        size = sizes.get(name, (HEIGHT, WIDTH) if frame == "stored" and orientation >= 5 else (WIDTH, HEIGHT))
        width, height = size or (None, None)
        person = standing()
        person[:, :2] += number
        points = as_stored(person, orientation) if frame == "stored" else person
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        annotations.append({"image_id": number, "keypoints": points.ravel().tolist()})
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder / "a.json"


@pytest.mark.parametrize("frame", ["stored", "upright"])
def test_photos_on_their_sides_tell_of_a_coco_file(tmp_path: Path, frame: Frame) -> None:
    file = write_labels(tmp_path, {"side.jpg": 6, "mirror.jpg": 2, "plain.jpg": 1}, frame, {})
    assert [entry.frame for entry in read_coco(file) if isinstance(entry, Photo)] == [frame] * 3


def test_photos_in_an_archive_tell_of_a_coco_file(tmp_path: Path) -> None:
    file = write_labels(tmp_path, {"side.jpg": 8, "mirror.jpg": 2}, "stored", {})
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for name in ("side.jpg", "mirror.jpg"):
            archive.write(tmp_path / name, name)
            (tmp_path / name).unlink()
    entries = read_coco(file, tmp_path / "photos.zip")
    assert [entry.frame for entry in entries if isinstance(entry, Photo)] == ["stored"] * 2


def test_photos_that_disagree_tell_nothing_of_a_coco_file(tmp_path: Path) -> None:
    sizes: dict[str, tuple[int, int] | None] = {"b.jpg": (WIDTH, HEIGHT)}
    file = write_labels(tmp_path, {"a.jpg": 6, "b.jpg": 6, "c.jpg": 2}, "stored", sizes)
    document = json.loads(file.read_text())
    document["annotations"][1]["keypoints"] = standing().ravel().tolist()
    file.write_text(json.dumps(document))
    assert [entry.frame for entry in read_coco(file) if isinstance(entry, Photo)] == [None] * 3


@pytest.mark.slow
def test_a_build_tells_what_it_assumed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    file = write_labels(tmp_path / "photos", {"mirror.jpg": 2, "plain.jpg": 1}, "upright", {})
    result = build([file], tmp_path / "library", WITHOUT_ESTIMATOR)
    assert result.pictures == 2
    assert "2 scanned in" in str(result)
    assert "0 skipped" in str(result)
    assert "1 orientation assumed; the first:" in str(result)
    report = (tmp_path / "library" / "report.html").read_text()
    assert "Orientation assumed" in report
    assert "Nothing was skipped." in report
    assert "1 of 2" not in report
    assert "mirror.jpg is used: its labels were assumed to be for the picture as it is shown" in report
    with Library.open(tmp_path / "library") as library:
        assert len(library) == 2


def test_the_journal_keeps_what_was_assumed(tmp_path: Path) -> None:
    write_photo(tmp_path / "a.jpg", 2)
    photo = Photo(tmp_path / "a.jpg", NO_CREDIT, standing()[None], (WIDTH, HEIGHT))
    result = scan_photo(photo, None, 1920)
    with Journal(tmp_path / "library", WITHOUT_ESTIMATOR) as journal:
        key = journal.key(photo)
        journal.add(key, result)
        again = journal.get(key, photo)
        assert isinstance(result, list)
        assert isinstance(again, list)
        assert again[0].assumption == result[0].assumption != ""
        assert key != journal.key(Photo(photo.file, photo.credit, photo.people, photo.size, "stored"))
