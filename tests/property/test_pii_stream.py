"""The same promises through the real engine: one code point at a time, random pieces, long and hostile texts."""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from guard import SafetyChecker, secrets
from guard.engine import make_plan
from guard.fold import build_views
from guard.pii import mask, scanners
from guard.pii.names.scanner import NameScanner
from guard.pii.samples import MAKERS
from guard.policy import Policy
from guard.registry import Detector
from guard.scanner import Look
from guard.scrub import Scrubber
from guard.secrets.samples import MAKERS as SECRET_MAKERS
from guard.stream import GuardStream
from guard.training.names.sentences import sentence
from guard.verdict import Direction
from guard.views import TextViews
from haechi.base.text import Language
from tests.cost import least_cpu

ALL = {**MAKERS, **SECRET_MAKERS}
POLICY = """
schema: 1
name: pii-test
version: 2026-11
detectors: [pii, secrets]
both:
  pii: {unsafe: redact, controversial: redact}
  secrets: {unsafe: redact, controversial: redact}
"""


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> SafetyChecker:
    path: Path = tmp_path_factory.mktemp("policy") / "pii-test.yaml"
    path.write_text(POLICY, "utf-8")
    return SafetyChecker.load(path)


def pieces_of(text: str, rng: np.random.Generator) -> list[str]:
    cuts = sorted({0, len(text), *(int(n) for n in rng.integers(0, len(text), 12))})
    return [text[a:b] for a, b in pairwise(cuts)]


@pytest.mark.parametrize("rule", sorted(ALL))
def test_a_stream_says_what_the_whole_text_says(rule: str, checker: SafetyChecker) -> None:
    """Masked output and findings do not depend on how a text was cut; no value comes out."""
    rng = np.random.default_rng(zlib.crc32(rule.encode()))
    for left, right in (("그의 값은 ", "입니다."), ("我的 ", "，谢谢"), ("see ", ", and then some more words follow")):
        sample = ALL[rule](rng)
        text = f"Some words before, 그리고 앞글 {left}{sample.lead}{sample.value}{right}"
        verdict = checker.check(text, direction="output")
        whole = checker.redact(text, verdict)
        assert sample.value not in whole
        for pieces in (list(text), pieces_of(text, rng), pieces_of(text, rng)):
            stream = checker.stream("output")
            out = "".join(stream.feed(piece) for piece in pieces)
            end = stream.finish()
            assert out + end.text == whole, (sample, pieces)
            assert [(f.start, f.end, f.entity) for f in end.verdict.findings] == [
                (f.start, f.end, f.entity) for f in verdict.findings
            ]


def test_redaction_uses_our_mask(checker: SafetyChecker) -> None:
    """What stands in the text is what `guard.pii.mask` says."""
    text = "전화 010-1234-5678 끝"
    assert checker.redact(text, checker.check(text)) == f"전화 {mask('PHONE_NUMBER', '010-1234-5678')} 끝"


HOSTILE = {
    "digits": "1",
    "digit groups": "12-",
    "spaced digits": "1 2 3 ",
    "at signs": "@",
    "local parts": "a.b-c_",
    "mail beginnings": "a@b.",
    "colons": "a:",
    "double colons": "::",
    "hyphens": "0a-",
    "key heads": "-----BEGIN ",
    "keys": "-----BEGIN PRIVATE KEY-----\nAAAAAAAAAAAAAAAAAAAAAAAAA\n",
    "tokens": "eyJhbGciOiJI",
    "assignments": "password=",
    "places": "서울",
    "streets": "서울 강남구 가나다라동 ",
    "chinese places": "北京市朝阳区建国",
    "urls": "http://a:",
    "brackets": "(+",
    "capitals": "AB1",
    "zero width": "1\u200b",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_time_grows_with_the_text_and_not_faster(name: str) -> None:
    """Four times the text takes at most about four times as long, whatever it repeats."""
    unit = HOSTILE[name]

    def cost(size: int) -> float:
        views = build_views((unit * (size // len(unit) + 1))[:size])
        return least_cpu(
            lambda: [(it.scan(views), it.hold(views)) for it in (*scanners(), *secrets.scanners())],
        )

    cost(1_000)
    small, large = cost(8_000), cost(32_000)
    assert large <= 12 * small + 0.02, (small, large)
    assert large < 32_000 * 60e-6, large


def test_a_long_text_is_scrubbed_in_windows() -> None:
    """A value on the border of two windows is found once, where it is."""
    scrubber = Scrubber(languages=[])
    value = "010-1234-5678"
    for before in (32_768 - 5, 32_768 - 13, 32_768 - 1, 32_768 + 1):
        text = ("글" * (before - 1)) + " " + value + " 끝" + "가나 " * 20_000
        found = scrubber.find(text)
        assert [(e.start, e.end) for e in found] == [(before, before + len(value))]


class ReadsAlways(NameScanner):
    """Remembers nothing, and is never told what is out."""

    def look(self, views: TextViews, released: int = 0) -> Look:  # `released` is what it does not know
        """Everything that is settled, out or not."""
        return NameScanner().look(views)


@pytest.mark.parametrize("hidden", ["", "\u200b"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_not_read_again_changes_no_answer(seed: int, hidden: str, tmp_path: Path) -> None:
    """Output piece by piece, and findings, are those of a scanner that reads at every look; whatever the pieces are."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        POLICY.replace("[pii, secrets]", "[names]").replace("  secrets: {unsafe: redact, controversial: redact}\n", "")
    )
    policy = Policy.load(path)
    rng = np.random.default_rng(seed)
    said = [
        sentence(rng, language).text for language in (Language.KOREAN, Language.CHINESE, Language.ENGLISH) for _ in "ab"
    ]
    text = hidden.join("\n".join(said[i] for i in rng.permutation(len(said)))[:260])
    known, always = (
        GuardStream(make_plan(policy, Direction.OUTPUT, {"names": Detector("names", (scanner,))}), policy)
        for scanner in (NameScanner(), ReadsAlways())
    )
    for piece in pieces_of(text, rng):
        assert known.feed(piece) == always.feed(piece)
    ended, wanted = known.finish(), always.finish()
    assert ended.text == wanted.text
    assert [(f.start, f.end, f.entity) for f in ended.verdict.findings] == [
        (f.start, f.end, f.entity) for f in wanted.verdict.findings
    ]
    assert ended.verdict.findings


@pytest.mark.parametrize("unit", ["Smith ", "김", "王", "서울 강남구 ", "John\n", "<PERSON_1_", "1", "A.", "'s "])
def test_the_time_for_names_grows_with_the_text_and_not_faster(unit: str) -> None:
    """Four times the text takes at most about four times as long, whatever it repeats."""

    def cost(size: int) -> float:
        views = build_views((unit * (size // len(unit) + 1))[:size])
        return least_cpu(lambda: NameScanner().scan(views), tries=2)  # a new one remembers no text

    cost(1_000)
    assert cost(8_000) <= 8 * cost(2_000) + 0.02
