"""The lane of the classifiers: judge each complete sentence once, with what stands before it, and say what to hold.

Rules of this file
1. A sentence is judged as a whole and never as a truncated tail; one that is too long is judged in windows.
2. Every character is judged once; the cost is linear in the text.
3. `strict` holds a sentence until it was judged, `balanced` only after something looked suspicious, `async` never.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import assert_never

from guard.engine import ClassifierSeat, Observation, Plan, guarded
from guard.policy import StreamMode
from guard.sentences import last_end, segments
from guard.verdict import Category, Severity, Unavailable

WINDOW = 600  # code points judged at once, about 128 tokens of English; see anchors on window size in docs/policies.md
CONTEXT = 600  # code points before the window that the classifier may read
_NO_LIMIT = 1 << 60


class SemanticLane:
    """Feeds sentences of one text to the classifiers of a plan."""

    __slots__ = ("_context", "_pending", "_plan", "_scored", "_silent", "_suspicious", "scores")

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._pending = ""  # arrived, not judged
        self._context = ""  # judged, kept for the next window
        self._scored = 0  # position up to which the text was judged
        self._suspicious = False
        self._silent: list[tuple[str, Unavailable]] = []
        self.scores: dict[Category, float] = {}

    def advance(self, delta: str, *, final: bool) -> list[tuple[str, Observation]]:
        """Take text; answer what the classifiers see in the sentences that it completes, with the detector's name."""
        self._pending += delta
        ready = len(self._pending) if final else last_end(self._pending)
        if not ready and len(self._pending) >= WINDOW:
            ready = WINDOW
        seen: list[tuple[str, Observation]] = []
        if not ready:
            return seen
        complete = self._pending[:ready]
        for span in segments(complete, WINDOW):
            text = complete[span.start : span.end]
            if text.strip():
                seen += self._judge(text, self._scored + span.start)
            self._context = (self._context + text)[-CONTEXT:]
        self._pending = self._pending[ready:]
        self._scored += ready
        return seen

    def limit(self) -> int:
        """The position behind which nothing may be released yet."""
        match self._plan.streaming:
            case StreamMode.STRICT:
                return self._scored
            case StreamMode.BALANCED:
                return self._scored if self._suspicious else _NO_LIMIT
            case StreamMode.ASYNC:
                return _NO_LIMIT
            case _ as unreachable:
                assert_never(unreachable)

    def take_silence(self) -> list[tuple[str, Unavailable]]:
        """Classifiers that failed since the last call."""
        silent, self._silent = self._silent, []
        return silent

    def _judge(self, text: str, start: int) -> list[tuple[str, Observation]]:
        seen: list[tuple[str, Observation]] = []
        suspicious = False
        for seat in self._plan.classifiers:
            scores = guarded(seat.classifier.name, partial(seat.classifier.score, text, self._context))
            if isinstance(scores, Unavailable):
                self._silent.append((seat.detector, scores))
                continue
            suspicious = self._observe(seat, scores, start, start + len(text), seen) or suspicious
        self._suspicious = suspicious
        return seen

    def _observe(
        self,
        seat: ClassifierSeat,
        scores: Mapping[Category, float],
        start: int,
        end: int,
        seen: list[tuple[str, Observation]],
    ) -> bool:
        """Note one classifier's scores; whether any of them asks for caution."""
        suspicious = False
        for category, score in scores.items():
            if category not in self._plan.suspicious:
                continue
            self.scores[category] = max(score, self.scores.get(category, 0.0))
            if score >= self._plan.suspicious[category]:
                suspicious = True
                seen.append(
                    (seat.detector, Observation(category, Severity.UNSAFE, score, start, end, seat.classifier.name))
                )
        return suspicious
