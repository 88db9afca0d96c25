"""Strange text before a policy with words alone, with the embedded classifier, and with a model of one language."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.backends.document import ModelDocument, ModelKind
from guard.checker import SafetyChecker
from guard.policy import FailMode, Policy, PolicyDocument, RuleDocument, SemanticDocument
from guard.verdict import Action, Category
from haechi.base.text import Language
from tests import tiny_judges

STRANGE = {
    "empty": "",
    "blank": " \n\t\u3000 ",
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "NUL": "a\x00b\x00",
    "lone surrogate": "a\ud800b\udfff",
    "emoji": "😀👍🏽🎉❤️" * 300,
    "directions": "abc \u202eשלום\u202c def \u2067x\u2069 ghi jkl mno",
    "combining": "e" + "\u0301" * 5000,
    "one long word": "a" * 20_000,
    "signs": ". , ; ! ? " * 20_000,
    "short sentences": "No. " * 5_000,
    "code": "```python\n" + "x = 1  # a line of code\n" * 300 + "```\n",
    "a megabyte": "All is well. " * 80_000,
}
FOREIGN = {
    "russian": "Это обычное предложение на русском языке о погоде.",
    "japanese": "これは天気についての普通の日本語の文です。",
    "arabic": "هذه جملة عادية باللغة العربية عن الطقس.",
    "thai": "นี่คือประโยคธรรมดาในภาษาไทยเกี่ยวกับสภาพอากาศ",
}
UNREAD = {**FOREIGN, "pictures": "👨‍👩‍👧‍👦🔪" * 30}
RULES = {category: RuleDocument() for category in (Category.TOXICITY, Category.HATE)}


@pytest.fixture(scope="module")
def embedded() -> SafetyChecker:
    return SafetyChecker(Policy(PolicyDocument(1, "embedded", "2026-11", ("classifier",), both=RULES)))


@pytest.fixture(scope="module")
def korean(tmp_path_factory: pytest.TempPathFactory) -> SafetyChecker:
    """A model that was made for Korean alone."""
    folder = tmp_path_factory.mktemp("model")
    tiny_judges.save_sequence(folder, "bert", ["clean", "toxic", "hate"])
    model = ModelDocument(
        ModelKind.SEQUENCE,
        path=str(folder),
        sha256=tiny_judges.pins(folder),
        labels={"toxic": Category.TOXICITY, "hate": Category.HATE},
        ignored=("clean",),
        languages=(Language.KOREAN,),
    )
    document = PolicyDocument(1, "korean", "2026-11", ("tiny",), fail=FailMode.OPEN, models={"tiny": model}, both=RULES)
    return SafetyChecker(Policy(document, Path("korean.yaml")))


@pytest.mark.parametrize("name", STRANGE)
def test_strange_text_is_judged_to_its_end(embedded: SafetyChecker, name: str) -> None:
    """By the embedded classifier, whole and streamed; what it says of it is its own affair."""
    text = STRANGE[name]
    verdict = embedded.check(text)
    assert verdict.unavailable == ()
    assert verdict.coverage.checked == verdict.coverage.total == len(text)
    stream = embedded.stream()
    out = "".join(stream.feed(text[i : i + 4097]) for i in range(0, min(len(text), 50_000), 4097))
    out += stream.finish().text
    assert text.startswith(out)


@pytest.mark.parametrize("name", UNREAD)
def test_a_language_that_nobody_knows_is_not_safe(embedded: SafetyChecker, name: str) -> None:
    """The classifier abstains; alone it is silent, and a closed policy stops the text."""
    verdict = embedded.check(UNREAD[name])
    assert verdict.action is Action.BLOCK
    assert [u.reason for u in verdict.unavailable] == ["not covered"]
    assert verdict.coverage.checked < verdict.coverage.total


@pytest.mark.parametrize("name", UNREAD)
def test_a_policy_may_flag_such_a_language_and_still_block_what_failed(name: str) -> None:
    """`semantic.uncovered: open`: the text passes with a flag and the reason; the words are looked for all the same."""
    terms = SemanticDocument(uncovered=FailMode.OPEN)
    checker = SafetyChecker(
        Policy(PolicyDocument(1, "both", "2026-11", ("lexicon", "classifier"), semantic=terms, both=RULES))
    )
    verdict = checker.check(UNREAD[name])
    assert verdict.action is Action.FLAG
    assert [u.reason for u in verdict.unavailable] == ["not covered"]
    assert checker.check(UNREAD[name] + "\n\nI will kill you, you stupid bitch!").action is Action.BLOCK


@pytest.mark.parametrize("text", ["An ordinary English sentence.", *FOREIGN.values()])
def test_a_model_of_one_language_says_nothing_of_others(korean: SafetyChecker, text: str) -> None:
    """An open policy flags the silence; text without letters, and Korean, is judged."""
    assert korean.check(text).action is Action.FLAG
    assert korean.check(text).unavailable
    assert korean.check("안녕하세요").unavailable == ()
    assert korean.check("123 😀").unavailable == ()
