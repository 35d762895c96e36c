"""The loops: what becomes of a frame, and what the screen shows of it; all but camera and estimator are real."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import device.mirror
from device.button import Button
from device.cameras.base import Camera, CameraError, EndOfVideo, Frame
from device.choose import ChooseSettings
from device.collection import Collection
from device.display.screen import Screen
from device.follow import FollowSettings
from device.mirror import STALE_AFTER, Moment, Sense, make_view, recordable_parts, run_mirror
from device.recording.gif import Recording
from device.recording.recorder import Recorder
from device.recording.saving import Outcome
from index.build.writer import NewItem, write_library
from index.library import Library, LibraryError
from models.estimator.watched import EstimatorUnavailable
from models.pose import LEFT_WRIST, RIGHT_WRIST, Image, Pose

WIDTH, HEIGHT = 320, 240
CANVAS = (320, 180)

STANDING = np.array(
    [(160, 40), (164, 36), (156, 36), (170, 38), (150, 38), (185, 70), (135, 70), (190, 100), (130, 100), (192, 130),
     (128, 130), (175, 130), (145, 130), (175, 170), (145, 170), (175, 210), (145, 210)], np.float32,
)  # fmt: skip
"""Somebody who faces the camera with both arms down: their left hand is on the picture's right."""


def person(**moved: tuple[float, float]) -> Pose:
    """Somebody standing, with key points moved."""
    xy = STANDING.copy()
    for name, place in moved.items():
        xy[{"left_wrist": LEFT_WRIST, "right_wrist": RIGHT_WRIST, "left_elbow": 7, "right_elbow": 8}[name]] = place
    return Pose(xy, np.full(17, 0.9, np.float32), 0.9)


LEFT_HAND_UP = person(left_elbow=(205, 50), left_wrist=(210, 20))
"""As the camera sees it, not mirrored."""


class Scripted(Camera):
    """A camera of plain pictures, or of errors; ends when the script does."""

    def __init__(self, script: Iterator[Exception | None]) -> None:
        self.script = script
        self.number = 0

    def latest(self, timeout: float = 2.0) -> Frame:
        time.sleep(0.01)
        self.number += 1
        fault = next(self.script, EndOfVideo())
        if fault is not None:
            raise fault
        image = np.full((HEIGHT, WIDTH, 3), self.number % 256, np.uint8)
        return Frame(image, image, time.monotonic(), mirrored=False)

    def close(self) -> None: ...


class Sees:
    """An estimator that sees what a function of the picture says."""

    note: str | None = None

    def __init__(self, people: Callable[[Image], list[Pose]]) -> None:
        self.estimate = people


class Unwritten:
    """Takes recordings, and writes nothing."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []

    def start(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def poll_outcome(self) -> Outcome | None:
        return None


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    """Three photos: somebody with their left hand up, somebody with arms down, somebody with both hands up."""
    both = person(left_elbow=(205, 50), left_wrist=(210, 20), right_elbow=(115, 50), right_wrist=(110, 20))
    items = []
    for title, pose in (("left hand up", LEFT_HAND_UP), ("standing", person()), ("both up", both)):
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        picture[:, WIDTH // 2 :] = (250, 200, 20)  # the half in which their left hand is
        items.append(NewItem(picture, pose.keypoints, title=title, author="somebody", licence="CC0"))
    folder = tmp_path_factory.mktemp("libraries") / "three"
    write_library(items, folder)
    with Collection(Library.open(folder)) as in_use:
        yield in_use


QUICK = {"follow_settings": FollowSettings(), "choose_settings": ChooseSettings(hold=0.1)}


def wait_for(sense: Sense, what: Callable[[Moment], bool], seconds: float = 5.0) -> Moment:
    until = time.monotonic() + seconds
    while not what(moment := sense.latest_moment()):
        assert time.monotonic() < until, f"it did not come to pass: {moment}"
        time.sleep(0.01)
    return moment


def test_a_left_hand_raised_is_answered_by_a_hand_raised_on_the_screens_left(collection: Collection) -> None:
    in_the_mirror = LEFT_HAND_UP.mirrored(WIDTH)
    assert in_the_mirror.xy[RIGHT_WRIST, 0] < WIDTH / 2, "in a mirror it is the right hand of the one on the left"
    sensing = Sense(Scripted(iter([None] * 300)), Sees(lambda _: [in_the_mirror]), collection, CANVAS, **QUICK)  # type: ignore[arg-type]
    with sensing as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.agreement > 0.9)
        assert moment.photo is not None
        assert moment.photo.credit.startswith("left hand up")
    picture = moment.photo.picture
    assert picture.shape == (CANVAS[1], CANVAS[0], 3)
    # the photo was taken of a left hand up, on its own right: it must have been mirrored
    assert picture[:, : CANVAS[0] // 4].mean((0, 1)) == pytest.approx((250, 200, 20), abs=12)
    assert picture[:, -CANVAS[0] // 4 :].mean((0, 1)) == pytest.approx((60, 60, 60), abs=12)


def test_a_right_hand_raised_is_answered_by_the_same_photo_as_it_is(collection: Collection) -> None:
    camera_sees = LEFT_HAND_UP.mirrored(WIDTH)  # a right hand up
    in_the_mirror = camera_sees.mirrored(WIDTH)
    sensing = Sense(Scripted(iter([None] * 300)), Sees(lambda _: [in_the_mirror]), collection, CANVAS, **QUICK)  # type: ignore[arg-type]
    with sensing as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.agreement > 0.9)
        assert moment.photo is not None
        assert moment.photo.credit.startswith("left hand up")
    assert moment.photo.picture[:, -CANVAS[0] // 4 :].mean((0, 1)) == pytest.approx((250, 200, 20), abs=12)


def test_the_frame_on_the_screen_is_mirrored_once(collection: Collection) -> None:
    class Marked(Scripted):
        def latest(self, timeout: float = 2.0) -> Frame:
            frame = super().latest(timeout)
            frame.image[:, : WIDTH // 2] = 200
            frame.image[:, WIDTH // 2 :] = 10
            return frame

    with Sense(Marked(iter([None] * 100)), Sees(lambda _: []), collection, CANVAS) as sense:
        moment = wait_for(sense, lambda m: m.frame is not None)
    assert moment.frame is not None
    assert moment.frame.image[0, 0, 0] == 10


def test_what_is_to_be_said_at_the_start_is_said_once_and_then_what_changes(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device.mirror, "NOTICE_SECONDS", 0.4)
    seen = Sees(lambda _: [])
    seen.note = "It begins on the CPU."
    with Sense(Scripted(iter([None] * 500)), seen, collection, CANVAS, note="The model is small.") as sense:
        moment = wait_for(sense, lambda m: m.note is not None)
        assert make_view(moment, Recorder(Unwritten()), time.monotonic()).notice == "The model is small."
        wait_for(sense, lambda m: m.frame is not None and m.note is None)
        seen.note = "It goes on."
        wait_for(sense, lambda m: m.note == "It goes on.")
        wait_for(sense, lambda m: m.note is None)
        time.sleep(0.2)
        assert sense.latest_moment().note is None


def test_a_lost_camera_is_said_and_forgotten_when_it_is_back(collection: Collection) -> None:
    script = iter([None] * 100 + [CameraError("The camera is unplugged.")] * 60 + [None] * 200)
    with Sense(Scripted(script), Sees(lambda _: [person()]), collection, CANVAS) as sense:
        wait_for(sense, lambda m: m.visitor is not None)
        lost = wait_for(sense, lambda m: "The camera is unplugged." in m.faults)
        assert lost.frame is None
        assert lost.visitor is None
        assert wait_for(sense, lambda m: m.frame is not None).faults == ()


def test_while_the_estimator_is_lost_the_visitors_picture_goes_on(collection: Collection) -> None:
    lost = [True]

    def estimate(_: Image) -> list[Pose]:
        if lost[0]:
            raise EstimatorUnavailable("The estimator stopped.")
        return [person()]

    with Sense(Scripted(iter([None] * 400)), Sees(estimate), collection, CANVAS) as sense:
        first = wait_for(sense, lambda m: m.faults == ("The estimator stopped.",))
        later = wait_for(sense, lambda m: m.frame is not first.frame)
        assert later.frame is not None
        lost[0] = False
        wait_for(sense, lambda m: not m.faults and m.visitor is not None)


def test_with_nobody_there_photos_are_shown_all_the_same(collection: Collection) -> None:
    with Sense(Scripted(iter([None] * 100)), Sees(lambda _: []), collection, CANVAS) as sense:
        moment = wait_for(sense, lambda m: m.photo is not None)
    assert moment.visitor is None
    assert not make_view(moment, Recorder(Unwritten()), time.monotonic()).visitor_present


def test_what_is_wrong_with_the_library_is_said(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "_fault", "It is damaged.")
    with Sense(Scripted(iter([None] * 50)), Sees(lambda _: []), collection, CANVAS) as sense:
        assert wait_for(sense, lambda m: m.frame is not None).faults == ("It is damaged.",)


def test_an_error_nobody_expected_ends_the_mirror_with_its_cause(collection: Collection) -> None:
    def fails(_: Image) -> list[Pose]:
        raise ZeroDivisionError("a bug")

    with (
        Screen.open("headless", CANVAS) as screen,
        Sense(Scripted(iter([None] * 50)), Sees(fails), collection, CANVAS) as sense,
        pytest.raises(ZeroDivisionError, match="a bug"),
    ):
        run_mirror(screen, sense, Recorder(Unwritten()), Button(0), fps=60, seconds=5)


def test_a_frame_too_old_is_not_shown_as_a_reflection() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    moment = Moment(CANVAS, Frame(image, image, 100.0, mirrored=True), person())
    recorder = Recorder(Unwritten())
    assert make_view(moment, recorder, 100.0 + STALE_AFTER / 2).camera_image is image
    assert make_view(moment, recorder, 100.0 + STALE_AFTER).camera_image is None


def test_a_new_size_of_the_screen_is_taken_up(collection: Collection) -> None:
    with Sense(Scripted(iter([None] * 300)), Sees(lambda _: [person()]), collection, CANVAS) as sense:
        wait_for(sense, lambda m: m.visitor is not None and m.photo is not None)
        sense.canvas = (180, 320)
        moment = wait_for(sense, lambda m: m.photo is not None and m.photo.picture.shape == (320, 180, 3))
        assert moment.canvas == (180, 320)


def test_a_film_that_is_over_ends_the_mirror(collection: Collection) -> None:
    with (
        Screen.open("headless", CANVAS) as screen,
        Sense(Scripted(iter([None] * 10)), Sees(lambda _: []), collection, CANVAS) as sense,
    ):
        start = time.monotonic()
        run_mirror(screen, sense, Recorder(Unwritten()), Button(0), fps=60, seconds=30)
    assert time.monotonic() - start < 10


def test_a_press_records_what_was_shown(collection: Collection) -> None:
    writer = Unwritten()
    recorder = Recorder(writer, countdown=1, seconds=0.6)
    with (
        Screen.open("headless", CANVAS) as screen,
        Sense(Scripted(iter([None] * 2000)), Sees(lambda _: [person()]), collection, CANVAS) as sense,
    ):
        wait_for(sense, lambda m: m.visitor is not None)
        recorder.press(time.monotonic())
        run_mirror(screen, sense, recorder, Button(0), fps=60, seconds=2.5)
    (recording,) = writer.recordings
    assert len(recording.stills) >= 4
    assert all(still.visitor is not None for still in recording.stills)
    assert all(still.camera_image is None for still in recording.stills), "the visitor's picture was not asked for"


def test_the_recorded_skeleton_lies_on_the_photos_person(collection: Collection) -> None:
    small = person().scaled(0.4, 0.4)  # far from the camera, in a corner of its picture
    with Sense(Scripted(iter([None] * 400)), Sees(lambda _: [small]), collection, CANVAS) as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.agreement > 0.98)
    _, skeleton, _ = recordable_parts(moment)
    assert skeleton is not None
    assert moment.person is not None
    assert skeleton.xy == pytest.approx(moment.person.xy, abs=3)


def test_nothing_is_recorded_of_nobody() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert recordable_parts(Moment(CANVAS, Frame(image, image, 0.0, mirrored=True))) == (None, None, None)


def test_a_damaged_photo_is_passed_over_for_the_next_best(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged(number: int) -> Image:
        if number == 1:
            raise LibraryError("The picture of somebody standing is damaged.")
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    monkeypatch.setattr(collection._library, "picture", damaged)
    with Sense(Scripted(iter([None] * 100)), Sees(lambda _: [person()]), collection, CANVAS, **QUICK) as sense:  # type: ignore[arg-type]
        moment = wait_for(sense, lambda m: m.visitor is not None and m.agreement > 0)
        time.sleep(0.3)
    assert moment.photo is not None
    assert not moment.photo.credit.startswith("standing")
    assert caplog.text.count("damaged") == 1, "it is said once"
