"""Read rows from files, one at a time, each with its line number; write them back so that half a file never shows."""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import msgspec

from haechi.base.errors import MissingExtra, UnreadableInput

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".parquet")
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file. `value` is None with a `problem` when the line is not JSON."""

    line: int
    value: object
    problem: str = ""


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a `.jsonl`, `.jsonl.gz` or `.parquet` file, or of a folder that `datasets` saved.

    Raises:
        UnreadableInput: the file is missing, damaged, or of another kind.
        MissingExtra: parquet or a dataset folder without pyarrow / datasets installed.
    """
    if not path.exists():
        raise UnreadableInput(f"{path} does not exist")
    if path.is_dir():
        return _rows_of_dataset(path)
    if path.suffix == ".parquet":
        return _rows_of_parquet(path)
    if path.name.endswith((".jsonl", ".jsonl.gz", ".json")):
        return _rows_of_jsonl(path)
    raise UnreadableInput(f"{path} is not a data file by its name", hint=f"takes: {', '.join(SUFFIXES)}")


def write_jsonl(path: Path, rows: Iterable[object]) -> int:
    """Write rows to a `.jsonl` or `.jsonl.gz` file through a temporary file; returns how many.

    The bytes depend on the rows alone: no time stamp enters the compressed form.
    """
    beside = path.with_name(f".{path.name}.partial")
    count = 0
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(beside.open("wb"))
        packed = path.suffix == ".gz"
        out = stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0)) if packed else raw
        for row in rows:
            out.write(msgspec.json.encode(row) + b"\n")
            count += 1
    beside.replace(path)
    return count


def _rows_of_jsonl(path: Path) -> Iterator[Row]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with cast("IO[bytes]", opener(path, "rb")) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    yield Row(number, _decode(line))
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    yield Row(number, None, f"not JSON: {error}")
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableInput(f"cannot read {path}: {error}") from error


def _rows_of_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise MissingExtra("reading parquet", "train") from error
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches():
            for value in batch.to_pylist():
                number += 1
                yield Row(number, value)
    except (OSError, arrow.ArrowInvalid) as error:
        raise UnreadableInput(f"cannot read {path}: {error}") from error


def _rows_of_dataset(path: Path) -> Iterator[Row]:
    if not (path / "dataset_info.json").is_file():
        raise UnreadableInput(
            f"{path} is a folder and not a saved dataset", hint="Dataset.save_to_disk writes one; name a single split"
        )
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # must stand before the import that reads it
    try:
        from datasets import load_from_disk
    except ImportError as error:
        raise MissingExtra("reading a saved dataset", "train") from error
    for number, value in enumerate(load_from_disk(str(path)), start=1):
        yield Row(number, value)
