"""Weights as signed bytes, rounded so that what a layer gives changes least, not so that each weight does."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from models.pose import Floats

MAX_STEPS: Final = 127
"""How many steps a channel's largest weight has."""

MIN_STEP: Final = 2.0**-20
"""The least step, in units of the channel's bias: a file counts biases by the weights' steps, in 32 bits."""

DAMPING: Final = 0.01
"""What is added to each input's mean square, in units of the mean of all: the pictures are only a sample."""

SignedBytes = npt.NDArray[np.int8]
Doubles = npt.NDArray[np.float64]


def round_weights(weights: Floats, bias: Floats, moments: Doubles) -> tuple[SignedBytes, Floats]:
    """Weights, groups×given×taken, as bytes, and the size of a step for each number that is given, groups×given.

    `bias` is groups×given; `moments`, groups×taken×taken, are the mean products of the inputs with each other. One
    input's weights are rounded after the other's, and the weights that are left make up for the error as well as their
    inputs can (GPTQ: Frantar et al., 2022, https://arxiv.org/abs/2210.17323). Neighbouring pixels hardly differ, so
    most of an error is made up for: with the first layer's 27 inputs three quarters of it, of all layers' a half.
    """
    steps = np.maximum(np.abs(weights).max(axis=2) / MAX_STEPS, np.abs(bias) * MIN_STEP)
    steps = np.maximum(steps, np.finfo(np.float32).tiny).astype(np.float32)
    left, numbers = weights.astype(np.float64), np.empty(weights.shape, np.int8)
    follow = _error_propagation(moments)
    for taken in range(weights.shape[2]):
        number = np.clip(np.round(left[:, :, taken] / steps), -MAX_STEPS, MAX_STEPS)
        error = left[:, :, taken] - number * steps
        left[:, :, taken:] -= error[:, :, None] * follow[:, taken, None, taken:]
        numbers[:, :, taken] = number
    return numbers, steps


def _error_propagation(moments: Doubles) -> Doubles:
    """By how much each later input's weight (column) falls for an error of 1 in an input's (row)."""
    inputs = moments.shape[1]
    mean = np.trace(moments, axis1=1, axis2=2) / inputs
    damped = moments + np.eye(inputs) * (DAMPING * mean + np.finfo(np.float32).tiny)[:, None, None]
    lower = torch.linalg.cholesky(torch.linalg.inv(torch.from_numpy(damped)))  # keeps to the threads that torch has
    upper = lower.numpy().transpose(0, 2, 1)
    follow: Doubles = upper / np.diagonal(upper, axis1=1, axis2=2)[:, :, None]
    return follow
