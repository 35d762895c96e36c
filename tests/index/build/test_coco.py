"""COCO files: pictures, credits and people; one bad picture or label never costs the others."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest

from index.build.coco import read_coco
from index.build.photo import NewPose, Photo, Skipped, SourceError
from index.build.report import MAX_EXAMPLES, SkipSummary
from models.pose import Floats
from tests.support.paths import SHARED
from tests.support.sample_poses import sample_people

Document = dict[str, Any]
Entry = Photo | NewPose | Skipped


def coco(people: Floats) -> Document:
    """Return a COCO document of two pictures, the second with two people and a crowd."""
    flat = [person.ravel().tolist() for person in people]
    return {
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}],
        "images": [
            {"id": 7, "file_name": "0007.jpg", "width": 640, "height": 480, "license": 4, "flickr_url": "http://f/7"},
            {"id": 9, "file_name": "0009.jpg", "width": 640, "height": 480, "coco_url": "http://c/9"},
            {"id": 11, "file_name": "nobody.jpg", "width": 640, "height": 480},
        ],
        "annotations": [
            {"image_id": 7, "keypoints": flat[0], "num_keypoints": 17, "iscrowd": 0},
            {"image_id": 9, "keypoints": flat[1], "iscrowd": 0},
            {"image_id": 9, "keypoints": flat[2]},
            {"image_id": 9, "keypoints": flat[3], "iscrowd": 1},
            {"image_id": 9, "keypoints": [0] * 51, "iscrowd": 0},
            {"image_id": 9, "bbox": [1, 2, 3, 4]},
            {"image_id": 404, "keypoints": flat[3]},
        ],
    }


def one_person(**annotation: object) -> Document:
    """Return a COCO document of two pictures with a person each; the first person's annotation is changed."""
    first, second = (person.ravel().tolist() for person in sample_people(2))
    return {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 640, "height": 480} for number in (1, 2)],
        "annotations": [{"image_id": 1, "keypoints": first, **annotation}, {"image_id": 2, "keypoints": second}],
    }


def read(folder: Path, document: object, name: str = "a.json") -> list[Entry]:
    (folder / name).write_text(json.dumps(document))
    return list(read_coco(folder / name))


def poses(entries: list[Entry]) -> list[NewPose]:
    return [entry for entry in entries if isinstance(entry, NewPose)]


def photos(entries: list[Entry]) -> list[Photo]:
    return [entry for entry in entries if isinstance(entry, Photo)]


def skips(entries: list[Entry]) -> list[tuple[str, str]]:
    """Return the kinds and the ends of the reasons of what was skipped."""
    return [(e.kind, e.reason.partition("a.json, ")[2]) for e in entries if isinstance(e, Skipped)]


def failure(file: Path, images: Path | None = None) -> str:
    with pytest.raises(SourceError) as error:
        read_coco(file, images)
    message = str(error.value)
    assert message.startswith(str(images or file))
    assert "\n" not in message
    return message


def test_coco_without_pictures_gives_poses_with_credits(tmp_path: Path) -> None:
    people = sample_people(4)
    found = poses(read(tmp_path, coco(people), "person_keypoints_val2017.json"))
    assert [np.allclose(pose.keypoints, person) for pose, person in zip(found, people[:3], strict=True)] == [True] * 3
    assert found[0].size == (640, 480)
    assert (found[0].credit.title, found[0].credit.licence) == ("0007", "Attribution License")
    assert found[0].credit.licence_url == "http://creativecommons.org/licenses/by/2.0/"
    assert [pose.credit.source_url for pose in found] == ["http://f/7", "http://c/9", "http://c/9"]


# Pictures


@pytest.mark.parametrize("place", [".", "images", "Images", "val2017", "../val2017", "../images/val2017", "elsewhere"])
def test_finds_coco_pictures_where_archives_put_them(tmp_path: Path, place: str) -> None:
    (tmp_path / "annotations").mkdir()
    file, folder = tmp_path / "annotations" / "person_keypoints_val2017.json", tmp_path / "annotations" / place
    file.write_text(json.dumps(coco(sample_people(4))))
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "0009.jpg").touch()
    found = photos(list(read_coco(file, folder if place == "elsewhere" else None)))
    assert len(found) == 2
    assert Path(found[1].file).samefile(folder / "0009.jpg")
    assert found[1].people is not None
    assert found[1].people.shape == (2, 17, 3)
    assert found[1].size == (640, 480)


def test_rejects_a_folder_without_coco_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(coco(sample_people(4))))
    assert "has none of the pictures" in failure(tmp_path / "a.json", tmp_path)


def test_finds_the_few_pictures_of_a_large_file(tmp_path: Path) -> None:
    document = one_person()
    person = document["annotations"][0]["keypoints"]
    document["images"] = [{"id": number, "file_name": f"{number}.jpg"} for number in range(1000)]
    document["annotations"] = [{"image_id": number, "keypoints": person} for number in range(1000)]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "777.jpg").touch()
    assert tmp_path / "images" / "777.jpg" in [photo.file for photo in photos(read(tmp_path, document))]


@pytest.mark.parametrize(
    ("file_name", "there"),
    [
        (r"images\train\é.jpg", "images/train/" + normalize("NFD", "é.jpg")),
        (r"C:\data\images\train\1.jpg", "images/train/1.jpg"),
        ("/home/ann/data/1.jpg", "1.jpg"),
        ("../../label-studio/data/upload/1/2a-1.jpg", "images/2a-1.jpg"),
        ("IMG_1.JPG", "img_1.jpg"),
        ("https://x.org/pictures/my%201.jpg?size=large", "images/my 1.jpg"),
    ],
)
def test_finds_pictures_by_names_of_other_systems(tmp_path: Path, file_name: str, there: str) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True, parents=True)
    (tmp_path / there).touch()
    document = one_person()
    document["images"][0]["file_name"] = file_name
    found = photos(read(tmp_path, document))
    assert found[0].file == tmp_path / there
    assert found[0].credit.title == Path(there).stem.replace("_", " ")


def test_fetches_pictures_that_have_only_a_url(tmp_path: Path) -> None:
    document = one_person()
    document["images"][0] = {"id": 1, "coco_url": "http://images.cocodataset.org/val2017/1.jpg"}
    entries = read(tmp_path, document)
    assert [photo.file for photo in photos(entries)] == ["http://images.cocodataset.org/val2017/1.jpg"]
    assert photos(entries)[0].credit.title == "1"
    assert len(poses(entries)) == 1


@pytest.mark.parametrize("width", ["missing", None, "wide", float("nan"), 1e400, 10**30, 0, -640, [640], {}])
def test_a_picture_without_a_size_is_used(tmp_path: Path, width: object) -> None:
    document = one_person()
    document["images"][0]["width"] = width
    if width == "missing":
        del document["images"][0]["width"]
    assert [pose.size for pose in poses(read(tmp_path, document))] == [None, (640, 480)]


def test_reads_sizes_that_are_text(tmp_path: Path) -> None:
    document = one_person()
    document["images"][0].update(width="640", height=480.0)
    assert poses(read(tmp_path, document))[0].size == (640, 480)


@pytest.mark.parametrize(
    "licences",
    [None, {}, "CC0", [None], [1, "x", []], [{"id": None}], [{"id": [1]}], [{"name": "CC0"}], [{"id": 4, "name": 3}]],
)
def test_odd_licences_leave_the_pictures(tmp_path: Path, licences: object) -> None:
    document = coco(sample_people(4)) | {"licenses": licences}
    assert [pose.credit.licence for pose in poses(read(tmp_path, document))] == [None] * 3


# Labels


@pytest.mark.parametrize(
    ("change", "skip"),
    [
        ({"keypoints": []}, ("no key points", "has no key points")),
        ({"keypoints": None}, ("no key points", "has no key points")),
        ({"keypoints": [0] * 51}, ("no key points", "has no key points")),
        ({"keypoints": [None] * 51}, ("no key points", "has no key point that is labelled")),
        ({"keypoints": [float("nan"), 5, 2] * 17}, ("no key points", "has no key point that is labelled")),
        ({"keypoints": [5, 5, 2] * 20}, ("other key points", "has 20 key points, not 17")),
        ({"keypoints": [1, 2]}, ("not a label", "has 2 numbers for its key points, not three for each")),
        ({"keypoints": "x"}, ("not a label", "has key points that are not numbers")),
        ({"keypoints": {"nose": [1, 2]}}, ("no key points", "has no key points")),
        ({"keypoints": [[1, 2]] * 18}, ("not a label", "has 36 numbers for its key points, not three for each")),
        ({"keypoints": [1e9, 5, 2] * 17}, ("not a label", "has coordinates that no picture has")),
        ({"iscrowd": 1}, ("no key points", "labels a crowd")),
        ({"image_id": None}, ("no picture", "names no picture")),
        ({"image_id": [1]}, ("no picture", "names no picture")),
        ({"image_id": True}, ("no picture", "names no picture")),
        ({"image_id": 404}, ("no picture", "is for picture 404, which is not in the file")),
        ({"image_id": "x\n"}, ("no picture", "is for picture x, which is not in the file")),
    ],
)
def test_skips_one_bad_label(tmp_path: Path, change: Document, skip: tuple[str, str]) -> None:
    entries = read(tmp_path, one_person(**change))
    assert skips(entries) == [(skip[0], f"annotations[0] {skip[1]}.")]
    assert [pose.credit.title for pose in poses(entries)] == ["2"]


@pytest.mark.parametrize("annotation", [None, 1, "x", []])
def test_skips_a_label_that_is_not_an_object(tmp_path: Path, annotation: object) -> None:
    document = one_person()
    document["annotations"].insert(0, annotation)
    entries = read(tmp_path, document)
    assert skips(entries) == [("not a label", "annotations[0] is not an object.")]
    assert len(poses(entries)) == 2


@pytest.mark.parametrize("image", [None, 1, [], {}, {"file_name": "1.jpg"}, {"id": None}, {"id": [1]}])
def test_skips_a_picture_without_an_id(tmp_path: Path, image: object) -> None:
    document = one_person()
    document["images"].append(image)
    entries = read(tmp_path, document)
    assert skips(entries) == [("no picture", "images[2] is not a picture with an id.")]
    assert len(poses(entries)) == 2


def test_skips_a_picture_without_a_name(tmp_path: Path) -> None:
    document = one_person()
    document["images"][0]["file_name"] = None
    entries = read(tmp_path, document)
    assert skips(entries) == [("no picture", "images[0] has no file name and no URL.")]
    assert len(poses(entries)) == 1


def test_skips_labels_of_an_id_that_two_pictures_have(tmp_path: Path) -> None:
    document = one_person()
    document["images"] += [{"id": 1, "file_name": "other.jpg"}, dict(document["images"][1])]
    entries = read(tmp_path, document)
    assert skips(entries) == [("no picture", "annotations[0] is for picture 1, and two have this id.")]
    assert [pose.credit.title for pose in poses(entries)] == ["2"]


def test_uses_a_repeated_label_once(tmp_path: Path) -> None:
    document = one_person()
    document["annotations"] += document["annotations"]
    entries = read(tmp_path, document)
    assert [kind for kind, _ in skips(entries)] == ["repeated label"] * 2
    assert len(poses(entries)) == 2


@pytest.mark.parametrize(
    ("picture", "label"), [(1, "1"), ("1", 1), (1.0, 1), (" 1 ", "1"), ("a", "a"), (10**30, 10**30)]
)
def test_ids_may_be_numbers_or_text(tmp_path: Path, picture: object, label: object) -> None:
    document = one_person(image_id=label)
    document["images"][0]["id"] = picture
    assert [pose.credit.title for pose in poses(read(tmp_path, document))] in (["1", "2"], ["2", "1"])


def test_ids_with_zeros_in_front_are_names(tmp_path: Path) -> None:
    document = one_person(image_id="007")
    document["images"][0]["id"] = "007"
    document["images"].append({"id": "7", "file_name": "other.jpg"})
    assert {pose.credit.title for pose in poses(read(tmp_path, document))} == {"1", "2"}


def test_key_points_may_be_text_or_nested(tmp_path: Path) -> None:
    person = sample_people(1)[0]
    for points in ([str(number) for number in person.ravel()], person.tolist()):
        (pose, _) = poses(read(tmp_path, one_person(keypoints=points)))
        assert np.allclose(pose.keypoints, person)


def test_missing_coordinates_are_points_not_seen(tmp_path: Path) -> None:
    points = sample_people(1)[0].ravel().tolist()
    points[0], points[4], points[8] = None, float("nan"), None
    (pose, _) = poses(read(tmp_path, one_person(keypoints=points)))
    assert not pose.keypoints[:3].any()
    assert pose.keypoints[3:, 2].all()


def test_counts_every_skip_and_shows_the_first(tmp_path: Path) -> None:
    document = one_person()
    document["annotations"] += [{"image_id": 1, "keypoints": []}] * 1000
    entries = read(tmp_path, document)
    summary = SkipSummary()
    skipped = [entry for entry in entries if isinstance(entry, Skipped)]
    for entry in skipped:
        summary.add(entry)
    assert summary.count == 1000
    assert len(skipped) == MAX_EXAMPLES + 1
    assert summary.examples[0].reason.endswith("a.json, annotations[2] has no key points.")


# The order of the key points


OUR_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip


def short(name: str) -> str:
    side, _, part = name.rpartition("_")
    return f"{side[:1].upper()}{part.capitalize()}" if side else name


@pytest.mark.parametrize(
    "spell",
    [
        lambda name: name,
        short,
        lambda name: name.replace("_", "-").upper(),
        lambda name: " ".join(reversed(name.split("_"))).title(),
        lambda name: name.replace("left_", "l").replace("right_", "r"),
        lambda name: name.replace("_", ""),
    ],
)
def test_key_points_come_in_the_order_of_their_names(tmp_path: Path, spell: Callable[[str], str]) -> None:
    person = sample_people(1)[0]
    order = [*range(16, -1, -1)]
    points = np.vstack([[1, 1, 2], person[order], [2, 2, 2]]).ravel().tolist()
    document = one_person(keypoints=points, category_id=3)
    names = ["neck", *(spell(OUR_NAMES[place]) for place in order), "head_top"]
    document["categories"] = [{"id": "3", "name": "dancer", "keypoints": names}]
    (pose, _) = poses(read(tmp_path, document))
    assert np.allclose(pose.keypoints, person)


def test_key_points_without_the_face_are_enough(tmp_path: Path) -> None:
    person = sample_people(1)[0]
    document = one_person(keypoints=person[5:].ravel().tolist(), category_id=1)
    document["categories"] = [{"id": 1, "name": "person", "keypoints": OUR_NAMES[5:]}]
    (pose, _) = poses(read(tmp_path, document))
    assert np.allclose(pose.keypoints[5:], person[5:])
    assert not pose.keypoints[:5].any()


@pytest.mark.parametrize("count", [26, 133, 136])
def test_the_body_comes_first_in_whole_body_labels(tmp_path: Path, count: int) -> None:
    person = sample_people(1)[0]
    points = np.vstack([person, np.ones((count - 17, 3))]).ravel().tolist()
    (pose, _) = poses(read(tmp_path, one_person(keypoints=points)))
    assert np.allclose(pose.keypoints, person)


@pytest.mark.parametrize(
    "category",
    [
        {"name": "dog"},
        {"name": "puppy", "supercategory": "animal"},
        {"name": "dog", "keypoints": [*OUR_NAMES]},
        {"name": "horse", "keypoints": [name.replace("wrist", "hoof").replace("ankle", "paw") for name in OUR_NAMES]},
        {"name": "chair"},
        {"name": "yak", "keypoints": ["left_eye", "right_eye", "nose", *(f"root {number}" for number in range(14))]},
    ],
)
def test_skips_labels_of_other_categories(tmp_path: Path, category: Document) -> None:
    document = one_person(category_id=2)
    document["annotations"][1]["category_id"] = 1
    document["categories"] = [{"id": 1, "name": "person"}, {"id": 2, **category}]
    entries = read(tmp_path, document)
    problem = f"is of the category {category['name']}, which has other key points than a person"
    assert skips(entries) == [("other key points", f"annotations[0] {problem}.")]
    assert [pose.credit.title for pose in poses(entries)] == ["2"]


def test_skips_a_label_with_more_points_than_names(tmp_path: Path) -> None:
    document = one_person(category_id=1, keypoints=[5, 5, 2] * 20)
    document["categories"] = [{"id": 1, "name": "person", "keypoints": OUR_NAMES}]
    entries = read(tmp_path, document)
    assert skips(entries) == [("other key points", "annotations[0] has 20 key points, but its category names 17.")]


@pytest.mark.parametrize(
    "categories",
    [
        None,
        "person",
        [None, 1],
        [{}],
        [{"id": 1}],
        [{"id": [1], "name": None, "keypoints": 5}],
        [{"id": 1, "name": "dancer", "keypoints": [str(number) for number in range(17)]}],
        [{"id": 1, "name": 7, "keypoints": [None] * 17}],
    ],
)
def test_categories_that_say_nothing_leave_the_labels(tmp_path: Path, categories: object) -> None:
    document = one_person(category_id=1) | {"categories": categories}
    assert len(poses(read(tmp_path, document))) == 2


# The file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("compressed", [False, True])
def test_reads_any_unicode_and_gzip(tmp_path: Path, encoding: str, compressed: bool) -> None:
    document = one_person()
    document["images"][0]["file_name"] = "José.jpg"
    data = json.dumps(document, ensure_ascii=False).encode(encoding)
    (tmp_path / "a.json").write_bytes(gzip.compress(data) if compressed else data)
    assert [pose.credit.title for pose in poses(list(read_coco(tmp_path / "a.json")))] == ["José", "2"]


def test_finds_pictures_by_names_that_are_not_utf8(tmp_path: Path) -> None:
    picture = tmp_path / os.fsdecode(b"Jos\xe9.jpg")
    picture.touch()
    document = one_person()
    document["images"][0]["file_name"] = "José.jpg"
    for data in (json.dumps(document).encode(), json.dumps(document, ensure_ascii=False).encode("latin-1")):
        (tmp_path / "a.json").write_bytes(data)
        assert photos(list(read_coco(tmp_path / "a.json")))[0].file == picture


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"annotations": []}, "it has no list `images`"),
        ({"images": []}, "it has no list `annotations`"),
        ({"images": 3, "annotations": []}, "it has no list `images`"),
        ({"images": [], "annotations": None}, "it has no list `annotations`"),
        ([], "it has no `images` and `annotations`"),
        ([{"bbox": [1]}], "it has no `images` and `annotations`"),
        (None, "it has no `images` and `annotations`"),
    ],
)
def test_rejects_json_of_another_form(tmp_path: Path, document: object, message: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert message in failure(tmp_path / "a.json")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xff", b"[" * 100_000])
def test_rejects_invalid_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    assert failure(tmp_path / "a.json").endswith("): copy or export it again.")


def test_rejects_a_gzip_file_cut_short(tmp_path: Path) -> None:
    data = gzip.compress(json.dumps(one_person()).encode())
    for damaged in (data[:-4], data[: len(data) // 2], data[:30] + bytes(9) + data[39:]):
        (tmp_path / "a.json").write_bytes(damaged)
        assert failure(tmp_path / "a.json").endswith("): copy it again.")


@pytest.mark.parametrize("name", ["dog20", "empty_kp", "license_list", "nosize"])
def test_reads_odd_files_that_makers_brought(name: str) -> None:
    file = SHARED / "odd" / "coco" / f"{name}.json"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    entries = list(read_coco(file))
    assert len(poses(entries)) == 3
    assert len(skips(entries)) == (1 if name in ("dog20", "empty_kp") else 0)
