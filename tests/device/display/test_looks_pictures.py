"""Every state of the screen looks as in its regression picture, and the tolerance tells a change from rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from device.display import draw, hint_drawings, playing, scene, style
from device.display.drawn_visitor import pose_at
from device.display.layout import camera_to_display
from index.likeness import likeness
from models.pose import Pose
from tools.regression import (
    FOLDER,
    SCREENS,
    TOLERANCE,
    compared_states,
    difference,
    draw_screen,
    is_alike,
    picture_file,
    read_picture,
)
from tools.screens import ATTRACT, CAMERA, CUES, NOW, STATES, Cue, film, main, place_picture

PANE = (640, 640)
COMPARED = [(screen, state) for screen in SCREENS for state in compared_states(screen)]


@pytest.mark.parametrize(("screen", "state"), COMPARED, ids=["-".join(names) for names in COMPARED])
def test_looks_as_in_its_picture(screen: str, state: str, tmp_path: Path) -> None:
    picture, file = draw_screen(screen, state), picture_file(screen, state)
    if not is_alike(picture, file):
        new = tmp_path / f"{screen}-{state}.png"
        Pillow.fromarray(picture).save(new)
        pytest.fail(
            f"The state “{state}” on the screen “{screen}” does not look as in {file}. Look at {new}; if it is as it "
            "should be, accept it with: python -m tools.regression"
        )


def test_stores_a_picture_of_nothing_else() -> None:
    assert set(FOLDER.iterdir()) == {picture_file(*names) for names in COMPARED}
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 410_000


def test_states_differ_by_more_than_the_tolerance() -> None:
    for screen in SCREENS:
        pictures = [read_picture(picture_file(screen, state)) for state in compared_states(screen)]
        for number, picture in enumerate(pictures):
            assert all(difference(picture, other) > TOLERANCE for other in pictures[:number])


@pytest.mark.parametrize(
    ("module", "name", "factor", "state"),
    [
        (playing, "RING", 0.8, "playing"),
        (scene, "COUNTDOWN", 0.85, "countdown"),
        (hint_drawings, "LETTERS", 0.85, "hint"),
        (style, "BODY", 0.9, "attract"),
    ],
    ids=["ring", "countdown", "hint", "letters"],
)
def test_a_slight_change_shows(
    module: object, name: str, factor: float, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, getattr(module, name) * factor)
    draw.clear_caches()
    assert difference(draw_screen("wide", state), read_picture(picture_file("wide", state))) > TOLERANCE + 10


def test_rounding_does_not_show() -> None:
    """Drawn people differ by up to 11 levels between processors, letters by a pixel between FreeType's versions."""
    picture, file = draw_screen("wide", "playing"), picture_file("wide", "playing")
    noise = np.random.default_rng(0).integers(-11, 12, picture.shape)
    assert is_alike(np.clip(picture.astype(int) + noise, 0, 255).astype(np.uint8), file)
    assert is_alike(np.roll(picture, 1, 1), file)


def likeness_of(cue: Cue, visitor: Pose) -> float:
    """How alike a visitor, in pixels of a pane, and the picture of a cue look."""
    photo = place_picture(cue, PANE, visitor)
    return float(likeness(visitor.xy, visitor.visibility, photo.person.xy[None], photo.person.scores[None] > 0)[0])


@pytest.mark.parametrize("cue", CUES, ids=lambda cue: str(cue.number))
def test_the_pictures_answer_the_performer(cue: Cue) -> None:
    assert likeness_of(cue, camera_to_display(film(cue.seconds).poses[0], CAMERA, PANE)) > 0.9


def test_a_picture_answers_the_drawn_visitor() -> None:
    assert likeness_of(ATTRACT, pose_at(NOW, PANE)) > 0.9


def test_writes_every_state_and_a_sheet(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--size", "160x96", "--layout", "full"]) == 0
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"160x96-full-en.png", *(f"160x96-full-en-{state}.png" for state in STATES)}
    with Pillow.open(tmp_path / "160x96-full-en-playing.png") as picture:
        assert picture.size == (160, 96)
