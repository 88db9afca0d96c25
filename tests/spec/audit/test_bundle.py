"""The export of one person: authentic, unaltered and complete for who checks it with other code, and readable by one person only."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import AuditLog, Event, EventType, Segment
from audit.errors import AccessRefused, UnknownSubject
from audit.proof import HashedTree, inclusion
from audit.rights.bundle import SCHEMA, export_subject
from audit.rights.envelope import decrypt, encrypt, new_identity
from audit.rights.errors import InvalidRecipient
from audit.tiles import write_tiles
from audit.verifier.__main__ import WRONG, verify_bundle

from .conftest import request

Files = dict[str, bytes]
WHY = {"who": "officer-1", "purpose": "rights", "ticket": "T-1"}


@pytest.fixture
def made(folder: Path, tmp_path: Path) -> Path:
    """user-1's bundle with all headers, the public key, and the log as tiles."""
    with AuditLog.open(folder) as log:
        for number in range(6):
            request(log, number, user=f"user-{number % 3}")
        both = (Segment("prompt", "제 이름은 김민지 <b>".encode(), "user-1"), Segment("review", b"odd", "employee-9"))
        log.append(Event(EventType.REQUEST_RECEIVED, "default", "req_both", segments=both)).durable.result(10)
        bundle = export_subject(log, "default", "user-1", headers=True, **WHY)
        assert (bundle.records, bundle.left_out) == (5, 1)
        store = log.open_store(read_only=True)
        write_tiles(store, log.log_name("default"), tmp_path / "tiles/default")
        store.close()
    (tmp_path / "b.zip").write_bytes(bundle.data)
    (tmp_path / "public.key").write_bytes((folder / "public.key").read_bytes())
    return tmp_path


def files_of(path: Path) -> Files:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, files: Files, *, honest_manifest: bool = True) -> None:
    """Pack again; with hashes that fit, as somebody who alters a file would."""
    manifest = json.loads(files["manifest.json"])
    if honest_manifest:
        manifest["files"] = {n: hashlib.sha256(d).hexdigest() for n, d in files.items() if n != "manifest.json"}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    path.write_bytes(made.getvalue())


def verify(folder: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "audit.verifier", str(folder / "b.zip"), "--bundle"]
    done = subprocess.run(
        [*command, "--key", str(folder / "public.key"), *words], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_an_honest_bundle_is_intact_and_complete(made: Path) -> None:
    """By its own headers, and by an export of the log that somebody else brings."""
    assert verify(made) == (0, "intact\n")
    assert verify(made, "--headers", str(made / "tiles")) == (0, "intact\n")


def test_without_all_headers_completeness_is_not_claimed(made: Path) -> None:
    """Cannot tell is not intact."""
    files = files_of(made / "b.zip")
    del files["headers.bin"]
    write(made / "b.zip", files)
    code, said = verify(made)
    assert code == 3
    assert "missing" in said


def records(change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Files], None]:
    def alter(files: Files) -> None:
        listed = json.loads(files["records.json"])
        change(listed)
        files["records.json"] = json.dumps(listed).encode()
        manifest = json.loads(files["manifest.json"])
        manifest["records"] = len(listed)
        files["manifest.json"] = json.dumps(manifest).encode()
        for name in [n for n in files if n.startswith("proofs/")]:
            if int(name[7:].split(".")[0]) not in {one["seq"] for one in listed}:
                del files[name]

    return alter


def text(files: Files, name: str, old: bytes, new: bytes) -> None:
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)


def new_content(listed: list[dict[str, Any]]) -> None:
    listed[0]["segments"][0]["content"] = base64.b64encode(b"something else").decode()
    listed[0]["segments"][0]["text"] = "something else"


def swapped_segments(listed: list[dict[str, Any]]) -> None:
    listed[0]["segments"], listed[1]["segments"] = listed[1]["segments"], listed[0]["segments"]


def again(listed: list[dict[str, Any]]) -> None:
    listed[0]["segments"].append(listed[0]["segments"][0])


def manifest(**changes: object) -> Callable[[Files], None]:
    def alter(files: Files) -> None:
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **changes}).encode()

    return alter


def proofs(old: bytes, new: bytes) -> Callable[[Files], None]:
    """Every proof with its first match replaced."""

    def alter(files: Files) -> None:
        for name in [name for name in files if name.startswith("proofs/")]:
            files[name] = re.sub(old, new, files[name], count=1)

    return alter


def half_of_the_headers(files: Files) -> None:
    files["headers.bin"] = files["headers.bin"][: len(files["headers.bin"]) // 2]


A_HASH = base64.b64encode(b"h" * 32) + b"\n"
ATTACKS: dict[str, tuple[str, Callable[[Files], object]]] = {
    "a record is left out": ("the bundle leaves out record", records(lambda listed: listed.pop(1))),
    "a record stands twice": ("a record stands twice", records(lambda listed: listed.append(listed[0]))),
    "another text": (
        "is not its content", records(lambda listed: listed[0]["segments"][0].update(text="other"))
    ),
    "another content": ("holds another content", records(new_content)),
    "another key": (
        "not the one it was committed to",
        records(lambda listed: listed[0]["segments"][0].update(record_key=base64.b64encode(bytes(32)).decode())),
    ),
    "another ciphertext": (
        "is not the one that was recorded", records(lambda listed: listed[0]["segments"][0].update(ciphertext="AAAA"))
    ),
    "segments of another record": ("not the segments of this person", records(swapped_segments)),
    "a segment is left out": (
        "not the segments of this person", records(lambda listed: listed[0]["segments"].clear())
    ),
    "a segment twice": ("a segment stands twice", records(again)),
    "another decision": ("something else than its leaf", records(lambda listed: listed[0].update(decision="block"))),
    "another leaf": (
        "not the one it was committed to",
        records(lambda listed: listed[0].update(leaf=listed[0]["leaf"].replace('"ti":0', '"ti":1'))),
    ),
    "another leaf outside what keys are bound to": (
        "does not lead",
        records(lambda listed: listed[0].update(
            time_us=1, leaf=re.sub('"sts":[0-9]+', '"sts":1', listed[0]["leaf"])
        )),
    ),
    "another number": ("are not of the same numbers", records(lambda listed: listed[0].update(seq=0))),
    "another checkpoint": ("", lambda files: text(files, "checkpoint", b"\n13\n", b"\n14\n")),
    "another size": ("the checkpoint is of another size", manifest(size=14)),
    "another family of logs": ("another family of logs", manifest(log="other.example/audit/default")),
    "a later version": ("knows version 1 only", manifest(haechi_export=2)),
    "a header is missing": ("ends within a record", half_of_the_headers),
    "headers of nothing": ("not the ones that were signed", lambda files: files.update({"headers.bin": b""})),
    "other keys": ("not the segments of this person", manifest(kids=["0" * 32])),
    "a file more": ("missing or unknown", lambda files: files.update({"extra.exe": b"MZ"})),
    "no page": ("missing or unknown", lambda files: files.pop("index.html")),
    "records that are no list": ("", lambda files: files.update({"records.json": b'{"a": 1}'})),
    "records that are no JSON": ("", lambda files: files.update({"records.json": b"[" * 100_000})),
    "duplicate keys": ("stands twice", lambda files: text(files, "records.json", b'"seq":', b'"seq": 0, "seq":')),
    "a proof of another form": ("its proof is not in its form", proofs(b"@v1", b"@v2")),
    "a proof of another place": ("does not lead to the signed root", proofs(b"[A-Za-z0-9+/]{43}=\n", A_HASH)),
    "a proof that leaves out a hash": ("does not lead to the signed root", proofs(b"[A-Za-z0-9+/]{43}=\n", b"")),
    "a proof of too many hashes": ("its proof is too long", proofs(b"\n\n", b"\n" + A_HASH * 3 + b"\n")),
    "a proof of ten thousand hashes": ("its proof is not in its form", proofs(b"\n\n", b"\n" + A_HASH * 10_000 + b"\n")),
    "a proof with a hash of three bytes": ("its proof is too long", proofs(b"[A-Za-z0-9+/]{43}=\n", b"AAAA\n")),
}  # fmt: skip


def refusal(bundle: Path, key: str) -> str:
    try:
        return f"intact, and {verify_bundle(bundle, key, None)}"
    except WRONG as error:
        return f"refused: {error}"


def test_the_verifier_finds_every_alteration_and_says_which(made: Path) -> None:
    """Whoever alters a bundle also makes its hashes fit; the tree is what they cannot make fit."""
    honest = files_of(made / "b.zip")
    key = (made / "public.key").read_text()
    for name, (said, attack) in ATTACKS.items():
        files = dict(honest)
        attack(files)
        write(made / "b.zip", files)
        assert re.search(f"refused: .*{said}", refusal(made / "b.zip", key)), name
    write(made / "b.zip", {**honest, "index.html": b"<p>other"}, honest_manifest=False)
    assert verify(made)[0] == 1
    (made / "b.zip").write_bytes(b"PK\x05\x06 and no more")
    assert verify(made)[0] == 1


def test_an_archive_that_is_not_what_it_lists_is_refused_before_it_is_unpacked(made: Path) -> None:
    """A file twice, a file that no list names, and one that claims to be larger than any bundle."""
    honest = files_of(made / "b.zip")
    write(made / "b.zip", {**honest, "extra.txt": b"?"}, honest_manifest=False)
    assert verify(made) == (1, "tampered: the archive holds other files than the manifest names\n")
    write(made / "b.zip", honest)
    with zipfile.ZipFile(made / "list.zip", "w") as archive:
        archive.writestr("manifest.json", b"[]")
    assert refusal(made / "list.zip", "") == "refused: the manifest is not an object"
    with zipfile.ZipFile(made / "b.zip", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("checkpoint", b"another")
    code, said = verify(made)
    assert (code, "a file stands twice" in said) == (1, True)
    write(made / "b.zip", honest)
    whole = bytearray((made / "b.zip").read_bytes())
    spot = whole.rindex(b"PK\x01\x02") + 24  # the uncompressed size in the last entry of the directory
    whole[spot : spot + 4] = (2**32 - 2).to_bytes(4, "little")
    (made / "b.zip").write_bytes(whole)
    assert "more than a bundle can hold" in refusal(made / "b.zip", "")


def test_another_familys_key_does_not_fit(made: Path, tmp_path: Path) -> None:
    """A bundle is believed under the key that the reader holds."""
    AuditLog.open(tmp_path / "other").close()
    (made / "public.key").write_bytes((tmp_path / "other/public.key").read_bytes())
    assert verify(made)[0] == 1


def test_other_persons_stay_out_and_hostile_text_is_only_text(made: Path) -> None:
    """No content or key of another person in any file; markup in content is shown, not obeyed."""
    files = files_of(made / "b.zip")
    whole = b"".join(files.values())
    assert b"user-2" not in whole
    assert base64.b64encode(b"odd") not in whole
    page = files["index.html"].decode()
    assert "제 이름은 김민지 &lt;b&gt;" in page
    assert "<script" not in page
    assert json.loads(files["schema.json"]) == SCHEMA


def test_an_export_is_recorded_before_and_after(folder: Path) -> None:
    """Who, why and the file's digest; without a reason, or of nobody, there is none."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        with pytest.raises(AccessRefused):
            export_subject(log, "default", "user-1", who="o", purpose="", ticket="T")
        with pytest.raises(UnknownSubject):
            export_subject(log, "default", "nobody", **WHY)
        bundle = export_subject(log, "default", "user-1", **WHY)
        store = log.open_store(read_only=True)
        said = [json.loads(leaf) for _, leaf in store.headers(log.log_name("_system"))]
        store.close()
    first = next(n for n, one in enumerate(said) if one["typ"] == "access.exported")
    made = next(n for n, one in enumerate(said) if one["typ"] == "report.made")
    assert first < made
    assert said[made]["pol"] == f"sha256:{bundle.digest}"


@given(st.integers(1, 70))
def test_many_proofs_out_of_one_tree_are_the_proofs_one_by_one(size: int) -> None:
    """Every index of every size."""
    leaves = [hashlib.sha256(bytes([number])).digest() for number in range(size)]
    tree = HashedTree(leaves)
    assert all(tree.inclusion(index) == inclusion(leaves, index) for index in range(size))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_what_is_encrypted_to_a_key_opens_with_it_and_with_no_other(size: int) -> None:
    """Chunks of every kind; a flipped bit anywhere and a cut tail are found."""
    identity, recipient = new_identity()
    data = bytes(range(256)) * (size // 256 + 1)
    sealed = encrypt(data[:size], recipient=recipient)
    assert decrypt(sealed, identity=identity) == data[:size]
    for wrong in (
        sealed[:-1],
        sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:],
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ):
        with pytest.raises(InvalidRecipient):
            decrypt(wrong, identity=identity)
    with pytest.raises(InvalidRecipient):
        decrypt(sealed, identity=new_identity()[0])


def test_a_file_of_another_kind_of_recipient_or_with_a_changed_head_does_not_open() -> None:
    """Nor one that asks for more work than any honest file; each is refused before a key is tried in vain."""
    identity, recipient = new_identity()
    sealed = encrypt(b"text", recipient=recipient)
    mac = sealed.index(b"---") + 4
    bent = bytes([sealed[mac] ^ 1]) if chr(sealed[mac] ^ 1).isalnum() else b"A"
    last = sealed[mac + 42 : mac + 43]
    loose = next(d for d in (b"B", b"F", b"J", b"h", b"1") if d != last)  # digits with bits that no byte has
    locked = encrypt(b"text", passphrase="correct horse")
    for wrong, opener, says in (
        (b"-----BEGIN AGE", {"identity": identity}, "not an age file"),
        (sealed[:mac] + bent + sealed[mac + 1 :], {"identity": identity}, "head was altered"),
        (sealed[: mac + 42] + loose + sealed[mac + 43 :], {"identity": identity}, "one form"),
        (locked, {"identity": identity}, "another kind of recipient"),
        (sealed, {"passphrase": "correct horse"}, "another kind of recipient"),
        (
            re.sub(rb" [0-9]+\n", b" 40\n", locked, count=1),
            {"passphrase": "correct horse"},
            "another kind of recipient",
        ),
    ):
        with pytest.raises(InvalidRecipient, match=says):
            decrypt(wrong, **opener)


def test_a_passphrase_opens_and_a_mistyped_key_is_refused() -> None:
    """One recipient, of one kind, spelled right."""
    sealed = encrypt(b"text", passphrase="correct horse")
    assert decrypt(sealed, passphrase="correct horse") == b"text"
    with pytest.raises(InvalidRecipient):
        decrypt(sealed, passphrase="wrong horse")
    recipient = new_identity()[1]
    swapped = recipient[:10] + recipient[11] + recipient[10] + recipient[12:]
    for given_ in ({"recipient": "age1abc"}, {"recipient": swapped}, {}, {"recipient": recipient, "passphrase": "x"}):
        if given_.get("recipient") != recipient or "passphrase" in given_:
            with pytest.raises(InvalidRecipient):
                encrypt(b"", **given_)
