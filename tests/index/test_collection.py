"""Collections of a library: their names and members, however a name is spelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.collection import collection_key, group_members
from index.library import Library
from tests.support.libraries import NewItem, write_library
from tests.support.sample_poses import sample_people


def test_names_collections_the_largest_first(tmp_path: Path) -> None:
    names = ["dance", "yoga", None, "yoga", "dance", "Sport", "yoga"]
    people = sample_people(len(names))
    items = [NewItem(None, person, collection=name) for person, name in zip(people, names, strict=True)]
    write_library(items, tmp_path / "library")
    with Library.open(tmp_path / "library") as library:
        assert library.collections == ("yoga", "dance", "Sport")
        assert [library.members(name).tolist() for name in library.collections] == [[1, 3, 6], [0, 4], [5]]
        assert [item.collection for item in library.items()] == names
        with pytest.raises(KeyError):
            library.members("swimming")


def test_a_library_without_collections_has_none(built: Path) -> None:
    with Library.open(built) as library:
        assert library.collections == ()


def test_spellings_of_a_name_are_one_collection() -> None:
    rows = [(9, "Martial arts"), (2, "martial_arts"), (4, "MARTIAL  ARTS"), (7, "Martial arts"), (5, "martial artist")]
    members = group_members(rows)
    assert {name: numbers.tolist() for name, numbers in members.items()} == {
        "Martial arts": [2, 4, 7, 9],
        "martial artist": [5],
    }
    assert all(numbers.dtype == np.intp for numbers in members.values())


@pytest.mark.parametrize("spelling", ["martial arts", "Martial-Arts", " martial__arts "])
def test_a_key_ignores_case_hyphens_and_spaces(spelling: str) -> None:
    assert collection_key(spelling) == "martial arts"
