"""Writes networks of 8-bit integers as .tflite files, by the four operations that ours is made of.

What stands in such a file is laid down in tensorflow/lite/schema/schema.fbs, of which LiteRT brings the classes along;
which integers an operation takes and gives, in LiteRT's 8-bit quantization specification
(https://ai.google.dev/edge/litert/models/quantization_spec). An Edge TPU's compiler takes all four operations.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from models.estimator.posenet import Quantization
from models.pose import Floats

FILE_IDENTIFIER: Final = b"TFL3"
FORMAT_VERSION: Final = 3

ALIGNMENT_BYTES: Final = 16
"""Bytes: runtimes read weights where they lie in the file."""

OPERATOR_VERSIONS: Final = {
    schema.BuiltinOperator.QUANTIZE: 2,
    schema.BuiltinOperator.CONV_2D: 3,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.ADD: 2,
}
"""The first version of each operation that takes signed bytes (tensorflow/lite/tools/versioning/op_version.cc)."""

Numbers = npt.NDArray[np.int8] | npt.NDArray[np.int32]


class Tensor(NamedTuple):
    """A tensor that an operation gives: its number in the file, 1×H×W×C, and what its bytes stand for."""

    number: int
    shape: tuple[int, int, int, int]
    scale: Quantization


class Weights(NamedTuple):
    """What a convolution multiplies by, given×K×K×taken, or 1×K×K×channels where it is depthwise; and what it adds."""

    numbers: npt.NDArray[np.int8]
    steps: Floats
    """What 1 stands for, for each channel that is given."""
    bias: Floats


class ModelWriter:
    """A network, written operation by operation; each takes what `input` or an earlier one gave.

    A scale's zero is a signed byte's, −128 to 127; that of `input` and of `outputs`, an unsigned one's.
    """

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[_AlignedBuffer] = [_AlignedBuffer(b"")]  # the first is that of all tensors without content
        self._codes = list(OPERATOR_VERSIONS)

    def input(self, height: int, width: int, scale: Quantization) -> Tensor:
        """The network's input: one picture of bytes."""
        return self._new_tensor("picture", (1, height, width, 3), scale, schema.TensorType.UINT8)

    def to_signed(self, taken: Tensor, name: str) -> Tensor:
        """Unsigned bytes as signed ones that stand for the same."""
        scale = Quantization(taken.scale.scale, taken.scale.zero_point - 128)
        given = self._new_tensor(name, taken.shape, scale, schema.TensorType.INT8)
        return self._operation(schema.BuiltinOperator.QUANTIZE, [taken.number], given, schema.QuantizeOptionsT())

    def to_unsigned(self, taken: Tensor, name: str) -> Tensor:
        """Signed bytes as unsigned ones that stand for the same."""
        scale = Quantization(taken.scale.scale, taken.scale.zero_point + 128)
        given = self._new_tensor(name, taken.shape, scale, schema.TensorType.UINT8)
        return self._operation(schema.BuiltinOperator.QUANTIZE, [taken.number], given, schema.QuantizeOptionsT())

    def convolution(
        self, taken: Tensor, weights: Weights, scale: Quantization, name: str, *, stride: int = 1, relu6: bool
    ) -> Tensor:
        """Sides are padded as TensorFlow's SAME."""
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU6 if relu6 else 0
        return self._convolution(schema.BuiltinOperator.CONV_2D, options, taken, weights, scale, name)

    def depthwise(self, taken: Tensor, weights: Weights, scale: Quantization, name: str, *, stride: int = 1) -> Tensor:
        """Sides are padded as TensorFlow's SAME; nothing follows, neither activation nor normalization."""
        options = schema.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.depthMultiplier = 1
        return self._convolution(schema.BuiltinOperator.DEPTHWISE_CONV_2D, options, taken, weights, scale, name)

    def add(self, one: Tensor, other: Tensor, scale: Quantization, name: str) -> Tensor:
        given = self._new_tensor(name, one.shape, scale, schema.TensorType.INT8)
        return self._operation(schema.BuiltinOperator.ADD, [one.number, other.number], given, schema.AddOptionsT())

    def to_bytes(self, picture: Tensor, outputs: list[Tensor], description: str) -> bytes:
        """The file: a network that takes `input` and gives `outputs`."""
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs = [picture.number]
        graph.outputs = [output.number for output in outputs]
        model = schema.ModelT()
        model.version, model.description = FORMAT_VERSION, description
        model.operatorCodes = [_operator_code(operation) for operation in self._codes]
        model.subgraphs, model.buffers = [graph], self._buffers
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _convolution(
        self, operation: int, options: Any, taken: Tensor, weights: Weights, scale: Quantization, name: str
    ) -> Tensor:
        numbers, steps, bias = weights
        counted_by = steps.astype(np.float64) * taken.scale.scale
        biases = np.round(bias / counted_by)
        assert np.abs(biases).max() < 2**31, f"a bias of {name} does not go into 32 bits"
        axis = 3 if operation == schema.BuiltinOperator.DEPTHWISE_CONV_2D else 0
        options.padding = schema.Padding.SAME
        _, height, width, _ = taken.shape
        shape = (1, (height - 1) // options.strideH + 1, (width - 1) // options.strideW + 1, len(bias))
        inputs = [
            taken.number,
            self._constant(f"{name}/weights", numbers, steps, axis),
            self._constant(f"{name}/bias", biases.astype(np.int32), counted_by.astype(np.float32), 0),
        ]
        return self._operation(operation, inputs, self._new_tensor(name, shape, scale, schema.TensorType.INT8), options)

    def _operation(self, operation: int, inputs: list[int], given: Tensor, options: Any) -> Tensor:
        made = schema.OperatorT()
        made.opcodeIndex = self._codes.index(operation)
        made.inputs, made.outputs = inputs, [given.number]
        made.builtinOptions = options
        made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(made)
        return given

    def _new_tensor(self, name: str, shape: tuple[int, int, int, int], scale: Quantization, kind: int) -> Tensor:
        steps, zero = np.array([scale.scale], np.float32), np.array([scale.zero_point])
        return Tensor(self._tensor(name, shape, kind, _quantization(steps, zero, 0), 0), shape, scale)

    def _constant(self, name: str, numbers: Numbers, steps: Floats, axis: int) -> int:
        kind = schema.TensorType.INT8 if numbers.dtype == np.int8 else schema.TensorType.INT32
        self._buffers.append(_AlignedBuffer(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()))
        quantization = _quantization(steps, np.zeros(len(steps), np.int64), axis)
        return self._tensor(name, numbers.shape, kind, quantization, len(self._buffers) - 1)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, quantization: Any, buffer: int) -> int:
        """No signature of the shape goes with it: a runtime resizes it all the same, and a compiler wants none."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), kind
        tensor.quantization, tensor.buffer = quantization, buffer
        tensor.hasRank = True
        self._tensors.append(tensor)
        return len(self._tensors) - 1


class _AlignedBuffer:
    """A tensor's content, packed as `schema.BufferT` packs it, but at a multiple of `ALIGNMENT_BYTES` bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def Pack(self, builder: Any) -> Any:
        if not self._data:
            return schema.BufferT().Pack(builder)
        builder.StartVector(1, len(self._data), ALIGNMENT_BYTES)
        builder.head -= len(self._data)
        builder.Bytes[builder.head : builder.head + len(self._data)] = self._data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def _quantization(steps: Floats, zeros: npt.NDArray[np.int64], axis: int) -> Any:
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint, made.quantizedDimension = steps, zeros.astype(np.int64), axis
    return made


def _operator_code(operation: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operation
    code.version = OPERATOR_VERSIONS[operation]
    return code
