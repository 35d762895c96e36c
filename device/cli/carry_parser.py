"""The parser of the actions of `pose-mirror index` that carry a library to another machine: pack, unpack, fetch."""

from __future__ import annotations

import argparse
import re

from device.cli.options import Subparsers, add_command, whole_path


def add_carry(actions: Subparsers[argparse.ArgumentParser]) -> None:
    """Add the actions to those of `index`."""
    _add_pack(actions)
    _add_unpack(actions)
    _add_fetch(actions)


def _add_pack(actions: Subparsers[argparse.ArgumentParser]) -> None:
    pack = add_command(
        actions,
        "pack",
        "device.cli.carry_commands:pack",
        "pack a library into one file",
        "Packs a library into one file, to carry it on a memory stick or to put it on a web server, and writes its "
        "checksum next to it. Every file of the library is checked on the way. The same library always gives the same "
        "file. The other machine takes it with `pose-mirror index unpack` or `pose-mirror index fetch`.",
        "pose-mirror index pack ~/pose-library",
        "pose-mirror index pack ~/pose-library --out /media/stick/pose-library.tar",
    )
    pack.add_argument("library", type=whole_path, metavar="DIR", help="the library's folder")
    pack.add_argument(
        "--out",
        type=whole_path,
        metavar="FILE.tar",
        help="the packed library (default: next to DIR, with its name and .tar)",
    )


def _add_unpack(actions: Subparsers[argparse.ArgumentParser]) -> None:
    unpack = add_command(
        actions,
        "unpack",
        "device.cli.carry_commands:unpack",
        "unpack a packed library",
        "Unpacks a library that `pose-mirror index pack` packed, and checks every file. A library that is already in "
        "DIR stays in use until the new one is complete, and what was taken down from it stays down.",
        "pose-mirror index unpack /media/stick/pose-library.tar --out ~/pose-library",
    )
    unpack.add_argument("file", type=whole_path, metavar="FILE.tar", help="the packed library")
    _add_out(unpack)


def _add_fetch(actions: Subparsers[argparse.ArgumentParser]) -> None:
    fetch = add_command(
        actions,
        "fetch",
        "device.cli.carry_commands:fetch",
        "download a packed library and unpack it",
        "Downloads a packed library from a web server and unpacks it into DIR. If it is stopped, run the same command "
        "again: it goes on where it stopped. While it runs, the disk needs room for two copies of the library. The "
        "server must have both files that `pose-mirror index pack` writes, unless you give the checksum yourself. A "
        "library that is already in DIR stays in use until the new one is complete, and what was taken down from it "
        "stays down.",
        "pose-mirror index fetch https://museum.example/pose-library.tar --out ~/pose-library",
    )
    fetch.add_argument("url", metavar="URL", help="the packed library's address, with https:// or http://")
    _add_out(fetch)
    fetch.add_argument(
        "--sha256",
        type=sha256,
        metavar="HEX",
        help="the packed library's checksum, 64 hexadecimal digits (default: what the server has at URL.sha256)",
    )


def sha256(text: str) -> str:
    """Parse a sha256 in hexadecimal."""
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text} is not a sha256, which has 64 hexadecimal digits")
    return text.lower()


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=whole_path, required=True, metavar="DIR", help="the library's folder")
