"""The words of the console in English, Korean and Chinese."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources

LANGUAGES = ("en", "ko", "zh")
Words = dict[str, str | list[str] | dict[str, str]]


@cache
def words(language: str) -> Words:
    """Every text of one of `LANGUAGES`."""
    return tomllib.loads((resources.files("audit.console") / "texts" / f"{language}.toml").read_text("utf-8"))


def chosen(asked: str, remembered: str, accepted: str) -> str:
    """The language to speak: what was asked for, else remembered, else the browser's first that is known, else English.

    accepted: an Accept-Language header.
    """
    listed = [part.split(";")[0].strip().split("-")[0].lower() for part in accepted.split(",")]
    return next((language for language in (asked, remembered, *listed) if language in LANGUAGES), "en")


def said(word: str, t: Words) -> str:
    """A word of the log (a state, a role, a right) as people say it; the word itself where there is nothing to say."""
    known = t["words"]
    return known.get(word, word) if isinstance(known, dict) else word


@cache
def _sentences(language: str) -> list[tuple[re.Pattern[str], str]]:
    """What an error says in English, with `{}` for what varies, and the same in that language; the most exact first."""
    known = words(language)["errors"]
    pairs = sorted(known.items(), key=lambda pair: -len(pair[0])) if isinstance(known, dict) else []
    return [(re.compile("(.*)".join(map(re.escape, english.split("{}"))), re.DOTALL), mine) for english, mine in pairs]


def told(text: str, language: str) -> str:
    """What an error or its hint says, in that language; as it is where the language has no words for it.

    The log and the command line say the same in English: only the words change, so that both can be compared.
    """
    t = words(language)
    for pattern, mine in _sentences(language):
        found = pattern.fullmatch(text)
        if found is not None:
            return mine.format(*(said(part, t) for part in found.groups()))
    return text
