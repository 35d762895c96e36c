"""Starting the mirror: which settings each command runs with."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from device import start
from device.config import Config


@pytest.mark.parametrize(("named", "used"), [(None, "bundled"), ("posenet_quant", "posenet_quant")])
def test_the_demo_reads_its_drawn_person_with_the_bundled_model(
    named: str | None, used: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[Config] = []

    def run(settings: Config, folder: Path, seconds: float) -> int:
        ran.append(settings)
        return 0

    monkeypatch.setattr(start, "_run_headless_demo", run)
    settings = tmp_path / "mirror.toml"
    settings.write_text('[button]\npin = 17\nled = 18\n[library]\nfolder = "mine"\n')
    args = argparse.Namespace(
        config=settings, display="headless", model=named, screenshots=tmp_path, seconds=1.0, camera=None, library=None
    )
    assert start.demo(args) == 0
    (demo,) = ran
    assert demo.estimator.model == used
    assert (demo.camera.source, demo.library.folder) == ("performer", "")
    assert (demo.button.pin, demo.button.led) == (0, 0)
