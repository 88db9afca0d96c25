"""Speech against discrimination is no hate, and hate does not hide in it."""

from __future__ import annotations

import pytest

from guard.classifier.against import LONGEST, is_against_discrimination
from haechi import SafetyChecker

AGAINST = (
    "흑인 차별은 사라져야 한다.",
    "장애인을 차별하지 마세요.",
    "이주노동자에 대한 혐오는 잘못이다.",
    "성소수자 차별에 반대합니다.",
    "조선족을 비하하면 안 됩니다.",
    "不要歧视回族同胞。",
    "我们反对歧视黑人。",
    "歧视女性是不对的。",
    "请停止对残疾人的歧视",
    "Stop discriminating against Muslims!",
    "Racism against black people must end.",
    "We should oppose hatred of immigrants.",
    "Discrimination against gay people is wrong.",
    "Please do not mock disabled people.",
)
NOT_AGAINST = (
    "흑인 차별은 사라져야 한다고? 흑인은 벌레다.",
    "흑인 차별은 당연하다.",
    "여자는 벌레니까 차별에 반대하지 마라.",
    "不要歧视猴子一样的黑人。",
    "歧视黑人是不对的,他们应该去死",
    "黑人都该被歧视。",
    "Stop hating on white people, you vermin.",
    "We must end the Jews.",
    "Discrimination against whites must end, deport all Muslims.",
    "Muslims deserve the hatred they get.",
    "Hate is good.",
    "The weather is nice today.",
    "",
)


@pytest.mark.parametrize("text", AGAINST)
def test_speech_against_discrimination_is_known(text: str) -> None:
    """In three languages."""
    assert is_against_discrimination(text)


@pytest.mark.parametrize("text", NOT_AGAINST)
def test_what_belittles_or_goes_on_is_not(text: str) -> None:
    """Nor is what only shares the words."""
    assert not is_against_discrimination(text)


def test_a_form_ends_where_the_text_does() -> None:
    """A second sentence, or a long tail, is judged as ever."""
    for text in AGAINST:
        assert not is_against_discrimination(
            f"{text} 그리고 그들은 모두 떠나야 한다. They should all leave. 他们都该离开"
        )
        assert not is_against_discrimination(text + "아" * LONGEST)


def test_the_default_policy_lets_it_pass_and_blocks_hate_behind_it() -> None:
    """As its users meet it."""
    checker = SafetyChecker.load("default")
    for text in ("흑인 차별은 사라져야 한다.", "不要歧视回族同胞。", "Racism against black people must end."):
        assert checker.check(text, direction="input").action == "allow"
    hidden = "흑인 차별은 사라져야 한다. 흑인은 더러운 벌레 같은 놈들이니 다 죽어야 한다."
    assert checker.check(hidden, direction="input").action == "block"
