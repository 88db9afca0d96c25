"""What vouches for a released model: a signed list of its files, what made them, and what was measured.

`release.json` lies in the model's folder and holds the manifest, its Ed25519 signature and the signer's public key.
Invariants
1. Every file of the folder but `release.json` is listed with its SHA-256 and size; a file more, less or other is refused.
2. The signature covers the canonical JSON of the manifest behind a prefix of its own, so it can stand for nothing else.
3. `verify_release` trusts the keys it was given, never the one in the file.

This module loads no model stack: the gateway's door uses it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from alignment.errors import NotReleased, UnusableReleaseKey
from haechi.base.errors import UnwritableOutput

FILE: Final = "release.json"
FORMAT: Final = 1
_PREFIX: Final = b"haechi-release/1\0"
_PRIVATE: Final = "haechi-release-private-1:"
_PUBLIC: Final = "haechi-release-public-1:"


@dataclass(frozen=True, slots=True)
class Release:
    """Proof that a folder is what a trusted signer released."""

    manifest: dict[str, Any]
    signer: str

    @property
    def name(self) -> str:
        """What the release is called."""
        return str(self.manifest["name"])


def file_digests(folder: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file below a folder but `release.json`, by path.

    Raises:
        NotReleased: the folder holds a link, or something that is no file.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            continue
        name = path.relative_to(folder).as_posix()
        if name == FILE:
            continue
        if path.is_symlink() or not path.is_file():
            raise NotReleased(f"{folder}: {name} is not a plain file", hint="copy the model into a folder of its own")
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        found[name] = {"sha256": digest, "bytes": path.stat().st_size}
    return found


def root_of(files: dict[str, dict[str, Any]]) -> str:
    """One digest for all files, `sha256:<hex>`."""
    return "sha256:" + hashlib.sha256(_canonical(files)).hexdigest()


def sign_release(folder: Path, manifest: dict[str, Any], key: Ed25519PrivateKey) -> Path:
    """Write `release.json` for the folder as it is now; `manifest` is completed with the files.

    Raises:
        UnwritableOutput: the folder cannot be written.
    """
    files = file_digests(folder)
    whole = {**manifest, "format": FORMAT, "files": files, "root": root_of(files)}
    signature = base64.b64encode(key.sign(_PREFIX + _canonical(whole))).decode()
    said = {"manifest": whole, "signature": signature, "key": public_line(key.public_key())}
    path = folder / FILE
    beside = path.with_suffix(".partial")
    try:
        beside.write_text(json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False), "utf-8")
        beside.replace(path)
    except OSError as error:
        raise UnwritableOutput(f"cannot write {path}: {error.strerror}") from error
    return path


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest in a folder without believing it; None when there is none to read."""
    try:
        said = json.loads((folder / FILE).read_text("utf-8"))
        manifest = said["manifest"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if isinstance(manifest, dict) else None


def verify_release(folder: Path, trusted: Iterable[str]) -> Release:
    """Prove that every file of the folder is the one that a trusted key released.

    trusted: public key lines, as `haechi release` writes them.

    Raises:
        NotReleased: there is no manifest, no trusted signature, or a file differs; the message names it.
        UnusableReleaseKey: a trusted line is no key.
    """
    keys = {line.strip(): read_public(line) for line in trusted}
    whole, signature = _read(folder)
    signer = next((line for line, key in keys.items() if _signed(key, whole, signature)), None)
    if signer is None:
        raise NotReleased(
            f"{folder / FILE} is not signed by a trusted key", hint="release_key names the public keys that are trusted"
        )
    if whole.get("format") != FORMAT or not isinstance(whole.get("files"), dict):
        raise NotReleased(f"{folder / FILE} has a format this release does not know", hint="update Haechi")
    if whole.get("contains_erased"):
        raise NotReleased(f"{folder}: trained on rows of an erased person", hint="train again on the rebuilt data")
    _compare(folder, whole["files"], file_digests(folder))
    return Release(whole, signer)


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    path = folder / FILE
    try:
        said = json.loads(path.read_text("utf-8"))
        return dict(said["manifest"]), base64.b64decode(said["signature"], validate=True)
    except FileNotFoundError as error:
        raise NotReleased(
            f"{folder} has no {FILE}: it went through no gate", hint="haechi release RUN --baseline MODEL writes it"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise NotReleased(f"{path} cannot be read ({type(error).__name__})", hint="release the run again") from error


def _signed(key: Ed25519PublicKey, manifest: dict[str, Any], signature: bytes) -> bool:
    try:
        key.verify(signature, _PREFIX + _canonical(manifest))
    except InvalidSignature:
        return False
    return True


def _compare(folder: Path, listed: dict[str, Any], found: dict[str, dict[str, Any]]) -> None:
    for name in sorted(listed.keys() | found.keys()):
        if name not in found:
            raise NotReleased(f"{folder}: {name} is missing since the release", hint="restore the released folder")
        if name not in listed:
            raise NotReleased(f"{folder}: {name} was added since the release", hint="restore the released folder")
        if listed[name] != found[name]:
            raise NotReleased(f"{folder}: {name} was changed since the release", hint="restore the released folder")


def obtain_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file (mode 0600), made with its public half beside it (`.pub`) when there is none.

    Raises:
        UnusableReleaseKey: the file is no key, or cannot be read or made.
    """
    try:
        if not path.exists():
            _make_key(path)
        return Ed25519PrivateKey.from_private_bytes(_after(_PRIVATE, path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise UnusableReleaseKey(
            f"{path} cannot be used as a release key ({type(error).__name__})", hint="--key names another file"
        ) from error


def _make_key(path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(_PRIVATE + base64.b64encode(secret).decode() + "\n")
    public_path(path).write_text(public_line(key.public_key()) + "\n", "utf-8")


def public_path(path: Path) -> Path:
    """Where the public half lies."""
    return path.with_name(path.name + ".pub")


def public_line(key: Ed25519PublicKey) -> str:
    """A public key as one line of text."""
    return _PUBLIC + base64.b64encode(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def read_public(line: str) -> Ed25519PublicKey:
    """The key of a public line.

    Raises:
        UnusableReleaseKey: it is none.
    """
    try:
        return Ed25519PublicKey.from_public_bytes(_after(_PUBLIC, line))
    except ValueError as error:
        raise UnusableReleaseKey(
            "release_key is not a public key of a releaser", hint=f"a line that begins with {_PUBLIC}"
        ) from error


def trusted_keys(setting: str) -> tuple[str, ...]:
    """The public lines that a setting names: a line, or a file with one on each line.

    Raises:
        UnusableReleaseKey: none, or not readable.
    """
    if setting.strip().startswith(_PUBLIC):
        return (setting.strip(),)
    try:
        lines = tuple(line.strip() for line in Path(setting).read_text("utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableReleaseKey(f"{setting} cannot be read", hint="release_key is a .pub file or its line") from error
    if not lines:
        raise UnusableReleaseKey(f"{setting} holds no key", hint="haechi release writes KEY.pub")
    for line in lines:
        read_public(line)
    return lines


def _after(mark: str, line: str) -> bytes:
    """The bytes behind a mark; ValueError when the line does not begin with it."""
    if not line.strip().startswith(mark):
        raise ValueError("another kind of line")
    return base64.b64decode(line.strip().removeprefix(mark), validate=True)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")
