"""Find words and phrases of our lexicons by one Aho-Corasick automaton over the folded and the tight view.

Rules of this file
1. An entry says where it may begin and end: English words stand alone, Hangul may be followed by particles, Han
   characters have no boundaries.
2. An entry of the action `allow` is a harmless carrier (시발점, scunthorpe): what lies inside it is no match.
3. Hangul initials (ㅅㅂ) are an entry only where nothing but such entries and laughter stands in their run of loose letters:
   ㅅㅂㄷ may be any word. A stream holds loose letters until their run ends; see guard/tight.py.
4. `hold` is at least as long as the longest suffix, in any reading, that begins an entry; see guard/tight.py.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guard.errors import InvalidLexicon
from guard.fold import build_views
from guard.mentions import BEFORE, SPOKEN_ABOUT, is_mention, waits
from guard.phrases import MOST_SPELT_OUT, Phrase, combinations, openers, slots_of, spelt_out
from guard.scanner import Look, Match
from guard.terms import Occurrence, TermIndex
from guard.tight import loose_letters_at_end, tails, tighten
from guard.verdict import Category, Severity
from guard.views import MappedText, TextViews
from haechi.base.resources import policies_dir

SHIPPED = ("en", "ko", "zh")
"""Languages that have a file of words."""
_LOOKBEHIND = BEFORE  # code points before a match that are read; an unfinished carrier is held from its own start
_SCORES = {Severity.CONTROVERSIAL: 0.6, Severity.UNSAFE: 0.95}
_CONJOINING_TAIL = re.compile("[\u1100-\u11ff]+$")
_INITIALS = re.compile("[\u3131-\u314e]+")
_BESIDE_INITIALS = ("ㅋ", "ㅎ", "ㅁㅊ", "ㅈㄴ", "ㅈㅉ", "ㄹㅇ")
"""Laughter, and initials that strengthen others."""
_LONGEST_RUN = 32
_PARTICLES = frozenset("은는이가을를도만와과의에로야아여들님랑요")


class Boundary(enum.StrEnum):
    """Where an entry may begin and end.

    WORD: both sides end a word. START: only the beginning does (Korean: particles and endings follow).
    JOSA: begins a word and is followed by its end or a particle. ANY: anywhere.
    """

    WORD = "word"
    START = "start"
    JOSA = "josa"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Entry:
    """One term, or the opening of a phrase.

    term: as folded. category: None for a harmless carrier. score: probability in [0, 1].
    phrase: what must follow from where the term begins; None when the term is all.
    """

    term: str
    category: Category | None
    severity: Severity
    boundary: Boundary
    rule: str
    score: float
    phrase: Phrase | None = None


def _is_word_char(char: str) -> bool:
    """ASCII letters and digits, and Hangul; Han characters end no word and begin none."""
    return "0" <= char <= "9" or "a" <= char <= "z" or "가" <= char <= "힣"


def _joins(left: str, right: str) -> bool:
    """Whether two neighbouring code points belong to one word: both ASCII, or both Hangul."""
    return _is_word_char(left) and _is_word_char(right) and (left < "\x80") == (right < "\x80")


def _begins(entry: Entry, text: str, start: int) -> bool:
    """Whether the entry may begin there."""
    return entry.boundary is Boundary.ANY or not start or not _joins(text[start - 1], text[start])


def _bounded(entry: Entry, text: str, start: int, end: int) -> bool:
    """Whether the entry may begin and end there."""
    if entry.boundary is Boundary.ANY:
        return True
    if not _begins(entry, text, start):
        return False
    if entry.boundary is Boundary.START or end == len(text):
        return True
    if entry.boundary is Boundary.JOSA and text[end] in _PARTICLES:
        return True
    return not _joins(text[end - 1], text[end])


@dataclass(frozen=True, slots=True)
class _Hit:
    entry: Entry
    start: int
    end: int


class Lexicon:
    """The `lexicon` detector."""

    name = "lexicon"

    def __init__(self, entries: Iterable[Entry]) -> None:
        by_term: dict[str, list[Entry]] = {}
        for entry in entries:
            if entry.term:
                by_term.setdefault(entry.term, []).append(entry)
        if not by_term:
            raise InvalidLexicon("the lexicon has no entry", hint="see policies/lexicons")
        self._terms: TermIndex[Entry] = TermIndex({term: tuple(group) for term, group in by_term.items()})
        self.size = len(by_term)
        self.categories = frozenset(e.category for g in by_term.values() for e in g if e.category is not None)
        longest = max(self._terms.longest_latin, self._terms.longest_other)
        phrases = [e.phrase.longest for g in by_term.values() for e in g if e.phrase is not None]
        initials = [term for term in by_term if _INITIALS.fullmatch(term) is not None]
        self._curses = _run_of((*initials, *_BESIDE_INITIALS))
        pairs = {term[i : i + 2] for term in by_term for i in range(len(term) - 1)}
        for phrase in (e.phrase for g in by_term.values() for e in g if e.phrase is not None):
            pairs |= phrase.pairs
        self._joins = frozenset(pair for pair in pairs if not pair.isascii())
        self._tail = max(longest, *phrases, 32) + 16
        self.lookbehind = _LOOKBEHIND
        self.reach = 3 * self._tail + _LOOKBEHIND  # two signs may stand behind every letter

    def scan(self, views: TextViews) -> Sequence[Match]:
        """Every bounded entry that no carrier covers; the longest where entries of one category overlap."""
        text = views.folded.text
        return self._matches(views, list(self._terms.find(text)), tighten(text, self._joins))

    def hold(self, views: TextViews) -> int:
        """Code points from the earliest position at which an entry may have begun."""
        return self.look(views).hold

    def look(self, views: TextViews, released: int = 0) -> Look:
        """`scan` and `hold` at once: they read the same terms."""
        text = views.folded.text
        terms = list(self._terms.find(text))
        tight = tighten(text, self._joins)
        matches = self._matches(views, terms, tight)
        begun = self._undecided(views, terms, tight)
        for match in matches:
            if match.start < begun and match.category in SPOKEN_ABOUT and waits(views.raw, match.end):
                begun = match.start
        return Look(matches, len(views.raw) - begun)

    def _undecided(self, views: TextViews, terms: list[Occurrence[Entry]], tight: MappedText | None) -> int:
        """The raw position from which the end of the text may be the beginning of an entry."""
        raw = views.raw
        if not raw.isascii():
            loose = self._loose_tail(views)
            if loose < len(raw):
                return self._begun_before(raw[max(0, loose - self._tail) : loose], loose)
        return self._begun(views.folded, terms, tight)

    def _matches(self, views: TextViews, terms: list[Occurrence[Entry]], tight: MappedText | None) -> list[Match]:
        found = self._read(views.folded, terms, views.raw) if terms else []
        if tight is not None:
            found += self._read(views.folded.over(tight), list(self._terms.find(tight.text)), views.raw)
        return _longest(found) if len(found) > 1 else found

    def _begun_before(self, text: str, end: int) -> int:
        """The same as `_begun` for the text that ends at raw position `end`, whose letters are not looked at again."""
        folded = build_views(text).folded
        terms = list(self._terms.find(folded.text))
        return end - len(text) + min(len(text), self._begun(folded, terms, tighten(folded.text, self._joins)))

    def _loose_tail(self, views: TextViews) -> int:
        """Where in the raw text Hangul letters begin that may yet be joined into other syllables."""
        raw = views.raw
        conjoining = _CONJOINING_TAIL.search(raw, max(0, len(raw) - self._tail))
        if conjoining is not None:
            return conjoining.start()
        loose = loose_letters_at_end(views.plain.text)
        if not loose:
            return len(raw)
        at = len(views.plain.text) - loose
        return views.plain.to_raw(at, at + 1).start

    def _begun(self, folded: MappedText, terms: list[Occurrence[Entry]], tight: MappedText | None) -> int:
        """The earliest raw position from which some reading of the end is the beginning of an entry."""
        text = folded.text
        earliest = len(text)
        first = max(0, len(text) - self._tail)
        tail = text[first:] if first else text
        for reading in tails(tail, first, tighten(tail, self._joins) if first else tight):
            known = terms if reading.text is tail and not first else list(self._terms.find(reading.text))
            for at in (self._terms.begun(reading.text), self._begun_phrase(reading.text, known) if known else None):
                if at is not None and reading.origin[at] < earliest:
                    earliest = reading.origin[at]
        if earliest == len(text):
            return folded.ends[-1] if folded.ends else len(text)
        return folded.to_raw(earliest, earliest + 1).start

    def _begun_phrase(self, reading: str, terms: list[Occurrence[Entry]]) -> int | None:
        """The earliest position from which the reading is the beginning of a phrase."""
        earliest: int | None = None
        for found in terms:
            start = found.start
            if earliest is not None and start >= earliest:
                continue
            for entry in found.meanings:
                if (
                    entry.phrase is not None
                    and _begins(entry, reading, start)
                    and entry.phrase.may_go_on(reading, start)
                ):
                    earliest = start
                    break
        return earliest

    def _read(self, view: MappedText, terms: list[Occurrence[Entry]], raw: str) -> list[Match]:
        """The matches of one view."""
        text = view.text
        hits: list[_Hit] = []
        carriers: list[_Hit] = []
        for found in terms:
            start, end = found.start, found.end
            for entry in found.meanings:
                stop = (
                    end
                    if entry.phrase is None
                    else entry.phrase.end(text, start)
                    if _begins(entry, text, start)
                    else None
                )
                if stop is not None and _bounded(entry, text, start, stop) and self._stands_alone(text, start, stop):
                    (hits if entry.category is not None else carriers).append(_Hit(entry, start, stop))
        return [
            _to_match(hit, view, raw)
            for hit in hits
            if not any(
                c.start <= hit.start and hit.end <= c.end and c.end - c.start > hit.end - hit.start for c in carriers
            )
        ]

    def _stands_alone(self, text: str, start: int, end: int) -> bool:
        """Whether what stands there is more than initials, or its whole run of loose letters is made of such entries."""
        if _INITIALS.fullmatch(text, start, end) is None:
            return True
        first = start
        while first > max(0, start - _LONGEST_RUN) and _INITIALS.match(text, first - 1) is not None:
            first -= 1
        run = _INITIALS.match(text, first, end + _LONGEST_RUN)
        return run is not None and self._curses.fullmatch(run[0]) is not None


def _run_of(initials: Iterable[str]) -> re.Pattern[str]:
    """Runs of some initials, each letter of which may be drawn out."""
    return re.compile("(?:" + "|".join("".join(f"{letter}+" for letter in one) for one in initials) + ")+")


def _to_match(hit: _Hit, view: MappedText, raw: str) -> Match:
    span = view.to_raw(hit.start, hit.end)
    entry = hit.entry
    assert entry.category is not None  # noqa: S101  # carriers were taken out before
    mention = entry.category in SPOKEN_ABOUT and is_mention(raw, span.start, span.end)
    return Match(entry.category, entry.severity, entry.score, span.start, span.end, entry.rule, mention=mention)


def _longest(found: list[Match]) -> list[Match]:
    """Drop what another match of the same category covers with at least the same severity."""
    ordered = sorted(found, key=lambda m: (m.start, -m.end, -m.severity.rank))
    kept: list[Match] = []
    for match in ordered:
        covered = any(
            k.category is match.category and k.end >= match.end and k.severity.rank >= match.severity.rank
            for k in kept[-8:]
        )
        if not covered:
            kept.append(match)
    return kept


def _masked(term: str) -> Iterator[str]:
    """The term as people write it half hidden: one inner vowel as a star (f*ck)."""
    if 4 <= len(term) <= 9 and term.isascii() and term.isalpha():
        for at, char in enumerate(term[1:-1], start=1):
            if char in "aeiou":
                yield f"{term[:at]}*{term[at + 1 :]}"


def _default_boundary(term: str) -> Boundary:
    if term[0].isascii():
        return Boundary.WORD
    return Boundary.START if "가" <= term[0] <= "힣" or "ㄱ" <= term[0] <= "ㅣ" else Boundary.ANY


def _parse_line(line: str, where: str) -> Iterator[Entry]:
    fields = [f.strip() for f in line.split("\t")]
    if len(fields) != 4:
        raise InvalidLexicon(
            f"{where}: expected four columns, found {len(fields)}",
            hint="category, severity, boundary, terms; tabs between",
        )
    category, severity, boundary, terms = fields
    try:
        meaning = None if category == "allow" else Category(category)
        level = Severity(severity)
        rule_boundary = None if boundary == "-" else Boundary(boundary)
    except ValueError as error:
        raise InvalidLexicon(f"{where}: {error}", hint="see policies/lexicons/README.md") from error
    for pattern in terms.split("|"):
        if pattern.strip():
            yield from _entries_of(pattern.strip(), meaning, level, rule_boundary, where)


def _entries_of(
    pattern: str, category: Category | None, severity: Severity, boundary: Boundary | None, rule: str
) -> Iterator[Entry]:
    """The entries of one pattern: its terms spelt out, or the openers of a phrase."""
    slots = slots_of(pattern)
    score = _SCORES.get(severity, 0.0)
    if combinations(slots) > MOST_SPELT_OUT:
        phrase = Phrase.of(slots)
        for opener in sorted(openers(slots)):
            yield Entry(opener, category, severity, boundary or _default_boundary(opener), rule, score, phrase)
        return
    for term in dict.fromkeys(spelt_out(slots)):
        for variant in (term, *_masked(term)) if category is not None else (term,):
            if variant:
                yield Entry(variant, category, severity, boundary or _default_boundary(variant), rule, score)


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries of one lexicon file.

    Raises:
        InvalidLexicon: with the file name and line of what cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidLexicon(f"{path.name}: {error}", hint="the file must be readable UTF-8") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield from _parse_line(line, f"{path.stem}:{number}")


def load(folder: Path) -> Lexicon:
    """The lexicon of every `.tsv` file in the folder.

    Raises:
        InvalidLexicon: when there is none, or one cannot be read.
    """
    files = sorted(folder.glob("*.tsv"))
    return Lexicon(entry for path in files for entry in read_entries(path))


def scanners() -> tuple[Lexicon, ...]:
    """The shipped lexicon, as the registry wants it.

    Raises:
        InvalidLexicon: a language has no file: its words would pass as if nothing were listed.
    """
    folder = policies_dir() / "lexicons"
    absent = [f"{name}.tsv" for name in SHIPPED if not (folder / f"{name}.tsv").is_file()]
    if absent:
        raise InvalidLexicon(f"{folder} has no {', '.join(absent)}", hint="reinstall haechi")
    return (load(folder),)
