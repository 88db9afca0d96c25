"""`haechi check`: the Safety-Checker on a text, or on each line of a JSONL file."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, UnreadableInput, UnwritableOutput
from haechi.cli._judging import Grounded
from haechi.cli._options import KNOWLEDGE_OPTIONS, add_settings, settings_of, shelf_of

_LONGEST_SHOWN = 240
"""Characters of a text that a line for people shows."""

if TYPE_CHECKING:
    from guard.checker import SafetyChecker
    from guard.verdict import Verdict


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser."""
    parser = commands.add_parser(
        "check",
        help="judge text by a policy",
        description="Judge a text by a policy. Exit codes: 0 nothing found, 1 found something, 2 bad input, 3 cannot tell.",
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="text file, or - for standard input (default)"
    )
    parser.add_argument(
        "--jsonl", action="store_true", help='input is one {"id", "text", ...} a line, output one verdict a line'
    )
    parser.add_argument(
        "--policy", default="default", metavar="NAME|FILE", help="policy to judge by (default: default)"
    )
    parser.add_argument("--direction", choices=["input", "output"], default="input", help="which way the text travels")
    parser.add_argument("--scores", action="store_true", help="add the highest score of every category looked for")
    parser.add_argument("--output", metavar="F", help="write the answer to this file instead of standard output")
    parser.add_argument(
        "--evidence",
        action="append",
        default=[],
        metavar="FILE",
        help="a text to hold the claims against; may be repeated",
    )
    parser.add_argument("--question", default="", help="what the text answers, for what it leaves out")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    add_settings(parser, KNOWLEDGE_OPTIONS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Judge the input; see the description for the exit codes."""
    from guard.checker import SafetyChecker

    checker = SafetyChecker.load(args.policy, knowledge=shelf_of(settings_of(args)))
    lines = read_lines(args.file) if args.jsonl else iter(())
    with open_output(args.output) as out:
        if args.jsonl:
            return _check_lines(checker, lines, out, args)
        text = "".join(read_lines(args.file))
        verdict = checker.check(
            text, direction=args.direction, evidence=read_evidence(args.evidence), question=args.question
        )
        if args.json:
            out.write(_dump(as_entry(None, verdict, scores=args.scores)) + "\n")
        else:
            out.write(_describe(verdict, text, scores=args.scores))
        return int(exit_code([verdict]))


def read_lines(name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, or of standard input for `-`, with their line ends.

    Raises:
        UnreadableInput: when it cannot be opened or is not UTF-8.
    """
    try:
        stream = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise UnreadableInput(
            f"{name}: {error.strerror}",
            hint="give a readable file, or - for standard input: echo 'a text' | haechi check -",
        ) from error
    with contextlib.nullcontext(stream) if name == "-" else stream:
        for number, line in enumerate(stream, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UnreadableInput(f"{name}:{number}: not UTF-8", hint="convert the file to UTF-8") from error


def read_evidence(names: Sequence[str]) -> list[dict[str, str]]:
    """Texts of files as evidence that is cited by the file's name.

    Raises:
        UnreadableInput: see `read_lines`.
    """
    return [{"text": "".join(read_lines(name)), "source": name} for name in names]


@contextlib.contextmanager
def open_output(name: str | None) -> Iterator[IO[str]]:
    """The file to write to, or standard output.

    Raises:
        UnwritableOutput: when the file cannot be made or written.
    """
    if name is None:
        yield sys.stdout
        return
    try:
        with Path(name).open("w", encoding="utf-8") as out:
            yield out
    except OSError as error:
        raise UnwritableOutput(f"{name}: {error.strerror}", hint="choose a folder that exists and has room") from error


def parse_record(line: str, where: str) -> dict[str, Any]:
    """One line of JSONL input: an object with a string under `text`.

    Raises:
        UnreadableInput: with the line when it is anything else.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(
            f"{where}: not JSON", hint='each line is an object: {"id": "1", "text": "..."}'
        ) from error
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise UnreadableInput(
            f"{where}: no string under 'text'", hint='each line is an object: {"id": "1", "text": "..."}'
        )
    return record


def _check_lines(checker: SafetyChecker, lines: Iterable[str], out: IO[str], args: argparse.Namespace) -> int:
    from haechi.cli._judging import in_order
    from haechi.cli._progress import Progress

    worst = ExitCode.OK
    apart = args.output is not None or not sys.stdout.isatty()
    with Progress("lines checked", _size(args.file), shown=apart) as progress:
        for (identity, size), verdict in in_order(checker, args.direction, _records(lines, args.file)):
            out.write(_dump(as_entry(identity, verdict, scores=args.scores)) + "\n")
            worst = max(worst, exit_code([verdict]))
            progress.step(size)
    return int(worst)


def _records(lines: Iterable[str], name: str) -> Iterator[tuple[tuple[object, int], Grounded]]:
    """Id and bytes, and the text with its evidence, of each line that is not blank."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            record = parse_record(line, f"{name}:{number}")
            yield (
                (record.get("id", number), len(line.encode("utf-8", "surrogatepass"))),
                grounded(record, f"{name}:{number}"),
            )


def grounded(record: dict[str, Any], where: str) -> Grounded:
    """The text of a line, with `evidence` and `question` where it has them.

    Raises:
        UnreadableInput: `evidence` is no list of texts or of objects with a text; `question` is no string.
    """
    from guard.claims.given import OBJECT, is_evidence

    evidence, question = record.get("evidence") or [], record.get("question") or ""
    if not isinstance(evidence, list) or not all(is_evidence(item) for item in evidence):
        raise UnreadableInput(
            f"{where}: evidence is not a list of texts",
            hint=f'"evidence": ["...", {{"text": "...", "source": "report.pdf"}}]: a text, or {OBJECT}',
        )
    if not isinstance(question, str):
        raise UnreadableInput(f"{where}: question is not a string", hint='"question": "..."')
    return Grounded(record["text"], evidence, question)


def _size(name: str) -> int:
    """Bytes of the input; 0 for standard input."""
    try:
        return 0 if name == "-" else Path(name).stat().st_size
    except OSError:
        return 0


def exit_code(verdicts: Iterable[Verdict]) -> ExitCode:
    """Cannot tell beats found, found beats clean."""
    answer = ExitCode.OK
    for verdict in verdicts:
        if verdict.unavailable:
            return ExitCode.CANNOT_TELL
        if verdict.findings:
            answer = ExitCode.FOUND
    return answer


def as_entry(identity: object, verdict: Verdict, *, scores: bool) -> dict[str, object]:
    """The verdict as a JSON object; `id` only where the input had lines."""
    entry: dict[str, object] = {} if identity is None else {"id": identity}
    entry["action"] = verdict.action.value
    entry["severity"] = verdict.severity.value
    entry["findings"] = [
        {
            "category": f.category.value,
            "score": round(f.score, 6),
            "severity": f.severity.value,
            "start": f.start,
            "end": f.end,
            "detector": f.detector,
            **({"entity": f.entity} if f.entity else {}),
            **({"evidence": f.evidence.entry()} if f.evidence is not None else {}),
        }
        for f in verdict.findings
    ]
    if scores:
        entry["scores"] = {category.value: round(score, 6) for category, score in verdict.scores.items()}
    if verdict.claims:
        entry["claims"] = [claim.entry() for claim in verdict.claims]
    if verdict.shadow:
        entry["shadow"] = [{"category": f.category.value, "start": f.start, "end": f.end} for f in verdict.shadow]
    if verdict.unavailable:
        entry["unavailable"] = [{"detector": u.detector, "reason": u.reason} for u in verdict.unavailable]
    entry["checked"], entry["total"] = verdict.coverage.checked, verdict.coverage.total
    entry["policy"], entry["policy_digest"] = verdict.policy, verdict.policy_digest
    return entry


def claim_lines(verdict: Verdict, text: str) -> list[str]:
    """What the evidence says of each claim, for people."""
    lines = []
    for claim in verdict.claims:
        why = f" ({', '.join(claim.reasons)})" if claim.reasons else ""
        outcome = claim.outcome.value.replace("_", " ")
        lines.append(
            f"  claim {shown(text[claim.start : claim.end])}: {outcome}{why}, refuted with {claim.refuted:.2f}"
        )
        cited = [one for one in (claim.citation, claim.supporting) if one is not None]
        lines += [f"    {one.source}: {printable(one.quote)!r}" for one in cited]
        lines += [f"    not counted: {source}" for source in claim.left_out]
    return lines


def shown(text: str) -> str:
    """A text as a line for people shows it, its middle left out where it is long."""
    if len(text) > _LONGEST_SHOWN:
        text = f"{text[: _LONGEST_SHOWN * 2 // 3]} … {text[-_LONGEST_SHOWN // 3 :]}"
    return repr(printable(text))


def printable(text: str) -> str:
    """A text that every terminal can be sent: half characters written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _dump(entry: dict[str, object]) -> str:
    return json.dumps(entry, ensure_ascii=True)


def _describe(verdict: Verdict, text: str, *, scores: bool) -> str:
    lines = [f"{verdict.action.value}  ({verdict.severity.value}; policy {verdict.policy})"]
    for f in verdict.findings:
        what = f.category.value + (f" {f.entity}" if f.entity else "")
        lines.append(
            f"  {f.start}-{f.end}  {what}  {f.severity.value}  {f.score:.2f}  {f.detector}  {shown(text[f.start : f.end])}"
        )
    lines += claim_lines(verdict, text)
    lines += [f"  not checked by {u.detector}: {u.reason}" for u in verdict.unavailable]
    if scores:
        lines += [f"  {category.value}: {score:.3f}" for category, score in verdict.scores.items()]
    return "\n".join(lines) + "\n"
