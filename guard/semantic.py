"""The lane of the classifiers: judge each complete sentence once, with what stands before it, and say what to hold.

Rules of this file
1. A sentence is judged as a whole and never as a truncated tail; one that is too long is judged in overlapping windows.
   A look at an unfinished sentence, or a listed word in it, may only make the lane hold, never judge.
2. Every character is judged once; the cost is linear in the text.
3. `strict` holds a sentence until it was judged, `balanced` only after something looked suspicious, `async` never.
4. A classifier that did not answer in time, or failed, has not said "safe". One that says that the language is not its own
   is silent only where no other classifier of the rule answered.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar, assert_never

from guard.classify import Conversational, Follower, Stretch, TokenWise
from guard.conversation import Conversation, ScoreMemory, Scores, surroundings
from guard.engine import ClassifierSeat, Observation, Plan
from guard.language import language_of
from guard.policy import StreamMode
from guard.scoring import DEADLINE, NOT_COVERED, Job, ScoringDesk
from guard.sentences import ends, last_end, segments
from guard.verdict import Category, Direction, Severity, Unavailable

OVERLAP: Final = 150
"""Code points that a window within a long sentence shares with the one before."""
LONG: Final = 8000
GROUP: Final = 300
"""Sentences of a text longer than LONG that came at once are judged together up to GROUP code points: one by one they would
take too long. Where it can be paid for each is judged by itself, since harmless neighbours hide a bad one."""
PEEK: Final = 120
"""Code points of an unfinished sentence after which `balanced` has a look."""
IN_FLIGHT: Final = 16
"""Windows of one text that wait at the same time."""
PIECEMEAL: Final = frozenset(
    {Category.PROMPT_ATTACK, Category.ILLEGAL, Category.VIOLENCE, Category.SELF_HARM, Category.SEXUAL_MINORS}
)
"""What may be asked for in pieces, each harmless: an insult is whole where it stands."""
Answer = TypeVar("Answer")
_NO_LIMIT: Final = 1 << 60
_FOLLOW_LEAST: Final = 24  # code points given to a follower at once


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a text that is judged at once. text begins at `start` of the whole text; context stands before it.

    among: whether it is a sentence with others around it. whole: whether its sentences are judged as well.
    """

    text: str
    start: int
    context: str
    among: bool = False
    whole: bool = False

    @property
    def end(self) -> int:
        """Where it ends in the whole text."""
        return self.start + len(self.text)


@dataclass(slots=True)
class _Seat:
    """A classifier while one text is judged.

    runs: how many windows running looked unsafe. waiting: observations that wait for their neighbours.
    """

    seat: ClassifierSeat
    follower: Follower | None = None
    silent: bool = False
    runs: dict[Category, int] = field(default_factory=dict)
    waiting: dict[Category, list[Observation]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the classifier."""
        return self.seat.classifier.name

    @property
    def odds_among(self) -> float:
        """What the classifier says that the odds of a sentence count when others stand around it."""
        return float(getattr(self.seat.classifier, "odds_among", 1.0))

    def reads(self, window: Window) -> bool:
        """Whether the classifier is asked about a window; a whole text only if its sentences count less alone."""
        return not self.silent and (not window.whole or self.odds_among < 1.0)

    def weighed(self, scores: Scores, window: Window) -> Scores:
        """The scores of a window as they count for the text; an attack or a request hides among others, and counts in full."""
        if not window.among or self.odds_among == 1.0:
            return scores
        return {c: score if c in PIECEMEAL else with_odds(score, self.odds_among) for c, score in scores.items()}


class SemanticLane:
    """Feeds sentences of one text to the classifiers of a plan."""

    def __init__(self, plan: Plan, desk: ScoringDesk, memory: ScoreMemory | None, conversation: Conversation) -> None:
        self._plan = plan
        self._terms = plan.semantic
        self._desk = desk
        self._memory = memory
        self._conversation = conversation
        self._turns = conversation.within(plan.semantic.context) if plan.classifiers else ()
        self._pending = ""  # arrived, not judged
        self._context = ""  # judged, kept for the next window
        self._scored = 0  # position up to which the text was judged
        self._inside = False  # whether the last window ended within a sentence
        self._peeked = 0  # code points of `_pending` that were looked at
        self._unfollowed = ""  # arrived, not yet given to the followers
        self._followed = 0
        self._budget = plan.semantic.text_ms / 1000  # seconds that may still be waited
        self._suspicious = False
        self._silent: list[tuple[str, Unavailable]] = []
        self._answered: set[Category] = set()  # by some classifier, in the text that is being judged
        self._uncovered: list[tuple[_Seat, Unavailable]] = []
        self.scores: dict[Category, float] = {}
        seats = [_Seat(seat) for seat in plan.classifiers]
        follows = [s for s in seats if plan.direction is Direction.OUTPUT and isinstance(s.seat.classifier, TokenWise)]
        self._followers = follows
        self._judges = [s for s in seats if s not in follows]

    def advance(self, delta: str, *, final: bool) -> list[tuple[str, Observation]]:
        """Take text; answer what the classifiers see in the sentences that it completes, with the detector's name."""
        self._pending += delta
        self._unfollowed += delta
        seen = self._follow(final=final) if self._followers else []
        ready = self._ready(final=final)
        if ready and self._judges:
            seen += self._judge_ready(self._pending[:ready])
        if ready:
            self._pending = self._pending[ready:]
            self._scored += ready
            self._peeked = 0
        if final:
            seen += self._last_word()
        elif self._plan.streaming is StreamMode.BALANCED and not self._suspicious and self._judges:
            self._peek()
        return seen

    def asks(self, delta: str) -> bool:
        """Whether taking this text would ask a classifier, so that it may take a while."""
        pending = self._pending + delta
        if self._followers and len(self._unfollowed) + len(delta) >= _FOLLOW_LEAST:
            return True
        if self._plan.streaming is StreamMode.BALANCED and len(pending) - self._peeked >= PEEK:
            return True
        return len(pending) >= self._terms.window or last_end(pending) > 0

    def limit(self) -> int:
        """The position behind which nothing may be released yet."""
        judged = min(
            self._scored if self._judges else _NO_LIMIT,
            self._followed if self._followers else _NO_LIMIT,
            self._undecided(),
        )
        match self._plan.streaming:
            case StreamMode.STRICT:
                return judged
            case StreamMode.BALANCED:
                return judged if self._suspicious else _NO_LIMIT
            case StreamMode.ASYNC:
                return _NO_LIMIT
            case _ as unreachable:
                assert_never(unreachable)

    def doubt(self, category: Category, start: int) -> None:
        """Something was seen at that position without a classifier: the sentence there is held until it was judged."""
        if start >= self._scored and any(category in seat.seat.classifier.categories for seat in self._judges):
            self._suspicious = True

    def _undecided(self) -> int:
        """Where the first thing begins that waits for its neighbours."""
        seats = (*self._judges, *self._followers)
        return min((one.start for s in seats for some in s.waiting.values() for one in some), default=_NO_LIMIT)

    def take_silence(self) -> list[tuple[str, Unavailable]]:
        """Classifiers that failed since the last call."""
        silent, self._silent = self._silent, []
        return silent

    def _ready(self, *, final: bool) -> int:
        """How much of what waits can be judged: complete sentences, or a window of one that does not end."""
        if final:
            return len(self._pending)
        ready = last_end(self._pending)
        if ready or len(self._pending) < self._terms.window:
            return ready
        blank = self._pending.rfind(" ", self._terms.window // 2, self._terms.window)
        return blank + 1 if blank > 0 else self._terms.window

    def _judge_ready(self, text: str) -> list[tuple[str, Observation]]:
        """Have text that is ready judged by every classifier, in the windows that suit it.

        One that reads conversations gets as many sentences at once as fit: it is the costlier kind, and reads them as one
        message. Any other gets each sentence, unless much text came at once.
        """
        longest = self._terms.window
        stand = (self._context, self._inside)
        readers = [seat for seat in self._judges if isinstance(seat.seat.classifier, Conversational)]
        others = [seat for seat in self._judges if seat not in readers]
        seen: list[tuple[str, Observation]] = []
        suspicious = False
        self._answered, self._uncovered = set(), []
        for seats, together in ((readers, longest), (others, min(GROUP, longest) if len(text) > LONG else 0)):
            if seats:
                self._context, self._inside = stand
                windows = list(self._windows(text, together))
                if len(windows) > 1 and self._scored == 0 and not together and self._terms.debounce == 1:
                    joined = len(text) if len(text) <= longest else GROUP
                    windows += [
                        Window(text[span.start : span.end], span.start, "", whole=True)
                        for span in segments(text, longest, together=joined)
                    ]
                seen += self._judge_all(windows, seats)
                suspicious = suspicious or self._suspicious
        self._suspicious = suspicious
        for seat, silent in self._uncovered:
            if self._wanted(seat) - self._answered:
                self._note_silence(seat, silent)
        return seen

    def _windows(self, text: str, together: int) -> Iterator[Window]:
        """The windows of text that is ready. Nothing but signs and blanks is no window."""
        complete = set(ends(text))
        spans = list(segments(text, self._terms.window, together=together))
        among = not together and (len(spans) > 1 or self._scored > 0)
        for span in spans:
            piece = text[span.start : span.end]
            shared = self._context[-OVERLAP:] if self._inside else ""
            if says_something(piece):
                before = self._context[: len(self._context) - len(shared)]
                before = before[-self._terms.context :] if self._terms.context else ""
                yield Window(shared + piece, self._scored + span.start - len(shared), before, among)
            self._context = (self._context + piece)[-max(self._terms.context, OVERLAP) :]
            self._inside = span.end not in complete

    def _judge_all(self, windows: Sequence[Window], seats: Sequence[_Seat]) -> list[tuple[str, Observation]]:
        """Have every window judged by these classifiers, some windows at a time."""
        seen: list[tuple[str, Observation]] = []
        for at in range(0, len(windows), IN_FLIGHT):
            some = windows[at : at + IN_FLIGHT]
            asked = [(w, [(s, self._ask(s, w)) for s in seats if s.reads(w)]) for w in some]
            for window, jobs in asked:
                seen += self._settle(window, jobs)
        whole = windows[0] if len(windows) == 1 and self._scored == 0 else None
        if whole is not None and self._plan.direction is Direction.INPUT:
            seen += self._judge_with_turns(whole, seats)
        return seen

    def _settle(self, window: Window, jobs: list[tuple[_Seat, Scores | _Asked]]) -> list[tuple[str, Observation]]:
        """Wait for the answers about one window and note them."""
        seen: list[tuple[str, Observation]] = []
        self._suspicious = False
        for seat, job in jobs:
            answer = self._wait(seat, job)
            if not isinstance(answer, Unavailable):
                self._answered |= set(answer)
                seen += self._observe(seat, seat.weighed(answer, window), window.start, window.end, window.text)
            elif answer.reason == NOT_COVERED:
                self._uncovered.append((seat, answer))
            else:
                self._note_silence(seat, answer)
        return seen

    def _wanted(self, seat: _Seat) -> set[Category]:
        """The categories for which rules count on a classifier."""
        rules = self._plan.rules_of(seat.seat.detector)
        return {rule.category for rule in rules} & seat.seat.classifier.categories

    def _ask(self, seat: _Seat, window: Window, *, remember: bool = True) -> Scores | _Asked:
        """Scores that are remembered, or a question under way."""
        classifier = seat.seat.classifier
        name = self._memory.name(self._key(seat, window)) if self._memory is not None and remember else None
        if self._memory is not None and name is not None:
            known = self._memory.get(name)
            if known is not None:
                return known
        if isinstance(classifier, Conversational):
            work = partial(classifier.judge, window.text, window.context, self._turns, self._plan.direction)
            job: Job[Scores] = Job(work, self._until())
        else:
            alone = None if getattr(classifier, "reads_context", True) and window.context else window.text
            job = Job(partial(classifier.score, window.text, window.context), self._until(), alone)
        self._desk.submit(classifier, job)
        return _Asked(job, name)

    def _key(self, seat: _Seat, window: Window) -> list[str]:
        """What a score depends on."""
        classifier = seat.seat.classifier
        parts = [
            self._conversation.tenant,
            self._plan.digest,
            seat.seat.detector,
            classifier.name,
            getattr(classifier, "version", ""),
            self._plan.direction.value,
            window.text,
        ]
        if getattr(classifier, "reads_context", True):
            parts.append(window.context)
        return [*parts, *surroundings(self._turns)] if isinstance(classifier, Conversational) else parts

    def _wait(self, seat: _Seat, asked: Scores | _Asked) -> Scores | Unavailable:
        """The answer, its time taken off what the text has left."""
        if not isinstance(asked, _Asked):
            return asked
        answer = self._answer(seat, asked.job)
        if isinstance(answer, Unavailable):
            seat.silent = seat.silent or answer.reason == DEADLINE
        elif self._memory is not None and asked.name is not None:
            self._memory.put(asked.name, answer)
        return answer

    def _answer(self, seat: _Seat, job: Job[Answer]) -> Answer | Unavailable:
        begun = time.monotonic()
        answer = self._desk.wait(seat.name, job)
        self._budget -= time.monotonic() - begun
        return answer

    def _until(self) -> float:
        now = time.monotonic()
        return now + max(0.0, min(self._terms.window_ms / 1000, self._budget, self._conversation.until - now))

    def _judge_with_turns(self, window: Window, seats: Sequence[_Seat]) -> list[tuple[str, Observation]]:
        """Read a short new turn once more behind the turns before it: something may have been asked for in pieces."""
        before = self._conversation.recent(self._terms.turns, self._terms.context)
        if not before:
            return []
        joined = Window(f"{before}\n{window.text}", 0, "")
        seen: list[tuple[str, Observation]] = []
        for seat in seats:
            if seat.silent or isinstance(seat.seat.classifier, Conversational) or not self._wanted(seat) & PIECEMEAL:
                continue
            answer = self._wait(seat, self._ask(seat, joined))
            if not isinstance(answer, Unavailable):
                some = {category: score for category, score in answer.items() if category in PIECEMEAL}
                seen += self._observe(seat, some, window.start, window.end, joined.text)
        return seen

    def _peek(self) -> None:
        """Look at an unfinished sentence: if it looks bad, or cannot be looked at, hold from here on."""
        if len(self._pending) - self._peeked < PEEK:
            return
        self._peeked = len(self._pending)
        window = Window(
            self._pending, self._scored, self._context[-self._terms.context :] if self._terms.context else ""
        )
        jobs = [(seat, self._ask(seat, window, remember=False)) for seat in self._judges if not seat.silent]
        for seat, job in jobs:
            answer = self._wait(seat, job)
            self._suspicious = self._suspicious or isinstance(answer, Unavailable) or self._is_suspicious(answer)

    def _is_suspicious(self, scores: Scores) -> bool:
        return any(score >= self._plan.suspicious.get(category, 2.0) for category, score in scores.items())

    def _follow(self, *, final: bool) -> list[tuple[str, Observation]]:
        """Give the followers what came, up to where no token can go on."""
        cut = len(self._unfollowed) if final else max(self._unfollowed.rfind(" "), last_end(self._unfollowed))
        if cut <= 0 or (cut < _FOLLOW_LEAST and not final):
            return []
        text, self._unfollowed = self._unfollowed[:cut], self._unfollowed[cut:]
        seen: list[tuple[str, Observation]] = []
        self._suspicious = False
        for seat in self._followers:
            answer = self._follow_one(seat, text)
            if isinstance(answer, Unavailable):
                self._note_silence(seat, answer)
            elif answer is not None:
                seen += self._observe(seat, answer.scores, answer.start, answer.end, text)
        self._followed += len(text)
        return seen

    def _follow_one(self, seat: _Seat, text: str) -> Stretch | Unavailable | None:
        """One follower's answer; one that failed once has lost the thread and stays silent."""
        if seat.silent:
            return None
        job = Job(partial(self._fed, seat, text), self._until())
        self._desk.submit(seat.seat.classifier, job)
        answer = self._answer(seat, job)
        seat.silent = isinstance(answer, Unavailable)
        return answer

    def _fed(self, seat: _Seat, text: str) -> Stretch:
        classifier = seat.seat.classifier
        if seat.follower is None and isinstance(classifier, TokenWise):
            seat.follower = classifier.follow(self._turns)
        if seat.follower is None:
            raise TypeError("a classifier that follows nothing")
        return seat.follower.feed(text)

    def _observe(
        self, seat: _Seat, scores: Mapping[Category, float], start: int, end: int, text: str
    ) -> list[tuple[str, Observation]]:
        """Note one classifier's scores, and answer what of them is worth a finding now."""
        seen: list[Observation] = []
        for category, score in scores.items():
            if category not in self._plan.suspicious:
                continue
            self.scores[category] = max(score, self.scores.get(category, 0.0))
            if score >= self._plan.suspicious[category]:
                self._suspicious = True
                found = Observation(category, Severity.UNSAFE, score, start, end, seat.name, "", text)
                seen += self._debounced(seat, found, unsafe=score >= self._unsafe_from(seat, category, text))
            elif self._terms.debounce > 1:
                seen += self._broken_off(seat, category)
        return [(seat.seat.detector, one) for one in seen]

    def _unsafe_from(self, seat: _Seat, category: Category, text: str) -> float:
        """The score from which a window counts as unsafe; asked only where a run of them is needed."""
        if self._terms.debounce == 1:
            return 0.0
        rule, language = self._plan.rules[category], language_of(text)
        own = self._plan.own_limits(rule, seat.name, language, lambda: text)
        return rule.limits(language, own).unsafe

    def _debounced(self, seat: _Seat, found: Observation, *, unsafe: bool) -> list[Observation]:
        """What of a run of windows counts now: all of it once it is long enough, as doubtful when it broke off."""
        if self._terms.debounce == 1:
            return [found]
        category = found.category
        if not unsafe:
            return [*self._broken_off(seat, category), found]
        seat.runs[category] = seat.runs.get(category, 0) + 1
        waiting = [*seat.waiting.pop(category, []), found]
        if seat.runs[category] >= self._terms.debounce:
            return waiting
        seat.waiting[category] = waiting
        return []

    def _broken_off(self, seat: _Seat, category: Category) -> list[Observation]:
        """What waited for a neighbour that did not agree."""
        seat.runs.pop(category, None)
        return [replace(one, at_most=Severity.CONTROVERSIAL) for one in seat.waiting.pop(category, [])]

    def _last_word(self) -> list[tuple[str, Observation]]:
        """The text is complete: nothing will contradict a run that goes to its end."""
        return [
            (seat.seat.detector, found)
            for seat in (*self._judges, *self._followers)
            for waiting in seat.waiting.values()
            for found in waiting
        ]

    def _note_silence(self, seat: _Seat, silent: Unavailable) -> None:
        self._silent.append((seat.seat.detector, silent))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question under way, and the key under which its answer will be remembered."""

    job: Job[Scores]
    name: bytes | None


def with_odds(probability: float, factor: float) -> float:
    """The probability whose odds are those of `probability` times the factor."""
    return probability * factor / (1.0 - probability + probability * factor)


def says_something(text: str) -> bool:
    """Whether a text holds more than punctuation, blanks and control characters; emoji say something."""
    return any(char.isalnum() for char in text) or any(unicodedata.category(char)[0] not in "PCZ" for char in text)
