"""The files of a model, each shown to be the one that the policy means before anything reads it.

Rules of this file
1. Every file that a loader could read is listed with its digest, or comes from a full commit of a hub's cache.
2. A file that is there and not listed is an error: a loader might read it.
3. Nothing is fetched from anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from guard.backends.document import ModelDocument
from guard.backends.errors import ModelFileAltered, ModelFileMissing, ModelNotPinned
from haechi.base.errors import MissingExtra

EXTRA: Final = "local"
"""The part of the distribution that brings torch and transformers."""
_PROSE: Final = ("readme", "license", "licence", "notice", "use_policy", ".git")
_PIN: Final = "python -m guard.backends.pin PATH prints the lines for the policy"


def model_folder(document: ModelDocument, base: Path) -> Path:
    """The folder of a model, every file of it shown to be the right one.

    base: where relative paths begin.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered; MissingExtra for a model of a hub without its client.
    """
    if document.hub:
        folder = _cached(document.hub, document.revision)
        if document.sha256:
            verify(folder, document.sha256, sorted(document.sha256))
        return folder
    folder = base / document.path
    verify_folder(folder, document.sha256)
    return folder


def verify_folder(folder: Path, digests: Mapping[str, str], *, elsewhere: Iterable[str] = ()) -> None:
    """Show that a folder holds exactly the listed files, prose aside. elsewhere: listed files that are not in it."""
    if not folder.is_dir():
        raise ModelFileMissing(f"there is no folder {folder}", hint="a relative path begins at the policy file")
    found = list(readable_files(folder))
    stray = [name for name in found if name not in digests]
    if stray:
        raise ModelNotPinned(f"{folder}: not pinned: {', '.join(stray[:5])}", hint=_PIN)
    verify(folder, digests, sorted({*found, *digests}.difference(elsewhere)))


def verify(folder: Path, digests: Mapping[str, str], names: Iterable[str]) -> None:
    """Show that files are there and have their digests."""
    for name in names:
        path = folder / name
        if name not in digests:
            raise ModelNotPinned(f"{path} is not pinned", hint=_PIN)
        try:
            found = sha256_of(path)
        except OSError as error:
            raise ModelFileMissing(
                f"{path}: {error.strerror}", hint="docs/backends.md tells what goes where"
            ) from error
        if found != digests[name]:
            raise ModelFileAltered(
                f"{path} has digest {found[:12]}..., the policy wants {digests[name][:12]}...", hint="copy it again"
            )


def readable_files(folder: Path) -> Iterator[str]:
    """Names of the files below a folder that a loader could read, in order; prose is left out."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.lower().startswith(_PROSE) for part in name.parts):
            yield name.as_posix()


def sha256_of(path: Path) -> str:
    """The digest of a file, as 64 hexadecimal digits."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _cached(hub: str, revision: str) -> Path:
    """The folder of a commit in this machine's cache; nothing is downloaded."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("a model of a hub", EXTRA) from error
    try:
        return Path(snapshot_download(hub, revision=revision, local_files_only=True))
    except (OSError, ValueError) as error:
        raise ModelFileMissing(
            f"{hub} at {revision[:12]} is not in this machine's cache",
            hint=f"hf download {hub} --revision {revision}",
        ) from error
