"""Answers held against evidence: the fields of a request, citations, tools, the log, the counters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from msgspec.structs import asdict

from benchmarks.gateway_running import Running, running
from guard.checker import SafetyChecker
from guard.knowledge import About, Shelf
from guard.knowledge.passages import Section
from guard.policy import ClaimsDocument, EvidenceFrom, FailMode, Policy, PolicyDocument, RuleDocument, Thresholds
from guard.verdict import Action, Category

FACT = "The Eiffel Tower was completed in 1889."
FALSE = "The Eiffel Tower was completed in 1899."


@contextmanager
def grounded(*, knowledge: Path = Path("nowhere"), unsafe: Action = Action.BLOCK, **terms: Any) -> Iterator[Running]:
    """A gateway whose policy holds claims of answers against evidence."""
    rule = RuleDocument(
        unsafe=unsafe, thresholds=Thresholds(0.5, 0.9), detectors=("claims",), fail=terms.pop("fail", FailMode.CLOSED)
    )
    document = PolicyDocument(
        1, "grounded", "2026-11", ("claims",), claims=ClaimsDocument(**terms), both={Category.MISINFORMATION: rule}
    )
    with running(SafetyChecker(Policy(document), knowledge=knowledge)) as served:
        yield served


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with grounded(evidence=tuple(EvidenceFrom)) as served:
        yield served


def ask(gateway: Running, *, messages: Any = None, **fields: Any) -> Any:
    """By the stock client; our fields go as its `extra_body`."""
    ours = {name: fields.pop(name) for name in ("evidence", "haechi") if name in fields}
    return gateway.client().chat.completions.create(
        model="default",
        messages=messages or [{"role": "user", "content": "When was the Eiffel Tower completed?"}],
        extra_body=ours,
        **fields,
    )


def test_an_answer_against_the_evidence_of_its_request_is_stopped(gateway: Running) -> None:
    """Whole and streamed; the model sees neither the evidence nor our other field."""
    gateway.says(FALSE)
    answer = ask(gateway, evidence=[{"text": FACT, "source": "report.pdf"}], haechi={"citations": True})
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("content_filter", None)
    (claim,) = answer.haechi["claims"]
    assert (claim["outcome"], claim["reasons"]) == ("refuted", ["date"])
    assert claim["evidence"] == {"source": "report.pdf", "quote": FACT, "start": 0, "end": len(FACT)}
    assert not {"evidence", "haechi"} & set(gateway.stub.bodies[-1])
    chunks = list(ask(gateway, evidence=[FACT], stream=True, haechi={"citations": True}))
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert finishes == ["content_filter"]
    assert chunks[-1].haechi["claims"][0]["outcome"] == "refuted"


def test_an_answer_in_line_with_its_evidence_goes_out_with_its_citations(gateway: Running) -> None:
    """Only where they are asked for; streamed, in a chunk before the usage."""
    gateway.says(FACT)
    answer = ask(gateway, evidence=[FACT], haechi={"citations": True})
    assert answer.choices[0].message.content == FACT
    assert [claim["outcome"] for claim in answer.haechi["claims"]] == ["supported"]
    assert getattr(ask(gateway, evidence=[FACT]), "haechi", None) is None
    options: Any = {"include_usage": True}
    chunks = list(ask(gateway, evidence=[FACT], haechi={"citations": True}, stream=True, stream_options=options))
    (carrier,) = [i for i, chunk in enumerate(chunks) if getattr(chunk, "haechi", None)]
    assert (carrier, bool(chunks[-1].usage)) == (len(chunks) - 2, True)


@pytest.mark.parametrize("role", ["tool", "system", "user"])
def test_results_of_tools_and_system_prompts_count_where_the_policy_says_so(gateway: Running, role: str) -> None:
    """They are cited by their place among the messages."""
    gateway.says(FALSE)
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
    tool = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": FACT},
    ]
    question = {"role": "user", "content": "When was the tower completed?"}
    messages = [question, *tool] if role == "tool" else [{"role": role, "content": FACT}, question]
    answer = ask(gateway, messages=messages, haechi={"citations": True})
    assert answer.choices[0].finish_reason == "content_filter"
    place = 2 if role == "tool" else 0
    assert answer.haechi["claims"][0]["evidence"]["source"] == f"messages[{place}]"


@pytest.mark.parametrize("stream", [False, True])
def test_responses_and_texts_are_held_against_evidence_too(gateway: Running, *, stream: bool) -> None:
    """What was given counts, and what was said, cited by the place that it has in such a request."""
    gateway.says(FALSE)
    wants: dict[str, Any] = {"stream": stream, "extra_body": {"haechi": {"citations": True}}}
    responses, completions = gateway.client().responses, gateway.client().completions
    answer: Any = responses.create(model="default", input="When?", instructions=FACT, **wants)
    response = list(answer)[-1].response if stream else answer
    assert response.incomplete_details.reason == "content_filter"
    assert [(c["outcome"], c["evidence"]["source"]) for c in response.haechi["claims"]] == [("refuted", "instructions")]
    answer = completions.create(model="default", prompt=FACT, **wants)
    parts = list(answer) if stream else [answer]
    assert [choice.finish_reason for part in parts for choice in part.choices][-1] == "content_filter"
    assert [claim["evidence"]["source"] for claim in parts[-1].haechi["claims"]] == ["prompt[0]"]


def test_what_the_policy_does_not_count_is_no_evidence() -> None:
    """A result of a tool is nothing to hold a claim against, unless the policy says so."""
    with grounded() as gateway:
        gateway.says(FALSE)
        messages = [{"role": "system", "content": FACT}, {"role": "user", "content": "When?"}]
        assert ask(gateway, messages=messages).choices[0].message.content == FALSE


def test_a_short_answer_is_read_with_its_question(gateway: Running) -> None:
    """ "In 1899." says something only together with what was asked."""
    gateway.says("In 1899.")
    answer = ask(gateway, evidence=[FACT], haechi={"citations": True})
    assert [claim["outcome"] for claim in answer.haechi["claims"]] == ["refuted"]


def test_the_log_keeps_what_was_found_sealed_and_the_counters_count(gateway: Running) -> None:
    """The clear header has the category and nothing of the text; the words lie in an encrypted segment."""
    gateway.says(FALSE)
    ask(gateway, evidence=[FACT])
    event = gateway.last()[-1]
    assert event.type == "response.blocked"
    assert "misinformation" in dict(event.findings)
    sealed = {segment.name: segment.content for segment in event.segments}
    (claim,) = json.loads(sealed["claims"])
    assert (claim["outcome"], claim["citation"]["quote"]) == ("refuted", FACT)
    assert "Eiffel" not in repr([value for name, value in asdict(event).items() if name != "segments"])
    page = gateway.http.get(gateway.url + "/metrics").text
    assert 'haechi_claims_total{outcome="refuted"}' in page


def test_knowledge_bases_are_asked_and_a_missing_one_lets_nothing_through(tmp_path: Path) -> None:
    """Until it is there: 503, recorded. Then: its passage is cited."""
    with with_base(tmp_path) as gateway:
        gateway.says(FALSE)
        with pytest.raises(openai.InternalServerError):
            ask(gateway)
        with Shelf(tmp_path).writer("towers", make=True) as writer:
            writer.put("", "towers.md", [Section("Towers", FACT, 0)], About(), "0" * 64)
        answer = ask(gateway, haechi={"citations": True})
        assert answer.choices[0].finish_reason == "content_filter"
        assert answer.haechi["claims"][0]["evidence"]["source"] == "kb:towers/towers.md#1"


@contextmanager
def with_base(folder: Path) -> Iterator[Running]:
    document = PolicyDocument(
        1,
        "grounded",
        "2026-11",
        ("claims",),
        claims=ClaimsDocument(knowledge=("towers",)),
        output={Category.MISINFORMATION: RuleDocument(thresholds=Thresholds(0.5, 0.9))},
    )
    with running(SafetyChecker(Policy(document), knowledge=folder)) as served:
        yield served


@pytest.mark.parametrize(
    "wrong",
    [
        {"evidence": "text"},
        {"evidence": [1]},
        {"evidence": [{"source": "x"}]},
        {"evidence": [{"text": "x", "source": 1}]},
        {"evidence": ["x"] * 257},
        {"haechi": True},
        {"haechi": {"citations": "yes"}},
    ],
)
def test_fields_that_are_not_as_they_should_be_are_refused(gateway: Running, wrong: dict[str, Any]) -> None:
    """400 with the field's name, before the model is asked."""
    gateway.stub.bodies.clear()
    with pytest.raises(openai.BadRequestError) as refused:
        ask(gateway, **wrong)
    assert str(refused.value.param).split("[")[0] == next(iter(wrong))
    assert gateway.stub.bodies == []


def test_the_check_route_takes_evidence_and_answers_with_it(gateway: Running) -> None:
    """Findings carry the citation; every claim its outcome; a wrong field is a 400."""
    headers = {"authorization": f"Bearer {gateway.key}"}
    body = {"text": FALSE, "direction": "output", "evidence": [FACT], "question": "When was it completed?"}
    answer = gateway.http.post(gateway.url + "/v1/guard/check", content=json.dumps(body), headers=headers).json()
    assert answer["action"] == "block"
    assert answer["findings"][0]["evidence"]["quote"] == FACT
    assert answer["claims"][0]["outcome"] == "refuted"
    assert answer["scores"]["misinformation"] >= 0.9
    refused = gateway.http.post(gateway.url + "/v1/guard/check", json={**body, "evidence": {}}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "evidence")


def answering(gateway: Running, first: str, *others: str) -> None:
    """The answer that goes to the client, and what the model says when it is asked once more."""
    rest = iter(others * 10)
    gateway.says(first)
    gateway.stub.script.reply = lambda body: [{"content": next(rest) if body.get("temperature") else first}]


@pytest.mark.parametrize("stream", [False, True])
def test_without_evidence_an_answer_is_held_against_what_the_model_says_again(stream: bool) -> None:
    """What half of its other answers say passes; what they do not say is flagged and marked, and nothing is blocked."""
    with grounded(samples=3) as gateway:
        for others, outcome, reasons in (
            ((FALSE, f"I recall this well. {FALSE}", FACT), "supported", []),
            ((FACT, FACT, "I do not know."), "not_enough_evidence", ["inconsistent"]),
        ):
            answering(gateway, FALSE, *others)
            gateway.stub.bodies.clear()
            answer = ask(gateway, haechi={"citations": True}, stream=stream)
            found = list(answer)[-1].haechi if stream else answer.haechi
            assert [(c["outcome"], c["reasons"], "evidence" in c) for c in found["claims"]] == [
                (outcome, reasons, False)
            ]
            if not stream:
                assert answer.choices[0].message.content == FALSE
            assert sorted(bool(body.get("temperature")) for body in gateway.stub.bodies) == [False, True, True, True]
            assert not any(body.get("stream") for body in gateway.stub.bodies if body.get("temperature"))


@pytest.mark.parametrize("stream", [False, True])
def test_further_answers_are_paid_for_by_who_caused_them(stream: bool) -> None:
    """The log's token counts hold all four answers; the client sees its own answer's, and the others' under a key of ours."""
    with grounded(samples=3) as gateway:
        answering(gateway, FALSE, FALSE, FALSE, FACT)
        options = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        answer = ask(gateway, **options)
        usage = (list(answer)[-1] if stream else answer).usage
        event = gateway.last()[-1]
        assert usage.haechi_samples["answers"] == 3
        assert usage.haechi_samples["prompt_tokens"] == 3 * usage.prompt_tokens > 0
        assert event.tokens_in == usage.prompt_tokens + usage.haechi_samples["prompt_tokens"]
        assert event.tokens_out == usage.completion_tokens + usage.haechi_samples["completion_tokens"]
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        page = gateway.http.get(gateway.url + "/metrics").text
        assert f'haechi_tokens_total{{direction="in"}} {float(event.tokens_in)}' in page


def test_further_answers_that_never_came_count_with_their_prompts() -> None:
    """They were asked for, and the model read them; nobody else is going to pay."""
    with grounded(samples=2, fail=FailMode.OPEN) as gateway:
        gateway.says(FALSE)
        answering(gateway, FALSE)
        usage = ask(gateway).usage
        event = gateway.last()[-1]
        assert (event.tokens_in, event.tokens_out) == (3 * usage.prompt_tokens, usage.completion_tokens)


def test_without_further_answers_the_usage_is_as_the_model_said(gateway: Running) -> None:
    """No key of ours."""
    gateway.says(FACT)
    assert "haechi_samples" not in (ask(gateway, evidence=[FACT]).usage.model_extra or {})


def test_where_there_is_evidence_the_model_is_asked_once() -> None:
    """Evidence is better than repetition."""
    with grounded(samples=3) as gateway:
        answering(gateway, FACT, FALSE)
        gateway.stub.bodies.clear()
        assert ask(gateway, evidence=[FACT]).choices[0].message.content == FACT
        assert len(gateway.stub.bodies) == 1


def test_a_model_that_refuses_to_be_asked_again_is_no_silent_pass() -> None:
    """Closed: nothing is let through, and the cause is in the log of the gateway, not in the answer."""
    with grounded(samples=2) as gateway:
        gateway.says(FALSE)

        def reply(body: dict[str, Any]) -> list[dict[str, Any]]:
            if body.get("temperature"):
                raise RuntimeError("no")
            return [{"content": FALSE}]

        gateway.stub.script.reply = reply
        with pytest.raises(openai.InternalServerError):
            ask(gateway)
