"""A text as the detectors see it: as received, made plain, and folded; every position maps back.

Rules of this file
1. A view never loses the way back: `to_raw` turns any half-open range of the view into the range of the
   original that produced it, and covers every original code point that was dropped inside it.
2. Detect on views, redact in the original.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from haechi.base.text import Span


@dataclass(frozen=True, slots=True)
class MappedText:
    """A rewritten text and where each of its code points came from.

    text: the view.
    starts: index i gives the first original code point behind `text[i]`; None when the view is the original.
    ends: index i gives the end (exclusive) of the original range behind `text[i]`.
    """

    text: str
    starts: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None

    def to_raw(self, start: int, end: int) -> Span:
        """The original range behind view range [start, end)."""
        if self.starts is None or self.ends is None:
            return Span(start, end)
        if start >= end:
            at = self.starts[start] if start < len(self.starts) else (self.ends[-1] if self.ends else 0)
            return Span(at, at)
        return Span(self.starts[start], self.ends[end - 1])

    def from_raw(self, at: int) -> int:
        """The first position of the view that begins at or behind an original position."""
        return min(at, len(self.text)) if self.starts is None else bisect_left(self.starts, at)

    def over(self, inner: MappedText) -> MappedText:
        """This view rewritten once more: `inner` is a view of `self.text`; the answer maps to the original."""
        if self.starts is None or self.ends is None:
            return inner
        if inner.starts is None or inner.ends is None:
            return MappedText(inner.text, self.starts, self.ends)
        starts, ends = self.starts, self.ends
        return MappedText(
            inner.text, tuple([starts[i] for i in inner.starts]), tuple([ends[i - 1] for i in inner.ends])
        )


@dataclass(frozen=True, slots=True)
class TextViews:
    """The three views of one text (or of the unreleased end of a stream).

    raw: as received.
    plain: NFKC, invisible characters dropped, case and letters kept; patterns for personal data read this.
    folded: plain, with case, confusables, loose Hangul letters and traditional characters folded; lexicons read this.
    """

    raw: str
    plain: MappedText
    folded: MappedText
