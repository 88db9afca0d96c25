"""Make pairs by rule from ordinary text, in Korean, Chinese and English.

Rules of this file
1. The same data and seed give the same pairs.
2. What is measured (`held_out`) comes from other documents and other templates than what teaches.
3. Evidence is the sentence as it stood, alone or among its neighbours; only the claim is worked on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from guard.claims.facts import facts_of, words_of
from guard.training.stance.pairs import REFUTED, SUPPORTED, UNSURE, Pair, Part
from guard.training.stance.planted.dice import Dice
from guard.training.stance.planted.documents import Document, documents
from guard.training.stance.planted.edits import EDITS, Workshop, shape_of
from guard.training.stance.planted.rewordings import added, merged, reworded, shortened
from guard.training.stance.planted.tables import Half, tables
from haechi.base.text import Language

LANGUAGES: Final = (Language.ENGLISH, Language.KOREAN, Language.CHINESE)
TRUE_KINDS: Final = ("verbatim", "shortened", "merged", "reworded")
OTHER_KINDS: Final = ("same_document", "other_document", "close", "added")
_EDITED_TWICE: Final = 0.3
"""Share of taught edits that are made on a sentence already reworded."""
WIDENED: Final = "own_widened"
"""Begin of the source of pairs made with the widened tables."""
_LOOKED_AT: Final = 100
"""Sentences of other documents among which the closest is looked for."""
_UPWARD: Final = frozenset({"all", "모든", "所有", "全部"})
"""A quantifier raised to these is not refuted by less: the evidence may merely not say."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Most pairs of each kind and language."""

    edited: int
    true: int
    other: int


TAUGHT: Final = Amounts(edited=520, true=1000, other=700)
MEASURED: Final = Amounts(edited=60, true=120, other=50)


def planted_pairs(data: Path, seed: int, half: Half, amounts: Amounts | None = None) -> list[Pair]:
    """Pairs of every kind: those of the measure (part DEV) for HELD_OUT, else those that teach (FIT and BLEND).

    Raises:
        TrainingDataMissing: when the folder has no ordinary text.
    """
    held_out = half is Half.HELD_OUT
    chosen = amounts or (MEASURED if held_out else TAUGHT)
    found: list[Pair] = []
    everything = documents(data)
    for language in LANGUAGES:
        mine = [d for d in everything if d.language is language and (d.part is Part.DEV) is held_out]
        label = f"{language}:{held_out}" if half is not Half.WIDENED else f"{language}:{half}"
        shop = Workshop(tables(language, half), Dice(seed, label), _names(mine))
        found += _Maker(shop, mine, chosen).pairs()
    return found


def _names(docs: Sequence[Document]) -> dict[tuple[object, ...], list[str]]:
    pool: dict[tuple[object, ...], set[str]] = {}
    for doc in docs:
        for i in doc.usable:
            text = doc.sentences[i]
            for name in facts_of(text).names:
                pool.setdefault(shape_of(text, name), set()).add(text[name.start : name.end])
    return {shape: sorted(names) for shape, names in pool.items()}


class _Maker:
    """Makes the pairs of one language."""

    def __init__(self, shop: Workshop, docs: Sequence[Document], amounts: Amounts) -> None:
        self.shop = shop
        self.made: Counter[str] = Counter()
        self._known: dict[tuple[str, int], frozenset[str]] = {}
        self.limits: Mapping[str, int] = (
            dict.fromkeys(EDITS, amounts.edited)
            | dict.fromkeys(TRUE_KINDS, amounts.true)
            | dict.fromkeys(OTHER_KINDS, amounts.other)
        )
        self.sentences = shop.dice.shuffled([(doc, i) for doc in docs for i in doc.usable])

    def pairs(self) -> list[Pair]:
        """Every kind, up to its amount."""
        found: list[Pair] = []
        for doc, i in self.sentences:
            for pair in (*self._edited(doc, i), *self._true(doc, i), *self._other(doc, i)):
                if pair.kind == "verbatim" or pair.claim != pair.evidence:
                    self.made[pair.kind] += 1
                    found.append(pair)
        return found

    def _open(self, kinds: Iterable[str]) -> list[str]:
        """The kinds of which more are wanted, those of which fewest were made first."""
        return sorted((k for k in kinds if self.made[k] < self.limits[k]), key=lambda k: (self.made[k], k))

    def _edited(self, doc: Document, i: int) -> Iterator[Pair]:
        """Up to two edits of a sentence; the kinds of which fewest were made so far come first."""
        dice, text = self.shop.dice, doc.sentences[i]
        done = 0
        for kind in self._open(EDITS):
            base = text
            if not self.shop.tables.held_out and dice.chance(_EDITED_TWICE):
                base = reworded(text, self.shop) or text
            new = EDITS[kind](base, self.shop)
            if new is None or new == base:
                continue
            upward = kind == "quantifier" and any(w in new and w not in base for w in _UPWARD)
            yield self._pair(doc, new, self._around(doc, i), (REFUTED, UNSURE) if upward else (REFUTED,), kind)
            done += 1
            if done == 2:
                return

    def _true(self, doc: Document, i: int) -> Iterator[Pair]:
        wanted = self._open(TRUE_KINDS)
        if not wanted:
            return
        text, around = doc.sentences[i], self._around(doc, i)
        kind = self.shop.dice.pick(wanted)
        if kind == "verbatim":
            yield self._pair(doc, text, around, (SUPPORTED,), kind)
        elif kind == "merged":
            if i + 1 in doc.usable:
                both = f"{text} {doc.sentences[i + 1]}"
                yield self._pair(doc, merged(text, doc.sentences[i + 1], self.shop), both, (SUPPORTED,), kind)
        else:
            new = (shortened if kind == "shortened" else reworded)(text, self.shop)
            if new is not None:
                yield self._pair(doc, new, around, (SUPPORTED,), kind)

    def _other(self, doc: Document, i: int) -> Iterator[Pair]:
        wanted = self._open(OTHER_KINDS)
        if not wanted:
            return
        text, kind = doc.sentences[i], self.shop.dice.pick(wanted)
        if kind == "added":
            new = added(text, self.shop)
            if new is not None:
                yield self._pair(doc, new, self._around(doc, i), (UNSURE,), kind)
            return
        evidence = self._elsewhere(doc, i, kind)
        if evidence is not None and text not in evidence:
            yield self._pair(doc, text, evidence, (UNSURE,), kind)

    def _elsewhere(self, doc: Document, i: int, kind: str) -> str | None:
        dice = self.shop.dice
        if kind == "same_document":
            others = [j for j in range(len(doc.sentences)) if abs(j - i) >= 1]
            return doc.sentences[dice.pick(others)] if others else None
        if kind == "other_document":
            other, j = dice.pick(self.sentences)
            return None if other is doc else self._around(other, j)
        mine = words_of(doc.sentences[i])
        drawn = [dice.pick(self.sentences) for _ in range(_LOOKED_AT)]
        best = max(drawn, key=lambda one: len(mine & self._words(*one)) if one[0] is not doc else -1)
        return self._around(*best) if best[0] is not doc else None

    def _words(self, doc: Document, i: int) -> frozenset[str]:
        key = (doc.name, i)
        if key not in self._known:
            self._known[key] = words_of(doc.sentences[i])
        return self._known[key]

    def _around(self, doc: Document, i: int) -> str:
        """The sentence alone, or with one or two of its neighbours."""
        dice = self.shop.dice
        if dice.chance(0.4):
            return doc.sentences[i]
        low, high = max(0, i - dice.between(0, 1)), min(len(doc.sentences), i + 1 + dice.between(0, 1))
        return ("" if doc.language is Language.CHINESE else " ").join(doc.sentences[low:high])

    def _pair(self, doc: Document, claim: str, evidence: str, allowed: tuple[int, ...], kind: str) -> Pair:
        source = "own" if self.shop.tables.half is not Half.WIDENED else WIDENED
        return Pair(claim, evidence, allowed, doc.language, f"{source}_{doc.name.partition(':')[0]}", doc.part, kind)
