"""Measure a finished reward model or policy on preference pairs: every figure with its n and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from alignment.data.encode import EncodedPair, Encoder
from alignment.data.files import Row, read_rows
from alignment.data.judge import judge
from alignment.dpo import tree_of
from alignment.errors import UnusableData
from alignment.examinee import model_folder
from alignment.forward import Arithmetic, answer_rewards, answer_tokens
from alignment.models import load_policy, load_tokenizer
from alignment.reward import load_reward_model
from alignment.statistics import Share, accuracy, calibration_error, correlation, length_matched
from alignment.tensor.layout import lay_out
from alignment.tensor.logprob import segment_sums

LENGTH_ALARM = 0.3
_BATCH = 8


@dataclass(frozen=True, slots=True)
class PairReport:
    """How a model orders pairs of answers.

    judged_by: `reward`, or `likelihood` (mean log-probability per token; with a reference, the log-ratio of sums).
    accuracy, length_matched: share of pairs in the right order, and the same where both answers are about equally long.
    calibration_error: of sigmoid(margin); only for rewards. length_correlation: of score and length over all answers.
    perplexity: of the preferred answers, per token; only for likelihood.
    set_aside: rows of the file that were not measured (see `haechi data validate`).
    """

    judged_by: str
    accuracy: Share
    length_matched: Share
    calibration_error: float | None
    length_correlation: float
    perplexity: float | None
    set_aside: int

    @property
    def alarms(self) -> tuple[str, ...]:
        """What a reader should not overlook."""
        if abs(self.length_correlation) > LENGTH_ALARM:
            return (f"scores follow length (r = {self.length_correlation:+.2f})",)
        return ()

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
    arithmetic = Arithmetic(chunk=128, bf16=False, pad=int(tokenizer.pad_token_id))
    if is_reward_model(folder):
        model, _ = load_reward_model(folder)
        scores = _rewards(model.eval(), items, arithmetic)
        return _report("reward", items, scores, set_aside, perplexity=None)
    sums = _likelihoods(load_policy(folder, dtype=torch.float32).eval(), items, arithmetic)
    tokens = [(len(item.chosen), len(item.rejected)) for item in items]
    perplexity = float(torch.tensor([-c for c, _ in sums]).sum().div(sum(n for n, _ in tokens)).exp())
    if reference:
        base = _likelihoods(load_policy(model_folder(reference), dtype=torch.float32).eval(), items, arithmetic)
        scores = [(c - bc, r - br) for (c, r), (bc, br) in zip(sums, base, strict=True)]
    else:
        scores = [(c / n, r / m) for (c, r), (n, m) in zip(sums, tokens, strict=True)]
    return _report("likelihood", items, scores, set_aside, perplexity=perplexity)


def _report(
    by: str,
    items: Sequence[EncodedPair],
    scores: Sequence[tuple[float, float]],
    set_aside: int,
    *,
    perplexity: float | None,
) -> PairReport:
    margins = [chosen - rejected for chosen, rejected in scores]
    lengths = [(len(item.chosen), len(item.rejected)) for item in items]
    flat_scores = [score for pair in scores for score in pair]
    flat_lengths = [float(length) for pair in lengths for length in pair]
    return PairReport(
        by,
        accuracy(margins),
        length_matched(margins, lengths),
        calibration_error(margins) if by == "reward" else None,
        correlation(flat_scores, flat_lengths),
        perplexity,
        set_aside,
    )


def _items(data: Path, encoder: Encoder) -> tuple[list[EncodedPair], int]:
    rows: list[Row] = list(read_rows(data))
    items = [entry for entry in encoder.pairs(judge(rows).kept) if isinstance(entry, EncodedPair)]
    if not items:
        raise UnusableData(f"{data}: none of {len(rows)} rows can be measured", hint="haechi data validate says why")
    return items, len(rows) - len(items)


@torch.no_grad()  # type: ignore[untyped-decorator]  # torch is untyped here
def _rewards(model: Any, items: Sequence[EncodedPair], arithmetic: Arithmetic) -> list[tuple[float, float]]:
    out: list[tuple[float, float]] = []
    for start in range(0, len(items), _BATCH):
        layout = lay_out([tree_of(item) for item in items[start : start + _BATCH]], share=True, pad=arithmetic.pad)
        rewards, _ = answer_rewards(model, layout.to(model.device), arithmetic)
        out += [(float(c), float(r)) for c, r in rewards[:, 0].view(-1, 2).tolist()]
    return out


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
