"""The network in PyTorch: PoseNet's heads on a small convolutional trunk, made to be quantized.

Depthwise and 1×1 convolutions, as MobileNet's (Howard et al., 2017, https://arxiv.org/abs/1704.04861), with two
changes. Nothing stands between a depthwise convolution and the 1×1 after it, neither normalization nor activation: for
8 bits that is better (Sheng et al., 2018, https://arxiv.org/abs/1803.08607). And a block that changes neither size nor
channels adds what it took in.

A 3×3 convolution pads by 1 on all sides. For sides of 16 n + 1 pixels, the only ones an estimator uses, that is
TensorFlow's SAME, at each stride on the way.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from models.estimator.estimator import CHANNELS as CHANNELS
from models.estimator.posenet import STRIDE

PIXELS_PER_CELL: Final = STRIDE
"""The network's offsets are in cells; times this they are in pixels, as the file's are."""

STEM_CHANNELS: Final = 24
BLOCKS: Final = ((48, 2), (48, 1), (128, 2), (128, 1), (320, 2), *((320, 1),) * 8)
"""Channels and stride of each block after the stem, which has stride 2: 16 in all."""

INITIAL_LOGIT: Final = -3.0
"""Where the heat maps' logits begin: nearly all cells have no key point near."""


class PoseNet(nn.Module):
    """Pictures as `as_input` gives them, B×3×H×W with sides of 16 n + 1 → B×115×(H/16 + 1)×(W/16 + 1).

    The channels are 17 heat maps (logits), 34 short offsets and 64 mid offsets (cells), in the order that
    `models.estimator.posenet` describes. Quickest when both the network and its input are in `torch.channels_last`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(STEM_CHANNELS), nn.ReLU6()
        )
        before = [STEM_CHANNELS, *(channels for channels, _ in BLOCKS)]
        self.blocks = nn.ModuleList(
            SeparableBlock(taken, given, stride) for taken, (given, stride) in zip(before, BLOCKS, strict=False)
        )
        self.head = nn.Conv2d(before[-1], sum(CHANNELS), 1)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        heads: Tensor = self.head(x)
        return heads

    @property
    def parameter_count(self) -> int:
        """How many numbers training finds."""
        return sum(parameter.numel() for parameter in self.parameters())

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert self.head.bias is not None
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        nn.init.constant_(self.head.bias[: CHANNELS[0]], INITIAL_LOGIT)


class SeparableBlock(nn.Module):
    """A depthwise 3×3 and a 1×1 convolution; adds what it took in where the shapes allow."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU6()
        self.is_residual = in_channels == out_channels and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.norm(self.pointwise(self.depthwise(x))))
        return x + y if self.is_residual else y


def as_input(images: Tensor) -> Tensor:
    """Pictures of bytes, B×H×W×3, as the network takes them: B×3×H×W, channels last, `(byte − 128) / 128`.

    The file says the same of its bytes by a scale of 1/128 and a zero point of 128. That makes 8 signed bits of them
    without rounding, and what the convolutions pad with is a byte, 128.
    """
    return (images.permute(0, 3, 1, 2).to(torch.float32) - 128) / 128
