"""audit/FORMAT.md, by its test vectors and by what the vectors imply."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from audit import Event, EventType, canonical, header
from audit.errors import InvalidRecord, MalformedNote, TamperedLog
from audit.note import VerifierKey, verify
from audit.note import parse as parse_note
from audit.proof import MOST_HASHES, InclusionProof
from audit.seal import Sealed, SubjectKey, padded_length, seal, unseal
from audit.tree import Frontier, leaf_hash
from audit.verifier.__main__ import Wrong, read_header, read_note, scan_header

VECTORS = Path(__file__).resolve().parents[2] / "vectors/audit"
NOTES = sorted(VECTORS.glob("note-*.txt"))
HEADERS = sorted(VECTORS.glob("header-*.txt"))


def fields(name: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in (VECTORS / name).read_text("utf-8").splitlines())


def test_the_vector_files_are_what_their_script_makes() -> None:
    """Nobody edits a vector by hand."""
    spec = importlib.util.spec_from_file_location("audit_vectors", VECTORS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    on_disk = {path.name: path.read_bytes().decode("utf-8") for path in VECTORS.glob("*.txt")}
    assert on_disk == module.files()


def test_the_segment_vector_opens() -> None:
    """Context, wrap, commitment, ciphertext and padding are as FORMAT.md section 4 says."""
    v = fields("segment.txt")
    sealed = Sealed(*(bytes.fromhex(v[name]) for name in ("ct", "wrap", "ch", "kc")))
    opened = unseal(bytes.fromhex(v["context"]), v["name"], sealed, SubjectKey(v["kid"], bytes.fromhex(v["sk"])))
    assert opened == bytes.fromhex(v["content"])


def test_the_tree_vectors_hold_however_the_leaves_are_batched() -> None:
    """Roots of RFC 6962 for sizes 0 to 600, grown in batches of seven."""
    for size, root in fields("tree.txt").items():
        if size == "expect":
            continue
        frontier = Frontier()
        leaves = [leaf_hash(str(i).encode()) for i in range(int(size))]
        for at in range(0, len(leaves), 7):
            frontier = frontier.extended(leaves[at : at + 7])
            frontier = Frontier.from_bytes(frontier.size, frontier.to_bytes())
        assert frontier.root().hex() == root


def test_a_stored_edge_of_another_length_is_refused() -> None:
    """Bytes that are no hashes, a hash too many or too few, a size below nothing; that of an empty tree is empty."""
    assert Frontier.from_bytes(0, b"") == Frontier()
    for size, data in ((1, bytes(31)), (1, bytes(64)), (3, bytes(32)), (-1, b""), (0, bytes(32))):
        with pytest.raises(TamperedLog):
            Frontier.from_bytes(size, data)


def test_there_are_note_vectors() -> None:
    """An empty folder would prove nothing."""
    assert len(NOTES) > 8
    assert len(HEADERS) > 20


@pytest.mark.parametrize("path", NOTES, ids=[p.stem for p in NOTES])
def test_a_note_vector_is_judged_as_it_says(path: Path) -> None:
    """Valid notes verify; malformed ones are refused by the parser, unsigned ones by the signature."""
    head, note = path.read_bytes().split(b"---\n", 1)
    said = dict(line.split(": ", 1) for line in head.decode().splitlines())
    key = VerifierKey.parse(said["key"])
    match said["expect"]:
        case "valid":
            assert verify(note, key).size in {0, 5, 300}
            assert read_note(note, key.name, key.public)[0] in {0, 5, 300}
            return
        case "malformed":
            with pytest.raises(MalformedNote):
                verify(note, key)
        case "unsigned":
            with pytest.raises(TamperedLog):
                verify(note, key)
        case other:
            pytest.fail(f"unknown expectation {other}")
    with pytest.raises((Wrong, InvalidSignature, ValueError)):
        read_note(note, key.name, key.public)


@pytest.mark.parametrize("path", HEADERS, ids=[p.stem for p in HEADERS])
def test_a_header_vector_is_judged_as_it_says(path: Path) -> None:
    """By the log's expression, by the independent verifier, and, where it is valid, by the one canonical form."""
    said, leaf = path.read_bytes().split(b"\n", 1)
    if said == b"expect: valid":
        assert header.read(leaf).log == "vectors.example/audit/default"
        assert read_header(leaf, "vectors.example/audit/default")["hv"] == 1
        assert scan_header(leaf, "vectors.example/audit/default").number == canonical.decode(leaf)["wn"]
        assert canonical.encode(canonical.decode(leaf)) == leaf
        header.check(canonical.decode(leaf))
        assert header.context_of(leaf) == header.context_bytes(canonical.decode(leaf))
    else:
        with pytest.raises(InvalidRecord):
            header.read(leaf)
        for read in (read_header, scan_header):
            with pytest.raises(Wrong):
                read(leaf, "vectors.example/audit/default")


def test_a_header_that_does_not_fit_is_refused_with_the_field_and_without_its_value() -> None:
    """Missing, unknown and ill-formed fields are named; what stood there is not."""
    good = canonical.decode((VECTORS / "header-plain.txt").read_bytes().split(b"\n", 1)[1])
    for change, said in (
        ({"rsn": "the secret reason"}, "'rsn' is not in its form"),
        ({"secret": 1}, "'secret' is unknown"),
        ({"ti": 1.5}, "'ti' is not in its form"),
    ):
        with pytest.raises(InvalidRecord, match=said) as refused:
            header.check(good | change)
        assert "secret reason" not in str(refused.value)
    context = header.context(
        Event(EventType.REQUEST_RECEIVED, "default", "r", tokens_in=" 5"),  # type: ignore[arg-type]
        log="x.example/y", record_id="1" * 32, writer="2" * 32, number=1, at_us=1,
    )  # fmt: skip
    with pytest.raises(InvalidRecord, match="one canonical form"):  # every field would be right if it were written anew
        header.complete(context, b"[]", 1)
    with pytest.raises(InvalidRecord, match=r"missing: rsn, ti$"):
        header.check({name: value for name, value in good.items() if name not in {"rsn", "ti"}})


def test_the_context_of_the_segment_vector_is_that_of_its_header() -> None:
    """SHA-256 over the domain and the header without `segs` and `sts`."""
    v = fields("segment.txt")
    assert hashlib.sha256(b"haechi-audit/1\0" + v["header"].encode()).hexdigest() == v["context"]


def test_the_proof_vector_proves_its_leaf() -> None:
    """And no other leaf."""
    head, text = (VECTORS / "proof.txt").read_bytes().split(b"---\n", 1)
    said = dict(line.split(": ", 1) for line in head.decode().splitlines())
    proof, key = InclusionProof.parse(text), VerifierKey.parse(said["key"])
    assert proof.text() == text
    assert proof.verify(bytes.fromhex(said["leaf"]), key).size == 5
    with pytest.raises(TamperedLog):
        proof.verify(b"4", key)


@pytest.mark.parametrize(
    "data",
    [
        b"{}x",
        b'{"a":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"b":1,"a":1}',
        b"[]",
        b"\xff",
        b'{"a":"\xed\x95\x9c"}',
        b"[" * 100000,
    ],
)
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    """One header has one byte form."""
    with pytest.raises(TamperedLog):
        canonical.decode(data)


@given(st.binary(max_size=9000), st.binary(min_size=32, max_size=32), st.data())
def test_a_sealed_segment_opens_with_its_own_key_place_and_bytes_only(
    content: bytes, context: bytes, data: st.DataObject
) -> None:
    """Another context, name, key id or one flipped bit anywhere, and it does not open."""
    key = SubjectKey("0" * 32, b"k" * 32)
    sealed = seal(context, "prompt", content, key)
    assert unseal(context, "prompt", sealed, key) == content
    parts = [bytearray(getattr(sealed, name)) for name in ("ciphertext", "wrap", "ch", "kc")]
    part = data.draw(st.integers(0, 3))
    at = data.draw(st.integers(0, len(parts[part]) - 1))
    parts[part][at] ^= 1 << data.draw(st.integers(0, 7))
    for context_, name, sealed_, key_ in (
        (context, "prompt", Sealed(*(bytes(p) for p in parts)), key),
        (bytes([context[0] ^ 1]) + context[1:], "prompt", sealed, key),
        (context, "answer", sealed, key),
        (context, "prompt", sealed, SubjectKey("1" * 32, key.key)),
        (context, "prompt", sealed, SubjectKey(key.kid, b"j" * 32)),
    ):
        with pytest.raises(TamperedLog):
            unseal(context_, name, sealed_, key_)


@pytest.mark.parametrize(
    "plain",
    [
        (3).to_bytes(8, "big") + b"abc" + b"\0" * 244 + b"x",
        (3).to_bytes(8, "big") + b"abc" + b"x" + b"\0" * 244,
        (249).to_bytes(8, "big") + b"a" * 248,
        b"",
    ],
    ids=["last byte", "first byte", "longer than what is there", "nothing"],
)
def test_padding_that_is_not_zero_is_refused(plain: bytes) -> None:
    """Nothing can be hidden behind the content, even by who holds the keys."""
    context, rk, sk, kid = b"c" * 32, b"r" * 32, b"s" * 32, "0" * 32
    bound = context + b"prompt"
    ek, kc = (hmac.digest(rk, use + b"\0" + bound, "sha256") for use in (b"enc", b"commit"))
    ct = bytes(12) + AESGCM(ek).encrypt(bytes(12), plain, bound)
    wrap = bytes(12) + AESGCM(sk).encrypt(bytes(12), rk, b"wrap\0" + kid.encode() + bound)
    with pytest.raises(TamperedLog, match="padding"):
        unseal(context, "prompt", Sealed(ct, wrap, hashlib.sha256(ct).digest(), kc), SubjectKey(kid, sk))


@given(st.integers(1, 2**24))
def test_padding_hides_the_length_and_costs_little(length: int) -> None:
    """Never shorter, at most 12 % longer above 4 KiB, and few distinct lengths."""
    padded = padded_length(length)
    assert length <= padded
    assert padded <= max(length + 256, length * 1.12)
    assert padded_length(padded) == padded


NOTE = b"haechi.local/audit/default\n7\n" + base64.b64encode(bytes(32)) + b"\n\n" + "— ".encode()
NOTE += b"haechi.local/audit/default " + base64.b64encode(bytes(68)) + b"\n"


@pytest.mark.parametrize(
    ("honest", "defect"),
    [
        (b"\n\n", b"\n"),
        (b"\n7\n", b"\n7\nmore\n"),
        (b"haechi.local/audit/default\n", b"two words+\n"),
        (base64.b64encode(bytes(32)), base64.b64encode(bytes(31))),
        (b"\n7\n", b"\n07\n"),
    ],
    ids=["no blank line", "a fourth line", "a name that is none", "a root of 31 bytes", "a size with a leading zero"],
)
def test_one_defect_is_enough_to_refuse_a_checkpoint(honest: bytes, defect: bytes) -> None:
    """Each alone, in a note that is right otherwise."""
    assert parse_note(NOTE)[0].size == 7
    with pytest.raises(MalformedNote):
        parse_note(NOTE.replace(honest, defect, 1))


def proof_of(hashes: int, head: str = "c2sp.org/tlog-proof@v1", blank: bytes = b"\n") -> bytes:
    lines = [head, "index 0", *[base64.b64encode(bytes(32)).decode()] * hashes]
    return "\n".join(lines).encode() + b"\n" + blank + NOTE


def test_one_defect_is_enough_to_refuse_a_proof() -> None:
    """Another version, no checkpoint, or one hash more than a log of 2^63 records could need."""
    assert len(InclusionProof.parse(proof_of(MOST_HASHES)).hashes) == MOST_HASHES
    for wrong in (proof_of(MOST_HASHES + 1), proof_of(1, head="c2sp.org/tlog-proof@v2"), proof_of(1, blank=b"")):
        with pytest.raises(MalformedNote):
            InclusionProof.parse(wrong)
