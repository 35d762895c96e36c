"""The phases of a recording, what it keeps, and what the visitor reads meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.recording.gif import Recording
from device.recording.recorder import (
    FAILED_NOTICE_SECONDS,
    MAX_GAP_SECONDS,
    MAX_STILLS,
    NOBODY_NOTICE,
    SAVED_NOTICE_SECONDS,
    STILLS_PER_SECOND,
    WAIT_NOTICE_SECONDS,
    Recorder,
)
from device.recording.saving import Outcome
from models.pose import Image, Pose

VISITOR = Pose(np.full((17, 2), (640, 360), np.float32), np.ones(17, np.float32), 1.0)
CAMERA = np.full((480, 640, 3), 90, np.uint8)
SAVED = Outcome(Path("/gifs/a.gif"), "Your GIF is saved as a.gif.")
FAILED = Outcome(None, "The GIF could not be written: the disk of /gifs is full.")


class FakeWriter:
    """A writer that keeps the recordings it receives; `outcome` is what it reports next."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.outcome: Outcome | None = None

    def start(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def poll_outcome(self) -> Outcome | None:
        outcome, self.outcome = self.outcome, None
        return outcome


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


def canvas(shade: int = 0, width: int = 1280, height: int = 720) -> Image:
    return np.full((height, width, 3), shade, np.uint8)


def record(
    writer: FakeWriter, recorder: Recorder, photos: list[Image], *, fps: float = 30, end: float = 9.0
) -> Recording:
    """Press at 0 s, then show `fps` frames a second until `end`, with another photo every quarter second."""
    recorder.press(0)
    for frame in range(round(end * fps)):
        now = frame / fps
        recorder.update(photos[int(now * 4) % len(photos)], VISITOR, CAMERA, now)
    (recording,) = writer.recordings
    return recording


def state_of(recorder: Recorder) -> tuple[str, str | None, bool]:
    """Return the phase, the notice, and whether the notice is about a failure."""
    return recorder.phase, recorder.notice, recorder.failed


def test_does_nothing_before_a_press(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    for now in range(100):
        recorder.update(canvas(), VISITOR, CAMERA, now)
    assert (recorder.phase, recorder.countdown, recorder.recording_progress, recorder.notice) == (
        "idle",
        None,
        None,
        None,
    )
    assert not writer.recordings


def test_a_press_counts_down_records_and_saves(writer: FakeWriter) -> None:
    recorder, photo, states = Recorder(writer, countdown=3, seconds=5), canvas(), []
    recorder.press(100)
    for tenth in range(90):
        recorder.update(photo, VISITOR, None, 100 + tenth / 10)
        states.append((recorder.countdown, recorder.recording_progress is not None, recorder.phase == "saving"))
    assert [numeral for numeral, _, _ in states] == [3] * 10 + [2] * 10 + [1] * 10 + [None] * 60
    assert [recording for _, recording, _ in states] == [False] * 30 + [True] * 50 + [False] * 10
    assert [saving for _, _, saving in states] == [False] * 80 + [True] * 10
    assert len(writer.recordings) == 1


def test_progress_rises_from_nothing_to_all(writer: FakeWriter) -> None:
    recorder, shares = Recorder(writer, countdown=0, seconds=2), []
    recorder.press(0)
    for tenth in range(20):
        recorder.update(canvas(), VISITOR, None, tenth / 10)
        shares.append(recorder.recording_progress)
    assert shares == pytest.approx([tenth / 20 for tenth in range(20)])


def test_records_at_once_without_a_countdown(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0)
    recorder.press(7)
    recorder.update(canvas(), VISITOR, None, 7)
    assert recorder.phase == "recording"


@pytest.mark.parametrize(("now", "phase"), [(1, "countdown"), (5, "recording"), (8.5, "saving")])
def test_a_press_while_busy_only_shows_a_notice(writer: FakeWriter, now: float, phase: str) -> None:
    recorder, photo = Recorder(writer), canvas()
    recorder.press(0)
    for tenth in range(round(now * 10) + 1):
        recorder.update(photo, VISITOR, None, tenth / 10)
    recorder.press(now)
    assert recorder.phase == phase
    assert recorder.notice is not None
    assert recorder.notice.startswith("Please wait: ")
    recorder.update(photo, VISITOR, None, now + WAIT_NOTICE_SECONDS + 0.01)
    assert not (recorder.notice or "").startswith("Please wait: ")
    assert len(writer.recordings) <= 1


@pytest.mark.parametrize(("outcome", "seconds"), [(SAVED, SAVED_NOTICE_SECONDS), (FAILED, FAILED_NOTICE_SECONDS)])
def test_shows_the_outcome_for_some_seconds(writer: FakeWriter, outcome: Outcome, seconds: float) -> None:
    recorder = Recorder(writer)
    record(writer, recorder, [canvas()])
    assert state_of(recorder) == ("saving", "Making your GIF …", False)
    writer.outcome = outcome
    recorder.update(None, None, None, 20)
    assert state_of(recorder) == ("idle", outcome.sentence, outcome is FAILED)
    recorder.update(None, None, None, 20 + seconds - 0.01)
    assert state_of(recorder) == ("idle", outcome.sentence, outcome is FAILED)
    recorder.update(None, None, None, 20 + seconds)
    assert state_of(recorder) == ("idle", None, False)
    recorder.press(21)
    assert state_of(recorder) == ("countdown", None, False)


def test_a_press_replaces_the_outcome(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    record(writer, recorder, [canvas()])
    writer.outcome = FAILED
    recorder.update(None, None, None, 20)
    recorder.press(20.5)
    assert (recorder.phase, recorder.countdown, recorder.notice) == ("countdown", 3, None)


def test_stills_come_at_the_gifs_rate(writer: FakeWriter) -> None:
    recording = record(writer, Recorder(writer, seconds=5), [canvas()])
    assert len(recording.stills) == STILLS_PER_SECOND * 5
    gaps = np.diff([still.at for still in recording.stills])
    assert gaps.min() > 0.06
    assert gaps.max() < 0.11
    assert recording.seconds == pytest.approx(5)


def test_a_slow_screen_gives_fewer_stills(writer: FakeWriter) -> None:
    recording = record(writer, Recorder(writer, seconds=5), [canvas()], fps=4)
    assert [still.at for still in recording.stills] == pytest.approx([k / 4 for k in range(20)])


def test_shrinks_and_keeps_each_photo_once(writer: FakeWriter) -> None:
    photos = [canvas(shade) for shade in (10, 20, 30)]
    recording = record(writer, Recorder(writer, seconds=3, pixels=640), photos)
    assert {photo.shape for photo in recording.photos} == {(360, 640, 3)}
    assert [int(photo[0, 0, 0]) for photo in recording.photos] == [10, 20, 30] * 4
    assert [still.photo_index for still in recording.stills] == [k // 3 for k in range(36)]


@pytest.mark.parametrize(
    ("width", "height", "size"), [(1080, 1920, (360, 640)), (800, 480, (640, 384)), (320, 200, (320, 200))]
)
def test_limits_the_longer_side_and_never_enlarges(
    writer: FakeWriter, width: int, height: int, size: tuple[int, int]
) -> None:
    recording = record(writer, Recorder(writer, pixels=640), [canvas(5, width, height)])
    assert recording.photos[0].shape == (size[1], size[0], 3)


def test_the_skeleton_is_where_it_was_on_the_screen(writer: FakeWriter) -> None:
    photo = canvas()
    photo[356:364, 636:644] = 255  # around the visitor's points
    recording = record(writer, Recorder(writer), [photo])
    visitor = recording.stills[0].visitor
    assert visitor is not None
    x, y = visitor.xy[0]
    weights = recording.photos[0][..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    assert (weights * columns).sum() / weights.sum() == pytest.approx(x, abs=0.3)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(y, abs=0.3)


def test_copies_the_screens_memory(writer: FakeWriter) -> None:
    photo = canvas(200, 320, 200)
    recording = record(writer, Recorder(writer), [photo])
    photo[:] = 0
    assert (recording.photos[0] == 200).all()


def test_keeps_the_camera_picture_only_on_request(writer: FakeWriter) -> None:
    assert all(still.camera_image is None for still in record(writer, Recorder(writer), [canvas()]).stills)
    writer = FakeWriter()
    recording = record(writer, Recorder(writer, include_camera=True), [canvas()])
    for still in recording.stills:
        assert still.camera_image is not None
        assert still.camera_image.shape == (102, 136, 3)


def test_makes_no_gif_of_nobody(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    recorder.press(0)
    for tenth in range(90):
        recorder.update(None, None, None, tenth / 10)
    assert (recorder.phase, recorder.notice) == ("idle", NOBODY_NOTICE)
    recorder.press(9.0)
    for tenth in range(90, 180):
        recorder.update(canvas(), None, None, tenth / 10)
    assert (recorder.phase, recorder.notice) == ("idle", NOBODY_NOTICE)
    assert not writer.recordings


def test_the_gif_never_stands_still_for_long(writer: FakeWriter) -> None:
    recorder, photo = Recorder(writer, countdown=0, seconds=5), canvas()
    recorder.press(0)
    for tenth in range(60):
        there = tenth < 10 or 35 <= tenth < 40
        recorder.update(photo if there else None, VISITOR if there else None, None, tenth / 10)
    (recording,) = writer.recordings
    assert np.diff([still.at for still in recording.stills]).max() <= MAX_GAP_SECONDS + 1e-9
    assert recording.seconds == pytest.approx(0.9 + MAX_GAP_SECONDS + 0.4 + MAX_GAP_SECONDS)


def test_resizing_the_window_does_not_change_the_gif(writer: FakeWriter) -> None:
    photos = [canvas(1), canvas(2), canvas(3, 900, 900), canvas(4, 900, 900)]
    recording = record(writer, Recorder(writer, seconds=1), photos)
    assert {photo.shape for photo in recording.photos} == {(360, 640, 3)}
    assert {still.photo_index for still in recording.stills} == {0, 1}


def test_the_next_recording_holds_nothing_of_the_last(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0, seconds=1)
    for start, shade in ((0, 10), (100, 20)):
        recorder.press(start)
        for tenth in range(12):
            recorder.update(canvas(shade), VISITOR, None, start + tenth / 10)
        writer.outcome = SAVED
        recorder.update(None, None, None, start + 2)
    assert {int(photo[0, 0, 0]) for photo in writer.recordings[1].photos} == {20}
    assert writer.recordings[1].stills[0].at == 0


@given(st.floats(0.5, 30), st.lists(st.floats(0.0, 0.7), min_size=1, max_size=400))
def test_a_recording_is_bounded_and_in_order(seconds: float, gaps: list[float]) -> None:
    writer, photo = FakeWriter(), canvas(0, 64, 36)
    recorder = Recorder(writer, countdown=1, seconds=seconds)
    recorder.press(0)
    now = 0.0
    for gap in [*gaps, 1.0, seconds, 1.0]:
        now += gap
        recorder.update(photo, VISITOR, None, now)
    assert recorder.phase == "saving"
    (recording,) = writer.recordings
    times = [still.at for still in recording.stills]
    assert 1 <= len(times) <= min(MAX_STILLS, STILLS_PER_SECOND * seconds) + 1
    assert times == sorted(set(times))
    assert times[-1] <= recording.seconds <= seconds + 1e-6


@given(st.lists(st.tuples(st.sampled_from(["press", "update", "saved", "failed"]), st.floats(0, 4)), max_size=60))
def test_phases_are_in_order_and_gifs_one_at_a_time(
    events: list[tuple[str, float]],
) -> None:
    writer, photo, now = FakeWriter(), canvas(0, 64, 36), 0.0
    recorder = Recorder(writer, countdown=2, seconds=3)
    next_phases = {"idle": {"countdown"}, "countdown": {"recording"}, "recording": {"saving"}, "saving": {"idle"}}
    for event, gap in events:
        now += gap
        before, count = recorder.phase, len(writer.recordings)
        if event == "press":
            recorder.press(now)
        else:
            if before == "saving":
                writer.outcome = {"saved": SAVED, "failed": FAILED}.get(event)
            recorder.update(photo, VISITOR, None, now)
        assert recorder.phase == before or recorder.phase in next_phases[before]
        assert len(writer.recordings) - count == (before == "recording" and recorder.phase == "saving")
        assert (recorder.countdown is not None) == (recorder.phase == "countdown")
        assert (recorder.recording_progress is not None) == (recorder.phase == "recording")
        assert recorder.countdown in (None, 1, 2)
