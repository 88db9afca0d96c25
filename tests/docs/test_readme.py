"""Everything in README.md that a reader can copy is executed; every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "audit/FORMAT.md"]
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
FENCE = re.compile(r"```(\w+)\n(.*?)```", re.S)


def blocks(language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(README) if kind == language]


def commands() -> list[str]:
    """Command lines that need no running gateway."""
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.split("   #")[0].strip() for line in lines if line.startswith(("haechi ", "echo "))]


def expected(command: str) -> set[int]:
    """`check` and `explain` find something in the README's examples; everything else ends well."""
    return {1} if "haechi check" in command else {0, 1} if "explain" in command else {0}


def test_there_are_commands_to_run() -> None:
    """An empty list would prove nothing."""
    assert len(commands()) >= 5


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_readme_runs(command: str, tmp_path: Path) -> None:
    """Each line, as it stands there, in a folder where a gateway has run."""
    with AuditLog.open(tmp_path / "data/audit") as log:
        log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_1"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )
    assert done.returncode in expected(command), done.stderr
    assert done.stdout


def test_the_library_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what the text around it says."""
    (example,) = [block for block in blocks("python") if "SafetyChecker" in block]
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == "redact ['EMAIL_ADDRESS']\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    """A page that names another page names one that exists."""
    missing = [target for target in LINK.findall(page.read_text("utf-8")) if not (page.parent / target).exists()]
    assert missing == []


def test_the_reading_order_names_files_that_exist() -> None:
    """The six files for a newcomer are there."""
    named = re.findall(r"`((?:gateway|guard|audit)/\w+\.py)`", README)
    assert len(named) == 6
    assert all((ROOT / name).is_file() for name in named)
