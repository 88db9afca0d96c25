"""The checks of FORMAT.md section 12, on a folder and on an export as tiles. The numbers in comments are its steps."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WORD, ID, HASH = r"[a-z0-9_.:-]{0,64}", r"[0-9a-f]{32}", r"[0-9a-f]{64}"
NUMBERS = {"cc", "cl", "ct", "hv", "n", "sts", "ti", "to", "until", "wn", "wts"}
TEXTS = {
    "act": WORD, "cls": WORD, "dec": "allow|flag|redact|rewrite|block|none", "id": ID, "log": r"[A-Za-z0-9_.:/-]{1,200}",
    "mod": r"[A-Za-z0-9_.:@/+-]{0,128}", "pol": rf"(sha256:{HASH})?", "prev": rf"({ID})?", "pur": WORD,
    "req": r"[A-Za-z0-9_.:@/+-]{0,128}", "rsn": WORD, "ten": WORD, "w": ID,
    "typ": r"request\.(received|orphaned)|response\.(completed|blocked|aborted|failed)|log\.(opened|closed)|heads|access\.read"
    r"|erasure\.(intent|done|deferred|replayed)|retention\.done|hold\.(placed|lifted)|keys\.rotated"
    r"|spill\.(drained|damaged)|records\.lost|mode\.chosen|disk\.full|checkpoint\.anchored"
    r"|rights\.step|record\.corrected|restriction\.(placed|lifted)|access\.(approved|exported)|breach\.step|report\.made",
}  # fmt: skip
LISTS = {"fin": {"c", "p"}, "segs": {"ch", "kc", "kid", "len", "n"}, "heads": {"log", "root", "size"}, "kids": set()}
FIELDS = (NUMBERS | TEXTS.keys() | LISTS.keys()) - {"cc", "cl", "ct", "heads", "kids", "n", "until"}
EVERY_LOG = (
    "select log from leaf union select log from body union select log from edge union select log from checkpoint"
)
WAIT_S = 3.0  # a gateway that runs signs within two seconds
OPTIONAL = {"cc", "cl", "ct", "heads", "kids", "n", "until"}


class Wrong(Exception):
    """A proof failed; the text says which."""


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


class Tree:
    """An RFC 6962 tree that only grows: (leaves, root) of its perfect subtrees, largest first."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """Append a record's bytes; two subtrees of equal size become one."""
        self.parts.append((1, sha(b"\x00" + leaf)))
        self.size += 1
        while len(self.parts) > 1 and self.parts[-1][0] == self.parts[-2][0]:
            (n, right), (_, left) = self.parts.pop(), self.parts.pop()
            self.parts.append((2 * n, sha(b"\x01" + left + right)))

    def edge(self) -> bytes:
        """The roots of the perfect subtrees, largest first."""
        return b"".join(root for _, root in self.parts)

    def root(self) -> bytes:
        """Fold the subtrees from the right."""
        root = sha(b"") if not self.parts else self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            root = sha(b"\x01" + left + root)
        return root


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON objects with one value per key."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Wrong("a key stands twice in a header")
    return made


def read_header(data: bytes, log: str) -> dict[str, Any]:
    """Step 1."""
    try:
        header = json.loads(data.decode("ascii"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise Wrong("a header is not JSON") from error
    again = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    if not isinstance(header, dict) or again != data or not all(map(_plain, header.values())):
        raise Wrong("a header is not canonical")
    if not FIELDS <= header.keys() <= FIELDS | OPTIONAL or header["hv"] != 1:
        raise Wrong("a header has missing or unknown fields")
    if not all(_fits(name, value) for name, value in header.items()):
        raise Wrong("a header field is not in its form")
    if header["log"] != log:
        raise Wrong("a header names another log")
    return header


def _fits(name: str, value: Any) -> bool:
    """Section 3, field by field."""
    if name in NUMBERS:
        return type(value) is int and 0 <= value < 9 * 10**15
    if name in TEXTS:
        return isinstance(value, str) and re.fullmatch(TEXTS[name], value) is not None
    if not isinstance(value, list):
        return False
    if name == "kids":
        return all(isinstance(kid, str) and re.fullmatch(ID, kid) for kid in value)
    return all(isinstance(entry, dict) and entry.keys() == LISTS[name] for entry in value)


def _plain(value: Any) -> bool:
    """Strings, whole numbers, and lists and objects of them; no floats, booleans or null."""
    if isinstance(value, dict):
        return all(map(_plain, value.values()))
    if isinstance(value, list):
        return all(map(_plain, value))
    return isinstance(value, str) or type(value) is int


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
        self.seen: dict[str, bytearray] = {}
        self.destroyed: set[str] = set()
        self.heads: dict[str, tuple[int, int, str]] = {}
        self.unsigned: dict[str, Tree] = {}
        self._read_system_log(f"{origin}/_system")

    def _read_system_log(self, system: str) -> None:
        """Which keys it says were destroyed, and where it says that each log was: record, size, root."""
        for seq, data in self.db.execute("select seq, header from leaf where log = ? order by seq", (system,)):
            if b'"kids":[' in blob(data) or b'"heads":[' in blob(data):
                header = read_header(blob(data), system)
                if header["typ"] in {"erasure.done", "retention.done"}:
                    self.destroyed.update(header.get("kids", ()))
                for head in header.get("heads", ()):
                    self.heads[head["log"]] = seq, head["size"], head["root"]

    def verify_log(self, log: str, pin: bytes | None, known: int) -> list[str]:
        """Steps 1 to 5 for one log; returns what cannot be told. known: records of the system log that a pin covers."""
        expected = self._signed(log)
        newest = max(expected, default=0)
        pinned, root = (-1, b"") if pin is None else read_note(pin, log, self.public)
        named, head, head_root = self.heads.get(log, (known, -1, ""))
        tree, last, bodies = Tree(), 0, 0
        for seq, data in self.db.execute("select seq, header from leaf where log = ? order by seq", (log,)):
            if seq != tree.size:
                raise Wrong(f"record {tree.size} is missing")  # step 2
            header = read_header(blob(data), log)
            if header["sts"] < last:
                raise Wrong(f"record {seq}: time goes back")
            last = header["sts"]
            tree.add(blob(data))
            self._count(seq, header)
            self._verify_bodies(log, seq, header)
            bodies += len(header["segs"])
            if tree.size in expected and expected.pop(tree.size) != (tree.root(), tree.edge()):  # step 3
                raise Wrong(f"records up to {seq} are not the ones that were signed")
            if tree.size == pinned and tree.root() != root:  # step 4
                raise Wrong(f"records up to {seq} are not the ones that are remembered outside")
            if tree.size == head and tree.root().hex() != head_root:
                raise Wrong(f"records up to {seq} are not the ones that the system log names")
        if expected or max(pinned, head) > tree.size:
            raise Wrong("more was signed than is here")
        self._verify_end(log, tree, last, bodies)
        if newest != tree.size:
            self.unsigned[log] = tree
        return [f"{log}: truncation cannot be excluded"] if pin is None and named >= known else []

    def _verify_end(self, log: str, tree: Tree, last: int, bodies: int) -> None:
        """The end of step 3, and of step 5. bodies: how many segments the records name."""
        if self.db.execute("select count(*) from body where log = ?", (log,)).fetchone()[0] != bodies:
            raise Wrong("there is content of no record")
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

    def _signed(self, log: str) -> dict[int, tuple[bytes, bytes]]:
        found: dict[int, tuple[bytes, bytes]] = {}
        for size, hashes, note in self.db.execute("select size, hashes, note from checkpoint where log = ?", (log,)):
            noted, root = read_note(blob(note), log, self.public)
            found[size] = root, blob(hashes)
            if noted != size:
                raise Wrong(f"the checkpoint of size {noted} is filed under {size}")
        return found

    def _count(self, seq: int, header: dict[str, Any]) -> None:
        """Step 6, first half: no number of a writer stands twice. One bit a record."""
        number = header["wn"]
        if not 0 < number <= self.records:
            raise Wrong(f"record {seq}: a number that no writer of this folder can have")
        bits = self.seen.setdefault(header["w"], bytearray())
        bits.extend(bytes(max(0, number // 8 + 1 - len(bits))))
        if bits[number // 8] >> number % 8 & 1:
            raise Wrong(f"record {seq}: its writer's number was used before")
        bits[number // 8] |= 1 << number % 8

    def verify_counters(self) -> None:
        """Step 6, second half: no writer has a gap."""
        for bits in self.seen.values():
            if int.from_bytes(bits, "little") + 2 & int.from_bytes(bits, "little") + 1:
                raise Wrong("records of a writer are missing")

    def _verify_bodies(self, log: str, seq: int, header: dict[str, Any]) -> None:
        """Step 5."""
        found = self.db.execute("select name, kid, ciphertext, wrap from body where log = ? and seq = ?", (log, seq))
        rows = {row[0]: (row[1], *(None if value is None else blob(value) for value in row[2:])) for row in found}
        for part in header["segs"]:
            kid, ciphertext, wrap = rows.pop(part["n"], (None, None, None))
            if kid != part["kid"]:
                raise Wrong(f"record {seq}: segment {part['n']} is missing")
            if (part["kid"] in self.destroyed) != (ciphertext is None and wrap is None):
                raise Wrong(f"record {seq}: segment {part['n']} and its certificate of erasure do not agree")
            if ciphertext is not None and (sha(ciphertext).hex() != part["ch"] or len(ciphertext) != part["len"]):
                raise Wrong(f"record {seq}: segment {part['n']} is not the one that was recorded")
        if rows:
            raise Wrong(f"record {seq}: there are segments that it does not name")


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
            header = read_header(leaf, log)
            if header["sts"] < last:
                raise Wrong(f"{log}, record {tree.size}: time goes back")
            last = header["sts"]
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
