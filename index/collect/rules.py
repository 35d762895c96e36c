"""The rules by which photographs are collected. `rules.toml` is documentation, defaults and schema at once."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

from index.build.licences import matches_licence
from index.build.photo import SourceError
from index.credit import Credit, clean_text
from models.permissions import explain_refusal
from models.text import printable

DEFAULTS_FILE: Final = Path(__file__).with_name("rules.toml")

MAX_FILE_BYTES: Final = 1_000_000
"""Bytes of a file of rules at most: many times what anybody writes, but a device such as /dev/zero never ends."""

MAX_VALUE_LENGTH: Final = 80
"""Characters of a value that an error message quotes."""

SPLITS: Final = ("train", "validation", "test")
"""The parts of Open Images."""

LETTER: Final = r"[^\W\d_]"
"""Matches a letter."""

WORD: Final = re.compile(rf"{LETTER}+|\d+")
"""Finds the words of a title. Digits and underscores separate words: titles are often names of files, as nude_01."""

UNSPACED: Final = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]")
"""Finds letters of languages that write no spaces between words."""


@dataclass(frozen=True)
class Rules:
    """The sections of `rules.toml`; see there. All texts are as the file has them."""

    splits: tuple[str, ...]
    licences: tuple[str, ...]
    max_people: int
    min_height: float
    max_background: int
    minors: Literal["allowed", "avoid"]
    minor_labels: tuple[str, ...]
    minor_words: tuple[str, ...]
    seated_share: float
    head_and_shoulders_share: float
    collections_share: float
    seated_labels: tuple[str, ...]
    collections: Mapping[str, tuple[str, ...]]
    leave_out_labels: tuple[str, ...]
    leave_out_words: tuple[str, ...]
    changes: str = field(default="", compare=False)
    """The owner's changes of the default rules, as the text of a file."""

    @cached_property
    def digest(self) -> str:
        """A checksum, which changes if one of the rules does."""
        # sets have no order in a file that somebody edits, but collections do: the first that fits counts
        document = {**asdict(self), "collections": list(self.collections.items())}
        del document["changes"]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()

    @cached_property
    def labels_left_out(self) -> tuple[str, ...]:
        """The labels with which a photo is left out."""
        return self.leave_out_labels + (self.minor_labels if self.minors == "avoid" else ())

    def allows(self, credit: Credit) -> bool:
        """Return whether a photo may be collected as far as its licence and its title tell."""
        return self.allows_title(credit.title) and matches_licence(credit.licence, self.licences, credit.licence_url)

    def allows_title(self, title: str | None) -> bool:
        """Return whether a title has none of the words with which a photo is left out."""
        text = _fold(title or "")
        return self._words.isdisjoint(WORD.findall(text)) and self._phrases.search(text) is None

    @cached_property
    def _words_left_out(self) -> list[str]:
        words = self.leave_out_words + (self.minor_words if self.minors == "avoid" else ())
        folded = (" ".join(_fold(word).split()) for word in words)
        return [word for word in folded if word]  # nothing is left of "_", and would be found in any title

    @cached_property
    def _words(self) -> frozenset[str]:
        """The words that are compared with whole words of a title, which is fast."""
        return frozenset(word for word in self._words_left_out if WORD.fullmatch(word) and not UNSPACED.search(word))

    @cached_property
    def _phrases(self) -> re.Pattern[str]:
        """Finds all others: several words, words with dots in them, and words of languages that write no spaces."""
        patterns = [_phrase_pattern(word) for word in self._words_left_out if word not in self._words]
        return re.compile("|".join(patterns) or r"(?!)")


def load_rules(file: Path | None = None) -> Rules:
    """Return the default rules, changed by a file.

    Raises SourceError for a file that cannot be read or is not TOML, and for an unknown section or key or a value that
    is not allowed.
    """
    return read_rules("") if file is None else read_rules(_read_text(file), printable(file))


def read_rules(changes: str, where: str = "rules") -> Rules:
    """Return the default rules, changed by the text of a file.

    Raises SourceError, which begins with `where`, if it is not TOML, and for an unknown section or key or a value that
    is not allowed.
    """
    values = tomllib.loads(default_rules_text())
    _merge(values, _parse(changes, where), where)
    pictures, people, shares = values["pictures"], values["people"], values["shares"]
    rules = Rules(
        splits=tuple(pictures["splits"]),
        licences=tuple(pictures["licences"]),
        max_people=people["max"],
        min_height=people["min_height"],
        max_background=people["max_background"],
        minors=people["minors"],
        minor_labels=tuple(people["minor_labels"]),
        minor_words=tuple(people["minor_words"]),
        seated_share=shares["seated"],
        head_and_shoulders_share=shares["head_and_shoulders"],
        collections_share=shares["collections"],
        seated_labels=tuple(values["seated"]["labels"]),
        collections={name: tuple(labels) for name, labels in values["collections"].items()},
        leave_out_labels=tuple(values["leave_out"]["labels"]),
        leave_out_words=tuple(values["leave_out"]["words"]),
        changes=changes,
    )
    total = sum(shares.values())
    if total > 1 + 1e-9:
        raise SourceError(f"{where}: the three [shares] add up to {total:g}: they may add up to 1 at most.")
    return rules


def default_rules_text() -> str:
    """Return the default rules with their explanations, as a file of rules is written."""
    return DEFAULTS_FILE.read_text(encoding="utf-8")


CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"pictures.splits": SPLITS, "people.minors": ("allowed", "avoid")}
"""The values that a key accepts, or that may be in its list."""

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "people.max": (1, 100),
    "people.min_height": (0, 1),
    "people.max_background": (0, 1000),
    "shares.seated": (0, 1),
    "shares.head_and_shoulders": (0, 1),
    "shares.collections": (0, 1),
}
"""The smallest and the largest value that a number may have."""

NOT_EMPTY: Final = ("pictures.splits", "pictures.licences")
"""Lists without which no photo would be collected."""

_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    list: "a list of texts in quotes",
}


def _merge(values: dict[str, Any], changes: Mapping[str, Any], where: str) -> None:
    """Put the changes from a file into the values. Raises SourceError for one that is not allowed."""
    for section, keys in changes.items():
        if section not in values:
            raise SourceError(f"{where}: there is no section [{_short(section)}]{_suggest(section, values)}")
        if not isinstance(keys, dict):
            raise SourceError(f"{where}: {section} must be a section, [{section}], not {_quote(keys)}.")
        if section == "collections":
            values[section] = {_collection(where, name): _labels(where, name, keys[name]) for name in keys}
            continue
        known = values[section]
        for key, value in keys.items():
            if key not in known:
                raise SourceError(f"{where}: [{section}] has no key {_quote(key)}{_suggest(key, known)}")
            known[key] = _validate(f"{where}: [{section}] {key}", f"{section}.{key}", value, known[key])


def _collection(where: str, name: str) -> str:
    if clean_text(name) != name:
        raise SourceError(
            f"{where}: [collections] {_quote(name)} is not a collection's name: write a short line of text."
        )
    return name


def _labels(where: str, name: str, labels: object) -> list[str]:
    return list(_validate(f"{where}: [collections] {_quote(name)}", "", labels, []))


def _validate(where: str, name: str, value: Any, default: Any) -> Any:
    """Return a value, converted to its default's type. Raises SourceError if its type or the value is not allowed.

    `where` begins the error message; `name` is "section.key".
    """
    if type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
        raise SourceError(f"{where} must be {_TYPE_NAMES[type(default)]}, not {_quote(value)}.")
    if isinstance(value, list):
        wrong = next((item for item in value if not isinstance(item, str) or not item.strip()), None)
        if wrong is not None:
            raise SourceError(f"{where} must be a list of texts in quotes, but {_quote(wrong)} is in it.")
        if not value and name in NOT_EMPTY:
            raise SourceError(f"{where} must not be empty: delete the line to have the default.")
    if name in CHOICES:
        items, verb = (value, "may list") if isinstance(value, list) else ([value], "must be one of")
        for item in items:
            if item not in CHOICES[name]:
                raise SourceError(f"{where} {verb} {', '.join(CHOICES[name])}, not {_quote(item)}.")
    if name in RANGES:
        low, high = RANGES[name]
        if not low <= value <= high:  # also rejects nan
            raise SourceError(f"{where} must be from {low:g} to {high:g}, not {_quote(value)}.")
    return float(value) if isinstance(default, float) else value


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise SourceError(f"{printable(file)} is larger than rules can be ({MAX_FILE_BYTES / 1e6:g} MB).")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        refusal = explain_refusal(file) or f"cannot be read ({error.strerror})"
        raise SourceError(f"{printable(file)} {refusal}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{printable(file)} is not UTF-8 text: save it as UTF-8.") from error


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # RecursionError: lists nested a thousand deep
        problem = printable(f"{error!s:.200}")
        raise SourceError(
            f"{where} is not TOML ({problem}): see how `pose-mirror index collect --print-rules` writes it."
        ) from error


def _fold(text: str) -> str:
    """Return a text in a form that is the same in any case, for accents of their own, and for underscores as spaces."""
    return unicodedata.normalize("NFC", text).casefold().replace("_", " ")


def _phrase_pattern(phrase: str) -> str:
    text = r"\s+".join(map(re.escape, phrase.split()))
    if UNSPACED.search(phrase):
        return text
    before, after = (r"\d" if character.isdecimal() else LETTER for character in (phrase[0], phrase[-1]))
    return rf"(?<!{before}){text}(?!{after})"


def closest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like another one, in any case; None if none is."""
    by_text = {other.casefold(): other for other in known}
    near = difflib.get_close_matches(name.casefold(), by_text, n=1, cutoff=0.6)
    return by_text[near[0]] if near else None


def _suggest(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """Return the end of an error message about an unknown name: the nearest known name, or else all of them."""
    near = closest_name(name, known)
    return f"; did you mean {near}?" if near else f"; there are {', '.join(known)}."


def _short(text: str) -> str:
    return f"{printable(text):.{MAX_VALUE_LENGTH}}"


def _quote(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return printable(text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…")
