"""The commands that carry a library to another machine, as one file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from urllib.parse import quote

from device.cli.progress_reporter import progress_reporter
from index.build.unpack import UnpackResult
from index.manifest import describe_people
from models.text import format_pictures, printable, shell_word


def pack(args: argparse.Namespace) -> int:
    """Pack a library into one file; print what to do with it."""
    from index.build.pack import SUFFIX, SUM_SUFFIX
    from index.build.pack import pack as pack_library

    file = args.out or Path(f"{os.path.abspath(args.library)}{SUFFIX}")
    with progress_reporter() as progress:
        packed = pack_library(args.library, file, progress)
    print(f"{printable(file)}: {packed.bytes / 1e6:,.1f} MB. Its checksum is in {printable(file.name)}{SUM_SUFFIX}.")
    print(
        "Carry it to the other machine, and run there: "
        f"pose-mirror index unpack {shell_word(file.name)} --out ~/pose-library"
    )
    print(
        "Or put both files on a web server: "
        f"pose-mirror index fetch https://SERVER/{quote(file.name)} --out ~/pose-library"
    )
    return 0


def unpack(args: argparse.Namespace) -> int:
    """Unpack a library; print what it holds."""
    from index.build.unpack import unpack as unpack_library

    with progress_reporter() as progress:
        result = unpack_library(args.file, args.out, progress)
    _print_result(args.out, result)
    return 0


def fetch(args: argparse.Namespace) -> int:
    """Download a packed library and unpack it; print what it holds."""
    from index.build.unpack import fetch_library

    with progress_reporter() as progress:
        result = fetch_library(args.url, args.out, args.sha256, progress)
    _print_result(args.out, result)
    return 0


def _print_result(out: Path, result: UnpackResult) -> None:
    manifest = result.manifest
    print(f"{printable(out)}: {describe_people(manifest.items, manifest.indexed, manifest.pictures)}")
    if result.left_out:
        print(f"Left out {format_pictures(result.left_out)} that had been taken down from this library.")
    if manifest.pictures:
        print(f"See it in the mirror: pose-mirror run --library {shell_word(out)}")
