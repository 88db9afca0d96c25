"""The model card: written from the run, so that it cannot say something else than what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guard.classifier.package import Manifest
from guard.training.calibrate import LANGUAGES, Array, Scored
from guard.training.metrics import auroc, auroc_interval, calibration_error
from guard.training.rows import HEADS, HELD_BACK, OTHER_CONCEPT
from guard.training.rows import Manifest as DataManifest
from guard.training.sampling import label_matrix

CARD = "MODEL_CARD.md"
_HOW = """**How**: folded text; stage 1: hashed character n-grams, one linear score per head and window; stage 2: a six-layer
encoder in int8, taught by deeper ones of twelve; between them a glance at the token vectors, and after two layers another at what they
made of them, both taught by both stages, which settle what is clearly harmless; a logistic curve per head and language over both. Weights are 8-bit integers; a score depends on the text alone."""
_INTRO = f"""# Model card: Haechi's embedded classifier

Version {{version}}. Written by `python -m guard.training.train`; do not edit by hand.

**For**: judging single sentences and short passages in Korean, Chinese and English, as one voice among the detectors
of a policy. **Not for**: other languages (it refuses), decisions about people without a human, or proof that a text is
harmless.

{_HOW}

**Limits.** The public labels are of social media and forums of 2012 to 2022 and disagree between sources. Figures on
dev rows flatter: they come from the platforms that training saw. `python -m guard.training.unseen` measures
sources left out of training; docs/classifier.md has the figures. Heads marked "own sentences" have learnt from sentences written for this project and know
little beyond their patterns. Irony, implicit hate, quotation and counter-speech are often misjudged.
"""


def restate(out: Path, manifest: Manifest) -> None:
    """Say in the card in `out` how the weights work now and which thresholds hold."""
    if not (out / CARD).is_file():
        return
    said = re.sub(r"(?m)^Version \S+\. ", f"Version {manifest.version}. ", (out / CARD).read_text("utf-8"))
    said = re.sub(r"(?s)\*\*How\*\*:.*?(?=\n\n)", _HOW, said, count=1)
    for language, heads in manifest.limits.items():
        for head, limit in heads.items():
            row = re.compile(rf"(?m)^(\| {language} \| {head} \|.*?)\| [\d.]+ \| [\d.]+ (\| [a-z ]+ \|)$")
            said = row.sub(rf"\g<1>| {limit.controversial} | {limit.unsafe} \g<2>", said)
    (out / CARD).write_text(said, "utf-8")


def write_card(
    out: Path, manifest: Manifest, data: DataManifest, scored: Scored, chances: Array, ordinary: npt.NDArray[np.bool_]
) -> None:
    """MODEL_CARD.md beside the weights."""
    parts = [
        _INTRO.format(version=manifest.version),
        "\n## Heads, dev figures and thresholds\n",
        "AUROC with the half width of its 95 % interval (Hanley and McNeil); ECE: expected calibration error, 15 bins.\n",
        *_heads_table(manifest, scored, chances),
        "\n## Dev AUROC of toxicity by file\n",
        *_by_file(scored, chances),
        "\n## Ordinary dev text\n",
        *_ordinary_table(manifest, scored, chances, ordinary),
        "\n## Data\n",
        "Train and dev are the sources' own split, or by a hash of the text. Not read, because Haechi is judged by them "
        f"from outside: {', '.join(sorted(HELD_BACK))}. Left out for another meaning of the label: "
        f"{', '.join(sorted(OTHER_CONCEPT))}.\n",
        *_data_table(data),
    ]
    (out / CARD).write_text("\n".join(parts) + "\n", "utf-8")


def _heads_table(manifest: Manifest, scored: Scored, chances: Array) -> Iterable[str]:
    labels, known = label_matrix(scored.rows)
    yield "| language | head | dev rows (positive) | AUROC | ECE | controversial from | unsafe from | positives |"
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for language in LANGUAGES:
        mine = scored.of(language)
        for head, limit in manifest.limits[language].items():
            k = HEADS.index(head)
            rows = mine[(known[mine, k] > 0) & ~np.isnan(chances[mine, k])]
            y, p = labels[rows, k], chances[rows, k]
            grounds = "own sentences" if head in manifest.own_data_only[language] else "public data"
            figure = "-" if y.sum() in (0, y.size) else f"{auroc(p, y):.3f} ± {auroc_interval(p, y):.3f}"
            yield (
                f"| {language} | {head} | {y.size} ({int(y.sum())}) | {figure} | {calibration_error(p, y):.3f} "
                f"| {limit.controversial} | {limit.unsafe} | {grounds} |"
            )


def _by_file(scored: Scored, chances: Array) -> Iterable[str]:
    yield "| file | rows | AUROC |"
    yield "|---|---:|---:|"
    sources = sorted({r.source for r in scored.rows if HEADS[0] in r.labels})
    for source in sources:
        mine = [i for i, r in enumerate(scored.rows) if r.source == source and HEADS[0] in r.labels]
        y = np.array([scored.rows[i].labels[HEADS[0]] for i in mine])
        if 0 < y.sum() < y.size:
            yield f"| {source} | {y.size} | {auroc(chances[mine, 0], y):.3f} ± {auroc_interval(chances[mine, 0], y):.3f} |"


def _ordinary_table(
    manifest: Manifest, scored: Scored, chances: Array, ordinary: npt.NDArray[np.bool_]
) -> Iterable[str]:
    yield "| language | rows | at or above controversial | at or above unsafe |"
    yield "|---|---:|---:|---:|"
    for language in LANGUAGES:
        mine = scored.of(language)
        calm = chances[mine[ordinary[mine]]]
        shares = []
        for name in ("controversial", "unsafe"):
            cuts = [getattr(manifest.limits[language].get(h), name, np.inf) for h in HEADS]
            shares.append(float((np.nan_to_num(calm, nan=0.0) >= np.array(cuts)).any(axis=1).mean()))
        yield f"| {language} | {len(calm)} | {shares[0]:.2%} | {shares[1]:.2%} |"


def _data_table(data: DataManifest) -> Iterable[str]:
    yield "| file | rows used | licence | sha256 |"
    yield "|---|---:|---|---|"
    for name, digest, rows, licence in data.files:
        yield f"| {name} | {rows} | {licence} | `{digest[:16]}…` |"
