"""Budgets that keep every part readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    p for name in ("haechi", "guard", "audit", "gateway", "alignment") for p in (ROOT / name).rglob("*.py")
)
FORBIDDEN_NAMES = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
ids = [str(p.relative_to(ROOT)) for p in SOURCES]


def test_there_is_something_to_measure() -> None:
    """An empty list of sources would make every test below green."""
    assert len(SOURCES) > 20


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    """No module is longer than 600 lines, and none is named after nothing."""
    assert len(path.read_text("utf-8").splitlines()) <= 600
    assert path.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=ids)
def test_a_function_fits_on_one_screen(path: Path) -> None:
    """No function is longer than 60 lines, its docstring not counted."""
    long = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None and isinstance(first, ast.Expr)
            doc = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - doc
            if length > 60:
                long.append((node.name, length))
    assert long == []


def test_a_module_starts_by_saying_what_it_is_for() -> None:
    """Every module has a docstring."""
    silent = [str(p.relative_to(ROOT)) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []
