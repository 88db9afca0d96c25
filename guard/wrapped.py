"""A text-generation pipeline of transformers behind the guard, whole or streamed.

Rules of this file
1. Prompt and answer go through the checker, and nothing else of the pipeline's answer is passed on: no scores, no token
   ids, no streamer of the caller's own, which would see what the guard has not.
2. The newest turn of the user can stop a prompt; what would stop it in an earlier turn is masked or left out.
3. When the guard stops an answer, the model stops too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from guard.classify import Role, Turn
from guard.conversation import ALONE, Conversation
from guard.errors import NotAPipeline, UnguardedOption
from guard.policy import HistoryMode
from guard.verdict import Direction, Verdict

if TYPE_CHECKING:
    from guard.checker import SafetyChecker

REFUSAL: Final = "This content was stopped by the policy."
MASKED: Final = "[removed]"
Message = Mapping[str, Any]
Prompt = str | Sequence[Message]
_UNGUARDED: Final = ("streamer", "return_tensors", "return_type", "output_scores", "output_logits")


@dataclass(frozen=True, slots=True)
class _Ready:
    """A prompt that may go to the model, or may not. verdict: of the newest turn."""

    prompt: Any
    conversation: Conversation
    verdict: Verdict


class GuardedAnswer:
    """A streamed answer: iterate for its text. verdict: what is known so far; complete once the text is."""

    def __init__(self, pieces: Callable[[GuardedAnswer], Iterator[str]], verdict: Verdict) -> None:
        self.verdict = verdict
        self._pieces = pieces(self)

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def close(self) -> None:
        """Stop the model; nothing more comes."""
        self._pieces.close()  # type: ignore[attr-defined]  # always a generator, see GuardedPipeline.stream


class GuardedPipeline:
    """What `SafetyChecker.wrap` answers. Called like the pipeline; each record also has its `verdict`."""

    def __init__(self, checker: SafetyChecker, pipeline: Any) -> None:
        if not callable(pipeline):
            raise NotAPipeline(
                f"{type(pipeline).__name__} is no text-generation pipeline: it cannot be called",
                hint='wrap what transformers.pipeline("text-generation", ...) gives',
            )
        self._checker = checker
        self._pipeline = pipeline

    def __call__(self, inputs: Prompt | Sequence[Prompt], **options: Any) -> Any:
        """Generate for a text, a chat, or a list of either; the answer has the shape of the pipeline's.

        A record of a blocked prompt or answer says so in `generated_text`, with `finish_reason: "content_filter"`.

        Raises:
            UnguardedOption: for an option that would pass something around the guard.
        """
        refuse_unguarded(options)
        full = bool(options.pop("return_full_text", True))
        if isinstance(inputs, str) or (inputs and isinstance(inputs[0], Mapping)):
            return self._answers(inputs, full, options)  # type: ignore[arg-type]  # told apart just above
        return [self._answers(prompt, full, options) for prompt in inputs]  # type: ignore[arg-type]

    def stream(self, prompt: Prompt, **options: Any) -> GuardedAnswer:
        """Generate one answer and hand it out as the guard lets it go.

        Raises:
            UnguardedOption: as above, and for several answers at once.
        """
        refuse_unguarded(options)
        if options.get("num_return_sequences", 1) != 1:
            raise UnguardedOption("a stream has one answer", hint="leave num_return_sequences out")
        options.pop("return_full_text", None)
        ready = self._ready(prompt)
        if ready.verdict.blocked:
            return GuardedAnswer(lambda answer: iter_text(REFUSAL), ready.verdict)
        return GuardedAnswer(lambda answer: self._streamed(answer, ready, options), ready.verdict)

    def _answers(self, prompt: Prompt, full: bool, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        ready = self._ready(prompt)
        if ready.verdict.blocked:
            return [_record(ready.prompt, REFUSAL, full, ready.verdict)]
        made = self._pipeline(ready.prompt, return_full_text=False, **options)
        return [self._checked(ready, str(record["generated_text"]), full) for record in made]

    def _checked(self, ready: _Ready, text: str, full: bool) -> dict[str, Any]:
        verdict = self._checker.check(text, direction=Direction.OUTPUT, conversation=ready.conversation)
        said = REFUSAL if verdict.blocked else self._checker.redact(text, verdict, direction=Direction.OUTPUT)
        return _record(ready.prompt, said, full, verdict)

    def _ready(self, prompt: Prompt) -> _Ready:
        """The prompt as it may be forwarded."""
        if isinstance(prompt, str):
            verdict = self._checker.check(prompt)
            masked = self._checker.redact(prompt, verdict)
            return _Ready(masked, Conversation((Turn(Role.USER, masked),)), verdict)
        return self._ready_chat(prompt)

    def _ready_chat(self, messages: Sequence[Message]) -> _Ready:
        newest = max((i for i, message in enumerate(messages) if message.get("role") == "user"), default=-1)
        kept: list[Message] = []
        turns: list[Turn] = []
        binding = self._checker.check("")
        for index, message in enumerate(messages):
            text, conversation = _said(message), Conversation(tuple(turns))
            verdict = self._checker.check(text, conversation=conversation) if text else self._checker.check("")
            own = index == newest or message.get("role") in {"system", "developer"}
            if own and (index == newest or verdict.blocked) and not binding.blocked:
                binding = verdict
            said = self._checker.redact(text, verdict)
            if verdict.blocked and not own:
                if self._drops() and not message.get("tool_calls") and message.get("role") in {"user", "assistant"}:
                    continue
                said = MASKED
            kept.append(message if said == text else {**message, "content": said})
            turns.append(Turn(_role(message), said))
        return _Ready(kept, Conversation(tuple(turns)) if turns else ALONE, binding)

    def _drops(self) -> bool:
        return self._checker.policy.document.history is HistoryMode.DROP

    def _streamed(self, answer: GuardedAnswer, ready: _Ready, options: Mapping[str, Any]) -> Iterator[str]:
        """The pieces of an answer; the model runs on a thread of its own and is stopped with the iterator."""
        from transformers import StoppingCriteriaList, TextIteratorStreamer

        guard = self._checker.stream(Direction.OUTPUT, conversation=ready.conversation)
        pieces = TextIteratorStreamer(self._pipeline.tokenizer, skip_prompt=True, skip_special_tokens=True)
        stop, failed = threading.Event(), list[BaseException]()
        given = [*options.get("stopping_criteria", ()), _stopper(stop)]
        more = {**options, "streamer": pieces, "stopping_criteria": StoppingCriteriaList(given)}

        def generate() -> None:
            try:
                self._pipeline(ready.prompt, **more)
            except Exception as error:  # noqa: BLE001  # carried to the thread that waits for the pieces
                failed.append(error)
            finally:
                pieces.end()

        model = threading.Thread(target=generate, name="haechi-pipeline", daemon=True)
        model.start()
        try:
            for piece in pieces:
                released = guard.feed(piece)
                if released:
                    yield released
                if guard.blocked:
                    break
            if failed:
                raise failed[0]
            end = guard.finish()
            answer.verdict = end.verdict
            yield from iter_text(REFUSAL if end.verdict.blocked else end.text)
        finally:
            stop.set()
            model.join()


def refuse_unguarded(options: Mapping[str, Any]) -> None:
    """Refuse an option that would pass text, or what tells of it, around the guard.

    Raises:
        UnguardedOption
    """
    found = [name for name in _UNGUARDED if options.get(name)]
    if found:
        raise UnguardedOption(
            f"{', '.join(found)} would pass around the guard", hint="stream() streams what is guarded"
        )


def iter_text(text: str) -> Iterator[str]:
    """The text in one piece, or nothing."""
    if text:
        yield text


def _stopper(stop: threading.Event) -> Any:
    import torch

    def stopped(input_ids: Any, scores: Any, **more: Any) -> Any:
        return torch.full((input_ids.shape[0],), stop.is_set(), device=input_ids.device, dtype=torch.bool)

    return stopped


def _said(message: Message) -> str:
    """The text of a message; text parts are one text to the model."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join([str(part.get("text", "")) for part in parts if part.get("type") == "text"])


def _role(message: Message) -> Role:
    name = message.get("role")
    return Role(name) if name in {role.value for role in Role} else Role.SYSTEM


def _record(prompt: Any, said: str, full: bool, verdict: Verdict) -> dict[str, Any]:
    """One record in the pipeline's shape."""
    text: Any = said
    if full and isinstance(prompt, str):
        text = prompt + said
    elif full:
        before, last = prompt[:-1], prompt[-1] if prompt else {}
        prefill = isinstance(last.get("content"), str) and last.get("role") == "assistant"
        text = (
            [*before, {**last, "content": last["content"] + said}]
            if prefill
            else [*prompt, {"role": "assistant", "content": said}]
        )
    blocked = {"finish_reason": "content_filter"} if verdict.blocked else {}
    return {"generated_text": text, "verdict": verdict, **blocked}
