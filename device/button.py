"""A real button on a GPIO pin of the Pi, wired to ground."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self


class ButtonError(RuntimeError):
    """No such button; the sentence says why, and what to do."""


class Button:
    """The button on a GPIO pin (BCM number); a context manager. 0 or None: there is none, and it is never pressed.

    `on_press` is called from another thread. Raises ButtonError.
    """

    def __init__(self, pin: int | None, on_press: Callable[[], None] | None = None) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def presses(self) -> int:
        """How often it was pressed since the last call."""

    def close(self) -> None:
        """Give the pin back."""
