"""The command line: what `pose-mirror` understands, and how it says no.

A mistake or a fault is one sentence on stderr and exit status 1 (2 for words it does not understand).
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from device.config import parse_size
from device.system.shutdown import exit_on_sigterm
from device.system.systemd import write_last_words

DISPLAYS: Final = ("auto", "kiosk", "window", "headless")

EXIT_TIMEOUT: Final = 4.5
"""Seconds that a mirror may take to end; a service manager's end soon after."""

MODEL_HELP: Final = (
    "a model of `pose-mirror models list`, or a .tflite file (default: PoseNet where it is, else our own)"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    parser = _build_parser()
    asked = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    with exit_on_sigterm(asked.terminated, None if asked.terminated else EXIT_TIMEOUT):
        return _run_command(asked.command, asked)


def _run_command(command: Command, args: argparse.Namespace) -> int:
    try:
        status = command(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read it has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (OSError, ValueError, RuntimeError) as error:
        sentence = str(error) if _is_own_error(error) else _system_error_message(error)
        if sentence is None:
            raise
        print(f"pose-mirror: {sentence}", file=sys.stderr)
        write_last_words(sentence)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _is_own_error(error: BaseException) -> bool:
    """Whether an error is one of the project's own sentences; anything else is a bug, and shows where it is."""
    return type(error).__module__.partition(".")[0] in ("models", "index", "device")


def _system_error_message(error: BaseException) -> str | None:
    """A sentence for what the system refused: a full disk, a folder that may not be written; None for other errors."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    return f"{error.filename or 'A file'} cannot be read or written ({error.strerror})."


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pose-mirror",
        description="Stand in front of the display: it answers with the photograph of somebody else in your pose.",
        epilog="Everything happens on this machine: only `models fetch`, and `index build` where it is given URLs or "
        "--dask, use a network.",
    )
    parser.set_defaults(terminated=128 + signal.SIGTERM)  # a build that was ended is not done
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_demo(commands)
    _add_poses(commands)
    _add_index(commands)
    _add_models(commands)
    _add_doctor(commands)
    _add_bench(commands)
    return parser


Subparsers = argparse._SubParsersAction  # argparse has no public name for it
Command = Callable[[argparse.Namespace], int]


def _add_run(commands: Subparsers[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run", help="the mirror, with your camera", description="Runs the mirror until it is closed."
    )
    _add_mirror_options(run)
    run.add_argument(
        "--camera",
        metavar="auto|pi|usb[:N]|performer|FILE|DIR",
        help="where the pictures come from; performer is a drawn figure that moves",
    )
    run.add_argument("--library", type=Path, metavar="DIR", help="a library that `pose-mirror index build` made")
    run.set_defaults(command=_lazy_command("device.start", "run"))


def _add_demo(commands: Subparsers[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser(
        "demo",
        help="the mirror at work, no camera needed",
        description="Runs the mirror with the drawn performer and the starter library: in a window where there is a "
        "display, else without one, writing pictures and a GIF.",
    )
    _add_mirror_options(demo)
    demo.set_defaults(command=_lazy_command("device.start", "demo"))


def _add_mirror_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(terminated=0)  # to a mirror it is the switch
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="a configuration; see device/default.toml for all keys"
    )
    parser.add_argument("--display", choices=DISPLAYS, help="where to draw")
    parser.add_argument("--model", metavar="NAME|FILE", help=MODEL_HELP)
    parser.add_argument("--seconds", type=_positive_float, metavar="S", help="end after so many seconds")
    parser.add_argument(
        "--screenshots", type=Path, metavar="DIR", help="write what the screen shows, a picture a second"
    )


def _add_poses(commands: Subparsers[argparse.ArgumentParser]) -> None:
    poses = commands.add_parser("poses", help="the people in pictures", description="Finds the people in pictures.")
    poses.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    poses.add_argument("--json", action="store_true", help="print JSON: key points in pixels of the original image")
    _add_estimator_options(poses)
    poses.set_defaults(command=_lazy_command("device.cli.model_commands", "poses"))


def _add_estimator_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="NAME|FILE", help=MODEL_HELP)
    parser.add_argument("--size", type=_size, metavar="HxW", help="the size of a picture in the model, as 353x481")


def _add_index(commands: Subparsers[argparse.ArgumentParser]) -> None:
    index = commands.add_parser(
        "index",
        help="libraries of photographs",
        description="Makes, asks and changes libraries: folders that hold photographs, the poses in them, and indexes "
        "by which the mirror finds them.",
    )
    actions = index.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_index_build(actions)
    _add_index_query(actions)
    _add_index_info(actions)
    _add_index_remove(actions)
    _add_index_merge(actions)
    _add_index_starter(actions)


def _add_index_build(actions: Subparsers[argparse.ArgumentParser]) -> None:
    build = _add_action(
        actions,
        "build",
        "make a library of your own photos",
        "Finds the people in photos and makes a library of them, with a report page that shows what came of them. "
        "SOURCE: a folder of photos, a video, a table of pictures and their credits (.csv, .tsv, .jsonl), a COCO json, "
        "or key points (.npz). A library that is there already stays in use until the new one is whole. Stopped at "
        "any moment, the same command goes on where it was.",
        "pose-mirror index build ~/Photos holiday.mp4 --out ~/pose-library",
        "pose-mirror index build commons.csv --licence 'CC BY*' --licence CC0 --out ~/pose-library",
    )
    build.add_argument("sources", nargs="+", type=Path, metavar="SOURCE")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the library goes")
    build.add_argument("--workers", type=_positive_int, metavar="N", help="processes at once (default: one a core)")
    build.add_argument("--dask", metavar="ADDRESS", help="look at the photos on the Dask cluster with this scheduler")
    build.add_argument("--images", type=Path, metavar="DIR", help="where the pictures of a COCO json are")
    build.add_argument(
        "--licence",
        action="append",
        default=[],
        metavar="PATTERN",
        help="take only pictures whose licence fits, as 'CC BY*'; may be given several times",
    )
    build.add_argument("--fresh", action="store_true", help="begin anew instead of where a stopped build was")
    _add_estimator_options(build)


def _add_index_query(actions: Subparsers[argparse.ArgumentParser]) -> None:
    query = _add_action(
        actions,
        "query",
        "ask a library for poses",
        "Asks a library which of its people agree best with each pose of a file, and tells on stderr how long an "
        "answer took.",
        "pose-mirror index query ~/pose-library --keypoints poses.npz --top 3",
        "pose-mirror index query ~/pose-library --keypoints poses.npz --json > answers.json",
    )
    query.add_argument("library", type=Path, metavar="DIR")
    query.add_argument("--keypoints", type=Path, required=True, metavar="FILE.npz", help="`keypoints`, N×17×3")
    query.add_argument("--top", type=_positive_int, default=1, metavar="K", help="matches a query (default: 1)")
    query.add_argument("--json", action="store_true", help="print JSON")


def _add_index_info(actions: Subparsers[argparse.ArgumentParser]) -> None:
    for name, text, more in (
        ("info", "what a library holds", "Says what a library holds: people, pictures, licences, bytes."),
        (
            "verify",
            "check every file of a library",
            "Reads every file of a library, pictures too, and compares it with its checksum; status 1 and one "
            "sentence for the first that is damaged, missing or does not belong there.",
        ),
    ):
        action = _add_action(actions, name, text, more, f"pose-mirror index {name} ~/pose-library")
        action.add_argument("library", type=Path, metavar="DIR")


def _add_index_remove(actions: Subparsers[argparse.ArgumentParser]) -> None:
    remove = _add_action(
        actions,
        "remove",
        "take pictures down for good",
        "Takes pictures down for good: their files, everybody in them, their credits. What they look like is "
        "remembered, so that building into the same folder again does not bring them back. Either all that are named "
        "go, or, when one of the names fits no picture or several, none.",
        "pose-mirror index remove ~/pose-library 1f09a7 https://photos.example/123",
        "pose-mirror index remove ~/pose-library ~/Photos/grandmother.jpg",
    )
    remove.add_argument("library", type=Path, metavar="DIR")
    remove.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="an item's number, a picture's name or at least 6 digits of its beginning, its source URL, or a file",
    )


def _add_index_merge(actions: Subparsers[argparse.ArgumentParser]) -> None:
    merge = _add_action(
        actions,
        "merge",
        "make one library of several",
        "Makes one library of several. Of pictures that are the same or nearly so the largest stays; what was taken "
        "down from one of them stays down. --out may be one of them.",
        "pose-mirror index merge ~/dancing ~/yoga --out ~/moving",
        "pose-mirror index merge ~/moving ~/climbing --out ~/moving",
    )
    merge.add_argument("library", type=Path, metavar="DIR")
    merge.add_argument("others", nargs="+", type=Path, metavar="DIR")
    merge.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the merged library goes")


def _add_index_starter(actions: Subparsers[argparse.ArgumentParser]) -> None:
    starter = _add_action(
        actions,
        "starter",
        "draw the whole starter library now",
        "Draws the starter library at once, on all cores. Without this the mirror draws its first pictures when it "
        "starts for the first time, and the others in idle moments while it runs.",
        "pose-mirror index starter",
    )
    starter.add_argument("--count", type=_positive_int, metavar="N", help="how many pictures (default: all)")


def _add_action(
    actions: Subparsers[argparse.ArgumentParser], name: str, text: str, more: str, *examples: str
) -> argparse.ArgumentParser:
    """One of the words after `index`: a line for the list, more for its own help, and examples."""
    action = actions.add_parser(
        name,
        help=text,
        description=textwrap.fill(more, max(40, shutil.get_terminal_size().columns - 2)),
        epilog="\n".join([f"example{'s' * (len(examples) > 1)}:", *(f"  {example}" for example in examples)]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.set_defaults(command=_lazy_command("device.cli.index_commands", name))
    return action


def _add_models(commands: Subparsers[argparse.ArgumentParser]) -> None:
    models = commands.add_parser("models", help="the networks that find poses", description="Lists and fetches models.")
    actions = models.add_subparsers(title="actions", required=True, metavar="ACTION")
    for name, text, command in (
        ("list", "the models there are, which are here, and which is in use", "models_list"),
        ("fetch", "download models (default: those `run` needs)", "models_fetch"),
        ("path", "print where a model's file is (default: the one to use)", "models_path"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name != "list":
            action.add_argument("names", nargs="*", metavar="NAME")
        action.set_defaults(command=_lazy_command("device.cli.model_commands", command))


def _add_doctor(commands: Subparsers[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor",
        help="check each link of the chain",
        description="Checks each link in the order a frame takes: says ok, or what is wrong and what to do.",
    )
    doctor.add_argument("--config", type=Path, metavar="FILE", help="the configuration to check with")
    doctor.set_defaults(command=_lazy_command("device.cli.doctor", "doctor"))


def _add_bench(commands: Subparsers[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser(
        "bench", help="time each step of a frame's way", description="Times a frame's way here."
    )
    _add_estimator_options(bench)
    bench.set_defaults(command=_lazy_command("device.cli.bench", "bench"))


def _lazy_command(module: str, name: str) -> Command:
    """A command whose module is imported when it runs: `--help` and a mistyped word wait for none of them."""

    def command(asked: argparse.Namespace) -> int:
        found: Command = getattr(import_module(module), name)
        return found(asked)

    return command


def _positive_float(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _positive_int(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1")
    return value


def _size(text: str) -> tuple[int, int]:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
