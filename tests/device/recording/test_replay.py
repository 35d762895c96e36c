"""The frames of a GIF: the same person in both panes, round corners, and a replay that follows the clock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from device.display.style import COOL, INK, SLATE
from device.recording.frames import FLOOR, Composer, cut
from device.recording.gif import CLOSING_SECONDS
from device.recording.gif_layout import Crop
from device.recording.replay import Replay
from models.pose import LEFT_ELBOW, LEFT_WRIST
from tests.support.recordings import CANVAS, STANDING, lively_recording, record, snapshot, soft_picture, standing


def test_the_figure_is_where_the_photos_person_is() -> None:
    photo = np.full((CANVAS[1], CANVAS[0], 3), 40, np.uint8)
    middle: list[float] = np.mean(STANDING[[LEFT_ELBOW, LEFT_WRIST]], axis=0).tolist()  # of the forearm
    across, down = round(middle[0]), round(middle[1])
    photo[down - 3 : down + 4, across - 3 : across + 4] = 255
    composer = Composer(record([snapshot(photo)]))
    answer = composer.answer(0)[..., 0].astype(float) - 40
    down_there, across_there = np.nonzero(answer[8:-8, 8:-8] > 100)  # without the corners
    x, y = round(float(across_there.mean())) + 8, round(float(down_there.mean())) + 8
    assert (composer.visitor(composer.recording.stills[0])[y, x] == COOL).all()


def test_the_figure_stands_on_a_floor() -> None:
    recording = record([snapshot(soft_picture(1))] * 3)
    pane = Composer(recording).empty_pane
    ankles = round(float(recording.layout.to_pane(standing()).xy[15:, 1].mean()))
    column = pane[:, pane.shape[1] // 2]
    assert (column[ankles] == FLOOR).all()
    assert (column[ankles // 2] == SLATE).all()


def test_both_panes_together_have_round_corners() -> None:
    recording = record([snapshot(np.full((240, 320, 3), 255, np.uint8))])
    layout = recording.layout
    composer = Composer(recording)
    frame = composer.frame(recording.stills[0])
    gap, (width, height) = layout.gap, layout.size
    for x, y in ((gap, gap), (width - gap - 1, gap), (gap, height - gap - 1), (width - gap - 1, height - gap - 1)):
        assert (frame[y, x] == INK).all()
    left, top = layout.answer
    inner = [(left, top), (left, top + layout.pane[1] - 1)] if left > layout.visitor[0] else [(left, top)]
    for x, y in inner[:1]:
        assert not (frame[y, x] == INK).all(), "corners between the panes are not round"


def test_a_camera_picture_that_ends_is_continued_by_a_wall() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    pane = cut(picture, (100, 100), Crop(-50, 0, 100, 100), (100, 100))
    assert (pane[:, :49] == SLATE).all()
    assert (pane[:, 51:] == 200).all()


def test_the_replay_shows_each_still_and_then_the_credits() -> None:
    recording = lively_recording(2, 3)
    composer = Composer(recording)
    replay = Replay(recording, composer.titles, 100.0)
    for still in recording.stills:
        shown = replay.frame(100 + still.at + 1e-3)
        assert (shown == composer.frame(still)).all()
        assert replay.frame(100 + still.at + 2e-3) is shown, "a frame is drawn once"
    assert replay.frame(100 + recording.seconds + 0.5 * CLOSING_SECONDS) is composer.titles.closing[0]
    again = replay.frame(100 + recording.seconds + CLOSING_SECONDS + 1e-3)
    assert (again == composer.frame(recording.stills[0])).all()


def test_the_replay_shows_every_picture_of_credits() -> None:
    recording = replace(lively_recording(1, 2), credits=tuple(f"Photo {number}, Ann Example" for number in range(40)))
    titles = Composer(recording).titles
    replay = Replay(recording, titles, 100.0)
    assert len(titles.closing) > 1
    for page, picture in enumerate(titles.closing):
        assert replay.frame(100 + recording.seconds + (page + 0.5) * CLOSING_SECONDS) is picture


@pytest.mark.parametrize("now", [0.0, 100.0])
def test_a_replay_can_be_asked_before_its_time(now: float) -> None:
    recording = lively_recording(1, 1)
    assert Replay(recording, Composer(recording).titles, 100.0).frame(now).shape[2] == 3
