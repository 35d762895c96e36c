"""Writes networks of 8-bit integers as .tflite files, with the four operations that the bundled model uses.

The format of such a file is defined in tensorflow/lite/schema/schema.fbs, whose classes come with LiteRT. The
integers that an operation takes and outputs are defined in LiteRT's 8-bit quantization specification
(https://ai.google.dev/edge/litert/models/quantization_spec). An Edge TPU's compiler accepts all four operations.
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
"""Bytes: runtimes read weights in place, from the mapped file."""

OPERATOR_VERSIONS: Final = {
    schema.BuiltinOperator.QUANTIZE: 2,
    schema.BuiltinOperator.CONV_2D: 3,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.ADD: 2,
}
"""The first version of each operation that takes signed bytes (tensorflow/lite/tools/versioning/op_version.cc)."""

Numbers = npt.NDArray[np.int8] | npt.NDArray[np.int32]


class Tensor(NamedTuple):
    """The output of an operation: its number in the file, its shape 1×H×W×C, and what its bytes stand for."""

    number: int
    shape: tuple[int, int, int, int]
    scale: Quantization


class Weights(NamedTuple):
    """The weights of a convolution, outputs×K×K×inputs, or 1×K×K×channels if it is depthwise."""

    numbers: npt.NDArray[np.int8]
    steps: Floats
    """What 1 stands for, for each output channel."""
    bias: Floats


class ModelWriter:
    """Writes a network operation by operation; each takes the output of `input` or of an earlier operation.

    A scale's zero is a signed byte's, −128 to 127; those of `input` and of the file's outputs are an unsigned
    byte's.
    """

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._buffers: list[_AlignedBuffer] = [_AlignedBuffer(b"")]  # all tensors without content share the first
        self._codes = list(OPERATOR_VERSIONS)

    def input(self, height: int, width: int, scale: Quantization) -> Tensor:
        """Add the network's input: one picture of bytes."""
        return self._new_tensor("picture", (1, height, width, 3), scale, schema.TensorType.UINT8)

    def to_signed(self, tensor: Tensor, name: str) -> Tensor:
        """Turn unsigned bytes into signed ones that stand for the same numbers."""
        scale = Quantization(tensor.scale.scale, tensor.scale.zero_point - 128)
        signed = self._new_tensor(name, tensor.shape, scale, schema.TensorType.INT8)
        return self._operation(schema.BuiltinOperator.QUANTIZE, [tensor.number], signed, schema.QuantizeOptionsT())

    def to_unsigned(self, tensor: Tensor, name: str) -> Tensor:
        """Turn signed bytes into unsigned ones that stand for the same numbers."""
        scale = Quantization(tensor.scale.scale, tensor.scale.zero_point + 128)
        unsigned = self._new_tensor(name, tensor.shape, scale, schema.TensorType.UINT8)
        return self._operation(schema.BuiltinOperator.QUANTIZE, [tensor.number], unsigned, schema.QuantizeOptionsT())

    def convolution(
        self, tensor: Tensor, weights: Weights, scale: Quantization, name: str, *, stride: int = 1, relu6: bool
    ) -> Tensor:
        """Add a convolution, padded as TensorFlow's SAME."""
        options = schema.Conv2DOptionsT()
        options.strideH = options.strideW = stride
        options.fusedActivationFunction = schema.ActivationFunctionType.RELU6 if relu6 else 0
        return self._convolution(schema.BuiltinOperator.CONV_2D, options, tensor, weights, scale, name)

    def depthwise(self, tensor: Tensor, weights: Weights, scale: Quantization, name: str, *, stride: int = 1) -> Tensor:
        """Add a depthwise convolution, padded as TensorFlow's SAME, without activation or normalization."""
        options = schema.DepthwiseConv2DOptionsT()
        options.strideH = options.strideW = stride
        options.depthMultiplier = 1
        return self._convolution(schema.BuiltinOperator.DEPTHWISE_CONV_2D, options, tensor, weights, scale, name)

    def add(self, a: Tensor, b: Tensor, scale: Quantization, name: str) -> Tensor:
        """Add the sum of two tensors."""
        total = self._new_tensor(name, a.shape, scale, schema.TensorType.INT8)
        return self._operation(schema.BuiltinOperator.ADD, [a.number, b.number], total, schema.AddOptionsT())

    def to_bytes(self, picture: Tensor, outputs: list[Tensor], description: str) -> bytes:
        """Return the content of the file: a network from `picture` to `outputs`."""
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
        self, operation: int, options: Any, tensor: Tensor, weights: Weights, scale: Quantization, name: str
    ) -> Tensor:
        numbers, steps, bias = weights
        bias_steps = steps.astype(np.float64) * tensor.scale.scale
        biases = np.round(bias / bias_steps)
        assert np.abs(biases).max() < 2**31, f"a bias of {name} does not fit in 32 bits"
        axis = 3 if operation == schema.BuiltinOperator.DEPTHWISE_CONV_2D else 0
        options.padding = schema.Padding.SAME
        _, height, width, _ = tensor.shape
        shape = (1, (height - 1) // options.strideH + 1, (width - 1) // options.strideW + 1, len(bias))
        inputs = [
            tensor.number,
            self._constant(f"{name}/weights", numbers, steps, axis),
            self._constant(f"{name}/bias", biases.astype(np.int32), bias_steps.astype(np.float32), 0),
        ]
        return self._operation(operation, inputs, self._new_tensor(name, shape, scale, schema.TensorType.INT8), options)

    def _operation(self, operation: int, inputs: list[int], output: Tensor, options: Any) -> Tensor:
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(operation)
        operator.inputs, operator.outputs = inputs, [output.number]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self._operators.append(operator)
        return output

    def _new_tensor(self, name: str, shape: tuple[int, int, int, int], scale: Quantization, kind: int) -> Tensor:
        steps, zero = np.array([scale.scale], np.float32), np.array([scale.zero_point])
        return Tensor(self._tensor(name, shape, kind, _quantization(steps, zero, 0), 0), shape, scale)

    def _constant(self, name: str, numbers: Numbers, steps: Floats, axis: int) -> int:
        kind = schema.TensorType.INT8 if numbers.dtype == np.int8 else schema.TensorType.INT32
        self._buffers.append(_AlignedBuffer(numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()))
        quantization = _quantization(steps, np.zeros(len(steps), np.int64), axis)
        return self._tensor(name, numbers.shape, kind, quantization, len(self._buffers) - 1)

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, quantization: Any, buffer: int) -> int:
        """Add a tensor and return its number. It has no shape signature: runtimes resize it anyway, and a compiler
        wants none."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(shape), kind
        tensor.quantization, tensor.buffer = quantization, buffer
        tensor.hasRank = True
        self._tensors.append(tensor)
        return len(self._tensors) - 1


class _AlignedBuffer:
    """A tensor's content, packed as `schema.BufferT` packs it, but at a multiple of `ALIGNMENT_BYTES`."""

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
    parameters = schema.QuantizationParametersT()
    parameters.scale, parameters.zeroPoint, parameters.quantizedDimension = steps, zeros.astype(np.int64), axis
    return parameters


def _operator_code(operation: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operation
    code.version = OPERATOR_VERSIONS[operation]
    return code
