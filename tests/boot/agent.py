"""The two lines to a machine: QEMU's own (QMP), and the guest agent that runs commands inside."""

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
"""Seconds by which an answer may be late: the guest may have no time for its agent for a while."""

DELIMITER: Final = b"\xff"
"""Never part of JSON: where it is, an answer begins, or a command."""


class ChannelError(OSError):
    """Nobody answers, or with an error."""


class ChannelTimeoutError(ChannelError, TimeoutError):
    """No answer came in time; one may still come."""


class CommandResult(NamedTuple):
    """What a command in the guest came to."""

    status: int
    stdout: str
    stderr: str


class Channel:
    """JSON commands and answers over a socket, one a line. A context manager. Raises LineError.

    Commands are numbered, and so are their answers: one that comes too late is never taken for the next command's.
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._rest = b""
        self._asked = 0
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
        self._socket.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None, seconds: float = MAX_DELAY) -> Any:
        """The answer to a command, within so many seconds."""
        deadline = time.monotonic() + seconds
        self._asked += 1
        asked = {"execute": command, "arguments": arguments or {}, "id": self._asked}
        self._send(json.dumps(asked).encode() + b"\n")
        while True:
            answer = json.loads(self._read_until(deadline).rpartition(DELIMITER)[2])
            if answer.get("id") != self._asked:
                continue  # an event, or too late
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
        """All up to `end`, which comes before the deadline."""
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
    """QEMU's own line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.execute("qmp_capabilities")


class Agent(Channel):
    """The guest agent's line; whether there is an agent at its end, `ping` tells."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._token: int | None = None

    def ping(self, seconds: float) -> bool:
        """Whether the agent answers within so many seconds; what was left of earlier talk is gone then."""
        if self._token is None:  # what is said before there is an agent is kept for it: saying it again would pile up
            self._token = secrets.randbits(31)
            asked = {"execute": "guest-sync-delimited", "arguments": {"id": self._token}}
            self._send(DELIMITER + json.dumps(asked).encode() + b"\n")
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
        """A shell command in the guest, ended after so many seconds there: status (124: ended so), output, errors."""
        arguments = {
            "path": "/usr/bin/timeout",
            "arg": ["--kill-after=5", f"{seconds:g}", "/bin/sh", "-c", command],
            "capture-output": True,
        }
        if stdin is not None:
            arguments["input-data"] = base64.b64encode(stdin).decode()
        self._token = None  # its answer, should it still come, is passed over with what else is late
        pid = self.execute("guest-exec", arguments)["pid"]
        deadline = time.monotonic() + seconds + MAX_DELAY
        pause = 0.02
        while not (state := self.execute("guest-exec-status", {"pid": pid}))["exited"]:
            if time.monotonic() > deadline:
                raise ChannelError(f"The guest does not end {shlex.quote(command)}.")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.25)
        status = state["exitcode"] if "exitcode" in state else 128 + state.get("signal", 0)
        return status, *(base64.b64decode(state.get(name, "")) for name in ("out-data", "err-data"))
