"""The ledger: what has been looked at for a library so far, so that collecting resumes after any stop.

It is a SQLite file in a hidden folder next to the library, together with the pictures it names. The folder stays when
the library is written: a later command with a greater count goes on from there. SQLite's write-ahead log survives a
killed process and a power cut.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from index.build.choice import TAKEN_DOWN
from index.build.photo import Credit, NewPicture, Skipped
from index.checksum import sha256_of
from index.collect.ledger_state import LedgerState
from index.collect.rules import Rules
from index.collect.selection import Seen, Selection
from index.errors import LibraryError
from index.library import TakenDown
from index.manifest import PICTURES_FOLDER
from index.sqlite_errors import as_os_error
from models import files
from models.text import printable

log = logging.getLogger(__name__)

FOUND, KEPT, REDUNDANT, NOT_ALLOWED = "found", "kept", "adds little", "not allowed"
"""What has become of a photograph: it shows somebody and its wave is not decided yet; it is kept; it was given back
because it added little, or because the rules changed. Any other outcome is the kind of reason for which it was skipped.
"""

DAMAGED: Final = "damaged"

SEEN_AGAIN: Final = "seen again"
"""The outcome of an earlier look at a photograph that was looked at again. Its row has no key and is not counted, but
names a picture that the library may still have."""

AGAIN: Final = (NOT_ALLOWED, DAMAGED)
"""Outcomes of photographs that are looked at again if the source offers them."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A decided wave: how many photographs had been looked at and kept after it, and the coverage that they gave.

    So many `judges` measured it: two waves can be compared if the same judges measured both.
    """

    looked: int
    kept: int
    coverage: float
    judges: int


class Ledger(LedgerState):
    """What became of each photograph; a context manager, for one process at a time.

    `picture_folder` has the pictures, and `candidates_folder` is for what the source keeps. `source` is its name.
    """

    def __init__(self, out: Path, source: str) -> None:
        """Open the ledger of the library `out`, or start one for photographs of this source.

        Raises LibraryError if another process is using it, or if it is of another source; OSError if the disk is full.
        """
        folder = self.folder_of(out)
        self.picture_folder = folder / PICTURES_FOLDER
        self.candidates_folder = folder / "candidates"
        self.source = source
        try:
            self._lock = files.lock_folder(folder)
        except BlockingIOError as error:
            raise LibraryError(
                f"Another command is collecting into {printable(out)}: wait for it, or stop it."
            ) from error
        try:
            super().__init__(folder)
            self.picture_folder.mkdir(exist_ok=True)
            self._check_source(out, source)
            self._remove_strays()
            self._count_before = self.count()
        except BaseException:
            os.close(self._lock)
            raise

    @staticmethod
    def folder_of(out: Path) -> Path:
        """Return the folder of the ledger of a library."""
        target = Path(os.path.realpath(out))
        return target.parent / f".{target.name}.collected{files.own_name(target)}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_told = kind is not None and issubclass(kind, LibraryError)  # such an error says what to do
        if kind is not None and not is_told and self.count() > self._count_before:
            log.warning(
                "%s looked at, %s kept: run the same command again to go on.",
                f"{self.count():,}",
                f"{self.count(KEPT):,}",
            )
        self._table.close()
        os.close(self._lock)

    def follow(self, rules: Rules, offered: Iterable[str]) -> int:
        """Give back the pictures that changed rules no longer allow, and return how many.

        `offered` are the keys of the photographs that the rules allow.
        """
        if self._state("rules digest") == rules.digest.encode():
            return 0
        rows = self._table.execute(
            "SELECT key, outcome, picture FROM photo WHERE key NOT NULL AND outcome NOT IN (?, ?, ?)",
            (*AGAIN, TAKEN_DOWN),
        )
        left = {key: (outcome, picture) for key, outcome, picture in rows}
        for key in offered if left else ():
            left.pop(key, None)
        reason = "The rules no longer allow it."
        gone = {picture: reason for outcome, picture in left.values() if outcome in (FOUND, KEPT)}
        self._give_back(NOT_ALLOWED, gone)
        with as_os_error(self.folder), self._table:
            self._table.executemany(
                "UPDATE photo SET outcome = ?, reason = ? WHERE key = ?", [(NOT_ALLOWED, reason, key) for key in left]
            )
        self._set_state("rules digest", rules.digest.encode())
        return len(gone)

    @property
    def known(self) -> int:
        """How many photographs need not be looked at again."""
        return self.count() - self.count(*AGAIN)

    def known_keys(self) -> set[str]:
        """Return the keys of the photographs that need not be looked at again."""
        rows = self._table.execute("SELECT key FROM photo WHERE key NOT NULL AND outcome NOT IN (?, ?)", AGAIN)
        return {key for (key,) in rows}

    def keys_to_reconsider(self, count: int) -> set[str]:
        """Return the keys of the photographs that added little, if they may fill what is missing of `count`.

        They may unless the source was used up before, with no smaller count and no more photographs kept than now.
        """
        kept, used_up = self.count(KEPT), json.loads(self._state("used up") or b"null")
        if kept >= count or (used_up is not None and used_up[0] >= count and used_up[1] <= kept):
            return set()
        return {key for (key,) in self._table.execute("SELECT key FROM photo WHERE outcome = ?", (REDUNDANT,))}

    def note_used_up(self, count: int) -> None:
        """Note that the source has no more photographs that would fill what is missing of `count`."""
        self._set_state("used up", json.dumps([count, self.count(KEPT)]).encode())

    def has_all(self, pictures: Iterable[str]) -> bool:
        """Return whether all of these pictures, by their names, were found for this library."""
        found = {name for (name,) in self._table.execute("SELECT picture FROM photo WHERE picture NOT NULL")}
        return found.issuperset(pictures)

    def add(self, key: str, result: NewPicture | Skipped) -> int:
        """Record a photograph that was looked at, and return its number; a picture's file is in `picture_folder`."""
        if isinstance(result, Skipped):
            row: tuple[object, ...] = (key, result.kind, result.reason, *[None] * 6)
        else:
            people = np.stack(result.people).astype("<f4").tobytes()
            size = result.width, result.height
            row = (key, FOUND, None, result.name, *size, result.fingerprint, json.dumps(result.credit), people)
        with as_os_error(self.folder):
            self._table.execute(
                "UPDATE photo SET key = NULL, reason = NULL, outcome = ? WHERE key = ? AND outcome IN (?, ?, ?)",
                (SEEN_AGAIN, key, *AGAIN, REDUNDANT),
            )
            cursor = self._table.execute(
                "INSERT INTO photo "
                "(key, outcome, reason, picture, width, height, fingerprint, credit, keypoints) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            self._table.commit()
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def seen(self, outcome: str) -> list[Seen]:
        """Return the photographs with this outcome, `FOUND` or `KEPT`, in the order in which they were looked at."""
        rows = self._table.execute("SELECT number, keypoints FROM photo WHERE outcome = ? ORDER BY number", (outcome,))
        return [Seen(number, _people(keypoints)) for number, keypoints in rows]

    def decide(self, kept: Sequence[int], selection: Selection) -> None:
        """Keep these of the photographs that were found, give the others back, and save the selection: all or none."""
        with as_os_error(self.folder), self._table:
            self._table.executemany("UPDATE photo SET outcome = ? WHERE number = ?", [(KEPT, n) for n in kept])
            self._table.execute("UPDATE photo SET outcome = ?, keypoints = NULL WHERE outcome = ?", (REDUNDANT, FOUND))
            wave = self.count(), self.count(KEPT), selection.coverage, selection.judges
            self._table.execute("INSERT INTO wave VALUES (?, ?, ?, ?)", wave)
            self._table.execute("INSERT OR REPLACE INTO state VALUES ('selection', ?)", (selection.save(),))
        self._remove_strays()

    def take_down(self, taken_down: TakenDown) -> None:
        """Give back pictures that were taken down from the library, so that others take their place."""
        names = {removed.picture for removed in taken_down.pictures}
        down = {
            picture.name: f"{printable(picture.credit.title or picture.name)} was taken down."
            for picture in self.pictures(FOUND, KEPT)
            if picture.name in names or taken_down.barred.bars(picture.credit)
        }
        self._give_back(TAKEN_DOWN, down)

    def bar(self, keys: Mapping[str, str]) -> None:
        """Give back photographs that are barred at their source, by their keys, for a reason each."""
        rows = self._table.execute("SELECT key, picture FROM photo WHERE outcome IN (?, ?)", (FOUND, KEPT))
        self._give_back(TAKEN_DOWN, {picture: keys[key] for key, picture in rows if key in keys})

    def credits(self) -> dict[str, Credit]:
        """Return the credits of the photographs that are kept or not decided, by their keys."""
        rows = self._table.execute("SELECT key, credit FROM photo WHERE outcome IN (?, ?)", (FOUND, KEPT))
        return {key: Credit(*json.loads(credit)) for key, credit in rows}

    def set_credits(self, credits_: Mapping[str, Credit]) -> None:
        """Give photographs other credits, by their keys."""
        with as_os_error(self.folder), self._table:
            self._table.executemany(
                "UPDATE photo SET credit = ? WHERE key = ?",
                [(json.dumps(credit), key) for key, credit in credits_.items()],
            )

    def check_pictures(self) -> None:
        """Give back pictures whose files are missing or damaged, as after a power cut: they are looked at again."""
        damaged = {
            picture.name: f"The stored picture {picture.name} is damaged."
            for picture in self.pictures(FOUND, KEPT)
            if not _is_undamaged(picture)
        }
        self._give_back(DAMAGED, damaged)

    def _give_back(self, outcome: str, reasons: Mapping[str, str]) -> None:
        """Give pictures back for a reason each, by their names, and let them answer no sample visitor any more."""
        if not reasons:
            return
        rows = self._table.execute("SELECT number, picture, keypoints FROM photo WHERE outcome = ?", (KEPT,))
        gone = [Seen(number, _people(keypoints)) for number, picture, keypoints in rows if picture in reasons]
        selection = self.selection()
        selection.forget(gone)
        with as_os_error(self.folder), self._table:
            self._table.executemany(
                "UPDATE photo SET outcome = ?, reason = ?, keypoints = NULL WHERE picture = ? AND outcome IN (?, ?)",
                [(outcome, reason, name, FOUND, KEPT) for name, reason in reasons.items()],
            )
            # without these, the curve of the coverage would run backwards
            self._table.execute("DELETE FROM wave WHERE kept > ?", (self.count(KEPT),))
            if gone:
                self._table.execute("INSERT OR REPLACE INTO state VALUES ('selection', ?)", (selection.save(),))
        self._remove_strays()

    def selection(self) -> Selection:
        """Return the selection as the last decision left it."""
        saved = self._state("selection")
        return Selection() if saved is None else Selection.restore(saved, self.seen(KEPT))

    def waves(self) -> list[Wave]:
        """Return all decided waves, in their order."""
        return [Wave(*row) for row in self._table.execute("SELECT * FROM wave ORDER BY rowid")]

    def count(self, *outcomes: str) -> int:
        """Return how many photographs have one of these outcomes; without any, how many were looked at."""
        marks = ", ".join("?" * len(outcomes))
        where = f"WHERE outcome IN ({marks})" if outcomes else "WHERE key NOT NULL"
        ((count,),) = self._table.execute(f"SELECT count(*) FROM photo {where}", outcomes)
        return int(count)

    @property
    def usable(self) -> int:
        """How many photographs showed somebody well."""
        return self.count(FOUND, KEPT, REDUNDANT)

    def pictures(self, *outcomes: str, limit: int = -1) -> Iterator[NewPicture]:
        """Yield the pictures with one of these outcomes, in the order in which they were looked at; at most `limit`."""
        marks = ", ".join("?" * len(outcomes))
        rows = self._table.execute(
            "SELECT picture, width, height, fingerprint, keypoints, credit FROM photo "
            f"WHERE outcome IN ({marks}) ORDER BY number LIMIT ?",
            (*outcomes, limit),
        )
        for name, width, height, fingerprint, keypoints, credit in rows:
            file, people = self.picture_folder / name, list(_people(keypoints))
            yield NewPicture(name, width, height, fingerprint, file, people, Credit(*json.loads(credit)))

    def skips(self, examples: int) -> dict[str, tuple[int, list[Skipped]]]:
        """Return by kind of reason how many photographs are not kept, and the first of those that have a reason."""
        kinds = self._table.execute(
            "SELECT outcome, count(*) FROM photo WHERE outcome NOT IN (?, ?, ?) GROUP BY 1 ORDER BY 2 DESC",
            (FOUND, KEPT, SEEN_AGAIN),
        ).fetchall()
        return {
            kind: (
                count,
                [
                    Skipped(key, kind, reason)
                    for key, reason in self._table.execute(
                        "SELECT key, reason FROM photo WHERE outcome = ? AND reason NOT NULL ORDER BY number LIMIT ?",
                        (kind, examples),
                    )
                ],
            )
            for kind, count in kinds
        }

    def _check_source(self, out: Path, source: str) -> None:
        known = self._state("source")
        if known is None or not self.count():  # nothing was found in the source before, which may be a slip
            self._set_state("source", source.encode())
        elif known != source.encode():
            raise LibraryError(
                f"{printable(out)} was collected from {printable(known.decode())}: collect from {printable(source)} "
                "into another folder, and merge the two with `pose-mirror index merge`."
            )

    def _remove_strays(self) -> None:
        """Delete pictures that are not, or no longer, wanted: a stopped process may have left some."""
        wanted = {
            name for (name,) in self._table.execute("SELECT picture FROM photo WHERE outcome IN (?, ?)", (FOUND, KEPT))
        }
        for name in set(os.listdir(self.picture_folder)) - wanted:
            (self.picture_folder / name).unlink(missing_ok=True)


def discard_pictures(out: Path, names: Iterable[str]) -> None:
    """Delete pictures that were taken down from the library `out` in its ledger's folder, too, if it has one.

    The next run records that they are gone. If another process is collecting now, the next run deletes them.
    """
    folder = Ledger.folder_of(out)
    if not folder.is_dir():
        return
    try:
        lock = files.lock_folder(folder)
    except OSError:
        return
    try:
        for name in names:
            (folder / PICTURES_FOLDER / name).unlink(missing_ok=True)
    finally:
        os.close(lock)


def _is_undamaged(picture: NewPicture) -> bool:
    """Return whether a picture's file is there and has its checksum."""
    assert isinstance(picture.content, Path)
    return f"{sha256_of(picture.content)}.jpg" == picture.name


def _people(keypoints: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.frombuffer(keypoints, "<f4").reshape(-1, 17, 3).astype(np.float32)
