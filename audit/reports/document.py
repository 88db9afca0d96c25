"""What a report is, before it is a page: facts, tables and notes; and the phrases of its languages.

Rules of this file
1. Text of ours is a phrase that `texts.toml` has in every language; strings out of the log are values and never translated.
   A value that is a `Word` of ours (an outcome, a state) is shown in the report's language, and in JSON as it is.
2. A value is plain text. Renderers escape it: whatever a client once sent, a page, a sheet and a terminal only show it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from audit.rights.errors import InvalidReport

LANGUAGES = ("en", "ko", "zh")


class Word(str):
    """A value out of a list of ours, and at once its phrase in English."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. title, columns: phrases. rows: values. empty: the phrase that says that there are none."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "None."


@dataclass(frozen=True, slots=True)
class Report:
    """One report in one language. facts: (phrase, value). notes: what it proves and what it does not. words: of the language."""

    kind: str
    language: str
    title: str
    made_us: int
    facts: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...]

    def say(self, phrase: str) -> str:
        """A phrase in the report's language."""
        return say(phrase, self.language)

    def show(self, value: str) -> str:
        """A value as a reader of the report sees it."""
        return self.say(value) if isinstance(value, Word) else value


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text("utf-8"))


def say(phrase: str, language: str) -> str:
    """A phrase in a language; English phrases are their own key, other keys have their English beside them.

    Raises:
        InvalidReport: no such language, or the phrase is not translated.
    """
    if language not in LANGUAGES:
        raise InvalidReport(f"no language {language[:10]!r}", hint=f"languages: {', '.join(LANGUAGES)}")
    if language == "en":
        return _texts().get(phrase, {}).get("en", phrase)
    try:
        return _texts()[phrase][language]
    except KeyError as error:
        raise InvalidReport(f"the phrase {phrase!r} is not translated to {language}") from error
