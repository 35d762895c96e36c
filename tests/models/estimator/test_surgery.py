"""Taking Coral's decoder out of its models, and rejecting damaged files and files that are not models."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimator.estimator import Estimator
from models.estimator.posenet import Quantized
from models.estimator.surgery import ModelError, is_for_edge_tpu, strip_decoder

SIZES = ("353_481", "481_641", "721_1281")
HEADER, FOOTER = 4000, 40_000
"""Bytes at both ends of a model that hold its structure. Between them are weights, where every bit is valid."""


def model(folder: Path, size: str = "353_481", kind: str = "quant_decoder") -> bytes:
    return (folder / f"posenet_mobilenet_v1_075_{size}_{kind}.tflite").read_bytes()


def heads(content: bytes, folder: Path, picture: Quantized) -> list[Quantized]:
    """Return the heat maps, short and mid offsets of a picture, from a model without decoder."""
    file = folder / "model.tflite"
    file.write_bytes(content)
    with Estimator(file, size=picture.shape[:2]) as estimator:
        return list(estimator.heads(picture)[:3])


@pytest.mark.parametrize("size", SIZES)
def test_stripped_model_equals_corals_model_of_heads(size: str, models_folder: Path, tmp_path: Path) -> None:
    """Coral's two files quantize two heads differently, so one file is first given the scales of the other."""
    stripped = strip_decoder(model(models_folder, size))
    for old, new in ((6 / 127.5, 0.0784313753247261), (0.3921568691730499, 0.0784313753247261)):
        assert stripped.count(struct.pack("<f", old)) == 1
        stripped = stripped.replace(struct.pack("<f", old), struct.pack("<f", new))
    picture = np.random.default_rng(3).integers(0, 256, (193, 257, 3), np.uint8)
    raw = heads(model(models_folder, size, "quant"), tmp_path, picture)
    for actual, expected in zip(heads(stripped, tmp_path, picture), raw, strict=True):
        assert (actual == expected).all()


def test_mid_offsets_equal_those_of_corals_model_of_heads(models_folder: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (193, 257, 3), np.uint8)
    stripped = heads(strip_decoder(model(models_folder)), tmp_path, picture)
    raw = heads(model(models_folder, kind="quant"), tmp_path, picture)
    assert (stripped[2] == raw[2]).all()


@pytest.mark.parametrize("size", SIZES)
def test_stripped_model_for_the_edge_tpu_has_one_op(size: str, models_folder: Path) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="only LiteRT includes the schema")
    stripped = strip_decoder(model(models_folder, size, "quant_decoder_edgetpu"))
    read = schema.Model.GetRootAsModel(stripped, 0)
    graph = read.Subgraphs(0)
    assert [read.OperatorCodes(i).CustomCode() for i in range(read.OperatorCodesLength())] == [b"edgetpu-custom-op"]
    assert graph.OperatorsLength() == 1
    assert list(graph.OutputsAsNumpy()) == list(graph.Operators(0).OutputsAsNumpy())
    shapes = [tuple(graph.Tensors(i).ShapeAsNumpy()) for i in graph.OutputsAsNumpy()]
    assert [shape[3] for shape in shapes] == [17, 34, 64]


def test_model_without_decoder_stays_unchanged(models_folder: Path) -> None:
    raw, stripped = model(models_folder, kind="quant"), strip_decoder(model(models_folder))
    assert strip_decoder(raw) is raw
    assert strip_decoder(stripped) is stripped
    assert len(stripped) == len(model(models_folder))


def test_tells_models_for_the_edge_tpu_from_others(models_folder: Path) -> None:
    assert is_for_edge_tpu(model(models_folder, kind="quant_decoder_edgetpu"))
    assert not is_for_edge_tpu(model(models_folder))


@given(st.binary(max_size=400), st.booleans())
def test_rejects_any_other_bytes(content: bytes, has_mark: bool) -> None:
    if has_mark:
        content = content[:4] + b"TFL3" + content[8:]
    with pytest.raises(ModelError, match=r"^(the|this) [^\n]+$"):
        strip_decoder(content)


@given(st.floats(0, 1))
@settings(max_examples=60)
def test_rejects_a_truncated_model(models_folder: Path, part: float) -> None:
    whole = model(models_folder)
    unused = 64  # nothing in the file refers to its last bytes
    with pytest.raises(ModelError, match="damaged"):
        strip_decoder(whole[: int(part * (len(whole) - unused))])


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(-FOOTER, HEADER - 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=250)
def test_wrong_bytes_never_crash_or_hang(models_folder: Path, wrong: list[tuple[int, int]]) -> None:
    content = bytearray(model(models_folder))
    for place, byte in wrong:
        content[place] = byte
    start = time.process_time()
    with suppress(ModelError):
        assert len(strip_decoder(bytes(content))) == len(content)
    assert time.process_time() - start < 2


def test_rejects_millions_of_parts_at_once(models_folder: Path) -> None:
    """Every offset refers to the same place, which holds a number that is too large for a count."""
    content = bytearray(model(models_folder))
    content[8:] = struct.pack("<I", 100_000) * ((len(content) - 8) // 4)
    start = time.process_time()
    with pytest.raises(ModelError):
        strip_decoder(bytes(content))
    assert time.process_time() - start < 1
