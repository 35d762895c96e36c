"""Labels of photos that are turned when shown: are they for the pixels as stored, or upright as viewers show them?

A camera held sideways stores its picture so, with an EXIF orientation (2 to 8) by which viewers turn it upright. Some
labelling tools show the picture upright, others as it is stored, and no file of labels says which.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from index import archives
from index.build.photo import Frame, scale_keypoints
from index.decoding import ORIENTATION_TAG, Picture
from index.formats import open_picture
from index.pictures import read_bytes
from models.pose import LEFT_HIP, LEFT_KNEE, LEFT_SHOULDER, MIRROR_ORDER, Floats

ASSUMED_FRAME: Final = "orientation assumed"
"""The kind of photos that are used although it is not sure for which pixels their labels are."""

Size = tuple[int, int]
"""Width and height."""

ASPECT_RATIO_TOLERANCE: Final = 0.02
"""How far a labelled picture's aspect ratio may be from that in the file of labels: a thumbnail's size is rounded."""

MARGIN: Final = 0.05
"""How far outside a picture a key point may be, in parts of its longer side: labellers guess a foot below the edge."""

SAMPLE_SIZE: Final = 256
"""Pictures of a file of labels that are opened to see for which pixels its labels are."""

MIN_UPRIGHT_LEAD: Final = 0.5
"""How much more upright people must be in one frame than in the other: 2 between standing and upside down."""

HEADER_FORMATS: Final = ("JPEG", "PNG", "TIFF", "WEBP")
"""Formats that have an orientation in their first bytes."""


class Labels(NamedTuple):
    """The key points (N×17×3) of a photo's people, and the size that the file of labels gives it, if any."""

    people: Floats
    size: Size | None


class Placed(NamedTuple):
    """People in pixels of a loaded picture; `assumption` is a phrase if nothing told the frame of their labels."""

    people: list[Floats]
    assumption: str = ""


def place_labels(labels: Labels, picture: Picture, known: Frame | None) -> Placed | None:
    """Return the labelled people in pixels of a loaded picture; None if the labels are for a picture of another shape.

    `known` is the frame of the other labels in their file. If sizes do not tell the frame, people are assumed to be
    upright, and then labels to be for the picture as it is shown.
    """
    upright = picture.width, picture.height
    sizes = _sizes(labels.size, upright, picture.orientation)
    if not sizes:
        return None
    height, width = picture.image.shape[:2]
    places = {
        frame: [_hide_outside(person, (width, height)) for person in _place(labels.people, size, picture, frame)]
        for frame, size in sizes.items()
    }
    if len(places) == 1:
        return Placed(places.popitem()[1])
    frame = frame_of(labels, upright, picture.orientation, known)
    if frame is not None:
        return Placed(places[frame])
    standing = _upright_frame(places)
    frame = standing or "upright"
    pixels = "the stored pixels" if frame == "stored" else "the picture as it is shown"
    reason = "because people are upright so" if standing else "as most programs make them"
    return Placed(places[frame], f"its labels were assumed to be for {pixels}, {reason}")


def frame_of(labels: Labels, upright: Size, orientation: int, known: Frame | None = None) -> Frame | None:
    """Return the frame of a photo's labels as far as sizes tell: its own, or those of the photos with `known` labels.

    `upright` is the size of the picture as it is shown, and `orientation` that of EXIF.
    """
    sizes = _sizes(labels.size, upright, orientation)
    inside = [frame for frame, size in sizes.items() if _is_inside(labels.people, size)]
    if len(inside) == 1:  # even if the size is that of the other frame: some tools read it from the file's header
        return inside[0]
    if known is not None and known in sizes:
        return known
    stated = [frame for frame, size in sizes.items() if labels.size is not None and size == labels.size]
    return stated[0] if len(stated) == 1 else None


def find_frame(photos: Sequence[tuple[Path, Labels]]) -> Frame | None:
    """Return the frame of the labels in a file, if some of its photos tell it and all of those agree.

    One tool makes a file of labels. So photos on their sides tell the frame of those that are upside down or mirrored,
    whose size is the same in both frames. Only some of the photos are opened.
    """
    step = max(1, len(photos) // SAMPLE_SIZE)
    frames = set(_told_frames(photos[::step]))
    return frames.pop() if len(frames) == 1 else None


def _told_frames(photos: Iterable[tuple[Path, Labels]]) -> Iterable[Frame]:
    for file, labels in photos:
        try:
            place = file if archives.split(file) is None else io.BytesIO(read_bytes(file))
            with open_picture(place, HEADER_FORMATS) as opened:
                orientation = int(opened.getexif().get(ORIENTATION_TAG, 1))
                size = opened.size
        except Exception:  # scanning the photo will report it
            continue
        if orientation in (5, 6, 7, 8):
            frame = frame_of(labels, (size[1], size[0]), orientation)
            if frame is not None:
                yield frame


def _sizes(labelled: Size | None, upright: Size, orientation: int) -> dict[Frame, Size]:
    """Return the picture's size in pixels of the labels for each frame that they may be for."""
    if not 2 <= orientation <= 8:
        return {} if labelled and not _has_shape(labelled, upright) else {"upright": labelled or upright}
    stored = (upright[1], upright[0]) if orientation >= 5 else upright
    sizes: dict[Frame, Size] = {}
    frames: tuple[tuple[Frame, Size], ...] = (("upright", upright), ("stored", stored))
    for frame, size in frames:
        if labelled is None:
            sizes[frame] = size
        elif _has_shape(labelled, size):
            sizes[frame] = labelled
        elif orientation >= 5 and _has_shape((labelled[1], labelled[0]), size):
            sizes[frame] = labelled[1], labelled[0]
    return sizes


def _has_shape(size: Size, other: Size) -> bool:
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= ASPECT_RATIO_TOLERANCE


def _is_inside(people: Floats, size: Size) -> bool:
    seen = people[people[:, :, 2] > 0, :2]
    margin = MARGIN * max(size)
    return bool(((seen >= -margin) & (seen <= np.array(size) + margin)).all())


def _hide_outside(person: Floats, size: Size) -> Floats:
    """Return 17×3 key points without those that are outside a picture, which shows nothing there."""
    margin = MARGIN * max(size)
    inside = (person[:, :2] >= -margin) & (person[:, :2] <= np.array(size) + margin)
    return np.where(np.all(inside, axis=1, keepdims=True), person, 0).astype(np.float32)


def _place(people: Floats, size: Size, picture: Picture, frame: Frame) -> list[Floats]:
    """Return people labelled in a frame of a size in pixels of the loaded picture."""
    height, width = picture.image.shape[:2]
    is_sideways = frame == "stored" and picture.orientation >= 5
    target = (height, width) if is_sideways else (width, height)
    scaled = [scale_keypoints(person, target[0] / size[0], target[1] / size[1]) for person in people]
    return [turn_upright(person, target, picture.orientation) for person in scaled] if frame == "stored" else scaled


def turn_upright(person: Floats, size: Size, orientation: int) -> Floats:
    """Return 17×3 key points in a stored picture of a size where they are when the picture is turned upright.

    Orientations that mirror the picture swap left and right: a labeller names what is to be seen.
    """
    x, y = person[:, 0], person[:, 1]
    right, down = size[0] - 1 - x, size[1] - 1 - y
    places = {2: (right, y), 3: (right, down), 4: (x, down), 5: (y, x), 6: (down, x), 7: (down, right), 8: (y, right)}
    turned = np.where(person[:, 2:] > 0, np.column_stack([*places[orientation], person[:, 2]]), 0)
    return (turned[MIRROR_ORDER] if orientation in (2, 4, 5, 7) else turned).astype(np.float32)


def _upright_frame(places: dict[Frame, list[Floats]]) -> Frame | None:
    """Return the frame in which people are clearly more upright, because most people stand or sit."""
    uprightness = {
        frame: float(np.mean([_uprightness(person) for person in people])) for frame, people in places.items()
    }
    worse, better = sorted(uprightness, key=lambda frame: uprightness[frame])
    return better if uprightness[better] - uprightness[worse] >= MIN_UPRIGHT_LEAD else None


def _uprightness(person: Floats) -> float:
    """Return 1 for a person whose head is straight above the feet, −1 for one upside down, 0 for one who lies."""
    groups = person[:LEFT_SHOULDER], person[LEFT_SHOULDER:LEFT_HIP], person[LEFT_HIP:LEFT_KNEE], person[LEFT_KNEE:]
    centres = [group[group[:, 2] > 0, :2].mean(0) for group in groups if (group[:, 2] > 0).any()]
    if len(centres) < 2:
        return 0.0
    across, down = centres[-1] - centres[0]
    return float(down / max(np.hypot(across, down), 1e-6))
