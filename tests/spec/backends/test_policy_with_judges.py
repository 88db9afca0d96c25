"""Judges in a policy, from the policy file to the verdict: prompts, answers, streams, ensembles, conversations."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard import Action, Policy, SafetyChecker
from guard.backends.document import ModelDocument, ModelKind
from guard.backends.qwen3guard_stream import StreamFollower, StreamJudge
from guard.classify import Role, Turn
from guard.conversation import Conversation
from guard.policy import FailMode, PolicyDocument, RuleDocument, StreamMode, Thresholds
from guard.verdict import Category
from tests import tiny_judges
from tests.tiny_judges import ATTACK, HARMLESS


def checker(kind: ModelKind, folder: Path, *, both: Category = Category.VIOLENCE, **more: object) -> SafetyChecker:
    """A policy whose one rule is served by one judge."""
    judge = ModelDocument(kind, path=str(folder), sha256=tiny_judges.pins(folder))
    models = {"judge": judge}
    document = PolicyDocument(1, "judged", "2026-11", ("judge",), models=models, both={both: RuleDocument()}, **more)  # type: ignore[arg-type]
    return SafetyChecker(Policy(document, Path("judged.yaml")))


def test_a_generative_judge_decides_about_prompts(guard_gen: Path) -> None:
    """What it calls unsafe is blocked, what it calls safe passes, and gibberish of its own closes the door."""
    guard = checker(ModelKind.QWEN3GUARD_GEN, guard_gen)
    assert guard.check(ATTACK).action is Action.BLOCK
    assert guard.check(HARMLESS).action is Action.ALLOW
    silent = guard.check("안녕하세요")
    assert (silent.action, [u.reason for u in silent.unavailable]) == (Action.BLOCK, ["AnswerUnreadable"])
    assert checker(ModelKind.QWEN3GUARD_GEN, guard_gen, fail=FailMode.OPEN).check("안녕하세요").action is Action.FLAG


@pytest.mark.parametrize("mode", list(StreamMode))
def test_a_streaming_judge_follows_an_answer(guard_stream: Path, mode: StreamMode) -> None:
    """Every token once, however many pieces; scores stand for what random weights say, so no threshold is met."""
    guard = checker(ModelKind.QWEN3GUARD_STREAM, guard_stream, streaming=mode, thresholds=Thresholds(1.0, 1.0))
    text = "Here are some words. The weather is fine today, 안녕하세요 세계. 你好，世界。 one two three four " * 3
    stream = guard.stream(conversation=Conversation((Turn(Role.USER, "Tell me."),)))
    out = "".join(stream.feed(text[i : i + 5]) for i in range(0, len(text), 5))
    end = stream.finish()
    assert out + end.text == text
    assert (end.verdict.unavailable, end.verdict.coverage.checked) == ((), len(text))
    assert 0.0 < max(end.verdict.scores.values()) <= 1.0


def test_the_cost_of_a_stream_is_its_length(guard_stream: Path, tmp_path: Path) -> None:
    """Tokens that the model runs, through the whole guard: the text's own, not once per piece."""
    guard = checker(ModelKind.QWEN3GUARD_STREAM, guard_stream, thresholds=Thresholds(1.0, 1.0))
    (seat,) = guard.plan("output").classifiers
    judge = seat.classifier
    assert isinstance(judge, StreamJudge)
    followers: list[StreamFollower] = []

    class Watched(StreamJudge):
        """The judge itself, which remembers its followers."""

        def follow(self, turns: object) -> StreamFollower:
            followers.append(super().follow(turns))  # type: ignore[arg-type]
            return followers[-1]

    judge.__class__ = Watched
    words = ["one ", "two ", "three ", "four. "] * 60
    stream = guard.stream()
    for word in words:
        stream.feed(word)
    stream.finish()
    judge.__class__ = StreamJudge
    (follower,) = followers
    spent = follower.tokens_run - len(follower._asked)
    assert spent == pytest.approx(len(judge.tokenizer("".join(words))["input_ids"]), rel=0.1)


def test_an_ensemble_gives_the_turns_to_who_reads_them(guard_gen: Path, tmp_path: Path) -> None:
    """Its other members get the text; the worst answer counts, and a silent member silences it."""
    tiny_judges.save_sequence(tmp_path / "tiny", "bert", ["clean", "violent"])
    models = {
        "gen": ModelDocument(ModelKind.QWEN3GUARD_GEN, path=str(guard_gen), sha256=tiny_judges.pins(guard_gen)),
        "tiny": ModelDocument(
            ModelKind.SEQUENCE,
            path=str(tmp_path / "tiny"),
            sha256=tiny_judges.pins(tmp_path / "tiny"),
            labels={"violent": Category.VIOLENCE},
            ignored=("clean",),
        ),
        "both": ModelDocument(ModelKind.ENSEMBLE, of=("gen", "tiny")),
    }
    rule = RuleDocument(thresholds=Thresholds(0.8, 0.8))
    document = PolicyDocument(1, "both", "2026-11", ("both",), models=models, both={Category.VIOLENCE: rule})
    guard = SafetyChecker(Policy(document, Path("both.yaml")))
    assert guard.check(ATTACK).action is Action.BLOCK
    assert guard.check(HARMLESS).unavailable == ()
    assert guard.check("안녕하세요").unavailable
    asked = guard.check(ATTACK, conversation=Conversation((Turn(Role.USER, "Hello."), Turn(Role.ASSISTANT, "Yes?"))))
    assert (
        asked.unavailable or asked.scores
    )  # another question than the judge of the tests has learnt: it may say anything
