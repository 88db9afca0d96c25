"""JSON Lines that a user hands over, plain or .gz: read line by line, and refused with the place of the fault."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from haechi.base.errors import UnreadableInput


def rows(path: Path, shape: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The objects of a file, each with its place as `FILE:LINE`. Blank lines are passed over.

    shape: what a line looks like, for the hint.

    Raises:
        UnreadableInput: the file cannot be read to its end, or a line is no JSON object.
    """
    number = 0
    try:
        opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115  # closed by the `with` below
        with opened as lines:
            for line in lines:
                number += 1
                if line.strip():
                    yield f"{path}:{number}", _object(line, f"{path}:{number}", shape)
    except UnicodeDecodeError as error:
        raise UnreadableInput(f"{path}: not UTF-8 after line {number}", hint="convert the file to UTF-8") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableInput(
            f"{path}: cut off or no gzip file, after line {number}", hint="copy the file again, or give it unpacked"
        ) from error
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}", hint="give JSONL in UTF-8, plain or .gz") from error


def _object(line: str, place: str, shape: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{place}: not JSON", hint=f"a line is {shape}") from error
    if not isinstance(row, dict):
        raise UnreadableInput(f"{place}: not an object", hint=f"a line is {shape}")
    return row
