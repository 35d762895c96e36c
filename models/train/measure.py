"""A quick measure of how well a network reads people, which training prints now and then.

Each person is cropped out of a real photo and read as if nobody else were there: the likeliest cell of each heat
map, and its short offset. `models.estimator.posenet` reads better, but this is enough to see a network learn.
`compare` measures what 8 bits cost, in both ways of reading.

Photos only measure: no network is trained on one, and no training scene contains a part of one.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from models.estimator.estimator import Estimator, size_for
from models.estimator.posenet import STRIDE, Heads, Quantization, decode
from models.figures import draw_picture
from models.pose import BODY_TO_BOX_RATIO, SIGMAS, Floats, Image

if TYPE_CHECKING:
    from torch import nn

MIN_KEYPOINTS_TO_CROP: Final = 8
"""People with fewer labelled key points are not cropped …"""
MIN_BOX_SIDE: Final = 60.0
"""… nor are people whose labelled key points have a box with a shorter side, in pixels: they are labelled too
roughly."""
CROP_MARGIN: Final = 0.25
"""Margin on each side of the box around the key points, as a share of its longer side."""
BORDER_COLOUR: Final = (128, 128, 128)
"""The colour beyond the photo's border: zero for the network."""

HIT_OKS: Final = 0.5
"""The OKS above which a person counts as found, as in COCO's most lenient precision."""
BATCH_SIZE: Final = 16
"""Pictures that the network reads at once."""

HEAD_SPLITS: Final = 17, 17 + 34
"""The network's first channel of short offsets, and of mid offsets …"""
HEAD_UNITS: Final = 1, STRIDE, STRIDE
"""… and what 1 in each head stands for in a file: the network's offsets are in cells, the file's in pixels."""


class Crop(NamedTuple):
    """One person: a picture, and 17×3 key points in its pixels, labelled where the third number is over 0."""

    image: Image
    keypoints: Floats


class Accuracy(NamedTuple):
    """The mean of the OKS, and the share of them above `HIT_OKS`."""

    oks: float
    hit_rate: float


class AccuracyPair(NamedTuple):
    """How well people are read from a network's own numbers, and from those of the file made from it."""

    network: Accuracy
    file: Accuracy


class Comparison(NamedTuple):
    """Accuracy by the likeliest cells (`likeliest_keypoints`), and by `models.estimator.posenet`'s decoder."""

    cells: AccuracyPair
    decoded: AccuracyPair


def load_crops(folder: Path, size: int = 193) -> list[Crop]:
    """Return the people in a folder's photos that suit, each in a square of `size` pixels (see `is_croppable`).

    The folder's `keypoints.json` is a list of photos, each with its `file` and its `persons` (17×3 each).
    """
    crops = []
    for photo in json.loads((folder / "keypoints.json").read_text(encoding="utf-8")):
        people = [np.array(person, np.float32) for person in photo["persons"]]
        people = [person for person in people if is_croppable(person)]
        if people:
            with pillow.open(folder / photo["file"]) as opened:
                image = opened.convert("RGB")
            crops += [_cut_out(image, person, size) for person in people]
    return crops


def starter_crops(numbers: Iterable[int]) -> list[Crop]:
    """Return the starter pictures with these numbers that show one person who suits, `resize_for_estimator`."""
    crops = []
    for number in numbers:
        picture, poses, *_ = draw_picture(number)
        image = resize_for_estimator(picture)
        keypoints = poses[0].scaled(image.shape[1] / picture.shape[1], image.shape[0] / picture.shape[0]).keypoints
        if len(poses) == 1 and is_croppable(keypoints):
            crops.append(Crop(image, keypoints))
    return crops


def resize_for_estimator(image: Image) -> Image:
    """Return a picture at the size an estimator gives it: in its own shape, with about as many pixels as 353×481."""
    height, width = size_for(image.shape[1], image.shape[0])
    return np.asarray(pillow.fromarray(image).resize((width, height), pillow.Resampling.BILINEAR))


def is_croppable(person: Floats) -> bool:
    """Return whether enough key points of a person (17×3) are labelled, and the person is large enough."""
    points = person[person[:, 2] > 0, :2]
    return len(points) >= MIN_KEYPOINTS_TO_CROP and float(np.ptp(points, axis=0).min()) >= MIN_BOX_SIDE


def oks(xy: Floats, labelled: Floats) -> float:
    """Return COCO's object key-point similarity of 17×2 key points with the labelled ones of a person's 17×3.

    The photos have no body areas, so the area is a share of the key points' box.
    https://cocodataset.org/#keypoints-eval
    """
    is_labelled = labelled[:, 2] > 0
    points = labelled[is_labelled, :2]
    width, height = np.maximum(np.ptp(points, axis=0), 1).tolist()
    distances2 = ((xy[is_labelled] - points) ** 2).sum(1)
    spread = 2 * (2 * SIGMAS[is_labelled]) ** 2 * (BODY_TO_BOX_RATIO * width * height)
    return float(np.exp(-distances2 / spread).mean())


def likeliest_keypoints(heads: npt.NDArray[np.float32]) -> Floats:
    """Read one person per picture, B×17×2 in pixels, from a network's B×115×h×w with offsets in cells."""
    count, _, height, width = heads.shape
    cells = heads.reshape(count, -1, height * width)
    likeliest = cells[:, :17].argmax(2)
    rows, columns = np.divmod(likeliest, width)
    down, right = (
        np.take_along_axis(cells[:, first : first + 17], likeliest[:, :, None], 2)[:, :, 0] for first in (17, 34)
    )
    xy: Floats = (np.stack([columns + right, rows + down], 2) * STRIDE).astype(np.float32)
    return xy


def evaluate(network: nn.Module, pictures: Sequence[tuple[Image, Floats]]) -> Accuracy:
    """Return how well a network reads pictures of one person each, all of one size, with their key points (17×3).

    The network is left in the mode it was in.
    """
    import torch  # large, and only installed for training; the rest of this module does without it

    from models.train.network import as_input

    training, device = network.training, next(network.parameters()).device
    network.eval()
    similarities: list[float] = []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH_SIZE):
            batch = pictures[start : start + BATCH_SIZE]
            images = torch.from_numpy(np.stack([image for image, _ in batch])).to(device)
            found = likeliest_keypoints(network(as_input(images)).float().cpu().numpy())
            similarities += [oks(xy, keypoints) for xy, (_, keypoints) in zip(found, batch, strict=True)]
    network.train(training)
    return _to_accuracy(similarities)


def compare(network: nn.Module, file: Path, pictures: Iterable[tuple[Image, Floats]]) -> Comparison:
    """Return what a file loses against its network, on pictures of one person each with sides of 16 n + 1 pixels.

    The decoder reads bytes only, so the network's numbers are made bytes with the file's scales; what those scales
    lose shows in the first pair only. Raises ValueError when there are no pictures.
    """
    import torch

    from models.train.network import as_input

    plain, similarities = copy.deepcopy(network).cpu().float().eval(), []
    with Estimator(file) as estimator, torch.inference_mode():
        for image, person in pictures:
            estimator.resize((image.shape[0], image.shape[1]))
            file_heads = estimator.heads(image)
            network_heads = plain(as_input(torch.tensor(image)[None])).numpy()
            by_cells = [
                oks(likeliest_keypoints(heads)[0], person) for heads in (network_heads, dequantize_heads(file_heads))
            ]
            similarities.append(
                by_cells
                + [
                    _decoded_oks(heads, person)
                    for heads in (quantize_heads(network_heads, file_heads.quantization), file_heads)
                ]
            )
    if not similarities:
        raise ValueError("there are no pictures to compare on")
    scores = [_to_accuracy(column) for column in zip(*similarities, strict=True)]
    return Comparison(AccuracyPair(*scores[:2]), AccuracyPair(*scores[2:]))


def dequantize_heads(heads: Heads) -> npt.NDArray[np.float32]:
    """Return a file's heads as 1×115×h×w, with offsets in cells."""
    parts = [
        (numbers.astype(np.float32) - scale.zero_point) * (scale.scale / unit)
        for numbers, scale, unit in zip(heads[:3], heads.quantization, HEAD_UNITS, strict=True)
    ]
    return np.concatenate(parts, 2).transpose(2, 0, 1)[None]


def quantize_heads(heads: npt.NDArray[np.float32], scales: tuple[Quantization, Quantization, Quantization]) -> Heads:
    """Return a network's 1×115×h×w as bytes; numbers beyond a scale's range are clipped."""
    heat, short, mid = (
        np.clip(np.rint(part * (unit / scale.scale) + scale.zero_point), 0, 255).astype(np.uint8)
        for part, unit, scale in zip(
            np.split(heads[0].transpose(1, 2, 0), HEAD_SPLITS, 2), HEAD_UNITS, scales, strict=True
        )
    )
    return Heads(heat, short, mid, scales)


def _decoded_oks(heads: Heads, person: Floats) -> float:
    return max((oks(pose.xy, person) for pose in decode(heads)), default=0.0)


def _to_accuracy(similarities: Sequence[float]) -> Accuracy:
    return Accuracy(float(np.mean(similarities)), float(np.mean(np.array(similarities) > HIT_OKS)))


def _cut_out(image: pillow.Image, person: Floats, size: int) -> Crop:
    """Return a person in a square with a margin, scaled as the estimator scales pictures."""
    points = person[person[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * (1 + 2 * CROP_MARGIN)
    left, top = ((low + high) / 2 + 0.5 - side / 2).tolist()  # from pixels' centres to their corners
    corner = math.floor(left), math.floor(top)
    surroundings = pillow.new("RGB", (math.ceil(side) + 1,) * 2, BORDER_COLOUR)
    surroundings.paste(image, (-corner[0], -corner[1]))
    box = left - corner[0], top - corner[1], left - corner[0] + side, top - corner[1] + side
    cropped = surroundings.resize((size, size), pillow.Resampling.BILINEAR, box)
    keypoints = person.copy()
    keypoints[:, :2] = (keypoints[:, :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return Crop(np.asarray(cropped), keypoints)
