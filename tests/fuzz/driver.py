"""One target under atheris, which finds inputs that reach new code: `python -m tests.fuzz.driver TARGET FOLDER SECONDS`.

What a reader raises is written to FOLDER/found, the first input of each kind, and the fuzzing goes on; a signal, an
endless loop or too much memory ends it, and libFuzzer writes the input there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Final

import atheris

from tests.fuzz.finds import noting
from tests.fuzz.promise import Target, in_time, target

INSTRUMENTED: Final = (
    "models", "index", "device", "tomllib", "json", "csv", "zipfile", "PIL", "numpy.lib", "urllib.parse", "fnmatch",
)  # fmt: skip
"""Whose ways are watched: ours, and what of others reads files in Python."""

MEGABYTES: Final = 2048
"""Of memory at most."""

ENDLESS: Final = 300
"""Seconds by the clock after which an input is taken to go on for ever: a shared machine may be slow."""

SHARE: Final = 0.6
"""Of inputs that are changed within their form; the others in their bytes alone."""


def main(name: str, work: str, seconds: str) -> None:
    os.nice(19)
    logging.disable()
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        fuzzed = target(name)
    folder = Path(work)
    for inner in ("corpus", "seeds", "found"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-", ignore_cleanup_errors=True) as place:
        for seed in fuzzed.seeds(Path(place)):
            (folder / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        read = noting(in_time(fuzzed.reader(Path(place))), folder / "found")
        atheris.Setup(_arguments(name, fuzzed, folder, int(seconds)), read, custom_mutator=_mutator(fuzzed))
        atheris.Fuzz()


def _arguments(name: str, fuzzed: Target, folder: Path, seconds: int) -> list[str]:
    words = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in fuzzed.WORDS)
    words.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    return [
        name,
        str(folder / "corpus"),
        str(folder / "seeds"),
        f"-dict={words}",
        f"-max_total_time={seconds}",
        f"-timeout={ENDLESS}",
        f"-report_slow_units={ENDLESS}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={fuzzed.LONGEST}",
        f"-artifact_prefix={folder / 'found'}/",
        "-len_control=0",
        "-print_final_stats=1",
        "-verbosity=1",
    ]


def _mutator(fuzzed: Target) -> Callable[[bytes, int, int], bytes]:
    """What atheris asks to change an input: of `longest` bytes at most, by a seed."""

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = random.Random(seed)

        def bytewise(some: bytes) -> bytes:
            return bytes(atheris.Mutate(some, max(longest, len(some))))

        if chance.random() > SHARE:
            return bytewise(data)
        return fuzzed.mutated(data, chance, bytewise)[:longest]

    return mutate


if __name__ == "__main__":
    main(*sys.argv[1:])
