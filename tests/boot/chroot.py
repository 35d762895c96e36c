"""Commands in a root folder, with the host's network, in a mount namespace that is gone when they are."""

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
cp /etc/resolv.conf "$root/run/resolv.conf" # a copy: what is written to in there is never the host's
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
"""Runs a command with its own mounts and processes: none is left of either when it ends, or when we do, however."""

PIP_SETTINGS: Final = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
"""What pip is told in there as on the host; what names a file or folder of the host is left out."""

PROXY_VARIABLES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


class BuildError(RuntimeError):
    """A step of building the image failed; the message ends with what its tool said last."""


def run_isolated(
    command: Sequence[str | Path], what: str, log: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Runs a command of the host; raises BuildError, saying that `what` failed."""
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
        raise BuildError(f"{what} failed with exit status {status}; its last lines were:\n{tail}")


def run_in_root(
    root: Path,
    command: Sequence[str],
    what: str,
    log: Path,
    *,
    read_only: Mapping[str, Path] | None = None,
    writable: Mapping[str, Path] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a command in `root`, as root; raises BuildError, saying that `what` failed.

    It reads and writes files and folders of the host by the names that they have in there, under /run. Nothing that
    was mounted for it is left, however it ends.
    """
    seen = dict(read_only or {})
    settings = _environment()
    if certificates := _certificates():
        seen["certificates.pem"] = certificates
        settings |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), "/run/certificates.pem")
    settings |= environment or {}
    binds = [str(part) for name, path in seen.items() for part in (path, name, "ro")]
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
        what,
        log,
    )


def _environment() -> dict[str, str]:
    """The environment in there: pip's settings and the proxies are the host's."""
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
    """The file of certificates that the host trusts, where it says one."""
    named = _pip_settings().get("cert") or os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return Path(named) if named and Path(named).is_file() else None


def _pip_settings() -> dict[str, str]:
    """The host's own pip settings, from its files and its environment."""
    said = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    found = {}
    for line in said.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return found
