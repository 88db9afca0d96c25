"""`haechi scrub` over folders and tables: what is written is the same kind of file with personal data replaced.

Rules of this file
1. An output file appears under its name only when it is complete; what was there before stays until then.
2. Row by row, row group by row group: memory does not grow with the file, but for plain text and JSON documents.
3. A file that cannot be scrubbed is named and not written; the others are done, and the exit code is 2.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from haechi.base.errors import ExitCode, HaechiError, MissingExtra, UnreadableInput, UnwritableOutput

if TYPE_CHECKING:
    from guard.scrub import Scrubber

TEXT = frozenset({".txt", ".md", ".log", ".rst", ".html", ".xml", ".srt", ".yaml", ".yml"})
TABLES = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"})
_LONGEST_CELL = 64 << 20  # bytes; csv's own limit is 128 KiB, which a chat transcript exceeds


@dataclass
class Work:
    """How files are scrubbed. columns: fields of rows that are read; empty for every text."""

    scrubber: Scrubber
    columns: tuple[str, ...] = ()
    kinds: Counter[str] = field(default_factory=Counter)
    files: int = 0
    explain: Callable[[str, str, str, float], None] | None = None

    def text(self, text: str, where: str = "") -> str:
        """One text, scrubbed and counted."""
        scrubbed = self.scrubber.scrub(text)
        for entity in scrubbed.entities:
            self.kinds[entity.type] += 1
            if self.explain is not None:
                self.explain(where, entity.type, entity.rule, entity.score)
        return scrubbed.text

    def wants(self, column: str) -> bool:
        """Whether a field of that name is to be read."""
        return not self.columns or column in self.columns

    def value(self, value: Any, where: str) -> Any:
        """Every text in a value, at any depth; keys stay."""
        if isinstance(value, str):
            return self.text(value, where)
        if isinstance(value, list):
            return [self.value(inner, where) for inner in value]
        if isinstance(value, dict):
            return {key: self.value(inner, f"{where}.{key}") for key, inner in value.items()}
        return value


def is_structured(path: Path) -> bool:
    """Whether a path is a folder or a file with rows and columns."""
    return path.is_dir() or kind_of(path) in TABLES


def kind_of(path: Path) -> str:
    """The ending that says what a file is."""
    name = path.name.lower()
    return "".join(Path(name).suffixes[-2:]) if name.endswith(".gz") else Path(name).suffix


def scrub_tree(work: Work, source: Path, output: Path, *, resume: bool) -> int:
    """A file into a file, or every file of a folder into the same place of another folder.

    resume: files whose output is there already are left as they are.
    """
    if not source.is_dir():
        _scrub_file(work, source, output)
        _tell(work, [])
        return ExitCode.OK
    if output.resolve().is_relative_to(source.resolve()):
        raise UnwritableOutput(f"{output} lies inside {source}", hint="choose a folder outside it with --output")
    bad, unknown = [], []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        target = output / path.relative_to(source)
        if kind_of(path) not in TABLES | TEXT | {".json"}:
            unknown.append(str(path))
        elif not (resume and target.exists()):
            try:
                _scrub_file(work, path, target)
            except HaechiError as error:
                bad.append(str(path))
                print(f"haechi: error: {error}", file=sys.stderr)
    for name in unknown:
        print(f"haechi: warning: left out, neither text nor a table: {name}", file=sys.stderr)
    _tell(work, bad)
    return ExitCode.USAGE if bad or unknown else ExitCode.OK


def _scrub_file(work: Work, source: Path, target: Path) -> None:
    """One file.

    Raises:
        UnreadableInput: it is not what its ending says; with the line where that is known.
    """
    kind = kind_of(source)
    try:
        with _appearing(target) as part:
            if kind == ".parquet":
                _parquet(work, source, part)
            else:
                with _reading(source, kind) as lines, part.open("wb") as raw, _writing(raw, kind) as out:
                    _HANDLERS.get(kind.removesuffix(".gz"), _text)(work, lines, out, source)
    except (UnicodeDecodeError, csv.Error) as error:
        reason = f"not UTF-8 at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UnreadableInput(f"{source}: {reason}", hint="save it as UTF-8, one record a line") from error
    work.files += 1


def _text(work: Work, source: IO[str], target: IO[str], path: Path) -> None:
    target.write(work.text(source.read(), str(path)))


def _document(work: Work, source: IO[str], target: IO[str], path: Path) -> None:
    try:
        value = json.load(source)
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{path}: not JSON: {error}", hint="a .json file is one JSON value") from error
    json.dump(work.value(value, str(path)), target, ensure_ascii=False, indent=1)
    target.write("\n")


def _rows(work: Work, source: IO[str], target: IO[str], path: Path) -> None:
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnreadableInput(f"{path}: line {number}: not JSON", hint="one JSON object a line") from error
        if not isinstance(row, dict):
            raise UnreadableInput(f"{path}: line {number}: not an object", hint="one JSON object a line")
        new = {k: work.value(v, f"{path}:{number} {k}") if work.wants(k) else v for k, v in row.items()}
        target.write(json.dumps(new, ensure_ascii=False) + "\n")


def _table(work: Work, source: IO[str], target: IO[str], path: Path) -> None:
    csv.field_size_limit(_LONGEST_CELL)
    delimiter = "\t" if kind_of(path) == ".tsv" else ","
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    writer = csv.writer(target, delimiter=delimiter, lineterminator="\n")
    header = next(reader, None)
    if header is None:
        return
    _need_columns(work.columns, header, path)
    writer.writerow(header)
    for row in reader:
        if len(row) != len(header):
            raise UnreadableInput(
                f"{path}: line {reader.line_num}: {len(row)} cells, and the header has {len(header)}",
                hint="a cell that holds the separator or a line end must stand in quotes",
            )
        named = zip(header, row, strict=True)
        writer.writerow(
            [work.text(cell, f"{path}:{reader.line_num} {n}") if work.wants(n) else cell for n, cell in named]
        )


def _parquet(work: Work, source: Path, target: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("reading Parquet", "tables") from error
    try:
        file = parquet.ParquetFile(source)
        schema = file.schema_arrow
        _need_columns(work.columns, schema.names, source)
        with parquet.ParquetWriter(target, schema) as writer:
            for batch in file.iter_batches(batch_size=4096):
                columns = [
                    pa.array([work.value(v, f"{source} {name}") for v in column.to_pylist()], type=column.type)
                    if work.wants(name) and _holds_text(column.type)
                    else column
                    for name, column in zip(schema.names, batch.columns, strict=True)
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableInput(f"{source}: {error}", hint="is it a Parquet file?") from error


def _holds_text(kind: Any) -> bool:
    """Whether a column type has strings in it, at any depth."""
    from pyarrow import types

    if types.is_string(kind) or types.is_large_string(kind):
        return True
    return any(_holds_text(kind.field(i).type) for i in range(kind.num_fields))


_HANDLERS: dict[str, Callable[[Work, IO[str], IO[str], Path], None]] = {
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _rows,
    ".ndjson": _rows,
    ".json": _document,
}


def _need_columns(wanted: Sequence[str], header: Sequence[str], path: Path) -> None:
    for name in wanted:
        if name not in header:
            raise UnreadableInput(f"{path}: no column {name!r}", hint=f"it has {', '.join(header)}")


@contextlib.contextmanager
def _reading(path: Path, kind: str) -> Iterator[IO[str]]:
    try:
        opened = gzip.open(path, "rb") if kind.endswith(".gz") else path.open("rb")  # noqa: SIM115  # closed below
        raw = cast("IO[bytes]", opened)
    except OSError as error:
        raise UnreadableInput(f"{path}: {error.strerror}", hint="name a file that can be read") from error
    with raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
        try:
            yield text
        except (gzip.BadGzipFile, EOFError) as error:
            raise UnreadableInput(f"{path}: not a whole gzip file", hint="copy it again") from error


@contextlib.contextmanager
def _writing(raw: IO[bytes], kind: str) -> Iterator[IO[str]]:
    packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if kind.endswith(".gz") else contextlib.nullcontext(raw)
    with packed as plain, io.TextIOWrapper(plain, encoding="utf-8", errors="surrogatepass", newline="") as text:
        yield text


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A file to write, which takes the target's name when the block ends well."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
        os.close(handle)
    except OSError as error:
        raise UnwritableOutput(f"{target}: {error.strerror}", hint="choose another place with --output") from error
    part = Path(name)
    try:
        yield part
        part.replace(target)
    except OSError as error:
        raise UnwritableOutput(f"{target}: {error.strerror}", hint="make room, or choose another place") from error
    finally:
        part.unlink(missing_ok=True)


def _tell(work: Work, bad: Sequence[str]) -> None:
    kinds = ", ".join(f"{name} {count:,}" for name, count in work.kinds.most_common())
    failed = f", {len(bad)} not written" if bad else ""
    print(f"haechi: {work.files:,} files, {work.kinds.total():,} entities ({kinds or 'none'}){failed}", file=sys.stderr)
