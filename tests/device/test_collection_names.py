"""The names of collections on the screen and in messages to makers."""

from __future__ import annotations

from pathlib import Path

import pytest

from device.collection_names import TRANSLATED, collection_message, describe_collections
from device.language.message import message
from device.language.translate import Language
from index.build.starter import COLLECTIONS
from index.collection import collection_key
from index.library import Library
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people


@pytest.mark.parametrize(
    ("name", "text"),
    [(None, "Everything"), ("sport", "Sport"), ("Martial_Arts", "Martial arts"), ("Mum's {party}", "Mum's {party}")],
)
def test_the_screen_calls_a_collection_by_its_name(name: str | None, text: str) -> None:
    assert Language().say(collection_message(name)) == text


def test_translates_the_names_of_the_starter_library() -> None:
    assert {collection_key(name) for name in COLLECTIONS.values()} == set(TRANSLATED)
    assert collection_message("dance") == message("Dance")


def test_lists_the_largest_collections_with_their_people(tmp_path: Path) -> None:
    names = ["dance", "dance", *(f"year {number}" for number in range(2000, 2020))]
    people = sample_people(len(names))
    items = [NewItem(None, person, collection=name) for person, name in zip(people, names, strict=True)]
    write_library(items, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        listed = describe_collections(library)
    assert listed.startswith("dance (2 people), year 2000 (1 person), ")
    assert listed.endswith("year 2010 (1 person) and 9 more")
