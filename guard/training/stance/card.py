"""The model card of the stance model: written from the run, so that it cannot say something else than was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from guard.claims.stance_package import Manifest
from guard.training.stance.measure import Figures, tables
from guard.training.stance.pairs import HELD_BACK, Pair, Source
from guard.training.stance.planted.documents import LICENCES
from guard.training.stance.written import WRITTEN
from haechi.base.text import Language

CARD = "MODEL_CARD.md"
_INTRO = """# Model card: Haechi's embedded stance model

Version {version}. Written by `python -m guard.training.stance`; do not edit by hand.

**For**: saying whether a passage supports, refutes or leaves open a claim in Korean, Chinese or English, as one part of
claim checking that always shows the passage. **Not for**: deciding what is true without evidence, texts in other
languages (it refuses), claims that need several passages or arithmetic.

**Judges claims in**: {languages}. A language is here only where its refuted AUROC is above what lexical overlap tells on
labelled pairs, and at least 0.10 above it with the planted pairs; others are refused, which claim checking reports as
`unavailable`.

**How**: six layers of a small multilingual encoder read claim and passage each by itself, four fine-tuned layers read
both together, told for each token whether the other side has it: one set of them where the claim nearly copies its
passage, another where it says things in words of its own, a third for Korean ones of these, whose tokens are moved towards
where English lies. Their three logits and the explicit comparison
of numbers, units, dates, names, negation, quantity and direction go through one small hidden layer. Weights are 8-bit
integers; a score depends on the pair alone. `guard/training/stance/runs.py` names the five runs whose weights are averaged.

**Limits.** Labelled English pairs are mostly short everyday sentences (MultiNLI, SNLI); there is no public Chinese set
with three labels and evidence that may be used, so Chinese learns from planted pairs, from pairs written by hand and from
the other languages, and is measured on other pairs written by hand. Planted edits are single changes. World knowledge is small: what follows only for
somebody who knows more than the passage says is often judged open.

**Weights** start from intfloat/multilingual-e5-small (MIT), like the classifier's: `guard/classifier/weights/NOTICE.md`.
"""


def write_card(
    out: Path, manifest: Manifest, figures: Figures, sources: Sequence[Source], pairs: Sequence[Pair]
) -> None:
    """MODEL_CARD.md beside the weights."""
    languages = ", ".join(manifest.languages) or "none"
    lines = [
        _INTRO.format(version=manifest.version, languages=languages),
        "## Figures",
        "",
        "`python -m guard.training.stance.measure --data DATA`. Nothing measured here has taught. Intervals: 95 %. ECE:",
        "expected calibration error, 15 bins. `en`, `ko`, `zh`: all rows of a language with one label, and the same with the planted pairs below. `en_begin` has two",
        'labels; its AUROC is that of not being supported. "Flagged": the model does not call the claim supported.',
        "",
        *tables(figures),
        "",
        "## Data",
        "",
        "Parts are drawn by a hash of the evidence or document: most teaches the encoder, a tenth (a fifth of the documents)",
        f"the combination, dev is measured. Not read, because Haechi is judged by them from outside: {', '.join(sorted(HELD_BACK))}.",
        "",
        *_sources(sources),
        "",
        *_planted(pairs),
    ]
    (out / CARD).write_text("\n".join(lines) + "\n", "utf-8")


def _sources(sources: Sequence[Source]) -> Iterator[str]:
    yield "| labelled pairs | used | licence | sha256 |"
    yield "|---|---:|---|---|"
    for source in sources:
        yield f"| {source.name} | {source.pairs} | {source.licence} | `{source.digest[:16]}…` |"


def _planted(pairs: Sequence[Pair]) -> Iterator[str]:
    made = Counter(p.source.removeprefix("own_") for p in pairs if p.kind)
    written = Counter(p.language for p in pairs if p.kind == WRITTEN)
    yield (
        f"Pairs written by hand for this project that teach: {written[Language.KOREAN]} Korean, "
        f"{written[Language.CHINESE]} Chinese."
    )
    yield ""
    yield "| ordinary text that pairs were made from | taught pairs | licence |"
    yield "|---|---:|---|"
    for name, licence in LICENCES.items():
        yield f"| {name} | {made[name]} | {licence} |"
