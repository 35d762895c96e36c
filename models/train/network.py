"""The network in PyTorch: PoseNet's heads on a small convolutional trunk, made to be quantized.

It consists of depthwise and 1×1 convolutions, as MobileNet does (Howard et al., 2017,
https://arxiv.org/abs/1704.04861), with two changes. There is no normalization or activation between a depthwise
convolution and the 1×1 after it, which is better for 8 bits (Sheng et al., 2018, https://arxiv.org/abs/1803.08607).
And a block that changes neither size nor channels adds its input to its output.

A 3×3 convolution pads by 1 on all sides. For sides of 16 n + 1 pixels, the only ones an estimator uses, that is the
same as TensorFlow's SAME, at every stride.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from models.estimator.estimator import CHANNELS as CHANNELS
from models.estimator.posenet import STRIDE

PIXELS_PER_CELL: Final = STRIDE
"""The network's offsets are in cells; times this they are in pixels, as in the file."""

STEM_CHANNELS: Final = 24
"""Channels of the first convolution."""
BLOCKS: Final = ((48, 2), (48, 1), (128, 2), (128, 1), (320, 2), *((320, 1),) * 8)
"""Channels and stride of each block after the stem, which has stride 2: the strides multiply to 16."""

INITIAL_LOGIT: Final = -3.0
"""Where the logits of heat maps start: nearly all cells have no key point near."""


class PoseNet(nn.Module):
    """The network: pictures from `as_input`, B×3×H×W with sides of 16 n + 1 → B×115×(H/16 + 1)×(W/16 + 1).

    The channels are 17 heat maps (logits), 34 short offsets and 64 mid offsets (cells), in the order that
    `models.estimator.posenet` describes. It is fastest when both the network and its input are in
    `torch.channels_last`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(STEM_CHANNELS), nn.ReLU6()
        )
        channels_before = [STEM_CHANNELS, *(channels for channels, _ in BLOCKS)]
        self.blocks = nn.ModuleList(
            SeparableBlock(in_channels, out_channels, stride)
            for in_channels, (out_channels, stride) in zip(channels_before, BLOCKS, strict=False)
        )
        self.head = nn.Conv2d(channels_before[-1], sum(CHANNELS), 1)
        self._initialise()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        heads: Tensor = self.head(x)
        return heads

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
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
    """A depthwise 3×3 and a 1×1 convolution; adds its input to its output where the shapes allow."""

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
    """Return pictures of bytes, B×H×W×3, as the network's input: B×3×H×W, channels last, `(byte − 128) / 128`.

    The file describes its bytes in the same way, with a scale of 1/128 and a zero point of 128. So they fit 8 signed
    bits without rounding, and the padding of convolutions is a byte, 128.
    """
    return (images.permute(0, 3, 1, 2).to(torch.float32) - 128) / 128
