"""OpenAI's moderation, asked by the stock client: its own route, and the field of a chat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.moderation import Categories, CategoryAppliedInputTypes, CategoryScores

from benchmarks.gateway_running import Running, running
from gateway.openai.moderation import OPENAI_CATEGORIES

MILD = "what the fuck"
"""Flagged by the default policy, not blocked."""
ASKED = {"model": "omni-moderation-latest"}
BLOCKING = {"model": "omni-moderation-latest", "policy": {"input": {"mode": "block"}, "output": {"mode": "block"}}}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running("fast") as served:
        yield served


def ask(gateway: Running, content: str = "hello", **more: Any) -> Any:
    fields = {"model": "default", "messages": [{"role": "user", "content": content}], **more}
    return gateway.client().chat.completions.create(**fields)


@pytest.mark.parametrize("kind", [Categories, CategoryScores, CategoryAppliedInputTypes])
def test_every_name_of_the_stock_client_is_answered(kind: Any) -> None:
    """All three tables of a result have OpenAI's names, all of them and no others."""
    assert {field.alias or name for name, field in kind.model_fields.items()} == set(OPENAI_CATEGORIES)


def test_a_result_says_what_it_is_about(gateway: Running) -> None:
    """Booleans, scores within bounds, and `text` for what something here looks for."""
    (result,) = gateway.client().moderations.create(input=MILD, model="omni-moderation-latest").results
    assert (result.flagged, result.categories.harassment, result.categories.violence) == (True, True, False)
    scores = result.category_scores.to_dict()
    assert all(0.0 <= score <= 1.0 for score in scores.values())  # type: ignore[operator]
    applied = result.category_applied_input_types.to_dict()
    assert (applied["hate/threatening"], applied["violence/graphic"]) == (["text"], [])


def test_a_batch_has_one_result_each_and_parts_have_one_together(gateway: Running) -> None:
    """Strings are judged apart, in order; the parts of one message are one text, also where a word crosses them."""
    client = gateway.client()
    texts = ["hello" if i % 3 else MILD for i in range(30)]
    assert [r.flagged for r in client.moderations.create(input=texts).results] == [not i % 3 for i in range(30)]
    parts: Any = [{"type": "text", "text": "hello"}, {"type": "text", "text": MILD}]
    (result,) = client.moderations.create(input=parts).results
    assert result.flagged
    image: Any = [*parts, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    with pytest.raises(openai.BadRequestError, match="images"):
        client.moderations.create(input=image)


def test_a_chat_can_ask_for_moderation(gateway: Running) -> None:
    """The answer carries results for the prompt and for itself; the model does not see the question."""
    gateway.says("Oh, ", "what the fuck.")
    answer = ask(gateway, moderation=ASKED)
    assert answer.choices[0].message.content == "Oh, what the fuck."
    assert answer.moderation.input.type == "moderation_results"
    assert not answer.moderation.input.results[0].flagged
    (result,) = answer.moderation.output.results
    assert (result.flagged, result.type, result.category_applied_input_types["hate"]) == (
        True,
        "moderation_result",
        ["text"],
    )
    assert "moderation" not in gateway.stub.bodies[-1]
    assert ask(gateway).moderation is None


def test_a_stream_carries_moderation_in_a_chunk_of_its_own(gateway: Running) -> None:
    """Behind the last word, before the usage."""
    gateway.says("Oh, ", "what the fuck.")
    chunks = list(ask(gateway, MILD, stream=True, stream_options={"include_usage": True}, moderation=ASKED))
    (carrier,) = [i for i, chunk in enumerate(chunks) if chunk.moderation]
    assert carrier == len(chunks) - 2
    assert chunks[carrier].choices == []
    assert chunks[carrier].moderation.input.results[0].flagged
    assert chunks[carrier].moderation.output.results[0].flagged
    assert chunks[-1].usage
    plain = list(ask(gateway, stream=True, moderation=ASKED))
    assert plain[-1].moderation


def test_a_client_may_ask_to_block_what_the_policy_only_flags(gateway: Running) -> None:
    """Input: 400. Output: a refusal; of a stream, what was out stays. The record says blocked."""
    gateway.says("Fine.")
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gateway, MILD, moderation=BLOCKING)
    assert refused.value.code == "content_filter"
    gateway.says("Well, ", "what the fuck.")
    answer = ask(gateway, moderation=BLOCKING)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("content_filter", None)
    assert answer.choices[0].message.refusal
    assert [e.type for e in gateway.last()][-1] == "response.blocked"
    chunks = list(ask(gateway, stream=True, moderation=BLOCKING))
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert finishes == ["content_filter"]
    assert chunks[-1].moderation.output.results[0].flagged
    assert [e.type for e in gateway.last()][-1] == "response.blocked"


@pytest.mark.parametrize(
    "wrong",
    [
        "yes",
        {},
        {"model": 1},
        {"model": "m", "policy": 1},
        {"model": "m", "policy": {"input": {"mode": "x"}}},
        {"model": "m", "policy": {"output": 1}},
    ],
)
def test_a_wrong_field_is_said(gateway: Running, wrong: Any) -> None:
    """400, with its place."""
    body = {"model": "default", "messages": [{"role": "user", "content": "hi"}], "moderation": wrong}
    answer = gateway.post(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith("moderation")
