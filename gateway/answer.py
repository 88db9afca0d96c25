"""The guard on the way out: everything a model says, of every choice and field, streamed or whole.

Rules of this file
1. One walker and one set of fields serve `chunk` and `whole`; a whole answer is a stream of one piece.
2. Every string is read: prose by the guard's stream, JSON when it is complete, single words (ids, names of fields'
   kinds) at once. A name of a tool passes at once when the request declared it.
3. A blocked choice ends there: one last chunk with the refusal and `finish_reason: "content_filter"`.
4. Token texts and ids tell what was held or masked, so they are passed on only for text that went out as it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import UpstreamGarbled
from gateway.fields import Field, Prose, Whole
from gateway.in_force import InForce
from gateway.logprobs import Logprobs
from gateway.openai.usage import estimate, usage_object
from gateway.openai.walk import Path, at_path, rewrite
from gateway.substitution import MASKS, Substitution
from gateway.tally import Tally
from gateway.upstream.ports import Json
from guard.conversation import ALONE, Conversation
from guard.verdict import Action

_WORD_KEYS: Final = frozenset({"role", "type", "id", "call_id", "format", "status", "file_id", "voice"})
_CHOICE_KEYS: Final = frozenset({"index", "delta", "message", "finish_reason", "logprobs"})
_PLAIN_CHOICE: Final = frozenset({"index", "delta", "finish_reason"})
_ENVELOPE_KEYS: Final = frozenset({"choices", "usage", "created"})
_TOKEN_KEYS: Final = frozenset({"token_ids", "prompt_token_ids", "prompt_logprobs", "obfuscation", "tokens"})


class Choice:
    """One of the `n` answers."""

    __slots__ = ("_guard", "blocked", "ended", "fields", "index", "logprobs", "role_sent")

    def __init__(self, guard: AnswerGuard, index: int) -> None:
        self._guard = guard
        self.index = index
        self.fields: dict[Path, Field] = {}
        self.logprobs = Logprobs()
        self.ended = False
        self.blocked = False
        self.role_sent = False

    def feed(self, delta: Json) -> Json:
        """What of a delta may go out now. Strings that are held leave their key out."""
        if len(delta) == 1:
            ((key, text),) = delta.items()
            if isinstance(text, str) and text:
                out = self._feed((key,), text)
                return {key: out} if out else {}
        released: Json = rewrite(delta, self._feed)
        return released if released is delta else _without_held(delta, released)

    def whole(self, message: Json) -> Json:
        """A whole message, every string of it released."""
        released: Json = rewrite(message, self._whole)
        return released

    def rest(self) -> list[Json]:
        """What was held, as deltas; the answer is complete."""
        deltas = []
        for path, field in self.fields.items():
            text = field.finish()
            self.blocked = self.blocked or field.blocked
            if text:
                deltas.append(at_path(path, text))
        return [] if self.blocked else deltas

    def _feed(self, path: Path, text: str) -> str:
        if self.blocked:
            return ""
        field = self.fields.get(path)
        if field is None:
            if path[-1] in _WORD_KEYS:
                return self._guard.word(text, self)
            if path[-1] == "name" and text in self._guard.names:
                return text
            field = self.fields[path] = self._guard.field(path)
        out = field.feed(text)
        if field.blocked:
            self.blocked = True
        elif not out:
            self._guard.waits(len(text))
        return out

    def _whole(self, path: Path, text: str) -> str:
        out = self._feed(path, text)
        field = self.fields.get(path)
        if field is not None and not self.blocked:
            out += field.finish()
            self.blocked = field.blocked
        return out


@dataclass(frozen=True, slots=True)
class AnswerTerms:
    """What of the request matters for its answer.

    names: of the tools that the request declared. structured: `content` is to be JSON.
    longest: characters of a field that is released whole (Limits.answer_chars).
    expected: how many choices were asked for. keep_usage: the client sees the token counts.
    refusal: what stands in the place of a blocked answer.
    conversation: what the answer answers to, for classifiers that read it.
    substitution: what stands in the place of data, and what is put back.
    """

    names: frozenset[str]
    structured: bool
    longest: int
    expected: int
    keep_usage: bool
    refusal: str
    conversation: Conversation = ALONE
    substitution: Substitution = MASKS


class AnswerGuard:
    """One answer to one request. Sans-IO; used by one task at a time."""

    def __init__(self, policy: InForce, terms: AnswerTerms) -> None:
        self._checker = policy.checker
        self._words = policy.output
        self._terms = terms
        self._choices: dict[int, Choice] = {}
        self._tally = Tally(policy.checker.policy.name, policy.checker.policy.digest)
        self._known = policy.known
        self._around: Json = {}
        self._envelope: Json = {}
        self._sum: Tally | None = None
        self._waiting = 0
        self.names = terms.names
        self.usage: Json | None = None

    @property
    def blocked(self) -> bool:
        """Whether every choice was stopped, so that the upstream has nothing more to say."""
        return len(self._choices) >= self._terms.expected and all(c.blocked for c in self._choices.values())

    @property
    def any_blocked(self) -> bool:
        """Whether a choice was stopped."""
        return any(choice.blocked for choice in self._choices.values())

    @property
    def complete(self) -> bool:
        """Whether every choice that was asked for came to its end."""
        return len(self._choices) >= self._terms.expected and all(c.ended for c in self._choices.values())

    def work(self, answers: list[Json]) -> int:
        """About how many characters `chunks` or `whole` would have to read."""
        characters = 0
        for answer in answers:
            for choice in _choices_of(answer):
                characters += _length(choice.get("delta") or choice.get("message"))
                if choice.get("finish_reason"):
                    characters += self._waiting
        return characters

    def asks(self, chunks: list[Json]) -> bool:
        """Whether `chunks` would ask a classifier: not for most pieces in the midst of a sentence. In doubt it would."""
        return len(chunks) > 1 or any(self._asks(raw) for chunk in chunks for raw in _choices_of(chunk))

    def _asks(self, raw: Json) -> bool:
        choice = self._choices.get(raw.get("index", 0))
        delta = raw.get("delta") or {}
        if choice is None or len(delta) != 1 or raw.get("finish_reason"):
            return True
        ((key, text),) = delta.items()
        field = choice.fields.get((key,))
        return field is None or not isinstance(text, str) or field.asks(text)

    def chunks(self, chunks: list[Json]) -> list[Json]:
        """The chunks to send for some chunks of the upstream."""
        sent = []
        for chunk in chunks:
            sent += self.chunk(chunk)
            if self.blocked:
                break
        return sent

    def chunk(self, chunk: Json) -> list[Json]:
        """The chunks to send for one chunk of the upstream."""
        choices = _choices_of(chunk)
        around = chunk.copy()
        around.pop("choices", None)
        usage = around.get("usage")
        if isinstance(usage, dict):
            self.usage = usage
        if not choices:
            keep = self._terms.keep_usage or usage is None
            return [{**self._checked_envelope(around), "choices": []}] if keep else []
        if around != self._around:  # `id`, `model` and so on are the same in every chunk of a stream
            self._around = around
            self._envelope = self._checked_envelope(around)
        sent = []
        for raw in choices:
            for choice in self._choice_chunks(raw):
                out = self._envelope.copy()
                out["choices"] = [choice]
                sent.append(out)
        return sent

    def whole(self, completion: Json) -> Json:
        """A whole completion as it may be sent."""
        usage = completion.get("usage")
        self.usage = usage if isinstance(usage, dict) else None
        choices = [self._whole_choice(raw, at) for at, raw in enumerate(_choices_of(completion))]
        return {**self._checked_envelope(completion), "choices": choices}

    def texts(self) -> tuple[dict[str, str], dict[str, str]]:
        """What was received and what was released, by `choice/field`."""
        received, released = {}, {}
        for choice in self._choices.values():
            for path, field in choice.fields.items():
                name = "/".join([str(choice.index), *map(str, path)])
                received[name] = "".join(field.received)
                if field.released:
                    released[name] = "".join(field.released)
        return received, released

    def usage_chunk(self, tokens_in: int) -> Json:
        """The usage chunk that the upstream did not get to send, with estimates."""
        _, released = self.texts()
        tokens_out = sum([estimate(text) for text in released.values()])
        return self.empty_chunk({"usage": usage_object(tokens_in, tokens_out)})

    def refuse_whole(self, completion: Json) -> Json:
        """A released completion that is refused after all, because the client asked for that."""
        for choice in self._choices.values():
            for field in choice.fields.values():
                field.released.clear()
        return {**completion, "choices": [self._refused_whole({"index": c.index}) for c in self._refuse_all()]}

    def refuse_rest(self) -> list[Json]:
        """The last chunks of a stream that is refused after all; what was released before stays."""
        return [self.empty_chunk({"choices": [self._refused(choice)]}) for choice in self._refuse_all()]

    def _refuse_all(self) -> list[Choice]:
        for choice in self._choices.values():
            choice.blocked = choice.ended = True
        self._sum = None
        return list(self._choices.values())

    def empty_chunk(self, more: Json) -> Json:
        """A chunk that belongs to no choice, with what it is sent for."""
        return {**self._envelope, "choices": [], **more}

    def tally(self) -> Tally:
        """The sum over every field; ends those that are still open. Asked again, the same sum."""
        if self._sum is not None:
            return self._sum
        tally = Tally(self._checker.policy.name, self._checker.policy.digest)
        tally.add(self._tally.verdict())
        for choice in self._choices.values():
            for field in choice.fields.values():
                tally.add_all(field.verdicts())
            if choice.blocked:
                tally.raise_to(Action.BLOCK)
        self._sum = tally
        return tally

    def waits(self, characters: int) -> None:
        """Count text that will have to be read when its choice ends."""
        self._waiting += characters

    def field(self, path: Path) -> Field:
        """The kind of field that a path needs."""
        if path[-1] == "arguments" or (self._terms.structured and path == ("content",)):
            terms = self._terms
            return Whole(self._checker, terms.conversation, terms.substitution, longest=terms.longest)
        return Prose(self._checker, self._terms.conversation, self._terms.substitution)

    def word(self, text: str, choice: Choice | None = None, *, remember: bool = True) -> str:
        """A short string that comes whole; one worth remembering is read once under a policy."""
        if text in self._known:
            return text
        checked = self._words.word(text)
        if any(verdict.findings or verdict.unavailable for verdict in checked.verdicts):
            self._tally.add_all(checked.verdicts)  # only then: ids and model names are not the answer's text
        if checked.blocked:
            if choice is not None:
                choice.blocked = True
            return ""
        if remember and checked.text == text:
            self._known.add(text)
        return checked.text

    def _checked_envelope(self, chunk: Json) -> Json:
        """The chunk without its choices; `id`, `model` and whatever else stands there has been read."""
        envelope: Json = {}
        for key, value in chunk.items():
            if isinstance(value, str):
                envelope[key] = self.word(value, remember=key != "id")
            elif key in _ENVELOPE_KEYS or not isinstance(value, dict | list):
                envelope[key] = value
            elif key not in _TOKEN_KEYS:
                envelope[key] = rewrite(value, self._word_at)
        envelope.pop("obfuscation", None)  # padding for chunk lengths that are no longer these
        if not self._terms.keep_usage:
            envelope.pop("usage", None)
        return envelope

    def _word_at(self, path: Path, text: str) -> str:
        return self.word(text)

    def _choice_chunks(self, raw: Json) -> Iterable[Json]:
        """What one choice of a chunk becomes: nothing while all is held, several when it ends."""
        choice = self._choice(raw)
        if choice.ended:
            return ()
        delta = raw.get("delta") or {}
        if len(delta) == 1 and choice.role_sent and raw.keys() <= _PLAIN_CHOICE and not raw.get("finish_reason"):
            return self._plain_piece(choice, delta)
        released = choice.feed(delta)
        if choice.blocked:
            return [self._refused(choice)]
        finish = _finish_of(raw)
        logprobs = raw.get("logprobs")
        if logprobs is not None or choice.logprobs.used:
            logprobs = choice.logprobs.take(logprobs, delta.get("content"), released.get("content"))
        if finish is None and not released and delta:
            return ()
        extra = self._extra(raw, choice)
        if choice.logprobs.used:
            extra["logprobs"] = logprobs
        if not choice.role_sent:
            choice.role_sent = True
            if "role" not in released:
                released = {"role": "assistant", **released}
        if finish is None:
            return [{**extra, "delta": released, "finish_reason": None}]
        head = [{**extra, "delta": released, "finish_reason": None}] if released else []
        return [*head, *self._ending(choice, self.word(finish, choice))]

    def _plain_piece(self, choice: Choice, delta: Json) -> Iterable[Json]:
        """The common case, one more piece of one text, without what the other cases need."""
        released = choice.feed(delta)
        if choice.blocked:
            return [self._refused(choice)]
        return [{"index": choice.index, "delta": released, "finish_reason": None}] if released else ()

    def _extra(self, raw: Json, choice: Choice) -> Json:
        """`index`, and what else an upstream puts beside the delta (`stop_reason`, filter results), read."""
        extra: Json = {"index": choice.index}
        for key, value in raw.items():
            if key not in _CHOICE_KEYS and key not in _TOKEN_KEYS:
                extra[key] = rewrite(value, self._word_at)
        return extra

    def _ending(self, choice: Choice, finish: str) -> list[Json]:
        deltas = choice.rest()
        if choice.blocked:
            return [self._refused(choice)]
        choice.ended = True
        chunks: list[Json] = [{"index": choice.index, "delta": delta, "finish_reason": None} for delta in deltas]
        if choice.logprobs.used:
            for chunk in chunks:
                chunk["logprobs"] = choice.logprobs.take(None, None, chunk["delta"].get("content"))
        return [*chunks, {"index": choice.index, "delta": {}, "finish_reason": finish}]

    def _refused(self, choice: Choice) -> Json:
        choice.blocked = choice.ended = True
        delta: Json = {"refusal": self._terms.refusal}
        if not choice.role_sent:
            delta = {"role": "assistant", **delta}
        return {"index": choice.index, "delta": delta, "finish_reason": "content_filter"}

    def _whole_choice(self, raw: Json, at: int) -> Json:
        choice = self._choice({"index": at, **raw})
        message = raw.get("message") or {}
        released = choice.whole(message)
        extra = self._extra(raw, choice)
        finish = self.word(_finish_of(raw) or "stop", choice)
        choice.ended = True
        if choice.blocked:
            return self._refused_whole(extra)
        if "logprobs" in raw:
            extra["logprobs"] = choice.logprobs.take(raw["logprobs"], message.get("content"), released.get("content"))
        return {**extra, "message": released, "finish_reason": finish}

    def _refused_whole(self, extra: Json) -> Json:
        message = {"role": "assistant", "content": None, "refusal": self._terms.refusal}
        return {**extra, "message": message, "logprobs": None, "finish_reason": "content_filter"}

    def _choice(self, raw: Json) -> Choice:
        index = raw.get("index")
        place = index if isinstance(index, int) else 0
        choice = self._choices.get(place)
        if choice is None:
            choice = self._choices[place] = Choice(self, place)
        return choice


def _choices_of(answer: Json) -> list[Json]:
    """The choices of a chunk or completion, in a shape that can be read.

    Raises:
        UpstreamGarbled: when they are not a list of objects with an object inside.
    """
    choices = answer.get("choices")
    if choices is None:
        return []
    if not isinstance(choices, list):
        raise UpstreamGarbled("the model server sent something that is not an answer", hint="choices is not an array")
    for choice in choices:
        if not isinstance(choice, dict) or not isinstance(choice.get("delta") or choice.get("message") or {}, dict):
            raise UpstreamGarbled(
                "the model server sent something that is not an answer", hint="a choice is not an object"
            )
    return choices


def _finish_of(choice: Json) -> str | None:
    """Why a choice ended, when it did.

    Raises:
        UpstreamGarbled: when that is no word.
    """
    finish = choice.get("finish_reason")
    if finish is not None and not isinstance(finish, str):
        raise UpstreamGarbled(
            "the model server sent something that is not an answer", hint="finish_reason is not a string"
        )
    return finish


def _length(value: Any) -> int:
    """Characters of all strings in a delta or message."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum([_length(inner) for inner in value.values()])
    if isinstance(value, list):
        return sum([_length(inner) for inner in value])
    return 0


def _without_held(delta: Any, released: Any) -> Any:
    """The released delta without the keys whose text is held; an empty text that the upstream sent stays."""
    if isinstance(released, dict):
        kept = {}
        for key, value in released.items():
            if value == "" and delta[key] != "":
                continue
            inner = _without_held(delta[key], value)
            if inner or not value or not isinstance(value, dict | list):
                kept[key] = inner
        return kept
    if isinstance(released, list):
        items = [_without_held(old, new) for old, new in zip(delta, released, strict=True)]
        return [item for item in items if not _only_place(item)]
    return released


def _only_place(item: Any) -> bool:
    """An array item of which nothing but its index is left."""
    return isinstance(item, dict) and set(item) <= {"index"}
