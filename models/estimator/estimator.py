"""`Estimator`: find the people in a picture with a quantized PoseNet, on the CPU or on an Edge TPU.

The runtime is LiteRT, or its predecessor tflite-runtime if only that is installed. A PoseNet is fully convolutional: on
the CPU one file runs at any size; for the Edge TPU a model is compiled for one size.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import os
from contextlib import nullcontext
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import numpy as np
from PIL import Image as pillow

from models.estimator.catalogue import DEFAULT_CROP_SIDE, find_in_catalogue
from models.estimator.posenet import STRIDE, Heads, Quantization, decode
from models.estimator.runtime_messages import hide_greeting
from models.estimator.surgery import ModelError, is_for_edge_tpu, strip_decoder
from models.pose import Image, Pose

__all__ = [
    "DEFAULT_SIZE",
    "EdgeTpuError",
    "Estimator",
    "ModelError",
    "check_image",
    "crop_size_for",
    "fit_size",
    "list_edge_tpus",
    "runtime",
    "size_for",
]

RUNTIMES: Final = {"ai-edge-litert": "ai_edge_litert.interpreter", "tflite-runtime": "tflite_runtime.interpreter"}
"""Distributions and their modules, the better one first: tflite-runtime's kernels for uint8 are ten times slower."""

EDGE_TPU_LIBRARY: Final = "libedgetpu.so.1"
"""Google's driver, which the runtime loads as a delegate."""

EDGE_TPU_USB_IDS: Final = {"1a6e:089a": "not used since it was plugged in", "18d1:9302": "in use before"}
"""A Coral USB Accelerator's ids: they change at its first use, when its firmware is loaded."""

CHANNELS: Final = (17, 34, 64)
"""The channels of heat maps, short offsets and mid offsets. An output is recognised by its number of channels."""

DEFAULT_SIZE: Final = (353, 481)
"""Height and width of the input of the models that the mirror uses by default."""

MIN_SIDE, MAX_SIDE = 65, 2049
"""Smallest and largest side of the model's input, in pixels: grids of 5 to 129 cells."""


class EdgeTpuError(OSError):
    """No Edge TPU can be used; the message is a sentence that says why and what to do."""


class Estimator:
    """A loaded PoseNet, for one thread; a context manager that cannot be used again once it is closed.

    `model` is a PoseNet .tflite file, with or without Coral's decoder. `size` is the (height, width) in pixels to which
    pictures are resized, and works only on the CPU: each side is rounded to one more than a multiple of 16, from 65 to
    2049. By default each picture keeps its shape, at about as many pixels as the file's own size (`size_for`).
    `threads` is for the CPU; the default is the number of cores, but at most 4.

    Raises ModelError if the file is damaged, is not a PoseNet, or is not for `device`; EdgeTpuError if no Edge TPU can
    be used; ValueError for a size that the model cannot have.
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
            raise ValueError(f"{model} has a fixed size on the Edge TPU, so it cannot run at {size[0]}×{size[1]}")
        self._model = model
        self._device = device
        self._interpreter: Any = self._load_interpreter(
            _read_model(model, device), threads or min(len(os.sched_getaffinity(0)), 4)
        )
        self._size = self._own_size = self._check_input()
        # The size whose number of pixels every picture is resized to, in its own shape; None when the size is fixed.
        self._like = self._size if size is None and device == "cpu" else None
        if size is not None and fit_size(size) != self._size:
            self.resize(size)
        else:
            self._allocate()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the model's input, in pixels. Pictures of other shapes change it."""
        return self._size

    @property
    def device(self) -> Literal["cpu", "edgetpu"]:
        return self._device

    @property
    def runtime(self) -> str:
        """The runtime and its version."""
        return runtime()

    def resize(self, size: tuple[int, int]) -> None:
        """Run the model at another size (height, width) from now on, as `Estimator(size=…)` does."""
        if self._device == "edgetpu":
            raise ValueError(f"{self._model} has a fixed size on the Edge TPU, {self._size[0]}×{self._size[1]}")
        self._like = None
        self._own_size = fit_size(size)
        self._set_input_size(self._own_size)

    def _set_input_size(self, size: tuple[int, int]) -> None:
        if size != self._size:
            self._size = size
            self._require_open().resize_tensor_input(self._input, [1, *size, 3])
            self._allocate()

    @property
    def crop_size(self) -> tuple[int, int]:
        """Height and width at which the model reads a crop around one person best."""
        if self._device == "edgetpu":
            return self._size
        return crop_size_for(self._model, self._own_size)

    def estimate(self, image: Image, size: tuple[int, int] | None = None) -> list[Pose]:
        """Return the people in a picture of any size, in its pixels, best first.

        The picture is resized to the model's size. If that is fixed (`size`, or an Edge TPU) and has another shape,
        the picture is stretched, and the key points are found a little less well. Pass `size` (height, width) to run
        the model at another size for this one picture; an Edge TPU ignores it.
        """
        poses = decode(self.heads(image, size))
        (height, width), (image_height, image_width) = self._size, image.shape[:2]
        if (height, width) == (image_height, image_width):
            return poses
        return [pose.scaled(image_width / width, image_height / height) for pose in poses]

    def heads(self, image: Image, size: tuple[int, int] | None = None) -> Heads:
        """Return the network's output for a picture, before it is decoded; copies, not views."""
        interpreter = self._require_open()
        check_image(image)
        if self._device != "edgetpu":
            self._set_input_size(self._size_for(image) if size is None else fit_size(size))
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

    def _size_for(self, image: Image) -> tuple[int, int]:
        """Return the (height, width) at which the model sees a picture."""
        return self._own_size if self._like is None else size_for(image.shape[1], image.shape[0], self._like)

    def close(self) -> None:
        """Free the model's memory and the Edge TPU; do nothing the second time."""
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
        """Allocate the tensors for the current size, and find the outputs among them."""
        try:
            # the Edge TPU's driver may end the process here, and its last words must not be lost
            with hide_greeting() if self._device == "cpu" else nullcontext():
                self._require_open().allocate_tensors()
        except RuntimeError as error:
            raise self._load_error(error) from error
        self._outputs, self._scales = self._check_outputs()

    def _check_input(self) -> tuple[int, int]:
        """Check the model's input, and return its height and width in the file."""
        details = self._interpreter.get_input_details()
        shape = [int(side) for side in details[0]["shape"]] if len(details) == 1 else []
        if len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or details[0]["dtype"] != np.uint8:
            raise ModelError(f"{self._model} is not a quantized PoseNet: its input is not one picture of bytes.")
        self._input = details[0]["index"]
        return shape[1], shape[2]

    def _check_outputs(self) -> tuple[list[int], tuple[Quantization, Quantization, Quantization]]:
        """Return the tensors of heat maps, short offsets and mid offsets, and the quantization of each."""
        grid = [(side - 1) // STRIDE + 1 for side in self._size]
        outputs = {tuple(output["shape"]): output for output in self._interpreter.get_output_details()}
        try:
            heads = [outputs[1, grid[0], grid[1], channels] for channels in CHANNELS]
        except KeyError:
            raise ModelError(
                f"{self._model} is not a PoseNet: its outputs are not heat maps and offsets of {grid[0]}×{grid[1]}."
            ) from None
        if any(head["dtype"] != np.uint8 or head["quantization"][0] <= 0 for head in heads):
            raise ModelError(f"{self._model} is not a quantized PoseNet: its outputs are not bytes.")
        heat, short, mid = (
            Quantization(float(scale), int(zero)) for scale, zero in (head["quantization"] for head in heads)
        )
        return [head["index"] for head in heads], (heat, short, mid)

    def _load_error(self, error: Exception) -> ModelError | EdgeTpuError:
        """Return the error for a model that the runtime rejects, with what to do about it."""
        if self._device == "edgetpu":
            return EdgeTpuError(
                f"The Edge TPU cannot run {self._model.name} ({_first_line(error)}): "
                f"install the {EDGE_TPU_LIBRARY} for {runtime()}."
            )
        return ModelError(f"{self._model} is damaged, or is not for {runtime()} ({_first_line(error)}).")


def fit_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the nearest size that a model can have.

    A side has 16 n + 1 pixels, so that there are cells on the first and the last pixel. Raises ValueError for a side
    that would be smaller than 65 or larger than 2049 pixels.
    """
    fitted = _round_side(size[0]), _round_side(size[1])
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in fitted):
        raise ValueError(f"a model's input must have {MIN_SIDE} to {MAX_SIDE} pixels a side, not {size[0]}×{size[1]}")
    return fitted


def size_for(width: int, height: int, like: tuple[int, int] = DEFAULT_SIZE) -> tuple[int, int]:
    """Return the model's (height, width) for a picture: the picture's shape, with about as many pixels as `like`.

    The network finds more in a picture that is not stretched; docs/explanation/finding-people.md has the figures.
    """
    factor = math.sqrt(like[0] * like[1] / (width * height))
    tall, wide = (min(max(_round_side(side * factor), MIN_SIDE), MAX_SIDE) for side in (height, width))
    return tall, wide


def crop_size_for(model: Path, own: tuple[int, int]) -> tuple[int, int]:
    """Return the (height, width) at which a model on the CPU reads a crop around one person best.

    `model` is its file, and `own` the size at which it sees whole pictures. A crop is square, and never larger than
    that, because a small size was chosen for its speed.
    """
    known = find_in_catalogue(model.name)
    side = min(DEFAULT_CROP_SIDE if known is None else known.crop_side, *own)
    return fit_size((side, side))


def check_image(image: Image) -> None:
    """Raise ValueError unless `image` is a picture: H×W×3 of uint8, and not empty."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"a picture must be H×W×3 of uint8, not {'×'.join(map(str, image.shape))} of {image.dtype}")


def runtime() -> str:
    """Return the runtime and its version, such as "ai-edge-litert 2.3.0". Raises ImportError if none is installed."""
    name, _ = _runtime()
    return f"{name} {version(name)}"


def list_edge_tpus(usb: Path = Path("/sys/bus/usb/devices"), dev: Path = Path("/dev")) -> list[str]:
    """Return a line for each Edge TPU that is plugged in, without testing whether it works."""
    lines = []
    for device in sorted(usb.glob("*")):
        usb_id = f"{_read_line(device / 'idVendor')}:{_read_line(device / 'idProduct')}"
        if usb_id in EDGE_TPU_USB_IDS:
            lines.append(f"USB {device.name} ({usb_id}, {EDGE_TPU_USB_IDS[usb_id]})")
    return lines + [str(apex) for apex in sorted(dev.glob("apex_*"))]


def load_edge_tpu_delegate() -> Any:
    """Return the runtime's delegate for the first Edge TPU. Raises EdgeTpuError."""
    try:
        ctypes.CDLL(EDGE_TPU_LIBRARY)  # checked first, because the runtimes handle a missing library badly
        return _runtime_module().load_delegate(EDGE_TPU_LIBRARY)
    except OSError as error:
        raise EdgeTpuError(
            f"The Edge TPU's library cannot be loaded ({error}): install its version for {runtime()} as "
            "docs/how-to/coral.md says."
        ) from error
    except ValueError as error:
        # The first line is "Failed to load delegate from …"; the library's own message follows, and is often empty.
        reason = str(error).partition("\n")[2].strip() or "it gives no reason"
        raise EdgeTpuError(
            f"No Edge TPU answers ({reason}): plug it in, and make sure that this user is in the group plugdev (USB) "
            "or apex (PCIe)."
        ) from error


@cache
def _runtime() -> tuple[str, Any]:
    """Return the installed runtime's name and module. It is imported late, because it is large and rarely needed."""
    reasons = []
    for name, module in RUNTIMES.items():
        try:
            return name, importlib.import_module(module)
        except ImportError as error:
            reasons.append(f"{name}: {error}")
    raise ImportError(f"No runtime for the model is installed ({'; '.join(reasons)}): pip install ai-edge-litert.")


def _runtime_module() -> Any:
    return _runtime()[1]


def _read_model(model: Path, device: str) -> bytes:
    """Return the content of the model's file, checked and without Coral's decoder."""
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
            f"{model} was compiled for the Edge TPU: on the CPU use the model without _edgetpu in its name."
        )
    if not compiled and device == "edgetpu":
        raise ModelError(f"{model} was not compiled for the Edge TPU: use the model with _edgetpu in its name.")
    return stripped


def _resize(image: Image, size: tuple[int, int]) -> Image:
    """Resize with Pillow's averaging: with OpenCV's methods, people are found up to 1 % less well."""
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
