"""What a target gives to be fuzzed, and what is held against every reader."""

from __future__ import annotations

import importlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

TARGETS: Final = ("config", "library", "model", "pictures", "keypoints")

MAX_SENTENCE_LENGTH: Final = 1000
"""Characters; a log and a display have room for no more."""

MAX_CPU_SECONDS: Final = 10.0
"""Seconds of the processor for one input: more is a hang. The machine may be shared, so they are not a clock's."""

Reader = Callable[[bytes], None]
"""Reads one input; raises whatever a caller of the reader would not expect, Broken among it."""

Mutator = Callable[[bytes], bytes]
"""Changes bytes anywhere."""


class BrokenPromise(AssertionError):
    """A reader did what it promises not to."""


class Target(Protocol):
    """A module that says what is read, from what to begin, and how to change it so that the depths are reached."""

    MAX_BYTES: int
    """Bytes of an input at most."""

    DICTIONARY: Sequence[str]
    """What stands in such files, for the fuzzer to put in."""

    def seeds(self, folder: Path) -> Iterator[bytes]:
        """Inputs as they should be, made by the program's own code; `folder` is for what that takes."""
        ...

    def make_reader(self, folder: Path) -> Reader:
        """What reads an input, with `folder` to put files into."""
        ...

    def mutate(self, data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
        """An input changed where a change of bytes alone would not get past a checksum, or compression."""
        ...


def load_target(name: str) -> Target:
    """The target of a name in TARGETS."""
    return cast(Target, importlib.import_module(f"tests.fuzz.{name}"))


def check_sentence(said: object, names: object = "") -> None:
    """Raises Broken unless an error, or a reason, is one sentence that names a thing."""
    text = str(said)
    if not text.strip() or not text.isprintable():
        raise BrokenPromise(f"no sentence of one line: {text!r:.400}")
    if len(text) > MAX_SENTENCE_LENGTH:
        raise BrokenPromise(f"a sentence of {len(text)} characters: {text!r:.400}")
    if "Traceback" in text or str(names) not in text:
        raise BrokenPromise(f"a sentence that does not name {str(names)!r}: {text!r:.400}")


def with_time_limit(read: Reader) -> Reader:
    """The same reader, which raises Broken when it takes too long."""

    def timed(data: bytes) -> None:
        before = time.process_time()
        read(data)
        taken = time.process_time() - before
        if taken > MAX_CPU_SECONDS:
            raise BrokenPromise(f"took {taken:.1f} s of the processor")

    return timed


def unpack_input(data: bytes) -> tuple[str, bytes]:
    """An input of a target that reads several files: the file's name in the first line, then its content."""
    name, _, content = data.partition(b"\n")
    return name.decode("ascii", "replace"), content


def pack_input(name: str, content: bytes) -> bytes:
    """The opposite of `unpack_input`."""
    return name.encode() + b"\n" + content
