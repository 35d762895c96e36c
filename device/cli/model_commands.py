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
from models.pose import KEYPOINTS, Pose


def poses(asked: argparse.Namespace) -> int:
    """The people in pictures; 1 when a picture could not be read, after all the others."""
    from index.pictures import PictureError, read
    from models.estimator.estimator import Estimator
    from models.estimator.fetch import AUTO, taken

    found: list[dict[str, Any]] = []
    failed = False
    with Estimator(taken(asked.model or AUTO), size=asked.size) as finder:
        finder.resize(finder.size)  # the model's own size, as its reference answers have it: no shape is kept
        for file in asked.images:
            try:
                found.append({"image": str(file), "people": [_person(pose) for pose in finder.estimate(read(file))]})
            except PictureError as error:
                print(f"pose-mirror: {error}", file=sys.stderr)
                failed = True
    if asked.json:
        print(json.dumps(found))
    else:
        for one in found:
            _print_people(one)
    return int(failed)


def _person(pose: Pose) -> dict[str, Any]:
    return {"score": round(pose.score, 4), "keypoints": [[round(float(v), 4) for v in row] for row in pose.keypoints]}


def _print_people(found: dict[str, Any]) -> None:
    people = found["people"]
    print(f"{found['image']}: {len(people)} {'person' if len(people) == 1 else 'people'}")
    for person in people:
        seen = [f"{n} {x:.0f},{y:.0f}" for n, (x, y, s) in zip(KEYPOINTS, person["keypoints"], strict=True) if s >= 0.5]
        print(f"  {person['score']:.2f}  {'  '.join(seen)}")


def models_list(asked: argparse.Namespace) -> int:
    """The catalogue, where each model was found, and which one a mirror takes that is started now."""
    from models.estimator.fetch import ModelMissing, catalogue, find

    used, listed = _in_use(), set()
    longest = max(len(model.name) for model in catalogue())
    for model in catalogue():
        file = None
        try:
            file = find(model.name)
            here = str(file) if model.url else "with the program"
        except ModelMissing as error:
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


def _in_use() -> Path | None:
    """The model that a mirror takes with the configuration that is in its place; None where it cannot be had."""
    from device.config import load
    from device.start import models_of
    from models.estimator.estimator import edge_tpus
    from models.estimator.fetch import ModelMissing

    settings = load()
    try:
        model, twin = models_of(settings)
    except (ModelMissing, ValueError):
        return None
    return twin if twin and edge_tpus() else model.file


def models_fetch(asked: argparse.Namespace) -> int:
    """Downloads what is not here yet; a model that is here is checked, and stays."""
    from models.estimator.fetch import DEFAULT, edgetpu_twin, fetch

    names = asked.names or [name for name in (DEFAULT, edgetpu_twin(DEFAULT)) if name]
    files: list[Path] = []
    with progress_bar(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bar:
        for name in names:
            task = bar.add_task(f"Fetching {name}", total=None)
            files.append(fetch(name, partial(_show, bar, task)))
            bar.remove_task(task)
    for file in files if asked.names else []:
        print(f"{file.stem} is here: {file}")
    return 0


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def models_path(asked: argparse.Namespace) -> int:
    """Where the models are, one a line."""
    from models.estimator.fetch import AUTO, chosen

    for name in asked.names or [AUTO]:
        print(chosen(name).file)
    return 0
