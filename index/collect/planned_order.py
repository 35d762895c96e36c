"""The order in which to look at candidates: mixed, always the same, and with its shares kept from the first on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple


class Limited(NamedTuple):
    """Candidates of which there may be a share `at_most` among all."""

    items: Sequence[int]
    at_most: float


def shuffled(items: Iterable[int]) -> list[int]:
    """Return numbers of images in a mixed order, which is the same for each number whatever the others are."""
    return sorted(items, key=lambda item: (_mix(item), item))


def take_turns(groups: Sequence[Iterable[int]]) -> Iterator[int]:
    """Yield one item of each group after the other, until all groups have run out."""
    turns = [iter(group) for group in groups]
    while turns:
        for group in turns.copy():
            item = next(group, None)
            if item is None:
                turns.remove(group)
            else:
                yield item


def plan(favoured: Iterable[int], others: Iterable[int], limited: Sequence[Limited], at_least: float) -> Iterator[int]:
    """Yield candidates so that among the first of any number the shares hold.

    Each of `limited` has its share at most, always; what is beyond it at the end is left out. `favoured` have the share
    `at_least` until they run out. The shares add up to 1 at most.
    """
    preferred, rest = _Queue(favoured), _Queue(others)
    queues = [(_Queue(group.items), group.at_most) for group in limited]
    for count in range(1, 1 << 62):
        # 1e-9: ten times a tenth is a little more than one
        due = [preferred] if preferred.taken < at_least * count - 1e-9 else []
        allowed = (queue for queue, share in queues if queue.taken + 1 <= share * count + 1e-9)
        item = next(
            (item for queue in chain(due, allowed, (rest, preferred)) if (item := queue.take()) is not None), None
        )
        if item is None:
            return
        yield item


class _Queue:
    """Candidates of one kind, and how many of them were taken."""

    def __init__(self, items: Iterable[int]) -> None:
        self.taken = 0
        self._items = iter(items)

    def take(self) -> int | None:
        """Return the next one; None if there are no more."""
        item = next(self._items, None)
        self.taken += item is not None
        return item


def _mix(item: int) -> bytes:
    return hashlib.blake2b(item.to_bytes(8, "little", signed=True), digest_size=8).digest()
