"""Take pictures and poses from one library for another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from index.build.photo import Credit, NewPicture, NewPose
from index.library import Item, Library


def reuse_picture(
    library: Library, items: Sequence[Item], fingerprints: Mapping[str, bytes], *, check: bool = False
) -> NewPicture:
    """Return a picture of an open library with the people of these items; all of them must be in it.

    `fingerprints` are those of the library's pictures by name. Raises LibraryError if the picture's file is missing or,
    with `check`, damaged.
    """
    first = items[0]
    assert first.picture is not None
    name = first.picture.name
    file = library.picture_file(name, check=check)
    people = [library.keypoints[item.number] for item in items]
    return NewPicture(name, first.width, first.height, fingerprints[name], file, people, credit_of(first))


def reuse_pose(library: Library, item: Item) -> NewPose:
    """Return an item of an open library that has no picture."""
    return NewPose(library.keypoints[item.number], credit_of(item), (item.width, item.height))


def credit_of(item: Item) -> Credit:
    """Return the credit of an item's picture."""
    return Credit(item.title, item.author, item.licence, item.licence_url, item.source_url, item.date, item.collection)
