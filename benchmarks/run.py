"""Run every benchmark in a process of its own, print the figures beside their bars, keep them with the machine.

    python -m benchmarks.run [NAME ...]      # or: make bench ARGS="guard_cost audit_cost"

Exit code 1 when a bar is missed, 3 when a benchmark failed to run.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.figures import Figure

HERE = Path(__file__).resolve().parent
NOT_BENCHMARKS = {"run", "figures", "__init__"}


def known() -> list[str]:
    """Every module here that measures something: those that define main()."""
    return sorted(
        p.stem for p in HERE.glob("*.py") if p.stem not in NOT_BENCHMARKS and "\ndef main(" in p.read_text("utf-8")
    )


def measure(name: str) -> list[Figure]:
    """Run one benchmark; its own words go to standard error as they come."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False, cwd=HERE.parent
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{name} ended with exit code {done.returncode}")
    figures = [Figure(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith('{"name"')]
    if not figures:
        raise RuntimeError(f"{name} reported no figure")
    return figures


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=HERE.parent)
    return {
        "cpu": model[0].split(":", 1)[1].strip() if model else platform.processor(),
        "cores": str(len(model)),
        "python": platform.python_version(),
        "haechi": version("haechi"),
        "commit": commit.stdout.strip(),
    }


def row(figure: Figure) -> str:
    """One line of the table."""
    sign = "<=" if figure.better == "lower" else ">="
    bar = f"{sign} {figure.bar:g}" if figure.bar is not None else ""
    mark = "" if figure.bar is None else ("ok" if figure.reached else "MISSED")
    return f"{figure.name:<72} {figure.value:>12.4g} {figure.unit:<16} {bar:<12} {mark}"


def main() -> int:
    """Measure what was asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which benchmarks; all of them: {', '.join(known())}")
    names = parser.parse_args().names or known()
    results: dict[str, list[dict[str, object]]] = {}
    missed, failed = 0, 0
    for name in names:
        print(f"== {name}", flush=True)
        try:
            figures = measure(name)
        except (RuntimeError, ValueError, TypeError) as problem:
            print(f"   failed: {problem}", flush=True)
            failed += 1
            continue
        for figure in figures:
            print("  ", row(figure), flush=True)
            missed += not figure.reached
        results[name] = [asdict(figure) for figure in figures]
    out = HERE / "results" / f"{time.strftime('%Y-%m-%d')}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine(), "results": results}, indent=1, ensure_ascii=False) + "\n")
    print(f"kept in {out.relative_to(HERE.parent)}; {missed} missed, {failed} failed")
    return 3 if failed else int(missed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
