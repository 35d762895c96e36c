"""The phases of a recording, what it keeps, and what the visitor reads meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.code import Modules
from device.display.views import ShownPage
from device.language.message import Message
from device.language.translate import Language
from device.recording.gif import CLOSING_SECONDS
from device.recording.gif_titles import Titles
from device.recording.recorder import (
    AS_FIGURE,
    FAILED,
    FAILED_SECONDS,
    MAKING,
    MAX_STILLS,
    NOBODY,
    READY,
    STILLS_PER_SECOND,
    WAIT,
    WAIT_SECONDS,
    WITH_CAMERA,
    Recorder,
)
from device.recording.replay import CODE_SECONDS, REPLAY_SECONDS, TWO_CODES_SECONDS
from device.recording.saving import Outcome
from device.recording.stills import MAX_CAMERA_PIXELS, MAX_GAP_SECONDS, MAX_PHOTO_PIXELS, Recording, Words
from device.share.address import NOT_SERVED
from models.pose import Image
from tests.support.recordings import snapshot

CAMERA = np.full((480, 640, 3), 90, np.uint8)
FAILURE = Outcome(None, "The GIF could not be saved: the disk of /gifs is full.")


def saved(recording: Recording) -> Outcome:
    """Return the outcome of a recording that was saved."""
    width, height = recording.layout.size
    backdrop, closing = (np.full((height, width, 3), shade, np.uint8) for shade in (16, 17))
    titles = Titles(backdrop, (closing,))
    return Outcome(Path("/gifs/a.gif"), titles=titles)


class FakeWriter:
    """A writer that keeps the recordings it receives; `outcome` is what it reports next."""

    def __init__(self) -> None:
        self.recordings: list[Recording] = []
        self.outcome: Outcome | None = None
        self.page: ShownPage | None = None

    def start(self, recording: Recording) -> None:
        self.recordings.append(recording)

    def poll_page(self) -> ShownPage | None:
        page, self.page = self.page, None
        return page

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
        recorder.update(snapshot(photos[int(now * 4) % len(photos)], camera_image=CAMERA), now)
    (recording,) = writer.recordings
    return recording


def state_of(recorder: Recorder) -> tuple[str, Message | None, bool]:
    """Return the phase, the notice, and whether the notice is about a failure."""
    return recorder.phase, recorder.notice, recorder.failed


def test_does_nothing_before_a_press(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    for now in range(100):
        recorder.update(snapshot(canvas()), now)
    assert (recorder.phase, recorder.countdown, recorder.recording_progress, recorder.notice) == (
        "idle",
        None,
        None,
        None,
    )
    assert not writer.recordings


def test_a_press_counts_down_records_and_saves(writer: FakeWriter) -> None:
    recorder, shown, states = Recorder(writer, countdown=3, seconds=5), snapshot(canvas()), []
    recorder.press(100)
    for tenth in range(90):
        recorder.update(shown, 100 + tenth / 10)
        states.append((recorder.countdown, recorder.recording_progress is not None, recorder.phase == "saving"))
    assert [numeral for numeral, _, _ in states] == [3] * 10 + [2] * 10 + [1] * 10 + [None] * 60
    assert [recording for _, recording, _ in states] == [False] * 30 + [True] * 50 + [False] * 10
    assert [saving for _, _, saving in states] == [False] * 80 + [True] * 10
    assert len(writer.recordings) == 1


def test_progress_rises_from_nothing_to_all(writer: FakeWriter) -> None:
    recorder, shares = Recorder(writer, countdown=0, seconds=2), []
    recorder.press(0)
    for tenth in range(20):
        recorder.update(snapshot(canvas()), tenth / 10)
        shares.append(recorder.recording_progress)
    assert shares == pytest.approx([tenth / 20 for tenth in range(20)])


def test_records_at_once_without_a_countdown(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0)
    recorder.press(7)
    recorder.update(snapshot(canvas()), 7)
    assert recorder.phase == "recording"


@pytest.mark.parametrize(("now", "phase"), [(1, "countdown"), (5, "recording"), (8.5, "saving")])
def test_a_press_while_busy_only_asks_to_wait(writer: FakeWriter, now: float, phase: str) -> None:
    recorder, shown = Recorder(writer), snapshot(canvas())
    recorder.press(0)
    for tenth in range(round(now * 10) + 1):
        recorder.update(shown, tenth / 10)
    recorder.press(now)
    assert state_of(recorder) == (phase, WAIT, False)
    recorder.update(shown, now + WAIT_SECONDS + 0.01)
    assert recorder.notice != WAIT
    assert len(writer.recordings) <= 1


def test_shows_a_failure_for_some_seconds(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    record(writer, recorder, [canvas()])
    assert state_of(recorder) == ("saving", MAKING, False)
    writer.outcome = FAILURE
    for now in (20, 20 + FAILED_SECONDS - 0.01):
        recorder.update(None, now)
        assert state_of(recorder) == ("idle", FAILED, True)
        assert recorder.replay is None
    recorder.update(None, 20 + FAILED_SECONDS)
    assert state_of(recorder) == ("idle", None, False)
    assert recorder.failure == FAILURE.failure, "makers still see why"


def test_replays_the_gif_for_some_seconds(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    recording = record(writer, recorder, [canvas(100)])
    writer.outcome = outcome = saved(recording)
    assert outcome.titles is not None
    recorder.update(None, 20)
    assert state_of(recorder) == ("idle", READY, False)
    first = recorder.replay
    assert first is not None
    assert first.shape == outcome.titles.backdrop.shape
    assert (first[0] == 16).all(), "the frame around the panes"
    recorder.update(None, 20 + 5 + CLOSING_SECONDS / 2)
    assert recorder.replay is outcome.titles.closing[0]
    recorder.update(None, 20 + REPLAY_SECONDS)
    assert state_of(recorder) == ("idle", None, False)
    recorder.update(None, 30)
    assert not isinstance(recorder.replay, np.ndarray)


def share(writer: FakeWriter, recorder: Recorder, wifi_code: Modules | None = None) -> ShownPage:
    """Record until the GIF's page is there."""
    record(writer, recorder, [canvas(100)])
    writer.page = page = ShownPage(np.ones((41, 41), bool), 24, wifi_code=wifi_code)
    recorder.update(None, 9.0)
    return page


def test_a_shared_gif_has_a_code_until_after_it_is_ready(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    page = share(writer, recorder)
    for now in (9.0, 30.0, 60.0):
        recorder.update(None, now)
        assert state_of(recorder) == ("saving", MAKING, False)
        assert recorder.page is page
        assert recorder.replay is not None
    writer.outcome = saved(writer.recordings[0])
    for now in (60.1, 60.0 + CODE_SECONDS):
        recorder.update(None, now)
        assert state_of(recorder) == ("idle", READY, False)
        assert recorder.page is page
    recorder.update(None, 60.1 + CODE_SECONDS)
    assert state_of(recorder) == ("idle", None, False)
    assert not isinstance(recorder.page, ShownPage)
    assert recorder.replay is None


def test_two_codes_stay_longer(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    share(writer, recorder, np.ones((37, 37), bool))
    writer.outcome = saved(writer.recordings[0])
    for now, is_shown in ((60.0, True), (59.9 + TWO_CODES_SECONDS, True), (60.1 + TWO_CODES_SECONDS, False)):
        recorder.update(None, now)
        assert (recorder.page is not None) is is_shown


def test_a_gif_that_is_not_ready_has_no_last_frame(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    share(writer, recorder)
    frames = []
    for tenth in range(100):
        recorder.update(None, 9.0 + tenth / 10)
        frames.append(recorder.replay)
    assert all(frame is not None for frame in frames)
    assert frames[0] is not frames[25], "it moves"
    writer.outcome = outcome = saved(writer.recordings[0])
    assert outcome.titles is not None
    recorder.update(None, 19.0)
    assert recorder.replay is not outcome.titles.closing[0], "it goes on where it was"
    recorder.update(None, 9.0 + 2 * 5 + 5 + CLOSING_SECONDS / 2)
    assert recorder.replay is outcome.titles.closing[0]


def test_the_code_stays_while_the_gif_is_made(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    page = share(writer, recorder)
    recorder.press(10.0)
    recorder.update(None, 10.1)
    assert (recorder.notice, recorder.page) == (WAIT, page)
    assert recorder.replay is not None


def test_a_press_ends_the_code(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    share(writer, recorder)
    writer.outcome = saved(writer.recordings[0])
    recorder.update(None, 20)
    assert recorder.page is not None
    recorder.press(20.5)
    assert (recorder.phase, recorder.replay) == ("countdown", None)
    assert not isinstance(recorder.page, ShownPage)


def test_a_failure_ends_the_code(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    share(writer, recorder)
    writer.outcome = FAILURE
    recorder.update(None, 20)
    assert (state_of(recorder), recorder.page, recorder.replay) == (("idle", FAILED, True), None, None)


def test_an_unserved_page_is_for_makers_to_know(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    writer.outcome = saved(record(writer, recorder, [canvas()]))._replace(failure=NOT_SERVED)
    recorder.update(None, 20)
    assert state_of(recorder) == ("idle", READY, False)
    assert (recorder.failure, recorder.page) == (NOT_SERVED, None)
    recorder.update(None, 20 + REPLAY_SECONDS)
    assert recorder.replay is None


def test_a_press_ends_the_replay(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    writer.outcome = saved(record(writer, recorder, [canvas()]))
    recorder.update(None, 20)
    recorder.press(20.5)
    assert (recorder.phase, recorder.countdown, recorder.notice, recorder.replay) == ("countdown", 3, None, None)


def test_a_saved_gif_ends_the_failure(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0, seconds=1)
    for start, outcome in ((0, FAILURE), (100, None)):
        recorder.press(start)
        for tenth in range(12):
            recorder.update(snapshot(canvas()), start + tenth / 10)
        writer.outcome = outcome or saved(writer.recordings[-1])
        recorder.update(None, start + 2)
        assert recorder.failure == (outcome.failure if outcome else "")


def test_counts_presses_and_saved_gifs(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0, seconds=1)
    for start, fails in ((0, True), (100, False), (200, False)):
        recorder.press(start)
        recorder.update(snapshot(canvas()), start)
        recorder.press(start + 0.5)
        recorder.update(snapshot(canvas()), start + 1)
        writer.outcome = FAILURE if fails else saved(writer.recordings[-1])
        recorder.update(None, start + 2)
    assert (recorder.presses_total, recorder.gifs_total) == (6, 2)


def test_the_countdown_says_how_the_visitor_is_shown(writer: FakeWriter) -> None:
    assert Recorder(writer).portrayal == AS_FIGURE
    assert Recorder(writer, include_camera=True).portrayal == WITH_CAMERA


def test_a_gif_is_in_the_language_of_its_press(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0, seconds=1, text="Night")
    for start, language in ((0, Language("ar")), (100, Language("de"))):
        recorder.press(start, language)
        for tenth in range(12):
            recorder.update(snapshot(canvas(0, 360, 640)), start + tenth / 10)
        writer.outcome = FAILURE
        recorder.update(None, start + 2)
    arabic, german = writer.recordings
    assert (arabic.words, german.words) == (Words("ar", True, "Night"), Words("de", False, "Night"))
    assert arabic.layout.visitor == german.layout.answer, "the visitor is where reading begins"


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


def test_keeps_each_photo_and_each_credit_once(writer: FakeWriter) -> None:
    photos = [canvas(shade) for shade in (10, 20, 30)]
    recording = record(writer, Recorder(writer, seconds=3), photos)
    assert [int(photo[0, 0, 0]) for photo in recording.photos] == [10, 20, 30] * 4
    assert [still.photo_index for still in recording.stills] == [k // 3 for k in range(36)]
    assert recording.credits == ("Ann Example, CC0",)


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (3840, 2160), (800, 480)])
def test_limits_what_it_keeps_in_memory(writer: FakeWriter, width: int, height: int) -> None:
    recorder = Recorder(writer, seconds=30, countdown=0, include_camera=True)
    recorder.press(0)
    photo, camera = canvas(5, width, height), np.zeros((720, 1280, 3), np.uint8)
    for now in (0.0, 30.0):
        recorder.update(snapshot(photo, camera_image=camera), now)
    (recording,) = writer.recordings
    camera_image = recording.stills[0].camera_image
    assert camera_image is not None
    assert recording.photos[0].shape[0] * recording.photos[0].shape[1] * MAX_STILLS <= MAX_PHOTO_PIXELS
    assert camera_image.shape[0] * camera_image.shape[1] * MAX_STILLS <= MAX_CAMERA_PIXELS


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
        assert still.camera_image.shape == CAMERA.shape


def test_makes_no_gif_of_nobody(writer: FakeWriter) -> None:
    recorder = Recorder(writer)
    recorder.press(0)
    for tenth in range(90):
        recorder.update(None, tenth / 10)
    assert state_of(recorder) == ("idle", NOBODY, True)
    assert not writer.recordings


def test_the_gif_never_stands_still_for_long(writer: FakeWriter) -> None:
    recorder, shown = Recorder(writer, countdown=0, seconds=5), snapshot(canvas())
    recorder.press(0)
    for tenth in range(60):
        there = tenth < 10 or 35 <= tenth < 40
        recorder.update(shown if there else None, tenth / 10)
    (recording,) = writer.recordings
    assert np.diff([still.at for still in recording.stills]).max() <= MAX_GAP_SECONDS + 1e-9
    assert recording.seconds == pytest.approx(0.9 + MAX_GAP_SECONDS + 0.4 + MAX_GAP_SECONDS)


def test_resizing_the_window_does_not_change_the_gif(writer: FakeWriter) -> None:
    photos = [canvas(1), canvas(2), canvas(3, 900, 900), canvas(4, 900, 900)]
    recording = record(writer, Recorder(writer, seconds=1), photos)
    assert {photo.shape for photo in recording.photos} == {(720, 1280, 3)}
    assert {still.photo_index for still in recording.stills} == {0, 1}


def test_the_next_recording_holds_nothing_of_the_last(writer: FakeWriter) -> None:
    recorder = Recorder(writer, countdown=0, seconds=1)
    for start, shade in ((0, 10), (100, 20)):
        recorder.press(start)
        for tenth in range(12):
            recorder.update(snapshot(canvas(shade)), start + tenth / 10)
        writer.outcome = saved(writer.recordings[-1])
        recorder.update(None, start + 2)
    assert {int(photo[0, 0, 0]) for photo in writer.recordings[1].photos} == {20}
    assert writer.recordings[1].stills[0].at == 0


@given(st.floats(0.5, 30), st.lists(st.floats(0.0, 0.7), min_size=1, max_size=400))
def test_a_recording_is_bounded_and_in_order(seconds: float, gaps: list[float]) -> None:
    writer, shown = FakeWriter(), snapshot(canvas(0, 64, 36))
    recorder = Recorder(writer, countdown=1, seconds=seconds)
    recorder.press(0)
    now = 0.0
    for gap in [*gaps, 1.0, seconds, 1.0]:
        now += gap
        recorder.update(shown, now)
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
    writer, shown, now = FakeWriter(), snapshot(canvas(0, 64, 36)), 0.0
    recorder = Recorder(writer, countdown=2, seconds=3)
    next_phases = {"idle": {"countdown"}, "countdown": {"recording"}, "recording": {"saving"}, "saving": {"idle"}}
    for event, gap in events:
        now += gap
        before, count = recorder.phase, len(writer.recordings)
        if event == "press":
            recorder.press(now)
        else:
            if before == "saving":
                outcomes = {"saved": saved(writer.recordings[-1]), "failed": FAILURE}
                writer.outcome = outcomes.get(event)
            recorder.update(shown, now)
        assert recorder.phase == before or recorder.phase in next_phases[before]
        assert len(writer.recordings) - count == (before == "recording" and recorder.phase == "saving")
        assert (recorder.countdown is not None) == (recorder.phase == "countdown")
        assert (recorder.recording_progress is not None) == (recorder.phase == "recording")
        assert recorder.countdown in (None, 1, 2)
