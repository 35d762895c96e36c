"""The configuration, a TOML file. `default.toml` is documentation, defaults and schema at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from device import folders
from device.cameras.controls import CameraControls, Exposure, Focus, Mains, WhiteBalance
from device.choose import ChooseSettings
from device.config_file import MAX_VALUE_LENGTH, read_toml, short_repr, suggest_name
from device.config_file import ConfigError as ConfigError
from device.follow import FollowSettings
from device.language.catalogues import parse_codes
from models.estimator.estimator import fit_size
from models.home import PathError, absolute, expand_home
from models.text import printable

DEFAULTS_FILE: Final = Path(__file__).with_name("default.toml")

SEARCH_PATHS: Final = (Path("~/.config/pose-mirror.toml"), Path("/etc/pose-mirror.toml"))
"""Where to look for a configuration if none is named. The first file that exists is used."""

MAX_EVENT_TEXT: Final = 80
"""Characters of `[gif] text` at most: more would not fit into one line below a GIF."""

Rotation = Literal[0, 90, 180, 270]
"""Degrees clockwise."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    source: str
    width: int
    height: int
    rotate: Rotation
    mirror: bool
    focus: Focus
    exposure: Exposure
    gain: float
    white_balance: WhiteBalance
    mains: Mains

    @property
    def controls(self) -> CameraControls:
        """What is asked of the camera besides pictures of a size."""
        return CameraControls(self.focus, self.exposure, self.gain, self.white_balance, self.mains)


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
    collection: str


@dataclass(frozen=True, slots=True)
class ScreenSettings:
    display: Literal["auto", "kiosk", "window", "headless"]
    output: str
    width: int
    height: int
    rotate: Rotation
    fps: int
    layout: Literal["side", "full"]
    language: str


@dataclass(frozen=True, slots=True)
class ButtonSettings:
    pin: int
    led: int
    side: Literal["left", "right", "top", "bottom", ""]


@dataclass(frozen=True, slots=True)
class SoundSettings:
    volume: float


@dataclass(frozen=True, slots=True)
class GifSettings:
    folder: str
    countdown: int
    seconds: float
    camera: bool
    text: str
    pixels: int
    megabytes: float
    keep_days: float
    keep_files: int
    keep_megabytes: int


@dataclass(frozen=True, slots=True)
class ShareSettings:
    enabled: bool
    hours: float
    address: str
    wifi: str
    wifi_password: str


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
    sound: SoundSettings
    gif: GifSettings
    share: ShareSettings
    file: Path | None = None


CHOICES: Final[Mapping[str, tuple[object, ...]]] = {
    "camera.rotate": (0, 90, 180, 270),
    "camera.mains": (0, 50, 60),
    "estimator.device": ("auto", "cpu", "edgetpu"),
    "follow.people": ("one", "all"),
    "screen.display": ("auto", "kiosk", "window", "headless"),
    "screen.rotate": (0, 90, 180, 270),
    "screen.layout": ("side", "full"),
    "button.side": ("left", "right", "top", "bottom", ""),
}
"""The values that a key accepts."""

NOT_EMPTY: Final = ("camera.source", "estimator.model")
"""Texts without which there is nothing to open. Other texts may be empty, and then choose for themselves."""

WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "camera.focus": ("auto",),
    "camera.exposure": ("auto", "locked"),
    "camera.white_balance": ("auto", "locked"),
}
"""The words that a key accepts instead of a number."""

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "camera.width": (64, 4096),
    "camera.height": (64, 4096),
    "camera.focus": (0, 100),
    "camera.exposure": (0.1, 66),
    "camera.gain": (0, 1000),
    "camera.white_balance": (1500, 12_000),
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
    "button.led": (0, 27),
    "sound.volume": (0, 1),
    "gif.countdown": (0, 60),
    "gif.seconds": (0.5, 30),
    "gif.pixels": (64, 640),
    "gif.megabytes": (0.1, 3),
    "gif.keep_days": (0, 36_500),
    "gif.keep_files": (0, 1_000_000),
    "gif.keep_megabytes": (0, 10_000_000),
    "share.hours": (1, 720),
}
"""The smallest and the largest value that a number may have."""


def load(file: Path | None = None, *, search_paths: tuple[Path, ...] = SEARCH_PATHS) -> Config:
    """Return the defaults, changed by `file`, or by the first of `search_paths` that exists.

    Relative paths in a file are below the file's folder; in the result they are absolute. Raises ConfigError for a file
    that cannot be read or is not TOML, and for an unknown section or key or a value that is not allowed.
    """
    if file is None:
        file = next(filter(os.path.isfile, _expand(search_paths)), None)
    values = read_toml(DEFAULTS_FILE)
    if file is not None:
        _merge(values, read_toml(file), file)
        _complete_paths(values, file)
        _check_pins(values["button"], file)
        _check_wifi(values["share"], file)
    return Config(**{name: section(**values[name]) for name, section in _SECTIONS.items()}, file=file)


_SECTIONS: Final[Mapping[str, Any]] = {
    "camera": CameraSettings,
    "estimator": EstimatorSettings,
    "follow": FollowSettings,
    "library": LibrarySettings,
    "choose": ChooseSettings,
    "screen": ScreenSettings,
    "button": ButtonSettings,
    "sound": SoundSettings,
    "gif": GifSettings,
    "share": ShareSettings,
}


def parse_size(text: str) -> tuple[int, int]:
    """Return the height and width in pixels of a size such as "353x481". Raises ValueError for any other text."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError(f"a size is written HEIGHTxWIDTH, such as 353x481, not {short_repr(text)}")
    return int(parts[0]), int(parts[1])


def check_event_text(text: str) -> None:
    """Raise ValueError for a text that is too long for the line below a GIF."""
    if len(text) > MAX_EVENT_TEXT:
        raise ValueError(f"it has {len(text)} characters, but only {MAX_EVENT_TEXT} fit: shorten it")


def check_page_address(text: str) -> None:
    """Raise ValueError for an address of the page that no phone could open."""
    try:
        is_address = re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[\w./~-]*)?", text) and urlsplit(text).port != 0
    except ValueError:  # no such port
        is_address = False
    if not is_address:
        raise ValueError(f'{short_repr(text)} is not the address of a page: write one such as "http://mirror.local"')


def check_wifi_name(text: str) -> None:
    """Raise ValueError for a name that no Wi-Fi has (IEEE 802.11)."""
    if len(text.encode()) > 32:
        raise ValueError(f"{short_repr(text)} is longer than the name of any Wi-Fi, which has 32 bytes at most")


def check_wifi_password(text: str) -> None:
    """Raise ValueError for a password that no Wi-Fi has (WPA)."""
    if not 8 <= len(text) <= 63:
        raise ValueError(f"a Wi-Fi's password has 8 to 63 characters, not {len(text)}")


_PARSERS: Final[Mapping[str, Callable[[str], object]]] = {
    "estimator.size": lambda text: fit_size(parse_size(text)),
    "screen.language": parse_codes,
    "gif.text": check_event_text,
    "share.address": check_page_address,
    "share.wifi": check_wifi_name,
    "share.wifi_password": check_wifi_password,
}
"""What reads the texts that have a form of their own. Each raises ValueError for a text that is not allowed."""


def _expand(search_paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in search_paths:
        with suppress(PathError):  # a user without a home has no configuration there
            yield expand_home(str(path))


def _complete_paths(values: dict[str, Any], file: Path) -> None:
    """Make the paths from a file absolute. Raises ConfigError."""
    # a pipe such as /dev/fd/63, which a shell makes for <(…), is in no folder of the user's
    base = absolute(file).parent if os.path.isfile(file) else None
    for name, complete in PATHS.items():
        section, key = name.split(".")
        try:
            values[section][key] = complete(values[section][key], base)
        except PathError as error:
            raise ConfigError(f"{printable(file)}: [{section}] {key}: {error}") from error


def _check_pins(button: Mapping[str, Any], file: Path) -> None:
    """Raise ConfigError if the button and its light are on the same pin."""
    if button["pin"] == button["led"] != 0:
        pins = f"[button] pin and led are both {button['pin']}"
        raise ConfigError(f"{printable(file)}: {pins}: use another pin for the light")


def _check_wifi(share: Mapping[str, Any], file: Path) -> None:
    """Raise ConfigError if there is a Wi-Fi's password, but not its name."""
    if share["wifi_password"] and not share["wifi"]:
        raise ConfigError(f"{printable(file)}: [share] wifi_password needs wifi, the name of the Wi-Fi")


PATHS: Final[Mapping[str, Callable[[str, Path | None], str]]] = {
    "camera.source": folders.camera_source,
    "estimator.model": folders.model_source,
    "library.folder": folders.named_folder,
    "gif.folder": folders.named_folder,
}
"""The keys whose values are paths, or may be, and what makes them absolute."""


def _merge(values: dict[str, Any], changes: Mapping[str, Any], file: Path) -> None:
    """Put the changes from a file into the values. Raises ConfigError for one that is not allowed."""
    for section, keys in changes.items():
        if section not in values:
            raise ConfigError(
                f"{file}: there is no section [{printable(section):.{MAX_VALUE_LENGTH}}]{suggest_name(section, values)}"
            )
        if not isinstance(keys, dict):
            raise ConfigError(f"{file}: {section} must be a section, [{section}], not {short_repr(keys)}")
        known = values[section]
        for key, value in keys.items():
            if key not in known:
                raise ConfigError(f"{file}: [{section}] has no key {short_repr(key)}{suggest_name(key, known)}")
            known[key] = _validate(f"{file}: [{section}] {key}", f"{section}.{key}", value, known[key])


def _validate(where: str, name: str, value: object, default: object) -> object:
    """Return a value, converted to its default's type. Raises ConfigError if its type or the value is not allowed.

    `where` begins the error message; `name` is "section.key".
    """
    if name in WORDS:
        return _validate_word_or_number(where, name, value)
    if type(value) is not type(default) and not (isinstance(default, float) and type(value) is int):
        raise ConfigError(f"{where} must be {_TYPE_NAMES[type(default)]}, not {short_repr(value)}")
    if name in CHOICES and value not in CHOICES[name]:
        choices = ", ".join(str(choice) or '""' for choice in CHOICES[name])
        raise ConfigError(f"{where} must be one of {choices}, not {short_repr(value)}")
    if name in RANGES:
        low, high = RANGES[name]
        assert isinstance(value, (int, float))
        if not low <= value <= high:  # also rejects nan
            raise ConfigError(f"{where} must be from {low:g} to {high:g}, not {short_repr(value)}")
    if name in NOT_EMPTY and not value:
        raise ConfigError(f'{where} must not be empty: delete the line for "{default}"')
    if name in _PARSERS and value != default:
        try:
            _PARSERS[name](str(value))
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _validate_word_or_number(where: str, name: str, value: object) -> str | float:
    """Return one of the key's `WORDS`, or a number in its range. Raises ConfigError for anything else."""
    low, high = RANGES[name]
    if isinstance(value, str) and value in WORDS[name]:
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    words = " or ".join(f'"{word}"' for word in WORDS[name])
    raise ConfigError(f"{where} must be {words}, or a number from {low:g} to {high:g}, not {short_repr(value)}")


_TYPE_NAMES: Final[Mapping[type, str]] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}
