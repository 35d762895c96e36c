"""Rounds weights to signed bytes so that a layer's output changes least, rather than each weight."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from models.pose import Floats

MAX_STEPS: Final = 127
"""Steps from 0 to the largest weight of a channel."""

MIN_STEP: Final = 2.0**-20
"""Smallest step, in units of the channel's bias: a file stores biases in units of the weights' steps, in 32 bits."""

DAMPING: Final = 0.01
"""Added to each input's mean square, in units of the mean of all: the pictures are only a sample."""

SignedBytes = npt.NDArray[np.int8]
Doubles = npt.NDArray[np.float64]


def round_weights(weights: Floats, bias: Floats, moments: Doubles) -> tuple[SignedBytes, Floats]:
    """Return weights, groups×outputs×inputs, as bytes, and the step of each output, groups×outputs.

    `bias` is groups×outputs; `moments`, groups×inputs×inputs, are the mean products of the inputs with each other.
    The weights of one input are rounded after those of another, and the remaining weights compensate for the error
    as well as their inputs allow (GPTQ: Frantar et al., 2022, https://arxiv.org/abs/2210.17323). Neighbouring pixels
    hardly differ, so most of an error is compensated: three quarters of it in the first layer with its 27 inputs, a
    half over all layers.
    """
    steps = np.maximum(np.abs(weights).max(axis=2) / MAX_STEPS, np.abs(bias) * MIN_STEP)
    steps = np.maximum(steps, np.finfo(np.float32).tiny).astype(np.float32)
    remaining, numbers = weights.astype(np.float64), np.empty(weights.shape, np.int8)
    propagation = _error_propagation(moments)
    for column in range(weights.shape[2]):
        number = np.clip(np.round(remaining[:, :, column] / steps), -MAX_STEPS, MAX_STEPS)
        error = remaining[:, :, column] - number * steps
        remaining[:, :, column:] -= error[:, :, None] * propagation[:, column, None, column:]
        numbers[:, :, column] = number
    return numbers, steps


def _error_propagation(moments: Doubles) -> Doubles:
    """Return by how much the weight of each later input (column) falls for an error of 1 in an input's weight (row)."""
    inputs = moments.shape[1]
    mean = np.trace(moments, axis1=1, axis2=2) / inputs
    damped = moments + np.eye(inputs) * (DAMPING * mean + np.finfo(np.float32).tiny)[:, None, None]
    lower = torch.linalg.cholesky(
        torch.linalg.inv(torch.from_numpy(damped))
    )  # torch's, as it keeps to torch's number of threads
    upper = lower.numpy().transpose(0, 2, 1)
    propagation: Doubles = upper / np.diagonal(upper, axis1=1, axis2=2)[:, :, None]
    return propagation
