"""`haechi eval claims`: how well a policy tells supported, refuted and unfounded claims apart."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from haechi.base import jsonl
from haechi.base.errors import ExitCode, UnreadableInput
from haechi.cli._options import KNOWLEDGE_OPTIONS, add_settings, positive, settings_of, shelf_of

if TYPE_CHECKING:
    from guard.claims.evaluation import ClaimFigures, Label
    from haechi.base.text import Language

_HINT: Final = '{"claim": "...", "evidence": "..." or ["..."], "label": "supported", "refuted" or "not_enough_info", "lang"?, "question"?}'


def add_parser(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `claims` to those of `haechi eval`."""
    parser = kinds.add_parser(
        "claims",
        help="measure claim checking on labelled pairs",
        description="Accuracy, AUROC of being refuted and calibration by language, beside a baseline that only counts "
        f"shared words. DATA is JSONL, plain or .gz, a line: {_HINT}. Rows with another label are counted and left out.",
    )
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help="labelled JSONL files")
    parser.add_argument("--policy", default="default", metavar="NAME|FILE", help="policy to measure (default: default)")
    parser.add_argument("--split", default="", metavar="NAME", help="only rows of this split (default: all)")
    parser.add_argument("--limit", type=positive, metavar="N", help="rows of each file at most (default: all)")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    add_settings(parser, KNOWLEDGE_OPTIONS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge every row and print the figures; 3 when there was none to judge."""
    from guard.checker import SafetyChecker
    from guard.claims.evaluation import evaluate, judged_pair
    from haechi.cli._judging import Grounded, in_order
    from haechi.cli._progress import Progress

    checker = SafetyChecker.load(args.policy, knowledge=shelf_of(settings_of(args)))
    left_out: Counter[str] = Counter()
    asked = (
        ((row, label, language), Grounded(str(row["claim"]), _evidence(row), str(row.get("question") or "")))
        for path in args.data
        for row, label, language in _pairs(path, args.split, args.limit, left_out)
    )
    pairs = []
    with Progress("pairs judged") as progress:
        for (row, label, language), verdict in in_order(checker, "output", asked):
            pairs.append(judged_pair(str(row["claim"]), " ".join(_evidence(row)), label, language, verdict))
            progress.step()
    figures = evaluate(pairs)
    if args.json:
        print(json.dumps({"rows": len(pairs), "left_out": left_out, "figures": [asdict(one) for one in figures]}))
    else:
        _print(figures)
        dropped = ", ".join(f"{label} {count}" for label, count in sorted(left_out.items()))
        print(f"{len(pairs)} pairs" + (f"; left out for their label: {dropped}" if dropped else ""))
    return int(ExitCode.OK if pairs else ExitCode.CANNOT_TELL)


def _print(figures: list[ClaimFigures]) -> None:
    print(
        f"{'lang':<5} {'pairs':>6} {'three-way':>15} {'overlap':>8} {'AUROC refuted':>15} {'overlap':>8} {'ECE':>6} {'false alarms':>13}"
    )
    for one in figures:
        area = f"{one.auroc:.3f} ± {one.auroc_spread:.3f}" if one.auroc is not None else "-"
        beside = f"{one.baseline_auroc:.3f}" if one.baseline_auroc is not None else "-"
        print(
            f"{one.language:<5} {one.rows:>6} {f'{one.accuracy:.3f} ± {one.spread:.3f}':>15} {one.baseline_accuracy:>8.3f} "
            f"{area:>15} {beside:>8} {one.error:>6.3f} {one.false_alarms:>13.3f}"
        )
    for one in figures:
        for label, said in one.confusion.items():
            print(f"  {one.language} {label}: " + ", ".join(f"{count} {what}" for what, count in sorted(said.items())))


def _evidence(row: Mapping[str, object]) -> list[str]:
    given = row["evidence"]
    return [str(text) for text in given] if isinstance(given, list) else [str(given)]


def _pairs(
    path: Path, split: str, limit: int | None, left_out: Counter[str]
) -> Iterator[tuple[Mapping[str, object], Label, Language]]:
    """The labelled pairs of a file.

    Raises:
        UnreadableInput: it cannot be read, or a line is no pair.
    """
    from guard.claims.evaluation import Label
    from guard.language import language_of
    from haechi.base.text import Language

    known, languages = {label.value for label in Label}, {language.value for language in Language}
    taken = 0
    for place, row in jsonl.rows(path, _HINT):
        if not _is_pair(row):
            raise UnreadableInput(f"{place}: no labelled pair", hint=f"a line is {_HINT}")
        if split and row.get("split") != split:
            continue
        if row["label"] not in known or not row["evidence"]:
            left_out[str(row["label"]) if row["evidence"] else "no evidence"] += 1
            continue
        if limit and taken >= limit:
            return
        taken += 1
        lang = row.get("lang")
        yield row, Label(str(row["label"])), Language(lang) if lang in languages else language_of(str(row["claim"]))


def _is_pair(row: Mapping[str, object]) -> bool:
    evidence = row.get("evidence")
    texts = evidence if isinstance(evidence, list) else [evidence]
    return all(isinstance(text, str) for text in [row.get("claim"), row.get("label"), *texts])
