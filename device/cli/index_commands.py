"""The commands that make, ask and change libraries."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from device.cli.progress import progress_reporter
from index.library import Item, Library
from index.library import verify_library as verified
from index.manifest import PAGES, Manifest
from models.pose import Pose
from models.text import printable

LABELLED_SUFFIXES: Final = (".npz", ".json")
"""Sources that may bring their key points, so that it is all the same which model there is."""

FIRST_BODY_KEYPOINT: Final = 5
"""Where the body begins among the key points: before it is the face."""

CHUNK_SIZE: Final = 65_536
"""People who are counted together: a library may be larger than the memory."""


def build(args: argparse.Namespace) -> int:
    """A library of the sources; says what was skipped and why, and what to do next."""
    from index.build import pipeline as building
    from index.build.people import estimator_factory
    from models.estimator.fetch import AUTO, require_model, select_model

    name = args.model or AUTO
    looks = any(source.exists() and source.suffix.lower() not in LABELLED_SUFFIXES for source in args.sources)
    model = require_model(name) if looks else select_model(name).file
    with progress_reporter() as progress:
        report = building.build(
            args.sources,
            args.out,
            open_estimator=estimator_factory(model, args.size),
            model=(model.stem, sha256(model.read_bytes()).hexdigest()),
            workers=args.workers or len(os.sched_getaffinity(0)),
            dask=args.dask,
            images=args.images,
            licences=args.licence,
            fresh=args.fresh,
            progress=progress,
        )
    print(report)
    if report.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shlex.quote(str(args.out))}")
    return 0


def query(args: argparse.Namespace) -> int:
    """The best matches of each query, and on stderr how long they took."""
    from index.build.importers import read_keypoints
    from index.match import Matcher

    queries = [Pose.from_keypoints(query) for query in read_keypoints(args.keypoints)]
    found, milliseconds = [], []
    with Library.open(args.library) as library:
        matcher = Matcher(library)
        for pose in queries:
            start = time.perf_counter()
            found.append(matcher.find(pose, top=args.top))
            milliseconds.append((time.perf_counter() - start) * 1000)
    if args.json:
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


def info(args: argparse.Namespace) -> int:
    """What a library holds, in a few lines."""
    with Library.open(args.library) as library:
        manifest, licences, size = library.manifest, Counter[str](), 0
        for item in _first_item_per_picture(library):
            licences[item.licence or "not known"] += 1
        for name in library.picture_names():
            size += library.picture_file(name, check=False).stat().st_size
        taken_down = len(library.removed_pictures())
        whole = sum(
            int((library.keypoints[start : start + CHUNK_SIZE, FIRST_BODY_KEYPOINT:, 2] > 0).all(1).sum())
            for start in range(0, len(library), CHUNK_SIZE)
        )
    print(f"{printable(args.library)}: {_format_counts(manifest)}")
    rows = {
        "can be found": f"{manifest.indexed:,} people, {whole:,} of them from shoulders to ankles",
        "found by": ", ".join(printable(name) for name, _ in manifest.models)
        or "people: their key points are labelled",
        "licences": ", ".join(f"{licence} {count:,}" for licence, count in licences.most_common()),
        "taken down": _format_pictures(taken_down) if taken_down else "",
        "pages": ", ".join(name for name in PAGES if name in manifest.files),
        "on the disk": f"{sum(file.bytes for file in manifest.files.values()) / 1e6:,.1f} MB of indexes and key points"
        + (f", {size / 1e6:,.1f} MB of pictures" if size else ""),
    }
    for name, what in rows.items():
        if what:
            print(f"  {name:<12}  {what}")
    return 0


def verify(args: argparse.Namespace) -> int:
    """Every file of a library against its checksum."""
    with progress_reporter() as progress:
        manifest = verified(args.library, progress)
    print(f"Every file is whole: {_format_counts(manifest)}.")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Takes pictures down for good; says which."""
    from index.build import edit

    with progress_reporter() as progress:
        done = edit.remove(args.library, args.pictures, progress)
    for item in done.taken_down:
        print(f"Taken down: {_describe_picture(item)}")
    print(
        f"{_format_counts(done.manifest)} are left in {printable(args.library)}; what is taken down stays so when it is built again."
    )
    return 0


def merge(args: argparse.Namespace) -> int:
    """One library of several; says what was left out."""
    from index.build import edit

    with progress_reporter() as progress:
        done = edit.merge([args.library, *args.others], args.out, progress)
    print(
        f"{printable(args.out)}: {_format_counts(done.manifest)}, {done.manifest.indexed:,} of the people can be found."
    )
    print(f"{_format_pictures(sum(done.skip_counts.values())) if done.skip_counts else 'No picture'} left out.")
    for kind, count in done.skip_counts.items():
        print(f"  {count:,} {kind}")
    if done.manifest.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shlex.quote(str(args.out))}")
    return 0


def starter(args: argparse.Namespace) -> int:
    """The starter library, drawn to its end, or as far as is asked for."""
    from device import folders as places
    from index.build.starter import PICTURE_COUNT, grow
    from index.library import load_manifest

    folder = places.starter_folder()
    with progress_reporter() as progress:
        grow(folder, args.count or PICTURE_COUNT, progress, step=1000)  # each step costs a second or two
    print(f"{printable(folder)}: {_format_counts(load_manifest(folder))}.")
    return 0


def _describe_picture(item: Item) -> str:
    """A picture in words: its title, where it is from, and its name's beginning."""
    assert item.picture is not None, "it was asked for as a picture"
    source = f", from {item.source_url}" if item.source_url else ""
    return f"{item.title or 'without a title'}{source} ({item.picture.name[:12]}…)"


def _first_item_per_picture(library: Library) -> Iterator[Item]:
    """The first person of each picture."""
    met: set[Path] = set()
    for item in library.items():
        if item.picture is not None and item.picture not in met:
            met.add(item.picture)
            yield item


def _format_counts(manifest: Manifest) -> str:
    people = "1 person" if manifest.items == 1 else f"{manifest.items:,} people"
    return f"{people} in {_format_pictures(manifest.pictures)}"


def _format_pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
