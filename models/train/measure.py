"""How well a network reads people, quickly: what training asks of itself now and then.

People of real photos, each cut out of their photo, are read as if nobody else were there: the likeliest cell of each
heat map, and its short offset. That is worse than `models.estimator.posenet` reads, and enough to see a network learn. What 8
bits cost is asked both ways: `compare`.

Photos only measure: none ever trains a network, and no training scene is made of one.
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

MIN_KEYPOINTS: Final = 8
"""Somebody of whom fewer key points are labelled is not cut out …"""
MIN_BOX_SIDE: Final = 60.0
"""… nor is anybody whose labelled key points lie in a box with a shorter side, in pixels: they are labelled roughly."""
CROP_MARGIN: Final = 0.25
"""What is left on each side of the box around the key points, in parts of its longer side."""
BORDER_COLOUR: Final = (128, 128, 128)
"""Beyond the photo's border: the network's zero."""

HIT_OKS: Final = 0.5
"""The similarity above which somebody counts as found, as in COCO's most lenient precision."""
BATCH_SIZE: Final = 16
"""Pictures that the network reads together."""

HEAD_SPLITS: Final = 17, 17 + 34
"""Where short offsets and mid offsets begin among a network's channels …"""
HEAD_UNITS: Final = 1, STRIDE, STRIDE
"""… and what one of each head's numbers is in a file: offsets are in cells here, in pixels there."""


class Crop(NamedTuple):
    """One person: a picture, and 17×3 key points in its pixels, labelled where the third is over 0."""

    image: Image
    keypoints: Floats


class Accuracy(NamedTuple):
    """The mean of the similarities `oks`, and the share of them above `HIT_OKS`."""

    oks: float
    hit_rate: float


class AccuracyPair(NamedTuple):
    """How well people are read from a network's own numbers, and from those of the file that was made of it."""

    network: Accuracy
    file: Accuracy


class Comparison(NamedTuple):
    """By the likeliest cells, as `likeliest_keypoints` reads, and by `models.estimator.posenet`'s decoder."""

    cells: AccuracyPair
    decoded: AccuracyPair


def load_crops(folder: Path, size: int = 193) -> list[Crop]:
    """The people of the photos in a folder, each in a square of `size` pixels, largely labelled and not too small.

    The folder's `keypoints.json` is a list of photos, each with its `file` and its `persons` (17×3 each).
    """
    found = []
    for photo in json.loads((folder / "keypoints.json").read_text(encoding="utf-8")):
        people = [np.array(person, np.float32) for person in photo["persons"]]
        people = [person for person in people if is_croppable(person)]
        if people:
            with pillow.open(folder / photo["file"]) as opened:
                image = opened.convert("RGB")
            found += [_cut_out(image, person, size) for person in people]
    return found


def starter_crops(numbers: Iterable[int]) -> list[Crop]:
    """The starter library's pictures of some numbers, each `resize_for_estimator`: those of one person of whom enough is seen."""
    made = []
    for number in numbers:
        whole, poses, _ = draw_picture(number)
        image = resize_for_estimator(whole)
        keypoints = poses[0].scaled(image.shape[1] / whole.shape[1], image.shape[0] / whole.shape[0]).keypoints
        if len(poses) == 1 and is_croppable(keypoints):
            made.append(Crop(image, keypoints))
    return made


def resize_for_estimator(image: Image) -> Image:
    """A picture at the size that an estimator gives it: its own shape, and about as many pixels as 353×481."""
    height, width = size_for(image.shape[1], image.shape[0])
    return np.asarray(pillow.fromarray(image).resize((width, height), pillow.Resampling.BILINEAR))


def is_croppable(person: Floats) -> bool:
    """Whether enough of somebody (17×3) is labelled, large enough."""
    points = person[person[:, 2] > 0, :2]
    return len(points) >= MIN_KEYPOINTS and float(np.ptp(points, axis=0).min()) >= MIN_BOX_SIDE


def oks(found: Floats, labelled: Floats) -> float:
    """COCO's object key-point similarity of 17×2 key points with those that are labelled of somebody's 17×3.

    The body's area, which the photos beside the project do not tell, is taken to be a share of the key points' box.
    https://cocodataset.org/#keypoints-eval
    """
    there = labelled[:, 2] > 0
    points = labelled[there, :2]
    width, height = np.maximum(np.ptp(points, axis=0), 1).tolist()
    away = ((found[there] - points) ** 2).sum(1)
    spread = 2 * (2 * SIGMAS[there]) ** 2 * (BODY_TO_BOX_RATIO * width * height)
    return float(np.exp(-away / spread).mean())


def likeliest_keypoints(heads: npt.NDArray[np.float32]) -> Floats:
    """The one person in each of B pictures, B×17×2 pixels, of a network's B×115×h×w: offsets in cells."""
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
    """How well a network reads pictures of one person each, all of one size, with their key points (17×3).

    The network is left in the mode it was in.
    """
    import torch  # large, and there only where somebody trains; all else here does without

    from models.train.network import as_input

    training, device = network.training, next(network.parameters()).device
    network.eval()
    similar: list[float] = []
    with torch.no_grad():
        for start in range(0, len(pictures), BATCH_SIZE):
            some = pictures[start : start + BATCH_SIZE]
            images = torch.from_numpy(np.stack([image for image, _ in some])).to(device)
            read = likeliest_keypoints(network(as_input(images)).float().cpu().numpy())
            similar += [oks(xy, keypoints) for xy, (_, keypoints) in zip(read, some, strict=True)]
    network.train(training)
    return _to_accuracy(similar)


def compare(network: nn.Module, file: Path, pictures: Iterable[tuple[Image, Floats]]) -> Comparison:
    """What the file that was made of a network loses, in pictures of one person each with sides of 16 n + 1 pixels.

    The decoder reads bytes alone: for it the network's numbers are made bytes by the file's scales, so that what those
    lose is in the first pair only. Raises ValueError when there are no pictures.
    """
    import torch

    from models.train.network import as_input

    plain, similar = copy.deepcopy(network).cpu().float().eval(), []
    with Estimator(file) as estimator, torch.inference_mode():
        for image, person in pictures:
            estimator.resize((image.shape[0], image.shape[1]))
            theirs = estimator.heads(image)
            own = plain(as_input(torch.tensor(image)[None])).numpy()
            alone = [oks(likeliest_keypoints(heads)[0], person) for heads in (own, dequantize_heads(theirs))]
            similar.append(
                alone + [_decoded_oks(heads, person) for heads in (quantize_heads(own, theirs.quantization), theirs)]
            )
    if not similar:
        raise ValueError("there are no pictures to compare by")
    scores = [_to_accuracy(column) for column in zip(*similar, strict=True)]
    return Comparison(AccuracyPair(*scores[:2]), AccuracyPair(*scores[2:]))


def dequantize_heads(heads: Heads) -> npt.NDArray[np.float32]:
    """A file's heads as 1×115×h×w, offsets in cells."""
    parts = [
        (numbers.astype(np.float32) - scale.zero_point) * (scale.scale / unit)
        for numbers, scale, unit in zip(heads[:3], heads.quantization, HEAD_UNITS, strict=True)
    ]
    return np.concatenate(parts, 2).transpose(2, 0, 1)[None]


def quantize_heads(heads: npt.NDArray[np.float32], scales: tuple[Quantization, Quantization, Quantization]) -> Heads:
    """A network's 1×115×h×w as bytes; what a scale has no byte for is cut off."""
    heat, short, mid = (
        np.clip(np.rint(part * (unit / scale.scale) + scale.zero_point), 0, 255).astype(np.uint8)
        for part, unit, scale in zip(
            np.split(heads[0].transpose(1, 2, 0), HEAD_SPLITS, 2), HEAD_UNITS, scales, strict=True
        )
    )
    return Heads(heat, short, mid, scales)


def _decoded_oks(heads: Heads, person: Floats) -> float:
    return max((oks(pose.xy, person) for pose in decode(heads)), default=0.0)


def _to_accuracy(similar: Sequence[float]) -> Accuracy:
    return Accuracy(float(np.mean(similar)), float(np.mean(np.array(similar) > HIT_OKS)))


def _cut_out(image: pillow.Image, person: Floats, size: int) -> Crop:
    """Somebody in a square with a margin; made smaller as the estimator makes pictures smaller."""
    points = person[person[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * (1 + 2 * CROP_MARGIN)
    left, top = ((low + high) / 2 + 0.5 - side / 2).tolist()  # from pixels' centres to their corners
    at = math.floor(left), math.floor(top)
    around = pillow.new("RGB", (math.ceil(side) + 1,) * 2, BORDER_COLOUR)
    around.paste(image, (-at[0], -at[1]))
    box = left - at[0], top - at[1], left - at[0] + side, top - at[1] + side
    made = around.resize((size, size), pillow.Resampling.BILINEAR, box)
    keypoints = person.copy()
    keypoints[:, :2] = (keypoints[:, :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return Crop(np.asarray(made), keypoints)
