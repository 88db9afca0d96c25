"""The words of the console in English, Korean and Chinese."""

from __future__ import annotations

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
