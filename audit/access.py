"""Who may read content: a roles file, restrictions, and break-glass with a second person.

Rules of this file
1. Where `roles.json` lies in the audit folder, only persons named there with the right role may read. Without it anybody
   who holds the keys may, with a purpose and a ticket, as the log's own rule is.
2. Break-glass is for what a role does not allow: it takes an approval that another person signed for this record, this
   purpose, this ticket and this reader, for an hour at most, once. The approval is in the log before the content is read.
3. Restricted content is read for a few purposes only (`audit.rights.restrict.ALLOWED`), whatever the role.

Who somebody is, is the caller's to know: the command line takes `--who` at its word, the console checks a password.
"""

from __future__ import annotations

import base64
import enum
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from audit import canonical
from audit.errors import AccessRefused
from audit.events import Event, EventType, Segment
from audit.log import AuditLog, Content
from audit.publisher import SYSTEM
from audit.rights.errors import ApprovalRefused, InvalidRoles, RestrictedContent
from audit.rights.restrict import ALLOWED, restricts

ROLES_FILE = "roles.json"
MOST_MINUTES = 60
BREAK_GLASS = "break-glass"
_DOMAIN = b"haechi-audit-approval/1\0"
_SCRYPT_N = 1 << 15


class Role(enum.StrEnum):
    """What somebody does. OPERATOR runs the gateway, AUDITOR sees headers and proofs, OFFICER answers persons, INVESTIGATOR reads."""

    OPERATOR = "operator"
    AUDITOR = "auditor"
    OFFICER = "privacy-officer"
    INVESTIGATOR = "investigator"


READERS = frozenset({Role.OFFICER, Role.INVESTIGATOR})
APPROVERS = frozenset({Role.OFFICER, Role.AUDITOR})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the roles file. key: Ed25519 public key for approvals, empty when they give none."""

    name: str
    roles: frozenset[Role]
    key: bytes = b""


@dataclass(frozen=True, slots=True)
class Roles:
    """Everybody who may do something; None of `persons` when there is no file."""

    persons: Mapping[str, Person] | None

    @classmethod
    def load(cls, folder: Path) -> Roles:
        """Read `roles.json`: `{"persons": {"J. Lee": {"roles": ["investigator"], "key": "base64"}}}`.

        Raises:
            InvalidRoles: it is there and not in its form.
        """
        path = folder / ROLES_FILE
        if not path.exists():
            return cls(None)
        try:
            given = json.loads(path.read_text("utf-8"))
            if given.keys() != {"persons"}:
                raise InvalidRoles(f"{ROLES_FILE} holds `persons` and nothing else")
            return cls({name: _person(name, one) for name, one in given["persons"].items()})
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            raise InvalidRoles(f"{ROLES_FILE} is not in its form", hint="docs/privacy.md shows it") from error

    def may_read(self, who: str) -> bool:
        """Whether somebody may read content without a second person."""
        return self.persons is None or bool(self.persons.get(who, Person(who, frozenset())).roles & READERS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to read, and why. tenant `_system` and its numbers are meant as well. place: where they sit."""

    tenant: str
    seq: int
    who: str
    purpose: str
    ticket: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """A second person's word. record: id of the record. until_us: when it ends. signature: over all of it, base64."""

    id: str
    log: str
    record: str
    reader: str
    purpose: str
    ticket: str
    approver: str
    until_us: int
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the approver signs."""
        fields = {name: value for name, value in asdict(self).items() if name != "signature"}
        return _DOMAIN + json.dumps(fields, sort_keys=True).encode()

    def text(self) -> str:
        """The file that is handed over."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def parse(cls, text: str) -> Approval:
        """Read such a file; nothing is verified.

        Raises:
            ApprovalRefused: it is none.
        """
        try:
            given = json.loads(text)
            made = cls(**given)
        except (ValueError, TypeError, RecursionError) as error:
            raise ApprovalRefused("this is no approval", hint="haechi audit approve makes one") from error
        texts = (made.id, made.log, made.record, made.reader, made.purpose, made.ticket, made.approver, made.signature)
        if not all(isinstance(one, str) for one in texts) or not isinstance(made.until_us, int):
            raise ApprovalRefused("this is no approval", hint="haechi audit approve makes one")
        return made


def make_approver(path: Path, passphrase: str) -> str:
    """Make a key for approvals in a new file under a passphrase. Returns the public key for the roles file.

    Raises:
        ApprovalRefused: the file is there already, or the passphrase is shorter than 12 characters.
    """
    if len(passphrase) < 12:
        raise ApprovalRefused("a passphrase has 12 characters or more")
    key, salt, nonce = Ed25519PrivateKey.generate(), os.urandom(16), os.urandom(12)
    sealed = AESGCM(_stretch(passphrase, salt)).encrypt(nonce, key.private_bytes_raw(), _DOMAIN)
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump({"salt": _text(salt), "key": _text(nonce + sealed)}, file)
    except FileExistsError as error:
        raise ApprovalRefused(f"{path} is there already", hint="name another file") from error
    return _text(key.public_key().public_bytes_raw())


def approve(
    log: AuditLog, wanted: Wanted, *, approver: str, key_file: Path, passphrase: str, minutes: int = 30
) -> Approval:
    """Sign that somebody else may read one record.

    Raises:
        ApprovalRefused: the same person, a person without the role, another key, too long, no such record.
    """
    person = _approver(Roles.load(log.folder), approver)
    if approver == wanted.who:
        raise ApprovalRefused("nobody approves their own reading", hint="ask a second person")
    if not 1 <= minutes <= MOST_MINUTES:
        raise ApprovalRefused(f"an approval lasts 1 to {MOST_MINUTES} minutes", hint="--minutes 30")
    key = _open_key(key_file, passphrase)
    if key.public_key().public_bytes_raw() != person.key:
        raise ApprovalRefused("this key is not the one of the roles file", hint="haechi audit approver")
    plain = Approval(
        secrets.token_hex(16), log.log_name(wanted.tenant), _header(log, wanted)["id"], wanted.who, wanted.purpose,
        wanted.ticket, approver, log.clock.now_us() + minutes * 60_000_000,
    )  # fmt: skip
    return Approval(**{**asdict(plain), "signature": _text(key.sign(plain.signed_bytes()))})


def read_content(log: AuditLog, wanted: Wanted, approval: Approval | None = None) -> tuple[Content, ...]:
    """Decrypt a record for somebody who may see it; recorded first, or nothing is shown.

    Raises:
        AccessRefused: who, purpose, ticket or role is missing, or there is no such record.
        RestrictedContent: processing is restricted, and this is none of the purposes that stay.
        ApprovalRefused: the approval does not fit.
        InvalidRoles: the roles file cannot be used.
    """
    if not wanted.who or not wanted.purpose or not wanted.ticket:
        raise AccessRefused(
            "reading content needs who, a purpose and a ticket", hint="--purpose incident --ticket T-123"
        )
    roles, header = Roles.load(log.folder), _header(log, wanted)
    if approval is not None:
        _use(log, roles, wanted, header, approval)
    elif not roles.may_read(wanted.who):
        raise AccessRefused(
            "the roles file lets this person read no content", hint="--break-glass with a second person's --approval"
        )
    restriction = restricts(log, header["ten"], [part["kid"] for part in header["segs"]])
    if restriction and wanted.purpose not in ALLOWED:
        raise RestrictedContent(
            f"restriction {restriction} forbids this purpose", hint=f"purposes that stay: {', '.join(sorted(ALLOWED))}"
        )
    ticket = f"{wanted.ticket}\n{wanted.place}" if wanted.place else wanted.ticket  # the third line of the entry
    return log.read(wanted.tenant, wanted.seq, who=wanted.who, purpose=wanted.purpose, ticket=ticket)


def _use(log: AuditLog, roles: Roles, wanted: Wanted, header: Mapping[str, Any], approval: Approval) -> None:
    """Verify an approval and record that it is used, before anything is read."""
    person = _approver(roles, approval.approver)
    meant = (log.log_name(wanted.tenant), header["id"], wanted.who, wanted.purpose, wanted.ticket)
    if (approval.log, approval.record, approval.reader, approval.purpose, approval.ticket) != meant:
        raise ApprovalRefused("the approval is for another record, person, purpose or ticket", hint="ask again")
    if approval.approver == wanted.who:
        raise ApprovalRefused("nobody approves their own reading", hint="ask a second person")
    now = log.clock.now_us()
    if not now < approval.until_us <= now + MOST_MINUTES * 60_000_000:
        raise ApprovalRefused("the approval is over, or lasts too long", hint="ask again")
    try:
        signature = base64.b64decode(approval.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(person.key).verify(signature, approval.signed_bytes())
    except (InvalidSignature, ValueError) as error:
        raise ApprovalRefused("the approval is not signed by that person") from error
    seq = log.record(
        Event(
            EventType.ACCESS_APPROVED, SYSTEM, approval.id, act="access.approved", decision="none", reason=BREAK_GLASS,
            previous=header["id"], purpose=wanted.purpose, until_us=approval.until_us,
            segments=(_both(wanted, approval),),
        ),
        within_s=10,
    )  # fmt: skip
    if _first_use(log, approval.id) != seq:
        raise ApprovalRefused("the approval was used before", hint="ask again")


def _both(wanted: Wanted, approval: Approval) -> Segment:
    text = f"{wanted.who}\n{wanted.ticket}\n{approval.approver}\n{approval.signature}"
    return Segment("access", text.encode(), wanted.who, "access-2y")


def _first_use(log: AuditLog, approval_id: str) -> int:
    """Where the approval was recorded first: of two readers at once one is the first."""
    store = log.open_store(read_only=True)
    try:
        mark = f'"req":"{approval_id}"'.encode()
        return next(
            seq for seq, leaf in store.headers(log.log_name(SYSTEM)) if mark in leaf and b'"access.approved"' in leaf
        )
    finally:
        store.close()


def _header(log: AuditLog, wanted: Wanted) -> dict[str, Any]:
    store = log.open_store(read_only=True)
    try:
        found = next(iter(store.headers(log.log_name(wanted.tenant), wanted.seq, 1)), None)
    finally:
        store.close()
    if found is None or found[0] != wanted.seq:
        raise AccessRefused(f"log {wanted.tenant!r} has no record {wanted.seq}", hint="haechi audit show lists them")
    return canonical.decode(found[1])


def _approver(roles: Roles, name: str) -> Person:
    person = (roles.persons or {}).get(name)
    if person is None or not person.roles & APPROVERS or len(person.key) != 32:
        raise ApprovalRefused(
            "approvals come from a privacy officer or auditor of the roles file with a key", hint="docs/privacy.md"
        )
    return person


def _person(name: str, given: Mapping[str, Any]) -> Person:
    if not given.keys() <= {"roles", "key"}:
        raise InvalidRoles(f"{ROLES_FILE}: a person has `roles` and `key`")
    key = base64.b64decode(given.get("key", ""), validate=True)
    if len(key) not in {0, 32}:
        raise InvalidRoles(f"{ROLES_FILE}: a key has 32 bytes", hint="haechi audit approver")
    return Person(name, frozenset(Role(role) for role in given["roles"]), key)


def _open_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    try:
        given = json.loads(path.read_text("ascii"))
        salt, sealed = base64.b64decode(given["salt"]), base64.b64decode(given["key"])
        raw = AESGCM(_stretch(passphrase, salt)).decrypt(sealed[:12], sealed[12:], _DOMAIN)
    except (OSError, ValueError, KeyError, TypeError, InvalidTag) as error:
        raise ApprovalRefused(
            "the key file does not open with this passphrase", hint="haechi audit approver"
        ) from error
    return Ed25519PrivateKey.from_private_bytes(raw)


def _stretch(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=_SCRYPT_N, r=8, p=1).derive(passphrase.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
