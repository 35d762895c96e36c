"""Runs commands in a root folder with the host's network, in a mount namespace that ends with them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

TAIL_LINES: Final = 25
"""How many of a failed tool's last lines are shown."""

CHROOT_SCRIPT: Final = """
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
cp /etc/resolv.conf "$root/run/resolv.conf" # a copy, so that nothing inside writes to the host's file
mount --bind "$root/run/resolv.conf" "$root/etc/resolv.conf"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root/run/$2"; else : >"$root/run/$2"; fi
    mount --bind "$1" "$root/run/$2"
    [ "$3" = rw ] || mount -o remount,bind,ro "$root/run/$2"
    shift 3
done
shift
exec chroot "$root" "$@"
"""

ISOLATION_COMMAND: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""Runs a command in mount and process namespaces of its own. All of both ends with the command, or with us."""

PIP_SETTINGS: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
"""The host's pip settings that also apply inside; those that name a file or folder of the host do not."""

PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class BuildError(RuntimeError):
    """A step of building the image failed; the message ends with the last lines of its tool."""


def run_isolated(
    command: Sequence[str | Path], step: str, log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command on the host. Raises BuildError with the name of the `step` that failed."""
    with log.open("wb") as output:
        status = subprocess.call(
            [*ISOLATION_COMMAND, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    if status:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
        raise BuildError(f"{step} failed with exit status {status}; its last lines were:\n{tail}")


def run_in_root(
    root: Path,
    command: Sequence[str],
    step: str,
    log: Path,
    *,
    read_only: Mapping[str, Path] | None = None,
    writable: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command in `root`, as root. Raises BuildError with the name of the `step` that failed.

    `read_only` and `writable` name files and folders of the host that appear inside, under /run. Every mount ends with
    the command.
    """
    inputs = dict(read_only or {})
    settings = _environment()
    if certificates := _certificates():
        inputs["certificates.pem"] = certificates
        settings |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), "/run/certificates.pem")
    settings |= environment or {}
    binds = [str(part) for name, path in inputs.items() for part in (path, name, "ro")]
    binds += [str(part) for name, path in (writable or {}).items() for part in (path, name, "rw")]
    words = [f"{name}={value}" for name, value in settings.items()]
    run_isolated(
        [
            *ISOLATION_COMMAND,
            "sh",
            "-ec",
            CHROOT_SCRIPT,
            "sh",
            root,
            *binds,
            "--",
            "/usr/bin/env",
            "-i",
            *words,
            *command,
        ],
        step,
        log,
    )


def _environment() -> dict[str, str]:
    """The environment inside: pip's settings and the proxies are those of the host."""
    settings = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    settings |= {name: os.environ[name] for name in PROXY_VARIABLES if name in os.environ}
    for name, value in _pip_settings().items():
        words = [word for word in value.split() if not word.startswith(("file:", "/"))]
        if name in PIP_SETTINGS and words:
            settings["PIP_" + name.upper().replace("-", "_")] = " ".join(words)
    return settings


def _certificates() -> Path | None:
    """The file of certificates that the host trusts, if it names one."""
    named = _pip_settings().get("cert") or os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named) if named and Path(named).is_file() else None


def _pip_settings() -> dict[str, str]:
    """The host's pip settings, from its files and its environment."""
    output = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    settings = {}
    for line in output.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings
