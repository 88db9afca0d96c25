"""Verify an audit folder as an auditor would: trusting a public key, a remembered checkpoint, and nothing else.

Steps, per log: (1) every header is canonical and fits the schema, and names this log; (2) sequence numbers have no gap;
(3) sequencing time never goes back; (4) the leaves lead to every signed checkpoint, to the remembered one (pin) and to
the stored edge; (5) every body is the one its header commits to, or is gone under a certificate; (6) per writer,
numbers have no gap, over all logs together. With the keys at hand also (7): every segment's key opens.

Everything is read in one snapshot, and the pins before it, so that a log may be verified while it is written.
"""

from __future__ import annotations

import enum
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from pathlib import Path

from audit import header as schema
from audit.cosign import WitnessKey, cosigned_at
from audit.errors import InvalidRecord, LogUnavailable, MalformedNote, NothingToVerify, TamperedLog
from audit.note import Checkpoint, VerifierKey, verify
from audit.pins import Pins
from audit.second import SecondKey, second_key
from audit.store_place import SQLITE, Place
from audit.store_port import Body, Edge, Record, Store, as_bytes, as_int
from audit.tree import Frontier, leaf_hash

_RUN = 64  # records that are judged together: one by one, each would push the code of the steps out of the cache
SMALLEST_RECORD = 100  # bytes on disk; bounds what a forged counter can make this program reserve
_MOST_PROBLEMS = 100  # named one by one; a log that was rewritten has as many as records

ORPHANED = "request.orphaned"
_NAME = attrgetter("name")

KeyCheck = Callable[[Record, schema.Part, Body], str]
"""Says what is wrong with a segment's wrapped key; empty when it opens."""


class Outcome(enum.StrEnum):
    """What can be said. CANNOT_TELL never looks like INTACT."""

    INTACT = "intact"
    TAMPERED = "tampered"
    CANNOT_TELL = "cannot_tell"


@dataclass(slots=True)
class LogProof:
    """What was proven about one log.

    records, segments: how many were checked. erased: segments whose key was destroyed under a certificate. signed: leaves
    covered by the newest checkpoint, which has `root`. end_root: the root over all records that are here. orphans: requests
    whose process died. problems: what is wrong, each with its record. doubts: what cannot be said, and why.
    """

    log: str
    records: int = 0
    segments: int = 0
    erased: int = 0
    signed: int = 0
    root: str = ""
    end_root: str = ""
    orphans: int = 0
    problems: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def unsigned(self) -> bool:
        """Whether the newest records have no checkpoint yet."""
        return self.signed < self.records

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


def verify_folder(
    folder: Path,
    *,
    pins: Path | None = None,
    tenant: str | None = None,
    key_check: KeyCheck | None = None,
    witness: WitnessKey | None = None,
    second: SecondKey | None = None,
    database: str = SQLITE,
) -> FolderProof:
    """Check everything a folder claims.

    pins: remembered checkpoints, default beside the folder. tenant: show only this tenant's log and the system log; all are
    checked. witness: whose cosignature every remembered checkpoint must carry. database: `sqlite` for the file in the folder,
    or a `postgresql://` URL. second: the key of a second signature that you hold, default the one in the folder, if any.

    Raises:
        NothingToVerify: no log, not one record, or none of that tenant.
        TamperedLog: the database file itself is damaged.
    """
    memory = Pins(pins or Pins.beside(folder))
    remembered = memory.notes()
    try:
        with closing(Place(folder, database).open_existing()) as store, store.snapshot():
            key = _public_key(folder / "public.key")
            proofs, problems = _verify_logs(store, key, remembered, key_check)
            second = second or second_key(folder)
            if second is not None:
                problems += _signed_twice(store, second, key.name, remembered)
        problems += _not_cosigned(remembered, witness)
    except (sqlite3.DatabaseError, UnicodeDecodeError, LogUnavailable) as error:
        if isinstance(error, LogUnavailable) and not _is_damage(error.__cause__):
            raise
        raise TamperedLog(
            f"the database {folder / 'log.db'} is damaged: {error}", hint="copy it before doing anything else"
        ) from error
    shown = tuple(p for p in proofs if tenant is None or p.log.rsplit("/", 1)[-1] in {tenant, "_system"})
    if not any(proof.records for proof in proofs) and not problems:
        raise NothingToVerify(f"{folder} holds no record", hint="nothing was logged yet, or everything is gone")
    if tenant is not None and not any(p.log.rsplit("/", 1)[-1] == tenant for p in proofs) and not problems:
        raise NothingToVerify(f"{folder} holds no log of tenant {tenant!r}", hint="haechi audit verify lists the logs")
    return FolderProof(shown, tuple(problems))


def _public_key(path: Path) -> VerifierKey:
    try:
        return VerifierKey.parse(path.read_text("ascii"))
    except MalformedNote as error:
        raise MalformedNote(f"{path}: {error.message}", hint="compare it with the copy that you keep") from error


def _not_cosigned(remembered: Mapping[str, bytes], witness: WitnessKey | None) -> Iterator[str]:
    if witness is None:
        return
    for name, note in remembered.items():
        try:
            cosigned_at(note, witness)
        except (TamperedLog, MalformedNote) as error:
            yield f"the remembered checkpoint of {name}: {error.message}"


def _signed_twice(store: Store, key: SecondKey, origin: str, remembered: Mapping[str, bytes]) -> Iterator[str]:
    """Problems with second signatures. The newest of the system log binds all: it names the roots of the others."""
    for log in sorted(store.names()):
        rows = store.connection.execute("select size, note from checkpoint where log = ? order by size", (log,))
        notes = [(f"checkpoint of size {as_int(size)}", as_bytes(note)) for size, note in rows.fetchall()]
        for problem in key.of(log).problems(notes, must=log == f"{origin}/_system"):
            yield f"{log}: {problem}"
        if log in remembered:
            for problem in key.of(log).problems([("the remembered checkpoint", remembered[log])], must=False):
                yield f"{log}: {problem}"


def _is_damage(cause: BaseException | None) -> bool:
    """Whether SQLite read the file and found that it is none of its own, or without our tables; not when it cannot read."""
    if isinstance(cause, sqlite3.OperationalError):
        return cause.sqlite_errorname == "SQLITE_ERROR"
    return isinstance(cause, sqlite3.DatabaseError)


def _verify_logs(
    store: Store, key: VerifierKey, remembered: Mapping[str, bytes], key_check: KeyCheck | None
) -> tuple[list[LogProof], list[str]]:
    names = sorted(store.names())
    problems = [f"log {name} was signed before and is gone" for name in remembered if name not in names]
    numbers = _Numbers(most=store.size_bytes() // SMALLEST_RECORD)
    system = f"{key.name}/_system"
    said = _read_system_log(store, system)
    problems += [f"log {name} is named by the system log and is gone" for name in said.heads if name not in names]
    problems += [f"log {name} is not of the family {key.name}" for name in names if not name.startswith(f"{key.name}/")]
    pinned = _pin(VerifierKey(system, key.public), remembered.get(system))
    said.known = pinned.size if isinstance(pinned, Claim) else 0
    checker = _LogChecker(store, said, numbers, key_check)
    proofs = [checker.verify(VerifierKey(name, key.public), remembered.get(name)) for name in names]
    return proofs, problems + list(numbers.problems())


@dataclass(slots=True)
class _SystemLog:
    """What the records of the system log say about the others.

    heads: the newest of each log, with the record's number. known: how many of its records somebody outside remembers.
    """

    known: int = 0
    certified: dict[str, int] = field(default_factory=dict)
    heads: dict[str, tuple[int, Claim]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claim:
    """That the first `size` records lead to a root. source: who says so."""

    size: int
    root: bytes
    source: str


def _read_system_log(store: Store, system: str) -> _SystemLog:
    """From its records, not from the tables beside them."""
    found = _SystemLog()
    for seq, leaf in store.headers(system):
        if b'"kids":' in leaf or b'"heads":' in leaf:
            try:
                said = schema.read(leaf)
            except InvalidRecord:
                continue  # reported when the log itself is checked
            if said.type in {"erasure.done", "retention.done"}:
                found.certified.update(dict.fromkeys(said.kids, seq))
            for log, root, size in said.heads:
                found.heads[log] = seq, Claim(size, bytes.fromhex(root), f"named by record {seq} of the system log")
    return found


class _Numbers:
    """Which numbers of each writer were seen: one bit a record."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[str, bytearray] = {}

    def first_time(self, writer: str, number: int) -> bool:
        """Whether this number of this writer is new and can be one at all."""
        if not 0 < number <= self._most:
            return False
        bits = self._seen.get(writer)
        if bits is None:
            bits = self._seen[writer] = bytearray()
        place, bit = number >> 3, 1 << (number & 7)
        if place >= len(bits):
            bits.extend(bytes(place + 1 - len(bits)))
        if bits[place] & bit:
            return False
        bits[place] |= bit
        return True

    def problems(self) -> Iterator[str]:
        """Writers with a gap."""
        for writer, bits in sorted(self._seen.items()):
            seen = int.from_bytes(bits, "little")
            missing = seen.bit_length() - 1 - seen.bit_count()
            if missing > 0:
                yield f"writer {writer[:8]}: {missing} records between the writer and the log are missing"


class _LogChecker:
    """Checks one log after the other against the same certificates and writers."""

    def __init__(self, store: Store, said: _SystemLog, numbers: _Numbers, key_check: KeyCheck | None) -> None:
        self._store = store
        self._certified = said.certified
        self._said = said
        self._numbers = numbers
        self._key_check = key_check

    def verify(self, key: VerifierKey, pin: bytes | None) -> LogProof:
        """Everything about the log of that name."""
        proof = LogProof(key.name)
        claims = _checkpoints(self._store, key, proof)
        named_by, head = self._said.heads.get(key.name, (-1, None))
        match _pin(key, pin):
            case Claim() as remembered:
                claims.append(remembered)
            case str(problem):
                proof.problems.append(f"the remembered checkpoint: {problem}")
            case None if not 0 <= named_by < self._said.known:
                proof.doubts.append("no checkpoint is remembered outside the folder: truncation cannot be excluded")
        if head is not None:
            claims.append(head)
        due = sorted((claim for claim in claims if claim.size > 0), key=lambda claim: claim.size, reverse=True)
        frontier, sts, records = Frontier(), 0, self._store.records(key.name)
        while run := list(islice(records, _RUN)):
            whole, first = len(run), proof.records
            if [record.seq for record in run] != list(range(first, first + whole)):
                whole = next(at for at, record in enumerate(run, first) if record.seq != at) - first
            sts = self._verify_run(run[:whole], sts, proof)
            proof.records += whole
            frontier = _grown(frontier, [leaf_hash(record.header) for record in run[:whole]], due, proof)
            if whole < len(run):
                proof.problems.append(f"record {proof.records} is missing")
                return proof
        self._verify_end(Edge(frontier, sts), due, proof)
        return proof

    def _verify_run(self, run: list[Record], last: int, proof: LogProof) -> int:
        """Some records in their order: all at once whether everything is well, and only if not, one by one what is wrong.

        last: sequencing time of the record before; returns that of the last one.
        """
        leaves = [schema.leaf_of(record.header) for record in run]
        fresh = [leaf is None or self._numbers.first_time(leaf.writer, leaf.number) for leaf in leaves]
        good = [leaf for leaf in leaves if leaf is not None]
        if run and len(good) == len(run) and all(fresh) and self._are_well(run, good, last, proof):
            return good[-1].sts
        for record, new in zip(run, fresh, strict=True):
            last = self._verify_record(record, new, last, proof)
        return last

    def _are_well(self, run: list[Record], leaves: list[schema.Leaf], last: int, proof: LogProof) -> bool:
        """Whether `_verify_record` would find nothing in any of them; then they are counted."""
        times = [last, *[leaf.sts for leaf in leaves]]
        if self._key_check is not None or times != sorted(times) or {leaf.log for leaf in leaves} != {proof.log}:
            return False
        parts = [leaf.parts for leaf in leaves]
        if not all(map(self._fit, run, parts)):
            return False
        proof.segments += sum(map(len, parts))
        proof.erased += sum(body.ciphertext is None for record in run for body in record.bodies)
        proof.orphans += sum(leaf.type == ORPHANED for leaf in leaves)
        return True

    def _fit(self, record: Record, parts: list[schema.Part]) -> bool:
        """Whether a record's segments are those that it names, each as recorded, or erased under a certificate."""
        if len(parts) > 1:
            parts = sorted(parts, key=_NAME)
            if len({part.name for part in parts}) < len(parts):
                return False
        if record.strays or len(parts) != len(record.bodies):
            return False
        for part, (name, kid, ciphertext, wrap) in zip(parts, record.bodies, strict=True):
            if name != part.name or kid != part.kid or (kid in self._certified) != (ciphertext is None):
                return False
            if ciphertext is None:
                if wrap is not None:
                    return False
            elif hashlib.sha256(ciphertext).hexdigest() != part.ch or len(ciphertext) != part.length:
                return False
        return True

    def _verify_record(self, record: Record, new: bool, last_sts: int, proof: LogProof) -> int:
        problems: list[str] = []
        try:
            leaf = schema.read(record.header)
        except InvalidRecord as error:
            proof.problems.append(f"record {record.seq}: {error.message}")
            return last_sts
        if leaf.log != proof.log:
            problems.append("belongs to another log")
        if leaf.sts < last_sts:
            problems.append("time goes back")
        if not new:
            problems.append("its writer's number was used before or cannot be")
        proof.orphans += leaf.type == ORPHANED
        parts = leaf.parts
        if record.strays:
            problems.append("there are segments before it that belong to no record")
        if parts or record.bodies:
            problems += self._verify_parts(record, parts, proof)
        if problems and len(proof.problems) < _MOST_PROBLEMS:
            proof.problems += [f"record {record.seq}: {problem}" for problem in problems]
        return max(last_sts, leaf.sts)

    def _verify_parts(self, record: Record, parts: list[schema.Part], proof: LogProof) -> Iterator[str]:
        bodies = {body.name: body for body in record.bodies}
        for part in parts:
            proof.segments += 1
            body = bodies.pop(part.name, None)
            if body is None or body.kid != part.kid:
                yield f"segment {part.name} is missing"
            elif body.ciphertext is None and part.kid in self._certified:
                proof.erased += 1
                if body.wrap is not None:
                    yield f"segment {part.name} was erased, and its key is still there"
            elif part.kid in self._certified:
                yield f"segment {part.name} is still present although record {self._certified[part.kid]} says erased"
            elif body.ciphertext is None:
                yield f"segment {part.name} is gone without a certificate"
            elif hashlib.sha256(body.ciphertext).hexdigest() != part.ch or len(body.ciphertext) != part.length:
                yield f"segment {part.name} is not the one that was recorded"
            elif self._key_check is not None and (wrong := self._key_check(record, part, body)):
                yield f"segment {part.name}: {wrong}"
        if bodies or len(record.bodies) > len(parts):
            yield "segments that the record does not name"

    def _verify_end(self, edge: Edge, unmet: list[Claim], proof: LogProof) -> None:
        try:
            stored: Edge | None = self._store.edge(proof.log)
        except TamperedLog:
            stored = None
        if stored != edge:
            proof.problems.append("the records do not lead to the stored tree")
        for claim in unmet:
            said = f"{claim.size} records are {claim.source}, and only {proof.records} are here"
            proof.problems.append(f"{said}: the tail was cut")
        proof.end_root = edge.frontier.root().hex()
        if proof.unsigned:
            proof.doubts.append(
                f"the newest {proof.records - proof.signed} of {proof.records} records are not signed yet: a gateway that"
                " runs signs within two seconds, and one that starts signs what is left"
            )
        rows = self._store.connection.execute(
            "select count(*) from body where log = ? and seq >= ?", (proof.log, proof.records)
        )
        if rows.fetchone()[0]:
            proof.problems.append("there are bodies without a record")


def _grown(frontier: Frontier, hashes: list[bytes], due: list[Claim], proof: LogProof) -> Frontier:
    """The tree with these leaves. due: claims by falling size; those of a size on the way are compared and taken out."""
    while due and due[-1].size <= frontier.size + len(hashes):
        claim = due.pop()
        more = claim.size - frontier.size
        frontier, hashes = frontier.extended(hashes[:more]), hashes[more:]
        if frontier.root() != claim.root:
            proof.problems.append(f"records up to {claim.size - 1} are not the ones {claim.source}")
    return frontier.extended(hashes)


def _checkpoints(store: Store, key: VerifierKey, proof: LogProof) -> list[Claim]:
    """The signed roots that the folder itself holds."""
    found = []
    rows = store.connection.execute(
        "select size, hashes, note from checkpoint where log = ? order by size", (key.name,)
    )
    for at, hashes, note in rows:
        size = as_int(at)
        try:
            checkpoint = verify(as_bytes(note), key)
            filed = Checkpoint(key.name, size, Frontier.from_bytes(size, as_bytes(hashes)).root())
        except (TamperedLog, MalformedNote) as error:
            proof.problems.append(f"checkpoint of size {size}: {error.message}")
            continue
        if checkpoint != filed:
            proof.problems.append(f"checkpoint of size {size} is filed under another size or edge")
            continue
        found.append(Claim(size, checkpoint.root, "signed in the folder"))
        proof.signed, proof.root = size, checkpoint.root.hex()
    return found


def _pin(key: VerifierKey, note: bytes | None) -> Claim | str | None:
    """The signed root that is remembered outside; what is wrong with it; or that nothing is remembered."""
    if note is None:
        return None
    try:
        remembered = verify(note, key)
    except (TamperedLog, MalformedNote) as error:
        return error.message
    return Claim(remembered.size, remembered.root, "remembered outside")
