"""Carry out what a person asked for, and end the request with it.

A hold turns an erasure into a held request; whatever goes wrong leaves a step `failed` behind, and the request open.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from audit.erase import Certificate, Eraser, Why
from audit.errors import AuditError, UnknownSubject
from audit.log import AuditLog
from audit.packs import RightKind
from audit.rights import restrict
from audit.rights.bundle import Bundle, export_subject
from audit.rights.errors import StepRefused
from audit.rights.requests import Asked, By, Desk, SubjectRequest


@dataclass(frozen=True, slots=True)
class Correction:
    """What to set beside which record."""

    record: str
    text: str


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """The request afterwards, and what came of it. missing: whether nothing of this person is stored."""

    request: SubjectRequest
    certificate: Certificate | None = None
    bundle: Bundle | None = None
    restriction: str = ""
    correction: str = ""
    missing: bool = False


def fulfil(
    log: AuditLog, request_id: str, by: By, *, backups_until_us: int = 0, correction: Correction | None = None,
    headers: bool = False,
) -> Fulfilled:  # fmt: skip
    """Do what was asked and record it: export, erase, restrict or correct. What is done by hand is only recorded.

    correction: needed for a rectification. headers: whether an export holds all headers, so that its completeness can be
    checked without the folder. backups_until_us: when the last backup of the key store is gone.

    Raises:
        StepRefused, IdentityNotVerified: it may not be carried out now.
        AuditError: it went wrong, which is recorded; it may be tried again.
    """
    desk = Desk(log)
    request = desk.ready(request_id)
    asked = desk.asked(request.id, by)
    try:
        done = _carry_out(log, request, asked, by, backups_until_us, correction, headers)
    except UnknownSubject:
        done = Fulfilled(request, missing=True)
    except AuditError:
        desk.fail(request.id, by)
        raise
    if done.certificate is not None and done.certificate.deferred_by:
        return replace(done, request=desk.hold(request.id, replace(by, ground="legal-hold")))
    return replace(done, request=desk.done(request.id, replace(by, ground="no-data" if done.missing else by.ground)))


def _carry_out(
    log: AuditLog, request: SubjectRequest, asked: Asked, by: By, backups_until_us: int, correction: Correction | None,
    headers: bool,
) -> Fulfilled:  # fmt: skip
    match request.kind:
        case RightKind.ERASURE:
            why = Why(by.who, by.ticket, by.ground or f"{request.pack}-erasure", request.id, backups_until_us)
            return Fulfilled(request, certificate=Eraser(log).erase(asked.tenant, asked.subject, why))
        case RightKind.ACCESS | RightKind.PORTABILITY | RightKind.EXPLANATION:
            bundle = export_subject(
                log, asked.tenant, asked.subject, who=by.who, ticket=by.ticket, purpose="rights", request=request.id,
                headers=headers,
            )  # fmt: skip
            return Fulfilled(request, bundle=bundle)
        case RightKind.RESTRICTION:
            placed = restrict.place(log, asked.tenant, asked.subject, who=by.who, ticket=by.ticket, request=request.id)
            return Fulfilled(request, restriction=placed.id)
        case RightKind.RECTIFICATION:
            if correction is None:
                raise StepRefused("a correction names a record and a text", hint="--record ID --text '...'")
            made = restrict.correct(
                log, asked.tenant, asked.subject, correction.record, correction.text, who=by.who, request=request.id
            )
            return Fulfilled(request, correction=made)
        case RightKind.OBJECTION | RightKind.OPT_OUT | RightKind.LIMIT:
            return Fulfilled(request)  # what stops is outside this log; the step says who saw to it
        case _:
            assert_never(request.kind)
