"""`haechi knowledge add|list|sync|remove|search`: reference documents that claims are checked against.

A running gateway sees a change with its next search.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.base.errors import ExitCode, HaechiError
from haechi.cli._options import KNOWLEDGE_OPTIONS, add_settings, positive, settings_of, shelf_of

if TYPE_CHECKING:
    from guard.knowledge import About, KnowledgeWriter, Shelf


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `haechi knowledge` and its verbs."""
    parser = commands.add_parser("knowledge", help="documents that claims are checked against", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="add files or folders: txt, md, html, pdf, jsonl, csv")
    add.add_argument("paths", nargs="+", type=Path, metavar="DIR|FILE")
    add.set_defaults(run=run_add)
    sync = verbs.add_parser("sync", help="take over what was changed in, added to and deleted from a folder")
    sync.add_argument("folder", type=Path, metavar="DIR")
    sync.set_defaults(run=run_sync)
    listing = verbs.add_parser("list", help="knowledge bases, or the documents of one")
    listing.set_defaults(run=run_list)
    remove = verbs.add_parser("remove", help="remove documents, and their bytes from where the base lies")
    remove.add_argument("names", nargs="+", metavar="NAME", help="as `haechi knowledge list --base NAME` shows them")
    remove.set_defaults(run=run_remove)
    search = verbs.add_parser("search", help="the passages that fit a claim best")
    search.add_argument("claim")
    search.add_argument("--limit", type=positive, default=5, help="passages to show [5]")
    search.add_argument("--at", default="", metavar="DATE", help="leave out what is not valid on this day")
    search.set_defaults(run=run_search)
    for verb in (add, sync):
        verb.add_argument("--source", default="", help="where the documents come from")
        verb.add_argument("--licence", default="", help="under which licence they may be used")
        verb.add_argument("--valid-from", default="", metavar="DATE", help="first day they hold, as 2026-01-31")
        verb.add_argument("--valid-to", default="", metavar="DATE", help="last day they hold")
    for verb in (add, sync, listing, remove, search):
        verb.add_argument("--base", required=verb is not listing, metavar="NAME", help="name of the knowledge base")
        verb.add_argument("--json", action="store_true", help="one JSON object on standard output")
        add_settings(verb, KNOWLEDGE_OPTIONS)


def run_add(args: argparse.Namespace) -> int:
    """Add documents; those that cannot be read are named, the others are added."""
    with _shelf(args).writer(args.base, make=True) as writer:
        added, refused = _put(writer, list(_files(args.paths)), _about(args))
        if not added and refused:
            raise refused[0]
    return _told(args, {"added": added}, refused)


def run_sync(args: argparse.Namespace) -> int:
    """Make the knowledge base equal to a folder: changed files become new versions, deleted ones are removed."""
    from guard.knowledge.errors import UnreadableDocument
    from guard.knowledge.meaning import meanings
    from guard.knowledge.ports import digest

    folder = args.folder.resolve()
    if not folder.is_dir():
        raise UnreadableDocument(f"{args.folder}: not a folder", hint="a folder that is gone would remove everything")
    about = _about(args)
    ours = meanings().fingerprint  # documents whose vectors another release made are read anew
    with _shelf(args).writer(args.base, make=True) as writer:
        of_folder = [one for one in writer.documents() if one.root == str(folder)]
        known = {one.name: one.sha256 if one.meaning == ours else "" for one in of_folder}
        files = list(_files([folder]))
        present = {path.relative_to(root).as_posix() for root, path in files}
        changed = [(r, p) for r, p in files if known.get(p.relative_to(r).as_posix()) != digest(p)]
        added, refused = _put(writer, changed, about)
        removed = sorted(known.keys() - present)
        for name in removed:
            writer.remove(name, root=str(folder))
    return _told(args, {"added": added, "removed": removed, "unchanged": len(files) - len(changed)}, refused)


def run_list(args: argparse.Namespace) -> int:
    """Show the knowledge bases, or the documents of one."""
    shelf = _shelf(args)
    if args.base is None:
        names = shelf.names()
        print(json.dumps({"bases": names}) if args.json else "\n".join(names))
        return ExitCode.OK
    with shelf.writer(args.base) as writer:
        documents = writer.documents()
    if args.json:
        print(json.dumps({"base": args.base, "documents": [asdict(one) for one in documents]}, ensure_ascii=False))
        return ExitCode.OK
    for one in documents:
        about = one.about
        dates = f"{about.valid_from or '...'} to {about.valid_to or '...'}"
        print(f"{one.name}  version {one.version}  {one.passages} passages  {dates}  {about.source}  {about.licence}")
    return ExitCode.OK


def run_remove(args: argparse.Namespace) -> int:
    """Remove documents; all of them or, when one is unknown, none."""
    with _shelf(args).writer(args.base) as writer:
        for name in args.names:
            writer.remove(name)
    return _told(args, {"removed": args.names}, [])


def run_search(args: argparse.Namespace) -> int:
    """Show the passages that fit a claim best."""
    base = _shelf(args).open(args.base)
    try:
        found = base.search(args.claim, limit=args.limit, at=_day(args.at))
    finally:
        base.close()
    if args.json:
        print(json.dumps({"base": args.base, "found": [asdict(one) for one in found]}, ensure_ascii=False))
    else:
        for one in found:
            print(f"{one.score:.2f}  {one.evidence.source}  {one.evidence.title}\n      {one.evidence.text}")
    return ExitCode.OK


def _put(
    writer: KnowledgeWriter, files: Sequence[tuple[Path, Path]], about: About
) -> tuple[list[str], list[HaechiError]]:
    """Read and add each file; answers the names of those added and why others were not."""
    from guard.knowledge.errors import UnreadableDocument
    from guard.knowledge.ports import digest
    from guard.knowledge.readers import read
    from haechi.cli._progress import Progress

    added: list[str] = []
    refused: list[HaechiError] = []
    with Progress("documents", sum(_size(path) for _, path in files)) as progress:
        for root, path in files:
            try:
                sections = read(path)
            except UnreadableDocument as error:
                refused.append(error)
            else:
                name = path.relative_to(root).as_posix()
                writer.put(str(root), name, sections, about, digest(path))
                added.append(name)
            progress.step(_size(path))
    return added, refused


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file with the folder its name is relative to. Of folders, files of the kinds that are read."""
    from guard.knowledge.readers import is_readable

    for path in (path.resolve() for path in paths):
        if path.is_dir():
            yield from ((path, file) for file in sorted(path.rglob("*")) if file.is_file() and is_readable(file))
        else:
            yield path.parent, path


def _about(args: argparse.Namespace) -> About:
    from guard.knowledge import About

    return About(args.source, args.licence, _day(args.valid_from), _day(args.valid_to))


def _day(text: str) -> str:
    """An ISO date, or nothing."""
    from guard.knowledge.errors import InvalidDate

    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError as error:
        raise InvalidDate(f"{text!r} is no date", hint="write it as 2026-01-31") from error


def _shelf(args: argparse.Namespace) -> Shelf:
    return shelf_of(settings_of(args))


def _told(args: argparse.Namespace, done: dict[str, object], refused: Sequence[HaechiError]) -> int:
    """Say what was done and what was refused; exit code 2 when something was."""
    if args.json:
        errors = [{"code": error.code, "message": error.message, "hint": error.hint} for error in refused]
        print(json.dumps({"base": args.base, **done, "refused": errors}, ensure_ascii=False))
    else:
        for what, which in done.items():
            print(f"{what}: {len(which) if isinstance(which, list) else which}")
        for error in refused:
            print(f"haechi: error: {error}", file=sys.stderr)
            if error.hint:
                print(f"haechi: hint: {error.hint}", file=sys.stderr)
    return ExitCode.USAGE if refused else ExitCode.OK
