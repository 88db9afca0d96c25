"""Checkpoints with a time that is not ours: RFC 3161 timestamps (FORMAT.md section 11).

A timestamp says that a checkpoint existed at a time, in the words of an authority that never sees a record. It bounds from
above when the records below it were written, also for who trusts neither our clock nor our signing key.

Rules of this file
1. What is stamped is the signed note, byte for byte: SHA-256 of it, with a nonce.
2. A response is checked before it is kept, and nothing of the network is needed to check it again.
"""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.x509 import Certificate, load_pem_x509_certificates

from audit.errors import LogUnavailable, MalformedNote, PartMissing, TamperedLog
from audit.kms import write_once
from audit.note import VerifierKey, verify
from audit.store_port import Store

TIMEOUT_S = 10
LONGEST_ANSWER = 64 * 1024
_MAY_NOT_BE_NEWER_S = 300
_NAME = re.compile(r"[0-9a-f]{32}-[0-9]+\.note")


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint and the time that an authority gave it. at_us: microseconds since 1970. policy: the authority's, an OID."""

    log: str
    size: int
    at_us: int
    policy: str


class Anchors:
    """A folder with a note and a timestamp for each anchored checkpoint; beside the pins, best on another machine."""

    def __init__(self, folder: Path, roots: bytes) -> None:
        """roots: certificates of authorities that are believed, PEM.

        Raises:
            MalformedNote: there is none.
            PartMissing: `rfc3161-client` is not installed.
        """
        self.folder = folder
        self._client = _load_client()
        try:
            self._roots: list[Certificate] = load_pem_x509_certificates(roots)
        except ValueError as error:
            raise MalformedNote("the file of authorities holds no certificate", hint="PEM, --tsa-root FILE") from error

    @staticmethod
    def beside(audit_folder: Path) -> Path:
        """Where anchors are when nobody chose a place: `<folder>-anchors`."""
        whole = audit_folder.resolve()
        return whole.with_name(f"{whole.name}-anchors")

    def ask(self, url: str, key: VerifierKey, note: bytes) -> Anchor:
        """Have a checkpoint stamped, check the answer, and keep both.

        Raises:
            LogUnavailable: no answer, or the folder cannot be written.
            TamperedLog: the answer does not verify.
        """
        builder = self._client.TimestampRequestBuilder().data(note).nonce(nonce=True).cert_request(cert_request=True)
        request = builder.hash_algorithm(self._client.HashAlgorithm.SHA256).build()
        response = _post(url, request.as_bytes())
        anchor = self.check(key, note, response, nonce=request.nonce)
        stem = f"{hashlib.sha256(anchor.log.encode()).hexdigest()[:32]}-{anchor.size}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_once(self.folder / f"{stem}.tsr", response)
            write_once(self.folder / f"{stem}.note", note)  # last: a note is followed by its timestamp
        except OSError as error:
            raise LogUnavailable(
                f"{self.folder} cannot be written: {error.strerror}", hint="name a folder with --anchors"
            ) from error
        return anchor

    def check(self, key: VerifierKey, note: bytes, response: bytes, *, nonce: int | None = None) -> Anchor:
        """What a timestamp proves of a checkpoint.

        Raises:
            TamperedLog: it is not of this checkpoint, not by an authority that is believed, or from the future.
            MalformedNote: the note is none.
        """
        checkpoint = verify(note, key)
        try:
            answer = self._client.decode_timestamp_response(response)
            builder = self._client.VerifierBuilder()
            for root in self._roots:
                builder = builder.add_root_certificate(root)
            if nonce is not None:
                builder = builder.nonce(nonce)
            builder.build().verify_message(answer, note)
            info = answer.tst_info
        except (ValueError, TypeError, RuntimeError, self._client.VerificationError) as error:
            raise TamperedLog(
                f"the timestamp of {checkpoint.origin} at size {checkpoint.size} does not verify: {error}",
                hint="is the authority's root certificate the right one? Keep both files",
            ) from error
        at = info.gen_time if info.gen_time.tzinfo else info.gen_time.replace(tzinfo=UTC)
        if (at - datetime.now(UTC)).total_seconds() > _MAY_NOT_BE_NEWER_S:
            raise TamperedLog(f"the timestamp of {checkpoint.origin} is from the future", hint="whose clock is wrong?")
        return Anchor(checkpoint.origin, checkpoint.size, int(at.timestamp() * 1_000_000), info.policy.dotted_string)

    def verify(self, store: Store, key: VerifierKey) -> tuple[list[Anchor], list[str]]:
        """All anchors of the logs of a family, against the log as it is now; and what is wrong, in words.

        key: the line of `public.key`.
        """
        found, problems = [], []
        for path in sorted(self.folder.glob("*.note")):
            try:
                found.append(self._verify_one(store, key, path))
            except (TamperedLog, MalformedNote) as error:
                problems.append(f"{path.name}: {error.message}")
            except OSError as error:
                problems.append(f"{path.name}: {error.strerror}")
        return found, problems

    def _verify_one(self, store: Store, key: VerifierKey, path: Path) -> Anchor:
        if not _NAME.fullmatch(path.name):
            raise MalformedNote("not a name that an anchor has")
        note = path.read_bytes()
        log = note.split(b"\n", 1)[0].decode("ascii", "replace")
        if not log.startswith(f"{key.name}/"):
            raise TamperedLog("the checkpoint is of another family of logs")
        own = VerifierKey(log, key.public)
        anchor = self.check(own, note, path.with_suffix(".tsr").read_bytes())
        now = store.frontier_at(anchor.log, anchor.size)
        if (now.size, now.root()) != (anchor.size, verify(note, own).root):
            raise TamperedLog(f"the log does not hold the {anchor.size} records that were stamped")
        return anchor


def _post(url: str, query: bytes) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise LogUnavailable("a timestamp authority is asked over HTTP", hint="--tsa https://...")
    request = urllib.request.Request(url, query, {"content-type": "application/timestamp-query"})  # noqa: S310  # checked above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            found: bytes = answer.read(LONGEST_ANSWER + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise LogUnavailable(
            f"the timestamp authority does not answer: {type(error).__name__}", hint="try again later"
        ) from error
    if len(found) > LONGEST_ANSWER:
        raise LogUnavailable("the timestamp authority's answer is too long", hint="is it one?")
    return found


def _load_client() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise PartMissing(
            "timestamps need the package rfc3161-client", hint="pip install 'haechi[timestamp]'"
        ) from error
    return rfc3161_client
