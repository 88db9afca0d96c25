"""Whatever is put before the parsers of the log, they answer with one of the log's own errors, soon (threat T26)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical, header
from audit.cosign import WitnessKey
from audit.errors import AuditError
from audit.note import VerifierKey, parse, verify
from audit.proof import InclusionProof
from audit.witness import Submission

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
        began = time.process_time()
        with pytest.raises(AuditError):
            read(huge)
        assert time.process_time() - began < 1
