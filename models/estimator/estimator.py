"""A picture → the people in it: a quantized PoseNet on the CPU or on an Edge TPU, by whichever runtime is installed.

The runtime is LiteRT, or its predecessor tflite-runtime where that is all there is. A PoseNet is fully convolutional:
on the CPU one file runs at any size; for the Edge TPU a model is compiled for one.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import numpy as np
from PIL import Image as pillow

from models.estimator.posenet import STRIDE, Heads, Quantization, decode
from models.estimator.surgery import ModelError, is_for_edge_tpu, strip_decoder
from models.pose import Image, Pose

__all__ = ["EdgeTpuError", "Estimator", "ModelError", "fit_size", "list_edge_tpus", "runtime", "size_for"]

RUNTIMES: Final = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
"""Distributions and the module of each, the better first: tflite-runtime's kernels are ten times slower for uint8."""

EDGE_TPU_LIBRARY: Final = "libedgetpu.so.1"

EDGE_TPU_USB_IDS: Final = {"1a6e:089a": "not used since it was plugged in", "18d1:9302": "in use before"}
"""A Coral USB Accelerator is another device once its firmware is loaded, at its first use."""

CHANNELS: Final = (17, 34, 64)
"""Of heat maps, short offsets and mid offsets."""

MIN_SIDE, MAX_SIDE = 65, 2049
"""What each side of the model's input may be, in pixels."""


class EdgeTpuError(OSError):
    """No Edge TPU can be used; the message is a sentence that says why, and what to do."""


class Estimator:
    """PoseNet, loaded: for one thread. A context manager, and of no use once it is closed.

    `model` is a PoseNet .tflite file, with Coral's decoder in it or without; `size` is the (height, width) in pixels
    that pictures have in the model, on the CPU alone: rounded to one more than a multiple of 16, from 65 to 2049. By
    default each picture keeps its shape, at about as many pixels as the file's own size (`size_for`). `threads` (CPU)
    is by default the number of cores, and 4 at most. Raises ModelError when the file is damaged, no PoseNet, or for the
    other device; EdgeTpuError; ValueError for a size that cannot be.
    """

    def __init__(
        self,
        model: Path,
        *,
        device: Literal["cpu", "edgetpu"] = "cpu",
        size: tuple[int, int] | None = None,
        threads: int | None = None,
    ) -> None:
        if size is not None and device == "edgetpu":
            raise ValueError(f"{model} has one size on the Edge TPU, and cannot be given {size[0]}×{size[1]}")
        self._model = model
        self._device = device
        self._interpreter: Any = self._load_interpreter(
            _read_model(model, device), threads or min(len(os.sched_getaffinity(0)), 4)
        )
        self._size = self._check_input()
        self._like = self._size if size is None and device == "cpu" else None
        if size is not None and fit_size(size) != self._size:
            self.resize(size)
        else:
            self._allocate()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that pictures have in the model, in pixels."""
        return self._size

    @property
    def device(self) -> Literal["cpu", "edgetpu"]:
        return self._device

    @property
    def runtime(self) -> str:
        """As the function of this name."""
        return runtime()

    def resize(self, size: tuple[int, int]) -> None:
        """Take pictures at another size from now on, (height, width), as `Estimator(size=…)` does."""
        if self._device == "edgetpu":
            raise ValueError(f"{self._model} has one size on the Edge TPU, {self._size[0]}×{self._size[1]}")
        self._like = None
        self._set_input_size(fit_size(size))

    def _set_input_size(self, size: tuple[int, int]) -> None:
        if size != self._size:
            self._size = size
            self._require_open().resize_tensor_input(self._input, [1, *size, 3])
            self._allocate()

    def estimate(self, image: Image) -> list[Pose]:
        """The people in a picture of any size, best first, in its pixels.

        A picture that has not the model's size is resized to it; where a size was asked for, or the Edge TPU has but
        one, it is stretched if its shape is another, and the key points are found a little worse.
        """
        poses = decode(self.heads(image))
        (height, width), (image_height, image_width) = self._size, image.shape[:2]
        if (height, width) == (image_height, image_width):
            return poses
        return [pose.scaled(image_width / width, image_height / height) for pose in poses]

    def heads(self, image: Image) -> Heads:
        """What the network says about a picture, before it is decoded; copies, not views."""
        interpreter = self._require_open()
        _check_image(image)
        if self._like is not None:
            self._set_input_size(size_for(image.shape[1], image.shape[0], self._like))
        interpreter.set_tensor(self._input, _resize(image, self._size)[None])
        try:
            interpreter.invoke()
        except RuntimeError as error:
            if self._device == "edgetpu":
                raise EdgeTpuError(
                    f"The Edge TPU stopped answering ({_first_line(error)}): check its cable and power."
                ) from error
            raise
        heat_maps, short_offsets, mid_offsets = (interpreter.get_tensor(index)[0] for index in self._outputs)
        return Heads(heat_maps, short_offsets, mid_offsets, self._scales)

    def close(self) -> None:
        """Give the model's memory, and the Edge TPU, back; a second time does nothing."""
        self._interpreter = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _require_open(self) -> Any:
        if self._interpreter is None:
            raise ValueError("the estimator is closed")
        return self._interpreter

    def _load_interpreter(self, content: bytes, threads: int) -> Any:
        delegates = [load_edge_tpu_delegate()] if self._device == "edgetpu" else None
        try:
            return _runtime_module().Interpreter(
                model_content=content, num_threads=threads, experimental_delegates=delegates
            )
        except (ValueError, RuntimeError) as error:
            raise self._load_error(error) from error

    def _allocate(self) -> None:
        """Make room for a picture, and find the outputs in what the model then is."""
        try:
            self._require_open().allocate_tensors()
        except RuntimeError as error:
            raise self._load_error(error) from error
        self._outputs, self._scales = self._check_outputs()

    def _check_input(self) -> tuple[int, int]:
        details = self._interpreter.get_input_details()
        shape = [int(side) for side in details[0]["shape"]] if len(details) == 1 else []
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or details[0]["dtype"] != np.uint8:
            raise ModelError(f"{self._model} is no quantized PoseNet: it does not take one picture of bytes.")
        self._input = details[0]["index"]
        return shape[1], shape[2]

    def _check_outputs(self) -> tuple[list[int], tuple[Quantization, Quantization, Quantization]]:
        """The tensors of heat maps, short offsets and mid offsets, and what their numbers stand for."""
        grid = [(side - 1) // STRIDE + 1 for side in self._size]
        found = {tuple(output["shape"]): output for output in self._interpreter.get_output_details()}
        try:
            heads = [found[1, grid[0], grid[1], channels] for channels in CHANNELS]
        except KeyError:
            raise ModelError(
                f"{self._model} is no PoseNet: its outputs are not heat maps and offsets of {grid[0]}×{grid[1]}."
            ) from None
        if any(head["dtype"] != np.uint8 or head["quantization"][0] <= 0 for head in heads):
            raise ModelError(f"{self._model} is no quantized PoseNet: its outputs are not bytes.")
        heat, short, mid = (
            Quantization(float(scale), int(zero)) for scale, zero in (head["quantization"] for head in heads)
        )
        return [head["index"] for head in heads], (heat, short, mid)

    def _load_error(self, error: Exception) -> ModelError | EdgeTpuError:
        """What it means that the runtime does not take a model whose file is sound."""
        if self._device == "edgetpu":
            return EdgeTpuError(
                f"The Edge TPU does not run {self._model.name} ({_first_line(error)}): "
                f"install the {EDGE_TPU_LIBRARY} that was made for {runtime()}."
            )
        return ModelError(f"{self._model} is damaged, or not for {runtime()} ({_first_line(error)}).")


def fit_size(size: tuple[int, int]) -> tuple[int, int]:
    """The nearest size that a model can have: sides of 16 n + 1 pixels, so that cells lie on the first and last pixel.

    Raises ValueError for a side that would be smaller than 65 or larger than 2049.
    """
    fitted = _round_side(size[0]), _round_side(size[1])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in fitted):
        raise ValueError(f"a model's input has {MIN_SIDE} to {MAX_SIDE} pixels a side, not {size[0]}×{size[1]}")
    return fitted


def size_for(width: int, height: int, like: tuple[int, int] = (353, 481)) -> tuple[int, int]:
    """The model's (height, width) for pictures of `width` and `height`: their shape, about as many pixels as `like`.

    A picture that is not stretched is understood better: docs/estimator.md has the figures.
    """
    factor = math.sqrt(like[0] * like[1] / (width * height))
    tall, wide = (min(max(_round_side(side * factor), MIN_SIDE), MAX_SIDE) for side in (height, width))
    return tall, wide


def runtime() -> str:
    """The runtime and its version, as "ai-edge-litert 2.3.0". Raises ImportError when there is none."""
    name, _ = _runtime()
    return f"{name} {version(name)}"


def list_edge_tpus(usb: Path = Path("/sys/bus/usb/devices"), dev: Path = Path("/dev")) -> list[str]:
    """The Edge TPUs that are plugged in, one line for each; whether they can be used is not asked."""
    found = []
    for device in sorted(usb.glob("*")):
        kind = f"{_read_line(device / 'idVendor')}:{_read_line(device / 'idProduct')}"
        if kind in EDGE_TPU_USB_IDS:
            found.append(f"USB {device.name} ({kind}, {EDGE_TPU_USB_IDS[kind]})")
    return found + [str(apex) for apex in sorted(dev.glob("apex_*"))]


def load_edge_tpu_delegate() -> Any:
    """The runtime's delegate for the first Edge TPU there is. Raises EdgeTpuError."""
    try:
        ctypes.CDLL(EDGE_TPU_LIBRARY)  # the runtimes' own delegates end badly where there is no library
        return _runtime_module().load_delegate(EDGE_TPU_LIBRARY)
    except OSError as error:
        raise EdgeTpuError(
            f"The Edge TPU's library cannot be loaded ({error}): install it as README.md says, in its version for "
            f"{runtime()}."
        ) from error
    except (
        ValueError
    ) as error:  # "Failed to load delegate from …", a line end, and what the library said: often nothing
        said = str(error).partition("\n")[2].strip() or "it gives no reason"
        raise EdgeTpuError(
            f"No Edge TPU answers ({said}): plug it in, and see that this user may use it, by the group plugdev (USB) "
            "or apex (PCIe)."
        ) from error


@cache
def _runtime() -> tuple[str, Any]:
    """The name of the installed runtime, and its module; imported late, as it is large and only the estimator's."""
    reasons = []
    for name, module in RUNTIMES.items():
        try:
            return name, importlib.import_module(module)
        except ImportError as error:
            reasons.append(f"{name}: {error}")
    raise ImportError(f"There is no runtime for the model ({'; '.join(reasons)}): pip install ai-edge-litert.")


def _runtime_module() -> Any:
    return _runtime()[1]


def _read_model(model: Path, device: str) -> bytes:
    """The model's file, checked and without its decoder."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise ModelError(f"{model} cannot be read: {error.strerror}.") from error
    try:
        stripped, compiled = strip_decoder(content), is_for_edge_tpu(content)
    except ModelError as error:
        raise ModelError(f"{model} cannot be used: {error}.") from error
    if compiled and device == "cpu":
        raise ModelError(
            f"{model} was compiled for the Edge TPU: on the CPU take the one without _edgetpu in its name."
        )
    if not compiled and device == "edgetpu":
        raise ModelError(f"{model} was not compiled for the Edge TPU: take the one with _edgetpu in its name.")
    return stripped


def _check_image(image: Image) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"a picture is height×width×3 of bytes, not {image.dtype} of {image.shape}")


def _resize(image: Image, size: tuple[int, int]) -> Image:
    """Averaged as Pillow does, which the network's figures were measured with: OpenCV's ways find up to 1 % worse."""
    if image.shape[:2] == size:
        return image
    return np.asarray(pillow.fromarray(image).resize(size[::-1], pillow.Resampling.BILINEAR))


def _round_side(side: float) -> int:
    return round((side - 1) / STRIDE) * STRIDE + 1


def _read_line(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
