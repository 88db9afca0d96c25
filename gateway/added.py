"""What a client asked to be added to its answer, in chat shapes: the field `moderation`, and the claims under `haechi`."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.answer import AnswerGuard
from gateway.openai.grounding import FIELD, citations_json
from gateway.openai.moderation import AskedModeration, ModerationMode, is_flagged, moderated
from gateway.prompt import Screened
from gateway.upstream.ports import Json


@dataclass(frozen=True, slots=True)
class Added:
    """What a client asked to be added to its answer."""

    moderation: AskedModeration | None
    citations: bool

    def refuses(self, screened: Screened) -> bool:
        """Whether the client wants a prompt refused that the policy may let through."""
        asked = self.moderation
        return asked is not None and asked.input is ModerationMode.BLOCK and is_flagged(screened.verdict)

    def to_whole(self, released: Json, screened: Screened, answer: AnswerGuard) -> Json:
        """A completion with it."""
        if self.moderation is not None:
            released = _moderated(released, screened, answer, self.moderation)
        return {**released, FIELD: citations_json(answer.tally().verdict())} if self.citations else released

    def to_end(self, last: list[Json], screened: Screened, answer: AnswerGuard) -> list[Json]:
        """The last chunks of a stream with it."""
        if self.moderation is not None:
            last = _moderated_end(last, screened, answer, self.moderation)
        if self.citations:
            last = _before_usage(last, answer.empty_chunk({FIELD: citations_json(answer.tally().verdict())}))
        return last


def is_usage(chunk: Json) -> bool:
    """Whether a chunk is the one that only carries the usage."""
    return not chunk["choices"] and "usage" in chunk


def _moderated(released: Json, screened: Screened, answer: AnswerGuard, asked: AskedModeration) -> Json:
    """A completion with the field `moderation`; refused where the client asked for that and the policy did not."""
    verdict = answer.tally().verdict()
    if asked.output is ModerationMode.BLOCK and is_flagged(verdict):
        released = answer.refuse_whole(released)
    return {**released, "moderation": moderated(screened.verdict, verdict)}


def _moderated_end(last: list[Json], screened: Screened, answer: AnswerGuard, asked: AskedModeration) -> list[Json]:
    """The last chunks of a stream with the chunk that carries `moderation`, before that of the usage."""
    verdict = answer.tally().verdict()
    if asked.output is ModerationMode.BLOCK and is_flagged(verdict) and not answer.blocked:
        last = [*answer.refuse_rest(), *filter(is_usage, last)]
    return _before_usage(last, answer.empty_chunk({"moderation": moderated(screened.verdict, verdict)}))


def _before_usage(last: list[Json], chunk: Json) -> list[Json]:
    """The last chunks with one more, before that of the usage."""
    return [*(c for c in last if not is_usage(c)), chunk, *filter(is_usage, last)]
