"""The floor for a reward model: Bradley and Terry's model on the words of the two answers; python word_count.py FOLDER.

FOLDER holds the folds of prepare_smollm2.py. The weight of the penalty is the best of three, which flatters the floor.
"""

import json
import re
import sys
from pathlib import Path

import numpy as np

from alignment.statistics import accuracy


def words(row: dict[str, list[dict[str, str]]], side: str) -> set[str]:
    """The different words and signs of an answer."""
    return set(re.findall(r"\w+|[^\w\s]", row[side][0]["content"].lower()))


def margins(train: list, held: list, penalty: float) -> list[float]:
    """Train on one part; how much better the chosen answer looks on the other."""
    known = {
        word: i
        for i, word in enumerate(sorted({w for r in train for s in ("chosen", "rejected") for w in words(r, s)}))
    }

    def table(rows: list) -> np.ndarray:
        out = np.zeros((len(rows), len(known)), np.float32)
        for i, row in enumerate(rows):
            for side, sign in (("chosen", 1), ("rejected", -1)):
                for word in words(row, side) & known.keys():
                    out[i, known[word]] += sign
        return out

    seen, weights = table(train), np.zeros(len(known), np.float32)
    for _ in range(300):
        weights += 3 * (seen.T @ (1 / (1 + np.exp(seen @ weights))) / len(seen) - penalty * weights)
    return (table(held) @ weights).tolist()


folder = Path(sys.argv[1])
best: dict[float, list[float]] = {}
for fold in range(3):
    parts = [[json.loads(line) for line in (folder / f"{n}{fold}.jsonl").open()] for n in ("train", "held")]
    for penalty in (1e-3, 3e-3, 1e-2):
        found = margins(*parts, penalty)
        best.setdefault(penalty, []).extend(found)
        share = accuracy(found)
        print(f"fold {fold}, penalty {penalty}: {share.value:.1%} ({share.low:.1%} to {share.high:.1%}, n = {share.n})")
top = max((accuracy(found) for found in best.values()), key=lambda share: share.value)
print(f"word count over all folds: {top.value:.1%} ({top.low:.1%} to {top.high:.1%}, n = {top.n})")
