"""The configuration: any bytes are a valid configuration or a ConfigError."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Final

from device import config
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence

MAX_BYTES: Final = 8192

TEMPLATE: Final = tomllib.loads(config.DEFAULTS_FILE.read_text(encoding="utf-8"))

VALUES: Final = (
    "0", "1", "-1", "90", "640", "0.5", "1e400", "nan", "inf", "-inf", "true", "false", '""', '"auto"', '"353x481"',
    '"0x0"', '"a\\nb"', "'''a\nb'''", '"\\u202E"', "1979-05-27T07:32:00Z", "07:32:00", "[]", "[1, 2]", "{}", "{a = 1}",
    "9" * 400, "9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 64, "[" * 200, "[" * 2000, "{a=" * 400,
    '"' + "x" * 3000 + '"',
)  # fmt: skip

DICTIONARY: Final = (
    *TEMPLATE,
    *(key for section in TEMPLATE.values() for key in section),
    *(value for value in VALUES if len(value) < 40),
    *("=", ".", "[", "]", "[[", '"""', "'''", "#", "\\u0000", "\\U0010ffff"),
)


def seeds(folder: Path) -> Iterator[bytes]:
    yield config.DEFAULTS_FILE.read_bytes()
    for section, keys in TEMPLATE.items():
        yield "\n".join([f"[{section}]", *(f"{key} = {_to_toml(value)}" for key, value in keys.items())]).encode()
    yield from (f"[gif]\nseconds = {value}\n".encode() for value in VALUES)
    yield b'gif.seconds = 3\n"a\\nb".c = 1\n'


def make_reader(folder: Path) -> Reader:
    file = folder / "mirror.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        try:
            loaded = config.load(file)
        except config.ConfigError as error:
            check_sentence(error, file)
        else:
            _check(loaded)

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Insert or replace a line that gives a known key an unusual value; or change some bytes."""
    if rng.random() < 0.5:
        return bytewise(data)
    section = rng.choice(list(TEMPLATE))
    key = rng.choice([*TEMPLATE[section], "a", '"a b"', '"\\n"'])
    lines = data.split(b"\n")
    position = rng.randrange(len(lines) + 1)
    line = f"[{section}]\n{key} = " if rng.random() < 0.7 else f"{section}.{key} = "
    lines[position : position + rng.randrange(2)] = [(line + rng.choice(VALUES)).encode()]
    return b"\n".join(lines)


def _to_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def _check(loaded: config.Config) -> None:
    """Check that each value has its default's type and is within its range."""
    for section, keys in TEMPLATE.items():
        settings = getattr(loaded, section)
        for field in fields(settings):
            value = getattr(settings, field.name)
            if value in config.WORDS.get(f"{section}.{field.name}", ()):
                continue
            low, high = config.RANGES.get(f"{section}.{field.name}", (value, value))
            is_number = f"{section}.{field.name}" in config.WORDS and isinstance(value, float)
            if not (is_number or type(value) is type(keys[field.name])) or not low <= value <= high:
                raise BrokenPromise(f"[{section}] {field.name} is {value!r:.80}")
    _ = loaded.estimator.height_width
