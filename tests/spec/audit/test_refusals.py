"""Histories that were wrong from the start, signed with the log's real key: what no bit of a signature gives away.

Whoever holds the key can sign whatever they like. Each history here breaks one rule of FORMAT.md section 12, and both
verifiers refuse it and say which.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import canonical
from audit.errors import MalformedNote, NothingToVerify
from audit.note import Checkpoint, VerifierKey, public_key, sign
from audit.pins import Pins
from audit.store import SqliteStore
from audit.store_port import Edge
from audit.tree import Frontier, leaf_hash
from audit.verifier.__main__ import WRONG
from audit.verifier.checks import Wrong, read_key, verify_tiles
from audit.verifier.checks import verify_folder as verify_independently
from audit.verify import Outcome, verify_folder

from .conftest import independent

FAMILY = "x.example/audit"
LOG, SYSTEM = f"{FAMILY}/default", f"{FAMILY}/_system"
Leaf = dict[str, Any]


def leaf(number: int, log: str = LOG, **changes: object) -> Leaf:
    """The header of a record without content, the `number`th of its writer, counted from 1."""
    return {
        "act": "", "cls": "", "dec": "none", "fin": [], "hv": 1, "id": f"{number:032x}", "log": log, "mod": "",
        "pol": "", "prev": "", "pur": "", "req": "", "rsn": "", "segs": [], "sts": number, "ten": "default", "ti": 0,
        "to": 0, "typ": "request.received", "w": "a" * 32, "wn": number, "wts": number, **changes,
    }  # fmt: skip


class Signer:
    """Somebody with the signing key, who writes the database by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = Ed25519PrivateKey.generate()
        folder.mkdir()
        SqliteStore(folder / "log.db").close()
        (folder / "public.key").write_text(public_key(FAMILY, self.private).line() + "\n")

    def note(self, log: str, leaves: list[bytes]) -> bytes:
        return sign(Checkpoint(log, len(leaves), root(leaves)), self.private)

    def write(self, log: str, headers: list[Leaf], *, pinned: list[Leaf] | None = None) -> None:
        """A log of these records: its tree, a checkpoint at its end, and what is remembered outside."""
        leaves = [canonical.encode(one) for one in headers]
        grown = Frontier().extended(map(leaf_hash, leaves))
        edge = Edge(grown, max((one["sts"] for one in headers), default=0))
        with self.database() as db:
            db.executemany("insert into leaf values (?, ?, ?)", [(log, seq, one) for seq, one in enumerate(leaves)])
            db.execute("insert into edge values (?, ?, ?, ?)", (log, grown.size, grown.to_bytes(), edge.sts))
            note = self.note(log, leaves)
            db.execute("insert into checkpoint values (?, ?, ?, ?)", (log, grown.size, grown.to_bytes(), note))
        db.close()
        pins = Pins(Pins.beside(self.folder))
        with pins.exclusive():
            pins.remember(log, note if pinned is None else self.note(log, [canonical.encode(one) for one in pinned]))

    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "log.db")

    def sql(self, text: str, *values: object) -> None:
        with self.database() as db:
            db.execute(text, values)
        db.close()

    def said_by_the_independent(self) -> str:
        """What the verifier that shares no code answers; empty: intact."""
        line = (self.folder / "public.key").read_text("ascii")
        try:
            doubts = verify_independently(self.folder, Pins.beside(self.folder), line)
        except WRONG as error:
            return f"{error} "
        assert doubts == []
        return ""


def root(leaves: list[bytes]) -> bytes:
    return Frontier().extended(map(leaf_hash, leaves)).root()


def head(log: str, leaves: list[bytes]) -> list[dict[str, object]]:
    return [{"log": log, "root": root(leaves).hex(), "size": len(leaves)}]


def three(**changes: object) -> list[Leaf]:
    """Three records, the last of them bent."""
    return [leaf(1), leaf(2), leaf(3, **changes)]


def bodies(signer: Signer, *rows: tuple[object, ...]) -> None:
    signer.write(LOG, three())
    for row in rows:
        signer.sql("insert into body values (?, ?, ?, ?, ?, ?)", LOG, *row)


def misfiled(signer: Signer) -> None:
    signer.write(LOG, three())
    signer.sql("update checkpoint set size = 2, hashes = zeroblob(32)")


def loose_base64(signer: Signer) -> None:
    """43 digits carry two bits more than 32 bytes have, so that the last one has three more spellings."""
    signer.write(LOG, three())
    note = signer.note(LOG, [canonical.encode(one) for one in three()])
    spelled = note.split(b"\n")[2]
    digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = spelled[:-2] + digits[digits.index(spelled[-2]) + 1 :][:1] + b"="
    assert base64.b64decode(loose) == base64.b64decode(spelled)
    signer.sql("update checkpoint set note = ?", note.replace(spelled, loose))


def named_by_system(signer: Signer, heads: list[dict[str, object]], *, write: bool = True) -> None:
    if write:
        signer.write(LOG, three())
    signer.write(SYSTEM, [leaf(4, SYSTEM, ten="_system", typ="heads", heads=heads)])


def of_another_family(signer: Signer) -> None:
    signer.write("other.example/log", [leaf(1, "other.example/log")])


def still_wrapped(signer: Signer) -> None:
    """A key was destroyed under a certificate, and a body of it has lost its ciphertext only."""
    kid = "b" * 32
    part = {"ch": "0" * 64, "kc": "0" * 64, "kid": kid, "len": 1, "n": "prompt"}
    signer.write(LOG, three(segs=[part]))
    signer.write(SYSTEM, [leaf(4, SYSTEM, ten="_system", typ="erasure.done", kids=[kid])])
    signer.sql("insert into body values (?, 2, 'prompt', ?, null, x'00')", LOG, kid)


CONTENT, KID = b"n" * 12 + b"ciphertext", "b" * 32
PART = {"ch": hashlib.sha256(CONTENT).hexdigest(), "kc": "0" * 64, "kid": KID, "len": len(CONTENT), "n": "prompt"}


def with_content(
    signer: Signer,
    *,
    said: dict[str, object] | None = None,
    kid: str = KID,
    content: bytes | None = CONTENT,
    certified: bool = False,
) -> None:
    """The third record has a segment, the only one of the log. said: what its header says otherwise."""
    signer.write(LOG, three(segs=[{**PART, **(said or {})}]))
    if certified:
        signer.write(SYSTEM, [leaf(4, SYSTEM, ten="_system", typ="erasure.done", kids=[KID])])
    wrap = None if content is None else b"wrap"
    signer.sql("insert into body values (?, 2, 'prompt', ?, ?, ?)", LOG, kid, content, wrap)


def content_twice(signer: Signer) -> None:
    """Whoever may write the file may also take the primary key from the table."""
    with_content(signer)
    for text in ("alter table body rename to old", "create table body as select * from old", "drop table old"):
        signer.sql(text)
    signer.sql("insert into body select * from body")


WRONG_HISTORIES: dict[str, tuple[Callable[[Signer], object], str, str]] = {
    "a record of another log": (
        lambda signer: signer.write(LOG, three(log=f"{FAMILY}/acme")),
        "names another log", "belongs to another log",
    ),
    "findings that are no list": (
        lambda signer: signer.write(LOG, three(fin="toxicity")),
        "a header field is not in its form", "canonical form",
    ),
    "keys that are no names of keys": (
        lambda signer: signer.write(LOG, three(kids=["all of them"])),
        "a header field is not in its form", "canonical form",
    ),
    "time that goes back": (lambda signer: signer.write(LOG, three(sts=1)), "time goes back", "time goes back"),
    "a writer that counts from nought": (
        lambda signer: signer.write(LOG, three(wn=0)), "no writer of this folder can have", "or cannot be",
    ),
    "a writer's number beyond all reason": (
        lambda signer: signer.write(LOG, three(wn=8 * 10**15)), "no writer of this folder can have", "or cannot be",
    ),
    "a writer's number twice": (lambda signer: signer.write(LOG, three(wn=2)), "used before", "used before"),
    "a writer that left out a record": (
        lambda signer: signer.write(LOG, [leaf(1), leaf(3), leaf(9, w="b" * 32, wn=1)]),
        "records of a writer are missing", "1 records between the writer and the log are missing",
    ),
    "other records than are remembered": (
        lambda signer: signer.write(LOG, three(), pinned=[leaf(1), leaf(2, dec="block")]),
        "remembered outside", "not the ones remembered outside",
    ),
    "other records than the system log names": (
        lambda signer: named_by_system(signer, head(LOG, [b"one", b"two"])),
        "the system log names", "named by record 0 of the system log",
    ),
    "a log that the system log names and that is gone": (
        lambda signer: named_by_system(signer, head(f"{FAMILY}/acme", [b"one"])),
        "a log that the system log names is gone", "is named by the system log and is gone",
    ),
    "a log of another family": (of_another_family, "not of this family", "is not of the family"),
    "a checkpoint filed under another size": (misfiled, "is filed under", "is filed under another size"),
    "a checkpoint in another spelling": (loose_base64, "base64 is not canonical", "one canonical form"),
    "content before the first record": (
        lambda signer: bodies(signer, (-1, "prompt", "b" * 32, b"x", b"y")),
        "content of no record", "belong to no record",
    ),
    "content behind the last record": (
        lambda signer: bodies(signer, (3, "prompt", "b" * 32, b"x", b"y")),
        "content of no record", "bodies without a record",
    ),
    "content of another length": (
        lambda signer: with_content(signer, said={"len": len(CONTENT) + 1}),
        "is not the one that was recorded", "is not the one that was recorded",
    ),
    "content of another hash": (
        lambda signer: with_content(signer, said={"ch": "0" * 64}),
        "is not the one that was recorded", "is not the one that was recorded",
    ),
    "content of another name": (
        lambda signer: with_content(signer, said={"n": "answer"}),
        "another stands in its place", "segments that the record does not name",
    ),
    "content under another key": (
        lambda signer: with_content(signer, kid="c" * 32), "another stands in its place", "segment prompt is missing",
    ),
    "content twice": (content_twice, "content of no record", "segments that the record does not name"),
    "content that is gone without a certificate": (
        lambda signer: with_content(signer, content=None), "do not agree", "is gone without a certificate",
    ),
    "content that outlived its certificate": (
        lambda signer: with_content(signer, certified=True), "do not agree", "is still present although record 0",
    ),
    "an erased body that kept its key": (still_wrapped, "do not agree", "its key is still there"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_HISTORIES)
def test_a_signed_history_that_breaks_a_rule_is_refused_by_both_verifiers(folder: Path, name: str) -> None:
    """And each names the rule."""
    make, independently, ours = WRONG_HISTORIES[name]
    signer = Signer(folder)
    make(signer)
    assert independently in signer.said_by_the_independent()
    proof = verify_folder(folder)
    assert proof.outcome is Outcome.TAMPERED
    assert ours in str((proof.problems, [one.problems for one in proof.logs]))


@pytest.mark.parametrize(
    "make",
    [
        lambda signer: named_by_system(signer, head(LOG, [canonical.encode(one) for one in three()])),
        with_content,
        lambda signer: with_content(signer, content=None, certified=True),
    ],
)
def test_the_same_histories_unbent_are_intact(folder: Path, make: Callable[[Signer], None]) -> None:
    """Or the refusals above would say nothing."""
    signer = Signer(folder)
    make(signer)
    assert signer.said_by_the_independent() == ""
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_only_the_record_that_is_wrong_is_named(folder: Path) -> None:
    """Its neighbours are judged with it, one by one, and are well."""
    signer = Signer(folder)
    signer.write(LOG, [leaf(1, segs=[PART]), leaf(2, segs=[PART]), leaf(3, segs=[PART])])
    for seq, content in enumerate((CONTENT, b"other", CONTENT)):
        signer.sql("insert into body values (?, ?, 'prompt', ?, ?, ?)", LOG, seq, KID, content, b"wrap")
    [proof] = verify_folder(folder).logs
    assert proof.problems == ["record 1: segment prompt is not the one that was recorded"]


def test_a_hundred_problems_of_a_log_are_named(folder: Path) -> None:
    """A log that was rewritten has as many as records, and nobody reads them all."""
    signer = Signer(folder)
    signer.write(LOG, [leaf(number, sts=1000 - number) for number in range(1, 130)])
    [proof] = verify_folder(folder).logs
    assert len([said for said in proof.problems if said.startswith("record")]) == 100


def test_a_log_without_a_checkpoint_has_nothing_signed(folder: Path) -> None:
    """Not even its first record."""
    signer = Signer(folder)
    signer.write(LOG, [leaf(1)])
    signer.sql("delete from checkpoint")
    shutil.rmtree(Pins.beside(folder))
    found = verify_folder(folder)
    [proof] = found.logs
    assert found.outcome is Outcome.CANNOT_TELL
    assert (proof.records, proof.signed) == (1, 0)
    assert proof.unsigned


def export(folder: Path, leaves: list[bytes], note: bytes, *, more: bytes = b"") -> Path:
    """The files of c2sp.org/tlog-tiles of one log, as far as a verifier reads them."""
    entries = folder / "default/tile/entries/000.p" / str(len(leaves))
    entries.parent.mkdir(parents=True, exist_ok=True)
    entries.write_bytes(b"".join(struct.pack(">H", len(one)) + one for one in leaves) + more)
    (folder / "default/checkpoint").write_bytes(note)
    return folder


def test_an_export_that_does_not_hold_what_was_signed_is_refused(folder: Path, tmp_path: Path) -> None:
    """Entries of another history, more entries than the checkpoint counts, time that goes back, an end before the pin."""
    signer = Signer(folder)
    signer.write(LOG, three())
    line, pins = (folder / "public.key").read_text("ascii"), Pins.beside(folder)
    leaves = [canonical.encode(one) for one in three()]
    other = [canonical.encode(one) for one in three(dec="block")]
    back = [canonical.encode(one) for one in three(sts=1)]
    honest = signer.note(LOG, leaves)
    assert verify_tiles(export(tmp_path / "tiles", leaves, honest), pins, line) == []
    for given, note, more, said in (
        (other, honest, b"", "not the records that are remembered"),
        (leaves, honest, b"\x00\x01x", "holds more than 3 records"),
        (back, signer.note(LOG, back), b"", "time goes back"),
        (leaves[:2], signer.note(LOG, leaves[:2]), b"", "not the ones that were signed"),
    ):
        with pytest.raises(Wrong, match=said):
            verify_tiles(export(tmp_path / "tiles", given, note, more=more), pins, line)
    with pytest.raises(Wrong, match="not the ones that were signed"):
        verify_tiles(export(tmp_path / "tiles", other, honest), tmp_path / "no-pins", line)


def test_a_key_line_of_another_algorithm_or_name_is_refused(folder: Path) -> None:
    """The line's own hash binds name, kind and key: none of them can be exchanged."""
    Signer(folder)
    name, key_id, encoded = (folder / "public.key").read_text("ascii").strip().split("+", 2)
    raw = base64.b64decode(encoded)
    for line in (
        f"other.example/audit+{key_id}+{encoded}",
        f"{name}+00000000+{encoded}",
        f"{name}+{key_id}+{base64.b64encode(raw[:-1]).decode()}",
        f"{name}+{key_id}+{base64.b64encode(bytes([6]) + raw[1:]).decode()}",
    ):
        with pytest.raises(Wrong, match="does not fit itself"):
            read_key(line)
        with pytest.raises(MalformedNote):
            VerifierKey.parse(line)


def test_a_folder_without_a_database_is_no_proof_of_anything(folder: Path) -> None:
    """A key that lies alone: exit code 3, by both."""
    Signer(folder)
    for path in folder.glob("log.*"):
        path.unlink()
    with pytest.raises(NothingToVerify):
        verify_folder(folder)
    assert independent(folder) == 3
