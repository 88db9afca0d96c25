"""Judge a file of preference pairs: each row is kept, refused or set aside, and told why by its line.

Toolkits train without a word on identical, contradictory, empty and unreadable rows; this is where they stop.
One pass over the rows, one more over the keys; nothing is tokenised here (see alignment.data.encode for that part).
"""

from __future__ import annotations

import enum
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from alignment.data.files import Row
from alignment.data.fingerprint import Key, pair_key, prompt_key
from alignment.data.rows import Pair, Reason, Refusal, read_pair

UNREADABLE_SHARE = 0.3
LENGTH_BIAS_SHARE = 0.6  # of pairs in which one side is longer; HH harmless has 55.5 %, which is remarked upon by none
_JUNK = re.compile(r"[\ufffd\ufffe\uffff\ue000-\uf8ff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")
_LOOK = 400  # characters; enough to name a script


class Weight(enum.StrEnum):
    """What a finding does to its row."""

    REFUSED = "refused"  # not training data
    SET_ASIDE = "set_aside"  # nothing wrong with it, but it is there already
    REMARK = "remark"  # kept; look at it


_REMARKS = frozenset({Reason.LANGUAGE, Reason.LENGTH_BIAS})
_COPIES = frozenset({Reason.DUPLICATE, Reason.NEAR_DUPLICATE})


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark about one row (line 0: about the file). `other` is the line it clashes with, or 0."""

    line: int
    reason: Reason
    detail: str
    other: int = 0

    @property
    def weight(self) -> Weight:
        """What it does to its row."""
        if self.reason in _REMARKS:
            return Weight.REMARK
        return Weight.SET_ASIDE if self.reason in _COPIES else Weight.REFUSED


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on a file.

    rows: rows read, blank lines not counted.
    kept: pairs fit for training, in file order.
    chosen_longer: share of kept pairs of unequal length whose chosen answer is longer; NaN without any.
    """

    rows: int
    kept: tuple[Pair, ...]
    findings: tuple[Finding, ...]
    chosen_longer: float

    @property
    def refused(self) -> int:
        """Rows that are not training data."""
        return len({f.line for f in self.findings if f.weight is Weight.REFUSED})

    @property
    def set_aside(self) -> int:
        """Rows that repeat an earlier one."""
        return self.rows - len(self.kept) - self.refused

    def counts(self) -> dict[str, int]:
        """Findings per reason."""
        return dict(sorted(Counter(str(f.reason) for f in self.findings).items()))


@dataclass(slots=True)
class _Seen:
    """The first row that said this, word for word or nearly."""

    pair: Pair
    contradicted: bool = False


@dataclass(slots=True)
class _Book:
    findings: list[Finding] = field(default_factory=list)
    kept: dict[int, Pair] = field(default_factory=dict)
    seen: dict[Key, _Seen] = field(default_factory=dict)

    def refuse(self, line: int, reason: Reason, detail: str, other: int = 0) -> None:
        self.findings.append(Finding(line, reason, detail, other))


def judge(rows: Iterable[Row], *, held_out: frozenset[Key] = frozenset(), consent_needed: bool = False) -> Judgement:
    """Judge every row of a file.

    held_out: prompt keys of evaluation data; a row with one of them is refused as leakage.
    consent_needed: refuse rows without `"consent": true`, as data from traffic must have it.
    """
    book, count = _Book(), 0
    for row in rows:
        count += 1
        pair = _readable(row, book, consent_needed=consent_needed)
        if pair is not None:
            key = prompt_key(pair.prompt)
            if key in held_out:
                book.refuse(pair.line, Reason.LEAKAGE, "the prompt is part of the evaluation data")
            else:
                _compare(pair, key, book)
    kept = tuple(book.kept.values())
    share = _chosen_longer(kept)
    if len(kept) >= 100 and max(share, 1 - share) > LENGTH_BIAS_SHARE:
        side = "chosen" if share > 0.5 else "rejected"
        detail = f"the {side} answer is the longer one in {max(share, 1 - share):.1%} of pairs; length may be what is learned"
        book.refuse(0, Reason.LENGTH_BIAS, detail)
    return Judgement(count, kept, tuple(sorted(book.findings, key=lambda f: (f.line, f.reason))), share)


def prompt_keys(rows: Iterable[Row]) -> frozenset[Key]:
    """The prompt keys of an evaluation file of pairs, for `held_out`."""
    pairs = (read_pair(row.value, row.line) for row in rows)
    return frozenset(prompt_key(pair.prompt) for pair in pairs if isinstance(pair, Pair))


def _readable(row: Row, book: _Book, *, consent_needed: bool) -> Pair | None:
    if row.problem:
        book.refuse(row.line, Reason.SCHEMA, row.problem)
        return None
    pair = read_pair(row.value, row.line)
    if isinstance(pair, Refusal):
        book.refuse(pair.line, pair.reason, pair.detail)
        return None
    if consent_needed and not (isinstance(row.value, Mapping) and row.value.get("consent") is True):
        book.refuse(row.line, Reason.CONSENT, 'the row does not say `"consent": true`')
        return None
    fault = _fault(pair)
    if fault is not None:
        book.findings.append(fault)
        return None
    strange = _language(pair)
    if strange is not None:
        book.findings.append(strange)
    return pair


def _fault(pair: Pair) -> Finding | None:
    if pair.chosen.strip() == pair.rejected.strip():
        return Finding(pair.line, Reason.IDENTICAL, "the two answers are the same")
    prompt = "".join(message.content for message in pair.prompt)
    for name, text in (("prompt", prompt), ("chosen", pair.chosen), ("rejected", pair.rejected)):
        if len(_JUNK.findall(text)) >= UNREADABLE_SHARE * len(text):
            return Finding(pair.line, Reason.UNREADABLE, f"`{name}` is mostly characters that stand for nothing")
    return None


def _compare(pair: Pair, prompt: Key, book: _Book) -> None:
    """Keep the pair unless an earlier row says the same or the opposite."""
    reverse = book.seen.get(pair_key(prompt, pair.rejected, pair.chosen))
    if reverse is not None:
        other = reverse.pair.line
        book.refuse(pair.line, Reason.CONTRADICTORY, "an earlier row prefers the other answer", other)
        if not reverse.contradicted:
            book.refuse(other, Reason.CONTRADICTORY, "a later row prefers the other answer", pair.line)
            reverse.contradicted = True
            book.kept.pop(other, None)
        return
    same = book.seen.setdefault(pair_key(prompt, pair.chosen, pair.rejected), _Seen(pair))
    if same.pair is pair:
        book.kept[pair.line] = pair
        return
    exact = (same.pair.prompt, same.pair.chosen, same.pair.rejected) == (pair.prompt, pair.chosen, pair.rejected)
    reason = Reason.DUPLICATE if exact else Reason.NEAR_DUPLICATE
    detail = "the same row stands earlier" if exact else "an earlier row differs only in case or spaces"
    book.refuse(pair.line, reason, detail, same.pair.line)


def _script(text: str) -> str:
    head = text[:_LOOK]
    counts = {"ko": len(_HANGUL.findall(head)), "zh": len(_HAN.findall(head)), "latin": len(_LATIN.findall(head)) / 3}
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] >= 4 else ""


def _language(pair: Pair) -> Finding | None:
    if pair.chosen.isascii() and pair.rejected.isascii():
        return None
    chosen, rejected = _script(pair.chosen), _script(pair.rejected)
    if chosen and rejected and chosen != rejected:
        return Finding(pair.line, Reason.LANGUAGE, f"the answers are in different scripts ({chosen}, {rejected})")
    return None


def _chosen_longer(pairs: tuple[Pair, ...]) -> float:
    unequal = [pair for pair in pairs if len(pair.chosen) != len(pair.rejected)]
    return sum(len(pair.chosen) > len(pair.rejected) for pair in unequal) / len(unequal) if unequal else math.nan
