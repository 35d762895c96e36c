"""What a fuzzing target provides, and the promises that every reader is checked against."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

TARGETS: Final = ("config", "library", "packed", "model", "pictures", "keypoints")

MAX_SENTENCE_LENGTH: Final = 1000
"""Characters: a line of a log or a display has room for no more."""

MAX_CPU_SECONDS: Final = 10.0
"""CPU seconds for one input; more counts as a hang. CPU time, because other work may slow the clock's."""

Reader = Callable[[bytes], None]
"""Reads one input. Raises BrokenPromise, or any error that a caller of the reader would not expect."""

Mutator = Callable[[bytes], bytes]
"""Changes some bytes, anywhere."""


class BrokenPromise(AssertionError):
    """A reader broke one of its promises."""


class Target(Protocol):
    """A module that says what to read, which inputs to start from, and how to change them to reach deep code."""

    MAX_BYTES: int
    """The longest input, in bytes."""

    DICTIONARY: Sequence[str]
    """Words that such files contain, for the fuzzer to insert."""

    def seeds(self, folder: Path) -> Iterator[bytes]:
        """Make valid inputs with the program's own code, using `folder` for temporary files."""
        ...

    def make_reader(self, folder: Path) -> Reader:
        """Return the reader of an input; it may put files in `folder`."""
        ...

    def mutate(self, data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
        """Change an input where random bytes would not get past a checksum or compression."""
        ...


def load_target(name: str) -> Target:
    """Return the target with a name of TARGETS."""
    return cast(Target, importlib.import_module(f"tests.fuzz.{name}"))


def check_sentence(message: object, names: object = "") -> None:
    """Raise BrokenPromise unless an error or a reason is one printable line that contains `names`."""
    text = str(message)
    if not text.strip() or not text.isprintable():
        raise BrokenPromise(f"not one printable line: {text!r:.400}")
    if len(text) > MAX_SENTENCE_LENGTH:
        raise BrokenPromise(f"a message of {len(text)} characters: {text!r:.400}")
    if "Traceback" in text or str(names) not in text:
        raise BrokenPromise(f"a message that does not name {str(names)!r}: {text!r:.400}")


def with_time_limit(read: Reader) -> Reader:
    """Wrap a reader so that it raises BrokenPromise when it takes longer than `MAX_CPU_SECONDS`."""

    def timed(data: bytes) -> None:
        start = time.process_time()
        read(data)
        elapsed = time.process_time() - start
        if elapsed > MAX_CPU_SECONDS:
            raise BrokenPromise(f"took {elapsed:.1f} s of CPU time")

    return timed


def unpack_input(data: bytes) -> tuple[str, bytes]:
    """Split an input of a target that reads several files: the file's name on the first line, then its content."""
    name, _, content = data.partition(b"\n")
    return name.decode("ascii", "replace"), content


def pack_input(name: str, content: bytes) -> bytes:
    """Join a file's name and content into an input; the inverse of `unpack_input`."""
    return name.encode() + b"\n" + content
