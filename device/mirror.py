"""The mirror: the way a frame takes, from the camera to the photo, and from there to the screen. Start reading here.

Two loops. The sense thread watches: camera → estimator → follow → match → choose → photo, and keeps the newest
`Moment`. The main thread shows it: events → recorder → screen (SDL wants the main thread for that), and never waits for
a camera, a network's answer, a disk or an encoder.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np

from device.button import Button
from device.cameras.base import Camera, CameraError, CameraStuck, EndOfVideo, Frame, mirror_frame
from device.choose import Choice, ChooseSettings, choose
from device.collection import Collection
from device.display.layout import Size, camera_to_display, cover, place, prepare, transform_pose, visible_share
from device.display.scene import PreparedPhoto, View
from device.display.screen import Event, Screen
from device.follow import FollowSettings, FollowState, follow
from device.recording.recorder import Recorder
from index.agreement import agreement, align
from index.match import Match
from models.estimator.watched import EstimatorUnavailable
from models.pose import MIRROR_ORDER, Image, Pose
from models.seen import AGREEMENT_SCORE

STALE_AFTER: Final = 0.7
"""Seconds after which a frame is not drawn any more. A mirror that lags is none: nobody is to see one that is over a
second old, and a busy machine may take a while to draw the next."""

IDLE_PHOTO_SECONDS: Final = 7.0
"""Seconds that each photo is shown while nobody is there."""

NOTICE_SECONDS: Final = 8.0
"""Seconds that something worth saying once stays on the screen."""


class Estimator(Protocol):
    """What finds people; `models.estimator.watched.EstimatorProcess` in the kiosk."""

    @property
    def device(self) -> str: ...

    @property
    def note(self) -> str | None: ...

    def estimate(self, image: Image) -> list[Pose]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the mirror knows at one time.

    `frame` is the camera's last, mirrored; `visitor` the pose followed in its pixels; `photo` what answers it on a
    canvas of `canvas` pixels, and `person` who is in it, in pixels of the canvas; `faults` are sentences that are true
    now, `note` one worth saying for a while.
    """

    canvas: Size
    frame: Frame | None = None
    visitor: Pose | None = None
    photo: PreparedPhoto | None = None
    person: Pose | None = None
    agreement: float = 0.0
    faults: tuple[str, ...] = ()
    note: str | None = None

    @property
    def reflection(self) -> Pose | None:
        """Where the visitor stands in the mirror, in pixels of the canvas."""
        if self.frame is None or self.visitor is None:
            return None
        return camera_to_display(self.visitor, _image_size(self.frame.image), self.canvas)

    @property
    def aligned_visitor(self) -> Pose | None:
        """The visitor's pose laid on the photo's person, as well as the two agree; None while either is missing."""
        if self.visitor is None or self.person is None:
            return None
        weights = self.visitor.scores * self.person.scores
        if not weights.any():
            return None
        return transform_pose(self.visitor, align(self.person.xy, weights, self.visitor.xy, weights > 0))


class Sense:
    """Watches the camera in a thread of its own and keeps the newest moment; a context manager.

    `canvas` is the screen's size, for which photos are made ready; `note` a sentence for the first seconds.
    """

    def __init__(
        self,
        camera: Camera,
        estimator: Estimator,
        collection: Collection,
        canvas: Size,
        *,
        rotate: int = 0,
        follow_settings: FollowSettings | None = None,
        choose_settings: ChooseSettings | None = None,
        note: str | None = None,
    ) -> None:
        self.canvas = canvas
        self._camera, self._estimator, self._collection = camera, estimator, collection
        self._rotate = rotate
        self._follow_settings = follow_settings or FollowSettings()
        self._choose_settings = choose_settings or ChooseSettings()
        self._followed, self._choice = FollowState(), Choice()
        self._alone_since = -IDLE_PHOTO_SECONDS
        self._noted = estimator.note  # how it began is in the log; on the screen only what changes
        self._saying, self._said_since = note, math.inf
        self._newest = Moment(canvas)
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="sense", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(timeout=0.5)

    def stop(self) -> None:
        """Have the thread end after its frame. Else it would ask a camera that is closed for the next, without rest."""
        self._ended.set()

    @property
    def device(self) -> str:
        """Where poses are estimated now: "cpu" or "edgetpu"."""
        return self._estimator.device

    @property
    def finished(self) -> bool:
        """Whether no moment will follow: a film that is shown once has ended."""
        return self._ended.is_set()

    def latest_moment(self) -> Moment:
        """The newest moment. What ended the thread against its will is raised here."""
        if self._failure is not None:
            raise self._failure
        return self._newest

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._newest = self._next_moment(self._newest)
        except EndOfVideo:
            pass
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ended.set()

    def _next_moment(self, before: Moment) -> Moment:
        """One frame's way: camera → estimator → follow → match → choose → photo."""
        try:
            frame = mirror_frame(self._camera.latest(), self._rotate)
        except CameraStuck:
            raise  # only a new process gets at that camera again
        except CameraError as fault:
            return self._without_camera(before, str(fault))
        try:
            people = self._estimator.estimate(frame.small)
        except EstimatorUnavailable as fault:
            return replace(before, frame=frame, faults=(*self._collection.faults, str(fault)))
        self._followed = follow(
            self._followed,
            _scale_to_image(frame, people),
            _image_size(frame.image),
            frame.captured_at,
            self._follow_settings,
        )
        moment = Moment(
            self.canvas,
            frame,
            self._followed.visitor,
            before.photo,
            before.person,
            before.agreement,
            self._collection.faults,
            self._current_note(frame.captured_at),
        )
        return self._with_answer(moment, before)

    def _current_note(self, now: float) -> str | None:
        """What is to be said at the start, or the estimator has to say of a change, for some seconds."""
        if self._estimator.note != self._noted:
            self._saying = self._noted = self._estimator.note
            self._said_since = now
        self._said_since = min(self._said_since, now)
        return self._saying if now - self._said_since < NOTICE_SECONDS else None

    def _with_answer(self, moment: Moment, before: Moment) -> Moment:
        """The moment with the photo for its visitor, or one to look at while there is none."""
        now = time.monotonic()
        if self._collection.refresh(now):
            self._choice = Choice()  # it goes by the numbers of another library
        visitor = moment.visitor and moment.visitor.thresholded(AGREEMENT_SCORE)
        last = self._choice.shown
        choice = choose(
            self._choice,
            None if visitor is None else self._find_matches(visitor),
            now,
            self._choose_settings,
            shown_agreement=None if visitor is None or last is None else self._agreement_on_display(last, visitor),
        )
        shown = choice.shown
        if visitor is None or shown is None:
            self._choice = choice
            return self._with_idle_photo(moment, before, now)
        changed = last is None or shown.item != last.item or before.canvas != moment.canvas
        answer = self._with_photo(shown, moment) if changed else moment
        if answer is None:
            return moment  # and another is chosen next
        self._choice = choice
        return replace(answer, agreement=self._agreement(shown, visitor))

    def _find_matches(self, visitor: Pose) -> list[Match]:
        """The photos that show the visitor best on this display, best first."""
        found = self._collection.find(visitor, top=2 * self._choose_settings.remember + 4)
        return sorted(self._adjust_for_display(found, visitor), key=lambda match: match.agreement, reverse=True)

    def _agreement_on_display(self, shown: Match, visitor: Pose) -> float:
        """How well the shown photo agrees on this display with the visitor as they are now."""
        again = shown._replace(agreement=self._agreement(shown, visitor))
        return self._adjust_for_display([again], visitor)[0].agreement

    def _adjust_for_display(self, matches: list[Match], visitor: Pose) -> list[Match]:
        """The matches as they agree with the visitor on this display: what it has no room for counts as missed."""
        if not matches:
            return []
        keypoints = self._collection.keypoints[[match.item for match in matches]]
        asked = np.array([visitor.scores[MIRROR_ORDER] if match.mirrored else visitor.scores for match in matches]) > 0
        items = [self._collection.item(match.item) for match in matches]
        sizes = np.array([(item.width, item.height) for item in items])
        shares = visible_share(keypoints[:, :, :2], asked & (keypoints[:, :, 2] > 0), sizes, self.canvas)
        return [
            match._replace(agreement=match.agreement * float(share))
            for match, share in zip(matches, shares, strict=True)
        ]

    def _agreement(self, match: Match, visitor: Pose) -> float:
        """How well the shown photo agrees with the visitor now; 0 while too little of them is seen to say."""
        pose = self._collection.pose(match)
        if not visitor.scores.any():
            return 0.0
        return float(agreement(visitor.xy, visitor.scores, pose.xy[None], pose.scores[None] > 0)[0])

    def _with_photo(self, match: Match, moment: Moment) -> Moment | None:
        """The moment with a photo laid so that its person stands where the visitor stands, if it can be read."""
        picture = self._collection.picture(match.item)
        if picture is None:
            return None
        pose, reflection = self._collection.pose(match), moment.reflection
        size, canvas = _image_size(picture), moment.canvas
        placement = cover(size, canvas) if reflection is None else place(size, canvas, pose, reflection)
        credit = self._collection.item(match.item).credit
        shown = PreparedPhoto(prepare(picture, placement, canvas, match.mirrored), credit)
        return replace(moment, photo=shown, person=transform_pose(pose, placement))

    def _with_idle_photo(self, moment: Moment, before: Moment, now: float) -> Moment:
        """While nobody is there: one photo after the other, any of them."""
        if now - self._alone_since < IDLE_PHOTO_SECONDS and before.canvas == moment.canvas:
            return moment
        answer = self._with_photo(self._collection.random_match(), replace(moment, visitor=None))
        if answer is None:
            return moment
        self._alone_since = now
        return answer

    def _without_camera(self, before: Moment, fault: str) -> Moment:
        """Nobody is seen; the photos go on."""
        self._followed = FollowState()
        moment = Moment(self.canvas, photo=before.photo, person=before.person, faults=(*self._collection.faults, fault))
        return self._with_answer(moment, before)


def run_mirror(
    screen: Screen,
    sense: Sense,
    recorder: Recorder,
    button: Button,
    *,
    fps: int,
    seconds: float | None = None,
    callbacks: Sequence[Callable[[Moment, float], None]] = (),
) -> None:
    """Shows what is sensed until the screen is closed, the film is over, or `seconds` have passed.

    Who is `callbacks` is called after every picture with its moment and the time, seconds of time.monotonic().
    """
    start = time.monotonic()
    while not sense.finished:
        now = time.monotonic()
        events = screen.poll_events()
        if Event.QUIT in events or (seconds is not None and now - start >= seconds):
            return
        if Event.PRESS in events or button.pop_presses():
            recorder.press(now)
        sense.canvas = screen.size
        moment = sense.latest_moment()
        recorder.update(*recordable_parts(moment), now)
        screen.draw(make_view(moment, recorder, now), now)
        for watch in callbacks:
            watch(moment, time.monotonic())
        time.sleep(max(0.0, 1 / fps - (time.monotonic() - now)))
    sense.latest_moment()


def recordable_parts(moment: Moment) -> tuple[Image | None, Pose | None, Image | None]:
    """What a GIF may hold of a moment: the photo, the visitor's pose laid on its person, and the camera's picture."""
    if moment.photo is None or moment.visitor is None or moment.frame is None:
        return None, None, None
    return moment.photo.picture, moment.aligned_visitor, moment.frame.image


def make_view(moment: Moment, recorder: Recorder, now: float) -> View:
    """What the screen shows of a moment; a frame too old to be a mirror's is left out."""
    fresh = moment.frame is not None and now - moment.frame.captured_at < STALE_AFTER
    return View(
        photo=moment.photo,
        agreement=moment.agreement if moment.visitor is not None else None,
        camera_image=moment.frame.image if fresh and moment.frame is not None else None,
        visitor=moment.visitor if fresh else None,
        visitor_present=moment.visitor is not None,
        faults=moment.faults,
        notice=recorder.notice or moment.note,
        failed=recorder.failed,
        countdown=recorder.countdown,
        recording_progress=recorder.recording_progress,
    )


def _scale_to_image(frame: Frame, people: Sequence[Pose]) -> list[Pose]:
    """People found in the frame's small picture, in the pixels of the one that is shown."""
    width, height = _image_size(frame.image)
    small_width, small_height = _image_size(frame.small)
    return [person.scaled(width / small_width, height / small_height) for person in people]


def _image_size(image: Image) -> Size:
    return image.shape[1], image.shape[0]
