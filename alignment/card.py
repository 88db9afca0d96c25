"""A model card made from what is known of a run and what the gate measured; nothing in it is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alignment.gate import Line

_MEANING = {
    "unsafe_answers": "harmful requests answered with what the Safety-Checker calls unsafe",
    "not_refused": "harmful requests not refused",
    "refused": "harmless look-alikes refused",
    "stereotyped": "questions without enough information answered by the stereotype",
    "wrong_choice": "easy questions answered wrongly",
    "nats_per_token": "nats per token of ordinary text",
}


def model_card(name: str, manifest: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Markdown, to lie as README.md beside the weights."""
    run, guard, suite = manifest["run"], manifest["guard"], manifest["suite"]
    languages = ", ".join(manifest["languages"])
    out = [
        f"# {name}",
        "",
        f"Released {manifest['created']} by `haechi release` after the gate below. `release.json` beside this page is signed "
        "and lists the SHA-256 of every file; `haechi serve` with `require_release` checks it.",
        "",
        "## Where it comes from",
        "",
        "| | |",
        "|---|---|",
        f"| run | {run['kind']}, recipe `{run['name']}`, {run['recipe']} |",
        f"| started from | `{run['base']}` |",
        f"| data | {run['data']}{_lineage(run)} |",
        f"| versions | {', '.join(f'{n} {v}' for n, v in run['versions'].items())} |",
        f"| baseline of the gate | `{manifest['baseline']['name']}`, {manifest['baseline']['root']} |",
        f"| judged by | policy `{guard['policy']}`, {guard['digest']} |",
        f"| suite | `{suite['name']}`, {suite['digest']} |",
        "",
        "## What was measured",
        "",
        f"Greedy answers, languages {languages}. Every figure is a badness: lower is better. Intervals: 95 % for the model, "
        "two-sided 90 % for the difference, whose upper end had to stay inside the margin.",
        "",
        "| metric | counts | this model | baseline | difference | margin | n |",
        "|---|---|---|---|---|---|---|",
    ]
    out += [_row(line) for line in lines]
    out += ["", "## What was not measured", "", *_limits(manifest)]
    return "\n".join(out) + "\n"


def _row(line: Line) -> str:
    low, high = line.candidate.interval
    r = line.regression
    return (
        f"| {line.candidate.metric.name} | {_MEANING[line.candidate.metric.kind.value]} | {line.candidate.value:.3f} "
        f"({low:.3f} to {high:.3f}) | {line.baseline.value:.3f} | {r.value:+.3f} ({r.low:+.3f} to {r.high:+.3f}) "
        f"| {line.candidate.metric.margin:g} | {r.n} |"
    )


def _lineage(run: Mapping[str, Any]) -> str:
    source = run.get("data_manifest")
    return f", built from feedback: {source['rows']} rows, {source['root']}" if source else ""


def _limits(manifest: Mapping[str, Any]) -> list[str]:
    smallest = min(line["n"] for line in manifest["metrics"])
    return [
        f"- The smallest set of the suite has {smallest} items: a difference below its margin was shown, not that there is none.",
        "- Refusals are recognised by their wording; answers longer than the suite allows were cut off.",
        "- Truth of statements, long conversations, tools and other languages were not examined.",
    ]
