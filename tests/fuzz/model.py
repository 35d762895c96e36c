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
from models.estimator.fetch import OWN, WEIGHTS
from tests.fuzz.promise import Broken, Mutate, Read, check_sentence

LONGEST: Final = 65_536

WORDS: Final = ("TFL3", surgery.DECODER.decode(), surgery.EDGE_TPU.decode())

NUMBERS: Final = (0, 1, 2, 3, 4, 5, 16, 255, 20_000, 20_001, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)

DEVICES: Final[tuple[Literal["cpu", "edgetpu"], ...]] = ("cpu", "edgetpu")


def seeds(folder: Path) -> Iterator[bytes]:
    """Our own network without its weights; with Coral's decoder; as compiled for the Edge TPU; and smaller ones."""
    whole = (WEIGHTS / f"{OWN}.tflite").read_bytes()
    for parts in (None, 6, 0):
        yield _packed(_hollow(whole, parts))
        yield _packed(_ending_in(_hollow(whole, parts), surgery.DECODER))
    compiled = _hollow(whole, 0)
    yield _packed(_ending_in(_ending_in(compiled, surgery.EDGE_TPU), surgery.DECODER))
    yield b"\x08\0\0\0TFL3" + bytes(64)


def reader(folder: Path) -> Read:
    file = folder / "model.tflite"

    def read(data: bytes) -> None:
        try:
            stripped = surgery.without_decoder(data)
            surgery.is_for_edge_tpu(data)
        except surgery.ModelError as error:
            check_sentence(error, "model")
        else:
            if len(stripped) != len(data):
                raise Broken(f"{len(data)} bytes became {len(stripped)}")
            surgery.without_decoder(stripped)
        file.write_bytes(data)
        for device in DEVICES:
            try:
                estimator._content(file, device)
            except surgery.ModelError as error:
                check_sentence(error, file)

    return read


def mutated(data: bytes, chance: random.Random, bytewise: Mutate) -> bytes:
    """Some of the offsets and counts, all of which begin at a multiple of two bytes, another; else other bytes."""
    if chance.random() < 0.3 or len(data) < 8:
        return bytewise(data)
    made = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        kind, size = chance.choice((("<I", 4), ("<I", 4), ("<H", 2)))
        at = chance.randrange(0, len(made) - size + 1, 2)
        (found,) = struct.unpack_from(kind, made, at)
        number = chance.choice((found + 1, found - 1, found * 2, len(made) - at, *NUMBERS))
        struct.pack_into(kind, made, at, number % 256**size)
    return bytes(made)


def _hollow(content: bytes, operators: int | None) -> Any:
    """A network without its weights and with its first operators alone, as the schema's objects."""
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


def _ending_in(model: Any, name: bytes) -> Any:
    """The network with one custom operation at its end that takes its outputs in."""
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


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
