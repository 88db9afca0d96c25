"""How much of the log do its quick tests run? Lines and branches of `audit/`, in every process that they start.

Which lines no test runs is printed for the modules that have most of them.

    python -m benchmarks.audit_coverage
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figures import report

ROOT = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/spec/audit",
    "tests/spec/console",
    "tests/cli/test_audit.py",
    "tests/cli/test_audit_follow.py",
    "tests/cli/test_audit_requests.py",
    "tests/cli/test_audit_rights.py",
    "tests/property/test_audit_parsers.py",
    "tests/golden/test_audit_bundle.py",
    "tests/faults/test_audit_spill.py",
)
_SETTINGS = r"""
[run]
branch = true
source = audit
parallel = true
patch = subprocess
data_file = {folder}/data
[report]
exclude_also = case _:\n\s+assert_never
"""
"""What mypy proves to be unreachable is no branch."""
_SHOWN = 8


def measured(folder: Path) -> tuple[dict[str, Any], bool]:
    """What `coverage` says of one run of the tests, and whether all of them passed."""
    settings = folder / "settings"
    settings.write_text(_SETTINGS.format(folder=folder), "ascii")
    coverage = [sys.executable, "-m", "coverage"]
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *TESTS]
    ran = subprocess.run([*coverage, "run", f"--rcfile={settings}", *words], cwd=ROOT, check=False, stdout=sys.stderr)
    for step in (["combine", "-q"], ["json", "-q", "-o", str(folder / "said.json")]):
        subprocess.run([*coverage, step[0], f"--rcfile={settings}", *step[1:]], cwd=ROOT, check=True)
    found: dict[str, Any] = json.loads((folder / "said.json").read_text("utf-8"))
    return found, ran.returncode == 0


def main() -> int:
    """Print the figures; exit code 1 when a test failed."""
    with tempfile.TemporaryDirectory() as folder:
        said, passed = measured(Path(folder))
    total = said["totals"]
    branches = 100 * total["covered_branches"] / total["num_branches"]
    report("branches of audit/ that the quick tests run", branches, "%", bar=95, better="higher")
    lines = 100 * total["covered_lines"] / total["num_statements"]
    report("lines of audit/ that the quick tests run", lines, "%", better="higher")
    least = sorted(said["files"].items(), key=lambda one: -one[1]["summary"]["missing_branches"])[:_SHOWN]
    for name, found in least:
        summary = found["summary"]
        sys.stderr.write(
            f"{name}: {summary['missing_branches']} of {summary['num_branches']} branches, lines"
            f" {', '.join(map(str, found['missing_lines'][:20]))}\n"
        )
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
