"""Rows of our own making: what the public labels lack, from the sentence patterns in `phrases/`.

Rules of this file
1. Patterns and their fillings are data (YAML, some files a language); this module only fills and labels them.
2. The same identity terms stand in hateful, harmless and quoting sentences, so that a term by itself says nothing;
   and the same claims are asserted, denied, quoted and asked about.
3. Dev rows come from patterns that training never sees.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from guard.training.rows import HEADS, Row, bucket
from guard.verdict import Category
from haechi.base.text import Language

FOLDER = Path(__file__).parent / "phrases"
_SLOT = re.compile(r"\{(\w+)\}")
_PARTICLE = re.compile(
    r"(.)(은/는|이/가|을/를|과/와|으로/로|이랑/랑|이라고/라고|이라는/라는|이라면/라면|이라/라|이에요/예요|이다/다|이야/야|이지/지|이네/네|아/야)"
)
_DROPS_L = re.compile(r"([가-힣])는")
_EMOJI = "👍🙏😊😂🎉❤☀🌸🍜🐶🐱⚽🚀📚✅🙂😅👏🎂🍀"
LABEL_WORDS: Mapping[str, Mapping[Category, int]] = {
    "ordinary": dict.fromkeys(HEADS, 0),
    "clean": {Category.TOXICITY: 0, Category.HATE: 0, Category.HARASSMENT: 0, Category.VIOLENCE: 0},
}
"""`ordinary`: nothing is wrong with it. `clean`: not hateful, although it speaks of hate."""


def generated_rows(seed: int, per_pattern: int = 24) -> list[Row]:
    """Filled patterns of every language; a pattern whose fillings have slots of their own is filled three times as often."""
    rows: list[Row] = []
    for language in (Language.ENGLISH, Language.KOREAN, Language.CHINESE):
        for kind, labels, pattern in patterns(language):
            rng = np.random.default_rng((seed, bucket(pattern, 1 << 32)))  # a new pattern changes no filling of another
            dev = bucket(pattern, 7) == 0
            times = per_pattern * (3 if is_nested(pattern, language) else 1)
            texts = sorted({fill(pattern, language, rng) for _ in range(times)})
            rows.extend(Row(text, language, labels, f"own_{kind}", dev) for text in texts)
    learnt = {row.text for row in rows if not row.dev}
    return [row for row in rows if not row.dev or row.text not in learnt]


def wordless_rows(seed: int, count: int = 300) -> list[Row]:
    """Figures, punctuation and friendly emoji: texts without a word, in which nothing is wrong."""
    rng = np.random.default_rng((seed, 3))
    rows = []
    for i in range(count):
        numbers = [f"{rng.integers(10 ** rng.integers(1, 7))}" for _ in range(rng.integers(1, 6))]
        faces = "".join(_EMOJI[rng.integers(len(_EMOJI))] for _ in range(rng.integers(1, 5)))
        text = (" ".join(numbers), "-".join(numbers), faces, f"{faces} {numbers[0]}", "...?!,;:"[: i % 8 + 1])[i % 5]
        rows.append(Row(text, Language.ENGLISH, LABEL_WORDS["ordinary"], "own_wordless", bucket(text, 10) == 0))
    return rows


def attacked_documents(rows: Sequence[Row], seed: int, count: int = 900) -> list[Row]:
    """Pieces of ordinary text, half of them with one of our attacks put in at the start, the middle or the end."""
    rng = np.random.default_rng((seed, 1))
    attacks = [r for r in generated_rows(seed) if r.source == "own_prompt_attack"]
    made: list[Row] = []
    for language in (Language.ENGLISH, Language.KOREAN, Language.CHINESE):
        hosts = [r for r in rows if r.language is language and len(r.text) > 120 and Category.SEXUAL in r.labels]
        insertions = [r for r in attacks if r.language is language]
        for i in range(count):
            host = hosts[rng.integers(len(hosts))]
            at = int(rng.integers(max(len(host.text) - 250, 1)))
            piece = host.text[at : at + 250]
            if i % 2:
                made.append(Row(piece, language, {Category.PROMPT_ATTACK: 0}, "own_document", host.dev))
                continue
            attack = insertions[rng.integers(len(insertions))]
            cut = (0, len(piece) // 2, len(piece))[rng.integers(3)]
            text = f"{piece[:cut]} {attack.text} {piece[cut:]}".strip()
            made.append(
                Row(text, language, {Category.PROMPT_ATTACK: 1}, "own_attacked_document", host.dev or attack.dev)
            )
    return made


def identity_swaps(language: Language) -> list[tuple[str, ...]]:
    """Harmless sentences, each written once with every identity term: for the flip rate, shape (patterns, terms)."""
    slots = _phrases(language)["slots"]
    swaps = []
    for kind, _, pattern in patterns(language):
        names = [n for n in _SLOT.findall(pattern) if n in {"group", "person", "adjective"}]
        if kind == "identity" and len(names) == 1:
            others = {name: options[0] for name, options in slots.items() if name != names[0]}
            base = _SLOT.sub(lambda m, fixed=others: fixed.get(m[1], m[0]), pattern)  # type: ignore[misc]
            swaps.append(tuple(_finish(base.replace("{" + names[0] + "}", term), language) for term in slots[names[0]]))
    return swaps


def patterns(language: Language) -> Iterable[tuple[str, Mapping[Category, int], str]]:
    """Kind, labels and text of every sentence pattern of a language."""
    for group in _phrases(language)["patterns"]:
        labels = group["labels"]
        known = LABEL_WORDS[labels] if isinstance(labels, str) else {Category(k): v for k, v in labels.items()}
        for text in group["texts"]:
            yield group["kind"], known, text


def is_nested(pattern: str, language: Language) -> bool:
    """Whether some filling of the pattern has a slot itself."""
    slots = _phrases(language)["slots"]
    return any(_SLOT.search(option) is not None for name in _SLOT.findall(pattern) for option in slots[name])


def fill(pattern: str, language: Language, rng: np.random.Generator) -> str:
    """The pattern with a random choice in each slot, and in the slots of the choices."""
    slots = _phrases(language)["slots"]
    text = pattern
    while _SLOT.search(text) is not None:
        text = _SLOT.sub(lambda found: _choice(slots[found[1]], rng), text)
    return _finish(text, language)


def _finish(text: str, language: Language) -> str:
    """Korean particles and verb stems by the sound before them; a capital at the start of English."""
    if language is Language.KOREAN:
        return _DROPS_L.sub(_without_l, _PARTICLE.sub(_particle, text))
    return text[:1].upper() + text[1:] if language is Language.ENGLISH else text


def _particle(found: re.Match[str]) -> str:
    after_consonant, after_vowel = found[2].split("/")
    final = (ord(found[1]) - 0xAC00) % 28 if "가" <= found[1] <= "힣" else 0
    closed = final not in ((0, 8) if found[2] == "으로/로" else (0,))  # after ㄹ it is 로
    return found[1] + (after_consonant if closed else after_vowel)


def _without_l(found: re.Match[str]) -> str:
    """`만들는` as it is said: `만드는`. A noun that ends in ㄹ takes 은, so that nothing else ends so."""
    ends_in_l = (ord(found[1]) - 0xAC00) % 28 == 8
    return f"{chr(ord(found[1]) - 8)}는" if ends_in_l else found[0]


def _choice(options: Sequence[str], rng: np.random.Generator) -> str:
    return str(options[int(rng.integers(len(options)))])


@cache
def _phrases(language: Language) -> dict[str, Any]:
    parts = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob(f"{language.value}[-.]*yaml"))]
    slots: dict[str, Any] = {}
    for part in parts:
        slots |= part["slots"]
    return {"slots": slots, "patterns": [pattern for part in parts for pattern in part["patterns"]]}
