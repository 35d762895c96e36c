"""The commands that make, ask and change libraries."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np

from device.progress import told
from models.pose import Pose

MOST_REASONS = 20
"""Skipped files whose reasons are printed; the rest is counted, and the report page has examples of each kind."""


def build(asked: argparse.Namespace) -> int:
    """A library of the sources; says what was skipped and why, and what to do next."""
    from index import build as building
    from index.people import photo_finder
    from models.fetch import DEFAULT, ModelMissing, find

    try:
        model = find(asked.model or DEFAULT)
    except ModelMissing:
        if asked.model or any(source.is_dir() for source in asked.sources):
            raise
        model = None  # key points and labelled pictures need none; what does need one will say so
    with told() as progress:
        report = building.build(
            asked.sources,
            asked.out,
            finder=photo_finder(model, asked.size) if model else None,
            model=(model.stem, sha256(model.read_bytes()).hexdigest()) if model else None,
            workers=asked.workers or len(os.sched_getaffinity(0)),
            progress=progress,
        )
    for skipped in report.skipped[:MOST_REASONS]:
        print(f"skipped: {skipped.reason}", file=sys.stderr)
    if len(report.skipped) > MOST_REASONS:
        print(f"skipped: {len(report.skipped) - MOST_REASONS:,} more.", file=sys.stderr)
    print(report)
    if report.pictures:
        print(f"See it in the mirror: pose-mirror run --library {_quoted(asked.out)}")
    return 0


def query(asked: argparse.Namespace) -> int:
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


def info(asked: argparse.Namespace) -> int:
    """What a library says of itself."""
    from index.library import info

    manifest = info(asked.library)
    print(f"{manifest.items} people in {manifest.pictures} pictures; {manifest.indexed} of them can be found.")
    found_by = ", ".join(name for name, _ in manifest.models)
    print(f"Found by {found_by}." if found_by else "Their key points are labelled.")
    print(f"{sum(file.bytes for file in manifest.files.values()) / 1e6:.1f} MB of indexes and key points.")
    return 0


def verify(asked: argparse.Namespace) -> int:
    """Every file of a library against its checksum."""
    from index.library import verify

    manifest = verify(asked.library)
    print(f"Every file is whole: {manifest.items} people in {manifest.pictures} pictures.")
    return 0


def _quoted(folder: Path) -> str:
    return shlex.quote(str(folder))
