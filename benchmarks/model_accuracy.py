"""Prints how well our own PoseNet reads people beside the downloaded one, and how quickly.

    python -m benchmarks.model_accuracy [--model FILE_OR_NAME ...] [--only whole crops lspet hard demo speed]
    python -m benchmarks.model_accuracy [--model FILE] --checkpoint FILE     what 8 bits cost, instead
    python -m benchmarks.model_accuracy [--model FILE] --sheet FILE.png      what it finds, to look at

A column for each model: by default ours and the downloaded one. It needs ../shared/data, and takes two minutes a model.
Photos and pictures that are measured on train no network: training draws people of its own.

whole   229 COCO photos, each stretched to 353×481. OKS: COCO's similarity, for each labelled person that of whoever is
        found there and is most similar, 0 for nobody; the body's area is 0.53 of the key points' box.
        Large people: 6 labelled points and 3,500 px² of body or more (as in docs/explanation/finding-people.md).
crops   each person of those photos with 8 labelled points or more, in a box of 60 px or more on both sides: a
        square, 25 % larger on each side, 193×193, grey beyond the photo. "Likeliest cells": read as one person, without
        the decoder, as training measures itself. "One pose": the same answer to everything, each point's median.
lspet   2,000 photos of sports, 12 joints, in each photo's shape at about 353×481. PCK: the share of joints within 0.2
        of the torso (left hip to right shoulder), of whoever is found and has most of them right.
hard    300 scenes of the training's kind that no training draws, 353×353: people in poses that have names, among
        clutter, cut off, behind each other. OKS and PCK as elsewhere, of people of whom 8 key points or more are seen;
        and how many the mirror would take for somebody where nobody is. Needs numba (pip install '.[train]').
demo    200 pictures of the performer's film and 200 starter pictures that no library holds: OKS and PCK of the key
        points that are seen; and a library of the starter's 3,000 is asked for the found and for the true pose: how
        well what is found agrees with the true pose, in parts of what the true pose finds.
speed   a picture of 353×481: medians of pictures read by each model in turns.

With --checkpoint the first model is held against the network that it was made of: crops as above and 200 starter
pictures in their own shape, by the likeliest cells and by the decoder. Needs torch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks import model_sheet as sheet
from benchmarks import people_measures as people
from models.estimator.catalogue import DEFAULT_MODEL
from models.estimator.estimator import Estimator, runtime
from models.estimator.model_files import find_model
from models.estimator.posenet import decode
from models.pose import Image
from models.train import measure
from tests.support.coco_photos import load_photos, stretch
from tests.support.paths import ROOT, SHARED

BUNDLED_MODEL = ROOT / "models" / "weights" / "posenet_drawn.tflite"
MEASURE_NAMES = ("whole", "crops", "lspet", "hard", "demo", "speed")
NUMBA_HINT = "Scenes are drawn with numba: pip install '.[train]'"
ROUNDS = 3
"""How often each picture is read to know how long it takes."""

Estimators = dict[str, Estimator]
"""By the models' names."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", nargs="+", metavar="FILE_OR_NAME", help="models to measure")
    arguments.add_argument("--data", type=Path, default=SHARED)
    arguments.add_argument("--only", nargs="+", choices=MEASURE_NAMES, default=MEASURE_NAMES)
    arguments.add_argument("--limit", type=int, metavar="N", help="photos or pictures of each sort, at most")
    arguments.add_argument("--checkpoint", type=Path, metavar="FILE", help="the network that the model was made of")
    arguments.add_argument("--sheet", type=Path, metavar="FILE", help="the picture to be written")
    asked = arguments.parse_args()
    models = find_models(asked.model, asked.data)
    first = next(iter(models.values()))
    if asked.checkpoint:
        print_quantization_loss(asked.checkpoint, first, asked.data, asked.limit)
    if asked.sheet:
        write_sheet(first, asked.data, asked.sheet)
    if not (asked.checkpoint or asked.sheet):
        print_comparison(models, asked.only, asked.data, asked.limit)


def print_comparison(models: Mapping[str, Path], asked: Sequence[str], data: Path, limit: int | None) -> None:
    with ExitStack() as opened:
        estimators = {name: opened.enter_context(Estimator(file)) for name, file in models.items()}
        print(f"{runtime()}\n")
        print(f"| | {' | '.join(estimators)} | one pose |\n|---|{'---|' * len(estimators)}---|")
        for what in asked:
            MEASURES[what](estimators, data, limit)


def print_quantization_loss(checkpoint: Path, file: Path, data: Path, limit: int | None) -> None:
    """What a file loses of the network that it was made of."""
    if find_spec("torch") is None:
        sys.exit("To read a checkpoint, PyTorch is needed: pip install '.[train]'")
    import torch

    from models.train import export
    from models.train.network import PoseNet

    network = PoseNet()
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["mean"])
    network = export.with_heat_map_bias(network)
    pictures = {
        "crops": measure.load_crops(data / "photos" / "coco")[:limit],
        "starter pictures": measure.starter_crops(
            range(people.FIRST_UNKNOWN, people.FIRST_UNKNOWN + min(limit or people.PICTURE_COUNT, people.PICTURE_COUNT))
        ),
    }
    print("| | network | file | lost |\n|---|---|---|---|")
    for what, some in pictures.items():
        for way, kept in zip(("likeliest cells", "decoded"), measure.compare(network, file, some), strict=True):
            for name, one, other in zip(("OKS", "over 0.5"), *kept, strict=True):
                print(
                    f"| {len(some)} {what}: {name}, {way} | {one:.3f} | {other:.3f} | {one - other:.3f} |", flush=True
                )
    print("\n| | differ by, mean | at most | the network's deviation | a step | cut off |\n|---|---|---|---|---|---|")
    for what, some in pictures.items():
        for head in export.compare(network, file, (image for image, _ in some)):
            figures = head.mean, head.maximum, head.std, head.step, head.clipped
            print(f"| {what}: {head.head} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def write_sheet(file: Path, data: Path, picture: Path) -> None:
    """What a model finds, drawn."""
    if not has_numba():
        print(f"The sheet is without scenes. {NUMBA_HINT}", file=sys.stderr)
    with Estimator(file) as estimator:
        sheet.write_sheet(estimator, data / "photos" / "coco", picture, with_scenes=has_numba())


def find_models(asked: Sequence[str] | None, data: Path) -> dict[str, Path]:
    """The models' files by their names: of those asked for, else ours and the downloaded one."""
    if not asked and not BUNDLED_MODEL.exists():
        print(
            f"{BUNDLED_MODEL.relative_to(ROOT)} is not here: the downloaded model alone is measured.", file=sys.stderr
        )
    names = asked or [*([str(BUNDLED_MODEL)] if BUNDLED_MODEL.exists() else []), DEFAULT_MODEL]
    found = {}
    for name in names:
        beside = data / "models" / f"{name}.tflite"
        file = beside if beside.exists() else find_model(name)
        found[file.stem if file.stem not in found else str(file)] = file
    return found


def report_whole_photos(estimators: Estimators, data: Path, limit: int | None) -> None:
    everything = list(load_photos(data, limit))
    print_rows("whole", [people.measure_whole_photos(estimator, everything) for estimator in estimators.values()])


def report_crops(estimators: Estimators, data: Path, limit: int | None) -> None:
    cut = measure.load_crops(data / "photos" / "coco")[:limit]
    print_rows(
        f"{len(cut)} crops",
        [people.measure_crops(estimator, cut) for estimator in estimators.values()],
        people.measure_one_pose(cut),
    )


def report_lspet(estimators: Estimators, data: Path, limit: int | None) -> None:
    folder = data / "photos" / "lspet"
    print_rows(
        "lspet",
        [people.measure_lspet(estimator, people.load_lspet_photos(folder, limit)) for estimator in estimators.values()],
    )


def report_hard_scenes(estimators: Estimators, data: Path, limit: int | None) -> None:
    if not has_numba():
        print(f"Hard scenes are left out. {NUMBA_HINT}", file=sys.stderr)
        return
    made = people.make_scenes(min(limit or people.SCENE_COUNT, people.SCENE_COUNT))
    print_rows("hard", [people.measure_hard_scenes(estimator, made) for estimator in estimators.values()])


def has_numba() -> bool:
    return find_spec("numba") is not None


def report_demo(estimators: Estimators, data: Path, limit: int | None) -> None:
    count = min(limit or people.PICTURE_COUNT, people.PICTURE_COUNT)
    with tempfile.TemporaryDirectory() as folder, people.write_starter_library(Path(folder) / "library") as library:
        answers = people.Answers(library)
        for what, made in (("film", people.film_pictures(count)), ("starter pictures", people.unknown_pictures(count))):
            print_rows(what, [people.measure_drawn(estimator, made, answers) for estimator in estimators.values()])


def report_speed(estimators: Estimators, data: Path, limit: int | None) -> None:
    """The models take turns picture by picture, so whatever else the machine does meets all of them."""
    pictures = [stretch(photo.image, people.PHOTO_SIZE) for photo in load_photos(data, min(limit or 60, 60))]
    for estimator in estimators.values():
        estimator.resize(people.PHOTO_SIZE)
        estimator.estimate(pictures[0])
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in estimators}
    for turn, picture in enumerate(pictures * ROUNDS):
        for name in sorted(estimators, reverse=turn % 2 == 1):
            times[name].append(time_reading(estimators[name], picture))
    last = [sum(both) for both in times[list(estimators)[-1]]]
    figures = [
        {
            "a picture, ms": median(map(sum, own)),
            "of it decoding, ms": median(decoding for _, decoding in own),
            "time, of the last model's": median(sum(both) / other for both, other in zip(own, last, strict=True)),
        }
        for own in times.values()
    ]
    print_rows("353×481", figures)


def time_reading(estimator: Estimator, picture: Image) -> tuple[float, float]:
    """Milliseconds of the network, and of the decoder."""
    start = time.perf_counter()
    heads = estimator.heads(picture)
    read = time.perf_counter()
    decode(heads)
    return (read - start) * 1000, (time.perf_counter() - read) * 1000


def print_rows(what: str, columns: Sequence[people.Figures], one_pose: people.Figures | None = None) -> None:
    """A row of the table for each figure."""
    for name in columns[0]:
        cells = [f"{figures[name]:.3f}" if name in figures else "–" for figures in (*columns, one_pose or {})]
        print(f"| {what}: {name} | {' | '.join(cells)} |", flush=True)


MEASURES: dict[str, Callable[[Estimators, Path, int | None], None]] = {
    "whole": report_whole_photos,
    "crops": report_crops,
    "lspet": report_lspet,
    "hard": report_hard_scenes,
    "demo": report_demo,
    "speed": report_speed,
}


if __name__ == "__main__":
    main()
