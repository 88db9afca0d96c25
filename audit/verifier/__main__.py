"""Verify offline: `python -m audit.verifier PATH [--pins DIR] [--key FILE] [--tiles | --bundle [--headers DIR]]`.

Written from FORMAT.md; shares no code with the log, so that one mistake does not hide another. Exit code 0 intact, 1
tampered, 3 cannot tell.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import zipfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm

from audit.verifier.bundle import verify_bundle
from audit.verifier.checks import read_note, verify_folder, verify_tiles
from audit.verifier.header import Wrong, read_header, scan_header
from audit.verifier.second import KEY_FILE, is_signed_twice, read_second_key, verify_second

__all__ = [
    "Wrong", "is_signed_twice", "main", "read_header", "read_note", "read_second_key", "scan_header", "verify_bundle",
    "verify_folder", "verify_second", "verify_tiles",
]  # fmt: skip
WRONG = (
    Wrong, InvalidSignature, InvalidTag, ValueError, TypeError, AttributeError, KeyError, IndexError,
    sqlite3.DatabaseError, zipfile.BadZipFile, RecursionError,
)  # fmt: skip


def main() -> int:
    """Read the arguments, print the outcome."""
    parser = argparse.ArgumentParser(prog="python -m audit.verifier", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="PATH")
    parser.add_argument("--pins", type=Path, help="remembered checkpoints; default: <folder>-pins")
    parser.add_argument(
        "--tiles", action="store_true", help="PATH is an export (c2sp.org/tlog-tiles), not a live folder"
    )
    parser.add_argument("--bundle", action="store_true", help="PATH is the export of one person, a ZIP file")
    parser.add_argument(
        "--headers", type=Path, help="with --bundle: an export as tiles of the same log, for completeness"
    )
    parser.add_argument("--key", type=Path, help="the public key you hold; default: the folder's own public.key")
    parser.add_argument("--second-key", type=Path, help="the ML-DSA key you hold; default: the folder's, if it has one")
    args = parser.parse_args()
    folder = args.folder.resolve()
    pins = args.pins or folder.with_name(folder.name + "-pins")
    try:
        if args.bundle:
            doubts = verify_bundle(folder, args.key.read_text("ascii") if args.key else "", args.headers)
        else:
            verify = verify_tiles if args.tiles else verify_folder
            doubts = verify(folder, pins, (args.key or folder / "public.key").read_text("ascii"))
            if args.second_key or (folder / KEY_FILE).exists():
                verify_second(folder, pins, (args.second_key or folder / KEY_FILE).read_text("ascii"))
    except WRONG as error:
        sys.stdout.write(f"tampered: {str(error) or 'a signature does not fit'}\n")
        return 1
    except (OSError, ImportError, UnsupportedAlgorithm) as error:
        sys.stdout.write(f"cannot tell: {error}\n")
        return 3
    sys.stdout.write("".join(f"cannot tell: {doubt}\n" for doubt in doubts) or "intact\n")
    return 3 if doubts else 0


if __name__ == "__main__":
    raise SystemExit(main())
