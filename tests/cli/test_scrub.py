"""`haechi scrub`: text and JSONL, offsets of the original, and nothing lost on bad input."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.base.errors import ExitCode
from haechi.cli.main import main


def rows_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_jsonl_keeps_order_ids_and_original_offsets(tmp_path: Path) -> None:
    """Each row answers with its id, the scrubbed text and where each entity was in the original."""
    texts = ["전화는 010-1234-5678입니다", "我的邮箱是zhang.san@example.com。", "nothing here", "SSN 536-90-4399"]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"id": f"r{i}", "text": t}) + "\n" for i, t in enumerate(texts)), "utf-8")
    assert main(["scrub", str(source), "--jsonl", "--output", str(target)]) == ExitCode.OK
    rows = rows_of(target)
    assert [row["id"] for row in rows] == ["r0", "r1", "r2", "r3"]
    assert rows[0] == {
        "id": "r0",
        "text": "전화는 ***-****-****입니다",
        "entities": [{"type": "PHONE_NUMBER", "start": 4, "end": 17, "score": 0.95}],
    }
    assert rows[2] == {"id": "r2", "text": "nothing here", "entities": []}
    for text, row in zip(texts, rows, strict=True):
        for entity in row["entities"]:  # type: ignore[attr-defined]
            assert text[entity["start"] : entity["end"]] not in row["text"]  # type: ignore[operator]


def test_a_bad_line_is_named_and_the_others_are_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Broken JSON, a missing text and broken UTF-8 keep their places as errors; the exit code says so."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    good = json.dumps({"id": 1, "text": "call +1 (415) 555-2671"}).encode()
    source.write_bytes(
        b"\n".join([good, b'{"id": 2, "text": ', b'{"id": 3}', b'{"text": "\xff"}', b"[1]", good]) + b"\n"
    )
    assert main(["scrub", str(source), "--jsonl", "--output", str(target)]) == ExitCode.USAGE
    rows = rows_of(target)
    assert len(rows) == 6
    assert [row.get("line") for row in rows] == [None, 2, 3, 4, 5, None]
    assert rows[0]["text"] == rows[5]["text"] == "call +* (***) ***-****"
    err = capsys.readouterr().err
    for line in (2, 3, 4, 5):
        assert f"HAE-S303 line {line}:" in err


def test_a_file_is_one_text(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file is read as one text; --json shows the entities."""
    source = tmp_path / "note.txt"
    source.write_text("주민번호 900101-1234568\r\n메일kim@example.com", "utf-8")
    assert main(["scrub", str(source), "--json", "--explain"]) == ExitCode.OK
    shown = json.loads(capsys.readouterr().out)
    assert shown["text"].startswith("주민번호 ******-*******\r\n메일[EMAIL_ADDRESS]")
    assert [entity["type"] for entity in shown["entities"]] == ["KR_RRN", "EMAIL_ADDRESS"]
    assert shown["entities"][0]["why"] == "kr-rrn"


@pytest.mark.parametrize("mode", ["mask", "pseudonym", "hash", "remove"])
def test_every_mode_takes_the_value_out(mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No mode leaves the original; with a key, two runs agree."""
    key = tmp_path / "scrub.key"
    key.write_bytes(bytes(range(32)))
    source = tmp_path / "note.txt"
    source.write_text("tel 010-1234-5678, 010-1234-5678", "utf-8")
    outs = []
    for _ in range(2):
        assert main(["scrub", str(source), "--mode", mode, "--key-file", str(key)]) == ExitCode.OK
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1]
    assert "010-1234-5678" not in outs[0]


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (["no-such-file.txt"], "HAE-C103", ExitCode.USAGE),
        (["{here}/note.txt", "--lang", "fr"], "HAE-C101", ExitCode.USAGE),
        (["{here}/note.txt", "--entities", "PHONE_NUMBR"], "HAE-S301", ExitCode.USAGE),
        (["{here}/note.txt", "--key-file", "{here}/short.key", "--mode", "hash"], "HAE-S302", ExitCode.USAGE),
        (["{here}/latin.txt"], "HAE-C103", ExitCode.USAGE),
        (["{here}/note.txt", "--output", "{here}/none/out.txt"], "HAE-C104", ExitCode.CANNOT_TELL),
    ],
)
def test_bad_usage_has_one_clear_error(
    arguments: list[str], code: str, exit_code: ExitCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake is told with its code and leaves no output file."""
    (tmp_path / "note.txt").write_text("hello", "utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "short.key").write_bytes(b"abc")
    assert main(["scrub", *[a.format(here=tmp_path) for a in arguments]]) == exit_code
    assert code in capsys.readouterr().err
    assert not list(tmp_path.glob("*.part"))


def test_half_a_surrogate_pair_passes(tmp_path: Path) -> None:
    """A JSON escape may bring what UTF-8 cannot carry; the row comes back with the same escape."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "a\\ud800 kim@example.com"}\n', "utf-8")
    assert main(["scrub", str(source), "--jsonl", "--output", str(target)]) == ExitCode.OK
    assert rows_of(target)[0]["text"] == "a\ud800 [EMAIL_ADDRESS]"


def test_standard_input(tmp_path: Path) -> None:
    """`-` reads standard input."""
    target = tmp_path / "out.txt"
    stdin = io.TextIOWrapper(io.BytesIO("전화 010-1234-5678".encode()), encoding="utf-8")
    saved, sys.stdin = sys.stdin, stdin
    try:
        assert main(["scrub", "-", "--output", str(target)]) == ExitCode.OK
    finally:
        sys.stdin = saved
    assert target.read_text("utf-8") == "전화 ***-****-****"


_PEAK = """
import sys
from haechi.cli.main import main
code = main(sys.argv[1:])
status = open("/proc/self/status").read().splitlines()
print(code, next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM")))
"""


@pytest.mark.slow
def test_ten_megabytes_with_names_take_bounded_memory(tmp_path: Path) -> None:
    """Ten times the bytes add a few copies of the text to the peak, not of what the tagger makes of it.

    Most of the file is a table of numbers, over which the tagger goes quickly, so that the test ends in a minute or two;
    in every window that is read at once there is a sentence with a name.
    """
    table = "".join(f"{number:>7} {number * 7919 % 100_003:>7}\n" for number in range(1_900))
    block = table + "Last Friday Angela Merkel met reporters in Lisbon. 어제 배우 한지민이 부산에 왔다.\n"
    peaks = {}
    for megabytes in (1, 10):
        path, clean = tmp_path / f"{megabytes}.txt", tmp_path / f"{megabytes}.clean"
        times = megabytes * 1_000_000 // len(block.encode()) + 1
        path.write_text(block * times, "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, "scrub", str(path), "--output", str(clean)],
            capture_output=True,
            text=True,
            check=True,
            timeout=290,
        )
        code, peaks[megabytes] = map(int, done.stdout.split())
        assert code == 0
        text = clean.read_text("utf-8")
        assert text.count("[PERSON]") >= 2 * times * 0.99
        assert "Merkel" not in text
    assert peaks[10] - peaks[1] < 200
    assert peaks[10] < 900
