"""What the doctor says of each link."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from device import config
from device import folders as places
from device.cli import doctor
from device.cli.doctor import describe_throttling
from device.config import Config
from device.system.systemd import describe_device
from index.build.starter import ensure_starter_library
from index.build.writer import LibraryWriter, NewItem
from index.manifest import REPORT_FILE
from models.estimator.fetch import DEFAULT_MODEL, POSENET_MISSING_NOTE, cache_folder
from tests.device.test_mirror import STANDING


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


def test_every_link_is_checked_in_the_order_a_frame_takes() -> None:
    assert list(doctor.CHECKS) == [
        "model", "runtime", "Edge TPU", "camera", "library", "display", "button", "disk", "temperature", "service",
    ]  # fmt: skip


def test_with_our_own_model_alone_the_doctor_notes_it_and_says_how_to_fetch_a_better_one(settings: Config) -> None:
    found = dict(doctor.run_checks(settings))
    assert found["model"] == doctor.Finding("note", POSENET_MISSING_NOTE)
    assert "models fetch" in POSENET_MISSING_NOTE
    assert found["runtime"].state == "ok"


def test_a_damaged_download_is_bad_and_our_own_model_runs_in_its_stead(settings: Config) -> None:
    file = cache_folder() / f"{DEFAULT_MODEL}.tflite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"damaged")
    finding = doctor.CHECKS["model"](settings)
    assert finding.state == "bad"
    assert finding.sentence.startswith(f"{file} is damaged")
    assert finding.sentence.endswith(" The program's own network is used in its stead.")
    assert doctor.CHECKS["runtime"](settings).state == "ok"


def test_a_model_asked_for_by_name_that_is_not_here_is_bad(settings: Config) -> None:
    settings = replace(settings, estimator=replace(settings.estimator, model=DEFAULT_MODEL))
    finding = doctor.CHECKS["model"](settings)
    assert finding.state == "bad"
    assert f"models fetch {DEFAULT_MODEL}" in finding.sentence
    assert doctor.CHECKS["runtime"](settings).state == "bad"


def test_with_all_that_is_needed_nothing_is_bad(
    settings: Config, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_MIRROR_MODELS", str(models_folder))
    found = dict(doctor.run_checks(settings))
    assert {name for name, finding in found.items() if finding.state == "bad"} <= {"temperature"}
    assert f"{DEFAULT_MODEL}.tflite is whole" in found["model"].sentence
    assert "353×481" in found["runtime"].sentence
    assert found["camera"].sentence == "performer gives pictures of 640×480."


def test_a_missing_camera_is_bad_and_named(settings: Config) -> None:
    settings = replace(settings, camera=replace(settings.camera, source="usb:63"))
    finding = doctor.CHECKS["camera"](settings)
    assert finding.state == "bad"
    assert "/dev/video63" in finding.sentence


def test_a_library_that_is_none_is_bad_and_named(settings: Config, tmp_path: Path) -> None:
    settings = replace(settings, library=replace(settings.library, folder=str(tmp_path)))
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "bad"
    assert str(tmp_path) in finding.sentence


def test_a_library_of_your_own_is_counted_and_its_report_named(settings: Config, tmp_path: Path) -> None:
    picture = np.full((240, 320, 3), 90, np.uint8)
    with LibraryWriter(tmp_path / "library") as writer:
        for left in (0, 100):
            writer.add(NewItem(picture, np.column_stack([STANDING / 2 + (left, 0), np.ones(17)]).astype(np.float32)))
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
    assert "starter library is shown" in finding.sentence


def test_a_starter_library_is_said_to_grow_until_it_is_whole(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "first start" in doctor.CHECKS["library"](settings).sentence
    ensure_starter_library(places.starter_folder(), count=2)
    finding = doctor.CHECKS["library"](settings)
    assert finding.state == "note"
    assert "in 2 pictures; the mirror draws the others" in finding.sentence
    monkeypatch.setattr(doctor, "PICTURE_COUNT", 2)
    assert doctor.CHECKS["library"](settings).state == "ok"


def test_a_folder_for_gifs_that_is_a_file_is_bad(settings: Config, tmp_path: Path) -> None:
    (tmp_path / "gifs").write_text("no folder")
    settings = replace(settings, gif=replace(settings.gif, folder=str(tmp_path / "gifs")))
    assert doctor.CHECKS["disk"](settings).state == "bad"


def test_nowhere_to_write_is_found_before_the_folder_is_made(settings: Config, tmp_path: Path) -> None:
    finding = doctor.CHECKS["disk"](settings)
    assert finding.state == "ok"
    assert not places.gif_folder("").exists(), "the doctor changes nothing"


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        (0x0, []),
        (0x1, ["under-voltage"]),
        (0x4, ["it is throttled"]),
        (0x50000, ["under-voltage (earlier)", "it is throttled (earlier)"]),
        (0x50005, ["under-voltage", "it is throttled"]),
    ],
)
def test_a_pis_firmware_is_read_as_its_manual_says(bits: int, told: list[str]) -> None:
    assert describe_throttling(bits) == told


def installed(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    restarts: int = 0,
    load: str = "loaded",
    status: str = "24 fps.",
) -> None:
    """A systemctl that tells of a service in this state."""
    told = f"LoadState={load}\nActiveState={state}\nStatusText={status}\nNRestarts={restarts}"
    systemctl = folder / "systemctl"
    systemctl.write_text(f"#!/bin/sh\ncat <<E\n{told}\nE\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


@pytest.mark.parametrize(
    ("state", "restarts", "load", "found"),
    [
        ("inactive", 0, "not-found", ("ok", "Not installed")),
        ("active", 0, "loaded", ("ok", "It is up. 24 fps.")),
        ("active", 1, "loaded", ("note", "started again once")),
        ("active", 7, "loaded", ("note", "started again 7 times")),
        ("inactive", 0, "loaded", ("note", "systemctl start pose-mirror")),
        ("activating", 3, "loaded", ("bad", "journalctl -u pose-mirror -b")),
    ],
)
def test_how_the_service_does(
    settings: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    restarts: int,
    load: str,
    found: tuple[str, str],
) -> None:
    installed(tmp_path, monkeypatch, state, restarts, load)
    finding = doctor.CHECKS["service"](settings)
    assert finding.state == found[0]
    assert found[1] in finding.sentence


def test_what_the_running_service_has_is_not_missed(
    settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, "active")
    taken = replace(settings, camera=replace(settings.camera, source="/dev/video77"))
    assert dict(doctor.run_checks(taken))["camera"] == doctor.IN_USE
    installed(tmp_path, monkeypatch, "inactive")
    assert dict(doctor.run_checks(taken))["camera"].state == "bad"


def test_an_edge_tpu_that_the_running_service_estimates_on_is_not_missed(
    settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.estimator, "list_edge_tpus", lambda: ["An Edge TPU"])
    installed(tmp_path, monkeypatch, "active", status=f"24 fps, {describe_device('edgetpu')}.")
    assert dict(doctor.run_checks(settings))["Edge TPU"] == doctor.IN_USE
    installed(tmp_path, monkeypatch, "active", status=f"8 fps, {describe_device('cpu')}.")
    assert dict(doctor.run_checks(settings))["Edge TPU"] != doctor.IN_USE
