"""The mirror: how a frame becomes a photo on the screen.

Start reading here, and then in `device.start`, where all the parts are opened.

Two loops run at the same time:

- The sense thread watches: camera → estimator → follow → answer (match, choose, photo). It keeps the newest `Moment`;
  see `device.sensing`.
- The main thread shows: events → button → recorder → screen. SDL draws only from the main thread, so this loop never
  waits for a camera, the estimator, a disk or an encoder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from device.button import Button
from device.celebration import celebration_share
from device.collection_names import collection_message
from device.display.layout import Size, camera_to_display
from device.display.screen import Event, Screen
from device.display.views import Recorded, ShownAnswer, View
from device.feedback import Feedback
from device.moment import Moment
from device.rating import ring_share
from device.recording.recorder import Recorder
from device.recording.stills import Snapshot
from device.sensing import Sense

STALE_AFTER: Final = 0.7
"""Seconds after which a frame is no longer drawn. Visitors notice a mirror that lags by more than a second, and a busy
machine needs some of that second to draw."""

NAME_SECONDS: Final = 2.5
"""Seconds for which the name of a collection is shown that was just chosen."""


class MirrorParts(NamedTuple):
    """The parts that `run_mirror` connects, each of them open."""

    screen: Screen
    sense: Sense
    recorder: Recorder
    button: Button
    feedback: Feedback


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
    screen, sense, recorder, button, feedback = parts
    start = time.monotonic()
    while not sense.finished:
        now = time.monotonic()
        events = screen.poll_events(now)
        if Event.QUIT in events or (seconds is not None and now - start >= seconds):
            return
        if button.pop_presses() or Event.PRESS in events:
            recorder.press(now, screen.language)
        if button.pop_holds() or Event.HOLD in events:
            sense.next_collection()
        sense.resize(screen.size)
        moment = sense.latest_moment()
        for contact in (button, screen):
            contact.distinguish_holds(bool(moment.collections))
        recorder.update(take_snapshot(moment), now)
        feedback.update(recorder, button.is_held or screen.is_held(now), now)
        feedback.celebrate(moment.celebrated_at)
        screen.draw(make_view(moment, recorder, feedback, now), now)
        for callback in callbacks:
            callback(moment, time.monotonic())
        time.sleep(max(0.0, 1 / fps - (time.monotonic() - now)))
    sense.latest_moment()  # raises what ended the thread


def take_snapshot(moment: Moment) -> Snapshot | None:
    """Return what a GIF may record of a moment: the first visitor and the answer; None if there is none."""
    first = moment.answered[0] if moment.answered else None
    if first is None or first.photo is None or moment.frame is None:
        return None
    camera: Size = moment.frame.image.shape[1], moment.frame.image.shape[0]
    reflection = camera_to_display(first.visitor, camera, first.photo.canvas)
    photo = first.photo
    return Snapshot(photo.picture, photo.person, photo.credit, reflection, moment.frame.image, moment.canvas)


def make_view(moment: Moment, recorder: Recorder, feedback: Feedback, now: float) -> View:
    """Return what the screen shows of a moment. A frame older than STALE_AFTER is not shown."""
    frame = moment.frame
    if frame is not None and now - frame.captured_at >= STALE_AFTER:
        frame = None
    answers = tuple(
        ShownAnswer(
            answered.photo,
            None if frame is None else answered.visitor,
            ring_share(answered.likeness),
            celebration_share(answered.celebrated_at, now),
        )
        for answered in moment.answered
    )
    return View(
        answers=answers,
        idle_photo=moment.idle_photo,
        idle_poses=moment.idle_poses,
        pictures=moment.pictures,
        camera_image=None if frame is None else frame.image,
        others=moment.others,
        hint=moment.hint,
        trouble=moment.trouble,
        needs_care=bool(moment.faults or recorder.failure),
        recorded=recorded(recorder),
        button=feedback.state,
        holds=bool(moment.collections),
        collection=collection_message(moment.collection) if now - moment.collection_since < NAME_SECONDS else None,
    )


def recorded(recorder: Recorder) -> Recorded:
    """Return what the screen shows of a recording."""
    return Recorded(
        recorder.countdown,
        recorder.portrayal,
        recorder.recording_progress,
        recorder.notice,
        recorder.replay,
        recorder.page,
    )
