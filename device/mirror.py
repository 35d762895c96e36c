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
from device.cameras.base import Camera, CameraError, CameraStuck, EndOfVideo, Frame, as_in_a_mirror
from device.choose import Choice, ChooseSettings, choose
from device.collection import Collection
from device.display.layout import Size, cover, in_the_mirror, moved, place, prepare, room_for
from device.display.screen import Event, Screen, Shown, View
from device.follow import Followed, FollowSettings, follow
from device.recording.recorder import Recorder
from index.agreement import agreement, align
from index.match import Match
from models.estimator.watched import EstimatorLost
from models.pose import SWAP, Image, Pose

STALE: Final = 0.7
"""Seconds after which a frame is not drawn any more. A mirror that lags is none: nobody is to see one that is over a
second old, and a busy machine may take a while to draw the next."""

SURE: Final = 0.2
"""A visitor's key point scored below this is a stray: it would only enlarge the box that agreement is measured in."""

ALONE: Final = 7.0
"""Seconds that each photo is shown while nobody is there."""

NOTE: Final = 8.0
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
    photo: Shown | None = None
    person: Pose | None = None
    agreement: float = 0.0
    faults: tuple[str, ...] = ()
    note: str | None = None

    @property
    def reflection(self) -> Pose | None:
        """Where the visitor stands in the mirror, in pixels of the canvas."""
        if self.frame is None or self.visitor is None:
            return None
        return in_the_mirror(self.visitor, _size(self.frame.image), self.canvas)

    @property
    def likeness(self) -> Pose | None:
        """The visitor's pose laid on the photo's person, as well as the two agree; None while either is missing."""
        if self.visitor is None or self.person is None:
            return None
        weights = self.visitor.scores * self.person.scores
        if not weights.any():
            return None
        return moved(self.visitor, align(self.person.xy, weights, self.visitor.xy, weights > 0))


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
        self._followed, self._choice = Followed(), Choice()
        self._alone_since = -ALONE
        self._noted = estimator.note  # how it began is in the log; on the screen only what changes
        self._saying, self._said_since = note, math.inf
        self._newest = Moment(canvas)
        self._ended = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="sense", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        self._thread.join(timeout=0.5)

    def leave(self) -> None:
        """Have the thread end after its frame. Else it would ask a camera that is closed for the next, without rest."""
        self._ended.set()

    @property
    def device(self) -> str:
        """Where poses are estimated now: "cpu" or "edgetpu"."""
        return self._estimator.device

    @property
    def over(self) -> bool:
        """Whether no moment will follow: a film that is shown once has ended."""
        return self._ended.is_set()

    def newest(self) -> Moment:
        """The newest moment. What ended the thread against its will is raised here."""
        if self._failure is not None:
            raise self._failure
        return self._newest

    def _watch(self) -> None:
        try:
            while not self._ended.is_set():
                self._newest = self._next(self._newest)
        except EndOfVideo:
            pass
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ended.set()

    def _next(self, before: Moment) -> Moment:
        """One frame's way: camera → estimator → follow → match → choose → photo."""
        try:
            frame = as_in_a_mirror(self._camera.latest(), self._rotate)
        except CameraStuck:
            raise  # only a new process gets at that camera again
        except CameraError as fault:
            return self._without_camera(before, str(fault))
        try:
            people = self._estimator.estimate(frame.small)
        except EstimatorLost as fault:
            return replace(before, frame=frame, faults=(*self._collection.faults, str(fault)))
        self._followed = follow(
            self._followed,
            _in_pixels_of(frame, people),
            _size(frame.image),
            frame.taken,
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
            self._note(frame.taken),
        )
        return self._answered(moment, before)

    def _note(self, now: float) -> str | None:
        """What is to be said at the start, or the estimator has to say of a change, for some seconds."""
        if self._estimator.note != self._noted:
            self._saying = self._noted = self._estimator.note
            self._said_since = now
        self._said_since = min(self._said_since, now)
        return self._saying if now - self._said_since < NOTE else None

    def _answered(self, moment: Moment, before: Moment) -> Moment:
        """The moment with the photo for its visitor, or one to look at while there is none."""
        now = time.monotonic()
        if self._collection.look(now):
            self._choice = Choice()  # it goes by the numbers of another library
        visitor = moment.visitor and moment.visitor.surer_than(SURE)
        last = self._choice.shown
        choice = choose(
            self._choice,
            None if visitor is None else self._matches(visitor),
            now,
            self._choose_settings,
            shown_agreement=None if visitor is None or last is None else self._now(last, visitor),
        )
        shown = choice.shown
        if visitor is None or shown is None:
            self._choice = choice
            return self._alone(moment, before, now)
        changed = last is None or shown.item != last.item or before.canvas != moment.canvas
        answer = self._with_photo(shown, moment) if changed else moment
        if answer is None:
            return moment  # and another is chosen next
        self._choice = choice
        return replace(answer, agreement=self._agreement(shown, visitor))

    def _matches(self, visitor: Pose) -> list[Match]:
        """The photos that show the visitor best on this display, best first."""
        found = self._collection.find(visitor, top=2 * self._choose_settings.remember + 4)
        return sorted(self._by_room(found, visitor), key=lambda match: match.agreement, reverse=True)

    def _now(self, shown: Match, visitor: Pose) -> float:
        """How well the shown photo agrees on this display with the visitor as they are now."""
        again = shown._replace(agreement=self._agreement(shown, visitor))
        return self._by_room([again], visitor)[0].agreement

    def _by_room(self, matches: list[Match], visitor: Pose) -> list[Match]:
        """The matches as they agree with the visitor on this display: what it has no room for counts as missed."""
        if not matches:
            return []
        keypoints = self._collection.keypoints[[match.item for match in matches]]
        asked = np.array([visitor.scores[SWAP] if match.mirrored else visitor.scores for match in matches]) > 0
        items = [self._collection.item(match.item) for match in matches]
        sizes = np.array([(item.width, item.height) for item in items])
        shares = room_for(keypoints[:, :, :2], asked & (keypoints[:, :, 2] > 0), sizes, self.canvas)
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
        size, canvas = _size(picture), moment.canvas
        placement = cover(size, canvas) if reflection is None else place(size, canvas, pose, reflection)
        credit = self._collection.item(match.item).credit
        shown = Shown(prepare(picture, placement, canvas, match.mirrored), credit)
        return replace(moment, photo=shown, person=moved(pose, placement))

    def _alone(self, moment: Moment, before: Moment, now: float) -> Moment:
        """While nobody is there: one photo after the other, any of them."""
        if now - self._alone_since < ALONE and before.canvas == moment.canvas:
            return moment
        answer = self._with_photo(self._collection.any(), replace(moment, visitor=None))
        if answer is None:
            return moment
        self._alone_since = now
        return answer

    def _without_camera(self, before: Moment, fault: str) -> Moment:
        """Nobody is seen; the photos go on."""
        self._followed = Followed()
        moment = Moment(self.canvas, photo=before.photo, person=before.person, faults=(*self._collection.faults, fault))
        return self._answered(moment, before)


def mirror(
    screen: Screen,
    sense: Sense,
    recorder: Recorder,
    button: Button,
    *,
    fps: int,
    seconds: float | None = None,
    watching: Sequence[Callable[[Moment, float], None]] = (),
) -> None:
    """Shows what is sensed until the screen is closed, the film is over, or `seconds` have passed.

    Who is `watching` is called after every picture with its moment and the time, seconds of time.monotonic().
    """
    start = time.monotonic()
    while not sense.over:
        now = time.monotonic()
        events = screen.events()
        if Event.QUIT in events or (seconds is not None and now - start >= seconds):
            return
        if Event.PRESS in events or button.presses():
            recorder.press(now)
        sense.canvas = screen.size
        moment = sense.newest()
        recorder.see(*recordable(moment), now)
        screen.draw(view(moment, recorder, now), now)
        for watch in watching:
            watch(moment, time.monotonic())
        time.sleep(max(0.0, 1 / fps - (time.monotonic() - now)))
    sense.newest()


def recordable(moment: Moment) -> tuple[Image | None, Pose | None, Image | None]:
    """What a GIF may hold of a moment: the photo, the visitor's pose laid on its person, and the camera's picture."""
    if moment.photo is None or moment.visitor is None or moment.frame is None:
        return None, None, None
    return moment.photo.picture, moment.likeness, moment.frame.image


def view(moment: Moment, recorder: Recorder, now: float) -> View:
    """What the screen shows of a moment; a frame too old to be a mirror's is left out."""
    fresh = moment.frame is not None and now - moment.frame.taken < STALE
    return View(
        photo=moment.photo,
        agreement=moment.agreement if moment.visitor is not None else None,
        camera=moment.frame.image if fresh and moment.frame is not None else None,
        visitor=moment.visitor if fresh else None,
        somebody=moment.visitor is not None,
        faults=moment.faults,
        notice=recorder.notice or moment.note,
        failed=recorder.failed,
        countdown=recorder.countdown,
        recording=recorder.recording,
    )


def _in_pixels_of(frame: Frame, people: Sequence[Pose]) -> list[Pose]:
    """People found in the frame's small picture, in the pixels of the one that is shown."""
    width, height = _size(frame.image)
    small_width, small_height = _size(frame.small)
    return [person.scaled(width / small_width, height / small_height) for person in people]


def _size(image: Image) -> Size:
    return image.shape[1], image.shape[0]
