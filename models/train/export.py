"""The trained network → a .tflite file of 8-bit integers that `models.estimator.estimator.Estimator` takes. No TensorFlow.

Batch normalization goes into the convolutions before it. The weights become signed bytes, with a scale for each
channel. What the layers give becomes signed bytes too, with one scale for each layer, chosen by what they give for some
pictures. Into the file and out of it go unsigned bytes, as with every quantized PoseNet.
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

HEAD_NAMES: Final = ("heat_maps", "short_offsets", "mid_offsets")

PICTURE_SCALE: Final = Quantization(1 / 128, 128)
"""What a picture's bytes stand for, as in `as_input`."""

MIN_LOGIT: Final = -8.0
"""Heat maps are cut off below: a key point of 1 in 3000 is none, and the bytes are for those that may be one."""

CELLS_PER_PICTURE: Final = 48
"""How many cells of a layer are kept from each picture, besides the extremes of all."""

MIN_SPAN: Final = 0.3
"""The least share of the highest and lowest numbers seen that a scale spans."""

OFFSET_KEYPOINTS: Final = np.array(
    [*range(17)] * 2 + [parent for parent, _ in EDGES] * 2 + [child for _, child in EDGES] * 2, dtype=np.intp
)
"""The key point at which the decoder reads each channel of the offsets."""


HEAT_MAP_BIAS: Final = 1.0
"""Added to the heat maps' logits. Scenes have made the network shyer of real people than the thresholds of the decoder
and the mirror expect. With this it takes something for somebody as often as PoseNet does in scenes, where nobody is."""


class HeadDifference(NamedTuple):
    """How far one head of a file is from the network's, in logits or pixels.

    `mean` and `maximum` of all numbers but those, a share of `clipped`, that the file cuts off. `std` is the standard
    deviation of the network's numbers, `step` is from one number of the file's to the next.
    """

    head: str
    mean: float
    maximum: float
    clipped: float
    std: float
    step: float


class LayerStatistics:
    """What a layer gave for some pictures: the extremes of each channel, and `cells`, n×C; all, or some of each.

    And what it took, where it is a convolution: `moments`, as `models.train.rounding.round_weights` takes them.
    """

    def __init__(self, max_cells: int | None) -> None:
        self._kept = max_cells
        self._cells: list[Floats] = []
        self.low = self.high = np.zeros(0, np.float32)
        self.moments: Doubles = np.zeros((1, 1, 1))

    def observe(self, layer: nn.Module, taken: Tensor, given: Tensor) -> None:
        """1×C×H×W more."""
        cells: Floats = given[0].flatten(1).T.numpy()
        low, high = cells.min(0), cells.max(0)
        first = not self._cells
        self.low, self.high = (low, high) if first else (np.minimum(low, self.low), np.maximum(high, self.high))
        kept = np.linspace(0, len(cells) - 1, self._kept or len(cells)).astype(np.intp)
        self._cells.append(cells[kept])
        if isinstance(layer, nn.Conv2d):
            self.moments = self.moments + _moments(layer, taken)

    @property
    def cells(self) -> Floats:
        return np.concatenate(self._cells)


def with_heat_map_bias(network: PoseNet) -> PoseNet:
    """A copy that is as sure of its heat maps as the mirror's thresholds expect."""
    made: PoseNet = copy.deepcopy(network)
    with torch.no_grad():
        made.head.bias[: CHANNELS[0]] += HEAT_MAP_BIAS
    return made


def export(network: PoseNet, calibration: Iterable[Image], file: Path, *, size: tuple[int, int] = (353, 481)) -> None:
    """Write the network as a .tflite file whose own size is `size`, (height, width); a runtime can resize it.

    `calibration` are some dozens of pictures such as the network is to understand, with sides of 16 n + 1 pixels.
    The same network and pictures give the same file. Raises ValueError when there are none.
    """
    plain, pictures = fold_batch_norm(network), list(calibration)
    seen = collect_statistics(plain, pictures)
    for number, block in enumerate(_blocks(plain)):
        _equalise(block, seen[f"{number}/depthwise"])
    file.write_bytes(_serialise(plain, collect_statistics(plain, pictures), size))


def compare(network: PoseNet, file: Path, images: Iterable[Image]) -> list[HeadDifference]:
    """Hold each head of a file against the network that it was made of, for pictures with sides of 16 n + 1 pixels."""
    plain = copy.deepcopy(network).cpu().float().eval()
    floats: list[Floats] = []
    found: list[Floats] = []
    with Estimator(file) as estimator, torch.inference_mode():
        for image in images:
            estimator.resize((image.shape[0], image.shape[1]))
            *said, scales = estimator.heads(image)
            found.append(np.concatenate(said, axis=2).reshape(-1, sum(CHANNELS)).astype(np.float32))
            floats.append(_to_cells(plain(_to_input(image))))
    if not floats:
        raise ValueError("there are no pictures to compare by")
    wanted, numbers = _split_heads(np.concatenate(floats)), _split_heads(np.concatenate(found))
    return [
        _difference(head, unit * one, other, scale)
        for head, unit, one, other, scale in zip(HEAD_NAMES, HEAD_UNITS, wanted, numbers, scales, strict=True)
    ]


def fold_batch_norm(network: PoseNet) -> PoseNet:
    """A copy that gives the same, with biases in the place of batch normalization."""
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
    """What each layer takes and gives for the pictures. Raises ValueError when there are none.

    The layers are "stem", "stem/activation", "head", for the fifth block "4/depthwise", "4/pointwise" and
    "4/activation", and for its sum "4".
    """
    layers: dict[str, nn.Module] = {"stem": plain.stem[0], "stem/activation": plain.stem[2], "head": plain.head}
    for number, block in enumerate(_blocks(plain)):
        layers |= {f"{number}/{part}": layer for part, layer in block.named_children()} | {f"{number}": block}
    seen = {name: LayerStatistics(None if name == "head" else CELLS_PER_PICTURE) for name in layers}
    hooks = [
        layer.register_forward_hook(lambda layer, taken, given, to=seen[name]: to.observe(layer, taken[0], given))
        for name, layer in layers.items()
    ]
    with torch.inference_mode():
        count = sum(len(plain(_to_input(picture))) for picture in pictures)
    for hook in hooks:
        hook.remove()
    if not count:
        raise ValueError("there are no pictures to calibrate by")
    return seen


def _equalise(block: SeparableBlock, seen: LayerStatistics) -> None:
    """Let all channels of the depthwise convolution give equally much, and weigh them by as much less afterwards.

    The block gives the same, as nothing stands between its two convolutions; but all channels of what is between them
    share one scale, and this way each of them has all of its steps (Nagel et al., 2019,
    https://arxiv.org/abs/1906.04721).
    """
    ranges = np.maximum(seen.high, -seen.low)
    ranges = np.maximum(ranges, 1e-4 * ranges.max() + np.finfo(np.float32).tiny)  # a channel may be of no use
    factors: Floats = (np.exp(np.log(ranges).mean()) / ranges).astype(np.float32)
    block.depthwise.weight *= torch.from_numpy(factors)[:, None, None, None]
    block.pointwise.weight /= torch.from_numpy(factors)[:, None, None]


def _serialise(plain: PoseNet, seen: dict[str, LayerStatistics], size: tuple[int, int]) -> bytes:
    writer = ModelWriter()
    picture = writer.input(*size, PICTURE_SCALE)
    stem = plain.stem[0]
    assert isinstance(stem, nn.Conv2d)
    x = writer.to_signed(picture, "picture/signed")
    x = writer.convolution(
        x, _quantized_weights(stem, seen["stem"]), _layer_scale(seen["stem/activation"]), "stem", stride=2, relu6=True
    )
    for number, block in enumerate(_blocks(plain)):
        name = f"{number}/depthwise"
        weights = _quantized_weights(block.depthwise, seen[name])
        y = writer.depthwise(x, weights, _layer_scale(seen[name]), name, stride=block.depthwise.stride[0])
        name = f"{number}/pointwise"
        weights = _quantized_weights(block.pointwise, seen[name])
        y = writer.convolution(y, weights, _layer_scale(seen[f"{number}/activation"]), name, relu6=True)
        x = writer.add(x, y, _layer_scale(seen[f"{number}"]), f"{number}") if block.is_residual else y
    outputs, start = [], 0
    weights = _quantized_weights(plain.head, seen["head"])
    for head, unit, channels, scale in zip(
        HEAD_NAMES, HEAD_UNITS, CHANNELS, _head_scales(seen["head"].cells), strict=True
    ):
        part = slice(start, start + channels)
        own = Weights(weights.numbers[part], weights.steps[part] * np.float32(unit), weights.bias[part] * unit)
        given = writer.convolution(x, own, scale, f"{head}/signed", relu6=False)
        outputs.append(writer.to_unsigned(given, head))
        start += channels
    return writer.to_bytes(picture, outputs, DESCRIPTION)


def _quantized_weights(convolution: nn.Conv2d, seen: LayerStatistics) -> Weights:
    """In a file's order: a depthwise convolution's 1×K×K×channels, another's given×K×K×taken."""
    weights = convolution.weight.numpy()
    bias = np.zeros(len(weights), np.float32) if convolution.bias is None else convolution.bias.numpy()
    groups = convolution.groups
    flat = weights.reshape(groups, len(weights) // groups, -1)
    numbers, steps = round_weights(flat, bias.reshape(groups, -1), seen.moments)
    order = (0, 2, 3, 1) if groups == 1 else (1, 2, 3, 0)
    return Weights(numbers.reshape(weights.shape).transpose(order), steps.ravel(), bias)


def _moments(convolution: nn.Conv2d, taken: Tensor) -> Doubles:
    """The mean products of what a convolution takes in for a number, groups×n×n, of one picture."""
    kernel, padding, stride = convolution.kernel_size, convolution.padding, convolution.stride
    assert not isinstance(padding, str)
    inputs = nn.functional.unfold(taken, kernel, padding=padding, stride=stride)
    inputs = inputs.reshape(convolution.groups, -1, inputs.shape[2])
    products: Doubles = (inputs @ inputs.transpose(1, 2) / inputs.shape[2]).double().numpy()
    return products


def _head_scales(cells: Floats) -> tuple[Quantization, Quantization, Quantization]:
    """Each offset counts by how likely its key point is in its cell, as elsewhere the decoder does not read it."""
    heat, short, mid = (unit * head for unit, head in zip(HEAD_UNITS, _split_heads(cells), strict=True))
    likely: Floats = (1 / (1 + np.exp(-heat)))[:, OFFSET_KEYPOINTS].astype(np.float32)
    short_scale = _best_scale(short, float(short.min()), float(short.max()), likely[:, : short.shape[1]])
    mid_scale = _best_scale(mid, float(mid.min()), float(mid.max()), likely[:, short.shape[1] :])
    return _scale_between(max(float(heat.min()), MIN_LOGIT), float(heat.max())), short_scale, mid_scale


def _layer_scale(seen: LayerStatistics) -> Quantization:
    return _best_scale(seen.cells, float(seen.low.min()), float(seen.high.max()))


def _best_scale(values: Floats, low: float, high: float, weights: Floats | None = None) -> Quantization:
    """The scale for signed bytes by which the values lose least, in the mean of squares.

    The more it spans of `low` to `high`, the coarser are its steps; the less, the more is cut off.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    count, edges = np.histogram(values, 2048, (low, high), weights=weights)
    middles, shares = (edges[1:] + edges[:-1]) / 2, count / count.sum()
    spans = np.linspace(MIN_SPAN, 1, 71)
    lows, highs = low * spans, high * spans
    below = (np.maximum(lows[:, None] - middles, 0) ** 2) @ shares
    above = (np.maximum(middles - highs[:, None], 0) ** 2) @ shares
    loss = ((highs - lows[:, None]) / 255) ** 2 / 12 + above + below[:, None]
    at = np.unravel_index(np.argmin(loss), loss.shape)
    return _scale_between(float(lows[at[0]]), float(highs[at[1]]))


def _scale_between(low: float, high: float) -> Quantization:
    """The scale by which signed bytes reach from `low` to `high`; one of them always stands for 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = float(np.float32(max(high - low, 1e-5) / 255))
    return Quantization(step, int(np.clip(round(-128 - low / step), -128, 127)))


def _difference(head: str, wanted: Floats, found: Floats, scale: Quantization) -> HeadDifference:
    """`wanted` are the network's numbers, `found` the file's bytes."""
    low, high = (0 - scale.zero_point) * scale.scale, (255 - scale.zero_point) * scale.scale
    within = (wanted >= low) & (wanted <= high)
    if not within.any():
        return HeadDifference(head, 0.0, 0.0, 1.0, 0.0, scale.scale)
    wanted, found = wanted[within], (found[within] - scale.zero_point) * scale.scale
    apart = np.abs(found - wanted)
    return HeadDifference(
        head, float(apart.mean()), float(apart.max()), 1 - float(within.mean()), float(wanted.std()), scale.scale
    )


def _to_input(image: Image) -> Tensor:
    return as_input(torch.tensor(image)[None])


def _to_cells(given: Tensor) -> Floats:
    cells: Floats = given[0].flatten(1).T.numpy()
    return cells


def _split_heads(cells: Floats) -> list[Floats]:
    """n×115 → the three heads."""
    return np.split(cells, np.cumsum(CHANNELS)[:-1], axis=1)


def _blocks(plain: PoseNet) -> list[SeparableBlock]:
    return [block for block in plain.blocks if isinstance(block, SeparableBlock)]
