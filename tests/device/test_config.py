"""The configuration: its defaults, and the error for each mistake in a file."""

from __future__ import annotations

import math
import os
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import config
from device.cameras.controls import CameraControls
from device.choose import ChooseSettings
from device.config import CHOICES, DEFAULTS_FILE, RANGES, WORDS, Config, ConfigError
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
        default = template[section][key]
        assert default in WORDS[name] if name in WORDS else low <= default <= high
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


def test_a_camera_setting_may_be_a_word_or_a_number(tmp_path: Path) -> None:
    text = "[camera]\nfocus = 2\nexposure = 'locked'\nwhite_balance = 4000\nmains = 50\n"
    controls = config.load(write_config(tmp_path, text)).camera.controls
    assert controls == CameraControls(focus=2.0, exposure="locked", white_balance=4000.0, mains=50)
    assert isinstance(controls.focus, float)
    assert config.load(search_paths=()).camera.controls == CameraControls()


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
        ("[camera]\nfocus = 'near'", "[camera] focus must be \"auto\", or a number from 0 to 100, not 'near'"),
        ("[camera]\nfocus = inf", '[camera] focus must be "auto", or a number from 0 to 100, not inf'),
        ("[camera]\nexposure = 0", '[camera] exposure must be "auto" or "locked", or a number from 0.1 to 66, not 0'),
        ("[camera]\nexposure = true", '"auto" or "locked", or a number from 0.1 to 66, not true'),
        ("[camera]\nmains = 55", "[camera] mains must be one of 0, 50, 60, not 55"),
        ("[gif]\ncamera = 1", "[gif] camera must be true or false, not 1"),
        ("[gif]\nseconds = true", "[gif] seconds must be a number, not true"),
        ("[gif]\nseconds = nan", "[gif] seconds must be from 0.5 to 30, not nan"),
        ("[button]\nside = 'up'", "[button] side must be one of left, right, top, bottom, \"\", not 'up'"),
        ("[button]\nled = 17", "[button] pin and led are both 17: use another pin for the light"),
        (
            "[share]\naddress = 'mirror.local'",
            "[share] address: 'mirror.local' is not the address of a page: write one",
        ),
        ("[share]\naddress = 'http://mirror:99999'", "[share] address: 'http://mirror:99999' is not the address of a"),
        ("[share]\nwifi = '" + "ö" * 17 + "'", "öö' is longer than the name of any Wi-Fi, which has 32 bytes at most"),
        ("[share]\nwifi = 'x'\nwifi_password = '1234567'", "a Wi-Fi's password has 8 to 63 characters, not 7"),
        ("[share]\nwifi_password = '12345678'", "[share] wifi_password needs wifi, the name of the Wi-Fi"),
        ("[button]\npin = 2.5", "[button] pin must be a whole number, not 2.5"),
        ("[estimator]\nsize = '353'", "[estimator] size: a size is written HEIGHTxWIDTH, such as 353x481, not '353'"),
        ("[estimator]\nsize = '0x0'", "[estimator] size: a model's input must have 65 to 2049 pixels a side, not 0×0"),
        ("[estimator]\nmodel = ''", '[estimator] model must not be empty: delete the line for "auto"'),
        ("[camera]\nsource = ''", '[camera] source must not be empty: delete the line for "auto"'),
        ("[gif]\nseconds = 2026-01-02", "[gif] seconds must be a number, not 2026-01-02"),
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[camera]\nsource = “usb”", "(at line 2, column 10): write straight quotation marks"),
        ("[camera]\nsource = 'usb’", "write straight quotation marks"),
        ("[screen]\nfps = 25\nfps = 30", "(at line 3, column 9): this key stands there twice"),
        ("[screen]\nfps = 25\n[gif]\n[screen]\nrotate = 90", "this section stands there twice: put its keys below"),
        ('[gif]\nfolder = "C:\\gifs"', "write / instead of \\ in a path"),
        ('[gif]\nfolder = "C:\\users"', "write / instead of \\ in a path"),
        ("[gif]\nseconds\u00a0= 4", "(at line 2, column 8): a blank there is not a plain one: type the line again"),
        ("[gif]\n\ufeffseconds = 4", "a blank there is not a plain one"),
        ("[gif]\nseconds = −4", "(at line 2, column 11): write a plain minus, -"),
        ("[gif]\nseconds = 4,5", "(at line 2, column 12): write a decimal point, not a comma"),
        ("[gif]\ncamera = True", "(at line 2, column 10): write true or false"),
        ("[camera]\nsource = usb", "(at line 2, column 10): write text in quotation marks"),
        ("[library]\nfolder = /srv/photos", "write text in quotation marks"),
    ],
)
def test_a_common_mistake_gets_its_remedy(tmp_path: Path, text: str, message: str) -> None:
    for end in ("", "\n"):
        with pytest.raises(ConfigError) as caught:
            config.load(write_config(tmp_path, f"{text}{end}"))
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_reads_what_windows_writes(tmp_path: Path, mark: bytes, line_end: str) -> None:
    file = tmp_path / "mirror.toml"
    file.write_bytes(mark + line_end.join(["[screen]", "fps = 25", "[gif]", 'folder = "/ä"', ""]).encode())
    loaded = config.load(file)
    assert (loaded.screen.fps, loaded.gif.folder) == (25, "/ä")


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "\ufeff"])
def test_an_empty_file_changes_nothing(tmp_path: Path, text: str) -> None:
    assert replace(config.load(write_config(tmp_path, text)), file=None) == config.load(search_paths=())


def test_paths_are_below_the_configurations_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = "[camera]\nsource='dance.mp4'\n[estimator]\nmodel='mine.tflite'\n[library]\nfolder='../p'\n[gif]\nfolder='g'"
    (tmp_path / "conf").mkdir()
    write_config(tmp_path / "conf", text)
    monkeypatch.chdir(tmp_path)
    loaded = config.load(Path("conf/mirror.toml"))
    assert loaded.camera.source == str(tmp_path / "conf/dance.mp4")
    assert loaded.estimator.model == str(tmp_path / "conf/mine.tflite")
    assert (loaded.library.folder, loaded.gif.folder) == (str(tmp_path / "p"), str(tmp_path / "conf/g"))


def test_tilde_is_the_home_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    text = "[camera]\nsource='~/d.mp4'\n[estimator]\nmodel='~/m.tflite'\n[library]\nfolder='~/p'\n[gif]\nfolder='~'"
    loaded = config.load(write_config(tmp_path, text))
    assert (loaded.camera.source, loaded.estimator.model) == ("/home/me/d.mp4", "/home/me/m.tflite")
    assert (loaded.library.folder, loaded.gif.folder) == ("/home/me/p", "/home/me")


@pytest.mark.parametrize("key", ["camera.source", "estimator.model", "library.folder", "gif.folder"])
def test_a_path_with_a_nul_is_an_error(tmp_path: Path, key: str) -> None:
    file = write_config(tmp_path, f'{key} = "a\\u0000b/c"\n')
    with pytest.raises(ConfigError, match="because no path has a NUL character"):
        config.load(file)


def test_names_in_a_configuration_stay_names(tmp_path: Path) -> None:
    loaded = config.load(write_config(tmp_path, "[camera]\nsource = 'usb:1'\n[estimator]\nmodel = 'posenet'"))
    assert (loaded.camera.source, loaded.estimator.model) == ("usb:1", "posenet")
    assert loaded.library.folder == loaded.gif.folder == ""


def test_a_pipes_paths_are_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reading, writing = os.pipe()
    os.write(writing, b"[gif]\nfolder = 'gifs'")
    os.close(writing)
    try:
        assert config.load(Path(f"/dev/fd/{reading}")).gif.folder == str(tmp_path / "gifs")
    finally:
        os.close(reading)


def test_rejects_what_is_not_a_configuration(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    for file, message in (
        (tmp_path / "none.toml", "cannot be read: No such file"),
        (tmp_path, "is a folder: name the file in it"),
        (Path("/dev/zero"), "is larger than a configuration can be"),
        (write("bytes.toml", b"[gif]\n\xff\xfe"), r"is not UTF-8 text \(byte 6\): save it as UTF-8"),
        (write("utf-16.toml", "[gif]\n".encode("utf-16")), "is UTF-16 text: save it as UTF-8"),
    ):
        with pytest.raises(ConfigError, match=message):
            config.load(file)


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
