"""The commands that need neither a mirror nor a library: people in pictures, models."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rich.progress import DownloadColumn, Progress, TaskID, TimeRemainingColumn, TransferSpeedColumn

from device.cli.progress import progress_bar
from models.pose import KEYPOINT_NAMES, Pose


def poses(args: argparse.Namespace) -> int:
    """The people in pictures; 1 when a picture could not be read, after all the others."""
    from index.pictures import PictureError, read_image
    from models.estimator.estimator import Estimator
    from models.estimator.fetch import AUTO, require_model

    found: list[dict[str, Any]] = []
    failed = False
    with Estimator(require_model(args.model or AUTO), size=args.size) as finder:
        finder.resize(finder.size)  # the model's own size, as its reference answers have it: no shape is kept
        for file in args.images:
            try:
                found.append(
                    {"image": str(file), "people": [_person_json(pose) for pose in finder.estimate(read_image(file))]}
                )
            except PictureError as error:
                print(f"pose-mirror: {error}", file=sys.stderr)
                failed = True
    if args.json:
        print(json.dumps(found))
    else:
        for one in found:
            _print_people(one)
    return int(failed)


def _person_json(pose: Pose) -> dict[str, Any]:
    return {"score": round(pose.score, 4), "keypoints": [[round(float(v), 4) for v in row] for row in pose.keypoints]}


def _print_people(found: dict[str, Any]) -> None:
    people = found["people"]
    print(f"{found['image']}: {len(people)} {'person' if len(people) == 1 else 'people'}")
    for person in people:
        seen = [
            f"{n} {x:.0f},{y:.0f}" for n, (x, y, s) in zip(KEYPOINT_NAMES, person["keypoints"], strict=True) if s >= 0.5
        ]
        print(f"  {person['score']:.2f}  {'  '.join(seen)}")


def models_list(args: argparse.Namespace) -> int:
    """The catalogue, where each model was found, and which one a mirror takes that is started now."""
    from models.estimator.fetch import ModelNotFoundError, catalogue, find_model

    used, listed = _model_in_use(args.config), set()
    longest = max(len(model.name) for model in catalogue())
    for model in catalogue():
        file = None
        try:
            file = find_model(model.name)
            here = str(file) if model.url else "with the program"
        except ModelNotFoundError as error:
            here = "not here" if model.url else str(error)
        except ValueError as error:
            here = str(error)
        listed.add(file)
        height, width = model.size
        size, mark = f"{height}×{width}", "in use" if file and file == used else ""
        print(f"{mark:<6}  {model.name:<{longest}}  {size:>8}  {model.bytes / 1e6:.1f} MB  {model.licence}  {here}")
    if used and used not in listed:  # one's own
        print(f"in use  {used}")
    return 0


def _model_in_use(config: Path | None) -> Path | None:
    """The model that a mirror takes with the configuration that is in its place; None where it cannot be had."""
    from device.config import load
    from device.start import select_models
    from models.estimator.estimator import list_edge_tpus
    from models.estimator.fetch import ModelNotFoundError

    settings = load(config)
    try:
        model, twin = select_models(settings)
    except (ModelNotFoundError, ValueError):
        return None
    return twin if twin and list_edge_tpus() else model.file


def models_fetch(args: argparse.Namespace) -> int:
    """Downloads what is not here yet; a model that is here is checked, and stays."""
    from models.estimator.fetch import DEFAULT_MODEL, edgetpu_variant, fetch_model

    names = args.names or [name for name in (DEFAULT_MODEL, edgetpu_variant(DEFAULT_MODEL)) if name]
    files: list[Path] = []
    with progress_bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        for name in names:
            task = bar.add_task(f"Fetching {name}", total=None)
            files.append(fetch_model(name, partial(_update_bar, bar, task)))
            bar.remove_task(task)
    for file in files if args.names else []:
        print(f"{file.stem} is here: {file}")
    return 0


def _update_bar(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def models_path(args: argparse.Namespace) -> int:
    """Where the models are, one a line."""
    from models.estimator.fetch import AUTO, select_model

    for name in args.names or [AUTO]:
        print(select_model(name).file)
    return 0
