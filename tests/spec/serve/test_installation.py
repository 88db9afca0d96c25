"""Files that were replaced after installation are noticed, and nothing starts with them."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.installation import DISTRIBUTION, PACKAGES, Form, verify_installation

ROOT = Path(__file__).resolve().parents[3]
PROBE = """
import json, sys
sys.path[:0] = sys.argv[1:]
from haechi.base.errors import HaechiError
from haechi.installation import verify_installation
try:
    whole = verify_installation()
    print(json.dumps({"form": whole.form, "files": whole.files}))
except HaechiError as error:
    print(json.dumps({"code": error.code, "message": error.message, "hint": error.hint}))
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that looks as pip leaves it: our packages, and the metadata with a hash for each file."""
    folder = tmp_path / "site"
    for package in PACKAGES:
        (folder / package).mkdir(parents=True)
        shutil.copy(ROOT / package / "__init__.py", folder / package)
    for part in ("base/__init__.py", "base/errors.py", "installation.py"):
        (folder / "haechi" / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "haechi" / part, folder / "haechi" / part)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    information = folder / f"{DISTRIBUTION}-0.1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.3\nName: {DISTRIBUTION}\nVersion: 0.1.0\n", "utf-8")
    lines = [f"{path.relative_to(folder)},sha256={_hash(path)},{path.stat().st_size}" for path in files]
    lines += [f"{path.relative_to(folder).with_suffix('.cpython-311.pyc')},," for path in files]
    (information / "RECORD").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def _hash(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def verified(*folders: Path) -> dict[str, object]:
    """What an interpreter that imports from these folders, in that order, says of the installation."""
    command = [sys.executable, "-I", "-S", "-B", "-c", PROBE, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_an_untouched_installation_is_whole(site: Path) -> None:
    """Every recorded file is compared, and agrees."""
    assert verified(site) == {"form": "wheel", "files": len(PACKAGES) + 3}


def _replace(site: Path) -> None:
    (site / "guard/__init__.py").write_text("def check(text): return 'fine'\n", "utf-8")


def _remove(site: Path) -> None:
    (site / "haechi/base/__init__.py").unlink()


def _one_byte(site: Path) -> None:
    path = site / "gateway/__init__.py"
    path.write_bytes(path.read_bytes() + b"\n")


def _no_record(site: Path) -> None:
    (site / f"{DISTRIBUTION}-0.1.0.dist-info/RECORD").write_text("", "utf-8")


@pytest.mark.parametrize(
    ("alter", "named"),
    [
        (_replace, "guard/__init__.py"),
        (_remove, "haechi/base/__init__.py"),
        (_one_byte, "gateway/__init__.py"),
        (_no_record, "none are recorded"),
    ],
)
def test_an_altered_file_is_named(alter: Callable[[Path], None], named: str, site: Path) -> None:
    """Another distribution that brings the same name replaces files without a word; this check has the word."""
    alter(site)
    answer = verified(site)
    assert answer["code"] == "HAE-X010"
    assert named in str(answer["message"])
    assert answer["hint"]


def test_a_package_that_hides_ours_is_named(site: Path, tmp_path: Path) -> None:
    """A folder that comes first on the path must not bring another `guard`."""
    other = tmp_path / "other"
    (other / "guard").mkdir(parents=True)
    (other / "guard/__init__.py").write_text("", "utf-8")
    answer = verified(other, site)
    assert answer["code"] == "HAE-X010"
    assert str(other) in str(answer["message"])


def test_a_removed_package_is_named(site: Path) -> None:
    """Uninstalling the other distribution takes our file with it; what is left imports as an empty package."""
    (site / "guard/__init__.py").unlink()
    answer = verified(site)
    assert answer["code"] == "HAE-X010"
    assert "'guard'" in str(answer["message"])


def test_this_installation_is_whole() -> None:
    """The one that runs these tests, wheel or checkout."""
    whole = verify_installation()
    assert whole.form in set(Form)
    assert whole.root == ROOT or whole.files > 0
