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

from device.cli.progress import told
from index.library import Item, Library
from index.library import verify as verified
from index.manifest import PAGES, Manifest, shown
from models.pose import Pose

LABELLED: Final = (".npz", ".json")
"""Sources that may bring their key points, so that it is all the same which model there is."""

SHOULDERS: Final = 5
"""Where the body begins among the key points: before it is the face."""

AT_ONCE: Final = 65_536
"""People who are counted together: a library may be larger than the memory."""


def build(asked: argparse.Namespace) -> int:
    """A library of the sources; says what was skipped and why, and what to do next."""
    from index.build import pipeline as building
    from index.build.people import photo_finder
    from models.estimator.fetch import AUTO, chosen, taken

    name = asked.model or AUTO
    looks = any(source.exists() and source.suffix.lower() not in LABELLED for source in asked.sources)
    model = taken(name) if looks else chosen(name).file
    with told() as progress:
        report = building.build(
            asked.sources,
            asked.out,
            finder=photo_finder(model, asked.size),
            model=(model.stem, sha256(model.read_bytes()).hexdigest()),
            workers=asked.workers or len(os.sched_getaffinity(0)),
            dask=asked.dask,
            images=asked.images,
            licences=asked.licence,
            fresh=asked.fresh,
            progress=progress,
        )
    print(report)
    if report.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shlex.quote(str(asked.out))}")
    return 0


def query(asked: argparse.Namespace) -> int:
    """The best matches of each query, and on stderr how long they took."""
    from index.build.importers import keypoints_of
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


def info(asked: argparse.Namespace) -> int:
    """What a library holds, in a few lines."""
    with Library.open(asked.library) as library:
        manifest, licences, size = library.manifest, Counter[str](), 0
        for item in _one_a_picture(library):
            licences[item.licence or "not known"] += 1
        for name in library.pictures():
            size += library.picture_file(name, check=False).stat().st_size
        taken_down = len(library.removed())
        whole = sum(
            int((library.keypoints[start : start + AT_ONCE, SHOULDERS:, 2] > 0).all(1).sum())
            for start in range(0, len(library), AT_ONCE)
        )
    print(f"{shown(asked.library)}: {_counts(manifest)}")
    rows = {
        "can be found": f"{manifest.indexed:,} people, {whole:,} of them from shoulders to ankles",
        "found by": ", ".join(shown(name) for name, _ in manifest.models) or "people: their key points are labelled",
        "licences": ", ".join(f"{licence} {count:,}" for licence, count in licences.most_common()),
        "taken down": _pictures(taken_down) if taken_down else "",
        "pages": ", ".join(name for name in PAGES if name in manifest.files),
        "on the disk": f"{sum(file.bytes for file in manifest.files.values()) / 1e6:,.1f} MB of indexes and key points"
        + (f", {size / 1e6:,.1f} MB of pictures" if size else ""),
    }
    for name, what in rows.items():
        if what:
            print(f"  {name:<12}  {what}")
    return 0


def verify(asked: argparse.Namespace) -> int:
    """Every file of a library against its checksum."""
    with told() as progress:
        manifest = verified(asked.library, progress)
    print(f"Every file is whole: {_counts(manifest)}.")
    return 0


def remove(asked: argparse.Namespace) -> int:
    """Takes pictures down for good; says which."""
    from index.build import edit

    with told() as progress:
        done = edit.remove(asked.library, asked.pictures, progress)
    for item in done.taken:
        print(f"Taken down: {_called(item)}")
    print(
        f"{_counts(done.left)} are left in {shown(asked.library)}; what is taken down stays so when it is built again."
    )
    return 0


def merge(asked: argparse.Namespace) -> int:
    """One library of several; says what was left out."""
    from index.build import edit

    with told() as progress:
        done = edit.merge([asked.library, *asked.others], asked.out, progress)
    print(f"{shown(asked.out)}: {_counts(done.whole)}, {done.whole.indexed:,} of the people can be found.")
    print(f"{_pictures(sum(done.left_out.values())) if done.left_out else 'No picture'} left out.")
    for kind, count in done.left_out.items():
        print(f"  {count:,} {kind}")
    if done.whole.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shlex.quote(str(asked.out))}")
    return 0


def starter(asked: argparse.Namespace) -> int:
    """The starter library, drawn to its end, or as far as is asked for."""
    from device import folders as places
    from index.build.starter import COUNT, grow
    from index.library import info

    folder = places.starter()
    with told() as progress:
        grow(folder, asked.count or COUNT, progress, step=1000)  # each step costs a second or two
    print(f"{shown(folder)}: {_counts(info(folder))}.")
    return 0


def _called(item: Item) -> str:
    """A picture in words: its title, where it is from, and its name's beginning."""
    assert item.picture is not None, "it was asked for as a picture"
    source = f", from {item.source_url}" if item.source_url else ""
    return f"{item.title or 'without a title'}{source} ({item.picture.name[:12]}…)"


def _one_a_picture(library: Library) -> Iterator[Item]:
    """The first person of each picture."""
    met: set[Path] = set()
    for item in library.items():
        if item.picture is not None and item.picture not in met:
            met.add(item.picture)
            yield item


def _counts(manifest: Manifest) -> str:
    people = "1 person" if manifest.items == 1 else f"{manifest.items:,} people"
    return f"{people} in {_pictures(manifest.pictures)}"


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
