"""The mirror: how a frame becomes a photo on the screen.

Start reading here, and then in `device.start`, where all the parts are opened.

Two loops run at the same time:

- The sense thread watches: camera → estimator → follow → answer (match, choose, photo). It keeps the newest `Moment`.
- The main thread shows: events → button → recorder → screen. SDL draws only from the main thread, so this loop never
  waits for a camera, the estimator, a disk or an encoder.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self

from device.answer import Answerer
from device.button import Button
from device.cameras.base import Camera, CameraError, CameraStuck, EndOfVideo, Frame, mirror_frame
from device.choose import ChooseSettings
from device.current_library import CurrentLibrary
from device.display.layout import Size, camera_to_display
from device.display.scene import View
from device.display.screen import Event, Screen
from device.follow import FollowSettings, FollowState, follow
from device.guidance import Guidance, Hint, Sight, guide, measure_light
from device.looks import Look, Shot, choose_looks
from device.placed_photo import PlacedPhoto
from device.rating import ring_share
from device.recording.recorder import Recorder
from device.recording.stills import Snapshot
from models.estimator.watched import EstimatorUnavailable
from models.pose import Image, Pose

STALE_AFTER: Final = 0.7
"""Seconds after which a frame is no longer drawn. Visitors notice a mirror that lags by more than a second, and a busy
machine needs some of that second to draw."""


class Estimator(Protocol):
    """Finds people in pictures. In the kiosk it is `models.estimator.watched.EstimatorProcess`."""

    @property
    def device(self) -> str: ...

    @property
    def note(self) -> str | None: ...

    @property
    def crop_size(self) -> tuple[int, int]: ...

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What the mirror knows at one time.

    `frame` is the camera's newest, mirrored. `visitor` is the pose followed, in the frame's pixels. `photo` is laid on
    a canvas of `canvas` pixels; `likeness`, 0 to 1, says how alike its person and the visitor look. `faults` are
    current problems, one sentence each; `hint` is what would help the visitor.
    """

    canvas: Size
    frame: Frame | None = None
    visitor: Pose | None = None
    photo: PlacedPhoto | None = None
    likeness: float = 0.0
    faults: tuple[str, ...] = ()
    hint: Hint | None = None


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How a frame is processed. `rotate` is how far the camera is turned clockwise, in degrees."""

    rotate: int = 0
    follow: FollowSettings = field(default_factory=FollowSettings)
    choose: ChooseSettings = field(default_factory=ChooseSettings)


class FramePipeline:
    """Takes one frame after another all the way: camera → estimator → follow → answer."""

    def __init__(
        self, camera: Camera, estimator: Estimator, library: CurrentLibrary, settings: PipelineSettings | None = None
    ) -> None:
        self._settings = settings or PipelineSettings()
        self._camera, self._estimator = camera, estimator
        self._followed = FollowState()
        self._look: Look | None = None
        self._answerer = Answerer(library, self._settings.choose)
        self._guidance = Guidance()

    @property
    def device(self) -> str:
        """Where poses are estimated now: "cpu" or "edgetpu"."""
        return self._estimator.device

    def next_moment(self, before: Moment, canvas: Size) -> Moment:
        """Wait for the camera's next frame and return the moment that it makes, on a canvas of this size.

        If the camera or estimator is lost, the returned moment says so in `faults`. Without the camera it has no frame
        and no visitor; without the estimator it keeps the visitor and photo of `before`. Raises EndOfVideo after the
        last frame, and CameraStuck for a camera that only a new process can open again.
        """
        try:
            frame = mirror_frame(self._camera.latest(), self._settings.rotate)
        except CameraStuck:
            raise
        except CameraError as fault:
            return self._moment_without_camera(str(fault), canvas, time.monotonic())
        try:
            self._look_and_follow(frame)
        except EstimatorUnavailable as fault:
            # keep the visitor and the photo: the estimator is usually back within a second
            return replace(before, frame=frame, faults=(*self._answerer.faults, str(fault)))
        return self._moment_of(frame, canvas, time.monotonic())

    def _look_and_follow(self, frame: Frame) -> None:
        """Look at the frame, and follow the visitor among the people seen."""
        size = _image_size(frame)
        shot = Shot(size, frame.captured_at, self._estimator.crop_size)
        for look in choose_looks(self._look, self._followed, shot):
            people = look.to_frame(self._estimator.estimate(look.picture(frame), look.size), frame)
            self._followed = follow(self._followed, people, size, frame.captured_at, self._settings.follow, look)
            self._look = look

    def _moment_of(self, frame: Frame, canvas: Size, now: float) -> Moment:
        """Answer the visitor that is followed."""
        visitor, size = self._followed.visitor, _image_size(frame)
        reflection = None if visitor is None else camera_to_display(visitor, size, canvas)
        photo, likeness = self._answerer.update(reflection, canvas, now)
        sight = Sight(size, measure_light(frame.image, visitor), visitor, likeness)
        self._guidance = guide(self._guidance, sight, now)
        return Moment(canvas, frame, visitor, photo, likeness, faults=self._answerer.faults, hint=self._guidance.shown)

    def _moment_without_camera(self, fault: str, canvas: Size, now: float) -> Moment:
        """Lose the visitor, but go on with the photos."""
        self._followed, self._look = FollowState(), None
        photo, _ = self._answerer.update(None, canvas, now)
        return Moment(canvas, photo=photo, faults=(*self._answerer.faults, fault))


class Sense:
    """Runs a pipeline in a thread and keeps its newest moment; a context manager."""

    def __init__(self, pipeline: FramePipeline, canvas: Size) -> None:
        self._pipeline = pipeline
        self._canvas = canvas
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
        """End the thread after its present frame. Call it before the camera is closed: a closed camera raises at once,
        and the thread would ask it again without a pause."""
        self._ended.set()

    def resize(self, canvas: Size) -> None:
        """Lay photos on a canvas of this size (width, height in pixels) from the next frame on. Any thread may call."""
        self._canvas = canvas  # one reference to an immutable value, so no lock is needed

    @property
    def device(self) -> str:
        """Where poses are estimated now: "cpu" or "edgetpu"."""
        return self._pipeline.device

    @property
    def finished(self) -> bool:
        """Whether no further moment will come: the video has ended, or the thread was stopped."""
        return self._ended.is_set()

    def latest_moment(self) -> Moment:
        """Return the newest moment. Raises the error that ended the thread, if one did."""
        if self._failure is not None:
            raise self._failure
        return self._newest

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._newest = self._pipeline.next_moment(self._newest, self._canvas)
        except EndOfVideo:
            pass
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ended.set()


class MirrorParts(NamedTuple):
    """The parts that `run_mirror` connects, each of them open."""

    screen: Screen
    sense: Sense
    recorder: Recorder
    button: Button


def run_mirror(
    parts: MirrorParts,
    *,
    fps: int,
    seconds: float | None = None,
    callbacks: Sequence[Callable[[Moment, float], None]] = (),
) -> None:
    """Show what is sensed until the screen is closed, the video ends, or `seconds` have passed.

    Each callback is called after every drawing, with the moment drawn and the time (seconds of time.monotonic()).
    Raises the error that ended the sense thread, if one did.
    """
    screen, sense, recorder, button = parts
    start = time.monotonic()
    while not sense.finished:
        now = time.monotonic()
        events = screen.poll_events(now)
        if Event.QUIT in events or (seconds is not None and now - start >= seconds):
            return
        if Event.PRESS in events or button.pop_presses():
            recorder.press(now)
        sense.resize(screen.size)
        moment = sense.latest_moment()
        recorder.update(take_snapshot(moment), now)
        screen.draw(make_view(moment, recorder, now), now)
        for callback in callbacks:
            callback(moment, time.monotonic())
        time.sleep(max(0.0, 1 / fps - (time.monotonic() - now)))
    sense.latest_moment()  # raises what ended the thread


def take_snapshot(moment: Moment) -> Snapshot | None:
    """Return what a GIF may record of a moment; None unless there is a photo, a visitor and a frame."""
    photo, frame = moment.photo, moment.frame
    if photo is None or moment.visitor is None or frame is None:
        return None
    reflection = camera_to_display(moment.visitor, _image_size(frame), photo.canvas)
    return Snapshot(photo.picture, photo.person, photo.credit, reflection, frame.image)


def make_view(moment: Moment, recorder: Recorder, now: float) -> View:
    """Return what the screen shows of a moment. A frame older than STALE_AFTER is not shown."""
    frame = moment.frame
    if frame is not None and now - frame.captured_at >= STALE_AFTER:
        frame = None
    message = recorder.notice or (None if moment.hint is None else moment.hint.message)
    return View(
        photo=moment.photo,
        ring=ring_share(moment.likeness) if moment.visitor is not None else None,
        camera_image=None if frame is None else frame.image,
        visitor=None if frame is None else moment.visitor,
        visitor_present=moment.visitor is not None,
        faults=moment.faults,
        notice=None if message is None else message.text,
        failed=recorder.failed,
        countdown=recorder.countdown,
        recording_progress=recorder.recording_progress,
    )


def _image_size(frame: Frame) -> Size:
    return frame.image.shape[1], frame.image.shape[0]
