"""What `haechi eval model` does: pairs, a suite, a comparison with a reference; as text, JSON and an HTML report."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haechi.base.errors import ExitCode, InvalidSetting, MissingExtra
from haechi.cli._audit_folder import read_text
from haechi.cli.release import add_data, data_of

if TYPE_CHECKING:
    from alignment.evaluate import PairReport
    from alignment.examinee import Examinee
    from alignment.measure import Measured
    from alignment.statistics import Share
    from alignment.versus import Mean, Versus


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `haechi eval model`."""
    parser.add_argument("model", metavar="MODEL|RUN", help="a finished run, or a model's folder")
    parser.add_argument("--pairs", type=Path, metavar="FILE", help="preference pairs it was not trained on")
    add_data(parser)
    parser.add_argument(
        "--suite", nargs="?", const="default", metavar="NAME|FILE", help="also safety, refusals, fairness, capability"
    )
    parser.add_argument("--reference", default="", metavar="MODEL", help="the model it started from: KL and win rate")
    parser.add_argument(
        "--judge", default="", metavar="RUN|URL", help="who compares: a reward run, or an OpenAI-like /v1"
    )
    parser.add_argument("--judge-model", default="default", metavar="NAME", help="the model at the URL [default]")
    parser.add_argument("--judge-key", type=Path, metavar="FILE", help="file with the API key for the URL")
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help="prompts to answer for KL and win rate [those of --pairs or the suite]",
    )
    parser.add_argument("--most", type=int, default=100, metavar="N", help="prompts answered for KL and win rate [100]")
    parser.add_argument("--answer-tokens", type=int, default=64, metavar="N", help="longest of these answers [64]")
    parser.add_argument("--max-tokens", type=int, default=1024, metavar="N", help="longer rows are set aside [1024]")
    parser.add_argument("--output", type=Path, metavar="FILE.html", help="also write a report with plots")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


@dataclass(slots=True)
class Found:
    """Everything that was measured; what was not asked for is None or empty."""

    pairs: PairReport | None = None
    suite: list[Measured] = field(default_factory=list)
    versus: Versus | None = None
    kl: Mean | None = None
    alarms: list[str] = field(default_factory=list)


def run_eval(args: argparse.Namespace) -> int:
    """Measure."""
    from alignment.offline import forbid_telemetry

    forbid_telemetry()
    _take_plain_data(args)
    if args.pairs is None and args.suite is None and not args.reference:
        raise InvalidSetting(
            "nothing to measure", hint="give --data PAIRS, --suite, or --reference MODEL --prompts FILE"
        )
    if args.judge and not args.reference:
        raise InvalidSetting("--judge compares with a reference", hint="give --reference MODEL")
    try:
        found = _measure(args)
    except ImportError as error:
        raise MissingExtra("evaluation", "train,guard") from error
    _print(args, found)
    if args.output is not None:
        _write_report(args, found)
        print(f"report: {args.output}", file=sys.stderr)
    for alarm in found.alarms:
        print(f"haechi: alarm: {alarm}", file=sys.stderr)
    return ExitCode.OK


def _take_plain_data(args: argparse.Namespace) -> None:
    """`--data FILE` without a metric's name means pairs, as it always did."""
    plain = [entry for entry in args.data if "=" not in entry]
    if plain and args.pairs is None:
        args.pairs = Path(plain[0])
    args.data = [entry for entry in args.data if "=" in entry]


def _measure(args: argparse.Namespace) -> Found:
    from alignment.evaluate import evaluate, is_reward_model
    from alignment.examinee import Examinee, model_folder

    found = Found()
    if args.pairs is not None:
        found.pairs = evaluate(args.model, args.pairs, reference=args.reference, max_tokens=args.max_tokens)
        found.alarms += found.pairs.alarms
    if is_reward_model(model_folder(args.model)):
        if args.suite is not None or args.judge:
            raise InvalidSetting("a reward model gives no answers", hint="leave --suite and --judge out")
        return found
    if args.suite is None and not args.reference:
        return found
    examinee = Examinee.load(args.model)
    if args.suite is not None:
        from alignment.measure import measure
        from alignment.suite import load_suite
        from alignment.teacher import Checker

        suite = load_suite(args.suite, data_of(args.data))
        found.suite = measure(examinee, suite, Checker(suite.policy))
    if args.reference:
        _compare(args, examinee, found)
    return found


def _compare(args: argparse.Namespace, examinee: Examinee, found: Found) -> None:
    from alignment.examinee import Examinee
    from alignment.versus import judge_named, mean_of, versus
    from alignment.watch import drift

    prompts = _prompts(args)
    other = Examinee.load(args.reference)
    if examinee.tokenizer.get_vocab() == other.tokenizer.get_vocab():
        tokens = [examinee.prompt_tokens(prompt) for prompt in prompts]
        moved = drift(
            examinee.model, other.model, tokens, examinee.arithmetic,
            tokens=args.answer_tokens, end=examinee.encoder.end, seed=0,
        )  # fmt: skip
        found.kl = mean_of(moved.each)
    if args.judge:
        key = read_text(args.judge_key).strip() if args.judge_key else ""
        judge = judge_named(args.judge, model=args.judge_model, key=key)
        own, others = (side.answers(prompts, tokens=args.answer_tokens) for side in (examinee, other))
        found.versus = versus(prompts, own, others, judge)
        if found.versus.inconsistent.low > 0.2:
            found.alarms.append("the judge contradicts itself when answers change places; do not trust its win rate")


def _prompts(args: argparse.Namespace) -> list[str]:
    from alignment.data.files import read_rows
    from alignment.data.rows import Demonstration, read_demonstration
    from alignment.errors import UnusableData
    from alignment.suite import SHIPPED

    source = args.prompts or args.pairs or SHIPPED / "benign.jsonl"
    out: dict[str, None] = {}
    for row in read_rows(source):
        read = read_demonstration(row.value, row.line, answer_needed=False)
        if isinstance(read, Demonstration) and len(read.prompt) == 1:
            out[read.prompt[0].content] = None
    if not out:
        raise UnusableData(f"{source} holds no prompt of one turn", hint="give --prompts FILE")
    return list(out)[: args.most]


def _print(args: argparse.Namespace, found: Found) -> None:
    if args.json:
        print(json.dumps(_finite(_as_object(found)), ensure_ascii=False))
        return
    if found.pairs is not None:
        _print_pairs(found.pairs)
    for one in found.suite:
        low, high = one.interval
        print(f"{one.metric.name:<30} {one.value:.3f} ({low:.3f} to {high:.3f}, n = {one.n}), {one.metric.kind.value}")
    if found.kl is not None:
        kl = found.kl
        print(
            f"KL to the reference            {kl.value:.3f} nats per answer ({kl.low:.3f} to {kl.high:.3f}, n = {kl.n})"
        )
    if found.versus is not None:
        v = found.versus
        print(f"win rate                       {_shown(v.rate)}: {v.wins} won, {v.ties} tied, {v.losses} lost")
        print(f"judge contradicted itself      {_shown(v.inconsistent)}")


def _print_pairs(pairs: PairReport) -> None:
    for name, share in _pair_shares(pairs):
        by = f", judged by {pairs.judged_by}" if share is pairs.accuracy else ""
        print(f"{name:<30} {_shown(share)}{by}")
    for name, value, low, high in _pair_figures(pairs):
        print(f"{name:<30} {value:.3f} ({low:.3f} to {high:.3f})")
    if pairs.set_aside:
        print(f"haechi: {pairs.set_aside} rows were set aside", file=sys.stderr)


def _pair_shares(pairs: PairReport) -> list[tuple[str, Share]]:
    return [
        ("pairs in the right order", pairs.accuracy),
        *((f"rows of the head {name}", share) for name, share in pairs.heads.items()),
        ("answers about equally long", pairs.length_matched),
        ("preferred answer is longer", pairs.longer),
        ("preferred answer is shorter", pairs.shorter),
    ]


def _pair_figures(pairs: PairReport) -> list[tuple[str, float, float, float]]:
    """Those that are no shares, with their intervals."""
    known = {
        "length_correlation": ("correlation of score, length", pairs.length_correlation),
        "calibration_error": ("calibration error", pairs.calibration_error),
        "perplexity": ("perplexity of preferred", pairs.perplexity),
    }
    return [(name, value, *pairs.intervals[key]) for key, (name, value) in known.items() if value is not None]


def _as_object(found: Found) -> dict[str, Any]:
    said: dict[str, Any] = found.pairs.as_object() if found.pairs is not None else {}
    if found.suite:
        said["suite"] = {
            one.metric.name: {
                "kind": one.metric.kind.value, "value": one.value,
                "low": one.interval[0], "high": one.interval[1], "n": one.n,
            }
            for one in found.suite
        }  # fmt: skip
    if found.kl is not None:
        said["kl"] = asdict(found.kl)
    if found.versus is not None:
        said["win_rate"] = asdict(found.versus)
    return {**said, "alarms": list(found.alarms)}


def _write_report(args: argparse.Namespace, found: Found) -> None:
    from alignment import report

    bars = [
        report.Bar(one.metric.name, one.value, *one.interval, one.n) for one in found.suite if one.metric.kind.is_share
    ]
    good = []
    rows = []
    if found.pairs is not None:
        shares = _pair_shares(found.pairs)
        good += [_bar(name, share) for name, share in shares]
        rows += [(name, "share", *_digits(s.value, s.low, s.high), s.n) for name, s in shares]
        count = found.pairs.accuracy.n
        rows += [(name, "pairs", *_digits(*figures), count) for name, *figures in _pair_figures(found.pairs)]
    if found.versus is not None:
        good += [_bar("win rate", found.versus.rate), _bar("judge inconsistent", found.versus.inconsistent)]
    rows += [(one.metric.name, one.metric.kind.value, *_digits(one.value, *one.interval), one.n) for one in found.suite]
    if found.kl is not None:
        kl = found.kl
        rows.append(("KL to the reference", "nats per answer", *_digits(kl.value, kl.low, kl.high), kl.n))
    sections = [
        ("Alarms", "".join(report.paragraph(alarm) for alarm in found.alarms)),
        ("Preference and comparison", report.intervals(good, caption="Shares with 95 % intervals") if good else ""),
        ("Badness", report.intervals(bars, caption="Lower is better; 95 % intervals") if bars else ""),
        ("Figures", report.table(("metric", "counts", "value", "low", "high", "n"), rows) if rows else ""),
        ("The run", _curves(Path(args.model))),
    ]
    report.write_page(args.output, f"Evaluation of {args.model}", sections)


def _curves(folder: Path) -> str:
    """Proxy, second judge and distance over the steps of a run, when the folder is one that has them."""
    from alignment import report
    from alignment.runs.folder import RunFolder

    if not (folder / "run.json").is_file():
        return ""
    history = RunFolder.open(folder).history()
    if history and "ridge" in history[0]:  # heads that were solved have tried penalties, and no course over steps
        tried = [(entry["ridge"], *_digits(entry["loss"], entry["accuracy"])) for entry in history[:-1]]
        used = report.paragraph(f"The heads were solved with the penalty {history[-1]['ridge']:g}.")
        return used + report.table(("penalty", "loss on left-out pairs", "accuracy on left-out pairs"), tried)
    wanted: list[str] = ["score", "watch", "cost", "accuracy", "margin", "displacement", "loss"]
    names = [name for name in wanted if history and name in history[0]]
    series: dict[str, list[tuple[float, float]]] = {
        name: [(entry["step"], entry[name]) for entry in history if name in entry] for name in names[:4]
    }
    drawn = report.curves(series, caption="Over the steps of the run; each line has its own scale")
    if history and "kl" in history[0]:
        over: dict[str, list[tuple[float, float]]] = {
            name: [(math.sqrt(max(entry["kl"], 0.0)), entry[name]) for entry in history]
            for name in ("score", "watch")
            if name in history[0]
        }
        drawn += report.curves(over, caption="Proxy score and second judge over the square root of the KL")
    return drawn


def _digits(*values: float) -> list[str]:
    return [f"{value:.4f}" if math.isfinite(value) else "" for value in values]


def _bar(name: str, found: Share) -> Any:
    from alignment import report

    return report.Bar(name, found.value, found.low, found.high, found.n)


def _shown(share: Share) -> str:
    if share.n == 0:
        return "no such pair"
    return f"{share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n})"


def _finite(value: object) -> object:
    """JSON has no NaN: what could not be measured is null."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
