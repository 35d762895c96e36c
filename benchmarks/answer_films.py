"""The films of benchmarks/answers.py: the mirror sees the seconds before each labelled frame at the film's own rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.answer_mirror import SECONDS, Looks, show_pictures
from benchmarks.answer_visitors import limbs_shown
from benchmarks.film_labels import labelled_frames, read_frames
from device.current_library import CurrentLibrary
from device.display.layout import Size
from models.pose import Image, Pose


class Clip(NamedTuple):
    """The pictures of a film up to a labelled one, `fps` a second, and the person in the last. All are mirrored.

    Before a film begins its first picture stands still.
    """

    film: str
    fps: float
    pictures: list[Image]
    label: Pose


class FilmScore(NamedTuple):
    """How much of the visitor's labelled limbs the mirror reads and shows, and whether it answers; 0 to 1 each."""

    read: float
    shown: float
    found: float


def load_clips(folder: Path, step: int = 1) -> Iterator[Clip]:
    """Yield a clip for every `step`-th labelled frame of the films in a folder."""
    by_film: defaultdict[str, list[tuple[int, Pose]]] = defaultdict(list)
    for labelled in labelled_frames()[::step]:
        by_film[labelled.film].append((labelled.frame, labelled.label))
    for film, labels in by_film.items():
        fps = cv2.VideoCapture(str(folder / film)).get(cv2.CAP_PROP_FPS)
        last = max(number for number, _ in labels)
        pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in read_frames(folder / film, range(last + 1))]
        for number, label in labels:
            chosen = range(number + 1 - round(SECONDS * fps), number + 1)
            yield Clip(film, fps, [pictures[max(i, 0)] for i in chosen], label.mirrored(pictures[0].shape[1]))


def score_clip(looks: Looks, clip: Clip, library: CurrentLibrary, display: Size) -> FilmScore:
    """Return how well the mirror answers the visitor of a clip in its last picture."""
    moment = show_pictures(looks, clip.pictures, library, display, clip.fps)[-1]
    if moment.visitor is None or moment.photo is None:
        return FilmScore(0.0, 0.0, 0.0)
    return FilmScore(limbs_shown(clip.label, moment.visitor), limbs_shown(clip.label, moment.photo.person), 1.0)
