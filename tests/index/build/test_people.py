"""Which people are shown well and sharply, and which pictures are nearly the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from index.build.duplicates import MAX_DIFFERING_BITS, NearDuplicateIndex, hamming_distances, is_near_duplicate
from index.build.people import BLUR_THRESHOLD, blur, is_sharp, select_prominent
from index.fingerprint import FINGERPRINT_BYTES, fingerprint
from models.figures import draw_picture
from models.pose import Floats, Image, Pose
from tests.support.sample_poses import STANDING_POSE

SIZE = 640, 480

LabelledPhoto = tuple[Image, Floats]
"""A photo and a person's key points in it."""


@pytest.fixture(scope="module")
def photos(shared_data: Path) -> list[LabelledPhoto]:
    """Some photos, each with a large labelled person."""
    folder = shared_data / "photos" / "coco"
    photos = []
    for entry in json.loads((folder / "keypoints.json").read_text()):
        people = [np.array(person, np.float32) for person in entry["persons"]]
        person = max(people, key=length, default=None)
        if person is not None and (person[5:, 2] > 0).sum() >= 8 and length(person) > 200:
            photos.append((np.asarray(Pillow.open(folder / entry["file"]).convert("RGB")), person))
    return photos[:16]


def length(person: Floats) -> float:
    """Return the longer side of a person's box."""
    seen = person[person[:, 2] > 0, :2]
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def motion_blurred(image: Image, share: float, person: Floats, angle: float) -> Image:
    """Blur a picture as if it had moved by a share of the person's length."""
    size = int(share * length(person)) | 1
    kernel = np.zeros((size, size), np.float32)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * size // 2
    centre = np.array([size // 2, size // 2])
    start, end = ((centre + sign * direction).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def gaussian_blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def saved(image: Image, quality: int) -> Image:
    jpeg = io.BytesIO()
    Pillow.fromarray(image).save(jpeg, "JPEG", quality=quality)
    return np.asarray(Pillow.open(jpeg))


def scaled(image: Image, scale: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def test_real_photos_are_sharp(photos: list[LabelledPhoto]) -> None:
    assert all(is_sharp(image, person) for image, person in photos)


@pytest.mark.slow
@pytest.mark.parametrize(
    "blurred",
    [
        lambda image, person: gaussian_blurred(image, 0.02 * length(person)),
        lambda image, person: saved(gaussian_blurred(image, 0.02 * length(person)), 60),
        lambda image, person: motion_blurred(image, 0.08, person, 0),
        lambda image, person: motion_blurred(image, 0.08, person, 45),
        lambda image, person: motion_blurred(image, 0.08, person, 90),
    ],
    ids=["out of focus", "out of focus and saved again", "moved across", "moved aslant", "moved down"],
)
def test_recognises_blurred_photos(photos: list[LabelledPhoto], blurred: Callable[[Image, Floats], Image]) -> None:
    recognised = [not is_sharp(blurred(image, person), person) for image, person in photos]
    assert np.mean(recognised) >= 0.9


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: (image * 0.5 + 60).astype(np.uint8),
        lambda image: saved(image, 40),
        lambda image: (image + np.random.default_rng(1).normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8),
    ],
    ids=["contrast", "compression", "noise"],
)
def test_these_changes_do_not_count_as_blur(photos: list[LabelledPhoto], changed: Callable[[Image], Image]) -> None:
    assert all(is_sharp(changed(image), person) for image, person in photos)


def test_blur_does_not_depend_on_the_pictures_size(photos: list[LabelledPhoto]) -> None:
    for image, person in photos[:8]:
        soft = gaussian_blurred(image, 0.01 * length(person))
        smaller = person * np.array([0.7, 0.7, 1], np.float32)
        assert blur(scaled(soft, 0.7), smaller) == pytest.approx(blur(soft, person), abs=0.1)


def test_drawn_pictures_are_sharp() -> None:
    for number in range(3):
        drawn = draw_picture(number)
        for pose in drawn.poses:
            assert blur(drawn.image, pose.keypoints) < BLUR_THRESHOLD


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255), st.integers(0, 17))
def test_blur_is_from_0_to_1_for_any_picture(width: int, height: int, grey: int, seen: int) -> None:
    rng = np.random.default_rng(width * 41 + height)
    image = np.full((height, width, 3), grey, np.uint8)
    image[::2] = rng.integers(0, 256)
    person = rng.uniform(-50, 90, (17, 3)).astype(np.float32)
    person[:, 2] = np.arange(17) < seen
    assert 0 <= blur(image, person) <= 1.001


def scene(seed: int, width: int = 640, height: int = 480) -> Image:
    """Return a picture of coarse and fine patches."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 1.0), (6, 0.6), (12, 0.4), (40, 0.2)):
        patches = rng.random((cells, cells, 3)).astype(np.float32) * strength
        picture += cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((picture * 110).clip(0, 255), np.uint8)


def somebody(x: float = 0.5, size: tuple[int, int] = SIZE) -> Floats:
    """Return a standing person at `x` times the picture's width from the left."""
    points = STANDING_POSE / 150 * size[1] * 0.8 + np.array([x * size[0], size[1] / 2])
    return np.column_stack([points, np.ones(17)]).astype(np.float32)


COPIES = {
    "scaled to a third": lambda image: scaled(image, 1 / 3),
    "saved again": lambda image: saved(image, 40),
    "brightened": lambda image: (image * 1.2).clip(0, 255).astype(np.uint8),
    "darkened": lambda image: (image * 0.8).astype(np.uint8),
    "cut by a hundredth": lambda image: image[5:-5, 6:-6],
    "all at once": lambda image: saved(scaled((image[5:-5, 6:-6] * 0.9).astype(np.uint8), 0.5), 60),
}


@pytest.mark.slow
@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_recognises_copies(copy: Callable[[Image], Image]) -> None:
    assert all(is_near_duplicate(fingerprint(scene(seed)), fingerprint(copy(scene(seed)))) for seed in range(10))


def test_different_pictures_are_no_duplicates(photos: list[LabelledPhoto]) -> None:
    bits = [fingerprint(image) for image, _ in photos] + [fingerprint(scene(seed)) for seed in range(10)]
    assert not any(is_near_duplicate(one, other) for one, other in combinations(bits, 2))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(0.2, 1.0))
def test_fingerprints_do_not_depend_on_size(seed: int, scale: float) -> None:
    image = scene(seed)
    other = np.frombuffer(fingerprint(scaled(image, scale)), np.uint8)[None]
    assert hamming_distances(fingerprint(image), other)[0] <= MAX_DIFFERING_BITS // 3


@given(
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
)
def test_hamming_distance_is_symmetric_and_counts_bits(one: bytes, other: bytes) -> None:
    there, back = (hamming_distances(a, np.frombuffer(b, np.uint8)[None])[0] for a, b in ((one, other), (other, one)))
    assert there == back == bin(int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).count("1")
    assert is_near_duplicate(one, one)


def test_finds_a_picture_again_at_any_size() -> None:
    index = NearDuplicateIndex()
    for key in range(20):
        index.add(key, fingerprint(scene(key)), [somebody()], SIZE)
    small = scaled(scene(7), 0.5)
    assert index.find(fingerprint(small), [somebody(size=(320, 240))], (320, 240)) == 7
    assert index.find(fingerprint(scene(99)), [somebody()], SIZE) is None


@pytest.mark.parametrize("people", [[], [somebody(0.3)], [somebody() * np.array([1, 0.6, 1], np.float32)]])
def test_another_pose_makes_another_picture(people: list[Floats]) -> None:
    index = NearDuplicateIndex()
    index.add(1, fingerprint(scene(1)), [somebody()], SIZE)
    assert index.find(fingerprint(scene(1)), people, SIZE) is None


def test_an_additional_person_does_not_make_another_picture() -> None:
    index = NearDuplicateIndex()
    index.add(1, fingerprint(scene(1)), [somebody()], SIZE)
    assert index.find(fingerprint(scene(1)), [somebody(0.2), somebody()], SIZE) == 1


def test_finds_copies_among_many_pictures() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 256, (5000, FINGERPRINT_BYTES), np.uint8)
    index = NearDuplicateIndex()
    for key, one in enumerate(bits):
        index.add(key, one.tobytes(), [somebody()], SIZE)
    for key in range(0, 5000, 100):
        changed = bits[key] ^ np.packbits(rng.random(8 * FINGERPRINT_BYTES) < 0.06)
        assert index.find(changed.tobytes(), [somebody()], SIZE) == key


# People whom a photo shows well


def standing(scale: float = 1.0, x: float = 100.0, score: float = 0.9, points: float = 0.9) -> Pose:
    xy = STANDING_POSE * np.float32(scale) + np.array((x, 120), np.float32)
    return Pose(xy, np.full(17, points, np.float32), score)


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ([], "no person"),
        ([standing(score=0.3)], "no person"),
        ([standing(0.3)], "person too small"),
        ([standing(), standing(0.3)], 1),
        ([standing(), standing(0.8)], 2),
        ([standing(0.4, score=0.8), standing(1.2, score=0.3)], "person too small"),
        ([standing(x=10 * i) for i in range(4)], 4),
        ([standing(x=10 * i) for i in range(5)], "crowd"),
        ([standing(points=0.2)], "person too small"),
    ],
)
def test_selects_the_people_whom_a_photo_shows_well(people: list[Pose], expected: str | int) -> None:
    prominent = select_prominent(people, 320, 240)
    assert (prominent if isinstance(prominent, str) else len(prominent)) == expected


def test_guessed_key_points_count_as_unseen() -> None:
    pose = standing(1.4)
    pose.scores[13:] = 0.2
    prominent = select_prominent([pose], 320, 240)
    assert isinstance(prominent, list)
    (points,) = prominent
    assert not points[13:].any()
    assert np.array_equal(points[:13, :2], pose.xy[:13])


def test_half_a_person_shows_too_little() -> None:
    pose = standing()
    pose.scores[[5, 7, 9, 11, 13, 15, 1, 3, 2, 4]] = 0.1
    assert select_prominent([pose], 320, 240) == "too few points"
