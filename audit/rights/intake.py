"""Take a request in the form of OpenDSR (opendsr.org, version 2.0), and answer as it asks; HTTP is the caller's.

POST /requests: `accept` -> 201 with the answer. GET /requests/{id}: `status_of` -> 200. DELETE: `Desk.withdraw`. GET /discovery:
`discovery`. An identity in such a request is a claim: the identity check of the pack comes before anything is done.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from audit.log import AuditLog
from audit.packs import RightKind
from audit.rights.errors import InvalidIntake
from audit.rights.requests import Asked, By, Desk, State, SubjectRequest

MOST_BYTES = 64 * 1024
_REGULATIONS = {"gdpr": "gdpr", "ccpa": "ccpa"}
_KINDS = {"access": RightKind.ACCESS, "portability": RightKind.PORTABILITY, "erasure": RightKind.ERASURE}
_IDENTITIES = ("controller_customer_id", "email")
_STATUS = {
    State.DONE: "completed",
    State.REFUSED: "cancelled",
    State.WITHDRAWN: "cancelled",
    State.RECEIVED: "pending",
    State.IDENTITY_CHECK: "pending",
}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request, and the JSON to answer with (status 201). `encoded_request` lets the sender recognise what was taken."""

    request: SubjectRequest
    answer: dict[str, Any]


def accept(log: AuditLog, tenant: str, body: bytes, by: By) -> Accepted:
    """Open the request that a body asks for.

    Raises:
        InvalidIntake: not JSON, not this form, too large, or of a kind or regulation that is not offered.
    """
    given = _parse(body)
    regulation, kind = given.get("regulation"), given.get("subject_request_type")
    if regulation not in _REGULATIONS or kind not in _KINDS:
        raise InvalidIntake("regulation or subject_request_type is not offered", hint="GET /discovery lists them")
    outside = given.get("subject_request_id")
    if not isinstance(outside, str) or not 1 <= len(outside) <= 64:
        raise InvalidIntake("subject_request_id is missing")
    asked = Asked(tenant, _subject(given), _KINDS[kind], _REGULATIONS[regulation], "", outside, "opendsr")
    request = Desk(log).open(asked, by)
    answer = {
        "controller_id": log.origin,
        "subject_request_id": outside,
        "request_id": request.id,
        "received_time": _utc(request.received_us),
        "expected_completion_time": _utc(request.due_us),
        "encoded_request": base64.b64encode(body).decode("ascii"),
        "api_version": "2.0",
    }
    return Accepted(request, answer)


def status_of(log: AuditLog, request_id: str) -> dict[str, Any]:
    """The answer to a question about a request.

    Raises:
        UnknownRequest: there is none of that id.
    """
    request = Desk(log).find(request_id)
    return {
        "controller_id": log.origin,
        "request_id": request.id,
        "request_status": _STATUS.get(request.state(log.clock.now_us()), "in_progress"),
        "expected_completion_time": _utc(request.due_us),
        "api_version": "2.0",
    }


def discovery(log: AuditLog) -> dict[str, Any]:
    """What is offered."""
    public = (log.folder / "public.key").read_text("ascii").strip()
    return {
        "api_version": "2.0",
        "supported_identities": [{"identity_type": name, "identity_format": "raw"} for name in _IDENTITIES],
        "supported_subject_request_types": sorted(_KINDS),
        "processor_certificate": f"sha256:{hashlib.sha256(public.encode()).hexdigest()}",
    }


def _parse(body: bytes) -> dict[str, Any]:
    if len(body) > MOST_BYTES:
        raise InvalidIntake(f"a request holds at most {MOST_BYTES} bytes")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidIntake("a request is JSON") from error
    if not isinstance(given, dict):
        raise InvalidIntake("a request is a JSON object")
    return given


def _subject(given: dict[str, Any]) -> str:
    listed = given.get("subject_identities")
    for kind in _IDENTITIES:
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and one.get("identity_type") == kind and one.get("identity_format") == "raw":
                value = one.get("identity_value")
                if isinstance(value, str) and 1 <= len(value) <= 512:
                    return value
    raise InvalidIntake("no usable identity", hint=f"identity_type {' or '.join(_IDENTITIES)}, identity_format raw")


def _utc(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
