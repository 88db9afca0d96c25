"""Requests of persons as a state machine whose memory is the system log.

Rules of this file
1. A request is nothing but its `rights.step` records: each names the one before, and of two that name the same one the
   first counts. There is no table that could say something else than the log.
2. Headers say kind, jurisdiction, step and due date; who asks, for whom, and why stands in encrypted segments.
3. Nothing is carried out before the identity check that the pack asks for; a hold beats an erasure.

Header fields of a step: `req` = `<tenant>/<id>`, `act` = `rights.<kind>`, `pur` = pack, `rsn` = `<step>` or `<step>:<ground>`,
`prev` = the step before, `n` = level of identity check, `until` = the day on which the answer is due.
"""

from __future__ import annotations

import enum
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from audit import canonical
from audit.events import Event, EventType, Segment
from audit.log import AuditLog
from audit.packs import Pack, RightKind, Rule, load
from audit.publisher import SYSTEM
from audit.rights.clock import Pause
from audit.rights.errors import ConflictingStep, IdentityNotVerified, InvalidPack, StepRefused, UnknownRequest
from audit.store_port import Store

REGISTER = "rights-3y"
"""Retention class of requests: CCPA asks for 24 months at least."""
_GROUND = re.compile("[a-z0-9.-]{1,40}")
_MARK = f'"typ":"{EventType.RIGHTS_STEP.value}"'.encode()


class Step(enum.StrEnum):
    """What happened to a request."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    IDENTITY_ASKED = "identity-asked"
    IDENTITY_VERIFIED = "identity-verified"
    EXTENDED = "extended"
    HELD = "held"
    RESUMED = "resumed"
    FAILED = "failed"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class State(enum.StrEnum):
    """Where a request stands. OVERDUE is never stored: it is what any open state becomes when its day is over."""

    RECEIVED = "received"
    IDENTITY_CHECK = "identity-check"
    IN_PROGRESS = "in-progress"
    EXTENDED = "extended"
    HELD = "held"
    OVERDUE = "overdue"
    DONE = "done"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


ENDED = frozenset({State.DONE, State.REFUSED, State.WITHDRAWN})
_LEADS_TO = {
    Step.RECEIVED: State.RECEIVED,
    Step.IDENTITY_ASKED: State.IDENTITY_CHECK,
    Step.IDENTITY_VERIFIED: State.IN_PROGRESS,
    Step.EXTENDED: State.EXTENDED,
    Step.HELD: State.HELD,
    Step.RESUMED: State.IN_PROGRESS,
    Step.DONE: State.DONE,
    Step.REFUSED: State.REFUSED,
    Step.WITHDRAWN: State.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class Taken:
    """One step that was taken. seq: its record in the system log. due_us: the day it leaves the answer due."""

    seq: int
    record: str
    at_us: int
    step: Step
    ground: str
    level: int
    due_us: int


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """One request of one person. stored: its state without regard to the time. due_us: the end of the last day."""

    id: str
    tenant: str
    kind: RightKind
    pack: str
    stored: State
    level: int
    extended: bool
    due_us: int
    steps: tuple[Taken, ...]

    @property
    def received_us(self) -> int:
        """When it came in."""
        return self.steps[0].at_us

    @property
    def ended_us(self) -> int:
        """When it ended; 0 while it is open."""
        return self.steps[-1].at_us if self.stored in ENDED else 0

    @property
    def due_day(self) -> date:
        """The last day, in the jurisdiction's time zone."""
        return load(self.pack).calendar.local_day(self.due_us - 1)

    @property
    def acknowledged(self) -> bool:
        """Whether its receipt was confirmed."""
        return any(one.step is Step.ACKNOWLEDGED for one in self.steps)

    def state(self, now_us: int) -> State:
        """Its state at a time: overdue when the day is over and it is open, unless the clock stands still."""
        stands = self.stored in ENDED or (self.stored is State.IDENTITY_CHECK and load(self.pack).pauses)
        return State.OVERDUE if not stands and now_us >= self.due_us else self.stored


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what. contact: where the answer goes. note: their words. origin: how it came, such as `opendsr`."""

    tenant: str
    subject: str
    kind: RightKind
    pack: str
    contact: str = ""
    note: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class By:
    """Who takes a step. ground: a word for a refusal, an extension or a hold. note: for the file, encrypted."""

    who: str
    ticket: str
    ground: str = ""
    note: str = ""


class Desk:
    """Takes steps of requests in one open log."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    def open(self, asked: Asked, by: By) -> SubjectRequest:
        """Record that a request came in; its clock runs from now.

        Raises:
            InvalidPack: this jurisdiction has no such right.
        """
        pack = load(asked.pack)
        rule = pack.rule(asked.kind)
        name = f"{asked.tenant}/{secrets.token_hex(6)}"
        due = pack.calendar.due_us(self._log.clock.now_us(), rule.answer)
        said = {"subject": asked.subject, "contact": asked.contact, "note": asked.note, "origin": asked.origin}
        first = Event(
            EventType.RIGHTS_STEP, SYSTEM, name, act=f"rights.{asked.kind.value}", decision="none", reason="received",
            purpose=asked.pack, until_us=due, retention=REGISTER,
            segments=(
                Segment("request", json.dumps(said).encode(), asked.subject, REGISTER), _file(by),
            ),
        )  # fmt: skip
        self._log.record(first)
        return self.find(name)

    def acknowledge(self, request_id: str, by: By) -> SubjectRequest:
        """Record that its receipt was confirmed to the person."""
        return self._take(self.find(request_id), Step.ACKNOWLEDGED, by)

    def ask_identity(self, request_id: str, by: By) -> SubjectRequest:
        """Record that proof of identity was asked for; where the pack says so, the clock stands still until it comes."""
        request = self.find(request_id)
        if request.stored is State.IDENTITY_CHECK:
            raise StepRefused("proof of identity was asked for already", hint="haechi audit request show ID")
        return self._take(request, Step.IDENTITY_ASKED, by)

    def verify_identity(self, request_id: str, level: int, by: By) -> SubjectRequest:
        """Record how sure it is who asks. level: 1 claimed in their account, 2 two facts matched, 3 stronger.

        The note says how; never put a copy of an identity document there.
        """
        if not 1 <= level <= 3:
            raise StepRefused("a level of identity check is 1, 2 or 3", hint="--level 2")
        return self._take(self.find(request_id), Step.IDENTITY_VERIFIED, by, level=level)

    def extend(self, request_id: str, by: By) -> SubjectRequest:
        """Take the longer period, once, before the first is over; the ground is told to the person."""
        request = self.find(request_id)
        rule = load(request.pack).rule(request.kind)
        if rule.extension is None or request.extended:
            raise StepRefused("this request cannot be extended (again)", hint=f"see pack {request.pack}")
        if request.state(self._log.clock.now_us()) is State.OVERDUE:
            raise StepRefused("the first period is over; an extension is told within it", hint="fulfil or refuse it")
        _needs_ground(by)
        return self._take(request, Step.EXTENDED, by)

    def hold(self, request_id: str, by: By) -> SubjectRequest:
        """Record that something, such as a legal hold, keeps it from being carried out; the clock goes on."""
        _needs_ground(by)
        return self._take(self.find(request_id), Step.HELD, by)

    def resume(self, request_id: str, by: By) -> SubjectRequest:
        """Record that it can go on."""
        return self._take(self.find(request_id), Step.RESUMED, by)

    def fail(self, request_id: str, by: By) -> SubjectRequest:
        """Record that carrying it out went wrong, so that it is not forgotten; the same step may be tried again."""
        return self._take(self.find(request_id), Step.FAILED, by)

    def refuse(self, request_id: str, by: By) -> SubjectRequest:
        """End it without doing what was asked; needs a ground."""
        _needs_ground(by)
        return self._take(self.find(request_id), Step.REFUSED, by)

    def withdraw(self, request_id: str, by: By) -> SubjectRequest:
        """End it because the person no longer asks."""
        return self._take(self.find(request_id), Step.WITHDRAWN, by)

    def ready(self, request_id: str) -> SubjectRequest:
        """The request, if it may be carried out now.

        Raises:
            StepRefused: it ended already, or is held.
            IdentityNotVerified: the check that its pack asks for is missing.
        """
        request = self.find(request_id)
        needed = load(request.pack).rule(request.kind).identity
        if request.stored in ENDED or request.stored is State.HELD:
            raise StepRefused(f"the request is {request.stored.value}", hint="haechi audit request show ID")
        if request.level < needed:
            raise IdentityNotVerified(
                f"identity is checked to level {request.level}, and {needed} is asked for",
                hint="haechi audit request verify-identity ID --level N",
            )
        return request

    def done(self, request_id: str, by: By) -> SubjectRequest:
        """End it because what was asked was done; only when `ready`."""
        return self._take(self.ready(request_id), Step.DONE, by)

    def asked(self, request_id: str, by: By) -> Asked:
        """Who asks for what. Reading it is recorded, as any reading of content."""
        request = self.find(request_id)
        parts = self._log.read(
            SYSTEM, request.steps[0].seq, who=by.who, purpose="rights", ticket=by.ticket or request.id
        )
        content = next((part.content for part in parts if part.name == "request"), None)
        if content is None:
            raise UnknownRequest("what was asked is gone: its retention is over", hint="haechi audit request list")
        said = json.loads(content)
        return Asked(
            request.tenant, said["subject"], request.kind, request.pack, said["contact"], said["note"], said["origin"]
        )

    def find(self, request_id: str) -> SubjectRequest:
        """One request, by its id or the part behind the slash.

        Raises:
            UnknownRequest: there is none, or several end so.
        """
        found = [one for one in self.list() if request_id in {one.id, one.id.rsplit("/", 1)[-1]}]
        if len(found) != 1:
            raise UnknownRequest(f"there is no request {request_id[:60]!r}", hint="haechi audit request list")
        return found[0]

    def list(self) -> list[SubjectRequest]:
        """Every request, oldest first."""
        store = self._log.open_store(read_only=True)
        try:
            return read_requests(store, self._log.log_name(SYSTEM))
        finally:
            store.close()

    def _take(self, request: SubjectRequest, step: Step, by: By, *, level: int = 0) -> SubjectRequest:
        if request.stored in ENDED:
            raise StepRefused(f"the request is {request.stored.value}", hint="open a new one")
        if by.ground and not _GROUND.fullmatch(by.ground):
            raise StepRefused("a ground is a word of a-z, 0-9, dot and hyphen", hint="--ground gdpr-12-5-b")
        level = max(level, request.level)
        event = Event(
            EventType.RIGHTS_STEP, SYSTEM, request.id, act=f"rights.{request.kind.value}", decision="none",
            reason=f"{step.value}:{by.ground}" if by.ground else step.value, purpose=request.pack,
            previous=request.steps[-1].record, count=level, retention=REGISTER,
            until_us=_due_after(request, step, self._log.clock.now_us()), segments=(_file(by),),
        )  # fmt: skip
        seq = self._log.record(event)
        after = self.find(request.id)
        if all(one.seq != seq for one in after.steps):
            raise ConflictingStep("another step of this request came first", hint="look at it, and try again")
        return after


def read_requests(store: Store, system: str) -> list[SubjectRequest]:
    """Every request that a system log tells of, oldest first."""
    found: dict[str, SubjectRequest] = {}
    for seq, leaf in store.headers(system):
        if _MARK in leaf:
            header = canonical.decode(leaf)
            word, _, ground = header["rsn"].partition(":")
            taken = Taken(
                seq, header["id"], header["sts"], Step(word), ground, header.get("n", 0), header.get("until", 0)
            )
            before = found.get(header["req"])
            if before is None and taken.step is Step.RECEIVED:
                tenant = header["req"].rsplit("/", 1)[0]
                kind = RightKind(header["act"].removeprefix("rights."))
                found[header["req"]] = SubjectRequest(
                    header["req"], tenant, kind, header["pur"], State.RECEIVED, 0, False, taken.due_us, (taken,)
                )
            elif before is not None and header["prev"] == before.steps[-1].record:
                found[header["req"]] = _after(before, taken)
    return list(found.values())


def _after(request: SubjectRequest, taken: Taken) -> SubjectRequest:
    return replace(
        request,
        stored=_LEADS_TO.get(taken.step, request.stored),
        level=max(request.level, taken.level),
        extended=request.extended or taken.step is Step.EXTENDED,
        due_us=taken.due_us,
        steps=(*request.steps, taken),
    )


def _due_after(request: SubjectRequest, step: Step, now_us: int) -> int:
    """When the answer is due after a step: the period from receipt, and the days on which the clock stood still."""
    pack = load(request.pack)
    rule = pack.rule(request.kind)
    extended = request.extended or step is Step.EXTENDED
    period = rule.answer.plus(rule.extension) if extended and rule.extension else rule.answer
    return pack.calendar.due_us(request.received_us, period, _pauses(request, pack, now_us))


def _pauses(request: SubjectRequest, pack: Pack, now_us: int) -> Iterator[Pause]:
    asked: date | None = None
    for one in request.steps if pack.pauses else ():
        if one.step is Step.IDENTITY_ASKED:
            asked = pack.calendar.local_day(one.at_us)
        elif asked is not None and _LEADS_TO.get(one.step) is not None:
            yield Pause(asked, pack.calendar.local_day(one.at_us))
            asked = None
    if asked is not None:
        yield Pause(asked, pack.calendar.local_day(now_us))


def rule_of(request: SubjectRequest) -> Rule:
    """The rule that a request runs under."""
    return load(request.pack).rule(request.kind)


def acknowledge_by_us(request: SubjectRequest) -> int:
    """When its receipt has to be confirmed; 0 where the pack asks for none."""
    rule = rule_of(request)
    return load(request.pack).calendar.due_us(request.received_us, rule.acknowledge) if rule.acknowledge else 0


def _needs_ground(by: By) -> None:
    if not by.ground:
        raise StepRefused("this step needs a ground", hint="--ground manifestly-unfounded")


def _file(by: By) -> Segment:
    if not by.who or not by.ticket:
        raise StepRefused("a step needs who takes it and a ticket", hint="--who 'J. Lee' --ticket DSAR-7")
    text = json.dumps({"who": by.who, "ticket": by.ticket, "note": by.note})
    return Segment("file", text.encode(), by.who, REGISTER)


__all__ = ["Asked", "By", "Desk", "InvalidPack", "State", "Step", "SubjectRequest", "read_requests"]
