"""Release a run: measure it and its baseline on the same suite, compare, and sign what passed or say what did not."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alignment.card import model_card
from alignment.data.lineage import MANIFEST as DATA_MANIFEST
from alignment.data.lineage import refuse_tainted
from alignment.errors import NoRun
from alignment.examinee import Examinee, model_folder
from alignment.gate import Line, compare
from alignment.manifest import FILE, file_digests, root_of, sign_release
from alignment.measure import measure
from alignment.runs.folder import RunFolder
from alignment.suite import Suite, items_of
from alignment.teacher import Checker

CARD = "README.md"


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found. written: the signed manifest, None when the gate refused."""

    lines: tuple[Line, ...]
    written: Path | None

    @property
    def passed(self) -> bool:
        """Whether every metric passed."""
        return all(line.passed for line in self.lines)

    @property
    def regressions(self) -> tuple[Line, ...]:
        """Metrics that did not pass."""
        return tuple(line for line in self.lines if not line.passed)


def release(
    run_path: Path,
    baseline: str,
    suite: Suite,
    key: Ed25519PrivateKey,
    *,
    name: str = "",
    tell: Callable[[str], None] = lambda _: None,
) -> GateReport:
    """Measure, compare, and sign into RUN/model when everything passed. An earlier release of the run is withdrawn first.

    Raises:
        NoRun: the folder is no finished run. TaintedRun: its data held rows of an erased person.
        HaechiError: see alignment.measure.
    """
    run = RunFolder.open(run_path)
    if not (run.model / "config.json").is_file():
        raise NoRun(f"{run_path} has no finished model", hint="finish the run with --resume")
    refuse_tainted(run.path)
    for old in (FILE, CARD):
        (run.model / old).unlink(missing_ok=True)
    checker = Checker(suite.policy)
    before = root_of(file_digests(run.model))
    tell(f"measuring {run.model}")
    own = measure(Examinee.load(str(run.model)), suite, checker)
    tell(f"measuring the baseline {baseline}")
    other = measure(Examinee.load(baseline), suite, checker)
    lines = tuple(compare(own, other))
    if not all(line.passed for line in lines):
        return GateReport(lines, None)
    manifest = _manifest(run, baseline, suite, checker, lines, name or run.path.resolve().name)
    manifest["measured"] = before
    (run.model / CARD).write_text(model_card(manifest["name"], manifest, lines), "utf-8")
    return GateReport(lines, sign_release(run.model, manifest, key))


def _manifest(
    run: RunFolder, baseline: str, suite: Suite, checker: Checker, lines: tuple[Line, ...], name: str
) -> dict[str, Any]:
    said = run.description()
    base = said["recipe"]["model.path"]
    folder = Path(model_folder(baseline))
    languages = sorted(
        {str(item["lang"]) for line in lines for item in items_of(line.candidate.metric, ()) if "lang" in item}
    )
    return {
        "name": name,
        "created": datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "languages": languages,
        "run": {
            "kind": said["kind"],
            "name": said["name"],
            "recipe": said["digest"],
            "base": Path(base).name if base != "new" else "new",
            "base_root": _root(base),
            "data": said["data"],
            "data_manifest": _data_manifest(said["recipe"]["data.train"]),
            "guard": said.get("guard", {}),
            "versions": said["versions"],
        },
        "baseline": {"name": folder.name, "root": _root(baseline)},
        "guard": {"policy": checker.policy, "digest": checker.digest},
        "suite": {"name": suite.name, "digest": suite.digest},
        "metrics": [line.as_object() for line in lines],
        "made_with": {"haechi": version("haechi"), "python": platform.python_version()},
    }


def _root(path: str) -> str:
    folder = Path(model_folder(path))
    return root_of(file_digests(folder)) if folder.is_dir() else ""


def _data_manifest(train: str) -> dict[str, Any] | None:
    beside = Path(train).with_name(Path(train).name + DATA_MANIFEST)
    try:
        said = json.loads(beside.read_text("utf-8"))
        return {name: said[name] for name in ("rows", "root", "scrubber", "created")}
    except (OSError, ValueError, KeyError):
        return None
