"""Split an answer into the claims it makes, whole or while it is streamed.

Rules of this file
1. The same text gives the same claims however it is cut: a sentence is read when what follows can no longer change it.
2. Positions are code points of the whole answer, of the claim without bullets and marks around it.
3. Work is linear: what was read is forgotten but for the last subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from guard.claims.context import Context
from guard.claims.facts import facts_of
from guard.claims.ports import Claim
from guard.claims.worth import Kind, about_user, is_fragment, kind_of
from guard.language import language_of
from guard.sentences import ends
from haechi.base.text import Language

LONGEST: Final = 2_000
"""Code points of the longest claim; a longer sentence is cut."""
_AHEAD: Final = 8
"""Code points behind that are seen before a sentence is cut, so that a fence there is not cut in two."""
_SIGN: Final = re.compile(r"[.!?…。！？；｡\n`~다요아나야든게]")
"""Without one of these no sentence ends and no code begins, so that nothing has to be looked at again."""
_FENCE: Final = re.compile(r"(?:^|(?<=\n)) {0,3}(?:```|~~~)")
_FENCE_END: Final = re.compile(r"(?:^|(?<=\n)) {0,3}(?:```|~~~)[^\n]*\n")
_OPENING: Final = re.compile(r"(?:[\s>]*(?:[-*•·▪◦–]|\(?\d{1,3}[.)]|[①-⑳]|[a-zA-Z][.)])?\s+|\s*[>•·▪]\s*)?[*_\s]*")
_HEADING: Final = re.compile(r"\s*#{1,6}\s")
_MARKS_BEHIND: Final = re.compile(r"[*_\s]+$")
_EMPHASIS: Final = re.compile(r"\*\*|__|`")
_STATEMENTS: Final = frozenset({Kind.OPINION, Kind.HEDGE, Kind.PERSONAL, Kind.FRAGMENT})
_SHORT_ANSWER: Final = 60
"""Code points of an answer that is only what was asked for: "In 1867."."""


class ClaimSplitter:
    """Takes an answer as it comes. question: what it answers, for what it leaves out."""

    def __init__(self, question: str = "") -> None:
        self._question = question.strip()
        self._context = Context(self._question)
        self._rest = ""
        self._at = 0
        self._signed = False
        self._code = False
        self._line_start = True
        self._first = True

    @property
    def position(self) -> int:
        """Code points of the answer that were read to the end of a sentence."""
        return self._at

    def feed(self, delta: str) -> list[Claim]:
        """The claims whose sentences have closed with this text."""
        self._rest += delta
        self._signed = self._signed or _SIGN.search(delta) is not None
        if not self._signed and len(self._rest) <= LONGEST + _AHEAD:
            return []
        claims = list(self._closed(last=False))
        self._signed = _SIGN.search(self._rest) is not None
        return claims

    def finish(self) -> list[Claim]:
        """The claims of what was left."""
        return list(self._closed(last=True))

    def _closed(self, *, last: bool) -> Iterator[Claim]:
        while self._rest:
            if self._code:
                if not self._skip_code(last=last):
                    return
                continue
            fence = _FENCE.search(self._rest, 0 if self._line_start else 1)
            outside = self._rest[: fence.start()] if fence is not None else self._rest
            end = self._next_end(outside, last=last or fence is not None)
            if end:
                yield from self._take(end)
            elif fence is not None and not outside:
                self._drop(fence.end())
                self._code = True
            else:
                return

    def _next_end(self, text: str, *, last: bool) -> int:
        """Where the first sentence of a text ends for certain; 0 when that is not known yet."""
        end = next(ends(text), 0)
        if end > LONGEST or (not end and len(text) > LONGEST + _AHEAD):
            return LONGEST
        if end and (end < len(text) or last):
            return _before_indent(text, end)
        return min(len(text), LONGEST) if last else 0

    def _skip_code(self, *, last: bool) -> bool:
        """Go on behind the code; False when its end has not come."""
        found = _FENCE_END.search(self._rest, 0 if self._line_start else 1)
        if found is not None:
            self._drop(found.end())
            self._code = False
            return True
        line = self._rest.rfind("\n") + 1
        self._drop(len(self._rest) if last else line)
        return False

    def _drop(self, end: int) -> str:
        taken, self._rest = self._rest[:end], self._rest[end:]
        self._at += len(taken)
        if taken:
            self._line_start = taken.endswith("\n")
        return taken

    def _take(self, end: int) -> Iterator[Claim]:
        start = self._at
        sentence = self._drop(end)
        if not sentence.strip() or _HEADING.match(sentence):
            return
        opening = _OPENING.match(sentence)
        begin = opening.end() if opening is not None else 0
        text = _MARKS_BEHIND.sub("", sentence[begin:])
        if text:
            yield from self._claim(text, start + begin)
            self._first = False

    def _claim(self, text: str, start: int) -> Iterator[Claim]:
        language = language_of(text)
        kind = kind_of(text, language)
        meaning = self._context.resolve(_EMPHASIS.sub("", text), language)
        if kind is Kind.CLAIM:
            yield Claim(text, start, start + len(text), language, meaning)
        elif self._first and _answers(text, self._question, language):
            asked = language_of(self._question)
            yield Claim(text, start, start + len(text), asked, f"{self._question.rstrip('?？ ')}: {text}")
        if kind in (Kind.CLAIM, Kind.HEDGE, Kind.OPINION):
            self._context.note(meaning, language)


def _before_indent(text: str, end: int) -> int:
    """The end of a sentence without the blanks that begin the next line: a fence may stand behind them."""
    line = text.rfind("\n", 0, end) + 1
    return line if line and text[line:end].isspace() else end


def _answers(text: str, question: str, language: Language) -> bool:
    """Whether a text is only the piece that a question asks for."""
    if not question or len(text) > _SHORT_ANSWER or not (language is Language.OTHER or is_fragment(text, language)):
        return False
    facts = facts_of(text)
    return bool(facts.quantities or facts.dates or facts.names)


def lone_claim(text: str) -> list[Claim]:
    """A text of one sentence that is no claim by its wording, as a claim all the same.

    Who hands over a sentence with evidence asks about that sentence, also when it is said as an opinion or with a hedge.
    A question, a greeting, an instruction, code, and what is said of the user stay what they are.
    """
    stripped = text.strip()
    language = language_of(stripped)
    if (
        not stripped
        or len(stripped) > LONGEST
        or kind_of(stripped, language) not in _STATEMENTS
        or about_user(stripped)
    ):
        return []
    if next(ends(stripped), len(stripped)) < len(stripped):
        return []
    start = len(text) - len(text.lstrip())
    return [Claim(stripped, start, start + len(stripped), language, stripped)]


def claims_of(text: str, *, question: str = "") -> list[Claim]:
    """The check-worthy claims of a whole answer. question: what it answers."""
    splitter = ClaimSplitter(question)
    return [*splitter.feed(text), *splitter.finish()]
