"""Names of people that do not exist, put together from parts, in three languages and from many origins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from guard.training.names.words import words
from haechi.base.text import Language

Rng = np.random.Generator

_KO_FAMILY = words("ko-family")
_KO_FIRST = words("ko-first")
_KO_SECOND = words("ko-second")
_KO_PURE = words("ko-pure")
_KO_FOREIGN = words("ko-foreign")
_KO_FOREIGN_LAST = words("ko-foreign-last")
_KO_SOUNDS = words("ko-sounds")

_ZH_FAMILY = words("zh-family")
_ZH_TWO = words("zh-two")
_ZH_GIVEN = words("zh-given")
_ZH_NICK = words("zh-nick")
_ZH_SOUNDS = words("zh-sounds")
_ZH_FOREIGN = words("zh-foreign")
_ZH_FOREIGN_LAST = words("zh-foreign-last")
_ZH_JAPANESE = words("zh-japanese")
_ZH_JAPANESE_GIVEN = words("zh-japanese-given")

_GIVEN = words("given")
_FAMILY = words("family")
_GIVEN_SOUNDS = words("given-sounds")
_FAMILY_ENDS = words("family-ends")
_FAMILY_STARTS = words("family-starts")
_PARTICLES = words("particles")


def one(rng: Rng, options: Sequence[str]) -> str:
    """One of the options."""
    return options[int(rng.integers(len(options)))]


def person(rng: Rng, language: Language, like: str = "") -> str:
    """A made-up name. like: a name whose length and form it takes, as far as it can."""
    if language is Language.KOREAN:
        return _korean(rng, like)
    if language is Language.CHINESE:
        return _chinese(rng, like)
    return _latin(rng, like)


def korean(rng: Rng) -> str:
    """Family name and one or two syllables."""
    if rng.random() < 0.06:
        return one(rng, _KO_FAMILY) + one(rng, _KO_PURE)
    family = one(rng, _KO_FAMILY[:20]) if rng.random() < 0.6 else one(rng, _KO_FAMILY)
    return family + one(rng, _KO_FIRST) + (one(rng, _KO_SECOND) if rng.random() < 0.94 else "")


def korean_given(rng: Rng) -> str:
    """A given name alone."""
    return one(rng, _KO_PURE) if rng.random() < 0.15 else one(rng, _KO_FIRST) + one(rng, _KO_SECOND)


def korean_family(rng: Rng) -> str:
    """A family name alone."""
    return one(rng, _KO_FAMILY[:40]) if rng.random() < 0.7 else one(rng, _KO_FAMILY)


def korean_foreign(rng: Rng) -> str:
    """A foreign name in Hangul."""
    first = one(rng, _KO_FOREIGN) if rng.random() < 0.7 else _sounds(rng, _KO_SOUNDS, 2, 4)
    if rng.random() < 0.4:
        return first
    last = one(rng, _KO_FOREIGN_LAST) if rng.random() < 0.6 else _sounds(rng, _KO_SOUNDS, 2, 5)
    return f"{first}{one(rng, [' ', ' ', '·', ''])}{last}"


def chinese(rng: Rng) -> str:
    """Family name and one or two characters."""
    if rng.random() < 0.04:
        family = one(rng, _ZH_TWO)
    else:
        family = one(rng, _ZH_FAMILY[:40]) if rng.random() < 0.6 else one(rng, _ZH_FAMILY)
    return family + chinese_given(rng, 0.3)


def chinese_given(rng: Rng, single: float = 0.1) -> str:
    """A given name. single: probability of one character."""
    first = one(rng, _ZH_GIVEN)
    if rng.random() < single:
        return first
    return first + (first if rng.random() < 0.07 else one(rng, _ZH_GIVEN))


def chinese_nick(rng: Rng) -> str:
    """What friends say: 小刘, 阿强, 婷婷."""
    chance = rng.random()
    if chance < 0.45:
        return one(rng, _ZH_NICK) + one(rng, _ZH_FAMILY)
    if chance < 0.7:
        return one(rng, ("小", "阿")) + one(rng, _ZH_GIVEN)
    return one(rng, _ZH_GIVEN) * 2


def chinese_foreign(rng: Rng) -> str:
    """A foreign name in Chinese."""
    if rng.random() < 0.15:
        return one(rng, _ZH_JAPANESE) + one(rng, _ZH_JAPANESE_GIVEN)
    first = one(rng, _ZH_FOREIGN) if rng.random() < 0.6 else _sounds(rng, _ZH_SOUNDS, 2, 4)
    if rng.random() < 0.4:
        return first
    last = one(rng, _ZH_FOREIGN_LAST) if rng.random() < 0.6 else _sounds(rng, _ZH_SOUNDS, 2, 5)
    return f"{first}{one(rng, ('·', '·', '•', '.'))}{last}"


def given(rng: Rng) -> str:
    """A given name in Latin letters."""
    if rng.random() < 0.12:
        return _sounds(rng, _GIVEN_SOUNDS, 2, 3).capitalize()
    return one(rng, _GIVEN)


def family(rng: Rng) -> str:
    """A family name in Latin letters."""
    chance = rng.random()
    name = one(rng, _FAMILY_STARTS) + one(rng, _FAMILY_ENDS) if chance < 0.3 else one(rng, _FAMILY)
    if chance > 0.97:
        return f"{one(rng, _PARTICLES)} {name}"
    if chance > 0.94:
        return f"{name}-{one(rng, _FAMILY)}"
    return name


def latin(rng: Rng) -> str:
    """A full name in Latin letters."""
    chance = rng.random()
    if chance > 0.97:
        return f"{given(rng)} {family(rng)}{one(rng, (' Jr.', ', Jr.', ' Sr.', ' MD', ' PhD', ' III', ' II'))}"
    if chance < 0.08:
        return f"{given(rng)} {one(rng, 'ABCDEFGHJKLMNPRSTW')}. {family(rng)}"
    if chance < 0.12:
        return f"{one(rng, 'ABCDEFGHJKLMNPRSTW')}. {family(rng)}"
    if chance < 0.16:
        return f"{given(rng)} {given(rng)} {family(rng)}"
    if chance < 0.19:
        return f"{family(rng)}, {given(rng)}"
    return f"{given(rng)} {family(rng)}"


def _sounds(rng: Rng, sounds: Sequence[str], least: int, most: int) -> str:
    return "".join(one(rng, sounds) for _ in range(int(rng.integers(least, most + 1))))


def _korean(rng: Rng, like: str) -> str:
    if like and not all("가" <= c <= "힣" for c in like):
        return like
    if len(like) == 1:
        return korean_family(rng)
    if len(like) == 2 and rng.random() < 0.5:
        return korean_given(rng)
    return korean_foreign(rng) if len(like) > 4 else korean(rng)


def _chinese(rng: Rng, like: str) -> str:
    if like and not all("\u4e00" <= c <= "\u9fff" or c in "·•" for c in like):
        return like
    if len(like) == 1:
        return one(rng, _ZH_GIVEN)
    if len(like) > 3:
        return chinese_foreign(rng)
    if len(like) == 2:
        chance = rng.random()
        return chinese_nick(rng) if chance < 0.3 else chinese_given(rng) if chance < 0.6 else chinese(rng)
    return chinese(rng)


def _latin(rng: Rng, like: str) -> str:
    made = latin(rng)
    if " " not in like:
        made = given(rng) if rng.random() < 0.75 else family(rng)
    if like.islower():
        return made.lower()
    return made.upper() if like.isupper() and len(like) > 3 else made
