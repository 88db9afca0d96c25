"""Personal data and secrets in a stream: planted between neighbours of three scripts, cut everywhere, nothing leaks."""

from __future__ import annotations

import pytest

from guard import SafetyChecker

VALUES = {
    "e-mail": "jane.doe@example.com",
    "Korean resident number": "900101-1234568",
    "Korean mobile": "010-1234-5678",
    "Chinese mobile": "13800138000",
    "cloud key": "AKIAIOSFODNN7EXAMPLE",
    "token": "ghp_0123456789abcdefghijABCDEFGHIJ012345",
}
NEIGHBOURS = (
    ("", ""),
    ("mail ", " now"),
    ("메일은 ", "입니다"),
    ("번호는", "이에요"),
    ("我的是", "，谢谢"),
    ("(", ")."),
    ("제 것은 ", "로 주세요"),
)


@pytest.fixture(scope="module")
def checker() -> SafetyChecker:
    return SafetyChecker.load("default")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("neighbours", NEIGHBOURS)
def test_not_one_character_of_a_planted_value_leaks(
    checker: SafetyChecker, value: str, neighbours: tuple[str, str]
) -> None:
    """Cut in two at every position, and fed one by one, the stream gives what masking the whole text gives."""
    before, after = neighbours
    text = before + VALUES[value] + after
    expected = checker.redact(text, checker.check(text, direction="output"))
    assert VALUES[value] not in expected
    assert expected.startswith(before)
    assert expected.endswith(after)
    for pieces in [list(text)] + [[text[:cut], text[cut:]] for cut in range(len(text) + 1)]:
        stream = checker.stream("output")
        out = "".join(stream.feed(p) for p in pieces) + stream.finish().text
        assert out == expected, pieces
