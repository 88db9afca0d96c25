"""The guard as a text arrives: release what is settled, hold what may still become a match. Sans-IO.

Rules of this file
1. A match counts once it ends before the hold-back; until then it may still grow, or turn out harmless.
2. Nothing behind the first character that may belong to a match is released, whatever else is decided.
3. Only the open text and the context before it are kept and looked at again: the cost is linear in the text.
4. Once blocked, nothing more comes out.

Positions: `_base` is where the window begins in the whole text, `_released` how far it was released.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from guard.claims.lane import ClaimsLane
from guard.claims.ports import Judgement
from guard.claims.rulings import note, ruling
from guard.decide import on_unavailable, strictest, worst
from guard.engine import Observation, Plan, guarded, without_classifiers
from guard.errors import StreamClosed
from guard.fold import build_views
from guard.mask import Replace, apply
from guard.policy import Policy, Rule
from guard.scanner import Look, Scanner
from guard.scoring import NOT_COVERED
from guard.semantic import SemanticLane
from guard.sentences import last_end, segments
from guard.verdict import Action, Category, ClaimOutcome, Coverage, Finding, Severity, Unavailable, Verdict
from guard.views import TextViews

MAX_HOLD = 4096  # code points; a stream never keeps back more, so that hidden characters cannot stop it for ever
_LONGEST_SENTENCE = 2048  # code points; held as a whole only where a rule rewrites sentences


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """What is left when a stream ends. text: the rest that may be released."""

    text: str
    verdict: Verdict


def _matches(scanner: Scanner, views: TextViews) -> Look:
    """What a scanner sees in a text that is complete: nothing is waited for."""
    return Look(scanner.scan(views), 0)


class GuardStream:
    """One text on its way: `feed` its pieces, then `finish` or `abort`. Not for use by several threads at once."""

    __slots__ = (
        "_base",
        "_blocked",
        "_checked",
        "_claims",
        "_ended",
        "_findings",
        "_late",
        "_masks",
        "_notes",
        "_open",
        "_plan",
        "_policy",
        "_released",
        "_replace",
        "_scores",
        "_semantic",
        "_shadow",
        "_silence",
        "_slow",
        "_unavailable",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        policy: Policy,
        semantic: SemanticLane | None = None,
        replace: Replace | None = None,
        claims: ClaimsLane | None = None,
    ) -> None:
        """semantic, claims: lanes made for this text. replace: for data that is redacted."""
        self._replace = replace
        self._claims = claims
        self._notes: list[tuple[int, str]] = []  # behind which position, and what
        self._plan = plan
        self._slow = plan.slow
        self._policy = policy
        self._semantic = semantic
        self._open = ""  # context already released, then what is held
        self._base = 0
        self._released = 0
        self._checked = 0
        self._findings: list[Finding] = []
        self._shadow: list[Finding] = []
        self._masks: list[Finding] = []  # judged by the semantic lane, not yet written out
        self._unavailable: dict[str, Unavailable] = {}
        self._silence: Action = Action.ALLOW
        looked_for = plan.looked_for if claims is not None else plan.looked_for - plan.needs_evidence
        self._scores: dict[Category, float] = dict.fromkeys(sorted(looked_for), 0.0)
        self._late = 0
        self._blocked = False
        self._ended = False

    @property
    def blocked(self) -> bool:
        """Whether the policy stopped the text: the caller stops reading and closes the upstream."""
        return self._blocked

    def feed(self, delta: str) -> str:
        """Take the next piece; answer what may be released now. Raises nothing on content.

        Raises:
            StreamClosed: after `finish` or `abort`.
        """
        if self._ended:
            raise StreamClosed("the guard stream has ended", hint="make a new stream for each text")
        if self._blocked or not delta:
            return ""
        return self._advance(delta, final=False)

    def asks(self, delta: str) -> bool:
        """Whether feeding this piece would ask a classifier or a slow scanner; if not, it costs next to nothing."""
        return (
            self._slow
            or (self._semantic is not None and self._semantic.asks(delta))
            or (self._claims is not None and self._claims.asks(delta))
        )

    def finish(self) -> StreamEnd:
        """The text is complete: the rest that may be released, and the verdict."""
        if self._ended:
            raise StreamClosed("the guard stream has ended", hint="make a new stream for each text")
        rest = "" if self._blocked else self._advance("", final=True)
        self._ended = True
        return StreamEnd(rest, self.verdict())

    def abort(self) -> StreamEnd:
        """The other side went away: nothing more is released, what is held was not judged to its end."""
        if not self._blocked and not self._ended:
            self._checked = min(self._checked, self._released)
        self._ended = True
        return StreamEnd("", self.verdict())

    def check(self, text: str) -> Verdict:
        """Judge a whole text in one pass: the same as feeding it and finishing."""
        self._advance(text, final=True)
        self._ended = True
        return self.verdict()

    def verdict(self) -> Verdict:
        """What is known so far."""
        action = strictest([self._silence, *(f.action for f in self._findings)])
        return Verdict(
            action,
            worst(self._findings),
            tuple(self._findings),
            dict(self._scores),
            Coverage(self._checked, self._base + len(self._open)),
            self._policy.name,
            self._policy.digest,
            tuple(self._unavailable.values()),
            tuple(self._shadow),
            self._late,
            self._plan.not_looked_for,
            tuple(self._claims.checked) if self._claims is not None else (),
        )

    def _advance(self, delta: str, *, final: bool) -> str:
        self._open += delta
        window = self._open
        views = guarded("fold", partial(build_views, window))
        if isinstance(views, Unavailable):
            for seat in self._plan.scanners:
                self._note_silence(seat.detector, Unavailable(seat.scanner.name, views.reason))
            seen: list[tuple[str, Observation]] = []
            cut = len(window)
        else:
            seen, hold = self._look(views, final=final)
            cut = len(window) - min(hold, MAX_HOLD)
        floor = self._released - self._base
        cut = self._semantic_limit(delta, seen, final=final, cut=cut)
        cut = self._claims_limit(delta, final=final, cut=cut)
        if self._plan.by_sentence and not final:
            cut = min(cut, self._sentence_limit(window, floor))
        cut = max(floor, cut)
        for _, match in seen:  # a match across the cut is not settled; neither is what it covers
            start = match.start - self._base
            if floor <= start < cut < match.end - self._base:
                cut = start
        settled = self._settle(seen, floor, cut)
        if self._silence is Action.BLOCK or any(f.action is Action.BLOCK for f in settled):
            self._blocked = True
        if not self._unavailable:
            self._checked = self._base + len(window)
        return "" if self._blocked else self._release(window, floor, cut, settled)

    def _look(self, views: TextViews, *, final: bool) -> tuple[list[tuple[str, Observation]], int]:
        """What every scanner sees, in positions of the whole text, and how much of the end some scanner waits for."""
        base, released = self._base, self._released - self._base
        seen: list[tuple[str, Observation]] = []
        hold = 0
        for seat in self._plan.scanners:
            name = seat.scanner.name
            look = partial(_matches, seat.scanner, views) if final else partial(seat.look, views, released)
            found = guarded(name, look)
            if isinstance(found, Unavailable):
                self._note_silence(seat.detector, found)
                continue
            if found.hold > hold:
                hold = found.hold
            if found.matches:
                seen += [
                    (
                        seat.detector,
                        Observation(m.category, *self._plan.weight_of(m), m.start + base, m.end + base, name, m.entity),
                    )
                    for m in found.matches
                ]
        return seen, hold

    def _semantic_limit(self, delta: str, seen: list[tuple[str, Observation]], *, final: bool, cut: int) -> int:
        """Let the classifiers judge what is complete; how far they allow to release. seen: by the scanners."""
        lane = self._semantic
        if lane is None:
            return cut
        for detector, observation in lane.advance(delta, final=final):
            self._add(detector, observation)
        for detector, silent in lane.take_silence():
            self._note_silence(detector, silent)
        for category, score in lane.scores.items():
            if score > self._scores.get(category, 1.0):
                self._scores[category] = score
        for _, match in seen:
            if match.at_most is not Severity.SAFE:
                lane.doubt(match.category, match.start)
        return min(cut, lane.limit() - self._base)

    def _claims_limit(self, delta: str, *, final: bool, cut: int) -> int:
        """Take what was judged of the claims; how far that allows to release."""
        lane = self._claims
        if lane is None or self._blocked:
            return cut
        for judgement in lane.advance(delta, final=final):
            if judgement.refuted > self._scores.get(Category.MISINFORMATION, 1.0):
                self._scores[Category.MISINFORMATION] = judgement.refuted
            found = ruling(judgement, self._plan, self._policy.document.claims)
            if found is not None and self._record(*found):
                self._carry_out_claim(found[0], judgement)
        for silent in lane.take_silence():
            self._note_silence(silent.detector, silent)
        return cut if final else min(cut, lane.limit() - self._base)

    def _add(self, detector: str, observation: Observation) -> None:
        """Judge what a classifier saw; it is settled at once."""
        finding = self._judge(detector, observation)
        if finding is not None:
            self._carry_out(finding)

    def _carry_out_claim(self, finding: Finding, judgement: Judgement) -> None:
        """As for others; where words of the evidence go out, they are read by this policy's scanners first."""
        noted = self._policy.document.claims.note and finding.action is Action.FLAG
        if not noted and finding.action is not Action.REWRITE:
            self._carry_out(finding)
            return
        cited = finding.evidence if judgement.outcome is ClaimOutcome.REFUTED or noted else None
        if cited is not None:
            read = GuardStream(without_classifiers(self._plan), self._policy).check(cited.quote)
            if read.action.rank > Action.FLAG.rank:
                cited = None
        if noted:
            self._notes.append((finding.end, note(replace(judgement, citation=cited))))
        self._carry_out(replace(finding, evidence=cited))

    def _carry_out(self, finding: Finding) -> None:
        """Block, or keep what has to be written differently."""
        if finding.action is Action.BLOCK:
            self._blocked = True
        elif finding.action.rank > Action.FLAG.rank:
            self._masks.append(finding)

    def _judge(self, detector: str, seen: Observation) -> Finding | None:
        """Record what the policy makes of an observation; None when nothing has to be done."""
        start, end = seen.start - self._base, seen.end - self._base
        judged = self._plan.finding(
            seen, detector, lambda: seen.text if seen.text is not None else self._open[max(0, start - 40) : end + 40]
        )
        if seen.category in self._scores and seen.score > self._scores[seen.category]:
            self._scores[seen.category] = seen.score
        if judged is None:
            return None
        return judged[0] if self._record(*judged) else None

    def _record(self, finding: Finding, rule: Rule) -> bool:
        """Note a finding; False when its rule is not enforced."""
        if rule.shadow:
            self._shadow.append(finding)
            return False
        self._findings.append(finding)
        if finding.action.rank > Action.FLAG.rank and finding.start < self._released:
            self._late = max(self._late, self._released - finding.start)
        return True

    def _settle(self, seen: list[tuple[str, Observation]], floor: int, cut: int) -> list[Finding]:
        """The findings that end before the cut and were not released before."""
        base = self._base
        settled: list[Finding] = []
        for detector, match in sorted(seen, key=lambda pair: pair[1].start) if len(seen) > 1 else seen:
            if match.end - base <= cut and (match.end - base > floor):
                finding = self._judge(detector, match)
                if finding is not None:
                    settled.append(finding)
        return settled

    def _release(self, window: str, floor: int, cut: int, settled: list[Finding]) -> str:
        """Write out up to the cut, and keep the context that the next look needs."""
        text = window[floor:cut]
        if settled or self._masks or self._notes:
            masks = [*settled, *self._masks]
            if self._plan.by_sentence:
                masks = [self._whole_sentence(f, text, self._released) for f in masks]
            text = self._written(text, masks)
            self._masks = [f for f in self._masks if f.end > self._base + cut]
        self._released = self._base + cut
        keep = max(0, cut - self._plan.lookbehind)
        if keep:
            self._open = window[keep:]
            self._base += keep
        return text

    def _written(self, text: str, masks: list[Finding]) -> str:
        """The text to be released with its masks, and each note behind its claim, or behind the mask that reaches over it."""
        end = self._released + len(text)
        due = [one for one in self._notes if one[0] <= end]
        self._notes = [one for one in self._notes if one[0] > end]
        at = self._released
        out = ""
        for place, words in (*sorted(due), (end, "")):
            behind = min(end, max([at, place, *(f.end for f in masks if f.start < place < f.end)]))
            piece = text[at - self._released : behind - self._released]
            out += (
                apply(piece, masks, base=at, removed=self._policy.document.replacement, replace=self._replace) + words
            )
            at = behind
        return out

    def _whole_sentence(self, finding: Finding, text: str, base: int) -> Finding:
        """A finding to be rewritten covers every sentence it touches."""
        if finding.action is not Action.REWRITE:
            return finding
        touched = [
            s
            for s in segments(text, _LONGEST_SENTENCE)
            if s.start + base < finding.end and finding.start < s.end + base
        ]
        if not touched:
            return finding
        start, end = base + touched[0].start, base + touched[-1].end
        stripped = len(text[: end - base].rstrip()) + base
        return replace(finding, start=start, end=max(start, stripped), entity="")

    def _sentence_limit(self, window: str, floor: int) -> int:
        """Where the last complete sentence ends; a very long one is not held for ever."""
        complete = floor + last_end(window[floor:])
        return complete if len(window) - complete <= _LONGEST_SENTENCE else len(window)

    def _note_silence(self, detector: str, silent: Unavailable) -> None:
        """A detector did not answer: every rule that counts on it says what follows."""
        self._unavailable.setdefault(silent.detector, silent)
        rules: tuple[Rule, ...] = self._plan.rules_of(detector)
        uncovered = self._policy.document.semantic.uncovered if silent.reason == NOT_COVERED else None
        self._silence = strictest(
            [self._silence, *(on_unavailable(uncovered or r.fail) for r in rules if not r.shadow)]
        )
