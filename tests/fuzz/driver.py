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

from tests.fuzz.finds import record_finds
from tests.fuzz.promise import Target, load_target, with_time_limit

INSTRUMENTED_MODULES: Final = (
    "models", "index", "device", "tomllib", "json", "csv", "zipfile", "PIL", "numpy.lib", "urllib.parse", "fnmatch",
)  # fmt: skip
"""Whose ways are watched: ours, and what of others reads files in Python."""

MEMORY_LIMIT_MB: Final = 2048
"""Of memory at most."""

HANG_SECONDS: Final = 300
"""Seconds by the clock after which an input is taken to go on for ever: a shared machine may be slow."""

STRUCTURED_SHARE: Final = 0.6
"""Of inputs that are changed within their form; the others in their bytes alone."""


def main(name: str, work: str, seconds: str) -> None:
    os.nice(19)
    logging.disable()
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=list(INSTRUMENTED_MODULES)):
        fuzzed = load_target(name)
    folder = Path(work)
    for inner in ("corpus", "seeds", "found"):
        (folder / inner).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-", ignore_cleanup_errors=True) as place:
        for seed in fuzzed.seeds(Path(place)):
            (folder / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        read = record_finds(with_time_limit(fuzzed.make_reader(Path(place))), folder / "found")
        atheris.Setup(_arguments(name, fuzzed, folder, int(seconds)), read, custom_mutator=_make_mutator(fuzzed))
        atheris.Fuzz()


def _arguments(name: str, fuzzed: Target, folder: Path, seconds: int) -> list[str]:
    words = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in fuzzed.DICTIONARY)
    words.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    return [
        name,
        str(folder / "corpus"),
        str(folder / "seeds"),
        f"-dict={words}",
        f"-max_total_time={seconds}",
        f"-timeout={HANG_SECONDS}",
        f"-report_slow_units={HANG_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-max_len={fuzzed.MAX_BYTES}",
        f"-artifact_prefix={folder / 'found'}/",
        "-len_control=0",
        "-print_final_stats=1",
        "-verbosity=1",
    ]


def _make_mutator(fuzzed: Target) -> Callable[[bytes, int, int], bytes]:
    """What atheris asks to change an input: of `longest` bytes at most, by a seed."""

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        rng = random.Random(seed)

        def bytewise(some: bytes) -> bytes:
            return bytes(atheris.Mutate(some, max(longest, len(some))))

        if rng.random() > STRUCTURED_SHARE:
            return bytewise(data)
        return fuzzed.mutate(data, rng, bytewise)[:longest]

    return mutate


if __name__ == "__main__":
    main(*sys.argv[1:])
