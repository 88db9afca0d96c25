"""Whatever is put before the parsers of the log, they answer with one of the log's own errors, soon (threat T26)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import Event, EventType, canonical, header
from audit.cosign import WitnessKey
from audit.errors import AuditError
from audit.note import VerifierKey, parse, verify
from audit.proof import InclusionProof
from audit.verifier.__main__ import Wrong, read_header, scan_header
from audit.witness import Submission
from tests.cost import least_cpu

VECTORS = Path(__file__).resolve().parents[1] / "vectors/audit"
_SAID, _NOTE = (VECTORS / "note-checkpoint-300.txt").read_bytes().split(b"---\n", 1)
KEY_LINE = _SAID.split(b"key: ")[1].strip()
PROOF = (VECTORS / "proof.txt").read_bytes().split(b"---\n", 1)[1]
HEADER = (VECTORS / "header-segment.txt").read_bytes().split(b"\n", 1)[1]
KEY = VerifierKey.parse(KEY_LINE.decode())

PARSERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "note": (parse, _NOTE),
    "signed note": (lambda data: verify(data, KEY), _NOTE),
    "key line": (lambda data: VerifierKey.parse(data.decode("utf-8", "replace")), KEY_LINE),
    "witness key line": (lambda data: WitnessKey.parse(data.decode("utf-8", "replace")), KEY_LINE),
    "proof": (InclusionProof.parse, PROOF),
    "submission": (Submission.parse, b"old 0\n\n" + _NOTE),
    "header": (header.read, HEADER),
    "canonical JSON": (canonical.decode, HEADER),
}


@st.composite
def bent(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes cut, doubled, replaced or put in, at up to four places."""
    data = good
    for _ in range(draw(st.integers(0, 4))):
        at, end = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        piece = draw(
            st.one_of(st.binary(max_size=8), st.just(data[at:end]), st.sampled_from([b"\n", b"\0", b"-", b"_", b"="]))
        )
        data = data[:at] + piece + (data[at:] if draw(st.booleans()) else data[end:])
    return data


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_bent_input_is_read_or_refused_and_nothing_else_happens(name: str, data: st.DataObject) -> None:
    """No other exception than the log's own."""
    read, good = PARSERS[name]
    try:
        read(data.draw(st.one_of(bent(good), st.binary(max_size=200))))
    except AuditError:
        return


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_bent_header_is_refused_or_is_another_canonical_header(data: st.DataObject) -> None:
    """What the expression takes is exactly what the slow way takes: decoded, checked field by field, encoded again."""
    leaf = data.draw(bent(HEADER))
    try:
        header.read(leaf)
    except AuditError:
        return
    again = canonical.decode(leaf)
    header.check(again)
    assert canonical.encode(again) == leaf


_LISTS = [b'"heads":[],', b'"kids":["x"],', b'"ct":5,', b'"cc":9000000000000000,', b'"segs":[{}],', b'"fin":[1],']


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_the_independent_verifier_reads_a_header_quickly_as_it_reads_it_slowly(data: st.DataObject) -> None:
    """Its expression refuses what the JSON reading refuses, and finds the same fields."""
    leaf = data.draw(bent(HEADER))
    if data.draw(st.booleans()):
        leaf = leaf.replace(b'"hv":1', data.draw(st.sampled_from(_LISTS)) + b'"hv":1', 1)
    try:
        slow = read_header(leaf, "vectors.example/audit/default")
    except Wrong:
        with pytest.raises(Wrong):
            scan_header(leaf, "vectors.example/audit/default")
        return
    quick = scan_header(leaf, "vectors.example/audit/default")
    assert (quick.sts, quick.writer.strip('"'), quick.number) == (slow["sts"], slow["w"], slow["wn"])
    assert [(one.ch, one.kc, one.kid, int(one.length), one.name) for one in quick.parts] == [
        tuple(one.values()) for one in slow["segs"]
    ]


_WORDS = st.one_of(
    st.text("abc_.:-09", max_size=8),
    st.sampled_from(['x","cls":"y', "é", "\udc00", 'x"', "\\", "\n", '","ct":5,"dec":"', "x" * 200]),
    st.text(max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(
    words=st.tuples(*[_WORDS] * 7),
    counts=st.tuples(*[st.integers(-1, 3)] * 7),
    findings=st.lists(st.tuples(_WORDS, st.integers(-1, 10**6)), max_size=2),
    kids=st.lists(st.sampled_from(["0" * 32, "f" * 32, "x", '"']), max_size=2),
)
def test_a_header_says_what_its_event_said_or_is_refused(
    words: tuple[str, ...], counts: tuple[int, ...], findings: list[tuple[str, int]], kids: list[str]
) -> None:
    """It is put together as text: what would break out of its field must not get past the expression."""
    act, retention, request, reason, purpose, model, tenant = words
    event = Event(
        EventType.REQUEST_RECEIVED, tenant, request, act=act, retention=retention, reason=reason, purpose=purpose,
        model=model, findings=tuple(findings), kids=tuple(kids), tokens_in=counts[0], tokens_out=counts[1],
        chars_checked=counts[2], chars_total=counts[3], chars_leaked=counts[4], count=counts[5], until_us=counts[6],
    )  # fmt: skip
    try:
        text = header.context(event, log="x.example/y", record_id="1" * 32, writer="2" * 32, number=7, at_us=8)
        leaf = header.complete(text, b"[]", 9)
    except AuditError:
        return
    read = canonical.decode(leaf)
    assert header.context_bytes(read) == text
    assert (read["act"], read["cls"], read["req"], read["rsn"], read["pur"], read["mod"], read["ten"]) == (
        act, retention, request, reason, purpose, model, tenant,
    )  # fmt: skip
    assert read["fin"] == [{"c": name, "p": score} for name, score in findings]
    assert read.get("kids", []) == kids
    assert (read["ti"], read["to"], read.get("n", 0), read.get("until", 0)) == (*counts[:2], *counts[5:])
    said = (read.get("cc", 0), read.get("ct", 0), read.get("cl", 0))
    assert said == (counts[2:5] if counts[3] else (0, 0, 0))


@pytest.mark.parametrize(
    "huge",
    [
        _NOTE + "— a AAAAAAAA\n".encode() * 1_000_000,
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + b"A" * 43 + b"=\n" * 2_000_000,
        HEADER.replace(b'"segs":[', b'"segs":[' + HEADER * 2000),
        b"[" * 5_000_000,
        b'{"a":' * 200_000,
        b"old " + b"9" * 1_000_000 + b"\n\n" + _NOTE,
    ],
    ids=["a million signatures", "a huge proof", "a huge header", "deep lists", "deep objects", "a huge number"],
)
def test_huge_input_is_refused_within_a_second(huge: bytes) -> None:
    """By every parser; bounds come before work."""
    for read, _ in PARSERS.values():
        assert least_cpu(partial(refused, read, huge), tries=1) < 1


def refused(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(AuditError):
        read(data)
