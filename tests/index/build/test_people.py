"""Who is sharp enough, and which pictures are nearly the same."""

from __future__ import annotations

import io
import json
from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from index.build.duplicates import MAX_DIFFERING_BITS, NearDuplicateIndex, hamming_distances, is_near_duplicate
from index.build.people import BLUR_THRESHOLD, blur, is_sharp
from index.fingerprint import FINGERPRINT_BYTES, fingerprint
from models.figures import draw_picture
from models.pose import Image
from tests.support.sample_poses import STANDING_POSE

SIZE = 640, 480


@pytest.fixture(scope="module")
def photos(shared_data):
    """Some photos with one large labelled person each."""
    folder = shared_data / "photos" / "coco"
    found = []
    for entry in json.loads((folder / "keypoints.json").read_text()):
        person = max((np.array(one, np.float32) for one in entry["persons"]), key=length, default=None)
        if person is not None and (person[5:, 2] > 0).sum() >= 8 and length(person) > 200:
            found.append((np.asarray(Pillow.open(folder / entry["file"]).convert("RGB")), person))
    return found[:16]


def length(person) -> float:
    seen = person[person[:, 2] > 0, :2]
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def moved(image: Image, share: float, person, angle: float) -> Image:
    """The picture as if it, or the camera, had moved by a share of the person's length."""
    size = int(share * length(person)) | 1
    line = np.zeros((size, size), np.float32)
    way = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * size // 2
    centre = np.array([size // 2, size // 2])
    cv2.line(line, *(tuple((centre + sign * way).astype(int).tolist()) for sign in (-1, 1)), 1.0)
    return np.asarray(cv2.filter2D(image, -1, line / line.sum()), np.uint8)


def saved(image: Image, quality: int) -> Image:
    jpeg = io.BytesIO()
    Pillow.fromarray(image).save(jpeg, "JPEG", quality=quality)
    return np.asarray(Pillow.open(jpeg))


def scaled(image: Image, scale: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def test_photos_as_they_are_are_sharp(photos):
    assert all(is_sharp(image, person) for image, person in photos)


@pytest.mark.parametrize(
    "blurred",
    [
        lambda image, person: cv2.GaussianBlur(image, (0, 0), 0.02 * length(person)),
        lambda image, person: saved(cv2.GaussianBlur(image, (0, 0), 0.02 * length(person)), 60),
        lambda image, person: moved(image, 0.08, person, 0),
        lambda image, person: moved(image, 0.08, person, 45),
        lambda image, person: moved(image, 0.08, person, 90),
    ],
    ids=["out of focus", "out of focus and saved again", "moved across", "moved aslant", "moved down"],
)
def test_blurred_photos_are_told_from_sharp_ones(photos, blurred):
    told = [not is_sharp(blurred(image, person), person) for image, person in photos]
    assert np.mean(told) >= 0.9


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: (image * 0.5 + 60).astype(np.uint8),
        lambda image: saved(image, 40),
        lambda image: (image + np.random.default_rng(1).normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8),
    ],
    ids=["contrast", "compression", "noise"],
)
def test_blur_does_not_come_from(photos, changed):
    assert all(is_sharp(changed(image), person) for image, person in photos)


def test_how_blurred_somebody_is_does_not_depend_on_the_pictures_size(photos):
    for image, person in photos[:8]:
        soft = cv2.GaussianBlur(image, (0, 0), 0.01 * length(person))
        smaller = person * np.array([0.7, 0.7, 1], np.float32)
        assert blur(scaled(soft, 0.7), smaller) == pytest.approx(blur(soft, person), abs=0.1)


def test_drawn_pictures_are_sharp():
    for number in range(3):
        drawn = draw_picture(number)
        for pose in drawn.poses:
            assert blur(drawn.image, pose.keypoints) < BLUR_THRESHOLD


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255), st.integers(0, 17))
def test_blur_is_a_share_for_any_picture_and_person(width, height, grey, seen):
    rng = np.random.default_rng(width * 41 + height)
    image = np.full((height, width, 3), grey, np.uint8)
    image[::2] = rng.integers(0, 256)
    person = rng.uniform(-50, 90, (17, 3)).astype(np.float32)
    person[:, 2] = np.arange(17) < seen
    assert 0 <= blur(image, person) <= 1.001


def scene(seed: int, width: int = 640, height: int = 480) -> Image:
    """A picture of coarse and fine patches."""
    rng = np.random.default_rng(seed)
    made = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((3, 1.0), (6, 0.6), (12, 0.4), (40, 0.2)):
        patches = rng.random((cells, cells, 3)).astype(np.float32) * strength
        made += cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((made * 110).clip(0, 255), np.uint8)


def somebody(x: float = 0.5, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Somebody who stands in a picture, as a share of its width from the left."""
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


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_near_to_its_picture(copy):
    assert all(is_near_duplicate(fingerprint(scene(seed)), fingerprint(copy(scene(seed)))) for seed in range(10))


def test_different_pictures_are_not_near(photos):
    bits = [fingerprint(image) for image, _ in photos] + [fingerprint(scene(seed)) for seed in range(10)]
    assert not any(is_near_duplicate(one, other) for one, other in combinations(bits, 2))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 1.0))
def test_fingerprints_are_blind_to_size(seed, scale):
    image = scene(seed)
    other = np.frombuffer(fingerprint(scaled(image, scale)), np.uint8)[None]
    assert hamming_distances(fingerprint(image), other)[0] <= MAX_DIFFERING_BITS // 3


@given(
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
    st.binary(min_size=FINGERPRINT_BYTES, max_size=FINGERPRINT_BYTES),
)
def test_bits_differ_as_often_both_ways_and_not_from_themselves(one, other):
    there, back = (hamming_distances(a, np.frombuffer(b, np.uint8)[None])[0] for a, b in ((one, other), (other, one)))
    assert there == back == bin(int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).count("1")
    assert is_near_duplicate(one, one)


def test_a_picture_is_found_again_whatever_its_size():
    remembered = NearDuplicateIndex()
    for key in range(20):
        remembered.add(key, fingerprint(scene(key)), [somebody()], SIZE)
    small = scaled(scene(7), 0.5)
    assert remembered.find(fingerprint(small), [somebody(size=(320, 240))], (320, 240)) == 7
    assert remembered.find(fingerprint(scene(99)), [somebody()], SIZE) is None


@pytest.mark.parametrize("people", [[], [somebody(0.3)], [somebody() * np.array([1, 0.6, 1], np.float32)]])
def test_another_pose_before_the_same_wall_is_another_picture(people):
    remembered = NearDuplicateIndex()
    remembered.add(1, fingerprint(scene(1)), [somebody()], SIZE)
    assert remembered.find(fingerprint(scene(1)), people, SIZE) is None


def test_somebody_more_who_is_found_in_a_copy_does_not_make_it_another_picture():
    remembered = NearDuplicateIndex()
    remembered.add(1, fingerprint(scene(1)), [somebody()], SIZE)
    assert remembered.find(fingerprint(scene(1)), [somebody(0.2), somebody()], SIZE) == 1


def test_copies_are_found_among_many_pictures():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 256, (5000, FINGERPRINT_BYTES), np.uint8)
    remembered = NearDuplicateIndex()
    for key, one in enumerate(bits):
        remembered.add(key, one.tobytes(), [somebody()], SIZE)
    for key in range(0, 5000, 100):
        changed = bits[key] ^ np.packbits(rng.random(8 * FINGERPRINT_BYTES) < 0.06)
        assert remembered.find(changed.tobytes(), [somebody()], SIZE) == key
