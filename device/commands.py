"""The commands that need no mirror: people in pictures, libraries, models."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from models.pose import KEYPOINTS, Pose


def progress_bar() -> Progress:
    """A bar on stderr with how many of how many, and the time left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def poses(asked: argparse.Namespace) -> int:
    """The people in pictures; 1 when a picture could not be read, after all the others."""
    from index.pictures import PictureError, read
    from models.estimator import Estimator
    from models.fetch import DEFAULT, find

    found: list[dict[str, Any]] = []
    failed = False
    with Estimator(find(asked.model or DEFAULT), size=asked.size) as finder:
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


def index_query(asked: argparse.Namespace) -> int:
    """The best matches of each query, and on stderr how long they took."""
    from index.importers import keypoints_of
    from index.library import Library
    from index.match import Matcher

    queries = [Pose.from_keypoints(query) for query in keypoints_of(asked.keypoints)]
    found, milliseconds = [], []
    with Library.open(asked.library) as library:
        matcher = Matcher(library)
        for pose in queries:
            start = time.perf_counter()
            found.append(matcher.find(pose, top=asked.top))
            milliseconds.append((time.perf_counter() - start) * 1000)
    if asked.json:
        rows = [
            {
                "query": i,
                "matches": [
                    {"item": m.item, "mirrored": m.mirrored, "agreement": round(m.agreement, 6)} for m in matches
                ],
            }
            for i, matches in enumerate(found)
        ]
        print(json.dumps(rows))
    else:
        for i, matches in enumerate(found):
            print(f"{i}: " + "  ".join(f"{m.item}{' mirrored' * m.mirrored} {m.agreement:.3f}" for m in matches))
    if milliseconds:
        median, late = np.percentile(milliseconds, (50, 95))
        print(f"median {median:.2f} ms, p95 {late:.2f} ms", file=sys.stderr)
    return 0


def index_build(asked: argparse.Namespace) -> int:
    """A library of the sources; says what was skipped, and why."""
    from index.build import build
    from index.people import photo_finder
    from models.fetch import DEFAULT, ModelMissing, find

    try:
        model = find(asked.model or DEFAULT)
    except ModelMissing:
        if asked.model or any(source.is_dir() for source in asked.sources):
            raise
        model = None  # key points and labelled pictures need none; what does need one will say so
    with progress_bar() as bar:
        task = bar.add_task("Looking", total=None)

        def show(done: int, total: int | None, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        report = build(
            asked.sources,
            asked.out,
            finder=photo_finder(model, asked.size) if model else None,
            model=(model.stem, sha256(model.read_bytes()).hexdigest()) if model else None,
            workers=asked.workers or os.cpu_count() or 1,
            progress=show,
        )
    for skipped in report.skipped:
        print(f"skipped: {skipped.reason}", file=sys.stderr)
    print(report)
    return 0


def index_info(asked: argparse.Namespace) -> int:
    """What a library says of itself."""
    from index.library import info

    manifest = info(asked.library)
    print(f"{manifest.items} people in {manifest.pictures} pictures; {manifest.indexed} of them can be found.")
    print(f"Found by {manifest.model[0]}." if manifest.model else "Their key points are labelled.")
    print(f"{sum(file.bytes for file in manifest.files.values()) / 1e6:.1f} MB of indexes and key points.")
    return 0


def index_verify(asked: argparse.Namespace) -> int:
    """Every file of a library against its checksum."""
    from index.library import verify

    manifest = verify(asked.library)
    print(f"Every file is whole: {manifest.items} people in {manifest.pictures} pictures.")
    return 0


def models_list(asked: argparse.Namespace) -> int:
    """The catalogue, and where each model was found."""
    from models.fetch import ModelMissing, catalogue, find

    longest = max(len(model.name) for model in catalogue())
    for model in catalogue():
        try:
            here = str(find(model.name))
        except ModelMissing:
            here = "not here"
        except ValueError as error:
            here = str(error)
        height, width = model.size
        size = f"{height}×{width}"
        print(f"{model.name:<{longest}}  {size:>8}  {model.bytes / 1e6:.1f} MB  {model.licence}  {here}")
    return 0


def models_fetch(asked: argparse.Namespace) -> int:
    """Downloads what is not here yet; a model that is here is checked, and stays."""
    from models.fetch import DEFAULT, edgetpu_twin, fetch

    names = asked.names or [name for name in (DEFAULT, edgetpu_twin(DEFAULT)) if name]
    with progress_bar() as bar:
        for name in names:
            task = bar.add_task(f"Fetching {name}", total=None)
            fetch(name, partial(_show, bar, task))
            bar.remove_task(task)
    return 0


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def models_path(asked: argparse.Namespace) -> int:
    """Where the models are, one a line."""
    from models.fetch import DEFAULT, find

    for name in asked.names or [DEFAULT]:
        print(find(name))
    return 0
