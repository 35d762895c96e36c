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
from models.estimator.posenet import STRIDE, Heads, Scale, decode
from models.figures import picture
from models.pose import BOX_TO_BODY, SIGMAS, Floats, Image

if TYPE_CHECKING:
    from torch import nn

FEWEST: Final = 8
"""Somebody of whom fewer key points are labelled is not cut out …"""
SMALLEST: Final = 60.0
"""… nor is anybody whose labelled key points lie in a box with a shorter side, in pixels: they are labelled roughly."""
MARGIN: Final = 0.25
"""What is left on each side of the box around the key points, in parts of its longer side."""
GREY: Final = (128, 128, 128)
"""Beyond the photo's border: the network's zero."""

HIT: Final = 0.5
"""The similarity above which somebody counts as found, as in COCO's most lenient precision."""
AT_ONCE: Final = 16
"""Pictures that the network reads together."""

HEADS: Final = 17, 17 + 34
"""Where short offsets and mid offsets begin among a network's channels …"""
UNITS: Final = 1, STRIDE, STRIDE
"""… and what one of each head's numbers is in a file: offsets are in cells here, in pixels there."""


class Crop(NamedTuple):
    """One person: a picture, and 17×3 key points in its pixels, labelled where the third is over 0."""

    image: Image
    keypoints: Floats


class Score(NamedTuple):
    """The mean of the similarities `oks`, and the share of them above `HIT`."""

    oks: float
    hits: float


class Kept(NamedTuple):
    """How well people are read from a network's own numbers, and from those of the file that was made of it."""

    network: Score
    file: Score


class Comparison(NamedTuple):
    """By the likeliest cells, as `found` reads, and by `models.estimator.posenet`'s decoder."""

    cells: Kept
    decoded: Kept


def crops(folder: Path, size: int = 193) -> list[Crop]:
    """The people of the photos in a folder, each in a square of `size` pixels, largely labelled and not too small.

    The folder's `keypoints.json` is a list of photos, each with its `file` and its `persons` (17×3 each).
    """
    found = []
    for photo in json.loads((folder / "keypoints.json").read_text(encoding="utf-8")):
        people = [np.array(person, np.float32) for person in photo["persons"]]
        people = [person for person in people if worth_a_crop(person)]
        if people:
            with pillow.open(folder / photo["file"]) as opened:
                image = opened.convert("RGB")
            found += [_crop(image, person, size) for person in people]
    return found


def drawn(numbers: Iterable[int]) -> list[Crop]:
    """The starter library's pictures of some numbers, each `fitted`: those of one person of whom enough is seen."""
    made = []
    for number in numbers:
        whole, poses, _ = picture(number)
        image = fitted(whole)
        keypoints = poses[0].scaled(image.shape[1] / whole.shape[1], image.shape[0] / whole.shape[0]).keypoints
        if len(poses) == 1 and worth_a_crop(keypoints):
            made.append(Crop(image, keypoints))
    return made


def fitted(image: Image) -> Image:
    """A picture at the size that an estimator gives it: its own shape, and about as many pixels as 353×481."""
    height, width = size_for(image.shape[1], image.shape[0])
    return np.asarray(pillow.fromarray(image).resize((width, height), pillow.Resampling.BILINEAR))


def worth_a_crop(person: Floats) -> bool:
    """Whether enough of somebody (17×3) is labelled, large enough."""
    points = person[person[:, 2] > 0, :2]
    return len(points) >= FEWEST and float(np.ptp(points, axis=0).min()) >= SMALLEST


def oks(found: Floats, labelled: Floats) -> float:
    """COCO's object key-point similarity of 17×2 key points with those that are labelled of somebody's 17×3.

    The body's area, which the photos beside the project do not tell, is taken to be a share of the key points' box.
    https://cocodataset.org/#keypoints-eval
    """
    there = labelled[:, 2] > 0
    points = labelled[there, :2]
    width, height = np.maximum(np.ptp(points, axis=0), 1).tolist()
    away = ((found[there] - points) ** 2).sum(1)
    spread = 2 * (2 * SIGMAS[there]) ** 2 * (BOX_TO_BODY * width * height)
    return float(np.exp(-away / spread).mean())


def found(heads: npt.NDArray[np.float32]) -> Floats:
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


def score(network: nn.Module, pictures: Sequence[tuple[Image, Floats]]) -> Score:
    """How well a network reads pictures of one person each, all of one size, with their key points (17×3).

    The network is left in the mode it was in.
    """
    import torch  # large, and there only where somebody trains; all else here does without

    from models.train.network import as_input

    training, device = network.training, next(network.parameters()).device
    network.eval()
    similar: list[float] = []
    with torch.no_grad():
        for start in range(0, len(pictures), AT_ONCE):
            some = pictures[start : start + AT_ONCE]
            images = torch.from_numpy(np.stack([image for image, _ in some])).to(device)
            read = found(network(as_input(images)).float().cpu().numpy())
            similar += [oks(xy, keypoints) for xy, (_, keypoints) in zip(read, some, strict=True)]
    network.train(training)
    return _score(similar)


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
            alone = [oks(found(heads)[0], person) for heads in (own, as_the_network_gives(theirs))]
            similar.append(alone + [_decoded(heads, person) for heads in (as_a_file_gives(own, theirs.scales), theirs)])
    if not similar:
        raise ValueError("there are no pictures to compare by")
    scores = [_score(column) for column in zip(*similar, strict=True)]
    return Comparison(Kept(*scores[:2]), Kept(*scores[2:]))


def as_the_network_gives(heads: Heads) -> npt.NDArray[np.float32]:
    """A file's heads as 1×115×h×w, offsets in cells."""
    parts = [
        (numbers.astype(np.float32) - scale.zero) * (scale.scale / unit)
        for numbers, scale, unit in zip(heads[:3], heads.scales, UNITS, strict=True)
    ]
    return np.concatenate(parts, 2).transpose(2, 0, 1)[None]


def as_a_file_gives(heads: npt.NDArray[np.float32], scales: tuple[Scale, Scale, Scale]) -> Heads:
    """A network's 1×115×h×w as bytes; what a scale has no byte for is cut off."""
    heat, short, mid = (
        np.clip(np.rint(part * (unit / scale.scale) + scale.zero), 0, 255).astype(np.uint8)
        for part, unit, scale in zip(np.split(heads[0].transpose(1, 2, 0), HEADS, 2), UNITS, scales, strict=True)
    )
    return Heads(heat, short, mid, scales)


def _decoded(heads: Heads, person: Floats) -> float:
    return max((oks(pose.xy, person) for pose in decode(heads)), default=0.0)


def _score(similar: Sequence[float]) -> Score:
    return Score(float(np.mean(similar)), float(np.mean(np.array(similar) > HIT)))


def _crop(image: pillow.Image, person: Floats, size: int) -> Crop:
    """Somebody in a square with a margin; made smaller as the estimator makes pictures smaller."""
    points = person[person[:, 2] > 0, :2]
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * (1 + 2 * MARGIN)
    left, top = ((low + high) / 2 + 0.5 - side / 2).tolist()  # from pixels' centres to their corners
    at = math.floor(left), math.floor(top)
    around = pillow.new("RGB", (math.ceil(side) + 1,) * 2, GREY)
    around.paste(image, (-at[0], -at[1]))
    box = left - at[0], top - at[1], left - at[0] + side, top - at[1] + side
    made = around.resize((size, size), pillow.Resampling.BILINEAR, box)
    keypoints = person.copy()
    keypoints[:, :2] = (keypoints[:, :2] + 0.5 - (left, top)) * (size / side) - 0.5
    return Crop(np.asarray(made), keypoints)
