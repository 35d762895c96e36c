"""Draw every state of the screen: `python -m tools.screens FOLDER` writes a picture of each, and a contact sheet.

Everything in the pictures is drawn by the program: the performer stands in for the visitor, and the starter library's
pictures answer. Neither a library, a camera nor a display is needed, and the same command draws the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple, get_args

import numpy as np
from PIL import Image as Pillow

from device.collection_names import collection_message
from device.display.attract import attract_panes
from device.display.button_mark import Side
from device.display.continuation import prepare
from device.display.drawn_visitor import pose_at
from device.display.layout import Size, camera_to_display, place, transform_pose
from device.display.panes import Layout, arrange
from device.display.scene import Scene
from device.display.screen import Screen
from device.display.views import Recorded, ShownAnswer, View
from device.glow import ButtonState
from device.guidance import POSES_TO_TRY, STEP_BACK
from device.language.message import Message
from device.language.translate import Language
from device.language.turns import Languages
from device.placed_photo import PlacedPhoto
from device.rating import ring_share
from device.recording.frames import Composer
from device.recording.recorder import AS_FIGURE, MAKING, READY
from device.recording.sharing import shown_page
from device.recording.stills import RecordingBuilder, Snapshot, Words
from device.sensing import CANNOT_SEE
from device.share.address import Address, Wifi
from device.starting import STARTING
from index.build.starter import AUTHOR, LICENCE, PICTURE_COUNT
from index.likeness import likeness
from models.figures.routine import perform
from models.figures.starter_pictures import Picture, draw_picture
from models.pose import Image, Pose

SIZES: Final[tuple[Size, ...]] = ((1920, 1080), (1080, 1920), (800, 480), (480, 320))
"""The displays to draw, unless others are asked for: large ones in both positions, and the smallest ones for a Pi."""

NOW: Final = 297.7
"""The time in seconds at which everything is drawn: the drawn visitor is then a star, near the middle of its way."""

SETTLED: Final = 3.0
"""Seconds for which a state was shown before, so that its fades are over."""

NUMERAL_SECONDS: Final = 0.4
"""Seconds for which the countdown's numeral has been shown."""

CAMERA: Final[Size] = (640, 480)
"""Width and height of the camera's pictures in pixels."""

PLACE_WIDTH: Final = 240
"""Width in pixels of the camera's picture that each of several people has: they stand close to each other."""


class Cue(NamedTuple):
    """What the performer does at a time, and the starter picture that answers: its number, mirrored or not.

    They are among the best matches; tests/device/display/test_looks_pictures.py compares.
    """

    seconds: float
    number: int
    mirrored: bool


PAGE, HOTSPOT_PAGE = "http://192.168.178.20/", "http://10.41.0.1/"
GIF_NAME: Final = "abcdefghijklmnopqrstuvwxyz"
"""Addresses of the page for phones, and the name of a shared GIF."""

STAR: Final = Cue(63.51, 482, True)
VICTORY: Final = Cue(12.8, 240, False)
SHRUG: Final = Cue(36.2, 102, False)
TO_THE_SKY: Final = Cue(76.34, 135, True)
FLEXING: Final = Cue(22.0, 692, False)
CUES: Final = (STAR, VICTORY, SHRUG, TO_THE_SKY, FLEXING)

ON_THE_HIPS: Final = Cue(17.1, 736, False)
"""Somebody whose legs the picture does not show, as somebody's who stands too near."""

ATTRACT: Final = Cue(NOW, 568, False)
"""The answer to the drawn visitor at `NOW`."""


class Stage(NamedTuple):
    """What a state is drawn on: a canvas of `size`, in a layout and a language."""

    size: Size
    layout: Layout
    language: Language


class Scenery(NamedTuple):
    """The mirrored camera picture, and the poses in it, from left to right."""

    image: Image
    poses: tuple[Pose, ...]


def draw_states(size: Size, layout: Layout, language: str = "en", side: Side = "bottom") -> Iterator[tuple[str, Image]]:
    """Yield the name and the picture (H×W×3) of every state on a canvas of a size."""
    yield from ((name, draw_state(name, size, layout, language, side)) for name in STATES)


def draw_state(name: str, size: Size, layout: Layout, language: str = "en", side: Side = "bottom") -> Image:
    """Return the picture (H×W×3) of a state of `STATES` on a canvas of a size."""
    languages = [Language(language)]
    with Screen.open("headless", size, make_scene=lambda: Scene(layout, side, Languages(languages))) as screen:
        return _draw(screen, STATES[name](Stage(size, layout, languages[0])))


def _draw(screen: Screen, view: View) -> Image:
    """Return a state as it looks at `NOW`, after all fades."""
    counting = view.recorded.countdown is not None
    before = replace(view, recorded=replace(view.recorded, countdown=None)) if counting else view
    screen.draw(before, NOW - SETTLED)
    screen.draw(view, NOW - NUMERAL_SECONDS)
    screen.draw(view, NOW)
    return screen.snapshot()


def _playing(stage: Stage, *cues: Cue, shown: Cue | None = None) -> View:
    """Return the view of one to four visitors with their answers; with `shown`, of a visitor whom that one answers."""
    scenery = film(*(cue.seconds for cue in cues))
    pane = arrange(stage.size, stage.layout, len(cues)).answers[0].size
    answers = tuple(
        _answer(shown or cue, pose, scenery.image, pane) for cue, pose in zip(cues, scenery.poses, strict=True)
    )
    return View(answers=answers, camera_image=scenery.image, button=ButtonState("idle", NOW - 2))


def _answer(cue: Cue, visitor: Pose, camera: Image, pane: Size) -> ShownAnswer:
    """Return a visitor, in pixels of the camera's picture, with the answer on a pane of a size."""
    photo = place_picture(cue, pane, camera_to_display(visitor, (camera.shape[1], camera.shape[0]), pane))
    alike = likeness(visitor.xy, visitor.visibility, photo.person.xy[None], photo.person.scores[None] > 0)
    return ShownAnswer(photo, visitor, ring_share(float(alike[0])))


def _recording(stage: Stage, recorded: Recorded, button: ButtonState) -> View:
    return replace(_playing(stage, STAR), recorded=recorded, button=button)


def _celebrate(view: View) -> View:
    return replace(view, answers=(replace(view.answers[0], ring=1.0, celebration=0.5),))


def _with_others(stage: Stage) -> View:
    """Return the view of a visitor next to somebody who is not answered, with a mark for the owner."""
    scenery = film(VICTORY.seconds, ON_THE_HIPS.seconds)
    pane = arrange(stage.size, stage.layout).answers[0].size
    answer = _answer(VICTORY, scenery.poses[0], scenery.image, pane)
    button = ButtonState("idle", NOW - 2)
    return View(answers=(answer,), camera_image=scenery.image, others=scenery.poses[1:], needs_care=True, button=button)


def _too_near(stage: Stage) -> View:
    """Return the view of a visitor who is so near that the arms leave the picture."""
    scenery = zoomed(film(SHRUG.seconds), 2.1)
    pane = arrange(stage.size, stage.layout).answers[0].size
    answer = _answer(ON_THE_HIPS, scenery.poses[0], scenery.image, pane)
    button = ButtonState("idle", NOW - 2)
    return View(answers=(answer,), camera_image=scenery.image, hint=STEP_BACK, button=button)


def _gif_frame(stage: Stage) -> Image:
    """Return a frame of the GIF that a press makes."""
    scenery, pane = film(STAR.seconds), arrange(stage.size, stage.layout).answers[0].size
    visitor = camera_to_display(scenery.poses[0], CAMERA, pane)
    photo = place_picture(STAR, pane, visitor)
    builder = RecordingBuilder(1, 640)
    builder.add(Snapshot(photo.picture, photo.person, photo.credit, visitor, scenery.image, stage.size), 0.0, False)
    recording = builder.build(1.0, Words(stage.language.code, stage.language.direction == "rtl"))
    return Composer(recording).frame(recording.stills[0])


def _shared(stage: Stage, address: Address, notice: Message) -> View:
    """Return the view of a GIF with the codes of its page."""
    recorded = Recorded(notice=notice, replay=_gif_frame(stage), page=shown_page(address, GIF_NAME, 24))
    return _recording(stage, recorded, ButtonState())


def _attract(stage: Stage) -> View:
    """Return the view of the attract loop."""
    pane = attract_panes(stage.size)[1].size
    photo = place_picture(ATTRACT, pane, pose_at(NOW, pane))
    return View(idle_photo=photo, pictures=PICTURE_COUNT, button=ButtonState("idle", NOW - 2))


STATES: Final[dict[str, Callable[[Stage], View]]] = {
    "starting": lambda stage: View(starting=STARTING, started=0.4),
    "attract": lambda stage: _attract(stage),
    "trouble": lambda stage: replace(_attract(stage), trouble=CANNOT_SEE, needs_care=True),
    "playing": lambda stage: _playing(stage, STAR),
    "celebration": lambda stage: _celebrate(_playing(stage, STAR)),
    "others": lambda stage: _with_others(stage),
    "hint": lambda stage: _too_near(stage),
    "pose-to-try": lambda stage: replace(_playing(stage, SHRUG, shown=FLEXING), hint=POSES_TO_TRY[0]),
    "collection": lambda stage: replace(
        _playing(stage, STAR), holds=True, collection=collection_message("martial arts")
    ),
    "countdown": lambda stage: _recording(stage, Recorded(2, AS_FIGURE), ButtonState("countdown", NOW - 1.1)),
    "recording": lambda stage: _recording(stage, Recorded(progress=0.4), ButtonState("recording", NOW - 2)),
    "saving": lambda stage: _recording(stage, Recorded(notice=MAKING), ButtonState("saving", NOW - 0.4)),
    "replay": lambda stage: _recording(stage, Recorded(notice=READY, replay=_gif_frame(stage)), ButtonState()),
    "shared-gif": lambda stage: _shared(stage, Address(PAGE), MAKING),
    "shared-gif-wifi": lambda stage: _shared(stage, Address(HOTSPOT_PAGE, Wifi("Pose Mirror", "kite-rosy-54")), READY),
    "two-people": lambda stage: _playing(stage, VICTORY, FLEXING),
    "four-people": lambda stage: _playing(stage, VICTORY, SHRUG, TO_THE_SKY, FLEXING),
}
"""Every state of the screen, in the order in which visitors meet them."""


@cache
def film(*seconds: float) -> Scenery:
    """Return the performer in front of the mirror at a time; at several times, that many performers side by side."""
    width, height = (CAMERA[0] if len(seconds) == 1 else CAMERA[0] // 2), CAMERA[1]
    room = width if len(seconds) == 1 else PLACE_WIDTH
    images, poses = [], []
    for number, time in enumerate(seconds):
        image, pose = perform(time, width, height)
        left = (width - room) // 2
        images.append(image[:, ::-1][:, left : left + room])
        seen = pose.mirrored(width)
        poses.append(Pose(seen.xy + np.array([number * room - left, 0], np.float32), seen.scores, seen.score))
    return Scenery(np.ascontiguousarray(np.concatenate(images, 1)), tuple(poses))


def zoomed(scenery: Scenery, scale: float) -> Scenery:
    """Return the upper middle of a picture enlarged, as of somebody who stands near; what is outside is not seen."""
    (height, width), poses = scenery.image.shape[:2], []
    shift = np.array([-(scale - 1) / 2 * width, -0.12 * scale * height], np.float32)
    box = np.round(np.array([-shift, np.array([width, height]) - shift]) / scale).astype(int)
    part = Pillow.fromarray(scenery.image[box[0, 1] : box[1, 1], box[0, 0] : box[1, 0]])
    for pose in scenery.poses:
        xy = (pose.xy * scale + shift).astype(np.float32)
        inside = ((xy >= 0) & (xy < (width, height))).all(-1)
        poses.append(Pose(xy, np.where(inside, pose.scores, 0).astype(np.float32), pose.score))
    return Scenery(np.asarray(part.resize((width, height), Pillow.Resampling.BICUBIC)), tuple(poses))


def place_picture(cue: Cue, pane: Size, visitor: Pose) -> PlacedPhoto:
    """Return a starter picture laid on a pane for a visitor, whose pose is in pixels of the pane."""
    picture = _starter_picture(cue.number)
    size = picture.image.shape[1], picture.image.shape[0]
    pose = picture.poses[0].mirrored(size[0]) if cue.mirrored else picture.poses[0]
    placement = place(size, pane, pose, visitor)
    prepared = prepare(picture.image, placement, pane, cue.mirrored)
    credit = ", ".join((picture.title, AUTHOR, LICENCE[0]))
    return PlacedPhoto(prepared, credit, person=transform_pose(pose, placement))


@cache
def _starter_picture(number: int) -> Picture:
    return draw_picture(number)


def contact_sheet(pictures: Sequence[Image], columns: int, width: int, gap: int = 8) -> Image:
    """Return pictures (each H×W×3) next to and below each other, each `width` pixels wide."""
    small = [
        Pillow.fromarray(picture).resize(
            (width, round(picture.shape[0] * width / picture.shape[1])), Pillow.Resampling.LANCZOS
        )
        for picture in pictures
    ]
    height, rows = max(picture.height for picture in small), -(-len(small) // columns)
    sheet = Pillow.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), (120, 124, 132))
    for number, picture in enumerate(small):
        sheet.paste(picture, (gap + number % columns * (width + gap), gap + number // columns * (height + gap)))
    return np.asarray(sheet)


def write_states(folder: Path, sizes: Sequence[Size], layout: Layout, language: str, side: Side) -> None:
    """Write a picture of every state at every size to a folder, and a contact sheet for each size."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in sizes:
        pictures = []
        for name, picture in draw_states(size, layout, language, side):
            Pillow.fromarray(picture).save(folder / f"{size[0]}x{size[1]}-{layout}-{language}-{name}.png")
            pictures.append(picture)
        columns = 4 if size[0] >= size[1] else 8
        sheet = contact_sheet(pictures, columns, min(size[0], 1920 // columns))
        Pillow.fromarray(sheet).save(folder / f"{size[0]}x{size[1]}-{layout}-{language}.png")


def main(words: Sequence[str] | None = None) -> int:
    """Write the pictures that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tools.screens", description="draw every state of the screen")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--size", type=_size, action="append", help="width×height such as 800x480; again for another")
    parser.add_argument("--layout", choices=get_args(Layout), default="side")
    parser.add_argument("--language", default="en", help="the language's code, such as de")
    parser.add_argument("--side", choices=get_args(Side), default="bottom", help="where the button is")
    args = parser.parse_args(words)
    write_states(args.folder, args.size or SIZES, args.layout, args.language, args.side)
    return 0


def _size(text: str) -> Size:
    width, height = (int(number) for number in text.split("x"))
    return width, height


if __name__ == "__main__":
    sys.exit(main())
