"""What a source offers, next to what the ledger knows: what is new, and what has changed of the photographs kept."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path

from index.barred import Barred
from index.build.photo import Credit, NewPicture, Photo
from index.build.scan import complete_credit
from index.collect.candidate import Candidate, Source
from index.collect.ledger import Ledger
from models.text import printable


def renew(source: Source, ledger: Ledger, barred: Barred) -> None:
    """Take the credits of what is kept from the source anew: they may be corrected. Give back what is barred now."""
    kept, corrected, down = ledger.credits(), dict[str, Credit](), dict[str, str]()
    for candidate in source.candidates():
        if not kept:
            break
        before = kept.pop(candidate.key, None)
        if before is None:
            continue
        credit = completed_credit(before, candidate)
        if is_barred(candidate, credit, barred):
            down[candidate.key] = f"{printable(candidate.picture)} was taken down."
        elif credit != before:
            corrected[candidate.key] = credit
    ledger.set_credits(corrected)
    ledger.bar(down)


def candidates_to_look_at(source: Source, ledger: Ledger, barred: Barred, again: Set[str]) -> Iterator[Candidate]:
    """Yield the candidates that have not been looked at, each once, and then those with the keys `again`.

    Those that are barred are left out.
    """
    known = ledger.known_keys()
    for candidate in source.candidates():
        if candidate.key not in known and not is_barred(candidate, candidate.credit, barred):
            known.add(candidate.key)
            yield candidate
    left = set(again)
    for candidate in source.candidates() if left else ():
        if candidate.key in left and not is_barred(candidate, candidate.credit, barred):
            left.remove(candidate.key)
            yield candidate


def is_barred(candidate: Candidate, credit: Credit, barred: Barred) -> bool:
    """Return whether a candidate is barred: by this credit, by its author's page, or by the URL of its picture."""
    url = candidate.picture if isinstance(candidate.picture, str) else None
    return barred.bars(credit, url, candidate.author_url)


def photo_of(candidate: Candidate, file: Path | str) -> Photo:
    """Return a candidate, whose picture is in a file or at a URL, as a photo to scan."""
    return Photo(file, candidate.credit, candidate.people, candidate.size, rotation=candidate.rotation)


def completed(picture: NewPicture, candidate: Candidate) -> NewPicture:
    """Return a picture with its candidate's credit, completed by the picture's own metadata."""
    return replace(picture, credit=completed_credit(picture.credit, candidate))


def completed_credit(own: Credit, candidate: Candidate) -> Credit:
    """Return a candidate's credit, completed by its picture's own."""
    credit = complete_credit(photo_of(candidate, candidate.picture), Credit(*own))
    return credit._replace(title=candidate.credit.title or own.title)
