"""The command line's parser: help for every command, what it accepts, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

from device.cli.parser import parse_args

INDEX_ACTIONS = {
    "build": ["photos", "--out", "library"],
    "collect": ["library"],
    "info": ["library"],
    "verify": ["library"],
    "query": ["library", "--keypoints", "poses.npz"],
    "remove": ["library", "a.jpg"],
    "sheets": ["library"],
    "merge": ["library", "other", "--out", "both"],
    "pack": ["library"],
    "unpack": ["library.tar", "--out", "library"],
    "fetch": ["https://photos.example/library.tar", "--out", "library"],
    "starter": [],
}
"""What each action of `index` needs."""

MODEL_ACTIONS = ("list", "fetch", "path")
COMMANDS = [
    *([command] for command in ("run", "demo", "doctor", "index", "models", "poses", "bench")),
    *(["index", action] for action in INDEX_ACTIONS),
    *(["models", action] for action in MODEL_ACTIONS),
]


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse_args([*command, "--help"])
    assert exited.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: pose-mirror")
    assert re.search(rf"^examples?:\n  .*{re.escape(' '.join(['pose-mirror', *command]))}", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_says_each_options_default(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_args([*command, "--help"])
    usage, _, rest = capsys.readouterr().out.partition("\noptions:\n")
    options = rest.partition("\n\n")[0]
    for option in re.split(r"\n  (?=-)", options):
        takes_a_value = re.match(r"\s*--[\w-]+ \S", option) is not None
        is_required = f"[{option.split()[0]}" not in usage
        assert ("(default: " in " ".join(option.split())) == (takes_a_value and not is_required), option


@pytest.mark.parametrize("columns", ["0", "20", "60", "200"])
def test_help_fits_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        parse_args(["index", "build", "--help"])
    description = capsys.readouterr().out.split("\n\n")[1]
    assert max(map(len, description.splitlines())) <= max(40, int(columns) or 80)


def test_every_command_names_a_function_that_exists() -> None:
    for arguments in (
        ["run"],
        ["demo"],
        ["doctor"],
        ["poses", "a.jpg"],
        ["bench"],
        *(["models", a] for a in MODEL_ACTIONS),
        *(["index", a, *needed] for a, needed in INDEX_ACTIONS.items()),
    ):
        module, _, name = parse_args(arguments).function.partition(":")
        assert callable(getattr(import_module(module), name))


def test_version_names_python_and_the_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse_args(["--version"])
    assert exited.value.code == 0
    text = capsys.readouterr().out
    number = re.escape(version("pose-mirror"))
    assert re.fullmatch(rf"pose-mirror {number} \(Python [\d.]+, (ai-edge-litert|tflite-runtime) [\d.]+\)\n", text)


def test_runs_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "device.cli", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout.startswith("pose-mirror ")


ARGUMENTS = {
    "poses": ["a.jpg", "b.jpg"],
    "index build": ["photos", "b.mp4"],
    "index info": ["lib"],
    "index verify": ["lib"],
    "index query": ["lib"],
    "index remove": ["lib", "17"],
    "index merge": ["lib", "other"],
    "models fetch": ["posenet"],
    "models path": ["posenet"],
}
"""Arguments of the commands that have some."""

OPTIONS: dict[str, list[list[str]]] = {
    "run": [["--camera", "a.mp4"], ["--library", "lib"], ["--config", "a.toml"], ["--display=window"]],
    "demo": [["--model", "a.tflite"], ["--seconds", "3"], ["--screenshots", "shots"], ["--config=a.toml"]],
    "doctor": [["--config", "a.toml"]],
    "models list": [["--config", "a.toml"]],
    "index build": [["--out", "lib"], ["--workers", "2"], ["--licence", "CC BY*"], ["--fresh"], ["--images", "a"]],
    "index query": [["--keypoints", "a.npz"], ["--top", "3"], ["--json"]],
    "index merge": [["--out", "lib"]],
    "index starter": [["--count", "3"]],
    "poses": [["--json"], ["--size", "353x481"], ["--model", "posenet"]],
    "bench": [["--size=353x481"]],
}
"""Options of the commands that have some."""


@pytest.mark.parametrize("name", OPTIONS)
def test_options_stand_anywhere(name: str) -> None:
    command, arguments, options = name.split(), ARGUMENTS.get(name, []), OPTIONS[name]
    flat = [word for option in options for word in option]
    expected = parse_args([*command, *flat, *arguments])
    orders = [
        [*flat, *command, *arguments],
        [*command, *arguments, *flat],
        [*options[0], *command, *arguments[:1], *flat[len(options[0]) :], *arguments[1:]],
        [*command[:1], *flat, *command[1:], *arguments],
    ]
    for words in orders:
        assert parse_args(words) == expected, words


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in (["index"], ["models"])])
def test_help_and_version_stand_anywhere(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for option, text in (("-h", f"usage: pose-mirror {' '.join(command)} "), ("--version", "pose-mirror ")):
        for words in ([option, *command], [*command, option], [*command, "x", option]):
            with pytest.raises(SystemExit) as exited:
                parse_args(words)
            assert exited.value.code == 0
            assert capsys.readouterr().out.startswith(text), words


def test_the_last_of_two_options_counts() -> None:
    args = parse_args(["--config", "a.toml", "--seconds", "2", "run", "--config", "b.toml"])
    assert (args.config, args.seconds) == (Path.cwd() / "b.toml", 2.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--config", "a.toml", "poses", "a.jpg"], "--config is not an option of this command: it is for run, demo, "),
        (["poses", "a.jpg", "--config=a.toml"], "--config is not an option of this command: it is for run, demo, "),
        (["bench", "--library", "x"], "--library is not an option of this command: it is for run"),
        (["run", "--librari", "x"], "there is no option --librari; did you mean --library?"),
        (["--xyzzy", "run"], "there is no option --xyzzy; `pose-mirror run --help` lists the options"),
        (["poses", "-x.jpg"], "for the file -x.jpg write ./-x.jpg"),
        (["run", "--camera", "-x.jpg"], "for the file -x.jpg write ./-x.jpg"),
        (["run", "dance.mp4"], "these arguments are too many: dance.mp4"),
        (["index", "info", "a", "my lib"], "these arguments are too many: 'my lib'"),
        (["index", "collect", "a", "--count", "1" + 19 * "0"], f"argument --count: 1{19 * '0'} is too many: use a num"),
        (["index", "collect", "a", "--tries", "100000001"], "argument --tries: 100000001 is too many: use a number fr"),
    ],
)
def test_an_error_says_what_is_wrong(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x.jpg").write_bytes(b"")
    with pytest.raises(SystemExit) as exited:
        parse_args(words)
    assert exited.value.code == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_a_name_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    film = str(tmp_path / "-x.mp4")
    assert parse_args(["run", "--camera=-x.mp4"]).camera == parse_args(["--camera", "./-x.mp4", "run"]).camera == film
    assert parse_args(["poses", "--json", "--", "-x.jpg", "--json"]).images == [Path("-x.jpg"), Path("--json")]
    assert parse_args(["index", "build", "a", "--out=-lib", "--", "-b"]).sources == [Path("a"), Path("-b")]
    assert parse_args(["index", "remove", "--", "-lib", "-x.jpg"]).pictures == ["-x.jpg"]


def test_paths_used_for_long_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    words = "run --camera a.mp4 --library=~/lib --config a.toml --screenshots ./shots --model m.tflite"
    args = parse_args(words.split())
    assert (args.camera, args.library) == (str(tmp_path / "a.mp4"), Path("/home/me/lib"))
    assert (args.config, args.screenshots) == (tmp_path / "a.toml", tmp_path / "shots")
    assert args.model == str(tmp_path / "m.tflite")
    args = parse_args(["index", "build", "~/a", "b", "--out=~/lib", "--images=~/c"])
    assert (args.sources, args.out) == ([Path("/home/me/a"), Path("b")], Path("/home/me/lib"))
    assert args.images == Path("/home/me/c")
    args = parse_args(["index", "remove", ".", "~/a.jpg", "17"])
    assert (args.library, args.pictures) == (tmp_path, ["/home/me/a.jpg", "17"])


def test_names_stay_names() -> None:
    args = parse_args(["run", "--camera", "usb:1", "--model", "posenet"])
    assert (args.camera, args.model) == ("usb:1", "posenet")


@pytest.mark.parametrize(
    ("command", "status"),
    [(["run"], 0), (["demo"], 0), (["share"], 0), (["doctor"], 143), (["index", "info", "x"], 143)],
)
def test_sigterm_is_success_for_what_runs_for_ever(command: list[str], status: int) -> None:
    assert parse_args(command).sigterm_status == status


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["run", "--seconds", "-1"],
        ["run", "--seconds", "nan"],
        ["run", "--display", "television"],
        ["poses"],
        ["poses", "a.jpg", "--size", "9"],
        ["index", "build", "photos"],
        ["index", "build", "photos", "--out", "x", "--workers", "0"],
        ["index", "build", "photos", "--out", "x", "--workers", "many"],
        ["index", "build", "--out", "x"],
        ["index", "merge", "one", "--out", "x"],
        ["index", "merge", "one", "two"],
        ["index", "remove"],
        ["index", "verify"],
        ["index", "info", "a", "b"],
        ["index", "query", "library", "--keypoints", "x.npz", "--top", "0"],
    ],
    ids=" ".join,
)
def test_refuses_a_wrong_command_line(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        parse_args(arguments)
    assert exited.value.code == 2
