"""Print the `sha256` lines that a policy needs for a model: `python -m guard.backends.pin PATH [PATH ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from guard.backends.pinned import readable_files, sha256_of
from haechi.base.errors import ExitCode


def lines(paths: list[Path]) -> list[str]:
    """The lines for files and folders, in order."""
    pinned = ["    sha256:"]
    for path in paths:
        names = list(readable_files(path)) if path.is_dir() else [path.name]
        folder = path if path.is_dir() else path.parent
        pinned += [f'      "{name}": "{sha256_of(folder / name)}"' for name in names]
    return pinned


def main(arguments: list[str]) -> int:
    """Print the lines; 2 when there is nothing to pin."""
    paths = [Path(argument) for argument in arguments]
    if not paths or not all(path.exists() for path in paths):
        sys.stderr.write("usage: python -m guard.backends.pin PATH [PATH ...]\n")
        return int(ExitCode.USAGE)
    sys.stdout.write("\n".join(lines(paths)) + "\n")
    return int(ExitCode.OK)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
