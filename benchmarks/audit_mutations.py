"""Are the proofs of the log tested? Small errors are put into the modules that seal, hash, sign and verify, one at a time.

Each error is one operator, comparison, number or `not` changed, or one `raise` left out. A mutant is killed when the quick tests
of the format, the proofs, the attacks and the bundles fail or do not end; the share that is killed has a bar. Which ones are
tried is drawn with a fixed seed; those that live are printed, to be judged by hand: some change nothing that can be seen.

    python -m benchmarks.audit_mutations [--mutants 60]
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random  # noqa: TID251 - a seeded generator
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import report

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("audit/seal.py", "audit/tree.py", "audit/note.py", "audit/proof.py", "audit/verify.py")
TESTS = (
    "tests/spec/audit/test_format.py",
    "tests/spec/audit/test_proofs.py",
    "tests/spec/audit/test_witness.py",
    "tests/spec/audit/test_attacks.py",
    "tests/spec/audit/test_refusals.py",
    "tests/spec/audit/test_log.py",
    "tests/spec/audit/test_bundle.py",
    "tests/spec/audit/test_erasure.py",
    "tests/spec/audit/test_second_signature.py",
    "tests/spec/audit/test_key_lines_and_gaps.py",
    "tests/spec/audit/test_export.py",
    "tests/cli/test_audit.py",
    "tests/property/test_audit_parsers.py",
)
FIRST = {
    "audit/seal.py": ("tests/spec/audit/test_format.py", "tests/spec/audit/test_attacks.py"),
    "audit/tree.py": ("tests/spec/audit/test_format.py",),
    "audit/note.py": ("tests/spec/audit/test_format.py", "tests/spec/audit/test_key_lines_and_gaps.py"),
    "audit/proof.py": ("tests/spec/audit/test_proofs.py",),
    "audit/verify.py": ("tests/spec/audit/test_refusals.py", "tests/spec/audit/test_attacks.py"),
}
"""The tests that say most about a module, and most likely see at once that it is wrong."""
TIMES_AS_LONG = 5
"""Tests that take so many times what they take without a mutant do not end."""
_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.Mult: ast.Add,
}  # fmt: skip
_CHANGED = (ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Constant, ast.If)


def places(source: str) -> Iterator[tuple[int, int]]:
    """Where a module can be changed: the number of the node, and its line."""
    for at, node in enumerate(ast.walk(ast.parse(source))):
        if isinstance(node, _CHANGED) and (line := _mutate(copy.deepcopy(node))):
            yield at, line


def mutant(source: str, at: int) -> str:
    """The module with one node changed."""
    tree = ast.parse(source)
    _mutate(list(ast.walk(tree))[at])
    return ast.unparse(ast.fix_missing_locations(tree))


def _mutate(node: ast.AST) -> int:
    """Change a node in place; the line, or 0 when there is nothing to change."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
        node.ops[0] = _SWAPPED[type(node.ops[0])]()  # type: ignore[assignment]
    elif isinstance(node, ast.BoolOp) or (
        isinstance(node, ast.BinOp) and type(node.op) in _SWAPPED and not _is_text(node)
    ):
        node.op = _SWAPPED[type(node.op)]()  # type: ignore[assignment]
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.op = ast.UAdd()
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        node.value += 1
    elif isinstance(node, ast.If) and isinstance(node.body[-1], ast.Raise):
        node.body = [ast.Pass()]
    else:
        return 0
    return int(getattr(node, "lineno", 0))


def _is_text(node: ast.BinOp) -> bool:
    """Whether it joins types or text, where the opposite is only a TypeError."""
    return any(isinstance(side, ast.Constant) and isinstance(side.value, str | bytes) for side in ast.walk(node))


def passes(copied: Path, tests: tuple[str, ...], longest_s: float) -> bool:
    """Whether the tests pass, and end in time."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    kept = {**os.environ, "PYTHONPATH": str(copied), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=copied, env=kept, capture_output=True, timeout=longest_s, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def lives(copied: Path, module: str, text: str, longest_s: dict[tuple[str, ...], float]) -> bool:
    """Whether all tests pass with the mutant in the place of the module."""
    place = copied / module
    original = place.read_text("utf-8")
    place.write_text(text, "utf-8")
    try:
        return all(passes(copied, tests, longest_s[tests]) for tests in (FIRST[module], TESTS))
    finally:
        place.write_text(original, "utf-8")


def main() -> int:
    """Print the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=60, help="how many are tried [60]")
    args = parser.parse_args()
    every = [(module, *place) for module in MODULES for place in places((ROOT / module).read_text("utf-8"))]
    tried = random.Random(6).sample(every, min(args.mutants, len(every)))
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(scratch) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv", "data", "*.onnx", "*.npz", "__pycache__", ".mypy_cache")
        shutil.copytree(ROOT, copied, ignore=ignored)
        longest_s = {}
        for tests in {*FIRST.values(), TESTS}:
            began = time.monotonic()
            if not passes(copied, tests, 3600):
                raise SystemExit("the tests fail without any mutant")
            longest_s[tests] = TIMES_AS_LONG * (time.monotonic() - began)
        alive = 0
        for number, (module, at, line) in enumerate(tried, 1):
            print(f"{number} of {len(tried)}: {module}:{line}", file=sys.stderr, flush=True)
            if lives(copied, module, mutant((ROOT / module).read_text("utf-8"), at), longest_s):
                alive += 1
                print(f"lives: {module}:{line}", file=sys.stderr)
    report(f"mutants killed (n={len(tried)} of {len(every)})", 1 - alive / len(tried), "", bar=0.85, better="higher")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
