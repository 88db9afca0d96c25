"""The six plainest attacks on a log, against Haechi's and against three other packages; and another reader of our exports.

Installs the others in an environment of their own (needs a package index). Who attacks may write every file of the log but has no
key; each verifier is called as its documentation says, ours with its default pin. Then `aics-tlog`, which shares no code with us
and reads C2SP transparency logs, verifies an export: signature, tiles, the proof of every record and of growth from every size.

    python -m benchmarks.audit_others
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from audit import AuditLog, Event, EventType
from audit.tree import Frontier, leaf_hash
from audit.verify import Outcome, verify_folder
from benchmarks.figures import report
from haechi.cli.main import main as haechi

PACKAGES = ("auditchain[ed25519]==0.3.0", "presidio-audit==1.0.0", "cloakllm==0.12.7")
READER = "aics-tlog==0.2.1"  # says it wants Python 3.12 and runs on 3.11
RIVALS = ("auditchain", "auditchain-hmac", "auditchain-ed25519", "presidio-audit", "cloakllm")
CHILD = Path(__file__).with_name("audit_rivals.py")
LOG = "haechi.local/audit/default"
RECORDS = 20
Attack = Callable[[sqlite3.Connection], None]


def _edit(db: sqlite3.Connection) -> None:
    (header,) = db.execute("select header from leaf where log = ? and seq = 5", (LOG,)).fetchone()
    edited = header.replace(b'"dec":"allow"', b'"dec":"block"')
    if edited == header:
        raise AssertionError("the record has no decision to edit")
    db.execute("update leaf set header = ? where log = ? and seq = 5", (edited, LOG))


def _recompute(db: sqlite3.Connection) -> None:
    leaves = [leaf_hash(row[0]) for row in db.execute("select header from leaf where log = ? order by seq", (LOG,))]
    grown = Frontier().extended(leaves)
    db.execute("update edge set size = ?, hashes = ? where log = ?", (grown.size, grown.to_bytes(), LOG))


def _cut(db: sqlite3.Connection, size: int) -> None:
    for table in ("leaf", "body"):
        db.execute(f"delete from {table} where log = ? and seq >= ?", (LOG, size))
    db.execute("delete from checkpoint where log = ? and size > ?", (LOG, size))
    _recompute(db)


def _swap(db: sqlite3.Connection) -> None:
    for old, new in ((5, 100), (6, 5), (100, 6)):
        db.execute("update leaf set seq = ? where log = ? and seq = ?", (new, LOG, old))


def _edit_and_recompute(db: sqlite3.Connection) -> None:
    _edit(db)
    _recompute(db)


ATTACKS: dict[str, Attack] = {
    "edit": _edit,
    "delete": lambda db: (db.execute("delete from leaf where log = ? and seq = 5", (LOG,)), None)[1],
    "swap": _swap,
    "truncate": lambda db: _cut(db, RECORDS - 5),
    "edit and recompute": _edit_and_recompute,
    "cut to one": lambda db: _cut(db, 1),
}


def ours(work: Path) -> dict[str, bool]:
    """Which attacks `haechi audit verify` notices."""
    folder = work / "audit"
    _write(folder, RECORDS)
    kept, pins = work / "kept", work / "audit-pins"
    shutil.copytree(folder, kept)
    if verify_folder(folder).outcome is not Outcome.INTACT:
        raise AssertionError("the untouched log does not verify")
    found = {}
    for name, attack in ATTACKS.items():
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
        with closing(sqlite3.connect(folder / "log.db")) as db, db:
            attack(db)
        found[name] = verify_folder(folder).outcome is Outcome.TAMPERED
    if not pins.is_dir():
        raise AssertionError("the pin is not where it is by default")
    return found


def _write(folder: Path, records: int) -> None:
    with AuditLog.open(folder) as log:
        for number in range(records):
            ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"req-{number}", decision="allow"))
        ack.durable.result(10)
        log.sign()


def main() -> int:
    """Print the table, and report the share that each package finds."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        python = _environment(work / "others")
        table = {"haechi": ours(work)}
        for rival in RIVALS:
            (work / rival).mkdir()
            table[rival] = _run(python, "attack", rival, str(work / rival))
        _write(work / "large", 600)
        if haechi(["audit", "export", str(work / "large"), "--output", str(work / "export")]) != 0:
            raise AssertionError("the export failed")
        read = _run(python, "read", str(work / "export/default"))
    print(f"{' ':20}" + "".join(f"{attack:>20}" for attack in ATTACKS), file=sys.stderr)
    for package, found in table.items():
        row = "".join(f"{'found' if found[attack] else 'MISSED':>20}" for attack in ATTACKS)
        print(f"{package:20}{row}", file=sys.stderr)
        bar = len(ATTACKS) if package == "haechi" else None
        report(f"attacks that {package} finds", sum(found.values()), f"of {len(ATTACKS)}", bar=bar, better="higher")
    print(f"aics-tlog reads our export: {read}", file=sys.stderr)
    report(
        "what aics-tlog verifies of our export", sum(read.values()), f"of {len(read)}", bar=len(read), better="higher"
    )
    return 0 if all(table["haechi"].values()) and all(read.values()) else 1


def _environment(folder: Path) -> Path:
    """A Python with the other packages."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *PACKAGES], check=True)
    subprocess.run([*pip, "--ignore-requires-python", "--no-deps", READER], check=True)
    return python


def _run(python: Path, *args: str) -> dict[str, bool]:
    done = subprocess.run([str(python), str(CHILD), *args], check=True, capture_output=True, text=True)
    found: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    raise SystemExit(main())
