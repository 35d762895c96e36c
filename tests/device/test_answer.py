"""Answering a visitor with a photo, without threads: each test says what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.answer import IDLE_PHOTO_SECONDS, Answerer
from device.choose import ChooseSettings
from device.current_library import MIN_PEOPLE, CurrentLibrary
from index.library import Library
from models.pose import Pose
from tests.device.test_mirror import HEIGHT, LEFT_HAND_UP, WIDTH, person
from tests.support.libraries import NewItem, write_library

CANVAS = (WIDTH, HEIGHT)
AT_ONCE = ChooseSettings(hold=0.0)


def open_current_library(folder: Path, count: int = 1) -> CurrentLibrary:
    """A library of photos of people with their left hand up."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[:, WIDTH // 2 :] = 200  # the half with the hand
    write_library([NewItem(picture + np.uint8(i), LEFT_HAND_UP.keypoints, f"photo {i}") for i in range(count)], folder)
    return CurrentLibrary(Library.open(folder))


@pytest.fixture
def one_photo(tmp_path: Path) -> Iterator[CurrentLibrary]:
    with open_current_library(tmp_path / "one") as library:
        yield library


def test_keeps_the_picture_while_the_match_stays(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    first = answerer.update(LEFT_HAND_UP, CANVAS, 0.0)
    later = answerer.update(LEFT_HAND_UP, CANVAS, 1.0)
    assert first.photo is not None
    assert later.photo is first.photo, "a new picture would be faded to"
    assert later.likeness == pytest.approx(1.0)


def test_turns_the_only_photo_round_for_the_other_hand(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    as_it_is = answerer.update(LEFT_HAND_UP, CANVAS, 0.0).photo
    mirrored = answerer.update(LEFT_HAND_UP.mirrored(WIDTH), CANVAS, 1.0).photo
    assert as_it_is is not None
    assert mirrored is not None
    assert as_it_is.picture[:, WIDTH - 20 :].mean() == pytest.approx(200, abs=5)
    assert mirrored.picture[:, :20].mean() == pytest.approx(200, abs=5)


def test_lays_the_photo_anew_on_another_canvas(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    answerer.update(LEFT_HAND_UP, CANVAS, 0.0)
    photo = answerer.update(LEFT_HAND_UP, (100, 50), 0.1).photo
    assert photo is not None
    assert photo.canvas == (100, 50)


def test_shows_a_new_idle_photo_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter([0, 1])
    monkeypatch.setattr("device.current_library.random.randrange", lambda _: next(numbers))
    with open_current_library(tmp_path / "two", count=2) as library:
        answerer = Answerer(library, AT_ONCE)
        first = answerer.update(None, CANVAS, 0.0).photo
        assert first is not None
        assert first.credit == "photo 0"
        assert answerer.update(None, CANVAS, 0.9 * IDLE_PHOTO_SECONDS).photo is first
        second = answerer.update(None, CANVAS, IDLE_PHOTO_SECONDS).photo
        assert second is not None
        assert second.credit == "photo 1"


@pytest.mark.parametrize("visitor", [LEFT_HAND_UP, None])
def test_a_new_collection_answers_at_once(tmp_path: Path, visitor: Pose | None) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    names = ["dance"] * MIN_PEOPLE + ["yoga"] * MIN_PEOPLE
    items = [NewItem(picture, LEFT_HAND_UP.keypoints, name, collection=name) for name in names]
    write_library(items, tmp_path / "library")
    with CurrentLibrary(Library.open(tmp_path / "library"), collection="dance") as library:
        answerer = Answerer(library, ChooseSettings(hold=60.0))
        credits = []
        for frame in range(4):
            photo = answerer.update(visitor, CANVAS, frame / 10).photo
            assert photo is not None
            credits.append(photo.credit)
            if frame == 1:
                library.next_collection()
    assert credits == ["dance", "dance", "yoga", "yoga"]


def test_an_unreadable_photo_leaves_the_last_answer(one_photo: CurrentLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    idle = answerer.update(None, CANVAS, 0.0)
    monkeypatch.setattr(one_photo, "picture", lambda _: None)
    assert answerer.update(LEFT_HAND_UP, CANVAS, 1.0) is idle


def test_too_few_key_points_get_an_idle_photo(one_photo: CurrentLibrary) -> None:
    faint = replace(person(), scores=np.zeros(17, np.float32))
    answer = Answerer(one_photo, AT_ONCE).update(faint, CANVAS, 0.0)
    assert answer.photo is not None
    assert answer.likeness == 0.0
