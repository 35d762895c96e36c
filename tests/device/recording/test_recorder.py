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

SOMEBODY = Pose(np.full((17, 2), (640, 360), np.float32), np.ones(17, np.float32), 1.0)
CAMERA = np.full((480, 640, 3), 90, np.uint8)
GOOD = Outcome(Path("/gifs/a.gif"), "Your GIF is saved as a.gif.")
BAD = Outcome(None, "The GIF could not be written: the disk of /gifs is full.")


class Desk:
    """A writer that keeps what it is given and answers when told to."""

    def __init__(self) -> None:
        self.given: list[Recording] = []
        self.answer: Outcome | None = None

    def start(self, recording: Recording) -> None:
        self.given.append(recording)

    def poll_outcome(self) -> Outcome | None:
        answer, self.answer = self.answer, None
        return answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


def canvas(shade: int = 0, width: int = 1280, height: int = 720) -> Image:
    return np.full((height, width, 3), shade, np.uint8)


def recorded(desk: Desk, recorder: Recorder, photos: list[Image], *, fps: float = 30, end: float = 9.0) -> Recording:
    """A press at 0 and then so many frames a second, with another photo every quarter second."""
    recorder.press(0)
    for frame in range(round(end * fps)):
        now = frame / fps
        recorder.update(photos[int(now * 4) % len(photos)], SOMEBODY, CAMERA, now)
    (recording,) = desk.given
    return recording


def test_nothing_happens_until_the_button_is_pressed(desk: Desk) -> None:
    recorder = Recorder(desk)
    for now in range(100):
        recorder.update(canvas(), SOMEBODY, CAMERA, now)
    assert (recorder.phase, recorder.countdown, recorder.recording_progress, recorder.notice) == (
        "idle",
        None,
        None,
        None,
    )
    assert not desk.given


def test_a_press_counts_down_three_two_one_records_and_has_it_written(desk: Desk) -> None:
    recorder, photo, seen = Recorder(desk, countdown=3, seconds=5), canvas(), []
    recorder.press(100)
    for tenth in range(90):
        recorder.update(photo, SOMEBODY, None, 100 + tenth / 10)
        seen.append((recorder.countdown, recorder.recording_progress is not None, recorder.phase == "saving"))
    assert [numeral for numeral, _, _ in seen] == [3] * 10 + [2] * 10 + [1] * 10 + [None] * 60
    assert [recording for _, recording, _ in seen] == [False] * 30 + [True] * 50 + [False] * 10
    assert [saving for _, _, saving in seen] == [False] * 80 + [True] * 10
    assert len(desk.given) == 1


def test_the_share_recorded_rises_from_nothing_to_all(desk: Desk) -> None:
    recorder, shares = Recorder(desk, countdown=0, seconds=2), []
    recorder.press(0)
    for tenth in range(20):
        recorder.update(canvas(), SOMEBODY, None, tenth / 10)
        shares.append(recorder.recording_progress)
    assert shares == pytest.approx([tenth / 20 for tenth in range(20)])


def test_without_a_countdown_it_records_at_once(desk: Desk) -> None:
    recorder = Recorder(desk, countdown=0)
    recorder.press(7)
    recorder.update(canvas(), SOMEBODY, None, 7)
    assert recorder.phase == "recording"


@pytest.mark.parametrize(("now", "phase"), [(1, "countdown"), (5, "recording"), (8.5, "saving")])
def test_a_second_press_while_busy_says_wait_and_changes_nothing(desk: Desk, now: float, phase: str) -> None:
    recorder, photo = Recorder(desk), canvas()
    recorder.press(0)
    for tenth in range(round(now * 10) + 1):
        recorder.update(photo, SOMEBODY, None, tenth / 10)
    recorder.press(now)
    assert recorder.phase == phase
    assert recorder.notice is not None
    assert recorder.notice.startswith("Please wait: ")
    recorder.update(photo, SOMEBODY, None, now + WAIT_NOTICE_SECONDS + 0.01)
    assert not (recorder.notice or "").startswith("Please wait: ")
    assert len(desk.given) <= 1


@pytest.mark.parametrize(("outcome", "seconds"), [(GOOD, SAVED_NOTICE_SECONDS), (BAD, FAILED_NOTICE_SECONDS)])
def test_the_outcome_is_said_for_a_while_and_the_next_press_begins_again(
    desk: Desk, outcome: Outcome, seconds: float
) -> None:
    recorder = Recorder(desk)
    recorded(desk, recorder, [canvas()])
    assert recorder.notice == "Making your GIF …"
    desk.answer = outcome
    recorder.update(None, None, None, 20)
    assert (recorder.phase, recorder.notice) == ("idle", outcome.sentence)
    recorder.update(None, None, None, 20 + seconds - 0.01)
    assert recorder.notice == outcome.sentence
    assert recorder.failed == (outcome is BAD)
    recorder.update(None, None, None, 20 + seconds)
    assert recorder.notice is None
    assert not recorder.failed
    recorder.press(21)
    assert (recorder.phase, recorder.notice) == ("countdown", None)


def test_a_press_while_the_outcome_is_shown_begins_again_and_takes_the_sentence_away(desk: Desk) -> None:
    recorder = Recorder(desk)
    recorded(desk, recorder, [canvas()])
    desk.answer = BAD
    recorder.update(None, None, None, 20)
    recorder.press(20.5)
    assert (recorder.phase, recorder.countdown, recorder.notice) == ("countdown", 3, None)


def test_stills_come_at_the_gifs_rate_and_not_the_screens(desk: Desk) -> None:
    recording = recorded(desk, Recorder(desk, seconds=5), [canvas()])
    assert len(recording.stills) == STILLS_PER_SECOND * 5
    gaps = np.diff([still.at for still in recording.stills])
    assert gaps.min() > 0.06
    assert gaps.max() < 0.11
    assert recording.seconds == pytest.approx(5)


def test_a_slow_screen_gives_fewer_stills_at_their_own_times(desk: Desk) -> None:
    recording = recorded(desk, Recorder(desk, seconds=5), [canvas()], fps=4)
    assert [still.at for still in recording.stills] == pytest.approx([k / 4 for k in range(20)])


def test_a_photo_is_shrunk_once_and_kept_once_as_long_as_it_is_the_same(desk: Desk) -> None:
    photos = [canvas(shade) for shade in (10, 20, 30)]
    recording = recorded(desk, Recorder(desk, seconds=3, pixels=640), photos)
    assert {photo.shape for photo in recording.photos} == {(360, 640, 3)}
    assert [int(photo[0, 0, 0]) for photo in recording.photos] == [10, 20, 30] * 4
    assert [still.photo_index for still in recording.stills] == [k // 3 for k in range(36)]


@pytest.mark.parametrize(
    ("width", "height", "size"), [(1080, 1920, (360, 640)), (800, 480, (640, 384)), (320, 200, (320, 200))]
)
def test_the_longer_side_is_at_most_the_pixels_asked_for_and_nothing_is_enlarged(
    desk: Desk, width: int, height: int, size: tuple[int, int]
) -> None:
    recording = recorded(desk, Recorder(desk, pixels=640), [canvas(5, width, height)])
    assert recording.photos[0].shape == (size[1], size[0], 3)


def test_the_skeleton_lies_where_it_lay_on_the_screen(desk: Desk) -> None:
    photo = canvas()
    photo[356:364, 636:644] = 255  # around the visitor's points
    recording = recorded(desk, Recorder(desk), [photo])
    visitor = recording.stills[0].visitor
    assert visitor is not None
    x, y = visitor.xy[0]
    weights = recording.photos[0][..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    assert (weights * columns).sum() / weights.sum() == pytest.approx(x, abs=0.3)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(y, abs=0.3)


def test_the_recording_does_not_change_when_the_screens_memory_is_used_again(desk: Desk) -> None:
    photo = canvas(200, 320, 200)
    recording = recorded(desk, Recorder(desk), [photo])
    photo[:] = 0
    assert (recording.photos[0] == 200).all()


def test_the_camera_picture_is_kept_only_when_asked_for(desk: Desk) -> None:
    assert all(still.camera_image is None for still in recorded(desk, Recorder(desk), [canvas()]).stills)
    other = Desk()
    with_it = recorded(other, Recorder(other, include_camera=True), [canvas()])
    for still in with_it.stills:
        assert still.camera_image is not None
        assert still.camera_image.shape == (102, 136, 3)


def test_nobody_there_makes_no_gif_and_says_so(desk: Desk) -> None:
    recorder = Recorder(desk)
    recorder.press(0)
    for tenth in range(90):
        recorder.update(None, None, None, tenth / 10)
    assert (recorder.phase, recorder.notice) == ("idle", NOBODY_NOTICE)
    recorder.press(9.0)
    for tenth in range(90, 180):
        recorder.update(canvas(), None, None, tenth / 10)
    assert (recorder.phase, recorder.notice) == ("idle", NOBODY_NOTICE)
    assert not desk.given


def test_while_nobody_is_there_the_gif_does_not_stand_still_for_long(desk: Desk) -> None:
    recorder, photo = Recorder(desk, countdown=0, seconds=5), canvas()
    recorder.press(0)
    for tenth in range(60):
        there = tenth < 10 or 35 <= tenth < 40
        recorder.update(photo if there else None, SOMEBODY if there else None, None, tenth / 10)
    (recording,) = desk.given
    assert np.diff([still.at for still in recording.stills]).max() <= MAX_GAP_SECONDS + 1e-9
    assert recording.seconds == pytest.approx(0.9 + MAX_GAP_SECONDS + 0.4 + MAX_GAP_SECONDS)


def test_a_window_that_changes_its_size_meanwhile_does_not_change_the_gifs(desk: Desk) -> None:
    photos = [canvas(1), canvas(2), canvas(3, 900, 900), canvas(4, 900, 900)]
    recording = recorded(desk, Recorder(desk, seconds=1), photos)
    assert {photo.shape for photo in recording.photos} == {(360, 640, 3)}
    assert {still.photo_index for still in recording.stills} == {0, 1}


def test_the_next_recording_holds_nothing_of_the_last(desk: Desk) -> None:
    recorder = Recorder(desk, countdown=0, seconds=1)
    for start, shade in ((0, 10), (100, 20)):
        recorder.press(start)
        for tenth in range(12):
            recorder.update(canvas(shade), SOMEBODY, None, start + tenth / 10)
        desk.answer = GOOD
        recorder.update(None, None, None, start + 2)
    assert {int(photo[0, 0, 0]) for photo in desk.given[1].photos} == {20}
    assert desk.given[1].stills[0].at == 0


@given(st.floats(0.5, 30), st.lists(st.floats(0.0, 0.7), min_size=1, max_size=400))
def test_however_the_screen_goes_a_recording_is_bounded_in_order_and_as_long_as_asked(
    seconds: float, gaps: list[float]
) -> None:
    desk, photo = Desk(), canvas(0, 64, 36)
    recorder = Recorder(desk, countdown=1, seconds=seconds)
    recorder.press(0)
    now = 0.0
    for gap in [*gaps, 1.0, seconds, 1.0]:
        now += gap
        recorder.update(photo, SOMEBODY, None, now)
    assert recorder.phase == "saving"
    (recording,) = desk.given
    times = [still.at for still in recording.stills]
    assert 1 <= len(times) <= min(MAX_STILLS, STILLS_PER_SECOND * seconds) + 1
    assert times == sorted(set(times))
    assert times[-1] <= recording.seconds <= seconds + 1e-6


@given(st.lists(st.tuples(st.sampled_from(["press", "see", "saved", "failed"]), st.floats(0, 4)), max_size=60))
def test_whatever_happens_the_phases_follow_each_other_and_one_gif_is_written_at_a_time(
    events: list[tuple[str, float]],
) -> None:
    desk, photo, now = Desk(), canvas(0, 64, 36), 0.0
    recorder = Recorder(desk, countdown=2, seconds=3)
    after = {"idle": {"countdown"}, "countdown": {"recording"}, "recording": {"saving"}, "saving": {"idle"}}
    for event, gap in events:
        now += gap
        before, written = recorder.phase, len(desk.given)
        if event == "press":
            recorder.press(now)
        else:
            if before == "saving":
                desk.answer = {"saved": GOOD, "failed": BAD}.get(event)
            recorder.update(photo, SOMEBODY, None, now)
        assert recorder.phase == before or recorder.phase in after[before]
        assert len(desk.given) - written == (before == "recording" and recorder.phase == "saving")
        assert (recorder.countdown is not None) == (recorder.phase == "countdown")
        assert (recorder.recording_progress is not None) == (recorder.phase == "recording")
        assert recorder.countdown in (None, 1, 2)
