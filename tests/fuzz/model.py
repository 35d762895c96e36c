"""Model surgery: any bytes are a model that can be read again without its decoder, or a ModelError."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from models.estimator import estimator, surgery
from models.estimator.catalogue import BUNDLED_MODEL
from models.estimator.model_files import WEIGHTS_FOLDER
from tests.fuzz.promise import BrokenPromise, Mutator, Reader, check_sentence

MAX_BYTES: Final = 65_536

DICTIONARY: Final = ("TFL3", surgery.DECODER_OP.decode(), surgery.EDGE_TPU_OP.decode())

ODD_NUMBERS: Final = (0, 1, 2, 3, 4, 5, 16, 255, 20_000, 20_001, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)

DEVICES: Final[tuple[Literal["cpu", "edgetpu"], ...]] = ("cpu", "edgetpu")


def seeds(folder: Path) -> Iterator[bytes]:
    """The bundled model without its weights; with Coral's decoder; as compiled for the Edge TPU; and cut shorter."""
    whole = (WEIGHTS_FOLDER / f"{BUNDLED_MODEL}.tflite").read_bytes()
    for parts in (None, 6, 0):
        yield _pack(_without_weights(whole, parts))
        yield _pack(_with_custom_operator(_without_weights(whole, parts), surgery.DECODER_OP))
    compiled = _without_weights(whole, 0)
    yield _pack(_with_custom_operator(_with_custom_operator(compiled, surgery.EDGE_TPU_OP), surgery.DECODER_OP))
    yield b"\x08\0\0\0TFL3" + bytes(64)


def make_reader(folder: Path) -> Reader:
    file = folder / "model.tflite"

    def read(data: bytes) -> None:
        try:
            stripped = surgery.strip_decoder(data)
            surgery.is_for_edge_tpu(data)
        except surgery.ModelError as error:
            check_sentence(error, "model")
        else:
            if len(stripped) != len(data):
                raise BrokenPromise(f"{len(data)} bytes became {len(stripped)}")
            surgery.strip_decoder(stripped)
        file.write_bytes(data)
        for device in DEVICES:
            try:
                estimator._read_model(file, device)
            except surgery.ModelError as error:
                check_sentence(error, file)

    return read


def mutate(data: bytes, rng: random.Random, bytewise: Mutator) -> bytes:
    """Change some offsets and counts, which all start at even positions; or change some bytes."""
    if rng.random() < 0.3 or len(data) < 8:
        return bytewise(data)
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        kind, size = rng.choice((("<I", 4), ("<I", 4), ("<H", 2)))
        at = rng.randrange(0, len(made) - size + 1, 2)
        (found,) = struct.unpack_from(kind, made, at)
        number = rng.choice((found + 1, found - 1, found * 2, len(made) - at, *ODD_NUMBERS))
        struct.pack_into(kind, made, at, number % 256**size)
    return bytes(made)


def _without_weights(content: bytes, operators: int | None) -> Any:
    """A model without its weights and with only its first operators, as the schema's objects."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        buffer.data = None
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        tensor.quantization.scale, tensor.quantization.zeroPoint = [0.5], [3]
    if operators is not None:
        graph.operators = graph.operators[:operators]
        graph.tensors, model.buffers = graph.tensors[:12], model.buffers[:12]
        graph.outputs = [0, 1, 2]
        for operator in graph.operators:
            operator.inputs, operator.outputs = [0, 1], [2]
    return model


def _with_custom_operator(model: Any, name: bytes) -> Any:
    """The model with one custom operation at its end that consumes its outputs."""
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, schema.BuiltinOperator.CUSTOM
    code.customCode = name.decode()
    graph, operator = model.subgraphs[0], schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes)
    operator.inputs, operator.outputs = list(graph.outputs)[:3], list(graph.outputs)
    operator.customOptions = list(b"options")
    model.operatorCodes.append(code)
    graph.operators = [*graph.operators, operator]
    return model


def _pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
