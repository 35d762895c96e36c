"""The parser of `pose-mirror index`: the commands that build, search and change libraries."""

from __future__ import annotations

import argparse

from device.cli.carry_parser import add_carry
from device.cli.collect_parser import add_collect
from device.cli.options import (
    SCALED_TO_MODEL,
    Subparsers,
    add_command,
    add_group,
    add_model_option,
    add_size_option,
    path,
    picture,
    positive_int,
    whole_path,
)


def add_index(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `index` and its actions."""
    actions = add_group(
        commands,
        "index",
        "build, search and change libraries of photos",
        "Builds, searches and changes libraries. A library is a folder with photos, the poses of the people in "
        "them, their credits, and the indexes by which the mirror finds them.",
        "pose-mirror index build ~/Photos --out ~/pose-library",
        "pose-mirror index info ~/pose-library",
    )
    _add_build(actions)
    add_collect(actions)
    _add_info(actions)
    _add_verify(actions)
    _add_query(actions)
    _add_remove(actions)
    _add_sheets(actions)
    _add_merge(actions)
    add_carry(actions)
    _add_starter(actions)


def _add_build(actions: Subparsers[argparse.ArgumentParser]) -> None:
    build = add_command(
        actions,
        "build",
        "device.cli.index_commands:build",
        "build a library from your own photos",
        "Finds the people in photos and builds a library from them, with a report page: which poses it has, "
        "and how many photos were skipped and why. A library that is already in DIR stays in use until the new one is "
        "complete. If the build is stopped, run the same command again: it picks up where it left off.",
        "pose-mirror index build ~/Photos holiday.mp4 --out ~/pose-library",
        "pose-mirror index build commons.csv --licence 'CC BY*' --licence CC0 --out ~/pose-library",
    )
    build.add_argument(
        "sources",
        nargs="+",
        type=path,
        metavar="SOURCE",
        help="a folder or an archive (.zip, .tar) of photos, a picture, a video, a table of pictures and their credits "
        "(.csv, .tsv, .jsonl), a COCO file (.json), or key points (.npz)",
    )
    build.add_argument("--out", type=whole_path, required=True, metavar="DIR", help="the library's folder")
    build.add_argument(
        "--workers",
        type=positive_int,
        metavar="N",
        help="photo workers that scan at the same time (default: one per core)",
    )
    build.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="scan the photos on the Dask cluster whose scheduler has this address, such as tcp://HOST:8786 "
        "(default: on this machine)",
    )
    build.add_argument(
        "--images",
        type=path,
        metavar="DIR",
        help="the folder of the pictures that a COCO file names (default: next to that file, where COCO's archives "
        "put them)",
    )
    build.add_argument(
        "--licence",
        action="append",
        default=[],
        metavar="PATTERN",
        help="keep only pictures whose licence fits this pattern, such as 'CC BY*'; may be given several times "
        "(default: any licence)",
    )
    build.add_argument(
        "--collections",
        action="store_true",
        help="make collections, which the mirror can show alone: of each folder in SOURCE, so that all photos below "
        "SOURCE/dance are the collection “dance”; of several folders, each is a collection itself. A table's column "
        "`collection` needs no option",
    )
    build.add_argument(
        "--fresh", action="store_true", help="scan every photo again instead of resuming a build that was stopped"
    )
    add_model_option(build)
    add_size_option(build, f"keeps each photo's {SCALED_TO_MODEL}")


def _add_info(actions: Subparsers[argparse.ArgumentParser]) -> None:
    info = add_command(
        actions,
        "info",
        "device.cli.index_commands:info",
        "say what a library holds",
        "Says what a library holds: people, pictures, collections, licences, the model that found the people, and its "
        "size on disk.",
        "pose-mirror index info ~/pose-library",
    )
    _add_library_argument(info)


def _add_verify(actions: Subparsers[argparse.ArgumentParser]) -> None:
    verify = add_command(
        actions,
        "verify",
        "device.cli.index_commands:verify",
        "check every file of a library",
        "Reads every file of a library, pictures included, and compares it with its checksum. Names the first file "
        "that is damaged, missing or does not belong there; the exit status is then 1.",
        "pose-mirror index verify ~/pose-library",
    )
    _add_library_argument(verify)


def _add_query(actions: Subparsers[argparse.ArgumentParser]) -> None:
    query = add_command(
        actions,
        "query",
        "device.cli.index_commands:query",
        "search a library for poses",
        "Finds the people in a library who agree best with each pose of a file. Prints, for each pose, the items "
        "and their likeness, 0 to 1; and on stderr how long a search took.",
        "pose-mirror index query ~/pose-library --keypoints poses.npz --top 3",
        "pose-mirror index query ~/pose-library --keypoints poses.npz --json > matches.json",
    )
    _add_library_argument(query)
    query.add_argument(
        "--keypoints",
        type=path,
        required=True,
        metavar="FILE.npz",
        help="the poses: an array named `keypoints` of N×17×3 numbers (x, y, score)",
    )
    query.add_argument("--top", type=positive_int, default=1, metavar="K", help="matches for each pose (default: 1)")
    query.add_argument("--json", action="store_true", help="print JSON instead of text")


def _add_remove(actions: Subparsers[argparse.ArgumentParser]) -> None:
    remove = add_command(
        actions,
        "remove",
        "device.cli.index_commands:remove",
        "take pictures down for good",
        "Takes pictures down for good: their files, the people in them, their credits. The library remembers what "
        "they look like, their source URLs, and the authors that you name, so that no later build, merge or "
        "`index collect` brings them back. URLs and authors that have no picture in it are remembered, too. If any "
        "PICTURE that is not a URL matches no picture, or more than one, nothing is taken down.",
        "pose-mirror index remove ~/pose-library 1f09a7 https://photos.example/123",
        "pose-mirror index remove ~/pose-library ~/Photos/grandmother.jpg",
        "pose-mirror index remove ~/pose-library --author 'Ann Example' --author https://photos.example/people/ann/",
        "pose-mirror index remove ~/pose-library --from struck.txt",
    )
    _add_library_argument(remove)
    remove.add_argument(
        "pictures",
        nargs="*",
        type=picture,
        metavar="PICTURE",
        help="an item's number, a picture's file name or its first 6 characters or more, its source URL, or a picture "
        "file",
    )
    remove.add_argument(
        "--author",
        action="append",
        default=[],
        dest="authors",
        metavar="NAME|URL",
        help="all pictures by this author: the name, or the URL of the author's page that the source URLs of the "
        "pictures begin with; may be given several times (default: none)",
    )
    remove.add_argument(
        "--from",
        action="append",
        default=[],
        dest="lists",
        type=path,
        metavar="FILE",
        help="all pictures that a file names, one in each line, as contact sheets write it (`pose-mirror index "
        "sheets`); may be given several times (default: none)",
    )


def _add_sheets(actions: Subparsers[argparse.ArgumentParser]) -> None:
    sheets = add_command(
        actions,
        "sheets",
        "device.cli.index_commands:sheets",
        "write contact sheets, to strike pictures out",
        "Writes contact sheets: a page for a web browser that shows a library's pictures as thumbnails, 200 on "
        "each sheet. Click on those that the mirror should not show, and save the list for `pose-mirror index remove`. "
        " It works from the disk, without a network. If the command is stopped, run it again.",
        "pose-mirror index sheets ~/pose-library",
        "pose-mirror index sheets ~/pose-library --collection dance --out ~/dance-sheets",
    )
    _add_library_argument(sheets)
    sheets.add_argument(
        "--out", type=whole_path, metavar="FOLDER", help="the sheets' folder (default: DIR-sheets, next to the library)"
    )
    sheets.add_argument("--collection", metavar="NAME", help="only the pictures of this collection (default: all)")


def _add_merge(actions: Subparsers[argparse.ArgumentParser]) -> None:
    merge = add_command(
        actions,
        "merge",
        "device.cli.index_commands:merge",
        "merge several libraries into one",
        "Merges several libraries into one. Of pictures that are the same, or nearly, the largest is kept. What was "
        "taken down from any of them stays down.",
        "pose-mirror index merge ~/dancing ~/yoga --out ~/moving",
        "pose-mirror index merge ~/moving ~/climbing --out ~/moving",
    )
    _add_library_argument(merge)
    merge.add_argument("others", nargs="+", type=whole_path, metavar="DIR", help="the libraries to merge with it")
    merge.add_argument(
        "--out",
        type=whole_path,
        required=True,
        metavar="DIR",
        help="the merged library's folder, which may be that of a library to merge",
    )


def _add_starter(actions: Subparsers[argparse.ArgumentParser]) -> None:
    starter = add_command(
        actions,
        "starter",
        "device.cli.index_commands:starter",
        "draw the complete starter library now",
        "Draws the complete starter library now, on all cores. Otherwise the mirror draws the first pictures when "
        "it starts for the first time, and the rest while it runs.",
        "pose-mirror index starter",
    )
    starter.add_argument("--count", type=positive_int, metavar="N", help="how many pictures to draw (default: all)")


def _add_library_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("library", type=whole_path, metavar="DIR", help="the library's folder")
