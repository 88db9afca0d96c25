"""Measure a finished reward model or policy on preference pairs: every figure with its n and interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alignment.data.encode import EncodedPair, Encoder
from alignment.data.files import Row, read_rows
from alignment.data.fingerprint import row_hash
from alignment.data.judge import judge
from alignment.data.lineage import trained_rows_of
from alignment.dpo import tree_of
from alignment.errors import UnusableData
from alignment.examinee import model_folder
from alignment.forward import Arithmetic, answer_rewards, answer_tokens
from alignment.models import load_policy, load_tokenizer
from alignment.reward import COST, Scale, load_reward_model
from alignment.statistics import (
    Share,
    accuracy,
    by_length,
    calibration_error,
    calibration_interval,
    correlation,
    correlation_interval,
    length_matched,
    ratio_interval,
)
from alignment.tensor.layout import lay_out
from alignment.tensor.logprob import segment_sums

LENGTH_ALARM = 0.3
_BATCH = 8


@dataclass(frozen=True, slots=True)
class PairReport:
    """How a model orders pairs of answers.

    judged_by: `reward`, or `likelihood` (mean log-probability per token; with a reference, the log-ratio of sums).
    accuracy, length_matched: share of pairs in the right order, and the same where both answers are about equally long.
    longer, shorter: the same where the preferred answer is the longer, or the shorter one.
    heads: the same for the rows of each head, when a reward model has several.
    calibration_error: of sigmoid(margin); only for rewards. length_correlation: of score and length over all answers.
    perplexity: of the preferred answers, per token; only for likelihood.
    intervals: 95 % intervals of the three figures that are no shares, those that were measured.
    set_aside: rows of the file that were not measured (see `haechi data validate`).
    trained_on: rows of the file that the run learned from, by its record; 0 where there is no record.
    """

    judged_by: str
    accuracy: Share
    length_matched: Share
    longer: Share
    shorter: Share
    heads: Mapping[str, Share]
    calibration_error: float | None
    length_correlation: float
    perplexity: float | None
    intervals: Mapping[str, tuple[float, float]]
    set_aside: int
    trained_on: int = 0

    @property
    def alarms(self) -> tuple[str, ...]:
        """What a reader should not overlook."""
        found = []
        if self.trained_on:
            found.append(f"{self.trained_on} of these rows were trained on: the figures say little about others")
        if abs(self.length_correlation) > LENGTH_ALARM:
            found.append(f"scores follow length (r = {self.length_correlation:+.2f})")
        return tuple(found)

    def as_object(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "alarms": list(self.alarms)}


def evaluate(path: str, data: Path, *, reference: str = "", max_tokens: int = 1024) -> PairReport:
    """Measure the model of a finished run, or in a folder, on a file of pairs.

    reference: for a policy, the model it started from; pairs are then judged by how much it moved, as DPO means it.

    Raises:
        UnusableData: no pair of the file can be measured.
        UnusableModel: a model cannot be loaded.
    """
    folder = model_folder(path)
    tokenizer = load_tokenizer(folder)
    items, set_aside = _items(data, Encoder(tokenizer, max_tokens=max_tokens))
    report = _measured(path, folder, tokenizer, items, set_aside, reference)
    learned = trained_rows_of(Path(path)) or trained_rows_of(Path(path).parent)  # RUN, or RUN/model
    return replace(report, trained_on=sum(row_hash(pair) in learned for pair in judge(read_rows(data)).kept))


def _measured(
    path: str, folder: str, tokenizer: Any, items: Sequence[EncodedPair], set_aside: int, reference: str
) -> PairReport:
    arithmetic = Arithmetic(chunk=128, bf16=False, pad=int(tokenizer.pad_token_id))
    if is_reward_model(folder):
        model, scale = load_reward_model(folder)
        columns = _columns(items, scale.heads, path)
        signs = [-1.0 if scale.heads[column] == COST else 1.0 for column in columns]
        scores = _rewards(model.eval(), items, columns, signs, arithmetic)
        report = _report("reward", items, scores, set_aside, scale=(scale, columns))
        if len(scale.heads) > 1:
            margins = [(column, chosen - rejected) for column, (chosen, rejected) in zip(columns, scores, strict=True)]
            heads = {name: accuracy([m for at, m in margins if at == n]) for n, name in enumerate(scale.heads)}
            report = replace(report, heads=heads)
        return report
    sums = _likelihoods(load_policy(folder, dtype=torch.float32).eval(), items, arithmetic)
    tokens = [(len(item.chosen), len(item.rejected)) for item in items]
    if reference:
        base = _likelihoods(load_policy(model_folder(reference), dtype=torch.float32).eval(), items, arithmetic)
        scores = [(c - bc, r - br) for (c, r), (bc, br) in zip(sums, base, strict=True)]
    else:
        scores = [(c / n, r / m) for (c, r), (n, m) in zip(sums, tokens, strict=True)]
    report = _report("likelihood", items, scores, set_aside)
    lost, counts = [-chosen for chosen, _ in sums], [n for n, _ in tokens]
    low, high = ratio_interval(lost, counts)
    return replace(
        report,
        perplexity=math.exp(math.fsum(lost) / sum(counts)),
        intervals={**report.intervals, "perplexity": (math.exp(low), math.exp(high))},
    )


def _report(
    by: str,
    items: Sequence[EncodedPair],
    scores: Sequence[tuple[float, float]],
    set_aside: int,
    *,
    scale: tuple[Scale, Sequence[int]] | None = None,
) -> PairReport:
    """scale: of a reward model, and the head of each item: heads have units of their own, which length is not held against."""
    margins = [chosen - rejected for chosen, rejected in scores]
    lengths = [(len(item.chosen), len(item.rejected)) for item in items]
    units = [scale[0].deviation[column] for column in scale[1]] if scale else [1.0] * len(items)
    flat_scores = [score / unit for pair, unit in zip(scores, units, strict=True) for score in pair]
    flat_lengths = [float(length) for pair in lengths for length in pair]
    r = correlation(flat_scores, flat_lengths)
    longer, shorter = by_length(margins, lengths)
    intervals = {"length_correlation": correlation_interval(r, len(items))}
    if by == "reward":
        intervals["calibration_error"] = calibration_interval(margins)
    return PairReport(
        judged_by=by,
        accuracy=accuracy(margins),
        length_matched=length_matched(margins, lengths),
        longer=longer,
        shorter=shorter,
        heads={},
        calibration_error=calibration_error(margins) if by == "reward" else None,
        length_correlation=r,
        perplexity=None,
        intervals=intervals,
        set_aside=set_aside,
    )


def _columns(items: Sequence[EncodedPair], heads: Sequence[str], path: str) -> list[int]:
    """The head that each row speaks for; a model with one head is asked for that, whatever the rows call theirs."""
    if len(heads) == 1:
        return [0] * len(items)
    for item in items:
        if item.head not in heads:
            raise UnusableData(
                f"line {item.line} speaks for the head {item.head!r}, which {path} does not have",
                hint=f"give rows `head`, one of: {', '.join(heads)}",
            )
    return [heads.index(item.head) for item in items]


def _items(data: Path, encoder: Encoder) -> tuple[list[EncodedPair], int]:
    rows: list[Row] = list(read_rows(data))
    items = [entry for entry in encoder.pairs(judge(rows).kept) if isinstance(entry, EncodedPair)]
    if not items:
        raise UnusableData(f"{data}: none of {len(rows)} rows can be measured", hint="haechi data validate says why")
    return items, len(rows) - len(items)


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def _rewards(
    model: Any, items: Sequence[EncodedPair], columns: Sequence[int], signs: Sequence[float], arithmetic: Arithmetic
) -> list[tuple[float, float]]:
    """Each pair's scores by its own head, higher meaning better: the sign of a cost is turned."""
    out: list[tuple[float, float]] = []
    for start in range(0, len(items), _BATCH):
        layout = lay_out([tree_of(item) for item in items[start : start + _BATCH]], share=True, pad=arithmetic.pad)
        rewards, _ = answer_rewards(model, layout.to(model.device), arithmetic)
        out += [(pair[0], pair[1]) for pair in _own(rewards, columns[start : start + _BATCH])]
    return [(sign * c, sign * r) for sign, (c, r) in zip(signs, out, strict=True)]


def _own(rewards: Tensor, columns: Sequence[int]) -> list[list[float]]:
    """(B, 2) of each pair, from the rewards (2 B, heads) of its answers, by its own head."""
    pairs = rewards.view(len(columns), 2, -1)
    own: list[list[float]] = pairs[torch.arange(len(columns)), :, torch.tensor(columns)].tolist()
    return own


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def _likelihoods(model: Any, items: Sequence[EncodedPair], arithmetic: Arithmetic) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start in range(0, len(items), _BATCH):
        layout = lay_out([tree_of(item) for item in items[start : start + _BATCH]], share=True, pad=arithmetic.pad)
        layout = layout.to(model.device)
        tokens = answer_tokens(model, layout, arithmetic)
        sums = segment_sums(tokens.logps, layout.segments, layout.answers).view(-1, 2)
        out += [(float(c), float(r)) for c, r in sums.tolist()]
    return out


def is_reward_model(folder: str) -> bool:
    """Whether a folder holds a reward model of ours."""
    config = Path(folder) / "config.json"
    return config.is_file() and "haechi_reward" in config.read_text("utf-8")
