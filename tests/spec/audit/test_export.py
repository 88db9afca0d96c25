"""What an auditor takes away: searches, samples that cannot be steered, and a log as static files."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import AuditLog, Event, EventType, Segment
from audit.sample import draw
from audit.tiles import tile_path
from haechi.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """700 requests, every tenth blocked: more than two bundles and a second level of tiles."""
    folder = tmp_path / "audit"
    with AuditLog.open(folder) as log:
        for number in range(700):
            segment = Segment("prompt", b"secret prompt", "kim")
            kind = EventType.RESPONSE_BLOCKED if number % 10 == 0 else EventType.RESPONSE_COMPLETED
            findings = (("pii", 900_000),) if number % 10 == 0 else ()
            log.append(Event(kind, "default", f"req_{number}", findings=findings, segments=(segment,)))
    return folder


def lines(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert main(["audit", *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def verify_tiles(folder: Path, *words: str) -> int:
    command = [sys.executable, "-m", "audit.verifier", str(folder), "--tiles", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).returncode


def test_a_search_finds_all_and_only_what_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By type, category and time; the count alone on request."""
    found = lines(capsys, "search", str(folder), "--type", "response.blocked", "--category", "pii")
    assert [entry["req"] for entry in found] == [f"req_{n}" for n in range(0, 700, 10)]
    assert main(["audit", "search", str(folder), "--tenant", "default", "--until", "2020-01-01", "--count"]) == 0
    assert capsys.readouterr().out == "0\n"
    assert main(["audit", "search", str(folder), "--since", "yesterday"]) == 2


def test_a_sample_can_be_drawn_again_and_depends_on_the_auditors_number(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Same checkpoint, filter and number: same records; another number: others. The population is stated."""
    first, *records = lines(capsys, "sample", str(folder), "--number", "4711", "--decision", "allow", "--size", "20")
    again, *_ = lines(capsys, "sample", str(folder), "--number", "4711", "--decision", "allow", "--size", "20")
    other, *_ = lines(capsys, "sample", str(folder), "--number", "4712", "--decision", "allow", "--size", "20")
    assert first == again
    assert first["drawn"] != other["drawn"]
    assert (first["population"], first["size"], len(records)) == (700, 700, 20)
    assert [record["seq"] for record in records] == first["drawn"]


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 2**40))
def test_a_draw_is_without_repetition_and_complete_when_it_can_be(members: int, count: int, number: int) -> None:
    """All members when there are not more; never one twice."""
    drawn = draw(range(members), count, b"r" * 32, number)
    assert len(drawn) == len(set(drawn)) == min(members, count)
    assert set(drawn) <= set(range(members))


def test_every_member_is_drawn_about_equally_often() -> None:
    """Chi-square over 4,000 draws of one of ten: below 33.7 with probability 0.9999."""
    counts = [0] * 10
    for number in range(4000):
        counts[draw(range(10), 1, hashlib.sha256(b"root").digest(), number)[0]] += 1
    assert sum((count - 400) ** 2 / 400 for count in counts) < 33.7


def test_an_export_is_verified_offline_and_any_changed_byte_of_it_is_found(folder: Path, tmp_path: Path) -> None:
    """Without pins it cannot exclude truncation, and says so; headers only, no content."""
    out = tmp_path / "export"
    assert main(["audit", "export", str(folder), "--output", str(out)]) == 0
    pins = ["--pins", str(folder.with_name("audit-pins"))]
    assert verify_tiles(out, *pins) == 0
    assert verify_tiles(out) == 3
    names = {str(path.relative_to(out / "default")) for path in (out / "default").rglob("*") if path.is_file()}
    assert names == {
        "checkpoint", "public.key", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188",
    }  # fmt: skip
    whole = (out / "default/tile/0/000").read_bytes()
    entries = (out / "default/tile/entries/000").read_bytes()
    length = int.from_bytes(entries[:2], "big")
    assert whole[:32] == hashlib.sha256(b"\0" + entries[2 : 2 + length]).digest()
    assert b"kim" not in b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for name in ("default/tile/entries/001", "default/checkpoint", "default/tile/entries/002.p/188"):
        good = (out / name).read_bytes()
        for at in (0, len(good) // 2, len(good) - 2):
            bad = bytearray(good)
            bad[at] ^= 1
            (out / name).write_bytes(bad)
            assert verify_tiles(out, *pins) == 1, (name, at)
        (out / name).write_bytes(good[:-1])
        assert verify_tiles(out, *pins) == 1
        (out / name).write_bytes(good)
    assert verify_tiles(out, *pins) == 0


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [(0, 256, "000"), (1, 7, "001.p/7"), (999, 256, "999"), (1234067, 256, "x001/x234/067"), (1000, 1, "x001/000.p/1")],
)
def test_tiles_lie_where_the_specification_says(number: int, width: int, path: str) -> None:
    """Groups of three digits."""
    assert tile_path(number, width) == path
