"""Which rows the glances learn from: what posts, requests, documents and everyday talk are made of, each sort in its measure.

Rules of this file
1. Each sort of row is in disguise too: what is harmful in disguise must not be settled.
2. Harm stands among calm sentences too (`among.py`): a window that is calm for the most part must not be settled for that.
3. `APART` is kept from the glances, whatever the stages have learnt from it: rows that show in Chinese what is lost where nobody practised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from guard.sentences import segments
from guard.training.among import among
from guard.training.disguise import disguised
from guard.training.exits import APART
from guard.training.measure import is_covered
from guard.training.rows import Row, is_calm
from guard.training.sampling import thinned
from guard.training.written import WRITTEN

NEW = frozenset(
    {"own_hyperbole", "own_profanity", "own_quoted_abuse", "own_chat_initials", "own_everyday", "own_everyday_order"}
)
"""Own sentences with marks of abuse and nothing wrong, of which more are read than of others."""
DAILY = frozenset({"own_daily_order", "own_daily_talk", "own_attack_ways", "own_attack_mention"})
"""Own sentences of many patterns, of which nearly all are read."""
PEOPLE = frozenset({"own_daily_people", "own_daily_hate"})
"""Harmless and hateful sentences, each with every identity term."""
HARM = frozenset(
    {
        f"own_{kind}"
        for kind in ("crime_request", "deceit_request", "grooming", "self_harm_request", "menace", "incitement")
    }
    | {"own_explicit_request", "own_hate_request", "own_cruelty", "own_harm_talk", "own_look_alike", "own_hyperbole"}
    | WRITTEN
)
"""What is asked and said by those who mean harm, and in the same words by others."""
ATTACKED = frozenset(
    {"cyberseceval", "en_bipia", "en_inthewild_jailbreaks", "en_jailbreak_templates", "multi_prompt_injections"}
    | {"en_wildchat_benign", "zh_benign_roleplay"}
)
"""Public attacks and their harmless counterparts, longer than posts are."""
MOST_PUBLIC, MOST_OWN, MOST_NEW, MOST_DAILY, MOST_PEOPLE, MOST_HARM, MOST_ATTACKED = 16, 12, 80, 900, 700, 700, 120
MOST_CALM = 400
"""Short ordinary rows per source: the wishes to harm are worded like what anybody says all day."""
MOST_DISGUISED = 40
"""Harmless own rows per kind that are read in disguise."""
MOST_LONG, PIECES = 450, 5
"""Long ordinary rows per source, and sentences read of each."""
LONGEST, LONGEST_ATTACKED = 220, 500
"""Code points of a public row, at most: a sentence or two, as the guard shows them; of an attack, what one window reads."""
MOST_ROWS = 350
"""Rows read per source and label, beside those named above."""
DISGUISED = 1 / 5
"""Share of the rows that are read a second time, in disguise."""
AMONG = 4000
"""Harmful rows of each language that are read among calm sentences."""


def learnt_from(rows: Sequence[Row], seed: int) -> list[Row]:
    """The training rows that the glance reads, some of them in disguise as well."""
    train = [row for row in rows if row.source not in APART and not row.dev]
    some = [*_chosen(train, seed), *thinned(train, MOST_ROWS, seed), *among(train, AMONG, seed)]
    some = list({row.text: row for row in some if is_covered(row.text)}.values())
    chance = np.random.default_rng((seed, 8))
    hidden = [replace(r, text=disguised(r.text, chance)) for r in some if chance.random() < DISGUISED]
    return some + [row for row in hidden if is_covered(row.text)]


def _chosen(rows: Sequence[Row], seed: int) -> list[Row]:
    """Some rows of every sort, more of what is told apart with more difficulty."""
    own = [r for r in rows if r.source.startswith("own_")]
    public = [r for r in rows if not r.source.startswith("own_")]
    attacked = thinned([r for r in public if r.source in ATTACKED], MOST_ATTACKED, seed)
    return [
        *thinned([r for r in public if len(r.text) <= LONGEST and not is_calm(r)], MOST_PUBLIC, seed),
        *thinned([r for r in public if len(r.text) <= LONGEST and is_calm(r)], MOST_CALM, seed),
        *thinned([r for r in own if r.source not in NEW | DAILY | HARM], MOST_OWN, seed),
        *thinned([r for r in own if r.source in NEW - HARM], MOST_NEW, seed),
        *thinned([r for r in own if r.source in HARM - WRITTEN], MOST_HARM, seed),
        *(r for r in own if r.source in WRITTEN),
        *thinned([r for r in own if r.source in DAILY], MOST_DAILY, seed),
        *thinned([r for r in own if r.source in PEOPLE], MOST_PEOPLE, seed),
        *(r for r in attacked if len(r.text) <= LONGEST_ATTACKED),
        *_sentences([r for r in public if len(r.text) > LONGEST and is_calm(r)], seed),
        *_in_disguise([r for r in own if not any(r.labels.values())], seed),
    ]


def _sentences(rows: Sequence[Row], seed: int) -> list[Row]:
    """Some sentences of some of the rows, as the guard shows them to a classifier, and the beginning of each."""
    found: list[Row] = []
    chance = np.random.default_rng((seed, 5))
    for row in thinned(rows, MOST_LONG, seed):
        pieces = [row.text[span.start : span.end] for span in segments(row.text[:2000], LONGEST_ATTACKED)]
        some = [pieces[i] for i in sorted(chance.permutation(len(pieces))[:PIECES])]
        found += [replace(row, text=piece) for piece in (row.text[:LONGEST_ATTACKED], *some)]
    return found


def _in_disguise(rows: Sequence[Row], seed: int) -> list[Row]:
    """Some harmless rows in a disguise each: strange spelling by itself is no attack."""
    chance = np.random.default_rng((seed, 6))
    return [replace(row, text=disguised(row.text, chance)) for row in thinned(rows, MOST_DISGUISED, seed)]
