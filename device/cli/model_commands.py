"""The commands `poses` and `models`, which need neither a mirror nor a library."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

from device.cli.progress_reporter import progress_bar
from models.pose import KEYPOINT_NAMES, Pose
from models.seen import PRINTED_SCORE
from models.text import printable


def poses(args: argparse.Namespace) -> int:
    """Print the people in pictures. Return 1, after all pictures, when one of them could not be read."""
    from index.pictures import PictureError, load_picture
    from models.estimator.estimator import Estimator
    from models.estimator.model_files import AUTO, require_model

    results: list[dict[str, Any]] = []
    failed = False
    with Estimator(require_model(args.model or AUTO), size=args.size) as estimator:
        # Keep the model's own size for every picture, as the reference poses do, instead of each picture's shape.
        estimator.resize(estimator.size)
        for file in args.images:
            try:
                picture = load_picture(file, None)
                height, width = picture.image.shape[:2]  # a huge picture is smaller than its file
                scale = picture.width / width, picture.height / height
                people = [pose.scaled(*scale) for pose in estimator.estimate(picture.image)]
                results.append({"image": str(file), "people": [_person_as_json(pose) for pose in people]})
            except PictureError as error:
                print(f"pose-mirror: {error}", file=sys.stderr)
                failed = True
    if args.json:
        print(json.dumps(results))
    else:
        for result in results:
            _print_people(result)
    return int(failed)


def _person_as_json(pose: Pose) -> dict[str, Any]:
    return {"score": round(pose.score, 4), "keypoints": [[round(float(v), 4) for v in row] for row in pose.keypoints]}


def _print_people(result: dict[str, Any]) -> None:
    people = result["people"]
    print(f"{printable(result['image'])}: {len(people)} {'person' if len(people) == 1 else 'people'}")
    for person in people:
        seen = [
            f"{name} {x:.0f},{y:.0f}"
            for name, (x, y, score) in zip(KEYPOINT_NAMES, person["keypoints"], strict=True)
            if score >= PRINTED_SCORE
        ]
        print(f"  {person['score']:.2f}  {'  '.join(seen)}")


def models_list(args: argparse.Namespace) -> int:
    """Print the catalogue, where each model's file is, and which model a mirror would use now."""
    from models.estimator.catalogue import catalogue
    from models.estimator.model_files import ModelNotFoundError, find_model

    used, listed = _model_in_use(args.config), set()
    name_width = max(len(model.name) for model in catalogue())
    for model in catalogue():
        file = None
        try:
            file = find_model(model.name)
            place = printable(file) if model.url else "bundled"
        except ModelNotFoundError as error:
            place = "not downloaded" if model.url else str(error)
        except ValueError as error:
            place = str(error)
        listed.add(file)
        height, width = model.size
        size, mark = f"{height}×{width}", "in use" if file and file == used else ""
        print(f"{mark:<6}  {model.name:<{name_width}}  {size:>8}  {model.bytes / 1e6:.1f} MB  {model.licence}  {place}")
    if used and used not in listed:  # a file of the user's own
        print(f"in use  {printable(used)}")
    return 0


def _model_in_use(config: Path | None) -> Path | None:
    """Return the file of the model that a mirror with this configuration uses; None when it is missing or damaged."""
    from device.config import load
    from device.start import select_models
    from models.estimator.estimator import list_edge_tpus
    from models.estimator.model_files import ModelNotFoundError

    settings = load(config)
    try:
        model, edgetpu_model = select_models(settings)
    except (ModelNotFoundError, ValueError):
        return None
    return edgetpu_model if edgetpu_model and list_edge_tpus() else model.file


def models_fetch(args: argparse.Namespace) -> int:
    """Download models. A model that is already here is checked, and kept if it is not damaged."""
    from models.estimator.catalogue import DEFAULT_MODEL, edgetpu_variant
    from models.estimator.fetch import fetch_model

    names = args.names or [name for name in (DEFAULT_MODEL, edgetpu_variant(DEFAULT_MODEL)) if name]
    files: list[Path] = []
    with progress_bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        for name in names:
            task = bar.add_task(f"Fetching {name}", total=None)
            files.append(fetch_model(name, partial(_update_bar, bar, task)))
            bar.remove_task(task)
    for file in files if args.names else []:
        print(f"{file.stem} is in {printable(file)}")
    return 0


def _update_bar(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def models_path(args: argparse.Namespace) -> int:
    """Print the path of each model's file, one a line."""
    from models.estimator.model_files import AUTO, select_model

    for name in args.names or [AUTO]:
        print(select_model(name).file)
    return 0
