"""What others built reads our logs: Go's own x/mod/sumdb, which knows nothing of Haechi, verifies an export."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from audit import AuditLog, Event, EventType
from haechi.cli.main import main

PROGRAM = Path(__file__).parents[2] / "vectors/audit/interop.go"


def read_with_go(log: Path) -> subprocess.CompletedProcess[str]:
    kept = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": ""}
    return subprocess.run(["go", "run", str(PROGRAM), str(log)], env=kept, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_go_verifies_our_checkpoint_tiles_and_growth_and_finds_a_flipped_bit(tmp_path: Path) -> None:
    """Signature, every record, and growth from each size to the whole, over more than one tile; one altered bit is refused."""
    with AuditLog.open(tmp_path / "audit") as log:
        for number in range(600):
            ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"req-{number}"))
        ack.durable.result(10)
        log.sign()
    assert main(["audit", "export", str(tmp_path / "audit"), "--output", str(tmp_path / "mine")]) == 0
    exported = tmp_path / "mine" / "default"
    verified = read_with_go(exported)
    assert (verified.returncode, verified.stdout) == (0, "verified: haechi.local/audit/default, 600 records\n")
    tile = exported / "tile/entries/001"
    tile.write_bytes(bytes([*tile.read_bytes()[:40], tile.read_bytes()[40] ^ 1, *tile.read_bytes()[41:]]))
    refused = read_with_go(exported)
    assert refused.returncode != 0
    assert "refused" in refused.stderr
