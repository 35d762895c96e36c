"""Answering a visitor with a photo, without threads: each test says what time it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device.answer import ATTRACT_STEP, MIN_DRAWN_POSES, Answer, Answerer
from device.choose import ChooseSettings
from device.current_library import MIN_PEOPLE, CurrentLibrary
from device.display.drawn_visitor import ALL_POSES, held_pose
from device.display.layout import Size
from device.follow import Visitor
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


def answer(answerer: Answerer, visitor: Pose, now: float, pane: Size = CANVAS, number: int = 0) -> Answer:
    """The answer to a single visitor."""
    (only,) = answerer.answer_all([Visitor(number, visitor)], pane, now)
    return only


def test_keeps_the_picture_while_the_match_stays(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    first, later = (answer(answerer, LEFT_HAND_UP, now) for now in (0.0, 1.0))
    assert first.photo is not None
    assert later.photo is first.photo, "a new picture would be faded to"
    assert later.likeness == pytest.approx(1.0)


def test_turns_the_only_photo_round_for_the_other_hand(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    as_it_is = answer(answerer, LEFT_HAND_UP, 0.0).photo
    mirrored = answer(answerer, LEFT_HAND_UP.mirrored(WIDTH), 1.0).photo
    assert as_it_is is not None
    assert mirrored is not None
    assert as_it_is.picture[:, WIDTH - 20 :].mean() == pytest.approx(200, abs=5)
    assert mirrored.picture[:, :20].mean() == pytest.approx(200, abs=5)


def test_lays_the_photo_anew_on_another_canvas(one_photo: CurrentLibrary) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    answer(answerer, LEFT_HAND_UP, 0.0)
    photo = answer(answerer, LEFT_HAND_UP, 0.1, (100, 50)).photo
    assert photo is not None
    assert photo.canvas == (100, 50)


def test_the_drawn_visitor_gets_another_photo_for_each_pose(tmp_path: Path) -> None:
    with open_current_library(tmp_path / "three", count=3) as library:
        answerer = Answerer(library, AT_ONCE)
        photos = [
            answerer.answer_nobody(CANVAS, (step + share) * ATTRACT_STEP) for step in range(3) for share in (0, 0.5)
        ]
    assert all(photo is not None for photo in photos)
    assert photos[::2] == photos[1::2], "it stays while the pose is held"
    assert len({photo.credit for photo in photos if photo}) == 3


def test_the_drawn_visitor_takes_poses_that_are_answered_well(tmp_path: Path) -> None:
    waving = 0
    pose = held_pose(waving, CANVAS)
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    write_library([NewItem(picture, pose.keypoints, "waving")], tmp_path / "waving")
    with CurrentLibrary(Library.open(tmp_path / "waving")) as library:
        answerer = Answerer(library, AT_ONCE)
        answerer.answer_nobody(CANVAS, 0.0)
    assert len(answerer.drawn_poses) == MIN_DRAWN_POSES < len(ALL_POSES)
    assert waving in answerer.drawn_poses


def test_two_visitors_get_answers_of_their_own(tmp_path: Path) -> None:
    with open_current_library(tmp_path / "six", count=6) as library:
        answerer = Answerer(library, AT_ONCE)
        visitors = [Visitor(7, LEFT_HAND_UP), Visitor(3, LEFT_HAND_UP.mirrored(WIDTH))]
        first = answerer.answer_all(visitors, CANVAS, 0.0)
        swapped = answerer.answer_all(visitors[::-1], CANVAS, 1.0)
        (stayed,) = answerer.answer_all(visitors[1:], CANVAS, 2.0)
    assert [one.photo for one in swapped] == [one.photo for one in first[::-1]], "each keeps the photo"
    assert stayed.photo is first[1].photo


def test_two_visitors_in_one_pose_get_two_photos(tmp_path: Path) -> None:
    with open_current_library(tmp_path / "two", count=2) as library:
        answerer = Answerer(library, ChooseSettings(hold=0.0, stay=1.0))
        for now in range(8):
            answers = answerer.answer_all([Visitor(1, LEFT_HAND_UP), Visitor(2, LEFT_HAND_UP)], CANVAS, float(now))
            assert len({answer.photo.credit for answer in answers if answer.photo}) == 2


def test_two_visitors_share_the_only_photo(one_photo: CurrentLibrary) -> None:
    visitors = [Visitor(1, LEFT_HAND_UP), Visitor(2, LEFT_HAND_UP)]
    assert all(answer.photo for answer in Answerer(one_photo, AT_ONCE).answer_all(visitors, CANVAS, 0.0))


def test_the_next_visitor_gets_another_photo(tmp_path: Path) -> None:
    with open_current_library(tmp_path / "two", count=2) as library:
        answerer = Answerer(library, AT_ONCE)
        before = answer(answerer, LEFT_HAND_UP, 0.0, number=1).photo
        answerer.answer_nobody(CANVAS, 5.0)
        after = answer(answerer, LEFT_HAND_UP, 10.0, number=2).photo
    assert before is not None
    assert after is not None
    assert before.credit != after.credit


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
            now = frame / 10
            photo = answer(answerer, visitor, now).photo if visitor else answerer.answer_nobody(CANVAS, now)
            assert photo is not None
            credits.append(photo.credit)
            if frame == 1:
                library.next_collection()
    assert credits == ["dance", "dance", "yoga", "yoga"]


def test_an_unreadable_photo_leaves_the_last_answer(one_photo: CurrentLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    answerer = Answerer(one_photo, AT_ONCE)
    before = answer(answerer, LEFT_HAND_UP, 0.0)
    monkeypatch.setattr(one_photo, "picture", lambda _: None)
    assert answer(answerer, LEFT_HAND_UP.mirrored(WIDTH), 1.0) is before


def test_too_few_key_points_get_any_photo(one_photo: CurrentLibrary) -> None:
    faint = replace(person(), scores=np.zeros(17, np.float32))
    found = answer(Answerer(one_photo, AT_ONCE), faint, 0.0)
    assert found.photo is not None
    assert found.likeness == 0.0
