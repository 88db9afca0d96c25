"""Small things that everything stands on: the key line of a log, and the numbers that each writer gives its records."""

from __future__ import annotations

import base64
import hashlib

import pytest

from audit.errors import MalformedNote
from audit.note import VerifierKey
from audit.verify import _Numbers

RAW = bytes(range(32))


def line(name: str, raw: bytes, *, algorithm: bytes = b"\x01", key_id: str | None = None) -> str:
    """A key line by the specification of signed notes, made without Haechi."""
    typed = algorithm + raw
    fitting = hashlib.sha256(name.encode() + b"\n" + typed).hexdigest()[:8]
    return f"{name}+{fitting if key_id is None else key_id}+{base64.b64encode(typed).decode()}"


def test_a_key_line_of_the_specification_is_read() -> None:
    """With and without the line's end."""
    for end in ("", "\n"):
        assert VerifierKey.parse(line("haechi.local/audit", RAW) + end).line() == line("haechi.local/audit", RAW)


@pytest.mark.parametrize(
    "wrong",
    [
        line("log", RAW[:-1]),
        line("log", RAW + b"\0"),
        line("log", RAW, algorithm=b"\x02"),
        line("lo g", RAW),
        line("", RAW),
        line("log", RAW, key_id="00000000"),
        line("log", RAW, key_id=""),
        "log",
        "",
    ],
)
def test_a_line_that_is_no_such_key_is_refused(wrong: str) -> None:
    """Another length, algorithm or name, or a hash that is not the key's."""
    with pytest.raises(MalformedNote):
        VerifierKey.parse(wrong)


def test_one_record_that_a_writer_numbered_and_the_log_does_not_have_is_named() -> None:
    """A single one, at the beginning or later; a whole row, in any order, is no problem."""
    for seen, missing in (([1, 2, 3], 0), ([3, 1, 2], 0), ([2], 1), ([1, 3], 1), ([1, 9], 7)):
        numbers = _Numbers(1000)
        assert all(numbers.first_time(b"w" * 8, number) for number in seen)
        assert [int(said.split(": ")[1].split()[0]) for said in numbers.problems()] == ([missing] if missing else [])


def test_a_number_is_given_once_and_lies_in_the_log() -> None:
    """Zero, one beyond what there can be, and one that came before are refused; another writer has its own."""
    numbers = _Numbers(10)
    assert not numbers.first_time(b"a", 0)
    assert not numbers.first_time(b"a", 11)
    assert numbers.first_time(b"a", 10)
    assert not numbers.first_time(b"a", 10)
    assert numbers.first_time(b"b", 10)
