"""Print the tables of docs/explanation/finding-people.md: how well and how fast PoseNet finds people.

    python -m benchmarks.estimator_accuracy

It compares the program's decoder with Coral's, on labelled COCO photos. It needs ../shared/data, and takes a minute
on two cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from PIL import Image as pillow

from models.estimator import posenet
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator, size_for
from models.pose import Pose
from tests.support.coco_photos import (
    Photo,
    average_precision,
    coral_poses,
    load_photos,
    mean_best_oks,
    share_within,
    stretch,
)
from tests.support.paths import SHARED

MODELS = SHARED / "models"
SIZES = ((193, 257), (257, 353), (353, 481), (481, 641), (721, 1281))
"""Heights and widths at which the speed is measured."""


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.estimator_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    photos = list(load_photos(SHARED))
    with Estimator(MODELS / f"{DEFAULT_MODEL}.tflite") as estimator:
        print(f"{estimator.runtime}, {len(photos)} photos\n")
        print_accuracy(estimator, photos)
        print()
        print_speed(estimator)


def print_accuracy(estimator: Estimator, photos: list[Photo]) -> None:
    """Print a row for each decoder and size of the model."""
    people = {photo.name: photo.people for photo in photos}
    coral = coral_poses(SHARED)

    def row(label: str, found: dict[str, list[Pose]], share: str) -> None:
        all_people, large = (mean_best_oks(people, found, large=large) for large in (False, True))
        precision, count = average_precision(people, found), sum(map(len, found.values()))
        print(f"| {label} | {share} | {large:.3f} | {all_people:.3f} | {precision:.3f} | {count} |", flush=True)

    print("| | within 4 px | OKS, large people | OKS, all | AP | people found |\n|---|---|---|---|---|---|")
    in_photos = {photo.name: _scale_to_photo(coral[photo.name], photo, (353, 481)) for photo in photos}
    row("353×481, Coral's decoder (C++)", in_photos, "1.0000")
    for size in ((353, 481), (481, 641)):
        estimator.resize(size)
        heads = {photo.name: estimator.heads(stretch(photo.image, size)) for photo in photos}
        for suffix, root_refinement, hidden in (
            (" as Coral's", 0.0, 1.0),
            ("", posenet.ROOT_REFINEMENT, posenet.UNSHARED_SCORE_FACTOR),
        ):
            found = {name: _decode_with(heads[name], root_refinement, hidden) for name in heads}
            share = f"{share_within(4, coral, found):.4f}" if size == (353, 481) else "–"
            in_photos = {photo.name: _scale_to_photo(found[photo.name], photo, size) for photo in photos}
            row(f"{size[0]}×{size[1]}, our decoder{suffix}", in_photos, share)
        shaped = {photo.name: _estimate_in_shape(estimator, photo, size) for photo in photos}
        row(f"about {size[0]}×{size[1]}, in each photo's shape", shaped, "–")


def _decode_with(heads: posenet.Heads, root_refinement: float, hidden: float) -> list[Pose]:
    """Decode with other constants than the decoder's own."""
    constants = posenet.ROOT_REFINEMENT, posenet.UNSHARED_SCORE_FACTOR
    posenet.ROOT_REFINEMENT, posenet.UNSHARED_SCORE_FACTOR = root_refinement, hidden  # type: ignore[misc]
    try:
        return posenet.decode(heads)
    finally:
        posenet.ROOT_REFINEMENT, posenet.UNSHARED_SCORE_FACTOR = constants  # type: ignore[misc]


def _scale_to_photo(found: list[Pose], photo: Photo, size: tuple[int, int]) -> list[Pose]:
    height, width = photo.image.shape[:2]
    return [pose.scaled(width / size[1], height / size[0]) for pose in found]


def _estimate_in_shape(estimator: Estimator, photo: Photo, like: tuple[int, int]) -> list[Pose]:
    """Estimate in the photo's own shape, with about as many pixels as `like`."""
    height, width = photo.image.shape[:2]
    estimator.resize(size_for(width, height, like))
    return estimator.estimate(photo.image)


def print_speed(estimator: Estimator) -> None:
    """Print how long a picture takes at each size, and how much of that is decoding."""
    couple = np.asarray(pillow.open(SHARED / "reference" / "test_couple.jpg").convert("RGB"))
    print("| model's size | grid | people | a picture of that size, ms | of it decoding, ms |\n|---|---|---|---|---|")
    for size in SIZES:
        estimator.resize(size)
        picture = stretch(couple, size)
        heads = estimator.heads(picture)
        total = _median_ms(partial(estimator.estimate, picture))
        decoding = _median_ms(partial(posenet.decode, heads))
        grid = "×".join(map(str, heads.heat_maps.shape[:2]))
        print(
            f"| {size[0]}×{size[1]} | {grid} | {len(posenet.decode(heads))} | {total:.1f} | {decoding:.2f} |",
            flush=True,
        )


def _median_ms(step: Callable[[], object], runs: int = 50) -> float:
    times = []
    for _ in range(runs + 5):
        start = time.perf_counter()
        step()
        times.append((time.perf_counter() - start) * 1000)
    return median(times[5:])


if __name__ == "__main__":
    main()
