"""A real text-generation pipeline of transformers behind the guard, whole and streamed."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from transformers import TextGenerationPipeline

from guard import Action, Policy, SafetyChecker
from guard.errors import NotAPipeline, UnguardedOption
from guard.policy import HistoryMode, PolicyDocument, RuleDocument
from guard.verdict import Category
from guard.wrapped import MASKED, REFUSAL, GuardedPipeline
from tests import tiny_models

BAD = "You are a fucking idiot."
ANSWERS = {
    "count": "one two three four five six seven",
    "mail": "write to jane.doe@example.com today",
    "insult": "well you fucking idiot, one two three four five six seven",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> TextGenerationPipeline:
    """A tiny Qwen3 that knows the answers above."""
    folder = tiny_models.save(tmp_path_factory.mktemp("qwen"), "qwen3", answers=ANSWERS)
    made: TextGenerationPipeline = transformers.pipeline("text-generation", model=str(folder), device="cpu")
    made.model.generation_config.max_new_tokens = 48
    return made


@pytest.fixture(scope="module")
def guarded(pipeline: TextGenerationPipeline) -> GuardedPipeline:
    return SafetyChecker.load("default").wrap(pipeline)


def asks(*texts: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def said(records: Any) -> str:
    text: str = records[0]["generated_text"][-1]["content"]
    return text.strip()


def test_a_harmless_answer_is_that_of_the_pipeline(guarded: GuardedPipeline, pipeline: TextGenerationPipeline) -> None:
    """Same shape, same text, and the verdict beside it; chats, lists of chats, and texts."""
    plain = pipeline(asks("count"))
    (record,) = guarded(asks("count"))
    assert record["generated_text"] == plain[0]["generated_text"]
    assert "one two three" in said([record])
    assert record["verdict"].action is Action.ALLOW
    assert [said(records) for records in guarded([asks("count"), asks("count")])] == [said(plain)] * 2
    text = "one two three"
    assert guarded(text)[0]["generated_text"] == pipeline(text)[0]["generated_text"]
    alone = guarded(asks("count"), return_full_text=False)[0]["generated_text"]
    assert alone == pipeline(asks("count"), return_full_text=False)[0]["generated_text"]


def test_personal_data_is_masked_in_the_answer_and_in_the_prompt(guarded: GuardedPipeline) -> None:
    """The model never sees what the policy masks."""
    assert "jane" not in said(guarded(asks("mail")))
    record = guarded(asks("count from jane.doe@example.com"))[0]
    assert "jane" not in record["generated_text"][0]["content"]


def test_a_blocked_prompt_does_not_reach_the_model(guarded: GuardedPipeline) -> None:
    """The record says so in the pipeline's own shape."""
    record = guarded(asks(BAD))[0]
    assert (said([record]), record["finish_reason"]) == (REFUSAL, "content_filter")
    assert record["verdict"].action is Action.BLOCK
    assert guarded(BAD)[0]["finish_reason"] == "content_filter"
    assert "".join(guarded.stream(asks(BAD))) == REFUSAL


def test_a_blocked_answer_is_refused_and_stops_the_model(guarded: GuardedPipeline) -> None:
    """Not one word of it whole, nothing behind the hold-back streamed."""
    assert said(guarded(asks("insult"))) == REFUSAL
    answer = guarded.stream(asks("insult"))
    text = "".join(answer)
    assert "fucking" not in text
    assert "three" not in text
    assert text.endswith(REFUSAL)
    assert answer.verdict.blocked


def test_a_stream_comes_in_pieces_and_is_the_whole_answer(
    guarded: GuardedPipeline, pipeline: TextGenerationPipeline
) -> None:
    """Masked like a whole one; closing it stops the model."""
    answer = guarded.stream(asks("count"))
    pieces = list(answer)
    assert len(pieces) > 1
    assert "".join(pieces) == pipeline(asks("count"), return_full_text=False)[0]["generated_text"]
    assert answer.verdict.coverage.checked == len("".join(pieces))
    assert "jane" not in "".join(guarded.stream(asks("mail")))
    left = guarded.stream(asks("count"))
    next(iter(left))
    left.close()


def test_a_model_that_fails_is_not_an_empty_answer(guarded: GuardedPipeline) -> None:
    """Its error comes out of the iterator."""
    with pytest.raises(ValueError, match="temperature"):
        list(guarded.stream(asks("count"), do_sample=True, temperature=-1.0))


@pytest.mark.parametrize("option", [{"streamer": object()}, {"return_tensors": True}, {"output_scores": True}])
def test_what_would_pass_around_the_guard_is_refused(guarded: GuardedPipeline, option: dict[str, Any]) -> None:
    """There is no second door."""
    with pytest.raises(UnguardedOption):
        guarded(asks("count"), **option)
    with pytest.raises(UnguardedOption):
        guarded.stream(asks("count"), **option)
    with pytest.raises(UnguardedOption):
        guarded.stream(asks("count"), num_return_sequences=2)


@pytest.mark.parametrize("history", list(HistoryMode))
def test_an_earlier_turn_is_masked_or_left_out(history: HistoryMode, pipeline: TextGenerationPipeline) -> None:
    """And does not stop the conversation."""
    rule = RuleDocument()
    document = PolicyDocument(1, "p", "2026-11", ("lexicon",), history=history, both={Category.HARASSMENT: rule})
    (record,) = SafetyChecker(Policy(document)).wrap(pipeline)(asks(BAD, "No.", "count"))
    before = [message["content"] for message in record["generated_text"][:-1]]
    assert before == [*([MASKED] if history is HistoryMode.MASK else []), "No.", "count"]


@pytest.mark.parametrize("thing", [5, "Qwen/Qwen3-0.6B", None])
def test_what_cannot_be_called_is_refused_at_once(thing: object) -> None:
    """Where it is wrapped, not where it is used; the error says what it was and what to wrap."""
    with pytest.raises(NotAPipeline, match=type(thing).__name__) as refused:
        SafetyChecker.load("fast").wrap(thing)
    assert "transformers.pipeline" in refused.value.hint
