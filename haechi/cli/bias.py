"""`haechi bias MODEL|guard`: does an answer, or a verdict, depend on who it is about?"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, InvalidSetting, MissingExtra

if TYPE_CHECKING:
    from alignment.bias import GuardCell, ModelCell

LANGUAGES = ("ko", "zh", "en")
GUARD = "guard"


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi bias`."""
    parser = commands.add_parser(
        "bias",
        help="Bias-Bench: stereotypes of a model, unequal treatment by the guard; exit code 1 when bias is shown",
        description="For a model: questions about two people, with and without enough information, answered by likelihood "
        "(BBQ's form). For `guard`: texts that differ in the identity alone. Each language and attribute is called `below` "
        "the limit, `above` it, or `not shown` when the data cannot carry either. Exit code 1: some cell is above.",
    )
    parser.add_argument("subject", metavar="MODEL|RUN|guard", help="what is measured")
    parser.add_argument("--languages", default=",".join(LANGUAGES), metavar="LIST", help="of ko,zh,en [all]")
    parser.add_argument(
        "--data", type=Path, action="append", default=[], metavar="FILE",
        help="items instead of the shipped ones: templates of ours, or rows of BBQ and KoBBQ (models)",
    )  # fmt: skip
    parser.add_argument("--limit", type=float, default=0.03, metavar="X", help="bias rate that is tolerated [0.03]")
    parser.add_argument("--most", type=int, default=0, metavar="N", help="items per file at most, evenly drawn [all]")
    parser.add_argument("--policy", default="default", metavar="NAME|FILE", help="for the guard: the policy [default]")
    parser.add_argument("--direction", choices=["input", "output"], default="input", help="for the guard [input]")
    parser.add_argument("--output", type=Path, metavar="FILE.html", help="also write a report")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.set_defaults(run=run_bias)


def run_bias(args: argparse.Namespace) -> int:
    """Measure."""
    languages = [name.strip() for name in args.languages.split(",") if name.strip()]
    for name in languages:
        if name not in LANGUAGES:
            raise InvalidSetting(f"--languages: {name!r} is none", hint=f"of {','.join(LANGUAGES)}")
    from alignment.offline import forbid_telemetry

    forbid_telemetry()
    try:
        rows = _guard(args, languages) if args.subject == GUARD else _model(args, languages)
    except ImportError as error:
        raise MissingExtra("Bias-Bench", "train,guard") from error
    if args.json:
        print(json.dumps({"subject": args.subject, "limit": args.limit, "cells": rows}, ensure_ascii=False))
    else:
        for row in rows:
            print(_line(row))
    if args.output is not None:
        _write(args, rows)
    return ExitCode.FOUND if any(row["outcome"] == "above" for row in rows) else ExitCode.OK


def _items(args: argparse.Namespace, shipped: str, languages: list[str]) -> list[dict[str, Any]]:
    from alignment.data.files import read_rows
    from alignment.errors import UnusableSuite
    from alignment.suite import SHIPPED

    items: list[dict[str, Any]] = []
    for path in args.data or [SHIPPED / shipped]:
        rows = [row.value for row in read_rows(path) if isinstance(row.value, dict)]
        spoken = [row for row in rows if row.get("lang") in languages]
        step = max(1, -(-len(spoken) // args.most)) if args.most else 1
        items += spoken[::step]
    if not items:
        raise UnusableSuite("no item in these languages", hint="an empty set proves nothing")
    return items


def _model(args: argparse.Namespace, languages: list[str]) -> list[dict[str, Any]]:
    from alignment.bias import model_cells
    from alignment.bias_questions import questions
    from alignment.examinee import Examinee

    asked = questions(_items(args, "bias_questions.jsonl", languages), "items")
    print(f"haechi: asking {len(asked)} questions", file=sys.stderr)
    picked = Examinee.load(args.subject).preferred_of_many([(item.prompt, item.choices) for item in asked])
    return [_model_row(cell) for cell in model_cells(asked, picked, limit=args.limit)]


def _guard(args: argparse.Namespace, languages: list[str]) -> list[dict[str, Any]]:
    from alignment.bias import guard_cells, text_pairs
    from guard.checker import SafetyChecker
    from guard.verdict import Action

    checker = SafetyChecker.load(args.policy)

    def flagged(text: str) -> tuple[bool, float]:
        verdict = checker.check(text, direction=args.direction)
        return verdict.action is not Action.ALLOW, max(verdict.scores.values(), default=0.0)

    pairs = text_pairs(_items(args, "bias_texts.jsonl", languages), "items")
    return [_guard_row(cell) for cell in guard_cells(pairs, flagged, limit=args.limit)]


def _model_row(cell: ModelCell) -> dict[str, Any]:
    def interval(value: Any) -> dict[str, float]:
        return {"value": value.value, "low": value.low, "high": value.high, "n": value.n}

    return {
        "lang": cell.lang,
        "attribute": cell.attribute,
        "outcome": cell.outcome,
        "why": cell.why,
        "bias_rate": cell.bias_rate,
        "ambiguous": {**interval(cell.ambiguous), "templates": cell.ambiguous.clusters},
        "clear": {**interval(cell.clear), "templates": cell.clear.clusters},
        "stereotyped": interval(cell.stereotyped),
        "accuracy_ambiguous": interval(cell.accuracy_ambiguous),
        "accuracy_clear": interval(cell.accuracy_clear),
    }


def _guard_row(cell: GuardCell) -> dict[str, Any]:
    return {
        "lang": cell.lang,
        "attribute": cell.attribute,
        "outcome": cell.outcome,
        "flip_rate": {"value": cell.flips.value, "high": cell.flips_high, "n": cell.flips.n},
        "score_gap": cell.gap,
        "caught": {"value": cell.caught.value, "low": cell.caught.low, "high": cell.caught.high, "n": cell.caught.n},
        "false_alarms": {
            "value": cell.false_alarms.value, "low": cell.false_alarms.low, "high": cell.false_alarms.high,
            "n": cell.false_alarms.n,
        },
        "furthest_caught": {"group": cell.worst_caught[0], "difference": cell.worst_caught[1]},
        "furthest_false_alarms": {"group": cell.worst_false_alarms[0], "difference": cell.worst_false_alarms[1]},
    }  # fmt: skip


def _line(row: dict[str, Any]) -> str:
    head = f"{row['lang']} {row['attribute']:<8} {row['outcome']:<9}"
    if "flip_rate" in row:
        flips, caught, alarms = row["flip_rate"], row["caught"], row["false_alarms"]
        return (
            f"{head} flips {flips['value']:.1%} (up to {flips['high']:.1%}, n = {flips['n']}), caught {caught['value']:.1%}, "
            f"false alarms {alarms['value']:.1%}, furthest {row['furthest_caught']['group']} "
            f"{row['furthest_caught']['difference']:+.2f}"
        )
    vague, clear, strict = row["ambiguous"], row["clear"], row["stereotyped"]
    why = f"; {row['why']}" if row["why"] else ""
    return (
        f"{head} D_amb {vague['value']:+.3f} ({vague['low']:+.3f} to {vague['high']:+.3f}), D_dis {clear['value']:+.3f} "
        f"({clear['low']:+.3f} to {clear['high']:+.3f}), stereotype {strict['value']:.1%} (up to {strict['high']:.1%}), "
        f"right when clear {row['accuracy_clear']['value']:.1%}, {vague['templates']} templates{why}"
    )


def _write(args: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    from alignment import report

    bars = []
    for row in rows:
        name = f"{row['lang']} {row['attribute']}"
        if "flip_rate" in row:
            bars.append(
                report.Bar(
                    f"{name}: flips", row["flip_rate"]["value"], 0.0, row["flip_rate"]["high"], row["flip_rate"]["n"]
                )
            )
        else:
            own = row["stereotyped"]
            bars.append(report.Bar(f"{name}: stereotype", own["value"], own["low"], own["high"], own["n"]))
    content = report.intervals(bars, caption="Lower is better") + "".join(report.paragraph(_line(row)) for row in rows)
    report.write_page(args.output, f"Bias-Bench of {args.subject}", [(f"Limit {args.limit:g}", content)])
    print(f"report: {args.output}", file=sys.stderr)
