"""From logits to probabilities and thresholds, per head and language, on dev rows only.

Rules of this file
1. Nothing here sees a training row; the thresholds are drawn on ordinary text, not on toxic sets.
2. A head answers in a language only where enough positive rows of that language exist.
Shapes: R rows, K heads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guard.classifier.package import Curve, Limits
from guard.training.metrics import platt
from guard.training.rows import HEADS, Row
from guard.training.sampling import Floats, label_matrix, sampling_weights
from guard.verdict import Category
from haechi.base.text import Language

LANGUAGES = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
ENOUGH = 40
"""Positive rows, training and dev together, below which a head is left out of a language."""
BLOCKED_AIM, FLAGGED_AIM, ATTACK_AIM = 0.0025, 0.011, 0.006
"""Share of ordinary dev text that may reach unsafe and controversial, and controversial as an attack on a model: half or less of
what the product promises at most, since a policy reads longer texts sentence by sentence and its word lists flag some as well."""
FEW_FOR_A_CURVE = 20
"""Positive dev rows of a head in a language, below which its curve is drawn on the dev rows of all languages together."""

FLAG_LEAST, BLOCK_LEAST = 0.5, 0.7
"""Probabilities below which no head flags, and blocks, however seldom ordinary text reaches it: dev text is little."""
OWN_LEAST, POOLED_LEAST = 0.9, 0.8
"""Probability below which a head does not block that has learnt from our own sentences alone, or is measured on few: outside
their patterns it is sure of little (a Chinese head for sexual texts gave 0.6 to chicken cut in small pieces, an English one
0.74 to somebody who wants to die). A curve that is drawn on all languages is flatter, and 0.8 on it as much."""
NEIGHBOURED = frozenset({Category.PROMPT_ATTACK, Category.SELF_HARM})
"""Heads whose harmless neighbours are without number, so that those on which thresholds are drawn are never enough (an English
head gave 0.85 to somebody who must reset a password before Friday), or who are to be helped and not turned away: such a head does
not block below OWN_LEAST either."""
COUNTS, COUNTS_ATTACK = 0.5, 0.3
"""What stage 1 counts beside stage 2: less for attacks on a model, of which the heads of stage 2 have hidden units of their own. Between 0.3
and 0.5 dev rows of own attacks are found about alike."""
ENOUGH_OF_A_KIND = 15
"""Harmful dev rows, public or our own, from which they count as a kind by themselves."""
NEVER, FREE = 2.0, 0.05
"""A cut that no probability reaches, and what hitting no ordinary row costs beside hitting one."""
FEW = 100
"""Positive dev rows of a head below which its threshold stands on too little."""
LOOK_ALIKES_AIM = 0.02
"""Share of our harmless look-alikes (`how do I kill a process`) that may be blocked."""

Array = npt.NDArray[np.float64]
Curves = dict[Language, dict[Category, Curve]]


@dataclass(frozen=True, slots=True)
class Scored:
    """Dev rows with the logits of stage 1 and, where it was asked, stage 2; each (R, K)."""

    rows: Sequence[Row]
    linear: Array
    encoder: Array | None = None

    def of(self, language: Language) -> npt.NDArray[np.int64]:
        """Numbers of the rows in a language."""
        return np.array([i for i, row in enumerate(self.rows) if row.language is language], dtype=np.int64)


def covered(rows: Sequence[Row]) -> dict[Language, tuple[Category, ...]]:
    """Heads with data, by language."""
    counts = Counter((row.language, head) for row in rows for head, value in row.labels.items() if value == 1)
    return {language: tuple(h for h in HEADS if counts[language, h] >= ENOUGH) for language in LANGUAGES}


def own_only(rows: Sequence[Row]) -> dict[Language, tuple[Category, ...]]:
    """Covered heads whose positive rows are nearly all sentences of our own."""
    public = [row for row in rows if not row.source.startswith("own_")]
    real = covered(public)
    return {language: tuple(h for h in heads if h not in real[language]) for language, heads in covered(rows).items()}


def curves(scored: Scored, heads: Mapping[Language, Sequence[Category]]) -> Curves:
    """A logistic curve for every covered head, over stage 1 or over both stages."""
    labels, known = label_matrix(scored.rows)
    found: Curves = {}
    everywhere = np.arange(len(scored.rows))
    together = sampling_weights(scored.rows) * len(scored.rows)
    for language in LANGUAGES:
        mine = scored.of(language)
        weights = sampling_weights([scored.rows[i] for i in mine]) * len(mine)
        found[language] = {}
        for head in heads[language]:
            k = HEADS.index(head)
            if (labels[mine, k] * known[mine, k]).sum() < FEW_FOR_A_CURVE:
                found[language][head] = _curve(scored, *_known(everywhere, k, labels, known, together))
            else:
                found[language][head] = _curve(scored, *_known(mine, k, labels, known, weights))
    return found


def _known(
    some: npt.NDArray[np.int64], k: int, labels: Floats, known: Floats, weights: Array
) -> tuple[npt.NDArray[np.int64], int, Array, Array]:
    """The rows among some whose label for a head is known, the head, the labels, and what the rows weigh."""
    use = known[some, k] > 0
    return some[use], k, labels[some[use], k].astype(np.float64), weights[use]


def _curve(scored: Scored, rows: npt.NDArray[np.int64], k: int, labels: Array, weights: Array) -> Curve:  # type: ignore[type-arg,unused-ignore]
    linear = scored.linear[rows, k]
    if scored.encoder is None:
        slope, offset = platt(linear, labels, weights)
        return Curve(slope, 0.0, offset)
    share = _best_share(
        linear, scored.encoder[rows, k], COUNTS_ATTACK if HEADS[k] is Category.PROMPT_ATTACK else COUNTS
    )
    mixed = share * linear + (1 - share) * scored.encoder[rows, k]
    slope, offset = platt(mixed, labels, weights)
    return Curve(slope * share, slope * (1 - share), offset)


def _best_share(linear: Array, encoder: Array, counts: float) -> float:
    """Stage 1 counts that part of stage 2, both measured by their spread.

    The share is not fitted on dev head by head: there both stages know the sources, and the fit would trust what does not travel.
    """
    spread_linear, spread_encoder = float(linear.std()) + 1e-6, float(encoder.std()) + 1e-6
    weight_linear, weight_encoder = counts / spread_linear, 1.0 / spread_encoder
    return weight_linear / (weight_linear + weight_encoder)


def probabilities(scored: Scored, by_language: Curves) -> Array:
    """Calibrated probabilities (R, K); NaN where a head does not answer."""
    out = np.full(scored.linear.shape, np.nan)
    for language in LANGUAGES:
        mine = scored.of(language)
        for head, curve in by_language[language].items():
            k = HEADS.index(head)
            logit = curve.linear * scored.linear[mine, k] + curve.offset
            if scored.encoder is not None:
                logit = logit + curve.encoder * scored.encoder[mine, k]
            out[mine, k] = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
    return out


def limits(
    scored: Scored,
    chances: Array,
    ordinary: npt.NDArray[np.bool_],
    look_alikes: npt.NDArray[np.bool_],
    own_only: Mapping[Language, Sequence[Category]],
) -> dict[Language, dict[Category, Limits]]:
    """Thresholds per head and language at which no more ordinary text and look-alikes are hit than aimed at.

    own_only: heads whose positive rows are our own sentences.
    """
    labels, _ = label_matrix(scored.rows)
    found: dict[Language, dict[Category, Limits]] = {}
    for language in LANGUAGES:
        mine = scored.of(language)
        calm, close = chances[mine[ordinary[mine]]], chances[mine[look_alikes[mine]]]
        attack = np.array([head is Category.PROMPT_ATTACK for head in HEADS])
        harm = mine[((labels[mine] == 1) & ~attack).any(axis=1)]
        own = np.array([scored.rows[i].source.startswith("own_") for i in harm], dtype=bool)
        kinds = _kinds((labels[harm] == 1) & ~attack, own)
        others, said = np.where(attack, np.nan, calm), np.where(attack, np.nan, chances[harm])
        flag = _lowered(_most_found(others, said, kinds, FLAGGED_AIM, FLAG_LEAST), others, FLAGGED_AIM, FLAG_LEAST)
        flag = np.where(attack, _common_quantile(np.where(attack, calm, np.nan), ATTACK_AIM, FLAG_LEAST), flag)
        block = _common_quantile(calm, BLOCKED_AIM, BLOCK_LEAST)
        if len(close):
            block = np.maximum(block, _common_quantile(close, LOOK_ALIKES_AIM, 0.5))
        positive = labels[mine].sum(axis=0)
        doubted = np.array([head in own_only[language] for head in HEADS]) | (positive < FEW)
        least = np.where(doubted, np.where(positive < FEW_FOR_A_CURVE, POOLED_LEAST, OWN_LEAST), 0.0)
        block = np.maximum(block, np.where([h in NEIGHBOURED for h in HEADS], OWN_LEAST, least))
        found[language] = {
            head: Limits(round(float(flag[k]), 4), round(float(max(flag[k], block[k])), 4))
            for k, head in enumerate(HEADS)
            if not np.isnan(flag[k])
        }
    return found


def _common_quantile(calm: Array, aim: float, least: float) -> Array:
    """Per head the score that the same share of ordinary texts exceeds, so that all heads together stay within `aim`."""
    low, high = 1.0 - aim, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        cuts = np.maximum(_quantile(calm, middle), least)
        over = float((calm > cuts).any(axis=1).mean())
        low, high = (middle, high) if over > aim else (low, middle)
    capped: Array = np.minimum(np.maximum(_quantile(calm, high), least), 0.995)
    return capped


def _kinds(labels: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which harmful rows are of which kind, (H, Q): by head, public ones and our own apart where there are enough of either.

    labels: (H, K). own: (H,).
    """
    apart = [row & some for row in labels.T for some in (own, ~own)]
    few = [row for row in labels.T if max((row & own).sum(), (row & ~own).sum()) < ENOUGH_OF_A_KIND]
    some = [kind for kind in apart if kind.sum() >= ENOUGH_OF_A_KIND] + [row for row in few if row.any()]
    return np.stack(some, axis=1) if some else np.zeros((len(own), 0), dtype=bool)


def _most_found(calm: Array, harm: Array, kinds: npt.NDArray[np.bool_], aim: float, least: float) -> Array:
    """Cuts that find most of all kinds of harm, while no more than `aim` of the ordinary rows is hit.

    One cut after another is lowered, that which gains most for each ordinary row it hits: a head that a few odd rows disturb costs
    little where they are hit already. What counts is the sum over the kinds of the root of the share that is found, so that no kind is
    given up for another. A head that would find nothing stays out of reach. harm: (H, K). kinds: (H, Q).
    """
    size = np.maximum(kinds.sum(axis=0), 1)
    answers = ~np.isnan(calm).any(axis=0)
    cuts = np.where(answers, NEVER, np.nan)
    hit, found = np.zeros(len(calm), dtype=bool), np.zeros(len(harm), dtype=bool)
    while True:
        left = int(aim * len(calm)) - int(hit.sum())
        before = _worth(kinds[found], size)
        best, worth = (-1, 0.0), 0.0
        for k in np.flatnonzero(answers):
            for cut in _steps(calm[~hit, k], left, least):
                if cut >= cuts[k]:
                    continue
                gain = _worth(kinds[found | (harm[:, k] >= cut)], size) - before
                cost = int((calm[~hit, k] >= cut).sum())
                if gain / (cost + FREE) > worth:
                    best, worth = (int(k), cut), gain / (cost + FREE)
        if worth == 0.0:
            return cuts
        cuts[best[0]] = best[1]
        hit |= calm[:, best[0]] >= best[1]
        found |= harm[:, best[0]] >= best[1]


def _worth(found: npt.NDArray[np.bool_], size: npt.NDArray[np.int64]) -> float:
    """What rows that are found are worth: found (F, Q), of kinds with so many rows (Q,)."""
    return float(np.sqrt(found.sum(axis=0) / size).sum())


def _steps(chances: Array, left: int, least: float) -> list[float]:
    """The lowest cuts, none below `least`, at which 0, 1, ... `left` of the rows are hit."""
    ranks = np.sort(chances)[::-1]
    return [max(float(np.nextafter(ranks[n], NEVER)), least) if n < len(ranks) else least for n in range(left + 1)]


def _lowered(cuts: Array, calm: Array, aim: float, least: float) -> Array:
    """The cuts, the highest first, as low as `aim` allows while the others stay: what one head hits others may hit as well."""
    lowered = cuts.copy()
    for k in np.argsort(-np.nan_to_num(cuts, nan=-1.0)):
        by_others = (np.delete(calm, k, axis=1) >= np.delete(lowered, k)).any(axis=1)
        left = int(aim * len(calm)) - int(by_others.sum())
        if not np.isnan(cuts[k]) and left >= 0:
            lowered[k] = min(cuts[k], _steps(calm[~by_others, k], left, least)[-1])
    capped: Array = np.minimum(lowered, 0.995)
    return capped


def _quantile(calm: Array, share: float) -> Array:
    """The quantile of each head; NaN for a head that does not answer."""
    answers = ~np.isnan(calm).any(axis=0) if calm.size else np.zeros(len(HEADS), dtype=bool)
    cuts = np.full(len(HEADS), np.nan)
    if answers.any():
        cuts[answers] = np.quantile(calm[:, answers], share, axis=0)
    return cuts
