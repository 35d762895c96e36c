"""The two loops, with a scripted camera and estimator; everything else is real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pytest

import device.guidance
from device.button import Button
from device.cameras.base import Camera, CameraError, EndOfVideo, Frame
from device.choose import ChooseSettings
from device.current_library import CurrentLibrary
from device.display.screen import Screen
from device.display.views import ShownPage, View
from device.feedback import Feedback
from device.follow import FollowSettings
from device.guidance import STEP_BACK, TOO_DARK
from device.lamp import Lamp
from device.mirror import NAME_SECONDS, STALE_AFTER, MirrorParts, make_view, run_mirror, take_snapshot
from device.moment import Answered, Moment
from device.recording.recorder import Recorder
from device.recording.saving import Outcome
from device.recording.stills import Recording
from device.sensing import CANNOT_SEE, Estimator, FramePipeline, PipelineSettings, Sense
from device.sounds import Sounds
from index.errors import LibraryError
from index.library import Library
from models.estimator.watched import EstimatorUnavailable
from models.pose import LEFT_ELBOW, LEFT_WRIST, RIGHT_ELBOW, RIGHT_WRIST, Image, Pose
from tests.support.libraries import NewItem, write_library

WIDTH, HEIGHT = 320, 240
CANVAS = (320, 180)

STANDING = np.array(
    [(160, 40), (164, 36), (156, 36), (170, 38), (150, 38), (185, 70), (135, 70), (190, 100), (130, 100), (192, 130),
     (128, 130), (175, 130), (145, 130), (175, 170), (145, 170), (175, 210), (145, 210)], np.float32,
)  # fmt: skip
"""A person who faces the camera with both arms down; their left hand is on the right of the picture."""


def person(**moved: tuple[float, float]) -> Pose:
    """A standing person, with some key points moved: `left_wrist=(x, y)`."""
    numbers = {
        "left_wrist": LEFT_WRIST,
        "right_wrist": RIGHT_WRIST,
        "left_elbow": LEFT_ELBOW,
        "right_elbow": RIGHT_ELBOW,
    }
    xy = STANDING.copy()
    for name, place in moved.items():
        xy[numbers[name]] = place
    return Pose(xy, np.full(17, 0.9, np.float32), 0.9)


LEFT_HAND_UP = person(left_elbow=(205, 50), left_wrist=(210, 20))
"""As the camera sees it, before the picture is mirrored."""


class ScriptedCamera(Camera):
    """A camera that gives a plain frame for each None in its script, raises each error, and ends with the script."""

    def __init__(self, script: Iterable[Exception | None]) -> None:
        self.script = iter(script)
        self.number = 0

    def latest(self, timeout: float = 2.0) -> Frame:
        time.sleep(0.01)
        self.number += 1
        fault = next(self.script, EndOfVideo())
        if fault is not None:
            raise fault
        image = np.full((HEIGHT, WIDTH, 3), self.number % 256, np.uint8)
        # the colours say where a pixel will be in the mirror, so that a crop shows where it was cut out
        image[:, :, 1], image[:, :, 2] = np.arange(WIDTH)[::-1] // 2, np.arange(HEIGHT)[:, None]
        return Frame(image, image, time.monotonic(), mirrored=False)

    def close(self) -> None: ...


class FakeEstimator:
    """An estimator that finds the people that a function returns, in a frame of `ScriptedCamera` or a crop of it."""

    device = "cpu"
    crop_size = 353, 353

    def __init__(self, find_people: Callable[[Image], list[Pose]], note: str | None = None) -> None:
        self._find_people = find_people
        self.note = note

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        corner = np.array([2 * int(image[0, 0, 1]), image[0, 0, 2]], np.float32)
        return [Pose(pose.xy - corner, pose.scores, pose.score) for pose in self._find_people(image)]


class FakeWriter:
    """Keeps recordings, and writes nothing."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []

    def start(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def poll_page(self) -> ShownPage | None:
        return None

    def poll_outcome(self) -> Outcome | None:
        return None


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CurrentLibrary]:
    """Three photos: a person with the left hand up, one with both arms down, one with both hands up."""
    both_up = person(left_elbow=(205, 50), left_wrist=(210, 20), right_elbow=(115, 50), right_wrist=(110, 20))
    items = []
    for title, pose in (("left hand up", LEFT_HAND_UP), ("standing", person()), ("both up", both_up)):
        picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        picture[:, WIDTH // 2 :] = (250, 200, 20)  # the half with the person's left hand
        items.append(NewItem(picture, pose.keypoints, title=title, author="somebody", licence="CC0"))
    folder = tmp_path_factory.mktemp("libraries") / "three"
    write_library(items, folder)
    with CurrentLibrary(Library.open(folder)) as opened:
        yield opened


QUICK = PipelineSettings(choose=ChooseSettings(hold=0.1), layout="full")
WHOLE = PipelineSettings(layout="full")
"""The answer fills the canvas."""


def view_of(moment: Moment, now: float | None = None) -> View:
    """What the screen shows of a moment while nothing is recorded."""
    return make_view(moment, Recorder(FakeWriter()), silent(), time.monotonic() if now is None else now)


def silent() -> Feedback:
    """The button's light and sounds of a machine that has neither."""
    return Feedback(Lamp(0), Sounds(0.0))


def parts(screen: Screen, sense: Sense, recorder: Recorder | None = None) -> MirrorParts:
    """The mirror's parts, with a button that is never pressed."""
    return MirrorParts(screen, sense, recorder or Recorder(FakeWriter()), Button(0), silent())


def make_sense(
    script: Iterable[Exception | None] | ScriptedCamera,
    people: Sequence[Pose] | Estimator,
    library: CurrentLibrary,
    settings: PipelineSettings | None = None,
) -> Sense:
    """A sense thread, not yet started, whose camera follows a script and whose estimator finds these people."""
    camera = script if isinstance(script, ScriptedCamera) else ScriptedCamera(script)
    estimator = FakeEstimator(lambda _: list(people)) if isinstance(people, Sequence) else people
    return Sense(FramePipeline(camera, estimator, library, settings or WHOLE), CANVAS)


def frames(count: int) -> list[None]:
    """The script of a camera that gives `count` frames and then ends."""
    return [None] * count


def wait_for(sense: Sense, condition: Callable[[Moment], bool], seconds: float = 60.0) -> Moment:
    """The first moment that meets the condition."""
    deadline = time.monotonic() + seconds
    while not condition(moment := sense.latest_moment()):
        assert time.monotonic() < deadline, f"no such moment in {seconds} s; the last one: {moment}"
        time.sleep(0.01)
    return moment


def test_a_raised_left_hand_is_answered_on_the_screens_left(library: CurrentLibrary) -> None:
    in_the_mirror = LEFT_HAND_UP.mirrored(WIDTH)
    assert in_the_mirror.xy[RIGHT_WRIST, 0] < WIDTH / 2, "mirrored, it is the right hand, and on the left"
    with make_sense(frames(300), [in_the_mirror], library, QUICK) as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.likeness > 0.9)
    assert moment.photo is not None
    assert moment.photo.credit.startswith("left hand up")
    picture = moment.photo.picture
    assert picture.shape == (CANVAS[1], CANVAS[0], 3)
    # the hand in the photo is on the photo's right, so the photo must have been mirrored
    assert picture[:, : CANVAS[0] // 4].mean((0, 1)) == pytest.approx((250, 200, 20), abs=12)
    assert picture[:, -CANVAS[0] // 4 :].mean((0, 1)) == pytest.approx((60, 60, 60), abs=12)


def test_a_raised_right_hand_is_answered_by_the_photo_unmirrored(library: CurrentLibrary) -> None:
    right_hand_up = LEFT_HAND_UP.mirrored(WIDTH)
    in_the_mirror = right_hand_up.mirrored(WIDTH)
    with make_sense(frames(300), [in_the_mirror], library, QUICK) as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.likeness > 0.9)
    assert moment.photo is not None
    assert moment.photo.credit.startswith("left hand up")
    assert moment.photo.picture[:, -CANVAS[0] // 4 :].mean((0, 1)) == pytest.approx((250, 200, 20), abs=12)


def test_the_frame_is_mirrored_once(library: CurrentLibrary) -> None:
    class MarkedCamera(ScriptedCamera):
        def latest(self, timeout: float = 2.0) -> Frame:
            frame = super().latest(timeout)
            frame.image[:, : WIDTH // 2] = 200
            frame.image[:, WIDTH // 2 :] = 10
            return frame

    with make_sense(MarkedCamera(frames(100)), [], library) as sense:
        moment = wait_for(sense, lambda m: m.frame is not None)
    assert moment.frame is not None
    assert moment.frame.image[0, 0, 0] == 10


def test_says_that_it_is_too_dark(library: CurrentLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.guidance, "APPEAR_AFTER", 0.0)

    class DarkCamera(ScriptedCamera):
        def latest(self, timeout: float = 2.0) -> Frame:
            frame = super().latest()
            frame.image[:] //= 16
            return frame

    with make_sense(DarkCamera(frames(100)), [], library) as sense:
        moment = wait_for(sense, lambda m: m.hint is not None)
    assert moment.hint == TOO_DARK
    assert view_of(moment).hint == TOO_DARK


@pytest.mark.slow
def test_says_what_would_help_the_visitor(library: CurrentLibrary) -> None:
    near = person().scaled(3.5, 3.5)
    too_near = Pose(near.xy - (400, 100), np.where(np.arange(17) < 7, 0.9, 0.03).astype(np.float32), 0.9)
    with make_sense(frames(1000), [too_near], library) as sense:
        assert wait_for(sense, lambda m: m.hint is not None).hint == STEP_BACK


@pytest.mark.slow
def test_a_lost_camera_is_a_fault_until_it_is_back(library: CurrentLibrary) -> None:
    script = [*frames(100), *[CameraError("The camera is unplugged.")] * 60, *frames(200)]
    with make_sense(script, [person()], library) as sense:
        wait_for(sense, lambda m: m.visitor is not None)
        lost = wait_for(sense, lambda m: "The camera is unplugged." in m.faults)
        assert lost.frame is None
        assert lost.visitor is None
        assert lost.trouble == CANNOT_SEE
        assert view_of(lost).needs_care
        back = wait_for(sense, lambda m: m.frame is not None)
        assert back.faults == ()
        assert back.trouble is None


def test_frames_go_on_while_the_estimator_is_lost(library: CurrentLibrary) -> None:
    lost = threading.Event()
    lost.set()

    def estimate(_: Image) -> list[Pose]:
        if lost.is_set():
            raise EstimatorUnavailable("The estimator stopped.")
        return [person()]

    with make_sense(frames(400), FakeEstimator(estimate), library) as sense:
        first = wait_for(sense, lambda m: m.faults == ("The estimator stopped.",))
        later = wait_for(sense, lambda m: m.frame is not first.frame)
        assert later.frame is not None
        lost.clear()
        wait_for(sense, lambda m: not m.faults and m.visitor is not None)


def test_shows_photos_without_a_visitor(library: CurrentLibrary) -> None:
    with make_sense(frames(100), [], library) as sense:
        moment = wait_for(sense, lambda m: m.photo is not None)
    assert moment.visitor is None
    view = view_of(moment)
    assert view.answers == ()
    assert view.idle_photo is moment.photo
    assert view.pictures == 1, "the three people are in one picture"


def test_shows_the_librarys_fault(library: CurrentLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_fault", "It is damaged.")
    with make_sense(frames(50), [], library) as sense:
        assert wait_for(sense, lambda m: m.frame is not None).faults == ("It is damaged.",)


def test_an_unexpected_error_ends_the_mirror_with_its_cause(library: CurrentLibrary) -> None:
    def fail(_: Image) -> list[Pose]:
        raise ZeroDivisionError("a bug")

    with (
        Screen.open("headless", CANVAS) as screen,
        make_sense(frames(50), FakeEstimator(fail), library) as sense,
        pytest.raises(ZeroDivisionError, match="a bug"),
    ):
        run_mirror(parts(screen, sense), fps=60, seconds=5)


def test_a_stale_frame_is_not_drawn() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    moment = Moment(CANVAS, Frame(image, image, 100.0, mirrored=True), (Answered(person()),))
    assert view_of(moment, 100.0 + STALE_AFTER / 2).camera_image is image
    stale = view_of(moment, 100.0 + STALE_AFTER)
    assert stale.camera_image is None
    assert stale.answers[0].visitor is None


def test_names_a_collection_for_a_while() -> None:
    moment = Moment(CANVAS, collections=("yoga",), collection="yoga", collection_since=10.0)
    named = view_of(moment, 10.0 + NAME_SECONDS / 2).collection
    assert named is not None
    assert named.text == "Yoga"
    assert view_of(moment, 10.0 + NAME_SECONDS).collection is None


def test_answers_each_of_several_people(library: CurrentLibrary) -> None:
    left, right = person().scaled(0.45, 0.45), LEFT_HAND_UP.scaled(0.45, 0.45)
    right = Pose(right.xy + np.array((160, 20), np.float32), right.scores, right.score)
    settings = PipelineSettings(follow=FollowSettings(people="all"), choose=ChooseSettings(hold=0.1))
    with make_sense(frames(600), [left, right], library, settings) as sense:
        moment = wait_for(sense, lambda m: len(m.answered) == 2 and all(one.likeness > 0.9 for one in m.answered))
    first, second = moment.answered
    assert first.visitor.xy[0, 0] < second.visitor.xy[0, 0]
    assert first.photo is not None
    assert second.photo is not None
    assert first.photo.credit.startswith("standing")
    assert second.photo.credit.startswith("left hand up")
    assert first.photo.canvas == second.photo.canvas != CANVAS
    assert moment.others == ()


def test_lays_the_photo_anew_for_a_resized_screen(library: CurrentLibrary) -> None:
    with make_sense(frames(300), [person()], library) as sense:
        wait_for(sense, lambda m: m.visitor is not None and m.photo is not None)
        sense.resize((180, 320))
        moment = wait_for(sense, lambda m: m.photo is not None and m.photo.picture.shape == (320, 180, 3))
        assert moment.canvas == (180, 320)


def test_the_mirror_ends_with_the_video(library: CurrentLibrary) -> None:
    with (
        Screen.open("headless", CANVAS) as screen,
        make_sense(frames(10), [], library) as sense,
    ):
        start = time.monotonic()
        run_mirror(parts(screen, sense), fps=60, seconds=30)
    assert time.monotonic() - start < 10


@pytest.mark.slow
def test_a_press_records_what_was_shown(library: CurrentLibrary) -> None:
    writer = FakeWriter()
    recorder = Recorder(writer, countdown=1, seconds=0.6)
    with (
        Screen.open("headless", CANVAS) as screen,
        make_sense(frames(2000), [person()], library) as sense,
    ):
        wait_for(sense, lambda m: m.visitor is not None)
        recorder.press(time.monotonic())
        run_mirror(parts(screen, sense, recorder), fps=60, seconds=2.5)
    (recording,) = writer.recordings
    assert len(recording.stills) >= 4
    assert recording.credits
    assert all(still.camera_image is None for still in recording.stills), "the camera picture was not to be recorded"


def test_a_snapshot_shows_the_visitor_as_the_mirror_does(library: CurrentLibrary) -> None:
    with make_sense(frames(400), [LEFT_HAND_UP], library) as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.likeness > 0.98)
    snapshot = take_snapshot(moment)
    assert snapshot is not None
    assert moment.photo is not None
    assert (snapshot.photo, snapshot.credit) == (moment.photo.picture, moment.photo.credit)
    assert snapshot.visitor.xy[LEFT_WRIST] == pytest.approx((210, -10), abs=1), "the canvas is 60 pixels less high"
    assert snapshot.person is moment.photo.person
    assert snapshot.display == CANVAS


def test_records_nothing_without_a_visitor() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert take_snapshot(Moment(CANVAS, Frame(image, image, 0.0, mirrored=True))) is None


def test_skips_a_damaged_photo_for_the_next_best(
    library: CurrentLibrary, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_picture(number: int) -> Image:
        if number == 1:
            raise LibraryError("The picture of somebody standing is damaged.")
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    monkeypatch.setattr(library._library, "picture", read_picture)
    with make_sense(frames(100), [person()], library, QUICK) as sense:
        moment = wait_for(sense, lambda m: m.visitor is not None and m.likeness > 0)
        time.sleep(0.3)
    assert moment.photo is not None
    assert not moment.photo.credit.startswith("standing")
    assert caplog.text.count("damaged") == 1, "one warning for each library"
