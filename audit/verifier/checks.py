"""The checks of FORMAT.md section 12, on a folder and on an export as tiles. The numbers in comments are its steps."""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.verifier.header import Scanned, Wrong, read_header, scan_header

EVERY_LOG = (
    "select log from leaf union select log from body union select log from edge union select log from checkpoint"
)
WAIT_S = 3.0  # a gateway that runs signs within two seconds
LEAVES = "select seq, header from leaf where log = ? order by seq"
BODIES = "select seq, name, kid, ciphertext, wrap from body where log = ? order by seq, name"
RUN = 64
Row = tuple[Any, ...]
Mark = tuple[bytes, bytes | None, str]
"""A root, the edge where that is known too, and who says so."""
NO_BODY: Row = (None, None, None, None, None)


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


class Tree:
    """An RFC 6962 tree that only grows: the roots of its perfect subtrees, largest first, one per set bit of its size."""

    def __init__(self) -> None:
        self.roots: list[bytes] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append a record's bytes; two subtrees of equal size become one."""
        node, size = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        while size & 1:
            node, size = hashlib.sha256(b"\x01" + self.roots.pop() + node).digest(), size >> 1
        self.roots.append(node)
        self.size += 1

    def edge(self) -> bytes:
        """The roots of the perfect subtrees, largest first."""
        return b"".join(self.roots)

    def root(self) -> bytes:
        """Fold the subtrees from the right."""
        root = self.roots[-1] if self.roots else sha(b"")
        for left in reversed(self.roots[:-1]):
            root = sha(b"\x01" + left + root)
        return root


def read_key(line: str) -> tuple[str, bytes]:
    """A C2SP key line: name and Ed25519 public key."""
    name, key_id, encoded = line.strip().split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    if raw[:1] != b"\x01" or len(raw) != 33 or sha(name.encode() + b"\n" + raw)[:4].hex() != key_id:
        raise Wrong("the public key line does not fit itself")
    return name, raw[1:]


def read_note(note: bytes, log: str, public: bytes) -> tuple[int, bytes]:
    """A signed checkpoint: size and root."""
    body, blank, signatures = note.partition(b"\n\n")
    lines = body.decode("ascii").split("\n")
    if not blank or len(lines) != 3 or len(note) > 65_536 or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise Wrong("a checkpoint is not origin, size and root")
    if lines[0] != log:
        raise Wrong("a checkpoint is of another log")
    root = read_base64(lines[2])
    key_id = sha(log.encode() + b"\n\x01" + public)[:4]
    *signature_lines, end = signatures.decode("utf-8").split("\n")
    if end or len(signature_lines) > 64 or len(root) != 32:
        raise Wrong("a checkpoint is not in its form")
    for line in signature_lines:
        dash, name, blob = line.split(" ")
        raw = read_base64(blob)
        if dash == "—" and name == log and raw[:4] == key_id:
            Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], body + b"\n")
            return int(lines[1]), root
    raise Wrong("a checkpoint is not signed by the log's key")


def read_base64(text: str) -> bytes:
    """Standard base64 in its one canonical spelling."""
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise Wrong("base64 is not canonical")
    return raw


def blob(value: object) -> bytes:
    """A column's bytes: whoever edits the file may have stored text or a number there."""
    if not isinstance(value, bytes):
        raise Wrong("a column does not hold bytes")
    return value


class Folder:
    """One moment of a folder's database, and what is known about all its logs together."""

    def __init__(self, db: sqlite3.Connection, origin: str, public: bytes) -> None:
        self.db = db
        self.origin = origin
        self.public = public
        self.records = int(db.execute("select count(*) from leaf").fetchone()[0])
        self.seen: defaultdict[str, bytearray] = defaultdict(bytearray)
        self.destroyed: set[str] = set()
        self.heads: dict[str, tuple[int, int, str]] = {}
        self.unsigned: dict[str, Tree] = {}
        self._read_system_log(f"{origin}/_system")

    def _read_system_log(self, system: str) -> None:
        """Which keys it says were destroyed, and where it says that each log was: record, size, root."""
        for seq, data in rows_of(self.db, LEAVES, system):
            if b'"kids":[' in blob(data) or b'"heads":[' in blob(data):
                header = read_header(blob(data), system)
                if header["typ"] in {"erasure.done", "retention.done"}:
                    self.destroyed.update(header.get("kids", ()))
                for head in header.get("heads", ()):
                    self.heads[head["log"]] = seq, head["size"], head["root"]

    def verify_log(self, log: str, pin: bytes | None, known: int) -> list[str]:
        """Steps 1 to 5 for one log; returns what cannot be told. known: records of the system log that a pin covers."""
        marks, newest = self._marks(log, pin)
        tree, last, bodies = Tree(), 0, rows_of(self.db, BODIES, log)
        for run in runs_of(self.db, LEAVES, log):
            leaves = [blob(data) for _, data in run]
            said = [scan_header(leaf, log) for leaf in leaves]
            self._verify_bodies(run, said, bodies)
            for (seq, _), leaf, header in zip(run, leaves, said, strict=True):
                if seq != tree.size:
                    raise Wrong(f"record {tree.size} is missing")  # step 2
                if header.sts < last:
                    raise Wrong(f"record {seq}: time goes back")
                last = header.sts
                self._count(seq, header)
                tree.add(leaf)
                for root, hashes, source in marks.pop(tree.size, ()):  # steps 3 and 4
                    if root != tree.root() or hashes not in {None, tree.edge()}:
                        raise Wrong(f"records up to {seq} are not the ones {source}")
        if marks:
            raise Wrong("more was signed than is here")
        if next(bodies, None) is not None:
            raise Wrong("there is content of no record")
        self._verify_edge(log, tree, last)
        if newest != tree.size:
            self.unsigned[log] = tree
        named_by = self.heads[log][0] if log in self.heads else known
        return [f"{log}: truncation cannot be excluded"] if pin is None and named_by >= known else []

    def _verify_edge(self, log: str, tree: Tree, last: int) -> None:
        """The end of step 3."""
        edge = self.db.execute("select size, hashes, sts from edge where log = ?", (log,)).fetchone()
        if edge is None or (edge[0], blob(edge[1]), edge[2]) != (tree.size, tree.edge(), last):
            raise Wrong("the records do not lead to the stored tree")

    def await_checkpoints(self, seconds: float) -> None:
        """Until what was read is signed: it, and what came since, leads to the root of a later checkpoint."""
        newer = "select note from checkpoint where log = ? and size >= ? order by size desc limit 1"
        since = "select header from leaf where log = ? and seq >= ? and seq < ? order by seq"
        end = time.monotonic() + seconds
        while self.unsigned and time.monotonic() < end:
            time.sleep(0.1)
            for log, tree in list(self.unsigned.items()):
                if row := self.db.execute(newer, (log, tree.size)).fetchone():
                    size, root = read_note(blob(row[0]), log, self.public)
                    for (data,) in self.db.execute(since, (log, tree.size, size)):
                        tree.add(blob(data))
                    if (tree.size, tree.root()) != (size, root):
                        raise Wrong(f"{log}: the next checkpoint is not of the records that were here before it")
                    del self.unsigned[log]

    def _marks(self, log: str, pin: bytes | None) -> tuple[dict[int, list[Mark]], int]:
        """What is said of the log's first records, by how many they are; and how many the newest checkpoint covers."""
        found: defaultdict[int, list[Mark]] = defaultdict(list)
        for size, hashes, note in self.db.execute("select size, hashes, note from checkpoint where log = ?", (log,)):
            noted, root = read_note(blob(note), log, self.public)
            found[size].append((root, blob(hashes), "that were signed"))
            if noted != size:
                raise Wrong(f"the checkpoint of size {noted} is filed under {size}")
        newest = max(found, default=0)
        if pin is not None:
            pinned, root = read_note(pin, log, self.public)
            if pinned:
                found[pinned].append((root, None, "that are remembered outside"))
        if log in self.heads:
            _, size, named = self.heads[log]
            if size:
                found[size].append((bytes.fromhex(named), None, "that the system log names"))
        return found, newest

    def _count(self, seq: int, header: Scanned) -> None:
        """Step 6, first half: no number of a writer stands twice. One bit a record."""
        number = header.number
        if not 0 < number <= self.records:
            raise Wrong(f"record {seq}: a number that no writer of this folder can have")
        bits = self.seen[header.writer]
        if number >> 3 >= len(bits):
            bits.extend(bytes((number >> 3) + 1 - len(bits)))
        if bits[number >> 3] >> (number & 7) & 1:
            raise Wrong(f"record {seq}: its writer's number was used before")
        bits[number >> 3] |= 1 << (number & 7)

    def verify_counters(self) -> None:
        """Step 6, second half: no writer has a gap."""
        for bits in self.seen.values():
            if int.from_bytes(bits, "little") + 2 & int.from_bytes(bits, "little") + 1:
                raise Wrong("records of a writer are missing")

    def _verify_bodies(self, run: list[Row], said: list[Scanned], bodies: Iterator[Row]) -> None:
        """Step 5 for some records: their segments by record and name are the bodies that come next."""
        named = sorted(
            [(seq, part.name, part) for (seq, _), header in zip(run, said, strict=True) for part in header.parts]
        )
        before = None
        for (seq, name, part), row in zip_longest(named, islice(bodies, len(named)), fillvalue=NO_BODY):
            at, found, kid, ciphertext, wrap = row
            if (at, found, kid) != (seq, name, part.kid) or (seq, name) == before:
                raise Wrong(f"record {seq}: segment {name} is missing, or another stands in its place")
            before = seq, name
            if (kid in self.destroyed) != (ciphertext is None) or (ciphertext is None and wrap is not None):
                raise Wrong(f"record {seq}: segment {name} and its certificate of erasure do not agree")
            if ciphertext is not None and (sha(ciphertext).hex() != part.ch or len(ciphertext) != int(part.length)):
                raise Wrong(f"record {seq}: segment {name} is not the one that was recorded")


def rows_of(db: sqlite3.Connection, sql: str, log: str) -> Iterator[Row]:
    """Rows one by one, fetched by the run."""
    return chain.from_iterable(runs_of(db, sql, log))


def runs_of(db: sqlite3.Connection, sql: str, log: str) -> Iterator[list[Row]]:
    """Rows by the run: to fetch and to judge each by turns is slower, by what the processor's cache holds."""
    return iter(partial(db.execute(sql, (log,)).fetchmany, RUN), [])


def verify_folder(folder: Path, pins: Path, key_line: str) -> list[str]:
    """All logs; returns what cannot be told, raises Wrong or InvalidSignature on proof of tampering."""
    if not (folder / "log.db").is_file():
        raise FileNotFoundError(f"{folder} holds no log.db")
    origin, public = read_key(key_line)
    notes = [note.read_bytes() for note in pins.glob("*.note")]  # before the moment that is looked at
    remembered = {note.split(b"\n", 1)[0].decode(): note for note in notes}
    db = sqlite3.connect(f"{(folder / 'log.db').resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("begin")
        logs = sorted(row[0] for row in db.execute(EVERY_LOG))
        if remembered.keys() - set(logs):
            raise Wrong("a log that was signed is gone")
        doubts = [] if logs else ["there is no record"]
        whole = Folder(db, origin, public)
        if whole.heads.keys() - set(logs):
            raise Wrong("a log that the system log names is gone")
        system = f"{origin}/_system"
        known = read_note(remembered[system], system, public)[0] if system in remembered else 0
        for log in logs:
            if not log.startswith(origin + "/"):
                raise Wrong("a log is not of this family")
            doubts += whole.verify_log(log, remembered.get(log), known)
        whole.verify_counters()
        db.execute("commit")
        if not doubts:
            whole.await_checkpoints(WAIT_S)
        doubts += [f"{log}: the newest records are not signed yet" for log in whole.unsigned]
    finally:
        db.close()
    return doubts


def verify_tiles(folder: Path, pins: Path, key_line: str) -> list[str]:
    """An export in the form of c2sp.org/tlog-tiles: one folder a log, read entry by entry, its tiles not trusted."""
    origin, public = read_key(key_line)
    remembered = {
        note.split(b"\n", 1)[0].decode(): note for note in (path.read_bytes() for path in pins.glob("*.note"))
    }
    checkpoints = sorted(folder.glob("*/checkpoint"))
    doubts = [] if checkpoints else ["there is no checkpoint"]
    for path in checkpoints:
        log = f"{origin}/{path.parent.name}"
        size, root = read_note(path.read_bytes(), log, public)
        pinned, pinned_root = read_note(remembered[log], log, public) if log in remembered else (-1, b"")
        tree, last = Tree(), 0
        for leaf in read_entries(path.parent / "tile/entries", size):
            header = scan_header(leaf, log)
            if header.sts < last:
                raise Wrong(f"{log}, record {tree.size}: time goes back")
            last = header.sts
            tree.add(leaf)
            if tree.size == pinned and tree.root() != pinned_root:
                raise Wrong(f"{log}: not the records that are remembered")
        if (tree.size, tree.root()) != (size, root) or pinned > size:
            raise Wrong(f"{log}: the entries are not the ones that were signed")
        if log not in remembered:
            doubts.append(f"{log}: {size} records as signed; truncation cannot be excluded")
    return doubts


def read_entries(folder: Path, size: int) -> Iterator[bytes]:
    """The leaves of the bundles, each behind its length in two bytes."""
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        groups = [
            f"{number // 1000**power % 1000:03d}" for power in range(8, -1, -1) if not power or number >= 1000**power
        ]
        path = folder / "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        data = (path if width == 256 else path.with_name(path.name + ".p") / str(width)).read_bytes()
        for _ in range(width):
            length = int.from_bytes(data[:2], "big")
            yield data[2 : 2 + length]
            data = data[2 + length :]
        if data:
            raise Wrong(f"bundle {number} holds more than {width} records")
