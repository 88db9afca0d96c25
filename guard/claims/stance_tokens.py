"""What the pair encoder is shown: the tokens of claim and evidence, and what each is to the other side.

Rules of this file
1. Training and product read through here, so that they see the same.
2. A passage that is longer than what is read together is cut to its sentences that speak of what the claim speaks of.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from guard.claims.facts import anchor_of, facts_of, plain

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLAIM_TOKENS: Final = 94
EVIDENCE_TOKENS: Final = 126
"""Tokens of each side that are read, without the two that enclose them."""
START, END = 0, 2
MARKS: Final = 6
"""Kinds of token: 0-2 of the claim, 3-5 of the evidence; absent from the other side, there, there with a neighbour."""


def claim_tokens(tokenizer: Tokenizer, claim: str, most: int = CLAIM_TOKENS) -> tuple[int, ...]:
    """Ids of a claim, enclosed; what is beyond `most` is not read."""
    return _enclosed(_ids(tokenizer, claim), most)


def evidence_tokens(tokenizer: Tokenizer, claim: str, evidence: str, most: int = EVIDENCE_TOKENS) -> tuple[int, ...]:
    """Ids of the part of a passage that is held against the claim, enclosed; at most `most`."""
    ids = _ids(tokenizer, evidence)
    if len(ids) > most:
        ids = _ids(tokenizer, anchor_of(facts_of(claim), evidence).facts.text)
    return _enclosed(ids, most)


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(plain(text), add_special_tokens=False).ids
    return ids


def _enclosed(ids: Sequence[int], most: int) -> tuple[int, ...]:
    return (START, *ids[:most], END)


def marks(claim: Sequence[int], evidence: Sequence[int]) -> npt.NDArray[np.int64]:
    """The kind of each token of claim and evidence, shape (T,)."""
    return np.concatenate([_levels(claim, evidence), _levels(evidence, claim) + 3])


def _levels(mine: Sequence[int], theirs: Sequence[int]) -> npt.NDArray[np.int64]:
    single = set(theirs[1:-1])
    double = set(itertools.pairwise(theirs))
    pairs = [pair in double for pair in itertools.pairwise(mine)]
    found = np.zeros(len(mine), dtype=np.int64)
    for i, token in enumerate(mine):
        if token in single or i in (0, len(mine) - 1):
            beside = (i > 0 and pairs[i - 1]) or (i < len(pairs) and pairs[i])
            found[i] = 2 if beside else 1
    return found
