"""The commands that build, search and change libraries."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from device.cli.progress_reporter import progress_reporter
from device.collection_names import describe_collections
from index.barred import Barred
from index.library import Item, Library, verify_library
from index.manifest import PAGES, Manifest, describe_people
from models.pose import Pose
from models.text import format_people, format_pictures, printable, shell_word

LABELLED_SUFFIXES: Final = (".npz", ".json", ".json.gz")
"""Suffixes of sources that may bring their own key points, so that no model is needed."""

FIRST_BODY_KEYPOINT: Final = 5
"""The first key point below the face: those before it are nose, eyes and ears."""

CHUNK_SIZE: Final = 65_536
"""People that are counted at a time: a library may be larger than the memory."""

MAX_PRINTED: Final = 20
"""Pictures taken down, or authors barred, that are printed one by one: of some authors there are thousands."""

STARTER_STEP: Final = 1000
"""Pictures drawn before the library is swapped: many, because each swap costs a second or two for the indexes."""


def build(args: argparse.Namespace) -> int:
    """Build a library from sources; print what was skipped and why, and what to do next."""
    from index.build import pipeline
    from index.build.people import estimator_factory
    from index.build.scan import ScanSettings
    from models.estimator.model_files import AUTO, require_model, select_model

    name = args.model or AUTO
    scans_photos = any(
        source.exists() and not source.name.lower().endswith(LABELLED_SUFFIXES) for source in args.sources
    )
    model = require_model(name) if scans_photos else select_model(name).file
    settings = ScanSettings(estimator_factory(model, args.size), (model.stem, sha256(model.read_bytes()).hexdigest()))
    options = pipeline.BuildOptions(
        workers=args.workers or len(os.sched_getaffinity(0)),
        dask=args.dask,
        images=args.images,
        licences=args.licence,
        fresh=args.fresh,
        collections=args.collections,
    )
    with progress_reporter() as progress:
        report = pipeline.build(args.sources, args.out, settings, options, progress)
    print(report)
    if report.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shell_word(args.out)}")
    return 0


def query(args: argparse.Namespace) -> int:
    """Print the best matches of each pose, and on stderr how long the searches took."""
    from index.build.importers import read_keypoints
    from index.match import Matcher

    queries = [Pose.from_keypoints(query) for query in read_keypoints(args.keypoints)]
    results, milliseconds = [], []
    with Library.open(args.library) as library:
        matcher = Matcher(library)
        for pose in queries:
            start = time.perf_counter()
            results.append(matcher.find(pose, top=args.top))
            milliseconds.append((time.perf_counter() - start) * 1000)
    if args.json:
        rows = [
            {
                "query": i,
                "matches": [
                    {"item": m.item, "mirrored": m.mirrored, "likeness": round(m.likeness, 6)} for m in matches
                ],
            }
            for i, matches in enumerate(results)
        ]
        print(json.dumps(rows))
    else:
        for i, matches in enumerate(results):
            print(f"{i}: " + "  ".join(f"{m.item}{' mirrored' * m.mirrored} {m.likeness:.3f}" for m in matches))
    if milliseconds:
        median, p95 = np.percentile(milliseconds, (50, 95))
        print(f"median {median:.2f} ms, p95 {p95:.2f} ms", file=sys.stderr)
    return 0


def info(args: argparse.Namespace) -> int:
    """Print what a library holds."""
    with Library.open(args.library) as library:
        manifest, licences, size = library.manifest, Counter[str](), 0
        for item in _first_item_per_picture(library):
            licences[item.licence or "unknown"] += 1
        for name in library.picture_names():
            size += library.picture_file(name, check=False).stat().st_size
        taken_down = len(library.removed_pictures())
        barred = library.barred()
        collections = describe_collections(library)
        whole_bodies = sum(
            int((library.keypoints[start : start + CHUNK_SIZE, FIRST_BODY_KEYPOINT:, 2] > 0).all(1).sum())
            for start in range(0, len(library), CHUNK_SIZE)
        )
    print(f"{printable(args.library)}: {_format_counts(manifest)}")
    rows = {
        "can be found": f"{format_people(manifest.indexed)}, {whole_bodies:,} of them seen from shoulders to ankles",
        "found by": ", ".join(printable(name) for name, _ in manifest.models) or "people who labelled the key points",
        "collections": collections,
        "licences": ", ".join(f"{licence} {count:,}" for licence, count in licences.most_common()),
        "taken down": format_pictures(taken_down) if taken_down else "",
        "barred": _describe_barred(barred),
        "pages": ", ".join(name for name in PAGES if name in manifest.files),
        "on disk": f"{sum(file.bytes for file in manifest.files.values()) / 1e6:,.1f} MB of indexes and key points"
        + (f", {size / 1e6:,.1f} MB of pictures" if size else ""),
    }
    for name, value in rows.items():
        if value:
            print(f"  {name:<12}  {value}")
    return 0


def _describe_barred(barred: Barred) -> str:
    """Return who is barred, by name or page, and how many URLs of pictures are."""
    authors = [printable(entry.text) for entry in barred.entries if entry.kind != "url"]
    urls = len(barred.entries) - len(authors)
    more = [f"{len(authors) - MAX_PRINTED:,} more authors"] if len(authors) > MAX_PRINTED else []
    counted = [f"{urls:,} {'URL' if urls == 1 else 'URLs'} of pictures"] if urls else []
    return ", ".join([*authors[:MAX_PRINTED], *more, *counted])


def verify(args: argparse.Namespace) -> int:
    """Compare every file of a library with its checksum."""
    with progress_reporter() as progress:
        manifest = verify_library(args.library, progress)
    print(f"Every file is intact: {_format_counts(manifest)}.")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Take pictures down for good; print which."""
    from index.build import edit
    from index.build.picture_lookup import read_targets
    from index.collect.ledger import discard_pictures

    targets = [*args.pictures, *(line for file in args.lists for line in read_targets(file))]
    with progress_reporter() as progress:
        result = edit.remove(args.library, targets, progress, authors=args.authors)
    discard_pictures(args.library, [item.picture.name for item in result.taken_down if item.picture is not None])
    for item in result.taken_down[:MAX_PRINTED]:
        print(f"Taken down: {_describe_picture(item)}")
    if len(result.taken_down) > MAX_PRINTED:
        print(f"Taken down, too: {format_pictures(len(result.taken_down) - MAX_PRINTED)}")
    if result.taken_down_before:
        print(f"Taken down before: {format_pictures(result.taken_down_before)}")
    for name in result.without_picture:
        print(f"No picture in the library names {printable(name)} as its source or author; none will be taken in.")
    print(
        f"{_format_counts(result.manifest)} remain in {printable(args.library)}. "
        "Later builds into this folder do not bring back what you took down."
    )
    return 0


def sheets(args: argparse.Namespace) -> int:
    """Write contact sheets; print where the page is."""
    from index.build.contact_sheets import write_sheets

    with progress_reporter() as progress:
        result = write_sheets(args.library, args.out, args.collection, progress)
    count = "1 contact sheet" if result.sheets == 1 else f"{result.sheets:,} contact sheets"
    print(f"{printable(result.page.parent)}: {format_pictures(result.pictures)} on {count}.")
    if result.unreadable:
        print(f"{format_pictures(result.unreadable)} cannot be read: `pose-mirror index verify` names the first.")
    print(f"Open it in a web browser: {result.page.as_uri()}")
    return 0


def merge(args: argparse.Namespace) -> int:
    """Merge several libraries into one; print what was skipped."""
    from index.build import edit

    with progress_reporter() as progress:
        result = edit.merge([args.library, *args.others], args.out, progress)
    manifest, skipped = result.manifest, sum(result.skip_counts.values())
    print(f"{printable(args.out)}: {describe_people(manifest.items, manifest.indexed, manifest.pictures)}")
    print(f"Skipped {format_pictures(skipped)}:" if skipped else "No picture was skipped.")
    for kind, count in result.skip_counts.items():
        print(f"  {count:,} {kind}")
    if manifest.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shell_word(args.out)}")
    return 0


def starter(args: argparse.Namespace) -> int:
    """Draw the starter library, all of it or `--count` pictures."""
    from device import folders
    from index.build.starter import PICTURE_COUNT, grow
    from index.library import load_manifest

    folder = folders.starter_folder()
    with progress_reporter() as progress:
        grow(folder, args.count or PICTURE_COUNT, progress, step=STARTER_STEP)
    print(f"{printable(folder)}: {_format_counts(load_manifest(folder))}.")
    return 0


def _describe_picture(item: Item) -> str:
    """Return a picture's title, its source and the beginning of its name."""
    assert item.picture is not None, "only pictures can be taken down"
    source = f", from {item.source_url}" if item.source_url else ""
    return f"{item.title or 'untitled'}{source} ({item.picture.name[:12]}…)"


def _first_item_per_picture(library: Library) -> Iterator[Item]:
    """Yield the first item of each picture."""
    seen: set[Path] = set()
    for item in library.items():
        if item.picture is not None and item.picture not in seen:
            seen.add(item.picture)
            yield item


def _format_counts(manifest: Manifest) -> str:
    return f"{format_people(manifest.items)} in {format_pictures(manifest.pictures)}"
