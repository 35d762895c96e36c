"""Take Coral's decoder out of a PoseNet model's file, so that any runtime can load it and return its heads.

Coral's models end in the custom op `PosenetDecoderOp`, which no runtime includes. Without it, the outputs are the op's
inputs: heat maps, short offsets, mid offsets. The file is changed in place: a model is a flatbuffer, and shortening
three of its vectors removes the op.

Everything that a runtime will follow is checked first, because not every runtime does so (tflite-runtime 2.14 crashes
on half a file). https://flatbuffers.dev/internals describes the layout, tensorflow/lite/schema/schema.fbs the content.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

DECODER_OP: Final = b"PosenetDecoderOp"
EDGE_TPU_OP: Final = b"edgetpu-custom-op"

HEAD_COUNT: Final = 3
"""The decoder's inputs: heat maps, short offsets, mid offsets."""

MAX_TABLES: Final = 20_000
"""Tables in a file at most. A PoseNet has far fewer, and a damaged file can claim millions."""


class ModelError(ValueError):
    """The model is damaged or not a PoseNet; the message is one sentence."""


class TableSchema(NamedTuple):
    """The fields of a table that refer to other parts of the file, by their number in the schema."""

    vectors: Mapping[int, int] = {}
    """Vectors of numbers: the bytes of one number. Text is a vector of bytes."""
    subtables: Mapping[int, TableSchema] = {}
    table_vectors: Mapping[int, TableSchema] = {}


# schema.fbs numbers fields in the order of their declarations.
_QUANTIZATION = TableSchema(vectors={0: 4, 1: 4, 2: 4, 3: 8})
_TENSOR = TableSchema(vectors={0: 4, 3: 1, 7: 4}, subtables={4: _QUANTIZATION})
_OPERATOR = TableSchema(vectors={1: 4, 2: 4, 5: 1, 7: 1, 8: 4}, subtables={4: TableSchema()})
_GRAPH = TableSchema(vectors={1: 4, 2: 4, 4: 1}, table_vectors={0: _TENSOR, 3: _OPERATOR})
_CODE = TableSchema(vectors={1: 1})
_MODEL = TableSchema(
    vectors={3: 1, 5: 4},
    table_vectors={1: _CODE, 2: _GRAPH, 4: TableSchema(vectors={0: 1}), 6: TableSchema(vectors={0: 1})},
)
_MODEL_CODES, _MODEL_GRAPHS = 1, 2
_CODE_NAME = 1
_GRAPH_TENSORS, _GRAPH_OUTPUTS, _GRAPH_OPERATORS = 0, 2, 3
_OPERATOR_CODE, _OPERATOR_INPUTS = 0, 1


def strip_decoder(model: bytes) -> bytes:
    """Return the model with its heads as outputs: heat maps, short offsets, mid offsets.

    `model` is the content of a .tflite file; one without a decoder is returned unchanged. Raises ModelError if it is
    damaged.
    """
    file, codes, graph = _parse(model)
    operators = file.tables(graph, _GRAPH_OPERATORS)
    used = [file.number(operator, _OPERATOR_CODE) for operator in operators]
    names = [file.text(code, _CODE_NAME) for code in codes]
    if DECODER_OP not in names:
        return model
    decoder = names.index(DECODER_OP)
    if used.count(decoder) != 1 or used[-1] != decoder:
        raise ModelError("the model does not end in a single PosenetDecoderOp")
    heads = file.numbers(operators[-1], _OPERATOR_INPUTS)
    if len(heads) != HEAD_COUNT or max(heads) >= len(file.tables(graph, _GRAPH_TENSORS)):
        raise ModelError(f"the model's PosenetDecoderOp does not have {HEAD_COUNT} input tensors")
    file.shorten(graph, _GRAPH_OUTPUTS, heads)
    file.shorten(graph, _GRAPH_OPERATORS, len(operators) - 1)
    if decoder == len(codes) - 1:  # otherwise its name stays in the file, unused
        file.shorten(file.root, _MODEL_CODES, decoder)
    return bytes(file.data)


def is_for_edge_tpu(model: bytes) -> bool:
    """Return whether the model was compiled for the Edge TPU. Raises ModelError if it is damaged."""
    file, codes, _ = _parse(model)
    return any(file.text(code, _CODE_NAME) == EDGE_TPU_OP for code in codes)


def _parse(model: bytes) -> tuple[_Flatbuffer, list[int], int]:
    """Return the checked file, its operator codes and its graph."""
    file = _Flatbuffer(model)
    graphs = file.tables(file.root, _MODEL_GRAPHS)
    if len(graphs) != 1:
        raise ModelError(f"the model has {len(graphs)} graphs, and a PoseNet has one")
    file.check(file.root, _MODEL)
    return file, file.tables(file.root, _MODEL_CODES), graphs[0]


class _Flatbuffer:
    """A flatbuffer's content. Every read is first checked to be inside the file."""

    def __init__(self, content: bytes) -> None:
        self.data = bytearray(content)
        if content[4:8] != b"TFL3":
            raise ModelError("this is not a .tflite model, or a damaged one (it does not begin with TFL3)")
        self.root = self._offset(0)
        self._checked = 0

    def check(self, table: int, kind: TableSchema) -> None:
        """Raise ModelError if any part of the table, or of the tables in it, is outside the file."""
        self._checked += 1
        if self._checked > MAX_TABLES:
            raise _damage_error("has more parts than any PoseNet")
        self._check_fields(table)
        for field, size in kind.vectors.items():
            self._vector(table, field, size)
        for field, inner in kind.subtables.items():
            at = self._field(table, field)
            if at:
                self.check(self._offset(at), inner)
        for field, inner in kind.table_vectors.items():
            for entry in self.tables(table, field):
                self.check(entry, inner)

    def number(self, table: int, field: int) -> int:
        """Return an unsigned field of four bytes; 0 if it is absent, which is the format's default."""
        at = self._field(table, field)
        return self._read("I", at) if at else 0

    def numbers(self, table: int, field: int) -> list[int]:
        start, count = self._vector(table, field, 4)
        return list(struct.unpack_from(f"<{count}I", self.data, start))

    def text(self, table: int, field: int) -> bytes:
        start, count = self._vector(table, field, 1)
        return bytes(self.data[start : start + count])

    def tables(self, table: int, field: int) -> list[int]:
        """Return the positions of the tables in a vector of tables."""
        start, count = self._vector(table, field, 4)
        if count > MAX_TABLES:
            raise _damage_error("has more parts than any PoseNet")
        return [self._offset(start + 4 * i) for i in range(count)]

    def shorten(self, table: int, field: int, to: int | list[int]) -> None:
        """Shorten a vector to a number of entries, or to new entries."""
        start, count = self._vector(table, field, 4)
        kept = to if isinstance(to, int) else len(to)
        if kept > count:
            raise _damage_error(f"has {count} outputs and {kept} heads")
        struct.pack_into("<I", self.data, start - 4, kept)
        if not isinstance(to, int):
            struct.pack_into(f"<{kept}I", self.data, start, *to)

    def _check_fields(self, table: int) -> None:
        """Check a table's list of fields.

        A table begins with the distance back to that list; the list begins with its own length and the table's.
        """
        fields = table - self._read("i", table)
        length, size = self._read("H", fields), self._read("H", fields + 2)
        if length < 4 or length % 2 or size < 4:
            raise _damage_error("has a part without a list of its fields")
        self._require_within(fields, length)
        self._require_within(table, size)
        if any(at >= size for at in struct.unpack_from(f"<{length // 2 - 2}H", self.data, fields + 4)):
            raise _damage_error("has a part that is too small for its fields")

    def _field(self, table: int, field: int) -> int:
        """Return the position of a field; 0 if it is absent."""
        fields = table - self._read("i", table)
        if 4 + 2 * field >= self._read("H", fields):
            return 0
        at = self._read("H", fields + 4 + 2 * field)
        return table + at if at else 0

    def _vector(self, table: int, field: int, size: int) -> tuple[int, int]:
        """Return the position of a vector's first entry, of `size` bytes each, and the number of entries."""
        at = self._field(table, field)
        if not at:
            return 0, 0
        start = self._offset(at)
        count = self._read("I", start)
        self._require_within(start + 4, count * size)
        return start + 4, count

    def _offset(self, at: int) -> int:
        """Return the position that the offset at `at` refers to."""
        return at + self._read("I", at)

    def _read(self, kind: str, at: int) -> int:
        self._require_within(at, struct.calcsize(kind))
        (number,) = struct.unpack_from(f"<{kind}", self.data, at)
        return int(number)

    def _require_within(self, start: int, size: int) -> None:
        if start < 0 or start + size > len(self.data):
            raise _damage_error("ends too early, or refers to a place outside the file")


def _damage_error(fault: str) -> ModelError:
    return ModelError(f"the model is damaged: it {fault}")
