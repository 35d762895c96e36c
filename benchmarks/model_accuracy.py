"""Print how well the bundled model reads people compared with the downloaded PoseNet, and how fast.

    python -m benchmarks.model_accuracy [--model FILE_OR_NAME ...] [--only whole crops lspet hard demo speed]
    python -m benchmarks.model_accuracy [--model FILE] --checkpoint FILE     print what 8 bits cost instead
    python -m benchmarks.model_accuracy [--model FILE] --sheet FILE.png      draw what it finds instead

There is a column for each model; the default is the bundled and the downloaded one. It needs ../shared/data, and
takes two minutes for each model. The photos and pictures only measure: training draws people of its own.

whole   229 COCO photos, each stretched to 353×481. OKS is COCO's similarity: for each labelled person, that of the
        most similar person found, or 0 if nobody is found. The body's area is 0.53 of the key points' box. Large
        people have at least 6 labelled points and 3,500 px² of body, as in docs/explanation/finding-people.md.
crops   each person in those photos with at least 8 labelled points, in a box of at least 60 px on both sides: a
        square with a margin of 25 % on each side, 193×193, grey beyond the photo. "Likeliest cells" reads one person
        without the decoder, as training does. "One pose" answers all with one pose, the median of each point.
lspet   2,000 photos of sports with 12 joints, in each photo's shape at about 353×481. PCK is the share of joints
        within 0.2 of the torso (left hip to right shoulder), for the person found who has most of them right.
hard    300 scenes like training's that training never draws, 353×353: people in named poses among clutter, cut off,
        behind each other. OKS and PCK as above, for people with at least 8 visible key points; and how many people
        the mirror would see where there is nobody. Needs numba (pip install '.[train]').
demo    200 pictures of the performer and 200 starter pictures that no library holds: OKS and PCK of the visible key
        points. Also, a library of the starter's first 3,000 answers the found and the true pose: how well the answer to
        the found pose agrees with the true pose, relative to the answer to the true pose.
speed   pictures of 353×481, which the models read in turns: medians.

--checkpoint compares the first model with the network it was made from: on crops as above, and on 200 starter
pictures in their own shape, by the likeliest cells and by the decoder. It needs torch.
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
NUMBA_HINT = "Drawing scenes needs numba: pip install '.[train]'"
ROUNDS = 3
"""How often each picture is read to measure the time."""

Estimators = dict[str, Estimator]
"""Estimators by the names of their models."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.model_accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", nargs="+", metavar="FILE_OR_NAME", help="models to measure")
    parser.add_argument(
        "--data", type=Path, default=SHARED, metavar="FOLDER", help="photos and models (default: %(default)s)"
    )
    parser.add_argument("--only", nargs="+", choices=MEASURE_NAMES, default=MEASURE_NAMES, help="what to measure")
    parser.add_argument("--limit", type=int, metavar="N", help="use N photos or pictures of each kind at most")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="the network that the model was made from")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="the picture to write")
    args = parser.parse_args()
    models = find_models(args.model, args.data)
    first = next(iter(models.values()))
    if args.checkpoint:
        print_quantization_loss(args.checkpoint, first, args.data, args.limit)
    if args.sheet:
        write_sheet(first, args.data, args.sheet)
    if not (args.checkpoint or args.sheet):
        print_comparison(models, args.only, args.data, args.limit)


def print_comparison(models: Mapping[str, Path], measures: Sequence[str], data: Path, limit: int | None) -> None:
    """Print a row for each figure, with a column for each model."""
    with ExitStack() as stack:
        estimators = {name: stack.enter_context(Estimator(file)) for name, file in models.items()}
        print(f"{runtime()}\n")
        print(f"| | {' | '.join(estimators)} | one pose |\n|---|{'---|' * len(estimators)}---|")
        for measure_name in measures:
            MEASURES[measure_name](estimators, data, limit)


def print_quantization_loss(checkpoint: Path, file: Path, data: Path, limit: int | None) -> None:
    """Print what a file loses against the network it was made from."""
    if find_spec("torch") is None:
        sys.exit("Reading a checkpoint needs PyTorch: pip install '.[train]'")
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
    for kind, crops in pictures.items():
        for reading, pair in zip(("likeliest cells", "decoded"), measure.compare(network, file, crops), strict=True):
            for name, before, after in zip(("OKS", "over 0.5"), *pair, strict=True):
                print(
                    f"| {len(crops)} {kind}: {name}, {reading} | {before:.3f} | {after:.3f} | {before - after:.3f} |",
                    flush=True,
                )
    print("\n| | mean difference | largest | the network's deviation | a step | clipped |\n|---|---|---|---|---|---|")
    for kind, crops in pictures.items():
        for head in export.compare(network, file, (image for image, _ in crops)):
            figures = head.mean, head.maximum, head.std, head.step, head.clipped
            print(f"| {kind}: {head.head} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


def write_sheet(file: Path, data: Path, picture: Path) -> None:
    """Draw what a model finds."""
    if not has_numba():
        print(f"The sheet has no scenes. {NUMBA_HINT}", file=sys.stderr)
    with Estimator(file) as estimator:
        sheet.write_sheet(estimator, data / "photos" / "coco", picture, with_scenes=has_numba())


def find_models(names: Sequence[str] | None, data: Path) -> dict[str, Path]:
    """Return the models' files by their names: the given ones, or the bundled and the downloaded one."""
    if not names and not BUNDLED_MODEL.exists():
        print(f"{BUNDLED_MODEL.relative_to(ROOT)} is missing: only the downloaded model is measured.", file=sys.stderr)
    wanted = names or [*([str(BUNDLED_MODEL)] if BUNDLED_MODEL.exists() else []), DEFAULT_MODEL]
    files = {}
    for name in wanted:
        in_data = data / "models" / f"{name}.tflite"
        file = in_data if in_data.exists() else find_model(name)
        files[file.stem if file.stem not in files else str(file)] = file
    return files


def report_whole_photos(estimators: Estimators, data: Path, limit: int | None) -> None:
    photos = list(load_photos(data, limit))
    print_rows("whole", [people.measure_whole_photos(estimator, photos) for estimator in estimators.values()])


def report_crops(estimators: Estimators, data: Path, limit: int | None) -> None:
    crops = measure.load_crops(data / "photos" / "coco")[:limit]
    print_rows(
        f"{len(crops)} crops",
        [people.measure_crops(estimator, crops) for estimator in estimators.values()],
        people.measure_one_pose(crops),
    )


def report_lspet(estimators: Estimators, data: Path, limit: int | None) -> None:
    folder = data / "photos" / "lspet"
    print_rows(
        "lspet",
        [people.measure_lspet(estimator, people.load_lspet_photos(folder, limit)) for estimator in estimators.values()],
    )


def report_hard_scenes(estimators: Estimators, data: Path, limit: int | None) -> None:
    if not has_numba():
        print(f"Hard scenes are not measured. {NUMBA_HINT}", file=sys.stderr)
        return
    scenes = people.make_scenes(min(limit or people.SCENE_COUNT, people.SCENE_COUNT))
    print_rows("hard", [people.measure_hard_scenes(estimator, scenes) for estimator in estimators.values()])


def has_numba() -> bool:
    return find_spec("numba") is not None


def report_demo(estimators: Estimators, data: Path, limit: int | None) -> None:
    count = min(limit or people.PICTURE_COUNT, people.PICTURE_COUNT)
    with tempfile.TemporaryDirectory() as folder, people.write_starter_library(Path(folder) / "library") as library:
        answers = people.Answers(library)
        for label, pictures in (
            ("video", people.video_pictures(count)),
            ("starter pictures", people.unknown_pictures(count)),
        ):
            print_rows(label, [people.measure_drawn(estimator, pictures, answers) for estimator in estimators.values()])


def report_speed(estimators: Estimators, data: Path, limit: int | None) -> None:
    """Measure the time. The models take turns picture by picture, so that other work of the machine affects all of
    them."""
    pictures = [stretch(photo.image, people.PHOTO_SIZE) for photo in load_photos(data, min(limit or 60, 60))]
    for estimator in estimators.values():
        estimator.resize(people.PHOTO_SIZE)
        estimator.estimate(pictures[0])
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in estimators}
    for turn, picture in enumerate(pictures * ROUNDS):
        for name in sorted(estimators, reverse=turn % 2 == 1):
            times[name].append(time_reading(estimators[name], picture))
    last_times = [sum(both) for both in times[list(estimators)[-1]]]
    figures = [
        {
            "a picture, ms": median(map(sum, model_times)),
            "of it decoding, ms": median(decoding for _, decoding in model_times),
            "time, of the last model's": median(
                sum(both) / last_time for both, last_time in zip(model_times, last_times, strict=True)
            ),
        }
        for model_times in times.values()
    ]
    print_rows("353×481", figures)


def time_reading(estimator: Estimator, picture: Image) -> tuple[float, float]:
    """Return the milliseconds that the network takes, and those that the decoder takes."""
    start = time.perf_counter()
    heads = estimator.heads(picture)
    decode_start = time.perf_counter()
    decode(heads)
    return (decode_start - start) * 1000, (time.perf_counter() - decode_start) * 1000


def print_rows(label: str, columns: Sequence[people.Figures], one_pose: people.Figures | None = None) -> None:
    """Print a row of the table for each figure."""
    for name in columns[0]:
        cells = [f"{figures[name]:.3f}" if name in figures else "–" for figures in (*columns, one_pose or {})]
        print(f"| {label}: {name} | {' | '.join(cells)} |", flush=True)


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
