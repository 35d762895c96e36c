"""Models for the tests: a cache folder of their own, and a catalogue of two small files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import pytest

from models.estimator import catalogue as catalogue_module
from models.estimator import model_files
from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL, Model

CONTENT: Final = bytes(range(256)) * 1200
"""The content of every model file in these tests."""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of downloaded models, which does not exist yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("POSE_MIRROR_MODELS", raising=False)
    return tmp_path / "cache" / "pose-mirror" / "models"


@pytest.fixture
def both(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The path of the downloaded model, whose file is missing, and of the bundled model, whose file is there."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    nowhere = "http://127.0.0.1:1/"  # no server answers there
    models = [
        Model(name, url, digest, len(CONTENT), "", (353, 481), None, "")
        for name, url in ((DEFAULT_MODEL, nowhere), (BUNDLED_MODEL, ""))
    ]
    monkeypatch.setattr(catalogue_module, "catalogue", lambda: models)
    monkeypatch.setattr(model_files, "WEIGHTS_FOLDER", tmp_path)
    cache.mkdir(parents=True)
    (tmp_path / f"{BUNDLED_MODEL}.tflite").write_bytes(CONTENT)
    return cache / f"{DEFAULT_MODEL}.tflite", tmp_path / f"{BUNDLED_MODEL}.tflite"
