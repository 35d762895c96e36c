"""The mirror that benchmarks/answers.py asks: the program's own parts, a camera that shows one visitor, and a clock
that does not wait."""

from __future__ import annotations

import hashlib
import pkgutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final, Self
from unittest import mock

import numpy as np

from benchmarks.answer_visitors import Visitor, nearest_person
from device.answer import Answerer
from device.cameras.base import SILENT_AFTER, Frame
from device.current_library import CurrentLibrary
from device.display.layout import Size, camera_to_display
from device.display.panes import arrange
from device.follow import Visitor as Followed
from device.moment import Moment
from device.placed_photo import PlacedPhoto
from device.sensing import FramePipeline, PipelineSettings
from models.estimator.estimator import Estimator
from models.pose import Image, Pose

FRAMES_PER_SECOND: Final = 10.0
"""Frames a second that a photo is shown for: about what a Raspberry Pi 4 manages."""

SECONDS: Final = 2.0
"""Seconds for which the mirror sees a photo before its answer counts: time to follow somebody and to settle."""

TIMED_FUNCTIONS: Final = {
    "follow": "device.sensing.follow",
    "match": "device.current_library.CurrentLibrary.find_all",
    "answer": "device.sensing.Answerer.answer_all",
    "place and prepare": "device.answer.place_photo",
}
"""The program's functions that are timed, by the name of the step."""


class Stopwatch:
    """Collects how long each step took, in milliseconds."""

    def __init__(self) -> None:
        self.milliseconds: defaultdict[str, list[float]] = defaultdict(list)

    def timed(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, which now also notes its time as that of a step."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.milliseconds[step].append((time.perf_counter() - start) * 1000)

        return call

    @contextmanager
    def watch(self) -> Iterator[Self]:
        """Time the program's functions meanwhile."""
        with ExitStack() as stack:
            for step, name in TIMED_FUNCTIONS.items():
                stack.enter_context(mock.patch(name, self.timed(step, pkgutil.resolve_name(name))))
            yield self


class Clock:
    """A clock that only moves when a frame is taken; it stands in for `time` in the mirror."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class RepeatingCamera:
    """Shows pictures, already mirrored, `fps` a second by the clock; the last one again and again."""

    def __init__(self, pictures: Sequence[Image], clock: Clock, fps: float) -> None:
        self._pictures, self._clock, self._interval = list(pictures), clock, 1 / fps
        self.picture = self._pictures[0]

    def latest(self, timeout: float = SILENT_AFTER) -> Frame:
        self._clock.now += self._interval
        self.picture = self._pictures.pop(0) if len(self._pictures) > 1 else self._pictures[0]
        return Frame(self.picture, self.picture, self._clock.now, mirrored=True)

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Looks:
    """An estimator that looks only once at the same pixels, and times its looks."""

    def __init__(self, estimator: Estimator, stopwatch: Stopwatch) -> None:
        self._estimator, self._stopwatch = estimator, stopwatch
        self._known: dict[tuple[bytes, tuple[int, int] | None], list[Pose]] = {}

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width at which the model reads a crop around one person best."""
        return self._estimator.crop_size

    def look(self, picture: Image, size: tuple[int, int] | None, step: str) -> list[Pose]:
        """Return the people in a picture, seen at a size (height, width)."""
        key = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        if (key, size) not in self._known:
            self._known[key, size] = self._stopwatch.timed(step, self._estimator.estimate)(picture, size)
        return self._known[key, size]


class EstimatorForOne:
    """Finds one labelled person in the whole picture, and everybody in a crop of it.

    The mirror follows the most prominent person of a photo, but each labelled one is to be judged.
    """

    device = "cpu"
    note = None

    def __init__(self, looks: Looks, camera: RepeatingCamera, label: Pose | None) -> None:
        self._looks, self._camera, self._label = looks, camera, label

    @property
    def crop_size(self) -> tuple[int, int]:
        return self._looks.crop_size

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        if image.shape != self._camera.picture.shape:
            return self._looks.look(image, size, "crop look")
        people = self._looks.look(image, size, "whole look")
        if self._label is None:
            return people
        nearest = nearest_person(people, self._label)
        return [] if nearest is None else [nearest]


class StandInLibrary(CurrentLibrary):
    """A library that shows a grey picture for poses without one, in the size of the photo that they are from."""

    def picture(self, number: int) -> Image | None:
        item = self.item(number)
        return super().picture(number) if item.picture else _grey_picture(item.width, item.height)


@lru_cache(maxsize=64)
def _grey_picture(width: int, height: int) -> Image:
    return np.full((height, width, 3), 128, np.uint8)


def show_visitor(looks: Looks, visitor: Visitor, library: CurrentLibrary, display: Size) -> list[Moment]:
    """Let the mirror see a visitor's picture for `SECONDS`, and return its moments."""
    clock = Clock()
    camera = RepeatingCamera([visitor.picture], clock, FRAMES_PER_SECOND)
    estimator = EstimatorForOne(looks, camera, visitor.label)
    return run_frames(camera, estimator, library, display, clock, round(SECONDS * FRAMES_PER_SECOND))


def show_pictures(
    looks: Looks, pictures: Sequence[Image], library: CurrentLibrary, display: Size, fps: float = FRAMES_PER_SECOND
) -> list[Moment]:
    """Let the mirror see pictures, already mirrored, one after another, and return its moments."""
    clock = Clock()
    camera = RepeatingCamera(pictures, clock, fps)
    return run_frames(camera, EstimatorForOne(looks, camera, None), library, display, clock, len(pictures))


def run_frames(
    camera: RepeatingCamera,
    estimator: EstimatorForOne,
    library: CurrentLibrary,
    display: Size,
    clock: Clock,
    count: int,
) -> list[Moment]:
    """Run the mirror for `count` frames and return its moments."""
    with mock.patch("device.sensing.time", SimpleNamespace(monotonic=clock.monotonic)):
        pipeline = FramePipeline(camera, estimator, library, PipelineSettings())
        moment, moments = Moment(display), []
        for _ in range(count):
            moment = pipeline.next_moment(moment, display)
            moments.append(moment)
    return moments


def answer_label(visitor: Visitor, library: CurrentLibrary, display: Size) -> PlacedPhoto | None:
    """Return the photo that answers a visitor's true pose, after `SECONDS`."""
    answerer = Answerer(library, PipelineSettings().choose)
    size = visitor.picture.shape[1], visitor.picture.shape[0]
    pane = arrange(display, PipelineSettings().layout).answers[0].size
    pose = camera_to_display(visitor.label, size, pane)
    for frame in range(round(SECONDS * FRAMES_PER_SECOND)):
        (answer,) = answerer.answer_all([Followed(0, pose)], pane, 1000 + frame / FRAMES_PER_SECOND)
    return answer.photo
