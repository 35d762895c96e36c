"""What the doctor says about each part of the mirror."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory, MockPWMPin

from device import config, folders
from device.cli import doctor
from device.cli.finding import Finding
from device.config import Config
from device.share import address
from device.share.address import Address, Wifi, write_address
from device.system.hardware import describe_throttling, throttling_remedy
from device.system.systemd import describe_device
from index.build.starter import ensure_starter_library
from index.build.writer import LibraryWriter
from index.manifest import REPORT_FILE
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.model_files import POSENET_MISSING_NOTE, cache_folder
from tests.device.test_mirror import STANDING
from tests.support.libraries import NewItem, add_item, write_library


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """All defaults, with a home of its own, a headless screen and the performer."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_PICTURES_DIR", "POSE_MIRROR_MODELS"):
        monkeypatch.delenv(name, raising=False)
    loaded = config.load(search_paths=())
    return replace(
        loaded,
        camera=replace(loaded.camera, source="performer"),
        screen=replace(loaded.screen, display="headless"),
    )


def test_checks_every_part() -> None:
    assert list(doctor.CHECKS) == [
        "model", "runtime", "Edge TPU", "camera", "library", "display", "language", "button", "light",
        "sound", "disk", "temperature", "sharing", "service",
    ]  # fmt: skip


def test_checks_light_and_sound_only_if_they_are_used(
    settings: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    findings = dict(doctor.run_checks(settings))
    assert findings["light"] == Finding("ok", "No light is configured at the button.")
    assert findings["sound"].sentence == "Not used, because the configuration says [sound] volume = 0."
    used = replace(settings, button=replace(settings.button, led=18), sound=replace(settings.sound, volume=0.5))
    monkeypatch.setattr(Device, "pin_factory", MockFactory(pin_class=MockPWMPin))
    findings = dict(doctor.run_checks(used))
    assert findings["light"] == Finding("ok", "The light on GPIO 18 is ready.")
    assert findings["sound"] == Finding("ok", "The sound device is ready.")
    monkeypatch.setenv("SDL_AUDIODRIVER", "no-such-driver")
    assert doctor.CHECKS["sound"](used).state == "note"


def test_notes_that_only_the_bundled_model_is_here(settings: Config) -> None:
    findings = dict(doctor.run_checks(settings))
    assert findings["model"] == Finding("note", POSENET_MISSING_NOTE)
    assert "models fetch" in POSENET_MISSING_NOTE
    assert findings["runtime"].state == "ok"


@pytest.mark.parametrize("content", [None, b"damaged"])
def test_a_wrong_model_is_named_once(settings: Config, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / f"{DEFAULT_MODEL}.tflite"
    if content is not None:
        file.write_bytes(content)
    settings = replace(settings, estimator=replace(settings.estimator, model=str(file)))
    findings = dict(doctor.run_checks(settings))
    assert findings["model"].state == findings["runtime"].state == "bad"
    assert str(file) in findings["model"].sentence
    assert findings["runtime"].sentence == "There is no model to run: see `model` above."


def test_a_model_of_ones_own_is_not_called_complete(settings: Config, tmp_path: Path) -> None:
    (tmp_path / "mine.tflite").write_bytes(b"TFL3?")
    settings = replace(settings, estimator=replace(settings.estimator, model=str(tmp_path / "mine.tflite")))
    findings = dict(doctor.run_checks(settings))
    assert findings["model"] == Finding("ok", f"{tmp_path}/mine.tflite is your own: see `runtime` below.")
    assert findings["runtime"].state == "bad"


def test_a_damaged_starter_library_needs_no_build(settings: Config) -> None:
    folder = folders.starter_folder()
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "bad"
    assert finding.sentence.endswith(". The mirror draws it again at the next start.")
    assert "index build" not in finding.sentence


def test_says_where_the_starter_library_cannot_be_drawn(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "bad"
    assert "because /dev/null cannot be written to: set XDG_DATA_HOME to" in finding.sentence


def test_runs_the_bundled_model_if_posenet_is_damaged(settings: Config) -> None:
    file = cache_folder() / f"{DEFAULT_MODEL}.tflite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"damaged")
    finding = doctor.CHECKS["model"](settings)
    assert finding.state == "bad"
    assert finding.sentence.startswith(f"{file} is damaged")
    assert finding.sentence.endswith(" The bundled model is used instead.")
    assert doctor.CHECKS["runtime"](settings).state == "ok"


def test_a_configured_model_that_is_missing_is_bad(settings: Config) -> None:
    settings = replace(settings, estimator=replace(settings.estimator, model=DEFAULT_MODEL))
    finding = doctor.CHECKS["model"](settings)
    assert finding.state == "bad"
    assert f"models fetch {DEFAULT_MODEL}" in finding.sentence
    assert doctor.CHECKS["runtime"](settings).state == "bad"


def test_finds_nothing_bad_on_a_complete_machine(
    settings: Config, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(models_folder))
    findings = dict(doctor.run_checks(settings))
    assert {name for name, finding in findings.items() if finding.state == "bad"} <= {"temperature"}
    assert f"{DEFAULT_MODEL}.tflite is complete" in findings["model"].sentence
    assert "353×481" in findings["runtime"].sentence
    assert findings["camera"].sentence == "performer delivers frames of 640×480 pixels."


def test_a_missing_camera_is_bad(settings: Config) -> None:
    settings = replace(settings, camera=replace(settings.camera, source="usb:63"))
    finding = doctor.CHECKS["camera"](settings)
    assert finding.state == "bad"
    assert "/dev/video63" in finding.sentence


def test_a_folder_that_is_not_a_library_is_bad(settings: Config, tmp_path: Path) -> None:
    settings = replace(settings, library=replace(settings.library, folder=str(tmp_path)))
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "bad"
    assert str(tmp_path) in finding.sentence


def test_counts_a_library_and_names_its_report(settings: Config, tmp_path: Path) -> None:
    picture = np.full((240, 320, 3), 90, np.uint8)
    with LibraryWriter(tmp_path / "library") as writer:
        for left in (0, 100):
            add_item(
                writer, NewItem(picture, np.column_stack([STANDING / 2 + (left, 0), np.ones(17)]).astype(np.float32))
            )
        writer.write_page(REPORT_FILE, "<!doctype html>")
        writer.finish()
    settings = replace(settings, library=replace(settings.library, folder=str(tmp_path / "library")))
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "ok"
    assert "2 people in 1 picture," in finding.sentence
    assert str(tmp_path / "library" / REPORT_FILE) in finding.sentence
    (tmp_path / "library" / "items.sqlite").write_bytes(b"damaged")
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "bad"
    assert "items.sqlite" in finding.sentence
    assert "shows the starter library" in finding.sentence


def test_notes_an_unknown_collection(settings: Config, tmp_path: Path) -> None:
    person = np.column_stack([STANDING / 2, np.ones(17)]).astype(np.float32)
    write_library([NewItem(np.full((240, 320, 3), 90, np.uint8), person, collection="Yoga")], tmp_path / "library")
    sentences = {}
    for name in ("yoga", "dance"):
        library = replace(settings.library, folder=str(tmp_path / "library"), collection=name)
        finding = doctor.CHECKS["library"](replace(settings, library=library))
        sentences[finding.state] = finding.sentence
    assert sentences["ok"].endswith("Its collections are Yoga (1 person).")
    assert "collection is dance" in sentences["note"]
    assert sentences["note"].endswith("use one of Yoga. The mirror shows everything.")


def test_notes_that_the_starter_library_still_grows(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "starts the first time" in doctor.CHECKS["library"](settings).sentence
    ensure_starter_library(folders.starter_folder(), count=2)
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "note"
    assert "2 people in 2 of 6,000 pictures. The mirror draws the rest" in finding.sentence
    monkeypatch.setattr(doctor, "PICTURE_COUNT", 2)
    assert doctor.CHECKS["library"](settings).state == "ok"


def test_a_gif_folder_that_is_a_file_is_bad(settings: Config, tmp_path: Path) -> None:
    (tmp_path / "gifs").write_text("not a folder")
    settings = replace(settings, gif=replace(settings.gif, folder=str(tmp_path / "gifs")))
    assert doctor.CHECKS["disk"](settings).state == "bad"


def test_does_not_make_the_gif_folder(settings: Config, tmp_path: Path) -> None:
    finding = doctor.CHECKS["disk"](settings)
    assert finding.state == "ok"
    assert not folders.gif_folder("").exists(), "the doctor changes nothing"


@pytest.mark.parametrize(
    ("bits", "problems"),
    [
        (0x0, []),
        (0x1, ["under-voltage"]),
        (0x4, ["throttled"]),
        (0x50000, ["under-voltage (earlier)", "throttled (earlier)"]),
        (0x50005, ["under-voltage", "throttled"]),
    ],
)
def test_describes_what_the_firmware_reports(bits: int, problems: list[str]) -> None:
    assert describe_throttling(bits) == problems


@pytest.mark.parametrize(
    ("bits", "degrees", "supply", "cooling"),
    [
        (0x50005, 60.0, True, False),
        (0x50005, 85.0, True, True),
        (0x4, 79.0, False, True),
        (0x90009, 70.0, True, True),
        (0x0, 85.0, False, True),
    ],
)
def test_the_remedy_fits_the_flag(bits: int, degrees: float, supply: bool, cooling: bool) -> None:
    remedy = throttling_remedy(describe_throttling(bits), degrees)
    assert ("power supply" in remedy, "cool the machine" in remedy) == (supply, cooling)


def install_service(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    restarts: int = 0,
    load: str = "loaded",
    status: str = "24 fps.",
) -> None:
    """Put a `systemctl` first on the path that reports a service in this state."""
    properties = f"LoadState={load}\nActiveState={state}\nStatusText={status}\nNRestarts={restarts}"
    systemctl = folder / "systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat <<E\n{properties}\nE\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize(
    ("state", "restarts", "load", "expected"),
    [
        ("inactive", 0, "not-found", ("ok", "Not installed")),
        ("active", 0, "loaded", ("ok", "Running. 24 fps.")),
        ("active", 1, "loaded", ("note", "restarted once")),
        ("active", 7, "loaded", ("note", "restarted 7 times")),
        ("inactive", 0, "loaded", ("note", "systemctl start pose-mirror")),
        ("activating", 3, "loaded", ("bad", "journalctl -u pose-mirror -b")),
    ],
)
def test_says_how_the_service_is_doing(
    settings: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    restarts: int,
    load: str,
    expected: tuple[str, str],
) -> None:
    install_service(tmp_path, monkeypatch, state, restarts, load)
    finding = doctor.CHECKS["service"](settings)
    assert finding.state == expected[0]
    assert expected[1] in finding.sentence


def test_does_not_open_what_the_service_uses(settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_service(tmp_path, monkeypatch, "active")
    other_camera = replace(settings, camera=replace(settings.camera, source="/dev/video77"))
    assert dict(doctor.run_checks(other_camera))["camera"] == doctor.IN_USE
    install_service(tmp_path, monkeypatch, "inactive")
    assert dict(doctor.run_checks(other_camera))["camera"].state == "bad"


def test_does_not_open_the_edge_tpu_of_the_service(
    settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "list_edge_tpus", lambda: ["An Edge TPU"])
    install_service(tmp_path, monkeypatch, "active", status=f"24 fps, {describe_device('edgetpu')}.")
    assert dict(doctor.run_checks(settings))["Edge TPU"] == doctor.IN_USE
    install_service(tmp_path, monkeypatch, "active", status=f"8 fps, {describe_device('cpu')}.")
    assert dict(doctor.run_checks(settings))["Edge TPU"] != doctor.IN_USE


def test_lists_the_cameras_even_if_none_opens(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = ["pi:1 is imx708, and can be set: focus from 7 cm.", "usb:0 is C920."]
    monkeypatch.setattr(doctor, "describe_cameras", lambda: sentences)
    assert doctor.CHECKS["camera"](settings).sentence.endswith(f" pixels. {' '.join(sentences)}")
    settings = replace(settings, camera=replace(settings.camera, source="usb:97"))
    finding = doctor.CHECKS["camera"](settings)
    assert finding == Finding("bad", f"No camera found at /dev/video97: plug one in. {' '.join(sentences)}")


def test_lists_the_displays_where_there_are_several(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "output" not in doctor.CHECKS["display"](settings).sentence
    monkeypatch.setattr(doctor, "describe_outputs", lambda kind: ["HDMI-A-1 (1920x1080)", "HDMI-A-2 (800x480)"])
    sentence = doctor.CHECKS["display"](settings).sentence
    assert sentence.endswith(" Displays for [screen] output: HDMI-A-1 (1920x1080), HDMI-A-2 (800x480).")


def test_names_the_package_for_credits_without_a_font(
    settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("device.display.fonts.system_fonts", tuple)
    settings = replace(settings, library=replace(settings.library, folder=str(tmp_path / "library")))
    picture = np.full((480, 640, 3), 90, np.uint8)
    person = np.column_stack([STANDING, np.ones(17)]).astype(np.float32)
    credits = ("Ünïcode – 10 €", "山田太郎"), (None, "สมชาย"), (None, None)
    items = [NewItem(picture, person, title, author) for title, author in credits]
    write_library(items, tmp_path / "library")
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "note"
    assert finding.sentence.endswith(
        "Credits in Chinese, Thai are boxes on the screen, for want of a font: "
        "run `sudo apt install fonts-noto-core fonts-wqy-microhei`."
    )


def test_reports_the_kernels_under_voltage(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "read_temperature", lambda: 61.2)
    monkeypatch.setattr(doctor, "read_throttle_bits", lambda: None)
    monkeypatch.setattr(doctor, "read_under_voltage", lambda: True)
    supply = "use the power supply made for this machine"
    assert doctor.CHECKS["temperature"](settings) == Finding("bad", f"61 °C, under-voltage: {supply}.")
    monkeypatch.setattr(doctor, "read_under_voltage", lambda: None)
    assert doctor.CHECKS["temperature"](settings) == Finding("ok", "61 °C.")


def test_says_whether_phones_reach_the_page(settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    check = doctor.CHECKS["sharing"]
    assert check(settings) == Finding("ok", "Not used, because the configuration says [share] enabled = false.")
    shared = replace(settings, share=replace(settings.share, enabled=True))
    install_service(tmp_path, monkeypatch, "inactive", load="not-found")
    assert check(shared).state == "bad"
    assert "run `pose-mirror share`" in check(shared).sentence
    install_service(tmp_path, monkeypatch, "active")
    assert check(shared).state == "bad"
    assert "`systemctl status pose-mirror-share`" in check(shared).sentence
    write_address(address.runtime_folder(), Address("http://192.168.1.5/"))
    assert check(shared) == Finding("ok", "Phones find the page at http://192.168.1.5/.")
    write_address(address.runtime_folder(), Address("http://10.41.0.1/", Wifi("Mirror", "secret12")))
    finding = check(shared)
    assert finding == Finding("ok", "Phones find the page at http://10.41.0.1/, in the Wi-Fi Mirror.")
