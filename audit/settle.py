"""A moment after a proof: the next checkpoint covers the records that were not signed yet when it was made, or it does not.

A log that is written always has a newest record without a checkpoint. What was read is settled when it, and what came since,
leads to the root that is signed next: a record that was exchanged in between leads elsewhere.
"""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from audit.errors import MalformedNote, TamperedLog
from audit.note import Checkpoint, VerifierKey, verify
from audit.second import SecondKey, second_key
from audit.store_place import SQLITE, Place
from audit.store_port import Store
from audit.tree import leaf_hash
from audit.verify import FolderProof, LogProof

ASK_EVERY_S = 0.1


def settle(
    proof: FolderProof, folder: Path, *, within_s: float, database: str = SQLITE, second: SecondKey | None = None
) -> FolderProof:
    """Wait for the checkpoints that a proof missed, and take its doubts about them away. Returns the same proof.

    Nothing is waited for when that could not make it intact: it has a problem, or a doubt of another kind. within_s: how
    long at the most; a gateway that runs signs within two seconds. second: as for `verify_folder`.
    """
    late = [one for one in proof.logs if one.unsigned]
    if proof.problems or any(one.problems or len(one.doubts) > bool(one.unsigned) for one in proof.logs) or not late:
        return proof
    key, second = VerifierKey.parse((folder / "public.key").read_text("ascii")), second or second_key(folder)
    end = time.monotonic() + within_s
    with closing(Place(folder, database).open_existing()) as store:
        while late and time.monotonic() < end:
            time.sleep(ASK_EVERY_S)
            late = [one for one in late if not _is_settled(store, one, VerifierKey(one.log, key.public), second)]
    return proof


def _is_settled(store: Store, proof: LogProof, key: VerifierKey, second: SecondKey | None) -> bool:
    """Whether a checkpoint covers what was read; when it covers something else, that is a problem."""
    try:
        with store.snapshot():
            signed = _newer(store, proof, key, second)
    except (TamperedLog, MalformedNote) as error:
        proof.problems.append(error.message)
    else:
        if signed is None:
            return False
        proof.signed, proof.root = signed.size, signed.root.hex()
    proof.doubts.clear()
    return True


def _newer(store: Store, proof: LogProof, key: VerifierKey, second: SecondKey | None) -> Checkpoint | None:
    """A checkpoint of everything that was read, if there is one by now.

    Raises:
        TamperedLog: it is of something else, or lacks the second signature.
        MalformedNote: it is none.
    """
    found = store.last_checkpoint(proof.log)
    if found is None or found[0] < proof.records:
        return None
    signed = verify(found[2], key)
    if second is not None and second.of(proof.log).signed_at(found[2]) is None:
        raise TamperedLog("the next checkpoint lacks the second signature")
    read = store.frontier_at(proof.log, proof.records)
    since = store.headers(proof.log, proof.records, signed.size - proof.records)
    grown = read.extended(leaf_hash(leaf) for _, leaf in since)
    if (read.root().hex(), grown.size, grown.root()) != (proof.end_root, signed.size, signed.root):
        raise TamperedLog("the next checkpoint is not of the records that were here before it")
    return signed
