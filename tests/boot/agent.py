"""The two channels to a machine: QEMU's monitor (QMP), and the guest agent, which runs commands inside."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

MAX_DELAY: Final = 20.0
"""Seconds by which an answer may be late: a busy guest may give its agent no time for a while."""

DELIMITER: Final = b"\xff"
"""This byte is never part of JSON. It marks the start of an answer or a command."""


class ChannelError(OSError):
    """There is no answer, or the answer is an error."""


class ChannelTimeoutError(ChannelError, TimeoutError):
    """No answer came in time; it may still come."""


class CommandResult(NamedTuple):
    """The result of a command in the guest."""

    status: int
    stdout: str
    stderr: str


class Channel:
    """JSON commands and answers over a socket, one a line. A context manager. Raises ChannelError.

    Commands and their answers are numbered, so a late answer is never mistaken for the next command's.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._rest = b""
        self._last_id = 0
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ChannelError(f"QEMU does not listen at {path}: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None, seconds: float = MAX_DELAY) -> Any:
        """Send a command and return its answer, which must come within some seconds."""
        deadline = time.monotonic() + seconds
        self._last_id += 1
        message = {"execute": command, "arguments": arguments or {}, "id": self._last_id}
        self._send(json.dumps(message).encode() + b"\n")
        while True:
            answer = json.loads(self._read_until(deadline).rpartition(DELIMITER)[2])
            if answer.get("id") != self._last_id:
                continue  # an event, or a late answer
            if "error" in answer:
                raise ChannelError(f"{command}: {answer['error']['desc']}")
            return answer["return"]

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(MAX_DELAY)
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ChannelError(f"The machine is gone ({error.strerror}).") from error

    def _read_until(self, deadline: float, end: bytes = b"\n") -> bytes:
        """Read up to `end`, which must come before the deadline."""
        while end not in self._rest:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                more = self._socket.recv(1 << 16)
            except TimeoutError as error:
                raise ChannelTimeoutError("The machine does not answer.") from error
            except OSError as error:
                raise ChannelError(f"The machine is gone ({error.strerror}).") from error
            if not more:
                raise ChannelError("The machine is gone.")
            self._rest += more
        line, _, self._rest = self._rest.partition(end)
        return line


class Monitor(Channel):
    """The channel to QEMU's monitor."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.execute("qmp_capabilities")


class Agent(Channel):
    """The channel to the guest agent; `ping` tells whether an agent is listening."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._token: int | None = None

    def ping(self, seconds: float) -> bool:
        """Whether the agent answers within some seconds. A successful ping also discards all earlier answers."""
        # QEMU keeps what is sent before the agent listens, so a repeated message would pile up.
        if self._token is None:
            self._token = secrets.randbits(31)
            message = {"execute": "guest-sync-delimited", "arguments": {"id": self._token}}
            self._send(DELIMITER + json.dumps(message).encode() + b"\n")
        deadline = time.monotonic() + seconds
        try:
            while True:
                self._read_until(deadline, DELIMITER)
                if json.loads(self._read_until(deadline)).get("return") == self._token:
                    self._token = None
                    return True
        except ChannelTimeoutError:
            return False

    def run(self, command: str, stdin: bytes | None, seconds: float) -> tuple[int, bytes, bytes]:
        """Run a shell command in the guest for at most `seconds`: its status (124: timeout), output and errors."""
        arguments = {
            "path": "/usr/bin/timeout",
            "arg": ["--kill-after=5", f"{seconds:g}", "/bin/sh", "-c", command],
            "capture-output": True,
        }
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        self._token = None  # a late answer to a ping is discarded like any other
        pid = self.execute("guest-exec", arguments)["pid"]
        deadline = time.monotonic() + seconds + MAX_DELAY
        pause = 0.02
        while not (state := self.execute("guest-exec-status", {"pid": pid}))["exited"]:
            if time.monotonic() > deadline:
                raise ChannelError(f"This command does not end in the guest: {shlex.quote(command)}")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        status = state["exitcode"] if "exitcode" in state else 128 + state.get("signal", 0)
        return status, *(base64.b64decode(state.get(name, "")) for name in ("out-data", "err-data"))
