"""What users write about themselves goes to the model under other names, and comes back as it was."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gateway_running import Running, running
from benchmarks.gateway_stub import Script
from gateway.errors import MapsUnavailable
from gateway.placeholder_maps import KEY_BYTES, MapStore
from guard import SafetyChecker
from guard.errors import InvalidPolicyValue
from guard.policy import Policy
from guard.policy_file import parse
from haechi.base.clock import SystemClock

PHONE, MAIL, CARD, RRN = "010-1234-5678", "jane.doe@example.com", "4111-1111-1111-1111", "900101-1234568"
TEXT = f"제 번호는 {PHONE}이고 메일은 {MAIL}입니다. 카드 {CARD}, 주민등록번호 {RRN}."
HEAD = "schema: 1\nname: hiding\nversion: 2026-11\ndetectors: [pii, secrets]\n"
RULES = "both:\n  pii: {unsafe: redact, controversial: redact}\n  secrets: {unsafe: redact, controversial: redact}\n"
OPERATORS = "operators:\n  input: {default: placeholder, CREDIT_CARD: hash, KR_RRN: remove}\n  output: {default: mask, EMAIL_ADDRESS: pseudonym}\n"


def hiding_checker() -> SafetyChecker:
    return SafetyChecker(Policy(parse(HEAD + OPERATORS + RULES, "policy.yaml")))


def newest(body: dict[str, Any]) -> str:
    """The text of the newest message as the model got it."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def echo(body: dict[str, Any]) -> list[dict[str, Any]]:
    """A model that repeats what it was told, letter by letter."""
    return [{"content": char} for char in newest(body)]


@pytest.fixture(scope="module")
def gateway() -> Iterator[Running]:
    with running(hiding_checker()) as served:
        yield served


def ask(gateway: Running, text: str, *, stream: bool = False, conversation: str = "", **more: Any) -> str:
    """The text of the answer."""
    headers = {"x-haechi-conversation": conversation} if conversation else {}
    messages = [*more.pop("messages", []), {"role": "user", "content": text}]
    answer: Any = gateway.client().chat.completions.create(
        model="default", messages=messages, stream=stream, extra_headers=headers, **more
    )
    if stream:
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_sees_names_and_the_user_sees_values(gateway: Running, *, stream: bool) -> None:
    """Placeholders come back, also letter by letter; what is hashed or removed stays so."""
    gateway.stub.script = Script(reply=echo)
    answer = ask(gateway, TEXT, stream=stream)
    sent = newest(gateway.stub.bodies[-1])
    assert not any(value in sent for value in (PHONE, MAIL, CARD, RRN))
    assert f"제 번호는 {PHONE}이고 메일은 {MAIL}입니다. 카드 [CREDIT_CARD:" in answer
    assert CARD not in answer and RRN not in answer  # noqa: PT018  # one claim: what was not a placeholder is gone


def test_every_string_of_a_request_is_covered(gateway: Running) -> None:
    """Content parts, tool results, tool-call arguments, file names, `user` and metadata; JSON stays JSON."""
    gateway.stub.script = Script(reply=echo)
    call = {"id": "c1", "type": "function", "function": {"name": "send", "arguments": json.dumps({"to": MAIL})}}
    gateway.post(
        {
            "model": "default",
            "user": MAIL,
            "metadata": {"phone": PHONE},
            "messages": [
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": json.dumps({"sent_to": MAIL})},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "call 010-1234"}, {"type": "text", "text": "-5678"}],
                },
            ],
        }
    )
    body = gateway.stub.bodies[-1]
    assert MAIL not in json.dumps(body) and PHONE not in json.dumps(body)  # noqa: PT018
    arguments = json.loads(body["messages"][0]["tool_calls"][0]["function"]["arguments"])
    assert arguments["to"] == json.loads(body["messages"][1]["content"])["sent_to"] == body["user"]
    assert "010-1234" not in newest(body)


@pytest.mark.parametrize("stream", [False, True])
def test_tool_call_arguments_come_back_as_json(gateway: Running, *, stream: bool) -> None:
    """The client's tool gets the value; the arguments parse."""

    def calls(body: dict[str, Any]) -> list[dict[str, Any]]:
        arguments = json.dumps({"to": newest(body).split()[-1]})
        function = {"name": "send", "arguments": arguments}
        return [{"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}]

    gateway.stub.script = Script(reply=calls, finish="tool_calls")
    tools = [{"type": "function", "function": {"name": "send", "parameters": {}}}]
    answer: Any = gateway.client().chat.completions.create(
        model="default", messages=[{"role": "user", "content": f"Write to {MAIL}"}], tools=tools, stream=stream
    )
    if stream:
        pieces = [chunk.choices[0].delta.tool_calls for chunk in answer if chunk.choices]
        arguments = "".join(call.function.arguments or "" for calls_ in pieces if calls_ for call in calls_)
    else:
        arguments = answer.choices[0].message.tool_calls[0].function.arguments
    assert json.loads(arguments) == {"to": MAIL}


def test_a_value_keeps_its_name_while_a_conversation_grows(gateway: Running) -> None:
    """What was sent in the first turn is sent the same in the second, so that the model's cache still fits."""
    gateway.stub.script = Script(reply=echo)
    first = ask(gateway, f"My number is {PHONE}", conversation="grows")
    sent = newest(gateway.stub.bodies[-1])
    history = [{"role": "user", "content": f"My number is {PHONE}"}, {"role": "assistant", "content": first}]
    ask(gateway, f"And {MAIL}", conversation="grows", messages=history)
    assert [m["content"] for m in gateway.stub.bodies[-1]["messages"][:2]] == [sent, sent]


def test_a_model_that_remembers_is_understood_in_its_own_conversation_only(gateway: Running) -> None:
    """A placeholder of an earlier request comes back there; in another conversation, or forged, it is text."""
    gateway.stub.script = Script(reply=echo)
    ask(gateway, f"My number is {PHONE}", conversation="mine")
    name = newest(gateway.stub.bodies[-1]).split()[-1]
    gateway.says("It is ", name[:9], name[9:], ".")
    assert ask(gateway, "What is my number?", conversation="mine") == f"It is {PHONE}."
    assert ask(gateway, "What is my number?", conversation="other") == f"It is {name}."
    assert ask(gateway, f"What is {name}?") == f"It is {name}."
    gateway.says("<PHONE_NUMBER_1_deadbeef>")
    assert ask(gateway, "What is my number?", conversation="mine") == "<PHONE_NUMBER_1_deadbeef>"


def test_the_answer_has_operators_of_its_own(gateway: Running) -> None:
    """What the model says of other people is replaced by the rules of the way out."""
    gateway.says("Ask kim@company.example or call 010-9876-5432.")
    answer = ask(gateway, "Who can help?")
    assert "kim@company.example" not in answer
    assert "@example.com or call ***-****-****." in answer


def test_without_a_map_nothing_is_sent(tmp_path: Path) -> None:
    """A map that cannot be read stops the request with a clear error; the model hears nothing."""
    maps = MapStore.open(tmp_path)
    with running(hiding_checker(), maps=maps) as gateway:
        with sqlite3.connect(tmp_path / "placeholders.db") as db:
            db.execute("drop table map")
        answer = gateway.post(
            {"model": "default", "messages": [{"role": "user", "content": PHONE}]}, **{"x-haechi-conversation": "c"}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
        assert gateway.stub.bodies == []


class Hand(SystemClock):
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.at_us = 1_700_000_000_000_000

    def now_us(self) -> int:
        return self.at_us


def test_maps_are_kept_encrypted_and_expire(tmp_path: Path) -> None:
    """No file holds a value, another tenant's key does not fit, and what has expired is gone."""
    hand = Hand()
    store = MapStore(os.urandom(KEY_BYTES), tmp_path / "placeholders.db", keep_s=60, clock=hand)
    first = store.begin("acme", "c")
    name = first.name("PHONE_NUMBER", PHONE)
    store.keep("acme", "c", first)
    assert store.load("acme", "c").restore(name) == PHONE
    assert store.load("other", "c").restore(name) == name
    assert PHONE.encode() not in (tmp_path / "placeholders.db").read_bytes()
    hand.at_us += 61_000_000
    assert store.load("acme", "c").restore(name) == name
    store.keep("acme", "d", store.begin("acme", "d"))
    with sqlite3.connect(tmp_path / "placeholders.db") as db:
        assert db.execute("select count(*) from map").fetchone() == (1,)


def test_two_requests_of_one_conversation_never_share_a_name(tmp_path: Path) -> None:
    """Each began before the other ended; both maps are kept, and every name stands for one value."""
    store = MapStore.open(tmp_path)
    one, two = store.load("acme", "c"), store.load("acme", "c")
    names = one.name("PHONE_NUMBER", PHONE), two.name("PHONE_NUMBER", "010-9999-9999")
    store.keep("acme", "c", one)
    store.keep("acme", "c", two)
    whole = MapStore.open(tmp_path).load("acme", "c")
    assert [whole.restore(name) for name in names] == [PHONE, "010-9999-9999"]
    assert (tmp_path / "placeholders.key").stat().st_mode & 0o077 == 0


def test_an_altered_map_is_refused(tmp_path: Path) -> None:
    """A row of another conversation in the place of one's own is an error, not somebody else's values."""
    store = MapStore.open(tmp_path)
    for conversation in ("c", "d"):
        placeholders = store.begin("acme", conversation)
        placeholders.name("PHONE_NUMBER", PHONE)
        store.keep("acme", conversation, placeholders)
    with sqlite3.connect(tmp_path / "placeholders.db") as db:
        db.execute("update map set sealed = (select sealed from map order by conversation desc limit 1)")
    with pytest.raises(MapsUnavailable):
        [store.load("acme", conversation) for conversation in ("c", "d")]


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        ("operators: {output: {default: placeholder}}\n", "would never become a value again"),
        ("operators: {input: {EMAIL_ADRESS: mask}}\n", "did you mean 'EMAIL_ADDRESS'?"),
        ("operators: {input: {default: encrypt}}\n", "policy.yaml:5"),
    ],
)
def test_operators_that_cannot_work_are_refused_when_the_policy_is_read(operators: str, said: str) -> None:
    """Placeholders on the way out, kinds and operators that do not exist."""
    with pytest.raises(InvalidPolicyValue) as refused:
        parse(HEAD + operators + RULES, "policy.yaml")
    assert said in f"{refused.value} {refused.value.hint}"
