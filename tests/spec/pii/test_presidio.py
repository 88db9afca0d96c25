"""Our recognizers in Presidio's own AnalyzerEngine."""

from __future__ import annotations

import warnings

import pytest

from guard.fold import build_views
from guard.pii import scanners

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Presidio's own imports deprecate is not ours
    from guard.pii.presidio import analyzer

pytestmark = pytest.mark.slow  # importing Presidio and spaCy takes seconds


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "주민번호 801001-2456295이고 메일은kim@example.com으로"),
        ("zh", "我的邮箱是zhang.san@example.com，手机13895188016"),
        ("en", "SSN 536-90-4399, card 4111 1111 1111 1111"),
    ],
)
def test_the_engine_finds_what_our_scanner_finds(language: str, text: str) -> None:
    """Kinds, offsets and scores pass through Presidio unchanged, in each language."""
    found = analyzer(names=False).analyze(text, language=language)
    ours = [m for scanner in scanners() for m in scanner.scan(build_views(text))]
    assert {(r.entity_type, r.start, r.end) for r in found} == {(m.entity, m.start, m.end) for m in ours}
    assert len(found) == 2


def test_only_the_kinds_asked_for() -> None:
    """Presidio's own restriction works."""
    text = "kim@example.com 010-1234-5678"
    found = analyzer(names=False).analyze(text, language="ko", entities=["PHONE_NUMBER"])
    assert [r.entity_type for r in found] == ["PHONE_NUMBER"]
