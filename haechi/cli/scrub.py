"""`haechi scrub`: take personal data and secrets out of text."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from haechi.base.errors import ExitCode, UnreadableInput, UnwritableOutput

if TYPE_CHECKING:
    from guard.scrub import Entity, Scrubbed, Scrubber

_PROGRESS_S = 2.0
_MODES = ("mask", "pseudonym", "hash", "remove")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi scrub`."""
    parser = commands.add_parser(
        "scrub",
        help="replace personal data and secrets in text",
        description="Replace personal data and secrets. Offsets are code points of the original text.",
        epilog='With --jsonl each line is {"id": ..., "text": ...}; other fields are left out of the output. A line '
        "that cannot be read keeps its place as an error; the exit code is then 2.",
    )
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="file or folder to read, - for standard input [-]"
    )
    parser.add_argument("--jsonl", action="store_true", help="one JSON object a line in and out")
    parser.add_argument("--mode", choices=_MODES, default="mask", help="what stands instead of a value [mask]")
    parser.add_argument(
        "--lang", default="ko,zh,en", metavar="LIST", help="languages in which names are looked for [ko,zh,en]"
    )
    parser.add_argument("--entities", metavar="LIST", help="only these kinds, separated by commas [all]")
    parser.add_argument(
        "--key-file", type=Path, metavar="FILE", help="key of hashes and pseudonyms; random for each run without it"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there; needed for a folder and for tables")
    parser.add_argument(
        "--columns", metavar="LIST", help="of .csv, .tsv, .jsonl and .parquet files: only these fields [every text]"
    )
    parser.add_argument("--resume", action="store_true", help="of a folder: leave alone what is in the output already")
    parser.add_argument("--explain", action="store_true", help="say which pattern found each entity, and why")
    parser.add_argument("--json", action="store_true", help="one JSON object with text and entities")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Scrub a file or standard input."""
    from guard.scrub import Scrubber
    from haechi.cli._scrub_files import is_structured

    scrubber = Scrubber(
        args.mode,
        languages=_languages(args.lang),
        key=_key(args.key_file),
        entities=[name.strip() for name in args.entities.split(",")] if args.entities else None,
    )
    if scrubber.missing:
        print(f"haechi: warning: not looked for: {', '.join(scrubber.missing)}", file=sys.stderr)
    if args.file != "-" and not args.jsonl and (is_structured(Path(args.file)) or args.columns):
        return _scrub_files(scrubber, args)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_opened(args.file))
        target = stack.enter_context(_target(args.output))
        if args.jsonl:
            return _scrub_rows(scrubber, source, target, explain=args.explain)
        return _scrub_text(scrubber, source, target, args)


def _scrub_files(scrubber: Scrubber, args: argparse.Namespace) -> int:
    """A folder, or a file with rows and columns, into another of its kind."""
    from haechi.base.errors import InvalidSetting
    from haechi.cli._scrub_files import Work, scrub_tree

    if args.output is None:
        raise InvalidSetting(f"{args.file} needs --output", hint="name a file, or a folder for a folder")
    columns = tuple(name.strip() for name in args.columns.split(",")) if args.columns else ()

    def explain(where: str, kind: str, rule: str, score: float) -> None:
        print(f"{where}: {kind} {score:.2f} {rule}", file=sys.stderr)

    work = Work(scrubber, columns, explain=explain if args.explain else None)
    return scrub_tree(work, Path(args.file), args.output, resume=args.resume)


@dataclass
class _Tally:
    """What was done so far, told on standard error now and then."""

    rows: int = 0
    bad: int = 0
    next_word_s: float = 0.0

    def __post_init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.next_word_s = time.monotonic() + _PROGRESS_S

    def note(self, found: tuple[Entity, ...]) -> None:
        self.rows += 1
        self.kinds.update(entity.type for entity in found)
        if time.monotonic() >= self.next_word_s:
            self.next_word_s = time.monotonic() + _PROGRESS_S
            print(f"haechi: {self.rows:,} rows, {self.kinds.total():,} entities", file=sys.stderr)

    def close(self) -> None:
        kinds = ", ".join(f"{name} {count:,}" for name, count in self.kinds.most_common())
        bad = f", {self.bad:,} bad rows" if self.bad else ""
        print(f"haechi: {self.rows:,} rows, {self.kinds.total():,} entities ({kinds or 'none'}){bad}", file=sys.stderr)


def _scrub_rows(scrubber: Scrubber, source: IO[bytes], target: IO[str], *, explain: bool) -> int:
    """JSONL in, JSONL out, same order; a bad line becomes an error row."""
    from guard.pii.errors import BadRow

    tally = _Tally()
    for number, line in enumerate(_lines(source), start=1):
        if not line.strip():
            continue
        try:
            name, text = _row(line, number)
        except BadRow as error:
            tally.bad += 1
            print(f"haechi: error: {error}", file=sys.stderr)
            _write(target, {"line": number, "error": {"code": error.code, "message": error.message}})
            continue
        scrubbed = scrubber.scrub(text)
        _write(target, {"id": name, **_result(scrubbed, text, explain=explain)})
        tally.note(scrubbed.entities)
    tally.close()
    return ExitCode.USAGE if tally.bad else ExitCode.OK


def _row(line: bytes, number: int) -> tuple[object, str]:
    """The id (the line number where there is none) and the text of a row.

    Raises:
        BadRow: with the line number.
    """
    from guard.pii.errors import BadRow

    try:
        row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise BadRow(f"line {number}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from error
    except (json.JSONDecodeError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise BadRow(f"line {number}: not JSON{where}", hint="one JSON object a line") from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise BadRow(f"line {number}: no object with a string `text`", hint='{"id": "1", "text": "..."}')
    return row.get("id", number), row["text"]


def _scrub_text(scrubber: Scrubber, source: IO[bytes], target: IO[str], args: argparse.Namespace) -> int:
    """A whole text; line ends stay as they are."""
    try:
        text = source.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableInput(
            f"{args.file}: not UTF-8 at byte {error.start}", hint="convert it first, for example: iconv -t UTF-8"
        ) from error
    scrubbed = scrubber.scrub(text)
    if args.json:
        _write(target, {**_result(scrubbed, text, explain=args.explain), "not_looked_for": list(scrubber.missing)})
        return ExitCode.OK
    target.write(scrubbed.text)
    if args.explain:
        for entity in scrubbed.entities:
            line = text.count("\n", 0, entity.start) + 1
            print(
                f"{args.file}:{line}: {entity.start}-{entity.end} {entity.type} {entity.score:.2f} {entity.rule}",
                file=sys.stderr,
            )
    return ExitCode.OK


def _result(scrubbed: Scrubbed, text: str, *, explain: bool) -> dict[str, object]:
    entities: list[dict[str, object]] = []
    for entity in scrubbed.entities:
        shown: dict[str, object] = {
            "type": entity.type,
            "start": entity.start,
            "end": entity.end,
            "score": round(entity.score, 4),
        }
        if explain:
            shown["why"] = entity.rule
        entities.append(shown)
    return {"text": scrubbed.text, "entities": entities}


def _write(target: IO[str], row: dict[str, object]) -> None:
    line = json.dumps(row, ensure_ascii=False)
    if not _encodable(line):  # half of a surrogate pair, which a JSON escape can bring and UTF-8 cannot carry
        line = json.dumps(row)
    target.write(line + "\n")


def _encodable(line: str) -> bool:
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    try:
        yield from source
    except OSError as error:
        raise UnreadableInput(f"the input could not be read to its end: {error.strerror}") from error


@contextlib.contextmanager
def _opened(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        source = Path(name).open("rb")  # noqa: SIM115  # closed below; only the opening may be translated
    except OSError as error:
        raise UnreadableInput(f"{name}: {error.strerror}", hint="name a file, or - for standard input") from error
    with source:
        yield source


@contextlib.contextmanager
def _target(path: Path | None) -> Iterator[IO[str]]:
    """Standard output, or a file that appears under its name only when it is complete."""
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a text file, always
        yield sys.stdout
        return
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    except OSError as error:
        raise UnwritableOutput(f"{path}: {error.strerror}", hint="choose another folder with --output") from error
    part = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as target:
            yield target
        part.replace(path)
    except OSError as error:
        raise UnwritableOutput(f"{path}: {error.strerror}", hint="make room, or choose another folder") from error
    finally:
        part.unlink(missing_ok=True)


def _languages(given: str) -> list[str]:
    from haechi.base.errors import InvalidSetting
    from haechi.base.text import Language

    names = [name.strip() for name in given.split(",") if name.strip()]
    known = [language.value for language in Language]
    for name in names:
        if name not in known:
            raise InvalidSetting(f"--lang: no language {name!r}", hint=f"one or more of {','.join(known)}")
    return names


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableInput(
            f"{path}: {error.strerror}", hint="--key-file names a file with 16 bytes or more"
        ) from error
