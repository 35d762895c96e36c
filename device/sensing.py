"""The sense thread: it takes each frame of the camera all the way to a moment, and keeps the newest one."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Final, Protocol, Self

from device.answer import Answerer
from device.cameras.base import Camera, CameraError, CameraStuck, EndOfVideo, Frame, mirror_frame
from device.celebration import Celebrating, celebrate
from device.choose import ChooseSettings
from device.current_library import CurrentLibrary
from device.display.attract import attract_panes
from device.display.layout import Size, camera_to_display
from device.display.panes import Layout, arrange
from device.follow import FollowSettings, FollowState, Visitor, follow
from device.guidance import Guidance, Hint, Sight, guide, measure_light
from device.language.message import message
from device.looks import Look, Shot, choose_looks
from device.moment import Answered, Moment
from device.rating import ring_share
from models.estimator.watched import EstimatorUnavailable
from models.pose import Image, Pose

CANNOT_SEE: Final = message("The mirror cannot see right now")
ONE_MOMENT: Final = message("One moment, please")


class Estimator(Protocol):
    """Finds people in pictures. In the kiosk it is `models.estimator.watched.EstimatorProcess`."""

    @property
    def device(self) -> str: ...

    @property
    def crop_size(self) -> tuple[int, int]: ...

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]: ...


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """How a frame is processed; `rotate` is how far the camera is turned clockwise, in degrees."""

    rotate: int = 0
    follow: FollowSettings = field(default_factory=FollowSettings)
    choose: ChooseSettings = field(default_factory=ChooseSettings)
    layout: Layout = "side"


class FramePipeline:
    """Takes one frame after another all the way: camera → estimator → follow → answer."""

    def __init__(
        self, camera: Camera, estimator: Estimator, library: CurrentLibrary, settings: PipelineSettings | None = None
    ) -> None:
        self._settings = settings or PipelineSettings()
        self._camera, self._estimator, self._library = camera, estimator, library
        self._followed = FollowState()
        self._look: Look | None = None
        self._answerer = Answerer(library, self._settings.choose)
        self._guidance = Guidance()
        self._celebrations: dict[int, Celebrating] = {}
        self._collection: tuple[str | None, float] = library.collection, -math.inf

    @property
    def device(self) -> str:
        """Where poses are estimated now: "cpu" or "edgetpu"."""
        return self._estimator.device

    def next_collection(self) -> None:
        """Answer from the next collection, from the next frame on. Any thread may call."""
        self._library.next_collection()

    def next_moment(self, before: Moment, canvas: Size) -> Moment:
        """Wait for the camera's next frame and return the moment that it makes, on a canvas of this size.

        If the camera or estimator is lost, the returned moment says so in `faults`. Without the camera it has no frame
        and no visitor; without the estimator it keeps the answers of `before`. Raises EndOfVideo after the last frame,
        and CameraStuck for a camera that only a new process can open again.
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
            # keep the answers: the estimator is usually back within a second
            faults = *self._library.faults, str(fault)
            return replace(before, frame=frame, faults=faults, trouble=None if before.answered else ONE_MOMENT)
        return self._moment_of(frame, canvas, time.monotonic())

    def _look_and_follow(self, frame: Frame) -> None:
        """Look at the frame, and follow the visitors among the people seen."""
        size = _image_size(frame)
        shot = Shot(size, frame.captured_at, self._estimator.crop_size)
        for look in choose_looks(self._look, self._followed, shot):
            people = look.to_frame(self._estimator.estimate(look.picture(frame), look.size), frame)
            self._followed = follow(self._followed, people, size, frame.captured_at, self._settings.follow, look)
            self._look = look

    def _moment_of(self, frame: Frame, canvas: Size, now: float) -> Moment:
        """Answer the visitors that are followed; without any, the drawn visitor."""
        visitors = self._followed.visitors
        if not visitors:
            moment = self._moment_of_nobody(frame, canvas, now)
            return replace(moment, hint=self._hint(frame, None, 0.0, now))
        pane = arrange(canvas, self._settings.layout, len(visitors)).answers[0].size
        size = _image_size(frame)
        reflections = [Visitor(number, camera_to_display(pose, size, pane)) for number, pose in visitors]
        answers = self._answerer.answer_all(reflections, pane, now)
        self._celebrate({number: answer.likeness for (number, _), answer in zip(visitors, answers, strict=True)}, now)
        answered = tuple(
            Answered(pose, answer.photo, answer.likeness, self._celebrations[number].since, number)
            for (number, pose), answer in zip(visitors, answers, strict=True)
        )
        hint = self._hint(frame, visitors[0].pose, answers[0].likeness, now)
        known = {id(pose) for _, pose in visitors}
        others = tuple(pose for pose in self._followed.people if id(pose) not in known)
        return replace(self._bare_moment(canvas, now), frame=frame, answered=answered, others=others, hint=hint)

    def _moment_of_nobody(self, frame: Frame | None, canvas: Size, now: float) -> Moment:
        self._celebrations.clear()
        photo = self._answerer.answer_nobody(attract_panes(canvas)[1].size, now)
        poses = self._answerer.drawn_poses
        return replace(self._bare_moment(canvas, now), frame=frame, idle_photo=photo, idle_poses=poses)

    def _moment_without_camera(self, fault: str, canvas: Size, now: float) -> Moment:
        """Lose the visitors, but go on with the attract loop."""
        self._followed, self._look, self._guidance = FollowState(), None, Guidance()
        moment = self._moment_of_nobody(None, canvas, now)
        return replace(moment, faults=(*moment.faults, fault), trouble=CANNOT_SEE)

    def _bare_moment(self, canvas: Size, now: float) -> Moment:
        """Return what is known about the library alone."""
        library = self._library
        if library.collection != self._collection[0]:
            self._collection = library.collection, now
        return Moment(
            canvas,
            faults=library.faults,
            pictures=library.picture_count,
            people=library.people_count,
            library=library.folder.name,
            collections=library.collections,
            collection=self._collection[0],
            collection_since=self._collection[1],
        )

    def _hint(self, frame: Frame, visitor: Pose | None, likeness: float, now: float) -> Hint | None:
        """Return the hint that suits a visitor with an answer of this likeness."""
        sight = Sight(_image_size(frame), measure_light(frame.image, visitor), visitor, likeness)
        self._guidance = guide(self._guidance, sight, now)
        return self._guidance.shown

    def _celebrate(self, likenesses: dict[int, float], now: float) -> None:
        """Celebrate each visitor's fit, where it is very good."""
        self._celebrations = {
            number: celebrate(self._celebrations.get(number, Celebrating()), ring_share(likeness), now)
            for number, likeness in likenesses.items()
        }


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

    def next_collection(self) -> None:
        """Answer from the library's next collection from the next frame on. Any thread may call."""
        self._pipeline.next_collection()

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


def _image_size(frame: Frame) -> Size:
    return frame.image.shape[1], frame.image.shape[0]
