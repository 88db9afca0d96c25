"""The gateway with a classifier behind it: the event loop stays free, history is judged once, leaks are on record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.gateway_running import Running, running
from guard.checker import SafetyChecker
from guard.classify import Turn
from guard.policy import FailMode, HistoryMode, Policy, PolicyDocument, RuleDocument, SemanticDocument, StreamMode
from guard.registry import Detector, load_detector
from guard.verdict import Category, Direction


class Judge:
    """A classifier that finds one word bad, works as it is told, and reads conversations."""

    name = "judge"
    categories = frozenset({Category.TOXICITY})

    def __init__(self, works: Callable[[str], None] = lambda text: None) -> None:
        self.works = works
        self.asked: list[tuple[str, tuple[str, ...], Direction]] = []

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        return self.judge(text, context, (), Direction.INPUT)

    def judge(self, text: str, context: str, turns: Sequence[Turn], direction: Direction) -> Mapping[Category, float]:
        self.asked.append((text, tuple(turn.text for turn in turns), direction))
        self.works(text)
        return {Category.TOXICITY: 0.97 if "venom" in text else 0.01}


@contextmanager
def judged(judge: Judge, **terms: Any) -> Iterator[Running]:
    """A gateway whose policy has words, personal data and this classifier."""
    history = terms.pop("history", HistoryMode.MASK)
    mode = terms.pop("mode", StreamMode.BALANCED)
    fail = terms.pop("fail", FailMode.CLOSED)
    document = PolicyDocument(
        1,
        "judged",
        "2026-11",
        ("lexicon", "pii", "judge"),
        history=history,
        streaming=mode,
        fail=fail,
        semantic=SemanticDocument(**{"window_ms": 60_000, **terms}),
        both={Category.TOXICITY: RuleDocument(), Category.PII: RuleDocument(detectors=("pii",))},
    )
    detectors = {name: load_detector(name) for name in ("lexicon", "pii")}
    detectors["judge"] = Detector("judge", (), (judge,))
    with running(SafetyChecker(Policy(document), detectors)) as gateway:
        yield gateway


def talk(*texts: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"model": "default", "messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)], **more}


def test_a_slow_classifier_does_not_stop_the_event_loop() -> None:
    """While twenty requests wait for it, the process answers others at once."""
    gate = threading.Event()
    judge = Judge(lambda text: (gate.wait(20), None)[1])
    with judged(judge, window_ms=20_000) as gateway:
        gateway.says("Fine.")
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda i=i: statuses.append(gateway.post(talk(f"Question {i}.")).status_code))
            for i in range(20)
        ]
        for thread in threads:
            thread.start()
        while not judge.asked:
            time.sleep(0.01)
        for _ in range(5):
            assert gateway.http.get(gateway.url + "/healthz").status_code == 200
            listed = gateway.http.get(gateway.url + "/v1/models", headers={"authorization": f"Bearer {gateway.key}"})
            assert listed.status_code == 200
        assert statuses == []
        gate.set()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 20


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_that_waits_does_not_stop_another(stream: bool) -> None:
    """One answer hangs at its classifier, another goes through."""
    gate = threading.Event()
    judge = Judge(lambda text: (gate.wait(20), None)[1] if "slow" in text else None)
    with judged(judge, window_ms=20_000, mode=StreamMode.STRICT) as gateway:
        gateway.says("That is slow. ", "Done.")
        answers: list[str] = []
        waiting = threading.Thread(target=lambda: answers.append(gateway.post(talk("Hi.", stream=stream)).text))
        waiting.start()
        while not any("slow" in text for text, _, _ in judge.asked):
            time.sleep(0.01)
        gateway.says("Quick. ", "Done.")
        assert "Quick" in gateway.post(talk("Hello.", stream=stream)).text
        assert answers == []
        gate.set()
        waiting.join()
        assert "slow" in answers[0]


@pytest.mark.parametrize("stream", [False, True])
def test_a_classifier_past_its_deadline_closes_the_door(stream: bool) -> None:
    """503 on the way in, by the policy's fail mode; what it will never say is not waited for."""
    gate = threading.Event()
    judge = Judge(lambda text: (gate.wait(20), None)[1] if "slow" in text else None)
    with judged(judge, window_ms=100) as gateway:
        gateway.says("Fine.")
        answer = gateway.post(talk("A slow question.", stream=stream))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
        gateway.says("A slow answer that nobody judged.")
        answer = gateway.post(talk("Hello.", stream=stream))
        assert "guard_unavailable" in answer.text
        assert "nobody judged" not in answer.text or stream
        gate.set()


def test_a_prompt_of_many_texts_has_one_time() -> None:
    """Each message is quick enough, all of them together are not."""
    judge = Judge(lambda text: time.sleep(0.02))
    with judged(judge, text_ms=150) as gateway:
        gateway.says("Fine.")
        texts = [f"Turn number {i}." for i in range(60)]
        assert gateway.post(talk(*texts)).status_code == 503
        assert len(judge.asked) < 30


def test_with_an_open_policy_the_silence_is_a_flag() -> None:
    """Allowed, and said."""
    gate = threading.Event()
    judge = Judge(lambda text: (gate.wait(20), None)[1])
    with judged(judge, window_ms=50, fail=FailMode.OPEN) as gateway:
        gateway.says("Fine.")
        answer = gateway.post(talk("A question."))
        gate.set()
        assert (answer.status_code, answer.headers["x-haechi-action"]) == (200, "flag")


def test_only_new_turns_are_judged() -> None:
    """The history's scores are remembered for this tenant; each turn was judged with what stood before it."""
    judge = Judge()
    with judged(judge) as gateway:
        gateway.says("Fine.")
        gateway.post(talk("One."))
        gateway.post(talk("One.", "Fine.", "Two."))
        before = len(judge.asked)
        gateway.post(talk("One.", "Fine.", "Two.", "Fine.", "Three."))
        asked = [(text, turns) for text, turns, direction in judge.asked[before:] if direction is Direction.INPUT]
        assert asked == [("Fine.", ("One.", "Fine.", "Two.")), ("Three.", ("One.", "Fine.", "Two.", "Fine."))]
        answered = [turns for _, turns, direction in judge.asked if direction is Direction.OUTPUT]
        assert answered[-1] == ("One.", "Fine.", "Two.", "Fine.", "Three.")


@pytest.mark.parametrize("history", list(HistoryMode))
def test_a_turn_that_was_flagged_once_does_not_stop_the_conversation(history: HistoryMode) -> None:
    """It is masked or left out of what the model sees, as the policy says; new, it blocks."""
    with judged(Judge(), history=history) as gateway:
        gateway.says("Fine.")
        assert gateway.post(talk("Pure venom.")).status_code == 400
        answer = gateway.post(talk("Pure venom.", "I will not.", "What is the weather?"))
        assert answer.status_code == 200
        sent = [m["content"] for m in gateway.stub.bodies[-1]["messages"]]
        kept = ["[removed]"] if history is HistoryMode.MASK else []
        assert sent == [*kept, "I will not.", "What is the weather?"]


def test_tool_calls_and_their_results_stay_together() -> None:
    """A turn that others refer to is masked, never left out."""
    with judged(Judge(), history=HistoryMode.DROP) as gateway:
        gateway.says("Fine.")
        call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        messages = [
            {"role": "user", "content": "Look."},
            {"role": "assistant", "content": "Pure venom.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "More venom."},
            {"role": "user", "content": [{"type": "text", "text": "pure ve"}, {"type": "text", "text": "nom"}]},
            {"role": "assistant", "content": "No."},
            {"role": "user", "content": "And?"},
        ]
        assert gateway.post({"model": "default", "messages": messages}).status_code == 200
        sent = gateway.stub.bodies[-1]["messages"]
        assert [m["role"] for m in sent] == ["user", "assistant", "tool", "assistant", "user"]
        assert [m["content"] for m in sent] == ["Look.", "[removed]", "[removed]", "No.", "And?"]


def test_what_leaked_is_in_the_audit_record() -> None:
    """In `async` a bad sentence is out before it is judged; the record says how much of it."""
    with judged(Judge(), mode=StreamMode.ASYNC) as gateway:
        gateway.says("Good. ", "Pure ", "venom ", "for all. ", "More.", delay_s=0.02)
        client = gateway.client()
        chunks = list(client.chat.completions.create(**talk("Hi."), stream=True))
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert chunks[-1].choices[0].finish_reason == "content_filter"
        end = gateway.last()[-1]
        assert end.type == "response.blocked"
        assert end.chars_leaked == len(text) - text.index("Pure") > 0


def test_a_check_may_name_the_conversation() -> None:
    """`POST /v1/guard/check` takes the turns before the text."""
    judge = Judge()
    with judged(judge) as gateway:
        turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
        body = {"text": "And now?", "conversation": turns}
        assert gateway.post(body, "/v1/guard/check").json()["action"] == "allow"
        assert judge.asked[-1][:2] == ("And now?", ("Hi.", "Hello."))
        for wrong in ("x", [1], [{"role": "boss", "content": "x"}], [{"role": "user"}]):
            assert gateway.post({"text": "x", "conversation": wrong}, "/v1/guard/check").status_code == 400
