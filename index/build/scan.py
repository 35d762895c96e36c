"""Scan a photo or video: find its people and keep those that it shows well.

The result is the same for the same file, labels and settings, on any machine and in whatever order photos are scanned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from index import pictures
from index.build import video_scan
from index.build.licences import short_name
from index.build.orientation import Labels, place_labels
from index.build.people import EstimatorFactory, PoseEstimator, is_sharp, select_prominent
from index.build.photo import Credit, NewPicture, Photo, Skipped, VideoProgress, title_from_name
from index.errors import LibraryError
from index.formats import VIDEO_SUFFIXES
from index.pictures import Picture, PictureError
from models.pose import Pose
from models.text import printable

ASPECT_RATIO_TOLERANCE: Final = 0.02
"""How far a labelled picture's aspect ratio may be from that in the file of labels: a thumbnail's size is rounded."""

REASONS: Final = {
    "no person": "nobody was found in it",
    "too small": "the picture is too small for a display",
    "person too small": "the people in it are too small",
    "crowd": "there are too many people in it to tell one from the others",
    "too few points": "too little of a person is seen",
    "blurred": "the people in it are blurred",
}
"""Why a photo shows nobody well, by kind, as the end of a sentence."""

ScanResult = list[NewPicture] | Skipped
"""The picture of a photo, or the pictures of a video, with people in each; or why there is none."""

PictureSaver = Callable[[NewPicture], NewPicture]
"""Moves a new picture's JPEG out of memory. It must be picklable, because photo workers call it."""


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a scan's result depends on, besides the photo.

    `open_estimator` opens what finds people (`index.build.people.estimator_factory`); it may be None if all photos are
    labelled. `model` is the name and sha256 of its model, for the manifest. Pictures come out with at most `long_side`
    pixels on the longer side.
    """

    open_estimator: EstimatorFactory | None = None
    model: tuple[str, str] | None = None
    long_side: int = pictures.LONG_SIDE


WITHOUT_ESTIMATOR: Final = ScanSettings()
"""Settings for sources in which all people are labelled."""


def keep_in_memory(picture: NewPicture) -> NewPicture:
    """Leave a picture in memory."""
    return picture


def scan_photo(
    photo: Photo,
    estimator: PoseEstimator | None,
    long_side: int,
    save_picture: PictureSaver = keep_in_memory,
    report_progress: Callable[[VideoProgress], None] = lambda progress: None,
) -> ScanResult:
    """Return a photo's picture with the people it shows well, or those of a video; or why it shows nobody.

    During a video, `report_progress` is called after each frame that is scanned. A picture's credit is that of its own
    metadata: `complete_credit` adds what the source says.

    Raises LibraryError if there is no estimator for an unlabelled photo, and OSError if a picture cannot be saved.
    """
    name = printable(photo.file)
    if estimator is None and photo.people is None:
        raise LibraryError(f"{name} has no labelled people, and no model was given to find them.")
    if is_video(photo):
        assert estimator is not None
        assert isinstance(photo.file, Path)
        return video_scan.scan(photo.file, photo.credit, estimator, long_side, save_picture, report_progress)
    try:
        picture = pictures.load_picture(photo.file, long_side)
    except PictureError as error:
        return Skipped(name, error.kind, str(error))
    assumption = ""
    if photo.people is None:
        picture = _turn(picture, photo.rotation)
        assert estimator is not None
        people = estimator.estimate(picture.image)
    else:
        placed = place_labels(Labels(photo.people, photo.size), picture, photo.frame)
        if placed is None:
            return _skip_size(photo, picture)
        people, assumption = [Pose.from_keypoints(person) for person in placed.people], placed.assumption
    height, width = picture.image.shape[:2]
    prominent = select_prominent(people, width, height)
    if isinstance(prominent, str):
        return _skip(name, reason=prominent)
    sharp = [person for person in prominent if is_sharp(picture.image, person)]
    if not sharp:
        return _skip(name, reason="blurred")
    saved = save_picture(NewPicture.encode(picture.image, long_side=long_side))
    return [replace(saved, people=sharp, credit=picture.credit, assumption=assumption)]


def complete_credit(photo: Photo, own: Credit) -> Credit:
    """Return a photo's credit: what its source says, completed by its `own` metadata, and by its file's name.

    A title that a source made of the file's name counts least.
    """
    named = title_from_name(photo.file)
    credit = photo.credit._replace(title=None) if photo.credit.title == named else photo.credit
    credit = credit.completed_by(own)
    licence = credit.licence or next(short_name(credit.licence_url or ""), None)
    return credit._replace(title=credit.title or named, licence=licence)


def is_video(photo: Photo) -> bool:
    """Return whether a photo is a video, by its name. A file with labels is a picture, whatever its name."""
    return isinstance(photo.file, Path) and photo.people is None and photo.file.suffix.lower() in VIDEO_SUFFIXES


def _turn(picture: Picture, rotation: int) -> Picture:
    """Return a picture turned by a multiple of 90 degrees anticlockwise."""
    turns = rotation // 90 % 4
    if not turns:
        return picture
    width, height = (picture.height, picture.width) if turns % 2 else (picture.width, picture.height)
    return replace(picture, image=np.ascontiguousarray(np.rot90(picture.image, turns)), width=width, height=height)


def _skip(name: str, reason: str) -> Skipped:
    """Return a photo without usable people as skipped; `reason` is a key of `REASONS`."""
    return Skipped(name, reason, f"{name}: {REASONS[reason]}.")


def _skip_size(photo: Photo, picture: Picture) -> Skipped:
    assert photo.size is not None
    name, (width, height) = printable(photo.file), photo.size
    reason = f"{name} is {picture.width}×{picture.height} pixels, but its labels are for a {width}×{height} picture."
    return Skipped(name, "wrong size", reason)
