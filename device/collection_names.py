"""The names of collections: on the screen, in messages to makers, and in the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from device.language.message import Message, message
from index.collection import collection_key
from index.library import Library
from models.text import format_people, printable

EVERYTHING: Final = message("Everything")
"""What the screen calls all collections together."""

TRANSLATED: Final = {
    "sport": message("Sport"),
    "dance": message("Dance"),
    "yoga": message("Yoga"),
    "martial arts": message("Martial arts"),
    "everyday": message("Everyday"),
}
"""The collections whose names are translated, by `collection_key`: those of the starter library."""

MAX_LISTED: Final = 12
"""Collections that a sentence lists."""


def collection_message(name: str | None) -> Message:
    """Return what the screen calls a collection, or with None everything. A maker's own names are not translated."""
    if name is None:
        return EVERYTHING
    return TRANSLATED.get(collection_key(name)) or Message("{name}", values=(("name", name),))


def find_collection(name: str, names: Sequence[str]) -> str | None:
    """Return which of `names` is a collection's name in whatever spelling, or None."""
    return next((other for other in names if collection_key(other) == collection_key(name)), None)


def describe_collections(library: Library) -> str:
    """Return the largest collections of a library, each with its number of people; "" if there are none."""
    counts = [f"{printable(name)} ({format_people(len(library.members(name)))})" for name in library.collections]
    return _list(counts)


def explain_unknown(name: str, library: Library) -> str:
    """Return a sentence for makers: the configuration names a collection that the library does not have."""
    names = [printable(other) for other in library.collections]
    remedy = f"use one of {_list(names)}" if names else "this library has no collections, so use an empty text"
    return (
        f"[library] collection is {printable(name)}, but {printable(library.folder)} has no such collection: {remedy}. "
        "The mirror shows everything."
    )


def _list(words: Sequence[str]) -> str:
    rest = len(words) - MAX_LISTED
    return ", ".join(words[:MAX_LISTED]) + (f" and {rest:,} more" if rest > 0 else "")
