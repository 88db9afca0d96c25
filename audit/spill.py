"""Spill files: records on their way to a log that cannot be written now (FORMAT.md section 14).

    "haechi-spill/1" LF id SP wrapped-key LF        the head; id and key in hexadecimal
    length(4) tag(16) chain(32) nonce|ciphertext    one frame a record, integers big endian

Rules of this file
1. A frame counts once `fdatasync` returned; a torn one at the end was never acknowledged.
2. Content lies here encrypted under the file's own random key, and `chain` = SHA-256(chain before | ciphertext): a frame
   cannot be changed, moved or taken out of the middle. `tag` = HMAC-SHA-256(key, "frame" | number(8) | length | chain)
   tells a frame that a crash tore from one whose length was altered. Whole frames cut from the end cannot be noticed.
3. The first megabytes are written with zeros beforehand, so that a full disk, or one that is busy with its journal, still
   takes them.
4. Who writes the file holds a lock on it; one without a lock was left by a process that died.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import KeysUnavailable, LogUnavailable, TamperedLog
from audit.kms import Kms
from audit.store import sync_folder

MAGIC = b"haechi-spill/1\n"
SUFFIX = ".spill"
DAMAGED = ".damaged"
RESERVE_BYTES = 4 << 20
_FRAME = struct.Struct(">I16s32s")
_LONGEST_HEAD = 64 * 1024


class SpillFile:
    """The file that this process writes."""

    def __init__(self, folder: Path, kms: Kms, *, reserve: int = RESERVE_BYTES) -> None:
        """Make it.

        Raises:
            LogUnavailable: the folder cannot be written.
            KeysUnavailable: the file's key cannot be wrapped.
        """
        self.id = secrets.token_hex(16)
        self.path = folder / f"{self.id}{SUFFIX}"
        key = os.urandom(32)
        head = MAGIC + f"{self.id} {kms.wrap(key, _bound(self.id)).hex()}\n".encode("ascii")
        self._key = key
        self._cipher = AESGCM(key)
        self._chain = hashlib.sha256(head).digest()
        self.count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unavailable(self.path, error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            _write_all(self._handle, head + bytes(reserve), 0)
            os.fsync(self._handle)
            sync_folder(folder)
        except OSError as error:
            os.close(self._handle)  # or a full disk would keep what was reserved
            self.path.unlink(missing_ok=True)
            raise _unavailable(self.path, error) from error
        self._end = self._start = len(head)
        self._identity = _identity(os.fstat(self._handle))

    @property
    def size_bytes(self) -> int:
        """Bytes of frames."""
        return self._end - self._start

    def append(self, records: list[bytes]) -> None:
        """Add records durably.

        Raises:
            LogUnavailable: none of them counts: the file was moved or replaced, or the disk does not take them.
        """
        frames, chain = list[bytes](), self._chain
        for record in records:
            nonce = os.urandom(12)
            sealed = nonce + self._cipher.encrypt(nonce, record, chain)
            chain = hashlib.sha256(chain + sealed).digest()
            tag = _tag(self._key, self.count + len(frames), len(sealed), chain)
            frames.append(_FRAME.pack(len(sealed), tag, chain) + sealed)
        data = b"".join(frames)
        try:
            if _identity(self.path.stat()) != self._identity:
                raise FileNotFoundError(2, "moved or replaced")
            _write_all(self._handle, data, self._end)
            os.fdatasync(self._handle)
        except OSError as error:
            raise _unavailable(self.path, error) from error
        self._end += len(data)
        self._chain = chain
        self.count += len(records)

    def discard(self) -> None:
        """Remove it: its records are in the log."""
        try:
            wipe(self.path, self._start)
        finally:
            os.close(self._handle)

    def let_go(self) -> None:
        """Leave it for the next process."""
        os.close(self._handle)


def wipe(path: Path, head: int = _LONGEST_HEAD) -> None:
    """Write over the key, then remove the file."""
    try:
        with path.open("r+b") as file:
            file.write(bytes(min(head, path.stat().st_size)))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unavailable(path, error) from error


def left_behind(folder: Path) -> list[Path]:
    """Spill files whose process is gone, oldest first."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime):
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(path)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
    return found


def read(path: Path, kms: Kms) -> Iterator[bytes]:
    """The records of a file, in order.

    Raises:
        TamperedLog: after the last good record, when what follows was altered and not only torn off.
        KeysUnavailable: the file's key does not open.
        LogUnavailable: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            magic, line = file.readline(64), file.readline(_LONGEST_HEAD)
            head = magic + line
            if not any(head):
                return  # a crash while it was made, or while it was wiped
            words = line.split()
            if magic != MAGIC or len(words) != 2 or path.name != f"{words[0].decode('ascii', 'replace')}{SUFFIX}":
                raise TamperedLog(f"the spill file {path} has no head of its own", hint="keep it; it is evidence")
            key = kms.unwrap(bytes.fromhex(words[1].decode("ascii")), _bound(words[0].decode("ascii")))
            yield from _frames(file, path, key, hashlib.sha256(head).digest())
    except OSError as error:
        raise _unavailable(path, error) from error
    except ValueError as error:
        raise KeysUnavailable(f"the key of the spill file {path} is damaged", hint="keep it; it is evidence") from error


def _frames(file: BinaryIO, path: Path, key: bytes, chain: bytes) -> Iterator[bytes]:
    cipher, number = AESGCM(key), 0
    while True:
        start = file.tell()
        head = file.read(_FRAME.size)
        length, tag, said = _FRAME.unpack(head) if len(head) == _FRAME.size else (0, b"", b"")
        genuine = hmac.compare_digest(tag, _tag(key, number, length, said))
        sealed = file.read(length) if genuine else b""
        try:
            record = cipher.decrypt(sealed[:12], sealed[12:], chain) if genuine else None
        except (InvalidTag, ValueError):
            record = None
        chain = hashlib.sha256(chain + sealed).digest()
        if record is None or chain != said:
            if _written_until(file, start) < start + _FRAME.size + length * genuine:
                return  # the end, or a frame that a crash tore
            raise TamperedLog(f"the spill file {path} was altered after record {number}", hint="keep it: evidence")
        number += 1
        yield record


def _written_until(file: BinaryIO, start: int) -> int:
    """Where the zeros begin that reach to the end of the file; `start` when there is nothing else from there on."""
    end = at = file.seek(start)
    while data := file.read(1 << 20):
        if kept := data.rstrip(b"\0"):
            end = at + len(kept)
        at += len(data)
    return end


def _tag(key: bytes, number: int, length: int, chain: bytes) -> bytes:
    return hmac.digest(key, b"frame" + struct.pack(">QI", number, length) + chain, "sha256")[:16]


def _write_all(handle: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, at)
        at += written
        view = view[written:]


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _bound(spill: str) -> bytes:
    return b"spill\0" + spill.encode("ascii")


def _unavailable(path: Path, error: OSError) -> LogUnavailable:
    return LogUnavailable(
        f"the spill file {path} cannot be used: {error.strerror}", hint="check that folder's disk, owner and mode"
    )
