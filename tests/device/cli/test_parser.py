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

INDEX_ACTIONS = ("build", "info", "verify", "query", "remove", "merge", "starter")
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
    options = capsys.readouterr().out.partition("\noptions:\n")[2].partition("\n\n")[0]
    for option in re.split(r"\n  (?=-)", options):
        takes_a_value = re.match(r"\s*--\w+ \S", option) is not None
        is_required = re.match(r"\s*--(out|keypoints) ", option) is not None
        assert ("(default: " in option) == (takes_a_value and not is_required), option


@pytest.mark.parametrize("columns", ["20", "60", "200"])
def test_help_fits_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        parse_args(["index", "build", "--help"])
    description = capsys.readouterr().out.split("\n\n")[1]
    assert max(map(len, description.splitlines())) <= max(40, int(columns))


def test_every_command_names_a_function_that_exists() -> None:
    for arguments in (
        ["run"],
        ["demo"],
        ["doctor"],
        ["poses", "a.jpg"],
        ["bench"],
        *(["models", a] for a in MODEL_ACTIONS),
    ):
        module, _, name = parse_args(arguments).function.partition(":")
        assert callable(getattr(import_module(module), name))
    for action in INDEX_ACTIONS:
        assert callable(getattr(import_module("device.cli.index_commands"), action))


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


@pytest.mark.parametrize("command", [["run"], ["demo"], ["doctor"], ["models", "list"]], ids=" ".join)
def test_config_is_accepted_before_and_after(command: list[str]) -> None:
    assert parse_args(command).config is None
    assert parse_args(["--config", "a.toml", *command]).config == Path("a.toml")
    assert parse_args([*command, "--config", "a.toml"]).config == Path("a.toml")
    assert parse_args([*command, "--config=a.toml"]).config == Path("a.toml")
    assert parse_args(["--config", "a.toml", *command, "--config", "b.toml"]).config == Path("b.toml"), (
        "the last counts"
    )


def test_options_after_config_still_count() -> None:
    args = parse_args(["--config", "a.toml", "run", "--display", "headless", "--seconds", "3"])
    assert (args.config, args.display, args.seconds) == (Path("a.toml"), "headless", 3.0)


@pytest.mark.parametrize("command", [["poses", "a.jpg"], ["bench"], ["models", "path"], ["index", "info", "x"]])
def test_refuses_config_where_it_has_no_effect(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--config", "a.toml", *command], [*command, "--config", "a.toml"]):
        with pytest.raises(SystemExit) as exited:
            parse_args(arguments)
        assert exited.value.code == 2
        assert "--config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "status"), [(["run"], 0), (["demo"], 0), (["doctor"], 143), (["index", "info", "x"], 143)]
)
def test_sigterm_is_success_for_a_mirror_alone(command: list[str], status: int) -> None:
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
        ["index", "remove", "library"],
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
