"""Choose from the photos of Open Images those that the rules allow, and plan the order in which to look at them."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from index.build.licences import matches_licence
from index.build.photo import SourceError
from index.collect.open_images_store import Store, StoredPhoto
from index.collect.people_boxes import Kind, judge, merge_duplicates, turn, unpack
from index.collect.planned_order import Limited, plan, shuffled, take_turns
from index.collect.rules import Rules, closest_name, load_rules
from models.progress import ProgressCallback
from models.text import printable

VERSION: Final = 1
"""Version of this choice. One that was made by another version is made again."""

RELATION: Final = re.compile(
    "(at|catch|contain|cut|dance|drink|eat|hang|hits|holds|hug|inside_of|interacts_with|kick|kiss|on|plays|read|ride"
    "|skateboard|ski|snowboard|surf|throw|under|wears) (.+)"
)
"""Takes apart a relation: a word of the tables of relationships besides `is`, and a label."""

STEP: Final = "Choosing photos"
"""What choosing is called in the report of the progress."""

PROGRESS_INTERVAL: Final = 5_000
"""Photos between two reports of the progress."""


class LabelNames:
    """The numbers of labels and relations by their names, in any case."""

    def __init__(self, store: Store) -> None:
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)
        self._names: list[str] = []
        for number, name in store.names():
            self._numbers[name.casefold()].append(number)
            self._names.append(name)

    def numbers(self, names: Iterable[str]) -> frozenset[int]:
        """Return the numbers of labels and relations with these names; `plays *` names all relations of this word."""
        found: set[int] = set()
        for name in names:
            if name.endswith(" *"):
                start = name[:-1].casefold()
                found.update(*(numbers for other, numbers in self._numbers.items() if other.startswith(start)))
            else:
                found.update(self._numbers.get(name.casefold(), ()))
        return frozenset(found)

    def check(self, names: Iterable[str]) -> None:
        """Raise SourceError for a name that Open Images does not have."""
        for name in names:
            relation = RELATION.fullmatch(name.casefold())
            is_relation = relation is not None and (relation[2] == "*" or relation[2] in self._numbers)
            if name.casefold() not in self._numbers and not is_relation:
                near = closest_name(name, self._names)
                hint = f"did you mean “{near}”?" if near else "look for its name in Open Images' class descriptions."
                raise SourceError(f"The rules name the label “{printable(name):.80}”, which Open Images lacks: {hint}")


def check_labels(store: Store, rules: Rules) -> None:
    """Raise SourceError if an owner's rules name a label that Open Images lacks, once its names are in the store.

    The program's own labels may be missing: Open Images may have changed since, which is no reason to stop.
    """
    default = set(_labels(load_rules()))
    LabelNames(store).check(label for label in _labels(rules) if label not in default)


def _labels(rules: Rules) -> Iterator[str]:
    yield from (*rules.seated_labels, *rules.leave_out_labels, *rules.minor_labels)
    yield from itertools.chain.from_iterable(rules.collections.values())


def is_chosen(store: Store, rules: Rules) -> bool:
    """Return whether the store's choice was made by these rules."""
    return store.chosen_by() == _describe(rules)


def choose(store: Store, rules: Rules, progress: ProgressCallback | None = None) -> None:
    """Put the photos that the rules allow into the store's choice, in the order in which to look at them.

    If several collections' labels fit, the first of the rules counts.
    """
    chooser = _Chooser(rules, LabelNames(store))
    total = store.count_photos()
    for number, photo, boxes, marks in store.photos():
        chooser.add(number, photo, boxes, marks)
        if progress is not None and number % PROGRESS_INTERVAL == 0:
            progress(min(number, total), total, STEP)
    store.choose(_describe(rules), chooser.plan())


def _describe(rules: Rules) -> str:
    return f"{VERSION} {rules.digest}"


class _Chooser:
    """Collects the images that the rules allow, by kind and collection."""

    def __init__(self, rules: Rules, names: LabelNames) -> None:
        self._rules = rules
        self._left_out = names.numbers(rules.labels_left_out)
        self._seated = names.numbers(rules.seated_labels)
        self._collections = [(name, names.numbers(labels)) for name, labels in rules.collections.items()]
        self._licences: dict[str, bool] = {}
        self._photos: dict[int, int] = {}  # images by name, as a table may name one twice
        self._collection_of: dict[int, str] = {}
        self._images: defaultdict[tuple[Kind, str | None], list[int]] = defaultdict(list)

    def add(self, number: int, photo: StoredPhoto, boxes: bytes, marks: Sequence[int]) -> None:
        """Look at a photo."""
        if photo.image in self._photos or not self._allows(photo) or not self._left_out.isdisjoint(marks):
            return
        people = merge_duplicates(turn(box, photo.rotation) for box in unpack(boxes))
        kind = judge(people, not self._seated.isdisjoint(marks), self._rules)
        if kind is None:
            return
        collection = next((name for name, labels in self._collections if not labels.isdisjoint(marks)), None)
        self._photos[photo.image] = number
        if collection is not None:
            self._collection_of[photo.image] = collection
        self._images[kind, collection if kind is Kind.WHOLE else None].append(photo.image)

    def plan(self) -> Iterator[tuple[int, str | None]]:
        """Yield the photos' numbers and collections in their order."""
        rules, images = self._rules, self._images
        groups = [shuffled(images[Kind.WHOLE, name]) for name, _ in self._collections]
        limited = [
            Limited(shuffled(images[Kind.SEATED, None]), rules.seated_share),
            Limited(shuffled(images[Kind.HEAD_AND_SHOULDERS, None]), rules.head_and_shoulders_share),
        ]
        for image in plan(take_turns(groups), shuffled(images[Kind.WHOLE, None]), limited, rules.collections_share):
            yield self._photos[image], self._collection_of.get(image)

    def _allows(self, photo: StoredPhoto) -> bool:
        """Return whether the rules allow a photo by its part, title and licence, and there is somebody to credit."""
        if photo.licence not in self._licences:
            self._licences[photo.licence] = matches_licence(photo.licence, self._rules.licences)
        can_be_credited = photo.author.strip() or photo.author_url.strip()
        return (
            photo.split in self._rules.splits
            and bool(can_be_credited)
            and self._licences[photo.licence]
            and self._rules.allows_title(photo.title)
        )
