"""Fuzzes one target with atheris: `python -m tests.fuzz.driver TARGET FOLDER SECONDS`.

The first input of each kind of error is written to FOLDER/found, and fuzzing goes on. A signal, an endless loop or too
much memory ends the run, and libFuzzer writes that input to the same folder.
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
"""Modules whose coverage guides the fuzzer: ours, and the Python code of others that reads files."""

MEMORY_LIMIT_MB: Final = 2048
"""Megabytes of memory at which libFuzzer ends the run."""

HANG_SECONDS: Final = 300
"""Wall-clock seconds after which an input counts as endless. Generous, because a shared machine may be slow."""

STRUCTURED_SHARE: Final = 0.6
"""The share of inputs changed within their format; the others get random bytes."""


def main(name: str, folder_name: str, seconds: str) -> None:
    """Fuzz a target for some seconds, keeping its corpus and what it finds in a folder."""
    os.nice(19)
    logging.disable()
    warnings.simplefilter("ignore")
    with atheris.instrument_imports(include=list(INSTRUMENTED_MODULES)):
        target = load_target(name)
    folder = Path(folder_name)
    for subfolder in ("corpus", "seeds", "found"):
        (folder / subfolder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-", ignore_cleanup_errors=True) as temporary:
        for seed in target.seeds(Path(temporary)):
            (folder / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        read = record_finds(with_time_limit(target.make_reader(Path(temporary))), folder / "found")
        atheris.Setup(_arguments(name, target, folder, int(seconds)), read, custom_mutator=_make_mutator(target))
        atheris.Fuzz()


def _arguments(name: str, target: Target, folder: Path, seconds: int) -> list[str]:
    """The command line of libFuzzer, with the target's dictionary written to a file."""
    dictionary = folder / "words"
    escaped = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in target.DICTIONARY)
    dictionary.write_text("".join(f'"{word}"\n' for word in escaped), encoding="ascii")
    return [
        name,
        str(folder / "corpus"),
        str(folder / "seeds"),
        f"-dict={dictionary}",
        f"-max_total_time={seconds}",
        f"-timeout={HANG_SECONDS}",
        f"-report_slow_units={HANG_SECONDS}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-max_len={target.MAX_BYTES}",
        f"-artifact_prefix={folder / 'found'}/",
        "-len_control=0",
        "-print_final_stats=1",
        "-verbosity=1",
    ]


def _make_mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    """Return the function that atheris calls to change an input to at most `max_size` bytes, by a seed."""

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)

        def bytewise(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, max(max_size, len(part))))

        if rng.random() > STRUCTURED_SHARE:
            return bytewise(data)
        return target.mutate(data, rng, bytewise)[:max_size]

    return mutate


if __name__ == "__main__":
    main(*sys.argv[1:])
