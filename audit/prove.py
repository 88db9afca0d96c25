"""Take out of a folder what proves one record, or that one checkpoint grew out of another."""

from __future__ import annotations

from dataclasses import dataclass

from audit.errors import NotProvable
from audit.note import parse
from audit.proof import InclusionProof, consistency, inclusion
from audit.store_port import Store
from audit.tree import leaf_hash


@dataclass(frozen=True, slots=True)
class Proven:
    """A record's bytes, and the proof that they are in a signed tree."""

    leaf: bytes
    proof: InclusionProof


def prove(store: Store, log: str, seq: int) -> Proven:
    """The proof of a record under the newest checkpoint.

    Raises:
        NotProvable: there is no such record, or it is not signed yet.
    """
    signed = store.last_checkpoint(log)
    if signed is None or not 0 <= seq < signed[0]:
        raise NotProvable(
            f"record {seq} of {log} is not there or not signed yet", hint="a running log signs within two seconds"
        )
    hashes, leaf = [], b""
    for at, header in store.headers(log, 0, signed[0]):
        hashes.append(leaf_hash(header))
        if at == seq:
            leaf = header
    return Proven(leaf, InclusionProof(seq, inclusion(hashes, seq), signed[2]))


def prove_growth(store: Store, log: str, old: int, new: int) -> tuple[bytes, ...]:
    """The consistency proof between two sizes of a log.

    Raises:
        NotProvable: the log is shorter.
    """
    hashes = [leaf_hash(header) for _, header in store.headers(log, 0, new)]
    if not 0 <= old <= new == len(hashes):
        raise NotProvable(f"{log} has {len(hashes)} records, not {new}", hint="haechi audit verify")
    return consistency(hashes, old)


def newest_note(store: Store, log: str) -> tuple[int, bytes]:
    """Size and note of the newest checkpoint.

    Raises:
        NotProvable: none was signed yet.
    """
    signed = store.last_checkpoint(log)
    if signed is None:
        raise NotProvable(f"{log} has no checkpoint yet", hint="a running log signs within two seconds")
    return parse(signed[2])[0].size, signed[2]
