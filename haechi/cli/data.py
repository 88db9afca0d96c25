"""`haechi data validate|build|lineage`: judge training data, make it from feedback, say which run learned from it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode
from haechi.cli import _data_build

if TYPE_CHECKING:
    from alignment.data.judge import Finding, Judgement


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi data` and its verbs."""
    parser = commands.add_parser(
        "data", help="judge training data, build it from feedback, trace it", description=__doc__
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    validate = verbs.add_parser(
        "validate",
        help="name every preference row that must not be trained on; exit code 1 when there is one",
        description="Judge a file of preference pairs (.jsonl, .jsonl.gz, .parquet, or a saved dataset).",
    )
    validate.add_argument("file", type=Path, metavar="FILE", help="the file to judge")
    validate.add_argument(
        "--against",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="evaluation data that must not leak in; may be repeated",
    )
    validate.add_argument("--require-consent", action="store_true", help='refuse rows without "consent": true')
    validate.add_argument(
        "--model", metavar="PATH", help="also check tokens and chat template with this model's tokenizer"
    )
    validate.add_argument(
        "--max-tokens",
        type=int,
        default=1024,
        metavar="N",
        help="with --model: most tokens of prompt and answer [1024]",
    )
    validate.add_argument(
        "--output", type=Path, metavar="FILE", help="write the rows that are fit, as .jsonl or .jsonl.gz"
    )
    validate.add_argument("--show", type=int, default=50, metavar="N", help="findings to print, 0 for all [50]")
    validate.add_argument("--json", action="store_true", help="one JSON object with every finding on standard output")
    validate.set_defaults(run=run_validate)
    _data_build.register(verbs)


def run_validate(args: argparse.Namespace) -> int:
    """Judge a file."""
    from alignment.data.files import read_rows, write_jsonl
    from alignment.data.judge import judge, prompt_keys

    held_out = frozenset(key for path in args.against for key in prompt_keys(read_rows(path)))
    judgement = judge(read_rows(args.file), held_out=held_out, consent_needed=args.require_consent)
    token_findings = _token_findings(args, judgement) if args.model else ()
    findings = sorted((*judgement.findings, *token_findings), key=lambda f: (f.line, f.reason))
    unfit = {finding.line for finding in token_findings}
    if args.output is not None:
        fit = {pair.line for pair in judgement.kept} - unfit
        write_jsonl(args.output, (row.value for row in read_rows(args.file) if row.line in fit))
    _print(args, judgement, findings, len(unfit))
    clean = not judgement.refused and not judgement.set_aside and not unfit and judgement.rows > 0
    return ExitCode.OK if clean else ExitCode.FOUND


def _token_findings(args: argparse.Namespace, judgement: Judgement) -> tuple[Finding, ...]:
    from alignment.data.encode import Encoder
    from alignment.data.judge import Finding
    from alignment.models import load_tokenizer

    encoder = Encoder(load_tokenizer(args.model), max_tokens=args.max_tokens)
    return tuple(entry for entry in encoder.pairs(judgement.kept) if isinstance(entry, Finding))


def _print(args: argparse.Namespace, judgement: Judgement, findings: list[Finding], unfit: int) -> None:
    summary = {
        "file": str(args.file),
        "rows": judgement.rows,
        "kept": len(judgement.kept) - unfit,
        "refused": judgement.refused + unfit,
        "set_aside": judgement.set_aside,
    }
    if args.json:
        share = judgement.chosen_longer
        rows = [
            {"line": f.line, "reason": f.reason, "weight": f.weight, "detail": f.detail, "other": f.other}
            for f in findings
        ]
        print(
            json.dumps(
                {**summary, "chosen_longer": share if share == share else None, "findings": rows}, ensure_ascii=False
            )
        )
        return
    shown = findings[: args.show] if args.show else findings
    for finding in shown:
        where = f"{args.file}:{finding.line}" if finding.line else str(args.file)
        other = f" (line {finding.other})" if finding.other else ""
        print(f"{where}: {finding.weight}: {finding.reason}: {finding.detail}{other}")
    if len(shown) < len(findings):
        print(f"haechi: {len(findings) - len(shown)} more; --show 0 prints all", file=sys.stderr)
    print(", ".join(f"{name} {value}" for name, value in summary.items() if name != "file"), file=sys.stderr)
