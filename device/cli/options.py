"""What the commands' parsers share: help with examples, common options, and types of values."""

from __future__ import annotations

import argparse
import platform
import shutil
import signal
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from device.config import DEFAULTS_FILE, parse_size
from device.folders import camera_source, model_source
from models.home import PathError, absolute, expand_home

Subparsers = argparse._SubParsersAction  # argparse has no public name for it

MIN_HELP_WIDTH: Final = 40
"""Columns that help is wrapped to on a narrower terminal: below this, wrapping makes it harder to read."""

BEST_MODEL: Final = "PoseNet if it is downloaded, else the bundled model"

SCALED_TO_MODEL: Final = "aspect ratio, scaled to about the pixel count the model was made for"
"""The end of the default of `--size` in help, after "keeps the picture's"."""


def add_command(
    commands: Subparsers[argparse.ArgumentParser], name: str, function: str, summary: str, about: str, *examples: str
) -> argparse.ArgumentParser:
    """Add a command: its summary for the list of commands, and for its own help what it does and examples.

    `function` is written "module:name". The module is imported when the command runs, so that `--help` and a mistyped
    word need not wait for it.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=wrap(about),
        epilog=list_examples(*examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # SIGTERM ends a build before it is done; `run` and `demo` set another status
    parser.set_defaults(function=function, sigterm_status=128 + signal.SIGTERM)
    add_version_option(parser)
    return parser


def add_group(
    commands: Subparsers[argparse.ArgumentParser], name: str, summary: str, about: str, *examples: str
) -> Subparsers[argparse.ArgumentParser]:
    """Add a command that has commands of its own; return what these are added to."""
    group = commands.add_parser(
        name,
        help=summary,
        description=wrap(about),
        epilog=f"{list_examples(*examples)}\n\n" + wrap(f"`pose-mirror {name} ACTION --help` explains an action."),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return group.add_subparsers(title="actions", required=True, metavar="ACTION")


def wrap(*paragraphs: str) -> str:
    """Wrap paragraphs to the terminal: argparse does so too, but then it also joins the lines of examples."""
    width = max(MIN_HELP_WIDTH, shutil.get_terminal_size().columns - 2)
    return "\n\n".join(textwrap.fill(paragraph, width) for paragraph in paragraphs)


def list_examples(*examples: str) -> str:
    """Return the examples under a heading."""
    heading = "example:" if len(examples) == 1 else "examples:"
    return "\n".join([heading, *(f"  {example}" for example in examples)])


def add_version_option(parser: argparse.ArgumentParser) -> None:
    """Add `--version`, which every command has."""
    parser.add_argument("--version", action=_PrintVersion, help="print the version and exit")


class _PrintVersion(argparse.Action):
    """Print the version. argparse's own action would look it up, and load the runtime, for every command."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(describe_version())
        parser.exit()


def own_version() -> str:
    """Return this program's version."""
    try:
        return version("pose-mirror")
    except PackageNotFoundError:
        return "(not installed)"


def describe_version() -> str:
    """Return the versions that a bug report needs: `pose-mirror X.Y.Z (Python X.Y.Z, RUNTIME X.Y.Z)`."""
    from models.estimator.estimator import runtime

    parts = [f"Python {platform.python_version()}"]
    with suppress(ImportError):
        parts.append(runtime())
    return f"pose-mirror {own_version()} ({', '.join(parts)})"


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    parser.add_argument(
        "--config",
        type=whole_path,
        metavar="FILE",
        help="the configuration file (default: ~/.config/pose-mirror.toml, else /etc/pose-mirror.toml, else none); "
        f"every key is explained in {DEFAULTS_FILE}".replace("%", "%%"),
    )


def add_model_option(parser: argparse.ArgumentParser, default: str = BEST_MODEL) -> None:
    """Add `--model`; `default` says in its help which model runs without it."""
    parser.add_argument(
        "--model",
        type=model,
        metavar="NAME|FILE",
        help=f"a model that `pose-mirror models list` names, or a .tflite file (default: {default})",
    )


def add_size_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--size`; `default` says in its help at which size the model runs without it."""
    parser.add_argument(
        "--size",
        type=size,
        metavar="HxW",
        help=f"height and width in pixels at which the model runs, such as 353x481 (default: {default})",
    )


def whole_path(text: str) -> Path:
    """Parse a path that is used for long: the whole path, even if something changes the working folder later."""
    try:
        return absolute(text)
    except PathError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def path(text: str) -> Path:
    """Parse a path that is used at once, and printed as it was typed."""
    try:
        return expand_home(text)
    except PathError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def picture(text: str) -> str:
    """Parse what names a picture of a library: a number, a name, a URL, or a file, whose path may begin with `~`."""
    return str(path(text)) if text.startswith("~") else text


def camera(text: str) -> str:
    """Parse where frames come from: a camera's name, or the path of a video or of pictures."""
    try:
        return camera_source(text)
    except PathError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def model(text: str) -> str:
    """Parse a model's name, or the path of its file."""
    try:
        return model_source(text)
    except PathError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def positive_float(text: str) -> float:
    """Parse a finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def port(text: str) -> int:
    """Parse a TCP port, from 1 to 65535."""
    value = int(text)
    if not 1 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: use a number from 1 to 65535")
    return value


def positive_int(text: str) -> int:
    """Parse a whole number from 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return value


def size(text: str) -> tuple[int, int]:
    """Parse a height and a width, such as 353x481."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
