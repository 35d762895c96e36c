"""The catalogue: its entries are complete and agree with the files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from models.estimator.catalogue import BUNDLED_MODEL, DEFAULT_MODEL, catalogue, edgetpu_variant


def test_entries_are_complete_and_consistent() -> None:
    names = [model.name for model in catalogue()]
    assert DEFAULT_MODEL in names
    assert [model.name for model in catalogue() if not model.url] == [BUNDLED_MODEL]
    for model in catalogue():
        assert model.licence == "Apache-2.0"
        assert model.about.endswith(".")
        if not model.url:
            continue
        assert model.url.startswith("https://github.com/google-coral/project-posenet/raw/")
        assert model.url.endswith(f"/{model.file_name}")
        assert f"_{model.size[0]}_{model.size[1]}_" in model.name
        assert (model.edgetpu is None) == model.name.endswith("_edgetpu")
        assert model.edgetpu is None or model.edgetpu in names


def test_lists_every_downloaded_posenet(models_folder: Path) -> None:
    checksums = models_folder / "SHA256SUMS"
    if not checksums.is_file():
        pytest.skip("SHA256SUMS is not with the models")
    expected = {tuple(line.split()) for line in checksums.read_text().splitlines() if "posenet" in line}
    downloaded = [model for model in catalogue() if model.url]
    assert {(model.sha256, model.file_name) for model in downloaded} == expected
    for model in downloaded:
        assert (models_folder / model.file_name).stat().st_size == model.bytes


def test_bundled_file_matches_its_entry(bundled_posenet: Path) -> None:
    (model,) = (model for model in catalogue() if not model.url)
    content = bundled_posenet.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (model.sha256, model.bytes)
    assert len(content) <= 1_500_000


def test_names_the_variant_for_the_edge_tpu() -> None:
    variant = edgetpu_variant(DEFAULT_MODEL)
    assert variant == f"{DEFAULT_MODEL}_edgetpu"
    assert edgetpu_variant(f"{DEFAULT_MODEL}.tflite") == variant
    assert edgetpu_variant(variant) is None
    assert edgetpu_variant("mine.tflite") is None
