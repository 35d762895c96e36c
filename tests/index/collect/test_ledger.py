"""Ledgers: what they remember, what they delete, and damaged ones."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.barred import Barred, BarredEntry
from index.build.journal import save_picture
from index.build.photo import Credit, NewPicture, Skipped
from index.collect.ledger import FOUND, KEPT, REDUNDANT, Ledger
from index.collect.ledger_tables import DATABASE
from index.collect.rules import read_rules
from index.collect.selection import Selection
from index.errors import LibraryError
from index.library import RemovedPicture, TakenDown
from tests.support.sample_poses import sample_people


def add(ledger: Ledger, key: str, author: str = "Ann") -> tuple[int, NewPicture]:
    """Record a picture of one person."""
    number = ledger.count()
    image = np.random.default_rng(number).integers(0, 255, (60, 80, 3), np.uint8)
    picture = NewPicture.encode(image)
    credit = Credit(key, author, "CC BY 2.0", None, f"https://photos.example/{key}")
    saved = save_picture(ledger.picture_folder, picture)
    people = list(sample_people(1, number))
    added = NewPicture(saved.name, saved.width, saved.height, saved.fingerprint, saved.content, people, credit)
    return ledger.add(key, added), added


def stored(ledger: Ledger) -> set[str]:
    return {file.name for file in ledger.picture_folder.iterdir()}


def test_remembers_what_was_found(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        number, picture = add(ledger, "a")
        ledger.add("b", Skipped("b", "no person", "b: nobody was found in it."))
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.known_keys() == {"a", "b"}
        (again,) = ledger.pictures(FOUND)
        assert (again.name, again.credit, again.width) == (picture.name, picture.credit, 80)
        assert np.array_equal(again.people[0], picture.people[0])
        assert ledger.seen(FOUND)[0].number == number
        ((kind, (count, examples)),) = ledger.skips(3).items()
        assert (kind, count, examples[0].reason) == ("no person", 1, "b: nobody was found in it.")


def test_gives_back_what_is_not_kept(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        (kept, picture), _ = add(ledger, "a"), add(ledger, "b")
        ledger.decide([kept], Selection())
        assert (ledger.count(KEPT), ledger.count(REDUNDANT), ledger.count(FOUND)) == (1, 1, 0)
        assert stored(ledger) == {picture.name}
        assert [(wave.looked, wave.kept) for wave in ledger.waves()] == [(2, 1)]


def test_says_how_far_it_came_when_it_is_stopped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.suppress(KeyboardInterrupt), Ledger(tmp_path / "library", "test") as ledger:
        number, _ = add(ledger, "a")
        ledger.decide([number], Selection())
        raise KeyboardInterrupt
    assert caplog.messages == ["1 looked at, 1 kept: run the same command again to go on."]
    caplog.clear()
    with contextlib.suppress(KeyboardInterrupt), Ledger(tmp_path / "library", "test"):
        raise KeyboardInterrupt
    assert caplog.messages == [], "nothing was looked at this time"


def test_deletes_pictures_that_a_killed_process_left(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        _, picture = add(ledger, "a")
        (ledger.picture_folder / f"{'0' * 64}.jpg").write_bytes(b"x")
        (ledger.picture_folder / "123.part").write_bytes(b"x")
    with Ledger(tmp_path / "library", "test") as ledger:
        assert stored(ledger) == {picture.name}


@pytest.mark.parametrize(
    "taken_down",
    [
        lambda picture: TakenDown([RemovedPicture(picture.name, picture.fingerprint, None)], Barred()),
        lambda picture: TakenDown([], Barred((BarredEntry("author", "bob"),))),
        lambda picture: TakenDown([], Barred((BarredEntry("url", "https://photos.example/a"),))),
    ],
    ids=["picture", "author", "url"],
)
@pytest.mark.parametrize("is_decided", [True, False], ids=["decided", "stopped"])
def test_gives_back_what_was_taken_down(
    tmp_path: Path, taken_down: Callable[[NewPicture], TakenDown], is_decided: bool
) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        (down, picture), (stays, other) = add(ledger, "a", "Bob"), add(ledger, "b", "Cid")
        if is_decided:
            ledger.decide([down, stays], Selection())
        ledger.take_down(taken_down(picture))
        assert [left.name for left in ledger.pictures(FOUND, KEPT)] == [other.name]
        assert stored(ledger) == {other.name}
        assert ledger.skips(1)["taken down"][1][0].reason == "a was taken down."
        assert "a" in ledger.known_keys(), "it is never looked at again"


def test_gives_back_what_changed_rules_do_not_allow(tmp_path: Path) -> None:
    loose, strict = read_rules(""), read_rules("[people]\nmax = 1")
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.rules == loose
        (number, picture), (other, _) = add(ledger, "a"), add(ledger, "b")
        ledger.decide([number, other], Selection())
        assert ledger.follow(loose, ["a", "b"]) == 0
        assert ledger.follow(loose, []) == 0, "the same rules change nothing, whatever is offered"
        ledger.rules = strict
        assert ledger.follow(strict, ["a", "c"]) == 1
        assert stored(ledger) == {picture.name}
        assert ledger.known_keys() == {"a"}, "it is looked at again if other rules allow it"
        assert ledger.skips(1)["not allowed"][1][0].reason == "The rules no longer allow it."
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.rules == strict
        assert ledger.follow(loose, ["a", "b"]) == 0
        add(ledger, "b")
        assert (ledger.count(KEPT), ledger.count(FOUND), ledger.count()) == (1, 1, 2)


def test_other_rules_leave_out_what_was_skipped_and_is_no_longer_offered(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        for key in "ab":
            ledger.add(key, Skipped(key, "no person", f"{key}: nobody was found in it."))
        ledger.follow(read_rules("[people]\nmax = 1"), ["b", "c"])
        assert (ledger.known, ledger.known_keys()) == (1, {"b"})


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"")], ids=["missing", "empty"])
def test_looks_again_at_a_damaged_picture(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        (number, picture), (other, _) = add(ledger, "a"), add(ledger, "b")
        ledger.decide([number, other], Selection())
        damage(ledger.picture_folder / picture.name)
        ledger.check_pictures()
        assert ledger.count(KEPT) == 1
        assert ledger.known_keys() == {"b"}
        ledger.check_pictures()
        assert ledger.count(KEPT) == 1


def test_knows_its_pictures_after_another_look(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        number, picture = add(ledger, "a")
        ledger.decide([number], Selection())
        (ledger.picture_folder / picture.name).write_bytes(b"damaged")
        ledger.check_pictures()
        ledger.add("a", Skipped("a", "no person", "a: nobody was found in it."))
        assert ledger.has_all([picture.name]), "the library still has it"
        assert ledger.count() == ledger.known == 1
        assert set(ledger.skips(1)) == {"no person"}


def test_waves_never_run_backwards(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        for key in "abc":
            number, picture = add(ledger, key)
            ledger.decide([number], Selection())
        assert [wave.kept for wave in ledger.waves()] == [1, 2, 3]
        ledger.take_down(TakenDown([RemovedPicture(picture.name, picture.fingerprint, None)], Barred()))
        assert [wave.kept for wave in ledger.waves()] == [1, 2]


def test_knows_its_own_pictures(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        (number, picture), (_, other) = add(ledger, "a"), add(ledger, "b")
        ledger.decide([number], Selection())
        assert ledger.has_all([picture.name, other.name]), "what was given back was found here, too"
        assert not ledger.has_all([picture.name, "0" * 64])


def test_names_all_models(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.models == ()
        for model in (("b", "1"), ("a", "2"), ("b", "1")):
            ledger.add_model(model)
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.models == (("b", "1"), ("a", "2"))


def test_remembers_how_many_were_wanted(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.wanted is None
        ledger.wanted = 80_000
    with Ledger(tmp_path / "library", "test") as ledger:
        assert ledger.wanted == 80_000


@pytest.mark.parametrize("damage", [b"this is no database, but a text" * 40, b"SQLite format 3\0" + b"\x55" * 4096])
def test_a_damaged_one_says_what_to_delete(tmp_path: Path, damage: bytes) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        folder = ledger.folder
    (folder / DATABASE).write_bytes(damage)
    with pytest.raises(LibraryError, match=r"ledger\.sqlite cannot be used \(.*delete .*\.library\.collected and the "):
        Ledger(tmp_path / "library", "test")


def test_one_of_another_version_says_so(tmp_path: Path) -> None:
    with Ledger(tmp_path / "library", "test") as ledger:
        folder = ledger.folder
    table = sqlite3.connect(folder / DATABASE)
    table.execute("PRAGMA user_version = 99")
    table.close()
    with pytest.raises(LibraryError, match=r"has version 99, and this program needs 1\): collect into another "):
        Ledger(tmp_path / "library", "test")
