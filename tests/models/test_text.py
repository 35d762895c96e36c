"""Values as text for people."""

from __future__ import annotations

import os
import subprocess

import pytest

from models.text import shell_word


@pytest.mark.parametrize(
    "name",
    [
        b"/srv/photos",
        b"my photos",
        b"it's",
        b"-x",
        b"$HOME",
        b"caf\xe9",
        b"caf\xe9 'x' \\1",
        b"two\nlines",
        b"\x1b[31m",
    ],
)
def test_a_shell_reads_the_name_that_was_meant(name: bytes) -> None:
    word = shell_word(os.fsdecode(name))
    assert word.isprintable()
    result = subprocess.run(["bash", "-c", f"printf %s -- {word}"], capture_output=True, check=True)
    assert result.stdout == b"--" + name
