"""Scrubber: take personal data and secrets out of texts.

Rules of this file
1. Positions are code points of the text as received; what is replaced is the original, whatever form it was found in.
2. Long texts are read in windows by the same hold-back that streams use, so that memory stays bounded and a value
   that lies across two windows is found.
3. Where entities overlap, the stronger one is replaced whole and the rest of the weaker one as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from guard import pii, secrets
from guard.fold import build_views
from guard.pii.errors import UnknownEntity
from guard.pii.kinds import NAME_KINDS
from guard.pii.names.scanner import ENTITIES as NAME_ENTITIES
from guard.pii.names.scanner import NameScanner
from guard.pii.operators import Mode, operator
from guard.scanner import Match, Scanner
from haechi.base.text import Language

_WINDOW = 32_768  # code points read at once
_MOST_HELD = 8_192  # code points carried from one window into the next


@dataclass(frozen=True, slots=True)
class Entity:
    """A piece of personal data or a secret, in code points of the original.

    type: its kind (`EMAIL_ADDRESS`). score: probability in [0, 1]. rule: which pattern found it,
    and the context word that raised its score.
    """

    type: str
    start: int
    end: int
    score: float
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without what was found in it. entities: what was found, in order, none overlapping another."""

    text: str
    entities: tuple[Entity, ...]


class Scrubber:
    """Finds and replaces. Holds no text; may be used from several threads.

    >>> Scrubber().scrub("전화는 010-1234-5678입니다").text
    '전화는 ***-****-****입니다'
    """

    def __init__(
        self,
        mode: Mode | str = Mode.MASK,
        *,
        languages: Iterable[Language | str] = tuple(Language),
        key: bytes | None = None,
        entities: Iterable[str] | None = None,
        threshold: float = 0.5,
    ) -> None:
        """Prepare a scrubber.

        languages: in which languages names are looked for; number formats of every country always are.
        key: for hashes and pseudonyms; the same key gives the same replacements. Random without one.
        entities: only these kinds; all without it. threshold: least score that counts, in [0, 1].

        `missing` then names what could not be looked for, as KIND:language.

        Raises:
            UnknownEntity: when a kind is not known.
            WeakPseudonymKey: when the key is too short.
        """
        self.mode = Mode(mode)
        self.languages = frozenset(Language(language) for language in languages)
        self._replace: Callable[[str, str], str] = operator(self.mode, key)
        known = pii.entities() | secrets.entities() | NAME_ENTITIES
        self.entities = known if entities is None else frozenset(entities)
        for name in sorted(self.entities - known):
            raise UnknownEntity(name, known)
        asked = [kind for kind in NAME_KINDS if kind in self.entities]
        names = NameScanner(self.languages if asked else ())
        self._scanners: tuple[Scanner, ...] = (*pii.scanners(), *secrets.scanners(), names)
        self._lookbehind = max(int(getattr(s, "lookbehind", s.reach)) for s in self._scanners)
        self.missing = tuple(sorted(f"{kind}:{language.value}" for language in names.missing for kind in asked))
        self.threshold = threshold

    def find(self, text: str) -> tuple[Entity, ...]:
        """What is in the text, in order, none overlapping another."""
        found = [
            Entity(match.entity, match.start, match.end, match.score, match.rule)
            for match in self._matches(text)
            if match.entity in self.entities and match.score >= self.threshold
        ]
        return tuple(disjoint(found))

    def scrub(self, text: str) -> Scrubbed:
        """The text with everything replaced, and what was replaced."""
        found = self.find(text)
        return Scrubbed(replaced(text, found, self._replace), found)

    def _matches(self, text: str) -> Iterable[Match]:
        """Every match, window by window."""
        done = 0
        while done < len(text) or not done:
            base = max(0, done - self._lookbehind)
            end = min(len(text), done + _WINDOW)
            views = build_views(text[base:end])
            cut = end
            if end < len(text):
                held = max(scanner.hold(views) for scanner in self._scanners)
                cut = max(done + 1, end - min(held, _MOST_HELD))
            found = [m for scanner in self._scanners for m in scanner.scan(views)]
            cut = _before_matches(found, done - base, cut - base) + base
            for match in found:
                if done < match.end + base <= cut:
                    yield replace(match, start=max(done, match.start + base), end=match.end + base)
            done = cut
            if end == len(text) and cut == end:
                return


def _before_matches(found: Sequence[Match], floor: int, cut: int) -> int:
    """The cut, moved before a match that it would divide."""
    for match in sorted(found, key=lambda m: -m.start):
        if floor < match.start < cut < match.end:
            cut = match.start
    return cut


def replaced(text: str, found: Iterable[Entity], operate: Callable[[str, str], str]) -> str:
    """The text with each entity replaced; they must be in order and apart."""
    out: list[str] = []
    at = 0
    for entity in found:
        out.append(text[at : entity.start])
        out.append(operate(entity.type, text[entity.start : entity.end]))
        at = entity.end
    out.append(text[at:])
    return "".join(out)


def disjoint(found: Iterable[Entity]) -> list[Entity]:
    """Entities apart from each other: the stronger keeps its range, the weaker what is left of its own."""
    ordered = sorted(found, key=lambda e: (e.start, -e.end))
    apart: list[Entity] = []
    cluster: list[Entity] = []
    end = 0
    for entity in ordered:
        if cluster and entity.start >= end:
            apart += _resolve(cluster)
            cluster = []
        cluster.append(entity)
        end = max(end, entity.end) if len(cluster) > 1 else entity.end
    return apart + _resolve(cluster)


def _resolve(cluster: list[Entity]) -> list[Entity]:
    """One cluster of overlapping entities, strongest first."""
    if len(cluster) < 2:
        return cluster
    kept: list[Entity] = []
    for entity in sorted(cluster, key=lambda e: (-round(e.score, 1), e.start - e.end, e.start)):
        start, end = entity.start, entity.end
        for other in kept:
            if other.start <= start < other.end:
                start = other.end
            if other.start < end <= other.end:
                end = other.start
        if start < end and not any(o.start < end and start < o.end for o in kept):
            kept.append(replace(entity, start=start, end=end))
    return sorted(kept, key=lambda e: e.start)
