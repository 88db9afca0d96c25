"""What the console says when something is wrong, in the visitor's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.console import texts
from tests.console_visitors import Browser

ROOT = Path(__file__).resolve().parents[3]
SAID_IN_THE_CONSOLE = [
    *sorted((ROOT / "audit" / "console").rglob("*.py")),
    *(ROOT / "audit" / name for name in ("log.py", "prove.py", "erase.py")),
    *(ROOT / "audit" / "rights" / name for name in ("requests.py", "breach.py", "fulfil.py", "restrict.py")),
]
NOT_ENGLISH = [language for language in texts.LANGUAGES if language != "en"]


def sentences() -> Iterator[tuple[str, str]]:
    """Message and hint of every error that is raised there, with its place; what varies is `{}`."""
    for file in SAID_IN_THE_CONSOLE:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                hints = [word.value for word in node.exc.keywords if word.arg == "hint"]
                for text in map(as_template, [*node.exc.args, *hints]):
                    if text:
                        yield f"{file.name}:{node.lineno}", text


def as_template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = node.values if isinstance(node, ast.JoinedStr) else []
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


@pytest.mark.parametrize("language", NOT_ENGLISH)
def test_every_error_has_words_in_every_language(language: str) -> None:
    """An error without them, and words that fit no error any more, would be noticed by readers of that language alone."""
    known = texts.words(language)["errors"]
    assert isinstance(known, dict)
    raised = list(sentences())
    assert [where for where, text in raised if text not in known] == []
    assert len(raised) > 60
    assert sorted(set(known) - {text for _, text in raised}) == []
    assert [text for text, mine in known.items() if text.count("{}") != mine.count("{}")] == []


def alert(page: str) -> str:
    found = re.search(r'<p class="error" role="alert"[^>]*>([^<]*)</p>', page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("language", "refused", "role"),
    [
        ("en", "name and password do not belong together", "this needs the role "),
        ("ko", "이름과 비밀번호가 맞지 않습니다", "역할이 필요합니다"),
        ("zh", "用户名和密码不匹配", "此操作需要"),
    ],
)
def test_an_error_is_said_in_the_visitors_language(browser: Browser, language: str, refused: str, role: str) -> None:
    """At the sign-in and on the page of an error; a role is called what the pages call it."""
    browser.get(f"/sign-in?lang={language}")
    assert alert(browser.send("/sign-in", name="reader", password="wrong").text) == refused
    browser.sign_in("reader")
    browser.get("/retention")
    answer = browser.send("/retention/hold", tenant="default", ticket="L-1")
    assert (answer.status_code, role in alert(answer.text)) == (403, True)
    assert language == "en" or "officer" not in alert(answer.text)


def test_what_has_no_words_is_shown_as_it_is() -> None:
    """English is better than nothing; what varies is kept as it stands, whatever it holds."""
    assert texts.told("the moon is full", "ko") == "the moon is full"
    assert texts.told("'a {0} b\nc' is not a day", "zh") == "'a {0} b\nc'不是日期"
