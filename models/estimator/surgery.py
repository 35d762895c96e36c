"""Takes Coral's decoder out of a PoseNet model file, so that what is left runs on any runtime, and gives its heads.

Coral's models end in the custom op `PosenetDecoderOp`, which no runtime brings along. Without it the outputs are what
it took in: heat maps, short offsets, mid offsets. The file is changed in place: a model is a flatbuffer, and to leave
the op out, three of its vectors need only be shorter.

Everything that a runtime will follow is checked first, since not every runtime does (tflite-runtime 2.14 crashes on
half a file). The layout: https://flatbuffers.dev/internals, and tensorflow/lite/schema/schema.fbs for what is in it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

DECODER_OP: Final = b"PosenetDecoderOp"
EDGE_TPU_OP: Final = b"edgetpu-custom-op"

HEAD_COUNT: Final = 3
"""What the decoder takes in."""

MAX_TABLES: Final = 20_000
"""More parts than any model of this kind has; a damaged file can claim millions."""


class ModelError(ValueError):
    """The model is damaged, or not a PoseNet; the message is one sentence."""


class TableSchema(NamedTuple):
    """The fields of a table that lead elsewhere, by their number in the schema."""

    vectors: Mapping[int, int] = {}
    """Vectors of numbers, by the bytes of each; text counts as a vector of bytes."""
    subtables: Mapping[int, TableSchema] = {}
    table_vectors: Mapping[int, TableSchema] = {}


# schema.fbs: the fields are numbered in the order in which they are declared.
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
    """The model with its heads as outputs: heat maps, short offsets, mid offsets; as it is when it has no decoder.

    `model` is a .tflite file's content. Raises ModelError when it is damaged.
    """
    file, codes, graph = _parse(model)
    operators = file.tables(graph, _GRAPH_OPERATORS)
    used = [file.number(operator, _OPERATOR_CODE) for operator in operators]
    names = [file.text(code, _CODE_NAME) for code in codes]
    if DECODER_OP not in names:
        return model
    decoder = names.index(DECODER_OP)
    if used.count(decoder) != 1 or used[-1] != decoder:
        raise ModelError("the model does not end in its one PosenetDecoderOp")
    heads = file.numbers(operators[-1], _OPERATOR_INPUTS)
    if len(heads) != HEAD_COUNT or max(heads) >= len(file.tables(graph, _GRAPH_TENSORS)):
        raise ModelError(f"the model's PosenetDecoderOp does not take {HEAD_COUNT} tensors in")
    file.shorten(graph, _GRAPH_OUTPUTS, heads)
    file.shorten(graph, _GRAPH_OPERATORS, len(operators) - 1)
    if decoder == len(codes) - 1:  # else a name stays that nothing uses any more
        file.shorten(file.root, _MODEL_CODES, decoder)
    return bytes(file.data)


def is_for_edge_tpu(model: bytes) -> bool:
    """Whether the model was compiled for the Edge TPU. Raises ModelError when it is damaged."""
    file, codes, _ = _parse(model)
    return any(file.text(code, _CODE_NAME) == EDGE_TPU_OP for code in codes)


def _parse(model: bytes) -> tuple[_Flatbuffer, list[int], int]:
    """The checked file, its operator codes and its graph."""
    file = _Flatbuffer(model)
    graphs = file.tables(file.root, _MODEL_GRAPHS)
    if len(graphs) != 1:
        raise ModelError(f"the model has {len(graphs)} graphs, and a PoseNet has one")
    file.check(file.root, _MODEL)
    return file, file.tables(file.root, _MODEL_CODES), graphs[0]


class _Flatbuffer:
    """A flatbuffer's content, of which no part is read before it is known to lie within the file."""

    def __init__(self, content: bytes) -> None:
        self.data = bytearray(content)
        if content[4:8] != b"TFL3":
            raise ModelError("this is no .tflite model, or a damaged one (it does not say TFL3)")
        self.root = self._offset(0)
        self._checked = 0

    def check(self, table: int, kind: TableSchema) -> None:
        """Raise ModelError where anything of the table, and of the tables within, lies outside the file."""
        self._checked += 1
        if self._checked > MAX_TABLES:
            raise _damage_error("has more parts than a PoseNet")
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
        """An unsigned field of four bytes; 0 where it is left out, as the format has it."""
        at = self._field(table, field)
        return self._read("I", at) if at else 0

    def numbers(self, table: int, field: int) -> list[int]:
        start, count = self._vector(table, field, 4)
        return list(struct.unpack_from(f"<{count}I", self.data, start))

    def text(self, table: int, field: int) -> bytes:
        start, count = self._vector(table, field, 1)
        return bytes(self.data[start : start + count])

    def tables(self, table: int, field: int) -> list[int]:
        """Where the tables of a vector of tables are."""
        start, count = self._vector(table, field, 4)
        if count > MAX_TABLES:
            raise _damage_error("has more parts than a PoseNet")
        return [self._offset(start + 4 * i) for i in range(count)]

    def shorten(self, table: int, field: int, to: int | list[int]) -> None:
        """Keep the first entries of a vector, or put others in their place."""
        start, count = self._vector(table, field, 4)
        kept = to if isinstance(to, int) else len(to)
        if kept > count:
            raise _damage_error(f"has {count} outputs and {kept} heads")
        struct.pack_into("<I", self.data, start - 4, kept)
        if not isinstance(to, int):
            struct.pack_into(f"<{kept}I", self.data, start, *to)

    def _check_fields(self, table: int) -> None:
        """A table begins with how far before it its list of fields is; the list, with its length and the table's."""
        fields = table - self._read("i", table)
        length, size = self._read("H", fields), self._read("H", fields + 2)
        if length < 4 or length % 2 or size < 4:
            raise _damage_error("has a part without a list of its fields")
        self._require_within(fields, length)
        self._require_within(table, size)
        if any(at >= size for at in struct.unpack_from(f"<{length // 2 - 2}H", self.data, fields + 4)):
            raise _damage_error("has a part that is smaller than its fields")

    def _field(self, table: int, field: int) -> int:
        """Where a field is; 0 when it is left out."""
        fields = table - self._read("i", table)
        if 4 + 2 * field >= self._read("H", fields):
            return 0
        at = self._read("H", fields + 4 + 2 * field)
        return table + at if at else 0

    def _vector(self, table: int, field: int, size: int) -> tuple[int, int]:
        """Where a vector's entries of `size` bytes begin, and how many there are."""
        at = self._field(table, field)
        if not at:
            return 0, 0
        start = self._offset(at)
        count = self._read("I", start)
        self._require_within(start + 4, count * size)
        return start + 4, count

    def _offset(self, at: int) -> int:
        """Where the offset that stands at a place leads."""
        return at + self._read("I", at)

    def _read(self, kind: str, at: int) -> int:
        self._require_within(at, struct.calcsize(kind))
        (number,) = struct.unpack_from(f"<{kind}", self.data, at)
        return int(number)

    def _require_within(self, start: int, size: int) -> None:
        if start < 0 or start + size > len(self.data):
            raise _damage_error("ends too early, or points outside itself")


def _damage_error(what: str) -> ModelError:
    return ModelError(f"the model is damaged: it {what}")
