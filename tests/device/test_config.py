"""The configuration: its defaults, and the error for each mistake in a file."""

from __future__ import annotations

import math
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import config
from device.choose import ChooseSettings
from device.config import CHOICES, DEFAULTS_FILE, RANGES, Config, ConfigError
from device.follow import FollowSettings


def write_config(folder: Path, text: str) -> Path:
    file = folder / "mirror.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_have_every_key_of_every_section() -> None:
    loaded = config.load(search_paths=())
    template = tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))
    assert loaded.file is None
    assert [field.name for field in fields(Config)] == [*template, "file"]
    for section, keys in template.items():
        settings = getattr(loaded, section)
        assert {field.name: getattr(settings, field.name) for field in fields(settings)} == keys


def test_defaults_equal_those_of_the_settings_classes() -> None:
    loaded = config.load(search_paths=())
    assert loaded.follow == FollowSettings()
    assert loaded.choose == ChooseSettings()


def test_every_key_has_a_comment() -> None:
    above = ""
    for line in DEFAULTS_FILE.read_text(encoding="utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            assert above.startswith("#") or "=" in above, f"no comment above {line!r}"
        above = line


def test_defaults_are_allowed_values() -> None:
    template = tomllib.loads(DEFAULTS_FILE.read_text(encoding="utf-8"))
    for name, (low, high) in RANGES.items():
        section, key = name.split(".")
        assert low <= template[section][key] <= high
    for name, choices in CHOICES.items():
        section, key = name.split(".")
        assert template[section][key] in choices


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    file = write_config(tmp_path, "[screen]\nrotate = 90\n[gif]\nseconds = 4\n")
    loaded = config.load(file)
    assert (loaded.screen.rotate, loaded.gif.seconds) == (90, 4.0)
    assert isinstance(loaded.gif.seconds, float)
    assert loaded.camera == config.load(search_paths=()).camera
    assert loaded.file == file


def test_reads_the_first_file_that_exists(tmp_path: Path) -> None:
    file = write_config(tmp_path, "[screen]\nfps = 25\n")
    assert config.load(search_paths=(tmp_path / "none.toml", file)).screen.fps == 25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[screen]\nrotat = 90", "[screen] has no key 'rotat'; did you mean 'rotate'?"),
        ("[scren]\nrotate = 90", "there is no section [scren]; did you mean 'screen'?"),
        ("[xyzzy]", "there is no section [xyzzy]; there are camera, estimator"),
        ("screen = 3", "screen must be a section, [screen], not 3"),
        ("[screen]\nrotate = 45", "[screen] rotate must be one of 0, 90, 180, 270, not 45"),
        ("[screen]\nrotate = '90'", "[screen] rotate must be a whole number, not '90'"),
        ("[screen]\nfps = 0", "[screen] fps must be from 1 to 240, not 0"),
        ("[gif]\ncamera = 1", "[gif] camera must be true or false, not 1"),
        ("[gif]\nseconds = true", "[gif] seconds must be a number, not True"),
        ("[gif]\nseconds = nan", "[gif] seconds must be from 0.5 to 30, not nan"),
        ("[button]\npin = 2.5", "[button] pin must be a whole number, not 2.5"),
        ("[estimator]\nsize = '353'", "[estimator] size: a size is written HEIGHTxWIDTH, such as 353x481, not '353'"),
        ("[screen", "is not TOML"),
        ("[gif]\nseconds = " + "9" * 400, "[gif] seconds must be from 0.5 to 30, not 999"),
        ("[gif]\nseconds = " + "9" * 5000, "is not TOML: Exceeds the limit (4300 digits)"),
        ("[gif]\nseconds = 0x" + "f" * 5000, "must be from 0.5 to 30, not a number of thousands of digits"),
        ("[gif]\nseconds = " + "[" * 2000, "is not TOML: maximum recursion depth exceeded"),
        ("[gif]\nseconds = '" + "x" * 3000 + "'", "must be a number, not 'xxx"),
        ("[gif]\n" + "x" * 3000 + " = 1", "[gif] has no key 'xxx"),
        ("[estimator]\nsize = '" + "x" * 3000 + "'", "as 353x481, not 'xxx"),
        ('["a\\nb"]', "there is no section [a�b]; there are camera"),
    ],
)
def test_an_error_names_file_section_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = write_config(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_rejects_a_missing_file_and_bytes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"[gif]\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 6\)"):
        config.load(tmp_path / "bytes.toml")


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_reads_a_size_as_it_is_written(height: int, width: int) -> None:
    assert config.parse_size(f"{height}x{width}") == (height, width)


@given(st.text(max_size=40))
def test_any_text_is_a_configuration_or_an_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("config") / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        loaded = config.load(file)
    except ConfigError as error:
        message = str(error)
        assert message.startswith(str(file))
    else:
        assert math.isfinite(loaded.gif.seconds)
