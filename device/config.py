"""The configuration, a TOML file. `default.toml` is documentation, defaults and schema at once."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from device.choose import ChooseSettings
from device.follow import FollowSettings
from models.text import printable

DEFAULTS_FILE: Final = Path(__file__).with_name("default.toml")

SEARCH_PATHS: Final = (Path("~/.config/pose-mirror.toml"), Path("/etc/pose-mirror.toml"))
"""Where to look for a configuration if none is named. The first file that exists is used."""

MAX_VALUE_LENGTH: Final = 80
"""Characters of a value that an error message quotes, so that it stays one short sentence."""

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise."""


class ConfigError(ValueError):
    """A configuration cannot be used. The message names the file, the section, the key and what is allowed."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    source: str
    width: int
    height: int
    rotate: Rotation


@dataclass(frozen=True, slots=True)
class EstimatorSettings:
    model: str
    device: Literal["auto", "cpu", "edgetpu"]
    size: str
    threads: int

    @property
    def height_width(self) -> tuple[int, int] | None:
        """`size` as (height, width) in pixels; None if it is empty."""
        return parse_size(self.size) if self.size else None


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    folder: str


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    display: Literal["auto", "kiosk", "window", "headless"]
    width: int
    height: int
    rotate: Rotation
    fps: int


@dataclass(frozen=True, slots=True)
class ButtonSettings:
    pin: int


@dataclass(frozen=True, slots=True)
class GifSettings:
    folder: str
    countdown: int
    seconds: float
    camera: bool
    pixels: int
    megabytes: float


@dataclass(frozen=True, slots=True)
class Config:
    """The sections of `default.toml`, in the same order, and the file that changed them (None for the defaults)."""

    camera: CameraSettings
    estimator: EstimatorSettings
    follow: FollowSettings
    library: LibrarySettings
    choose: ChooseSettings
    screen: ScreenSettings
    button: ButtonSettings
    gif: GifSettings
    file: Path | None = None


CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "camera.rotate": (0, 90, 180, 270),
    "estimator.device": ("auto", "cpu", "edgetpu"),
    "screen.display": ("auto", "kiosk", "window", "headless"),
    "screen.rotate": (0, 90, 180, 270),
}
"""The values that a key accepts."""

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "camera.width": (64, 4096),
    "camera.height": (64, 4096),
    "estimator.threads": (0, 64),
    "follow.min_score": (0, 1),
    "follow.gone_after": (0, 60),
    "follow.yield_after": (0, 3600),
    "follow.min_cutoff": (0.01, 100),
    "follow.beta": (0, 1000),
    "choose.hold": (0, 60),
    "choose.stay": (0, 3600),
    "choose.margin": (0, 1),
    "choose.remember": (0, 10_000),
    "screen.width": (0, 16_384),
    "screen.height": (0, 16_384),
    "screen.fps": (1, 240),
    "button.pin": (0, 27),
    "gif.countdown": (0, 60),
    "gif.seconds": (0.5, 30),
    "gif.pixels": (64, 640),
    "gif.megabytes": (0.1, 3),
}
"""The smallest and the largest value that a number may have."""


def load(file: Path | None = None, *, search_paths: tuple[Path, ...] = SEARCH_PATHS) -> Config:
    """Return the defaults, changed by `file`, or by the first of `search_paths` that exists.

    Raises ConfigError for a file that cannot be read or is not TOML, and for an unknown section or key or a value that
    is not allowed.
    """
    if file is None:
        file = next((path for path in (p.expanduser() for p in search_paths) if path.is_file()), None)
    values = _read(DEFAULTS_FILE)
    if file is not None:
        _merge(values, _read(file), file)
    return Config(**{name: section(**values[name]) for name, section in _SECTIONS.items()}, file=file)


_SECTIONS: Final[Mapping[str, Any]] = {
    "camera": CameraSettings,
    "estimator": EstimatorSettings,
    "follow": FollowSettings,
    "library": LibrarySettings,
    "choose": ChooseSettings,
    "screen": ScreenSettings,
    "button": ButtonSettings,
    "gif": GifSettings,
}


def parse_size(text: str) -> tuple[int, int]:
    """Return the height and width in pixels of a size such as "353x481". Raises ValueError for any other text."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"a size is written HEIGHTxWIDTH, such as 353x481, not {_short_repr(text)}")
    return int(parts[0]), int(parts[1])


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {error.start})") from error
    except (ValueError, RecursionError) as error:  # RecursionError: lists nested a thousand deep
        raise ConfigError(f"{file}: is not TOML: {error!s:.200}") from error


def _merge(values: dict[str, Any], changes: Mapping[str, Any], file: Path) -> None:
    """Put the changes from a file into the values. Raises ConfigError for one that is not allowed."""
    for section, keys in changes.items():
        if section not in values:
            raise ConfigError(
                f"{file}: there is no section [{printable(section):.{MAX_VALUE_LENGTH}}]{_suggestion(section, values)}"
            )
        if not isinstance(keys, dict):
            raise ConfigError(f"{file}: {section} must be a section, [{section}], not {_short_repr(keys)}")
        for key, value in keys.items():
            if key not in values[section]:
                raise ConfigError(
                    f"{file}: [{section}] has no key {_short_repr(key)}{_suggestion(key, values[section])}"
                )
            values[section][key] = _validate(
                f"{file}: [{section}] {key}", f"{section}.{key}", value, values[section][key]
            )


def _validate(where: str, name: str, value: object, default: object) -> object:
    """Return a value, converted to its default's type. Raises ConfigError if its type or the value is not allowed.

    `where` begins the error message; `name` is "section.key".
    """
    if type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
        raise ConfigError(f"{where} must be {_TYPE_NAMES[type(default)]}, not {_short_repr(value)}")
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(f"{where} must be one of {', '.join(map(str, CHOICES[name]))}, not {_short_repr(value)}")
    if name in RANGES:
        low, high = RANGES[name]
        assert isinstance(value, (int, float))
        if not low <= value <= high:  # also rejects nan
            raise ConfigError(f"{where} must be from {low:g} to {high:g}, not {_short_repr(value)}")
    if name == "estimator.size" and value:
        try:
            parse_size(str(value))
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _short_repr(value: object) -> str:
    """Quote a value or a name for an error message, shortened to MAX_VALUE_LENGTH."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to print an integer of more than 4300 digits
        return "a number of thousands of digits"
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"


def _suggestion(name: str, known: Mapping[str, object]) -> str:
    """Return the end of an error message about an unknown name: the nearest known name, or else all of them."""
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {similar[0]!r}?" if similar else f"; there are {', '.join(known)}"
