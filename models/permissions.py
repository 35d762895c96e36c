"""Why this user may not read a file, and what lets them: the service's user is often not the one who made a library."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from models.text import printable, shell_word


def user_name() -> str:
    """Return this user's name, or the number of a user without a name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"number {os.getuid()}"


def explain_refusal(path: Path, folder: Path | None = None) -> str | None:
    """Return "cannot be read by the user …", with what lets them, as the end of a sentence; None if they may read it.

    The reason may be a folder above, which this user may not enter. The remedy opens `folder` if `path` is in it.
    """
    whole = Path(os.path.abspath(path))
    blocked = next((parent for parent in reversed(whole.parents) if not os.access(parent, os.X_OK)), None)
    top = Path(os.path.abspath(folder)) if folder is not None else whole
    if blocked is not None and os.path.isdir(blocked) and not blocked.is_relative_to(top):
        return (
            f"cannot be read by the user {user_name()}, who may not enter {printable(blocked)}: move it out of there, "
            f"or run `sudo chmod a+x {shell_word(blocked)}`"
        )
    needed = os.R_OK | os.X_OK if os.path.isdir(whole) else os.R_OK
    if blocked is None and (not os.path.lexists(whole) or os.access(whole, needed)):
        return None
    command = f"sudo chmod -R a+rX {shell_word(top)}"
    return f"cannot be read by the user {user_name()}: run `{command}` to let every user read it"
