"""The packages' one direction: models ← index ← device."""

from __future__ import annotations

import ast

import pytest

from tests.support.paths import ROOT

ALLOWED = {"models": {"models"}, "index": {"models", "index"}, "device": {"models", "index", "device"}}


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno} imports {name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] in ALLOWED.keys() - ALLOWED[package]
    ]
    assert wrong == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
