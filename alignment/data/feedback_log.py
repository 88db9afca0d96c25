"""Read feedback, and the requests it is about, out of the audit log; every reading is recorded there.

Only what is needed is decrypted: feedback records first, then the requests that consented feedback names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from alignment.data.rows import Message

if TYPE_CHECKING:
    from audit.log import AuditLog

ACT: Final = "feedback"
PURPOSE: Final = "training"


@dataclass(frozen=True, slots=True)
class Given:
    """One piece of feedback. kind: `up`, `down`, `better`, `preferred`, `pair`, or empty for a mere withdrawal.

    request: of the answer that is judged. index: of the preferred choice. prompt, chosen, rejected: of a pair; chosen also
    holds a better answer.
    """

    seq: int
    user: str
    consent: bool
    kind: str
    request: str = ""
    index: int = 0
    prompt: tuple[Message, ...] = ()
    chosen: str = ""
    rejected: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and the answers that reached the person, by choice."""

    user: str
    prompt: tuple[Message, ...]
    answers: tuple[str, ...]
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Feedback in the order it came. erased: records with content whose key an erasure destroyed."""

    given: tuple[Given, ...]
    asked: Mapping[str, Asked]
    erased: frozenset[int]


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, and by which ticket; both are recorded."""

    who: str
    ticket: str


def gather(log: AuditLog, tenant: str, reading: Reading) -> Gathered:
    """Everything that people said of answers.

    Raises:
        AuditError: see AuditLog.read.
    """
    headers = _headers(log, tenant)
    destroyed = _erased_keys(log)
    erased = frozenset(
        seq for seq, header in headers.items() if any(part["kid"] in destroyed for part in header["segs"])
    )
    given: list[Given] = []
    for seq, header in headers.items():
        if header["act"] == ACT and header["typ"] == "request.received":
            contents = _read(log, tenant, seq, reading)
            one = _given(seq, contents.get("identity"), contents.get("prompt"))
            if one is not None:
                given.append(one)
    wanted = {one.request for one in given if one.consent and one.request}
    places: dict[str, list[int]] = {}
    for seq, header in headers.items():
        if header["req"] in wanted and header["act"] != ACT:
            places.setdefault(header["req"], []).append(seq)
    asked: dict[str, Asked] = {}
    for request, seqs in places.items():
        contents = {}
        for seq in seqs:
            contents |= _read(log, tenant, seq, reading)
        one_asked = _asked(contents, tuple(seqs))
        if one_asked is not None:
            asked[request] = one_asked
    return Gathered(tuple(given), asked, erased)


def _headers(log: AuditLog, tenant: str) -> dict[int, dict[str, Any]]:
    from audit.sample import Filter, population

    store = log.open_store(read_only=True)
    try:
        return dict(population(store, log.log_name(tenant), Filter()))
    finally:
        store.close()


def _erased_keys(log: AuditLog) -> set[str]:
    """Every key that an erasure of a person destroyed; expiry by schedule is another thing."""
    headers = _headers(log, "_system").values()
    return {kid for header in headers if header["typ"].startswith("erasure.") for kid in header.get("kids", ())}


def _read(log: AuditLog, tenant: str, seq: int, reading: Reading) -> dict[str, bytes]:
    contents = log.read(tenant, seq, who=reading.who, purpose=PURPOSE, ticket=reading.ticket)
    return {content.name: content.content for content in contents if content.content is not None}


def _given(seq: int, identity: bytes | None, body: bytes | None) -> Given | None:
    """Feedback as it was sent; None when its key is gone, or it is not feedback."""
    said, user = _object(body), _user(identity)
    if said is None or user is None:
        return None
    consent, request = said.get("consent") is True, str(said.get("request_id", ""))
    if "rating" in said:
        return Given(seq, user, consent, str(said["rating"]), request)
    if "better" in said:
        return Given(seq, user, consent, "better", request, chosen=str(said["better"]))
    if "preferred" in said:
        return Given(seq, user, consent, "preferred", request, index=int(said["preferred"]))
    if "chosen" in said:
        prompt = _turns(said["prompt"])
        return Given(
            seq, user, consent, "pair", "", prompt=prompt, chosen=str(said["chosen"]), rejected=str(said["rejected"])
        )  # fmt: skip
    return Given(seq, user, consent, "", request)


_TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""Kinds of parts of a message that are text, in chats and in responses."""


def _asked(contents: Mapping[str, bytes], seqs: tuple[int, ...]) -> Asked | None:
    body, answers = _object(contents.get("prompt")), _object(contents.get("answer"))
    user = _user(contents.get("identity"))
    turns = _asked_in(body) if body is not None else ()
    if user is None or not turns:
        return None
    texts = [text for name, text in sorted((answers or {}).items()) if name.endswith("/content")]
    return Asked(user, turns, tuple(map(str, texts)), seqs)


def _asked_in(body: Mapping[str, Any]) -> tuple[Message, ...]:
    """What a chat, a text or a response was asked with."""
    if "input" not in body:
        return _turns(body.get("messages", body.get("prompt")))
    told, turns = body.get("instructions"), _turns(body["input"])
    return (Message("system", told), *turns) if turns and isinstance(told, str) else turns


def _turns(prompt: Any) -> tuple[Message, ...]:
    """A conversation of texts; empty when there is something else in it, such as a picture."""
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    turns = []
    for turn in prompt if isinstance(prompt, list) else []:
        content = turn.get("content") if isinstance(turn, dict) else None
        if isinstance(content, list):
            parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") in _TEXTS]
            content = "\n".join(map(str, parts)) if len(parts) == len(content) else None
        if not isinstance(content, str):
            return ()
        turns.append(Message(str(turn.get("role", "")), content))
    return tuple(turns)


def _object(data: bytes | None) -> dict[str, Any] | None:
    try:
        value = json.loads(data) if data is not None else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _user(identity: bytes | None) -> str | None:
    said = _object(identity)
    return str(said["user"]) if said is not None and "user" in said else None
