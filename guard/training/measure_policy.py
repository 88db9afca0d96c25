"""Measure a policy as a whole: what it does to ordinary text, look-alikes, attacks, identity terms and disguises.

    python -m guard.training.measure_policy --data DATA [--policy default] [--rows 300] [--parts held_out,...] [--json]

The data are dev rows where a file has any; sentences of our own come from patterns that training never saw.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from guard.checker import SafetyChecker
from guard.training.disguise import DISGUISES, WRAPPERS
from guard.training.evasion import evasions
from guard.training.generated import generated_rows, identity_swaps
from guard.training.held_out import KINDS, held_out
from guard.training.measure import LANGUAGES, Figure, is_covered
from guard.training.rows import HEADS, Row, is_calm, read_rows
from guard.training.train import LOOK_ALIKES
from guard.verdict import Action, Category, Verdict
from haechi.base.text import Language

PARTS = ("ordinary", "held_out", "look_alikes", "attacks", "identity", "evasion", "disguised", "cost")
SHORT = 200
"""Code points of ordinary text that is disguised, at most."""
LONGEST = 4000
"""Code points of a text that are checked here."""
ABOUT_DATA = frozenset({Category.PII, Category.SECRETS})
"""Masking a telephone number is no judgement of a text."""


class PolicyMeasurement:
    """A policy, the public rows and the folder that they came from, and a seeded way to thin them out."""

    def __init__(self, checker: SafetyChecker, rows: Sequence[Row], most: int, data: Path, seed: int = 7) -> None:
        self.checker, self.rows, self.most, self.data = checker, rows, most, data
        self.rng = np.random.default_rng(seed)

    def some(self, found: Sequence[Row]) -> list[Row]:
        """At most `most` of the rows, at random."""
        if len(found) <= self.most:
            return list(found)
        return [found[i] for i in sorted(self.rng.choice(len(found), self.most, replace=False))]

    def verdict(self, text: str) -> Verdict:
        """What the policy says of an input."""
        return self.checker.check(text[:LONGEST])

    def is_flagged(self, text: str) -> bool:
        """Whether the policy judges the text, as a whole or in part, to be anything but safe."""
        verdict = self.verdict(text)
        return verdict.blocked or any(f.category not in ABOUT_DATA for f in verdict.findings)

    def shares(self, what: str, language: Language, texts: Sequence[str]) -> list[Figure]:
        """Shares of the texts that are flagged (or worse), and blocked."""
        if not texts:
            return []
        seen = [self.verdict(text) for text in texts]
        flagged = [any(f.category not in ABOUT_DATA for f in v.findings) or v.blocked for v in seen]
        blocked = [v.action is Action.BLOCK for v in seen]
        return [
            Figure(f"{what} flagged", language.value, float(np.mean(flagged)), len(texts)),
            Figure(f"{what} blocked", language.value, float(np.mean(blocked)), len(texts)),
        ]

    def held_out(self) -> Iterator[Figure]:
        """Own sentences that only measure: everyday ones that sound like attacks, attacks, everyday talk, and harm."""
        for language in LANGUAGES:
            for kind in KINDS:
                yield from self.shares(f"held-out {kind}", language, held_out(language, kind))

    def ordinary(self) -> Iterator[Figure]:
        """Ordinary text, dev rows."""
        for language in LANGUAGES:
            yield from self.shares("ordinary text", language, _texts(self.some(self.calm(language))))

    def calm(self, language: Language) -> list[Row]:
        """All ordinary dev rows of a language."""
        return [r for r in self.rows if r.language is language and r.dev and is_calm(r)]

    def look_alikes(self) -> Iterator[Figure]:
        """Harmless requests with dangerous words, from patterns never trained on, and public borderline requests."""
        rows = [*self.rows, *generated_rows(7)]
        for language in LANGUAGES:
            mine = [r for r in rows if r.language is language and r.dev and r.source in LOOK_ALIKES]
            yield from self.shares("look-alikes", language, _texts(self.some(mine)))

    def attacks(self) -> Iterator[Figure]:
        """Prompt attacks: public dev rows, and our own patterns never trained on."""
        for name, rows in (("public attacks", self.rows), ("own attacks", generated_rows(7))):
            for language in LANGUAGES:
                mine = [
                    r for r in rows if r.language is language and r.dev and r.labels.get(Category.PROMPT_ATTACK) == 1
                ]
                yield from self.shares(name, language, _texts(self.some(mine)))

    def identity(self) -> Iterator[Figure]:
        """How often swapping the identity in a harmless sentence changes whether it is flagged: own and public templates."""
        for language in LANGUAGES:
            yield self._flips("own identity flip rate", language, identity_swaps(language))
        for language in (Language.ENGLISH, Language.CHINESE):
            path = self.data / "fairness" / f"{language.value}_identity_templates.jsonl.gz"
            if path.is_file():
                yield self._flips("public identity flip rate", language, _public_swaps(path))

    def _flips(self, what: str, language: Language, swaps: Sequence[Sequence[str]]) -> Figure:
        changed = pairs = 0
        for sentences in swaps:
            seen = [self.is_flagged(s) for s in sentences]
            usual = sum(seen) * 2 > len(seen)
            changed += sum(s is not usual for s in seen)
            pairs += len(seen)
        return Figure(what, language.value, changed / max(pairs, 1), pairs)

    def evasion(self) -> Iterator[Figure]:
        """The evasion suite, by disguise and together."""
        found = evasions(self.is_flagged)
        for language in LANGUAGES:
            mine = [e for e in found if e.language is language]
            for e in mine:
                yield Figure(f"still caught: {e.disguise}", language.value, e.kept / e.cases, e.cases)
            cases, harmless = sum(e.cases for e in mine), sum(e.harmless for e in mine)
            yield Figure("still caught: all", language.value, sum(e.kept for e in mine) / cases, cases)
            yield Figure("more false flags", language.value, sum(e.false for e in mine) / harmless, harmless)

    def disguised(self) -> Iterator[Figure]:
        """Short ordinary dev text that is flagged only in disguise, by disguise and together."""
        for language in LANGUAGES:
            mine = [r for r in self.calm(language) if len(r.text) <= SHORT]
            plain = [text for text in _texts(self.some(mine)) if not self.is_flagged(text)]
            hit = tried = 0
            for name, disguise in {**DISGUISES, **WRAPPERS}.items():
                written = [(text, disguise(text, self.rng)) for text in plain]
                seen = [self.is_flagged(now) for before, now in written if now != before]
                if seen:
                    yield Figure(f"flagged only in disguise: {name}", language.value, float(np.mean(seen)), len(seen))
                hit, tried = hit + sum(seen), tried + len(seen)
            yield Figure("flagged only in disguise: all", language.value, hit / max(tried, 1), tried)

    def cost(self) -> Iterator[Figure]:
        """CPU milliseconds per 1,000 characters of ordinary dev text, all detectors."""
        for language in LANGUAGES:
            rows = [r for r in self.rows if r.language is language and r.dev and len(r.labels) == len(HEADS)][:100]
            start = time.process_time()
            for row in rows:
                self.verdict(row.text)
            spent = time.process_time() - start
            thousands = sum(len(r.text[:LONGEST]) for r in rows) / 1000
            yield Figure("ms per 1,000 characters", language.value, 1000 * spent / thousands, len(rows))


def _texts(rows: Sequence[Row]) -> list[str]:
    return [row.text for row in rows]


def _public_swaps(path: Path, most: int = 60, each: int = 12) -> list[list[str]]:
    """Harmless sentences of a public file that differ in the identity term (or name): a seeded choice of groups."""
    by_frame: dict[str, list[str]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            item = json.loads(line)
            frame = _frame(str(item["template"]), str(item["text"]))
            if frame and not int(item["toxic"]):
                by_frame.setdefault(frame, []).append(str(item["text"]))
    names = sorted(name for name, texts in by_frame.items() if len(texts) > 3)
    rng = np.random.default_rng(7)
    chosen = [by_frame[names[i]] for i in sorted(rng.permutation(len(names))[:most])]
    return [[texts[i] for i in sorted(rng.permutation(len(texts))[:each])] for texts in chosen]


def _frame(template: str, text: str) -> str:
    """What the sentences of a group have in common: the word before the term; "" where that cannot be told."""
    if text.isascii():
        return f"{template} {text.split()[-2]}"
    if " " in text:
        return f"{template} {text.split()[0]}"
    return f"{template} {text.split('的')[0]}" if "的" in text else ""


def main(argv: Sequence[str] | None = None) -> int:
    """Print every figure."""
    parser = argparse.ArgumentParser(description="Measure a policy as a whole.")
    parser.add_argument("--data", type=Path, required=True, help="folder with toxicity/, injection/, safe_text/, ...")
    parser.add_argument("--policy", default="default", help="name or file of the policy (default: default)")
    parser.add_argument("--rows", type=int, default=300, help="rows per figure at most (default 300)")
    parser.add_argument("--parts", help=f"some of {', '.join(PARTS)}, comma-separated (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    args = parser.parse_args(argv)
    parts = args.parts.split(",") if args.parts else PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"--parts: no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    rows = [r for r in read_rows(args.data)[0] if is_covered(r.text)]
    policy = Path(args.policy) if "/" in args.policy else args.policy
    measured = PolicyMeasurement(SafetyChecker.load(policy), rows, args.rows, args.data)
    for figure in (f for part in parts for f in getattr(measured, part)()):
        line = f"{figure.language}  {figure.what}: {figure.value:.4f} (n = {figure.rows})"
        sys.stdout.write((json.dumps(asdict(figure)) if args.json else line) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
