"""`pose-mirror index collect`: collect photographs for a library."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from device.cli.collect_parser import DEFAULT_COUNT, OPEN_IMAGES
from device.cli.progress_reporter import progress_reporter
from index.build.scan import ScanSettings
from index.build.swap import check_picture_count, check_replaceable
from index.collect.candidate import Download, Source
from index.collect.collector import CollectOptions, check_space, fill
from index.collect.estimate import Prospect, estimate, measure_scan
from index.collect.ledger import KEPT, Ledger
from index.collect.publish import publish
from index.collect.rules import Rules, default_rules_text, load_rules
from index.errors import LibraryError
from index.library import Library, read_taken_down
from index.manifest import MANIFEST_FILE, describe_people
from models.home import expand_home
from models.text import format_photographs, printable, shell_word

DRY_RUN_EXAMPLES: Final = 10
"""Photographs that a dry run names."""


def collect(args: argparse.Namespace) -> int:
    """Collect photographs into a library; print what that takes, then what came of it."""
    if args.print_rules:
        print(default_rules_text() if args.rules is None else load_rules(args.rules).changes, end="")
        return 0
    if args.library is None:
        raise LibraryError("Name the library's folder: pose-mirror index collect ~/pose-library --count 5000")
    rules, source, settings = load_rules(args.rules), _open_source(args), _scan_settings(args)
    if args.dry_run:
        _print_plan(source, rules, settings, _options(args))
        return 0
    _check_folder(args.library, args.count or DEFAULT_COUNT)
    taken_down = read_taken_down(args.library)
    with Ledger(args.library, source.name) as ledger:
        _check_own(ledger, args.library)
        options = _options(args, ledger.wanted)
        rules = ledger.rules if args.rules is None else rules
        ledger.take_down(taken_down)
        _prepare(ledger, source, rules, settings, options)
        ledger.wanted, ledger.rules = options.count, rules  # the source has accepted the rules
        with progress_reporter() as progress:
            collected = fill(ledger, source, settings, options, progress, taken_down)
        print(f"{collected.ending} Looked at {format_photographs(collected.looked)}.", flush=True)
        with progress_reporter() as progress:
            manifest = publish(ledger, args.library, options.count, progress)
    print(f"{printable(args.library)}: {describe_people(manifest.items, manifest.indexed, manifest.pictures)}")
    print(f"See it in the mirror: pose-mirror run --library {shell_word(args.library)}")
    print(f"Leaf through it and strike pictures out: pose-mirror index sheets {shell_word(args.library)}")
    return 0


def _prepare(ledger: Ledger, source: Source, rules: Rules, settings: ScanSettings, options: CollectOptions) -> None:
    """Read the source's tables, and say what collecting takes: first in general, then of what there is."""
    if ledger.models and settings.model not in ledger.models:
        print(
            f"Earlier photographs were looked at with {', '.join(name for name, _ in ledger.models)}. "
            "To look at all of them with one model, collect into another folder."
        )
    missing = replace(options, count=max(0, options.count - ledger.count(KEPT)))
    seconds = measure_scan(settings) if missing.count else 0.0
    if missing.count and (tables := source.downloads(rules, ledger.candidates_folder)):
        expected = estimate(missing, Prospect(sys.maxsize, is_remote=True), seconds)
        print(f"First it reads {len(tables)} tables, {_size(tables)}, and keeps a small part. {expected}", flush=True)
        check_space(ledger.folder, expected.disk_bytes)
    with progress_reporter() as progress:
        source.prepare(ledger.candidates_folder, rules, progress)
    print(f"The rules allow {format_photographs(len(source))} of {printable(source.name)}.")
    gone = ledger.follow(rules, (candidate.key for candidate in source.candidates()))
    if gone:
        print(f"{format_photographs(gone)} given back, because the rules have changed.")
        missing = replace(missing, count=missing.count + gone)
    prospect = Prospect.of(source, ledger, len(ledger.keys_to_reconsider(options.count)))
    if missing.count and prospect.candidates:
        needed = estimate(missing, prospect, seconds)
        print(needed, flush=True)
        check_space(ledger.folder, needed.disk_bytes)


def _open_source(args: argparse.Namespace) -> Source:
    """Return the source that `--from` names."""
    if args.source == OPEN_IMAGES:
        if args.images is not None:
            raise LibraryError("--images is for a COCO file, not for Open Images: leave it out, or name the file.")
        from index.collect.open_images import OpenImages

        places = {name: getattr(args, name) for name in ("tables", "photos") if getattr(args, name) is not None}
        return OpenImages(**places)
    from index.collect.listed import Listed

    for option in ("tables", "photos"):
        if getattr(args, option) is not None:
            raise LibraryError(f"--{option} is for Open Images, not for --from {printable(args.source)}: leave it out.")
    return Listed(expand_home(args.source), args.images)


def _scan_settings(args: argparse.Namespace) -> ScanSettings:
    from index.build.people import estimator_factory
    from models.estimator.model_files import AUTO, require_model

    model = require_model(args.model or AUTO)
    return ScanSettings(estimator_factory(model, args.size), (model.stem, sha256(model.read_bytes()).hexdigest()))


def _check_folder(library: Path, count: int) -> None:
    """Raise LibraryError if the library cannot be written there, or if another one that was not collected is there."""
    check_replaceable(library)
    check_picture_count(library, count)
    if (library / MANIFEST_FILE).exists() and not Ledger.folder_of(library).exists():
        raise LibraryError(
            f"{printable(library)} is a library that was not collected, and would be replaced: collect into another "
            f"folder, and merge the two with `pose-mirror index merge`."
        )


def _check_own(ledger: Ledger, library: Path) -> None:
    """Raise LibraryError if the library there has pictures of another origin, which would be lost."""
    try:
        with Library.open(library) as opened:
            names = {item.picture.name for item in opened.items() if item.picture is not None}
    except LibraryError:  # there is none, or it cannot be used
        return
    if not ledger.has_all(names):
        raise LibraryError(
            f"{printable(library)} has pictures that were not collected, and would be replaced: collect into another "
            f"folder, and merge the two with `pose-mirror index merge`."
        )


def _options(args: argparse.Namespace, last_count: int | None = None) -> CollectOptions:
    return CollectOptions(
        count=args.count or last_count or DEFAULT_COUNT,
        tries=args.tries,
        min_gain=args.min_gain,
        workers=args.workers or len(os.sched_getaffinity(0)),
        connections=args.connections,
        dask=args.dask,
    )


def _print_plan(source: Source, rules: Rules, settings: ScanSettings, options: CollectOptions) -> None:
    """Print what collecting would download, and from where. It asks no server."""
    tables = source.downloads(rules)
    print(f"This would keep {format_photographs(options.count)} of {printable(source.name)}.", end=" ")
    print("Nothing is downloaded now.")
    if tables:
        print(f"\nFirst it would read these tables, {_size(tables)}, and keep a small part of them:")
        for table in tables:
            print(f"  {printable(table.place)}" + (f"  ({table.bytes / 1e6:,.0f} MB)" if table.bytes else ""))
        prospect = Prospect(sys.maxsize, is_remote=True)
    else:
        with TemporaryDirectory() as folder:
            source.prepare(Path(folder), rules)
            print(f"\nThe rules allow {format_photographs(len(source))}. The first of them:")
            first = list(islice(source.candidates(), DRY_RUN_EXAMPLES))
            for candidate in first:
                print(f"  {printable(candidate.picture)}  ({printable(candidate.credit.licence or 'no licence')})")
            is_remote = any(isinstance(candidate.picture, str) for candidate in first)
            prospect = Prospect(len(source), is_remote)
    print(f"\nThe photographs are at {source.photos_place}.")
    print(estimate(options, prospect, measure_scan(settings)))


def _size(tables: Sequence[Download]) -> str:
    return f"about {sum(table.bytes or 0 for table in tables) / 1e9:.1f} GB"
