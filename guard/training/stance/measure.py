"""Measure the stance model on pairs that taught it nothing, beside what lexical overlap alone tells.

    python -m guard.training.stance.measure --data DATA [--weights FOLDER] [--json FILE]

Labelled pairs: the dev parts in `facts/`, and for Chinese the pairs written by hand. Planted pairs: other documents and
other templates than those that taught. Every figure comes with its number of pairs and a 95 % interval.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from guard.claims.stance import FOLDER, EmbeddedStance, load
from guard.claims.stance_package import LANGUAGES, Blend
from guard.classifier import load as load_classifier
from guard.classifier.encoder import END, WINDOW
from guard.training.errors import TrainingDataMissing
from guard.training.metrics import auroc, auroc_interval, calibration_error
from guard.training.stance.baseline import baseline
from guard.training.stance.blend import Read, read_all
from guard.training.stance.pairs import REFUTED, SUPPORTED, Pair, Part, read_pairs
from guard.training.stance.planted.edits import EDITS
from guard.training.stance.planted.generate import OTHER_KINDS, TRUE_KINDS, planted_pairs
from guard.training.stance.planted.tables import Half
from guard.training.stance.written import written_pairs
from haechi.base.text import Language

Array = npt.NDArray[np.float64]
MOST: Final = 600
"""Labelled pairs of one file that are measured."""
TIMED: Final = 120
"""Pairs whose time is taken."""
AHEAD: Final = 0.10
"""By how much refuted AUROC, over labelled and planted pairs, must be above the baseline's for a language to be judged."""
_WITH_PLANTED: Final = "with planted"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Figures of one set of labelled pairs. half: half widths of the 95 % intervals of accuracy and AUROC."""

    name: str
    pairs: int
    accuracy: float
    accuracy_half: float
    refuted: float
    refuted_half: float
    error: float
    plain_accuracy: float
    plain_refuted: float


@dataclass(frozen=True, slots=True)
class Planted:
    """What became of one kind of planted pair. flagged: share that is not called supported; refuted: share refuted."""

    language: Language
    kind: str
    pairs: int
    flagged: float
    flagged_half: float
    refuted: float


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU time of one pair, medians, in milliseconds: when it is new, and when its texts were read before.

    one_pass: of the classifier's encoder over as many tokens, in the same run.
    """

    new: float
    again: float
    one_pass: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything measured."""

    labelled: tuple[Labelled, ...]
    planted: tuple[Planted, ...]
    cost: Cost

    def languages(self) -> tuple[Language, ...]:
        """The languages judged better than by lexical overlap: on labelled pairs, and by AHEAD with the planted ones."""
        by_name = {f.name: f for f in self.labelled}

        def ahead(name: str, by: float) -> bool:
            return name in by_name and by_name[name].refuted > by_name[name].plain_refuted + by

        return tuple(one for one in LANGUAGES if ahead(one, 0.0) and ahead(f"{one} {_WITH_PLANTED}", AHEAD))


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured. labelled: public dev pairs and the written ones. planted: with held-out templates.

    taught: labelled pairs that the baseline may learn from.
    """

    labelled: tuple[Pair, ...]
    planted: tuple[Pair, ...]
    taught: tuple[Pair, ...]


def asked(data: Path, seed: int) -> Asked:
    """The pairs to measure.

    Raises:
        TrainingDataMissing: when the folder lacks them.
    """
    pairs, _ = read_pairs(data)
    dev = _thinned([p for p in pairs if p.part is Part.DEV], MOST, seed)
    taught = [p for p in (*pairs, *written_pairs(measured=False)) if p.part is not Part.DEV]
    planted = planted_pairs(data, seed, Half.HELD_OUT)
    return Asked((*dev, *written_pairs(measured=True)), tuple(planted), tuple(taught))


def measure(model: EmbeddedStance, data: Path, seed: int) -> Figures:
    """Every figure. The answers are those of the product, whatever `model.languages()` says."""
    what = asked(data, seed)
    spent = cost(model, what.planted, seed)
    read = read_all(model.reader, [*what.labelled, *what.planted])
    return figures_of(read, model.blend, what, spent)


def cost(model: EmbeddedStance, pairs: Sequence[Pair], seed: int) -> Cost:
    """What one pair costs, over TIMED of the pairs."""
    encoder = load_classifier().encoder
    if encoder is None:
        raise TrainingDataMissing("the classifier has no encoder to compare with", hint="reinstall haechi")
    times = []
    for i in np.random.default_rng((seed, 12)).permutation(len(pairs))[:TIMED]:
        pair = pairs[i]
        tokens = len(encoder.words.tokenizer.encode(f"{pair.claim} {pair.evidence}").ids)
        vectors = encoder.words.embeddings.vectors([END] * min(tokens, WINDOW))
        judged = partial(judge, model, pair)
        times.append((_spent(judged), _spent(judged), _spent(partial(encoder.judged, vectors))))
    return Cost(*(float(v) for v in np.median(np.array(times), axis=0)))


def judge(model: EmbeddedStance, pair: Pair) -> Array:
    """The product's answer for a pair, whatever `model.languages()` says, (3,)."""
    logits, features = model.reader.read(pair.claim, pair.evidence, pair.language)
    return model.blend.chances(logits, features, pair.language)


def _spent(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return 1000 * (time.process_time() - began)


def figures_of(read: Read, blend: Blend, what: Asked, spent: Cost) -> Figures:
    """The figures of pairs that were read: the labelled ones first, then the planted ones."""
    chances = read.chances(blend)
    plain = np.zeros_like(chances)
    for language in LANGUAGES:
        teaching = [p for p in what.taught if p.language is language]
        mine = [i for i, p in enumerate(read.pairs) if p.language is language]
        plain[mine] = baseline(teaching, [read.pairs[i] for i in mine])
    count = len(what.labelled)
    return Figures(tuple(_labelled(read, chances, plain, count)), tuple(_planted(read, chances, count)), spent)


def _thinned(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most `most` pairs of each source, at random."""
    kept: list[Pair] = []
    for source in sorted({p.source for p in pairs}):
        mine = [p for p in pairs if p.source == source]
        order = np.random.default_rng((seed, 11)).permutation(len(mine))[:most]
        kept += [mine[i] for i in sorted(order)]
    return kept


def _labelled(read: Read, chances: Array, plain: Array, dev: int) -> Iterator[Labelled]:
    groups: dict[str, list[int]] = {}
    for i, pair in enumerate(read.pairs):
        if i < dev:
            groups.setdefault(pair.source, []).append(i)
        if i < dev and len(pair.allowed) == 1:
            groups.setdefault(str(pair.language), []).append(i)
        if len(pair.allowed) == 1:
            groups.setdefault(f"{pair.language} {_WITH_PLANTED}", []).append(i)
    for name in sorted(groups, key=lambda g: (g.split(" ")[0] not in set(Language), g)):
        mine = groups[name]
        refuted = [read.pairs[i].allowed == (REFUTED,) for i in mine]
        if not any(refuted):
            refuted = [SUPPORTED not in read.pairs[i].allowed for i in mine]
            scores, others = 1 - chances[mine, SUPPORTED], 1 - plain[mine, SUPPORTED]
        else:
            scores, others = chances[mine, REFUTED], plain[mine, REFUTED]
        right = float(np.mean([chances[i].argmax() in read.pairs[i].allowed for i in mine]))
        yield Labelled(
            name,
            len(mine),
            right,
            1.96 * float(np.sqrt(right * (1 - right) / len(mine))),
            auroc(scores, refuted),
            auroc_interval(scores, refuted),
            calibration_error(scores, np.asarray(refuted, dtype=np.float64)),
            float(np.mean([plain[i].argmax() in read.pairs[i].allowed for i in mine])),
            auroc(others, refuted),
        )


def _planted(read: Read, chances: Array, dev: int) -> Iterator[Planted]:
    for language in LANGUAGES:
        groups = {kind: (kind,) for kind in (*TRUE_KINDS, *EDITS, *OTHER_KINDS)} | {
            "all edits": tuple(EDITS),
            "all true but verbatim": TRUE_KINDS[1:],
        }
        for name, kinds in groups.items():
            mine = [i for i, p in enumerate(read.pairs) if i >= dev and p.language is language and p.kind in kinds]
            if mine:
                flagged = float((chances[mine, SUPPORTED] < 0.5).mean())
                half = 1.96 * float(np.sqrt(flagged * (1 - flagged) / len(mine)))
                refuted = float((chances[mine, REFUTED] >= 0.5).mean())
                yield Planted(language, name, len(mine), flagged, half, refuted)


def tables(figures: Figures) -> Iterator[str]:
    """The figures as Markdown."""
    yield "| labelled dev pairs | n | three-way accuracy | refuted AUROC | ECE of refuted | overlap: accuracy | overlap: AUROC |"
    yield "|---|---:|---|---|---:|---:|---:|"
    for f in figures.labelled:
        yield (
            f"| {f.name} | {f.pairs} | {f.accuracy:.3f} ± {f.accuracy_half:.3f} | {f.refuted:.3f} ± {f.refuted_half:.3f} "
            f"| {f.error:.3f} | {f.plain_accuracy:.3f} | {f.plain_refuted:.3f} |"
        )
    yield ""
    yield "| planted, held-out templates | language | n | refuted or flagged | refuted |"
    yield "|---|---|---:|---|---:|"
    for p in figures.planted:
        yield f"| {p.kind} | {p.language} | {p.pairs} | {p.flagged:.1%} ± {p.flagged_half:.1%} | {p.refuted:.1%} |"
    yield ""
    spent = figures.cost
    yield (
        f"One pair, one thread, median CPU time: {spent.new:.1f} ms when it is new, {spent.again:.1f} ms when its texts were "
        f"read before; the classifier's encoder over as many tokens {spent.one_pass:.1f} ms in the same run."
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Measure the embedded stance model.")
    parser.add_argument("--data", type=Path, required=True, help="folder with facts/ and safe_text/")
    parser.add_argument("--weights", type=Path, default=FOLDER, help="folder of the model (default: the shipped one)")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args(argv)
    figures = measure(load(args.weights), args.data, args.seed)
    for line in tables(figures):
        sys.stdout.write(line + "\n")
    if args.json is not None:
        args.json.write_text(json.dumps(asdict(figures), indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
