"""The packages import in one direction: models ← index ← device."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.paths import ROOT

ALLOWED = {"models": {"models"}, "index": {"models", "index"}, "device": {"models", "index", "device"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {name}"
        for file in files
        for line, name in _imports(ast.parse(file.read_text(encoding="utf-8")))
        if name.partition(".")[0] in ALLOWED.keys() - ALLOWED[package]
    ]
    assert wrong == []


def test_every_module_has_a_name_of_its_own() -> None:
    """Two modules of one name are easily taken for each other in a traceback or an editor's tab."""
    names = Counter(file.name for package in ALLOWED for file in (ROOT / package).rglob("*.py"))
    assert [name for name, count in names.items() if count > 1 and not name.startswith("__")] == []


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the module of each import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
