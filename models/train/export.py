"""Export a trained network as a .tflite file of 8-bit integers that `models.estimator.estimator.Estimator` runs.

TensorFlow is not needed. Batch normalization is folded into the convolutions before it. Weights become signed bytes
with one scale per channel. The outputs of layers become signed bytes too, with one scale per layer, chosen by what
the layer outputs for sample pictures. The file's input and outputs are unsigned bytes, as in every quantized
PoseNet.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.estimator.estimator import Estimator
from models.estimator.posenet import EDGES, Quantization
from models.pose import Floats, Image
from models.train.measure import HEAD_UNITS
from models.train.network import CHANNELS, PoseNet, SeparableBlock, as_input
from models.train.rounding import Doubles, round_weights
from models.train.tflite import ModelWriter, Weights

DESCRIPTION: Final = "Pose Mirror's PoseNet, trained on drawn people: heat maps, short offsets, mid offsets"
"""Stored in the file, so that it says where it comes from."""

HEAD_NAMES: Final = ("heat_maps", "short_offsets", "mid_offsets")
"""Names of the file's outputs, in their order."""

PICTURE_SCALE: Final = Quantization(1 / 128, 128)
"""What a picture's bytes stand for, as in `as_input`."""

MIN_LOGIT: Final = -8.0
"""Heat maps are clipped below this logit: a key point with a probability of 1 in 3000 does not count, and the bytes
are better spent on those that may."""

CELLS_PER_PICTURE: Final = 48
"""Cells of a layer's output that are kept from each picture, besides the extremes of all cells."""

MIN_SPAN: Final = 0.3
"""Smallest share of the observed range that a scale may span."""

OFFSET_KEYPOINTS: Final = np.array(
    [*range(17)] * 2 + [parent for parent, _ in EDGES] * 2 + [child for _, child in EDGES] * 2, dtype=np.intp
)
"""The key point at which the decoder reads each offset channel."""

HEAT_MAP_BIAS: Final = 1.0
"""Added to the logits of heat maps. Training on scenes leaves the network less sure of real people than the
thresholds of the decoder and the mirror expect. With this bias it finds people where there are none as often in
scenes as PoseNet does."""


class HeadDifference(NamedTuple):
    """How far one head of a file is from the network's, in logits or pixels.

    `mean` and `maximum` cover all numbers except those that the file clips, whose share is `clipped`. `std` is the
    standard deviation of the network's numbers, and `step` the distance between two of the file's numbers.
    """

    head: str
    mean: float
    maximum: float
    clipped: float
    std: float
    step: float


class LayerStatistics:
    """What a layer outputs for some pictures: the extremes of each channel, and `cells` (n×C), of which each picture
    gives `max_cells`, or all for None.

    For a convolution `moments` describe its inputs, as `models.train.rounding.round_weights` needs them.
    """

    def __init__(self, max_cells: int | None) -> None:
        self._kept = max_cells
        self._cells: list[Floats] = []
        self.low = self.high = np.zeros(0, np.float32)
        self.moments: Doubles = np.zeros((1, 1, 1))

    def observe(self, layer: nn.Module, inputs: Tensor, outputs: Tensor) -> None:
        """Add a layer's inputs and outputs (1×C×H×W) for one picture."""
        cells: Floats = outputs[0].flatten(1).T.numpy()
        low, high = cells.min(0), cells.max(0)
        is_first = not self._cells
        self.low, self.high = (low, high) if is_first else (np.minimum(low, self.low), np.maximum(high, self.high))
        kept = np.linspace(0, len(cells) - 1, self._kept or len(cells)).astype(np.intp)
        self._cells.append(cells[kept])
        if isinstance(layer, nn.Conv2d):
            self.moments = self.moments + _moments(layer, inputs)

    @property
    def cells(self) -> Floats:
        """The cells kept from all pictures, n×C."""
        return np.concatenate(self._cells)


def with_heat_map_bias(network: PoseNet) -> PoseNet:
    """Return a copy of the network whose heat maps suit the mirror's thresholds (`HEAT_MAP_BIAS`)."""
    biased: PoseNet = copy.deepcopy(network)
    with torch.no_grad():
        biased.head.bias[: CHANNELS[0]] += HEAT_MAP_BIAS
    return biased


def export(network: PoseNet, calibration: Iterable[Image], file: Path, *, size: tuple[int, int] = (353, 481)) -> None:
    """Write the network as a .tflite file for pictures of `size` (height, width); a runtime can resize it.

    `calibration` holds a few dozen pictures like those the network will read, with sides of 16 n + 1 pixels. The
    same network and pictures give the same file. Raises ValueError when there are no pictures.
    """
    plain, pictures = fold_batch_norm(network), list(calibration)
    statistics = collect_statistics(plain, pictures)
    for number, block in enumerate(_blocks(plain)):
        _equalise(block, statistics[f"{number}/depthwise"])
    file.write_bytes(_serialise(plain, collect_statistics(plain, pictures), size))


def compare(network: PoseNet, file: Path, images: Iterable[Image]) -> list[HeadDifference]:
    """Compare each head of a file with the network it was made from, on pictures with sides of 16 n + 1 pixels.

    Raises ValueError when there are no pictures.
    """
    plain = copy.deepcopy(network).cpu().float().eval()
    network_cells: list[Floats] = []
    file_cells: list[Floats] = []
    with Estimator(file) as estimator, torch.inference_mode():
        for image in images:
            estimator.resize((image.shape[0], image.shape[1]))
            *heads, scales = estimator.heads(image)
            file_cells.append(np.concatenate(heads, axis=2).reshape(-1, sum(CHANNELS)).astype(np.float32))
            network_cells.append(_to_cells(plain(_to_input(image))))
    if not network_cells:
        raise ValueError("there are no pictures to compare on")
    expected_heads, actual_heads = _split_heads(np.concatenate(network_cells)), _split_heads(np.concatenate(file_cells))
    return [
        _difference(head, unit * expected, actual, scale)
        for head, unit, expected, actual, scale in zip(
            HEAD_NAMES, HEAD_UNITS, expected_heads, actual_heads, scales, strict=True
        )
    ]


def fold_batch_norm(network: PoseNet) -> PoseNet:
    """Return a copy with the same outputs, in which biases replace batch normalization."""
    plain: PoseNet = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    convolution, norm = plain.stem[0], plain.stem[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    plain.stem[0], plain.stem[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    for block in _blocks(plain):
        assert isinstance(block.norm, nn.BatchNorm2d)
        block.pointwise, block.norm = fuse_conv_bn_eval(block.pointwise, block.norm), nn.Identity()
    return plain


def collect_statistics(plain: PoseNet, pictures: Iterable[Image]) -> dict[str, LayerStatistics]:
    """Return what each layer takes and outputs for the pictures. Raises ValueError when there are no pictures.

    The layers are named "stem", "stem/activation" and "head"; the fifth block's are "4/depthwise", "4/pointwise" and
    "4/activation", and its sum is "4".
    """
    layers: dict[str, nn.Module] = {"stem": plain.stem[0], "stem/activation": plain.stem[2], "head": plain.head}
    for number, block in enumerate(_blocks(plain)):
        layers |= {f"{number}/{part}": layer for part, layer in block.named_children()} | {f"{number}": block}
    statistics = {name: LayerStatistics(None if name == "head" else CELLS_PER_PICTURE) for name in layers}
    hooks = [
        layer.register_forward_hook(
            lambda layer, inputs, outputs, to=statistics[name]: to.observe(layer, inputs[0], outputs)
        )
        for name, layer in layers.items()
    ]
    with torch.inference_mode():
        count = sum(len(plain(_to_input(picture))) for picture in pictures)
    for hook in hooks:
        hook.remove()
    if not count:
        raise ValueError("there are no pictures to calibrate with")
    return statistics


def _equalise(block: SeparableBlock, statistics: LayerStatistics) -> None:
    """Scale the channels of the depthwise convolution to equal ranges, and undo that in the next convolution.

    The block's output stays the same, as nothing is between its two convolutions. But all channels between them
    share one scale, and this way each of them uses all of its steps (Nagel et al., 2019,
    https://arxiv.org/abs/1906.04721).
    """
    ranges = np.maximum(statistics.high, -statistics.low)
    ranges = np.maximum(ranges, 1e-4 * ranges.max() + np.finfo(np.float32).tiny)  # some channels are always 0
    factors: Floats = (np.exp(np.log(ranges).mean()) / ranges).astype(np.float32)
    block.depthwise.weight *= torch.from_numpy(factors)[:, None, None, None]
    block.pointwise.weight /= torch.from_numpy(factors)[:, None, None]


def _serialise(plain: PoseNet, statistics: dict[str, LayerStatistics], size: tuple[int, int]) -> bytes:
    """Return the content of the file."""
    writer = ModelWriter()
    picture = writer.input(*size, PICTURE_SCALE)
    stem = plain.stem[0]
    assert isinstance(stem, nn.Conv2d)
    x = writer.to_signed(picture, "picture/signed")
    x = writer.convolution(
        x,
        _quantized_weights(stem, statistics["stem"]),
        _layer_scale(statistics["stem/activation"]),
        "stem",
        stride=2,
        relu6=True,
    )
    for number, block in enumerate(_blocks(plain)):
        name = f"{number}/depthwise"
        weights = _quantized_weights(block.depthwise, statistics[name])
        y = writer.depthwise(x, weights, _layer_scale(statistics[name]), name, stride=block.depthwise.stride[0])
        name = f"{number}/pointwise"
        weights = _quantized_weights(block.pointwise, statistics[name])
        y = writer.convolution(y, weights, _layer_scale(statistics[f"{number}/activation"]), name, relu6=True)
        x = writer.add(x, y, _layer_scale(statistics[f"{number}"]), f"{number}") if block.is_residual else y
    outputs, first = [], 0
    weights = _quantized_weights(plain.head, statistics["head"])
    for head, unit, channels, scale in zip(
        HEAD_NAMES, HEAD_UNITS, CHANNELS, _head_scales(statistics["head"].cells), strict=True
    ):
        part = slice(first, first + channels)
        head_weights = Weights(weights.numbers[part], weights.steps[part] * np.float32(unit), weights.bias[part] * unit)
        output = writer.convolution(x, head_weights, scale, f"{head}/signed", relu6=False)
        outputs.append(writer.to_unsigned(output, head))
        first += channels
    return writer.to_bytes(picture, outputs, DESCRIPTION)


def _quantized_weights(convolution: nn.Conv2d, statistics: LayerStatistics) -> Weights:
    """Return a convolution's weights in the file's order: 1×K×K×channels if it is depthwise, else
    outputs×K×K×inputs."""
    weights = convolution.weight.numpy()
    bias = np.zeros(len(weights), np.float32) if convolution.bias is None else convolution.bias.numpy()
    groups = convolution.groups
    flat = weights.reshape(groups, len(weights) // groups, -1)
    numbers, steps = round_weights(flat, bias.reshape(groups, -1), statistics.moments)
    order = (0, 2, 3, 1) if groups == 1 else (1, 2, 3, 0)
    return Weights(numbers.reshape(weights.shape).transpose(order), steps.ravel(), bias)


def _moments(convolution: nn.Conv2d, layer_input: Tensor) -> Doubles:
    """Return the mean products of the inputs of one output with each other, groups×n×n, for one picture."""
    kernel, padding, stride = convolution.kernel_size, convolution.padding, convolution.stride
    assert not isinstance(padding, str)
    inputs = nn.functional.unfold(layer_input, kernel, padding=padding, stride=stride)
    inputs = inputs.reshape(convolution.groups, -1, inputs.shape[2])
    products: Doubles = (inputs @ inputs.transpose(1, 2) / inputs.shape[2]).double().numpy()
    return products


def _head_scales(cells: Floats) -> tuple[Quantization, Quantization, Quantization]:
    """Return the heads' scales. An offset counts by the probability of its key point there, as the decoder reads it
    nowhere else."""
    heat, short, mid = (unit * head for unit, head in zip(HEAD_UNITS, _split_heads(cells), strict=True))
    likely: Floats = (1 / (1 + np.exp(-heat)))[:, OFFSET_KEYPOINTS].astype(np.float32)
    short_scale = _best_scale(short, float(short.min()), float(short.max()), likely[:, : short.shape[1]])
    mid_scale = _best_scale(mid, float(mid.min()), float(mid.max()), likely[:, short.shape[1] :])
    return _scale_between(max(float(heat.min()), MIN_LOGIT), float(heat.max())), short_scale, mid_scale


def _layer_scale(statistics: LayerStatistics) -> Quantization:
    return _best_scale(statistics.cells, float(statistics.low.min()), float(statistics.high.max()))


def _best_scale(values: Floats, low: float, high: float, weights: Floats | None = None) -> Quantization:
    """Return the scale for signed bytes that loses least, by the mean of squares.

    The more of `low` to `high` it spans, the coarser are its steps; the less, the more numbers are clipped.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    count, edges = np.histogram(values, 2048, (low, high), weights=weights)
    middles, shares = (edges[1:] + edges[:-1]) / 2, count / count.sum()
    spans = np.linspace(MIN_SPAN, 1, 71)
    lows, highs = low * spans, high * spans
    below = (np.maximum(lows[:, None] - middles, 0) ** 2) @ shares
    above = (np.maximum(middles - highs[:, None], 0) ** 2) @ shares
    loss = ((highs - lows[:, None]) / 255) ** 2 / 12 + above + below[:, None]
    best = np.unravel_index(np.argmin(loss), loss.shape)
    return _scale_between(float(lows[best[0]]), float(highs[best[1]]))


def _scale_between(low: float, high: float) -> Quantization:
    """Return the scale whose signed bytes reach from `low` to `high`; one of the bytes always stands for 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = float(np.float32(max(high - low, 1e-5) / 255))
    return Quantization(step, int(np.clip(round(-128 - low / step), -128, 127)))


def _difference(head: str, expected: Floats, actual: Floats, scale: Quantization) -> HeadDifference:
    """Compare one head: `expected` are the network's numbers, `actual` the file's bytes."""
    low, high = (0 - scale.zero_point) * scale.scale, (255 - scale.zero_point) * scale.scale
    in_range = (expected >= low) & (expected <= high)
    if not in_range.any():
        return HeadDifference(head, 0.0, 0.0, 1.0, 0.0, scale.scale)
    expected, actual = expected[in_range], (actual[in_range] - scale.zero_point) * scale.scale
    distances = np.abs(actual - expected)
    return HeadDifference(
        head,
        float(distances.mean()),
        float(distances.max()),
        1 - float(in_range.mean()),
        float(expected.std()),
        scale.scale,
    )


def _to_input(image: Image) -> Tensor:
    return as_input(torch.tensor(image)[None])


def _to_cells(output: Tensor) -> Floats:
    cells: Floats = output[0].flatten(1).T.numpy()
    return cells


def _split_heads(cells: Floats) -> list[Floats]:
    """Split the channels of all heads, n×115, into the three heads."""
    return np.split(cells, np.cumsum(CHANNELS)[:-1], axis=1)


def _blocks(plain: PoseNet) -> list[SeparableBlock]:
    return [block for block in plain.blocks if isinstance(block, SeparableBlock)]
