"""The parser of the command line: every command, its options and its help. (`index` has a module of its own.)"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from device.cli.index_parser import add_index
from device.cli.options import (
    BEST_MODEL,
    SCALED_TO_MODEL,
    Subparsers,
    add_command,
    add_config_option,
    add_group,
    add_model_option,
    add_size_option,
    add_version_option,
    camera,
    list_examples,
    path,
    port,
    positive_float,
    whole_path,
    wrap,
)
from device.cli.words import parse

DISPLAYS: Final = ("auto", "kiosk", "window", "headless")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; print the error and exit with status 2 where that is not possible.

    Options may stand before the command, after it, and among its arguments. `function` names the command's function
    ("module:name"), and `sigterm_status` the exit status after SIGTERM.
    """
    return parse(_build_parser(), sys.argv[1:] if argv is None else argv)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pose-mirror",
        description=wrap(
            "Stand in front of the display: it answers with a photo of somebody else in your pose.",
            "Everything happens on this machine. Only `models fetch`, `share`, `index collect`, `index fetch`, and "
            "`index build` with URLs or --dask, use a network.",
        ),
        epilog="\n\n".join(
            [
                list_examples(
                    "pose-mirror demo",
                    "pose-mirror doctor",
                    "pose-mirror index build ~/Photos --out ~/pose-library",
                    "pose-mirror run --library ~/pose-library",
                ),
                wrap(
                    "`pose-mirror COMMAND --help` explains a command. Options may stand before or after the command. "
                    "Exit status: 0 when all went well, 1 when something is wrong (the message says what), 2 when the "
                    "command line is not valid."
                ),
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version_option(parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_demo(commands)
    _add_doctor(commands)
    _add_status(commands)
    _add_share(commands)
    add_index(commands)
    _add_models(commands)
    _add_poses(commands)
    _add_bench(commands)
    return parser


def _add_run(commands: Subparsers[argparse.ArgumentParser]) -> None:
    run = add_command(
        commands,
        "run",
        "device.start:run",
        "run the mirror with your camera",
        "Runs the mirror with your camera until you close the window or press Esc (in full screen: Ctrl+Q). Options "
        "override the configuration.",
        "pose-mirror run",
        "pose-mirror run --library ~/pose-library --display window",
        "pose-mirror run --camera dance.mp4 --seconds 60",
    )
    run.add_argument(
        "--camera",
        type=camera,
        metavar="SOURCE",
        help="where frames come from: auto (a Pi camera, else a USB camera), pi, pi:N, usb, usb:N (/dev/videoN), "
        "performer (a drawn figure that moves), or a video, a picture or a folder of pictures (default: "
        "`source` under [camera]; auto unless you change it)",
    )
    run.add_argument(
        "--library",
        type=whole_path,
        metavar="DIR",
        help="a library that `pose-mirror index build` made (default: `folder` under [library], else the starter "
        "library)",
    )
    _add_mirror_options(run, "run until closed", "none")


def _add_demo(commands: Subparsers[argparse.ArgumentParser]) -> None:
    demo = add_command(
        commands,
        "demo",
        "device.start:demo",
        "see the mirror at work, no camera needed",
        "Runs the mirror with a drawn performer and the starter library. Without a display it runs for a while, "
        "presses its button itself, and writes pictures of the screen and a GIF into a folder.",
        "pose-mirror demo",
        "pose-mirror demo --display headless --seconds 10 --screenshots /tmp/demo",
    )
    _add_mirror_options(
        demo,
        "run until closed; 30 without a display",
        "none; ./pose-mirror-demo without a display",
    )


def _add_mirror_options(parser: argparse.ArgumentParser, seconds: str, screenshots: str) -> None:
    """Add what `run` and `demo` share; `seconds` and `screenshots` are those options' defaults in words."""
    parser.set_defaults(sigterm_status=0)  # SIGTERM is how a mirror is switched off
    add_config_option(parser)
    parser.add_argument(
        "--display",
        choices=DISPLAYS,
        help="where to draw: kiosk (the full screen, without a desktop), window, headless (nowhere), or auto, which "
        "takes what this machine has (default: `display` under [screen]; auto unless you change it)",
    )
    add_model_option(parser, f"`model` under [estimator]; unless you change it, {BEST_MODEL}")
    parser.add_argument(
        "--seconds", type=positive_float, metavar="S", help=f"end after this many seconds (default: {seconds})"
    )
    parser.add_argument(
        "--screenshots",
        type=whole_path,
        metavar="DIR",
        help=f"write a picture of the screen into this folder each second (default: {screenshots})",
    )


def _add_doctor(commands: Subparsers[argparse.ArgumentParser]) -> None:
    doctor = add_command(
        commands,
        "doctor",
        "device.cli.doctor:doctor",
        "check every part of the mirror",
        "Checks every part of the mirror, one line each: model, camera, library, display and so on. A line says ok, "
        "note (works, but you may want to know), or bad, with what to do. Exit status 1 when anything is bad. Nothing "
        "is changed.",
        "pose-mirror doctor",
        "sudo -u pose-mirror pose-mirror doctor     # on a kiosk",
    )
    add_config_option(doctor)


def _add_share(commands: Subparsers[argparse.ArgumentParser]) -> None:
    share = add_command(
        commands,
        "share",
        "device.share.server:share",
        "serve the page on which visitors' phones find their GIFs",
        "Serves the page that the code on the display opens: visitors save their GIF there. Works only with "
        "`enabled = true` under [share] in the configuration, and runs until you stop it. On a kiosk it is a service "
        "of its own, pose-mirror-share, that you need not start.",
        "pose-mirror share",
        "pose-mirror share --port 8081",
    )
    share.set_defaults(sigterm_status=0)  # SIGTERM is how a server is switched off
    add_config_option(share)
    share.add_argument(
        "--port",
        type=port,
        default=8080,
        help="where to listen, unless systemd passes a socket (default: %(default)s)",
    )


def _add_status(commands: Subparsers[argparse.ArgumentParser]) -> None:
    status = add_command(
        commands,
        "status",
        "device.cli.status_command:status",
        "print how the running mirror is doing",
        "Prints how the mirror that runs on this machine is doing: whether it is well and since when, frames a second, "
        "temperature, library, disk, visitors, presses and GIFs by the hour, and its last faults. Exit status 1 when "
        "it is not well, does not respond, or does not run.",
        "pose-mirror status",
        "pose-mirror status --json",
    )
    status.add_argument("--json", action="store_true", help="print JSON instead of text (null if there is no status)")


def _add_models(commands: Subparsers[argparse.ArgumentParser]) -> None:
    actions = add_group(
        commands,
        "models",
        "list and download the models that find people",
        "Lists and downloads the models that find people and their poses in pictures.",
        "pose-mirror models fetch",
        "pose-mirror models list",
    )
    listing = add_command(
        actions,
        "list",
        "device.cli.model_commands:models_list",
        "list the models and mark the one in use",
        "Lists every model: its name, its size in pixels and on disk, its licence, and where its file is. The model "
        "that a mirror would use now is marked `in use`.",
        "pose-mirror models list",
    )
    add_config_option(listing)
    fetch = add_command(
        actions,
        "fetch",
        "device.cli.model_commands:models_fetch",
        "download models",
        "Downloads models. A model that is already here is checked, and downloaded again only if it is damaged.",
        "pose-mirror models fetch",
    )
    fetch.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a name from `pose-mirror models list` (default: PoseNet for the CPU and for the Edge TPU)",
    )
    path = add_command(
        actions,
        "path",
        "device.cli.model_commands:models_path",
        "print where a model's file is",
        "Prints the path of each model's file, one a line.",
        "pose-mirror models path",
    )
    path.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a name from `pose-mirror models list` (default: PoseNet if it is downloaded, else the bundled model)",
    )


def _add_poses(commands: Subparsers[argparse.ArgumentParser]) -> None:
    poses = add_command(
        commands,
        "poses",
        "device.cli.model_commands:poses",
        "find the people in pictures",
        "Finds the people in pictures and prints the score of each, and where their key points are, in pixels. A "
        "picture that cannot be read is reported and skipped; the exit status is then 1.",
        "pose-mirror poses couple.jpg",
        "pose-mirror poses ~/Photos/*.jpg --json > poses.json",
    )
    poses.add_argument("images", nargs="+", type=path, metavar="IMAGE", help="a picture file")
    poses.add_argument("--json", action="store_true", help="print JSON instead of text, with all 17 key points")
    add_model_option(poses)
    add_size_option(poses, "the model's own size")


def _add_bench(commands: Subparsers[argparse.ArgumentParser]) -> None:
    bench = add_command(
        commands,
        "bench",
        "device.cli.bench:bench",
        "time each step between camera and display",
        "Times each step between camera and display on this machine: estimating poses, finding the photo, drawing. "
        "Prints the median and the 95th percentile in milliseconds.",
        "pose-mirror bench",
        "pose-mirror bench --size 257x353",
    )
    add_model_option(bench)
    add_size_option(bench, f"keeps the picture's {SCALED_TO_MODEL}")
