"""Inclusion and consistency proofs, against trees rebuilt from their definition."""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import AuditLog
from audit.errors import MalformedNote, NotProvable, TamperedLog
from audit.note import Checkpoint, VerifierKey
from audit.proof import InclusionProof, consistency, inclusion, root_from_inclusion, verify_consistency
from audit.prove import prove, prove_growth
from audit.store import SqliteStore
from audit.tiles import write_tiles
from audit.tree import Frontier, leaf_hash

from .conftest import request

LOG = "haechi.local/audit/default"
LEAVES = [leaf_hash(str(i).encode()) for i in range(601)]
ROOTS = [Frontier().extended(LEAVES[:n]).root() for n in range(602)]


@given(st.integers(1, 601), st.data())
def test_an_inclusion_proof_fits_its_own_place_only(size: int, data: st.DataObject) -> None:
    """Another index, size, leaf, a shorter, longer or reordered path leads to another root."""
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(LEAVES[:size], index)
    assert root_from_inclusion(index, size, LEAVES[index], path) == ROOTS[size]
    assert len(path) <= 10
    other = data.draw(st.integers(0, size - 1).filter(lambda i: i != index)) if size > 1 else size
    assert root_from_inclusion(other, size, LEAVES[index], path) != ROOTS[size]
    assert root_from_inclusion(index, size, leaf_hash(b"other"), path) != ROOTS[size]
    assert root_from_inclusion(index, size, LEAVES[index], (*path, LEAVES[0])) != ROOTS[size]
    if path:
        assert root_from_inclusion(index, size, LEAVES[index], path[:-1]) != ROOTS[size]


@given(st.integers(0, 601), st.data())
def test_a_consistency_proof_shows_growth_and_nothing_else(new: int, data: st.DataObject) -> None:
    """The honest proof verifies; another old root, another new root or a bent path does not."""
    old = data.draw(st.integers(0, new))
    path = consistency(LEAVES[:new], old)
    older, newer = Checkpoint("log", old, ROOTS[old]), Checkpoint("log", new, ROOTS[new])
    verify_consistency(older, newer, path)
    liar = Checkpoint("log", old, leaf_hash(b"another history"))
    if old:
        with pytest.raises(TamperedLog):
            verify_consistency(liar, newer, path)
    if 0 < old < new:
        with pytest.raises(TamperedLog):
            verify_consistency(older, Checkpoint("log", new, leaf_hash(b"another")), path)
        with pytest.raises(TamperedLog):
            verify_consistency(older, newer, path[:-1])
        with pytest.raises(TamperedLog):
            verify_consistency(older, newer, (*path, LEAVES[0]))
        with pytest.raises(TamperedLog):
            verify_consistency(older, newer, ())
    if old < new:
        with pytest.raises(TamperedLog):
            verify_consistency(newer, older, path)


def test_every_small_tree_grew_out_of_every_smaller_one_and_of_no_other() -> None:
    """All pairs of sizes up to 40, with every hash of the proof bent once."""
    for new in range(1, 41):
        newer = Checkpoint("log", new, ROOTS[new])
        for old in range(1, new):
            older = Checkpoint("log", old, ROOTS[old])
            path = consistency(LEAVES[:new], old)
            verify_consistency(older, newer, path)
            for at in range(len(path)):
                bent = (*path[:at], leaf_hash(b"bent"), *path[at + 1 :])
                with pytest.raises(TamperedLog):
                    verify_consistency(older, newer, bent)
            with pytest.raises(TamperedLog):
                verify_consistency(Checkpoint("log", old - 1, ROOTS[old - 1]), newer, path)


def test_every_place_of_every_small_tree_is_proven_by_its_own_path_only() -> None:
    """All leaves of all sizes up to 40, against all indexes."""
    for size in range(1, 41):
        for index in range(size):
            path = inclusion(LEAVES[:size], index)
            fits = [
                at for at in range(-1, size + 1) if root_from_inclusion(at, size, LEAVES[index], path) == ROOTS[size]
            ]
            assert fits == [index]


def test_extra_data_of_another_application_is_passed_over() -> None:
    """The optional second line is not authenticated, and changes nothing."""
    hashes = b"".join(base64.b64encode(one) + b"\n" for one in inclusion(LEAVES[:5], 3))
    text = b"c2sp.org/tlog-proof@v1\nextra b3BhcXVl\nindex 3\n" + hashes + b"\nnote"
    assert InclusionProof.parse(text) == InclusionProof(3, inclusion(LEAVES[:5], 3), b"note")
    with pytest.raises(MalformedNote):
        InclusionProof.parse(text.replace(b"extra", b"index 3\nextra"))


def test_a_log_that_nobody_signed_yet_proves_nothing(folder: Path) -> None:
    """Neither a record nor an export; the message says when it will."""
    with AuditLog.open(folder) as log:
        request(log, 1)
    with sqlite3.connect(folder / "log.db") as db:
        db.execute("delete from checkpoint")
    db.close()
    store = SqliteStore(folder / "log.db", read_only=True)
    for ask in (lambda: prove(store, LOG, 0), lambda: write_tiles(store, LOG, folder / "tiles")):
        with pytest.raises(NotProvable) as refused:
            ask()
        assert "signs within two seconds" in refused.value.hint
    store.close()


def test_a_record_of_a_log_is_proven_under_its_newest_checkpoint(folder: Path) -> None:
    """Every record, by the file form and back; a record that is not signed yet is not provable."""
    with AuditLog.open(folder) as log:
        for number in range(5):
            request(log, number)
        log.sign()
        store = SqliteStore(folder / "log.db", read_only=True)
        name = log.log_name("default")
        family = VerifierKey.parse((folder / "public.key").read_text())
        for seq in range(10):
            proven = prove(store, name, seq)
            again = InclusionProof.parse(proven.proof.text())
            assert again.verify(proven.leaf, VerifierKey(name, family.public)).size == 10
            with pytest.raises(TamperedLog):
                again.verify(proven.leaf + b" ", VerifierKey(name, family.public))
        with pytest.raises(NotProvable):
            prove(store, name, 10)
        with pytest.raises(NotProvable):
            prove_growth(store, name, 3, 11)
        assert len(prove_growth(store, name, 3, 10)) > 1
        store.close()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\nnote",
        b"c2sp.org/tlog-proof@v1\nindex 01\n\nnote",
        b"c2sp.org/tlog-proof@v1\nindex -1\n\nnote",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\nnote",
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + b"A" * 43 + b"=\n\xff\n\nnote",
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + (b"A" * 43 + b"=\n") * 100 + b"\nnote",
    ],
)
def test_what_is_not_exactly_a_proof_is_refused(text: bytes) -> None:
    """One spelling, bounded length."""
    with pytest.raises(MalformedNote):
        InclusionProof.parse(text)
