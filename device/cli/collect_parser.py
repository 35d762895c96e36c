"""The parser of `pose-mirror index collect`."""

from __future__ import annotations

import argparse
from typing import Final

from device.cli.options import (
    SCALED_TO_MODEL,
    Subparsers,
    add_command,
    add_model_option,
    add_size_option,
    path,
    positive_float,
    positive_int,
    whole_path,
)

OPEN_IMAGES = "open-images"
"""The name of the source that needs no file."""

DEFAULT_COUNT = 5000
"""Photographs to keep unless told: a first evening's."""

MAX_NUMBER: Final = 100_000_000
"""The largest `--count` and `--tries`: many times what Open Images has, and SQLite can calculate with it."""


def add_collect(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `collect` to the actions of `pose-mirror index`."""
    collect = add_command(
        actions,
        "collect",
        "device.cli.collect_commands:collect",
        "make a library of thousands of photographs from the web",
        "Makes a library of photographs of people that anybody may show: by default from Open Images, whose "
        "photographs are from Flickr, under CC BY 2.0. Downloads them in waves, keeps those whose poses add most to "
        "the others, and deletes the rest. Says how much there is to download and how long it takes before it "
        "starts. If it is stopped, run the same command again: it picks up where it left off; with a greater --count, "
        "it goes on.",
        "pose-mirror index collect ~/pose-library --count 80000",
        "pose-mirror index collect ~/pose-library --count 5000 --dry-run",
        "pose-mirror index collect ~/dancers --from commons.json --count 2000",
    )
    collect.add_argument("library", type=whole_path, nargs="?", metavar="DIR", help="the library's folder")
    collect.add_argument(
        "--count",
        type=number_of_photos,
        metavar="N",
        help=f"photographs to keep (default: as many as in the last run; {DEFAULT_COUNT:,} in the first)",
    )
    collect.add_argument(
        "--from",
        dest="source",
        default=OPEN_IMAGES,
        metavar="SOURCE",
        help=f"`{OPEN_IMAGES}`; or a table of pictures or URLs and their credits (.csv, .tsv, .jsonl), a COCO file "
        "(.json), an answer of Wikimedia Commons (.json), a folder, or an archive (default: "
        f"{OPEN_IMAGES})",
    )
    collect.add_argument(
        "--rules",
        type=path,
        metavar="FILE",
        help="which photographs to look at: licences, people, minors, words and labels to leave out, collections "
        "(default: the rules of the last run; in the first, the program's own, which --print-rules prints)",
    )
    collect.add_argument(
        "--print-rules", action="store_true", help="print the rules, so that you can change them, and exit"
    )
    collect.add_argument(
        "--dry-run",
        action="store_true",
        help="print what a first run would download, from where, and how long it would take, and exit",
    )
    collect.add_argument(
        "--tables",
        metavar="PLACE",
        help="the folder or URL of Open Images' tables, if you have downloaded them or host a copy (default: Open "
        "Images' own)",
    )
    collect.add_argument(
        "--photos",
        metavar="PLACE",
        help="the folder or URL of Open Images' photographs, if you host a copy (default: Open Images' own)",
    )
    collect.add_argument(
        "--images",
        type=path,
        metavar="DIR",
        help="the folder of the pictures that a COCO file names (default: next to that file)",
    )
    collect.add_argument(
        "--tries",
        type=number_of_photos,
        default=3,
        metavar="N",
        help="usable photographs to look at for each one that is kept: more take longer and choose better (default: 3)",
    )
    collect.add_argument(
        "--min-gain",
        type=positive_float,
        default=1e-4,
        metavar="X",
        help="end early when a thousand more photographs would raise the coverage by less than this (default: 0.0001)",
    )
    collect.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="photo workers that scan at the same time (default: one per core)",
    )
    collect.add_argument(
        "--connections",
        type=positive_int,
        default=8,
        metavar="N",
        help="photographs to download at the same time (default: 8); for Wikimedia Commons, give 2",
    )
    collect.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="download and scan on the Dask cluster whose scheduler has this address (default: on this machine)",
    )
    add_model_option(collect)
    add_size_option(collect, f"keeps each photo's {SCALED_TO_MODEL}")


def number_of_photos(text: str) -> int:
    """Parse a whole number from 1 to `MAX_NUMBER`."""
    value = positive_int(text)
    if value > MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text} is too many: use a number from 1 to {MAX_NUMBER:,}")
    return value
