"""A library's photo laid on a canvas, so that its person stands where the visitor stands."""

from __future__ import annotations

from dataclasses import dataclass

from device.current_library import CurrentLibrary
from device.display.continuation import prepare
from device.display.layout import Size, place, transform_pose
from device.display.views import PreparedPhoto
from index.match import Match
from models.pose import Pose


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PlacedPhoto(PreparedPhoto):
    """A photo ready to draw, and the pose of the `person` in it, in pixels of the canvas."""

    person: Pose

    @property
    def canvas(self) -> Size:
        """The canvas that the photo was laid on: width and height in pixels."""
        return self.picture.shape[1], self.picture.shape[0]


def place_photo(library: CurrentLibrary, match: Match, canvas: Size, visitor: Pose | None = None) -> PlacedPhoto | None:
    """Return a match's photo, laid on a canvas; None if its picture cannot be read.

    The photo's person stands where the `visitor` (a pose in pixels of the canvas) stands. Without a visitor the photo
    is centred, as far as its person is whole then.
    """
    picture = library.picture(match.item)
    if picture is None:
        return None
    pose, size = library.pose(match), (picture.shape[1], picture.shape[0])
    placement = place(size, canvas, pose, visitor)
    return PlacedPhoto(
        prepare(picture, placement, canvas, match.mirrored),
        library.item(match.item).credit,
        person=transform_pose(pose, placement),
    )
