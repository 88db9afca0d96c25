"""Verify an audit folder as an auditor would: trusting a public key, a remembered checkpoint, and nothing else.

Steps, per log: (1) every header is canonical and fits the schema, and names this log; (2) sequence numbers have no gap;
(3) sequencing time never goes back; (4) the leaves lead to every signed checkpoint and to the stored edge;
(5) the remembered checkpoint (pin) is among them; (6) every body is the one its header commits to;
(7) per writer, numbers have no gap, over all logs together.
"""

from __future__ import annotations

import enum
import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audit import canonical
from audit import header as schema
from audit.errors import AuditError, MalformedNote, NothingToVerify, TamperedLog
from audit.note import Checkpoint, VerifierKey, verify
from audit.pins import Pins
from audit.store import SqliteStore, as_bytes
from audit.tree import Frontier, leaf_hash


class Outcome(enum.StrEnum):
    """What can be said. CANNOT_TELL never looks like INTACT."""

    INTACT = "intact"
    TAMPERED = "tampered"
    CANNOT_TELL = "cannot_tell"


@dataclass(slots=True)
class LogProof:
    """What was proven about one log.

    records, segments: how many were checked. signed: leaves covered by the newest checkpoint. orphans: requests whose
    process died. problems: what is wrong, each with its record. doubts: what cannot be said, and why.
    """

    log: str
    records: int = 0
    segments: int = 0
    erased: int = 0
    signed: int = 0
    root: str = ""
    orphans: int = 0
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """Tampered before doubtful before intact."""
        if self.problems:
            return Outcome.TAMPERED
        return Outcome.CANNOT_TELL if self.doubts else Outcome.INTACT


@dataclass(frozen=True, slots=True)
class FolderProof:
    """The proofs of all logs in a folder."""

    logs: tuple[LogProof, ...]
    problems: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of them."""
        outcomes = {log.outcome for log in self.logs}
        if self.problems or Outcome.TAMPERED in outcomes:
            return Outcome.TAMPERED
        return Outcome.CANNOT_TELL if Outcome.CANNOT_TELL in outcomes else Outcome.INTACT


def verify_folder(folder: Path, *, pins: Path | None = None, tenant: str | None = None) -> FolderProof:
    """Check everything a folder claims.

    Raises:
        NothingToVerify: no log, or not one record.
        TamperedLog: the database file itself is damaged.
    """
    if not (folder / "log.db").is_file() or not (folder / "public.key").is_file():
        raise NothingToVerify(f"{folder} holds no audit log", hint="name the folder that holds log.db and public.key")
    key = VerifierKey.parse((folder / "public.key").read_text("ascii"))
    memory = Pins(pins or folder.with_name(f"{folder.name}-pins"))
    store = SqliteStore(folder / "log.db", read_only=True)
    try:
        names = set(store.logs()) | {row[0] for row in store.connection.execute("select distinct log from leaf")}
        problems = [f"log {name} was signed before and is gone" for name in memory.names() if name not in names]
        numbers: dict[str, set[int]] = {}
        proofs = [
            _verify_log(store, name, VerifierKey(name, key.public), memory.note(name), numbers)
            for name in sorted(names)
        ]
        problems += _gaps(numbers)
    except sqlite3.DatabaseError as error:
        raise TamperedLog(
            f"the database {folder / 'log.db'} is damaged: {error}", hint="copy it before doing anything else"
        ) from error
    finally:
        store.close()
    if not any(proof.records for proof in proofs):
        raise NothingToVerify(f"{folder} holds no record", hint="nothing was logged yet, or everything is gone")
    shown = tuple(p for p in proofs if tenant is None or p.log.rsplit("/", 1)[-1] in {tenant, "_system"})
    return FolderProof(shown, tuple(problems))


def _verify_log(
    store: SqliteStore, name: str, key: VerifierKey, pin: bytes | None, numbers: dict[str, set[int]]
) -> LogProof:
    proof = LogProof(name)
    checkpoints = _checkpoints(store, key, proof)
    frontier, last_sts = Frontier(), 0
    batch: list[bytes] = []
    for seq, leaf in store.headers(name):
        if seq != proof.records:
            proof.problems.append(f"record {proof.records} is missing")
            return proof
        batch.append(leaf_hash(leaf))
        proof.records += 1
        last_sts = _verify_record(store, name, seq, leaf, last_sts, numbers, proof)
        if proof.records in checkpoints:
            frontier, batch = frontier.extended(batch), []
            if frontier.root() != checkpoints.pop(proof.records).root:
                proof.problems.append(f"records up to {seq} are not the ones that were signed")
    frontier = frontier.extended(batch)
    _verify_end(store, name, frontier, proof)
    for size in checkpoints:
        proof.problems.append(f"a checkpoint of size {size} was signed, and only {proof.records} records are here")
    _verify_pin(store, name, key, pin, proof)
    rows = store.connection.execute("select count(*) from body where log = ? and seq >= ?", (name, proof.records))
    if rows.fetchone()[0]:
        proof.problems.append("there are bodies without a record")
    return proof


def _checkpoints(store: SqliteStore, key: VerifierKey, proof: LogProof) -> dict[int, Checkpoint]:
    found: dict[int, Checkpoint] = {}
    rows = store.connection.execute(
        "select size, hashes, note from checkpoint where log = ? order by size", (key.name,)
    )
    for size, hashes, note in rows:
        try:
            checkpoint = verify(as_bytes(note), key)
            filed = Checkpoint(key.name, size, Frontier.from_bytes(size, as_bytes(hashes)).root())
        except (TamperedLog, MalformedNote) as error:
            proof.problems.append(f"checkpoint of size {size}: {error.message}")
            continue
        if checkpoint != filed:
            proof.problems.append(f"checkpoint of size {size} is filed under another size or edge")
            continue
        found[size] = checkpoint
        proof.signed, proof.root = size, checkpoint.root.hex()
    return found


def _verify_record(
    store: SqliteStore, name: str, seq: int, leaf: bytes, last_sts: int, numbers: dict[str, set[int]], proof: LogProof
) -> int:
    try:
        header = canonical.decode(leaf)
        schema.check(header)
    except AuditError as error:
        proof.problems.append(f"record {seq}: {error.message}")
        return last_sts
    if header["log"] != name:
        proof.problems.append(f"record {seq} belongs to another log")
    if header["sts"] < last_sts:
        proof.problems.append(f"record {seq}: time goes back")
    proof.orphans += header["typ"] == "request.orphaned"
    if header["wn"] in numbers.setdefault(header["w"], set()):
        proof.problems.append(f"record {seq}: its writer's number was used before")
    numbers[header["w"]].add(header["wn"])
    bodies = store.bodies(name, seq)
    for part in header["segs"]:
        body = bodies.pop(part["n"], None)
        proof.segments += 1
        if body is None:
            proof.problems.append(f"record {seq}: segment {part['n']} is missing")
        elif (
            body.kid != part["kid"]
            or body.ciphertext is None
            or hashlib.sha256(body.ciphertext).hexdigest() != part["ch"]
        ):
            proof.problems.append(f"record {seq}: segment {part['n']} is not the one that was recorded")
    if bodies:
        proof.problems.append(f"record {seq}: segments that the record does not name")
    return max(last_sts, int(header["sts"]))


def _verify_end(store: SqliteStore, name: str, frontier: Frontier, proof: LogProof) -> None:
    try:
        stored: Frontier | None = store.edge(name).frontier
    except TamperedLog:
        stored = None
    if stored != frontier:
        proof.problems.append("the records do not lead to the stored tree")
    if proof.signed == 0:
        proof.doubts.append("no checkpoint was signed yet")
    elif proof.signed < proof.records:
        proof.doubts.append(
            f"{proof.records - proof.signed} newest records are not signed yet; verify again in a second"
        )


def _verify_pin(store: SqliteStore, name: str, key: VerifierKey, pin: bytes | None, proof: LogProof) -> None:
    if pin is None:
        proof.doubts.append("no checkpoint is remembered outside the folder: truncation cannot be excluded")
        return
    try:
        pinned = verify(pin, key)
    except (TamperedLog, MalformedNote) as error:
        proof.problems.append(f"the remembered checkpoint: {error.message}")
        return
    rows = store.connection.execute("select note from checkpoint where log = ? and size = ?", (name, pinned.size))
    if not any(as_bytes(row[0]).startswith(pinned.body()) for row in rows):
        proof.problems.append(f"the checkpoint of size {pinned.size} that is remembered outside is not in the log")


def _gaps(numbers: dict[str, set[int]]) -> Iterator[str]:
    for writer, seen in sorted(numbers.items()):
        missing = max(seen) - len(seen)
        if missing > 0:
            yield f"writer {writer[:8]}: {missing} records between the writer and the log are missing"
