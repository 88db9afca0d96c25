"""The laws of the house: which package may import which, and what an import may cost."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("haechi", "guard", "audit", "gateway", "alignment")
PROBE = """
import json, os, sys, threading
seen = {"sockets": 0, "threads": 0, "files": []}
def hook(event, args):
    if event.startswith("socket."):
        seen["sockets"] += 1
    if event == "_thread.start_new_thread":
        seen["threads"] += 1
sys.addaudithook(hook)
import %s
seen["torch"] = "torch" in sys.modules
seen["haechi_modules"] = sorted(m for m in sys.modules if m.split(".")[0] in %r)
seen["modules"] = len(sys.modules)
print(json.dumps(seen))
"""


def imported_alone(module: str) -> dict[str, object]:
    """What importing the module in a fresh interpreter did."""
    code = PROBE % (module, PACKAGES)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_imports_point_one_way() -> None:
    """The contracts in pyproject.toml hold: siblings do not see each other, audit needs no model stack."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", PACKAGES)
def test_importing_a_package_opens_no_socket_starts_no_thread_and_loads_no_torch(module: str) -> None:
    """Importing any of our packages has no effect on the world and costs no model stack."""
    seen = imported_alone(module)
    assert (seen["sockets"], seen["threads"], seen["torch"]) == (0, 0, False)


def test_importing_haechi_imports_nothing_else_of_ours() -> None:
    """`import haechi` loads one module of ours; names are resolved on first use."""
    assert imported_alone("haechi")["haechi_modules"] == ["haechi"]


def test_the_command_line_starts_without_a_model_stack_or_a_web_framework() -> None:
    """`haechi --help` loads neither torch nor numpy nor fastapi nor aiohttp."""
    code = (
        "import sys; from haechi.cli.main import build_parser; build_parser();"
        "heavy = {'torch', 'transformers', 'numpy', 'fastapi', 'aiohttp', 'uvicorn', 'onnxruntime'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_haechi_resolves() -> None:
    """What `haechi.__all__` promises can be imported, and comes from the package that owns it."""
    import haechi

    for name in haechi.__all__:
        assert getattr(haechi, name) is not None


def test_an_unknown_name_of_haechi_is_an_attribute_error() -> None:
    """A misspelt name is not resolved to anything."""
    import haechi

    with pytest.raises(AttributeError, match="SafetyCheker"):
        _ = haechi.SafetyCheker


@pytest.mark.parametrize("package", ["guard", "audit", "gateway"])
def test_the_public_surface_of_a_package_is_its_all(package: str) -> None:
    """Each name in `__all__` exists; a user imports from there and from nowhere else."""
    module = import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert module.__all__
    assert missing == []


def string_imports(path: Path) -> list[str]:
    """Calls of import_module in a source file."""
    tree = ast.parse(path.read_text("utf-8"))
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module")
    ]


def test_names_are_imported_by_string_only_where_the_contracts_allow_it() -> None:
    """Import contracts cannot see strings, so the registries and the two lazy tables are the only places."""
    allowed = {
        "haechi/__init__.py",
        "haechi/cli/main.py",
        "guard/__init__.py",
        "guard/registry.py",
        "audit/__init__.py",
        "gateway/__init__.py",
        "gateway/upstream/registry.py",
        "alignment/__init__.py",
    }
    found = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if string_imports(path)
    }
    assert found <= allowed
