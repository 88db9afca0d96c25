"""Requests of persons: states, clocks, identity, holds; what is erased, exported, restricted and corrected."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from audit import AuditLog
from audit.erase import Eraser, Why
from audit.errors import AccessRefused, UnknownSubject
from audit.events import EventType
from audit.packs import RightKind
from audit.publisher import SYSTEM
from audit.rights import restrict
from audit.rights.consult import consultations
from audit.rights.errors import (
    ConflictingStep,
    IdentityNotVerified,
    InvalidIntake,
    InvalidPack,
    StepRefused,
    UnknownRequest,
)
from audit.rights.fulfil import Correction, fulfil
from audit.rights.intake import accept, discovery, status_of
from audit.rights.requests import Asked, By, Desk, State
from audit.verify import Outcome, verify_folder
from haechi.base.clock import FixedClock

from .conftest import independent, request

BY = By("officer-1", "DSAR-7")
DAY_S = 86_400
START = 1_795_492_800_000_000  # 2026-11-24T04:00Z


def ask(kind: RightKind, pack: str = "gdpr", subject: str = "user-1") -> Asked:
    return Asked("default", subject, kind, pack, "kim@example.org", "please")


def records(log: AuditLog) -> list[str]:
    """Ids of the default tenant's records."""
    store = log.open_store(read_only=True)
    try:
        return [json.loads(leaf)["id"] for _, leaf in store.headers(log.log_name("default"))]
    finally:
        store.close()


def test_a_request_passes_through_its_states_and_every_step_is_in_the_log(folder: Path) -> None:
    """Received, identity check, in progress, extended, done: six records, and both verifiers say intact."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS), BY)
        steps = (
            lambda: desk.acknowledge(one.id, BY),
            lambda: desk.ask_identity(one.id, BY),
            lambda: desk.verify_identity(one.id, 2, BY),
            lambda: desk.extend(one.id, By("officer-1", "DSAR-7", "many-requests")),
        )
        states = [one.stored, *(step().stored for step in steps)]
        done = fulfil(log, one.id, BY)
        states.append(done.request.stored)
        assert [state.value for state in states] == [
            "received", "received", "identity-check", "in-progress", "extended", "done",
        ]  # fmt: skip
        assert len(done.request.steps) == 6
        assert done.bundle is not None
        assert done.bundle.records == 2
    assert verify_folder(folder).outcome is Outcome.INTACT
    assert independent(folder) == 0


def test_who_asks_stands_nowhere_in_clear(folder: Path) -> None:
    """Neither the person nor their address nor the officer is in a header or a file."""
    with AuditLog.open(folder) as log:
        Desk(log).open(Asked("default", "kim-min-ji", RightKind.ERASURE, "gdpr", "kim@example.org", "my note"), BY)
    data = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(word in data for word in (b"kim-min-ji", b"kim@example.org", b"my note", b"officer-1"))


def test_nothing_is_carried_out_before_the_identity_check(folder: Path) -> None:
    """Not even for a level below the one that the pack asks for; opting out needs none."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        desk = Desk(log)
        erasure = desk.open(ask(RightKind.ERASURE), BY)
        desk.verify_identity(erasure.id, 1, BY)
        for act in (lambda: fulfil(log, erasure.id, BY), lambda: desk.done(erasure.id, BY)):
            with pytest.raises(IdentityNotVerified):
                act()
        assert log.keys.entries("default", "user-1")
        out = desk.open(ask(RightKind.OPT_OUT, "ccpa"), BY)
        assert fulfil(log, out.id, BY).request.stored is State.DONE


def test_an_erasure_is_certified_under_the_id_of_the_request(folder: Path) -> None:
    """And a second request finds nothing, which is an answer and not an error."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        for expected in (2, None):
            one = Desk(log).open(ask(RightKind.ERASURE), BY)
            Desk(log).verify_identity(one.id, 3, BY)
            done = fulfil(log, one.id, BY)
            assert (done.certificate.segments if done.certificate else None) == expected
            assert done.missing is (expected is None)
            assert done.request.stored is State.DONE
        store = log.open_store(read_only=True)
        ends = [
            h for _, leaf in store.headers(log.log_name(SYSTEM)) if (h := json.loads(leaf))["typ"] == "erasure.done"
        ]
        store.close()
        assert [end["req"].split("/")[0] for end in ends] == ["default"]
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_legal_hold_beats_an_erasure_and_the_request_waits(folder: Path) -> None:
    """It is held, not done; lifting the hold and resuming lets it be carried out."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        hold = Eraser(log).place_hold("default", "user-1", Why("counsel", "CASE-1"))
        desk = Desk(log)
        one = desk.open(ask(RightKind.ERASURE), BY)
        desk.verify_identity(one.id, 2, BY)
        assert fulfil(log, one.id, BY).request.stored is State.HELD
        assert log.keys.entries("default", "user-1")
        with pytest.raises(StepRefused, match="held"):
            fulfil(log, one.id, BY)
        Eraser(log).lift_hold(hold.id, Why("counsel", "CASE-1"))
        desk.resume(one.id, BY)
        assert fulfil(log, one.id, BY).request.stored is State.DONE
        assert not log.keys.entries("default", "user-1")


def test_an_open_request_is_overdue_when_its_day_is_over(folder: Path) -> None:
    """Not a moment before, and never once it has ended."""
    clock = FixedClock(START)
    with AuditLog.open(folder, clock=clock) as log:
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS, "kr-pipa"), BY)
        assert one.state(one.due_us - 1) is State.RECEIVED
        assert one.state(one.due_us) is State.OVERDUE
        assert str(one.due_day) == "2026-12-04"
        ended = desk.refuse(one.id, By("officer-1", "T", "not-our-data"))
        assert ended.state(one.due_us + 1) is State.REFUSED
        assert ended.steps[-1].ground == "not-our-data"


def test_the_clock_stands_still_while_identity_is_checked_where_the_law_says_so(folder: Path) -> None:
    """Under the GDPR it does, under the CCPA it does not."""
    clock = FixedClock(START)
    with AuditLog.open(folder, clock=clock) as log:
        desk = Desk(log)
        made = {name: desk.open(ask(RightKind.ACCESS, name), BY) for name in ("gdpr", "ccpa")}
        for one in made.values():
            desk.ask_identity(one.id, BY)
        clock.advance(8 * DAY_S)
        after = {name: desk.verify_identity(one.id, 2, BY) for name, one in made.items()}
        moved = {name: after[name].due_day - made[name].due_day for name in made}
        assert moved["gdpr"].days >= 8
        assert moved["ccpa"].days == 0
        clock.advance(60 * DAY_S)
        assert after["gdpr"].state(clock.now_us()) is State.OVERDUE


def test_an_extension_counts_from_receipt_is_taken_once_and_in_time(folder: Path) -> None:
    """Ninety days in California; Korea has none for access; the ground is needed."""
    clock = FixedClock(START)
    grounds = By("officer-1", "T", "complex")
    with AuditLog.open(folder, clock=clock) as log:
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS, "ccpa"), BY)
        with pytest.raises(StepRefused, match="ground"):
            desk.extend(one.id, BY)
        assert str(desk.extend(one.id, grounds).due_day) == "2027-02-22"  # 21 February is a Sunday; the 15th was before
        with pytest.raises(StepRefused):
            desk.extend(one.id, grounds)
        korea = desk.open(ask(RightKind.ACCESS, "kr-pipa"), BY)
        with pytest.raises(StepRefused):
            desk.extend(korea.id, grounds)
        late = desk.open(ask(RightKind.ACCESS, "gdpr"), BY)
        clock.advance(40 * DAY_S)
        with pytest.raises(StepRefused, match="over"):
            desk.extend(late.id, grounds)


def test_of_two_steps_at_once_the_first_counts_and_the_second_is_told(folder: Path) -> None:
    """A step that names a step that is no longer the last has no effect."""
    with AuditLog.open(folder) as log:
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS), BY)
        desk.verify_identity(one.id, 2, BY)
        with pytest.raises(ConflictingStep):
            desk._take(
                one, next(iter(s for s in type(one.steps[0].step) if s.value == "refused")), By("b", "T", "late")
            )
        assert desk.find(one.id).stored is State.IN_PROGRESS


def test_steps_that_make_no_sense_are_refused(folder: Path) -> None:
    """After the end, without who or ground, of nobody, of a right that is not there."""
    with AuditLog.open(folder) as log:
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS), BY)
        desk.withdraw(one.id, BY)
        for act in (
            lambda: desk.refuse(one.id, By("a", "T", "x")),
            lambda: fulfil(log, one.id, BY),
            lambda: desk.open(ask(RightKind.ACCESS), By("", "T")),
        ):
            with pytest.raises(StepRefused):
                act()
        other = desk.open(ask(RightKind.ACCESS), BY)
        desk.ask_identity(other.id, BY)
        for act in (
            lambda: desk.ask_identity(other.id, BY),
            lambda: desk.verify_identity(other.id, 0, BY),
            lambda: desk.verify_identity(other.id, 4, BY),
            lambda: desk.refuse(other.id, By("a", "T", "Not Our Data; see mail")),
        ):
            with pytest.raises(StepRefused):
                act()
        assert len(desk.find(other.id).steps) == 2
        with pytest.raises(UnknownRequest):
            desk.find("default/000000000000")
        with pytest.raises(InvalidPack):
            desk.open(ask(RightKind.LIMIT, "gdpr"), BY)


def test_who_asked_is_forgotten_when_the_register_s_time_is_over(folder: Path) -> None:
    """The steps stay in the log; the person and their address have gone with their keys."""
    clock = FixedClock(START)
    with AuditLog.open(folder, clock=clock) as log:
        desk = Desk(log)
        one = desk.open(ask(RightKind.ACCESS), BY)
        assert desk.asked(one.id, BY).contact == "kim@example.org"
        desk.withdraw(one.id, BY)
        clock.advance(4 * 366 * DAY_S)
        Eraser(log).expire(Why("officer-1", "YEAR-4"))
        with pytest.raises(UnknownRequest, match="its retention is over"):
            desk.asked(one.id, BY)
        assert desk.find(one.id).stored is State.WITHDRAWN
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_correction_stands_beside_the_record_and_is_exported_with_it(folder: Path) -> None:
    """What was recorded stays; the correction is the person's own content, and erased with it."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        record = records(log)[0]
        one = Desk(log).open(ask(RightKind.RECTIFICATION), BY)
        Desk(log).verify_identity(one.id, 2, BY)
        with pytest.raises(StepRefused):
            fulfil(log, one.id, BY)
        request(log, 2, user="user-2")
        for wrong in ("0" * 32, records(log)[-1]):
            with pytest.raises(AccessRefused, match="no such record of this person"):
                fulfil(log, one.id, BY, correction=Correction(wrong, "my name is Kim"))
        done = fulfil(log, one.id, BY, correction=Correction(record, "my name is Kim"))
        assert done.correction
        assert Eraser(log).erase("default", "user-1", Why("o", "T")).segments == 3
    assert verify_folder(folder).outcome is Outcome.INTACT


def test_a_restriction_holds_for_all_keys_of_the_person_also_later_ones(folder: Path) -> None:
    """And for nobody else, until it is lifted."""
    clock = FixedClock(START)
    with AuditLog.open(folder, clock=clock) as log:
        request(log, 1)
        request(log, 2, user="user-2")
        placed = restrict.place(log, "default", "user-1", who="o", ticket="T")
        clock.advance(40 * DAY_S)
        request(log, 3)
        mine, theirs = ([e.kid for e in log.keys.entries("default", user)] for user in ("user-1", "user-2"))
        assert len(mine) == 2
        assert all(restrict.restricts(log, "default", [kid]) == placed.id for kid in mine)
        assert restrict.restricts(log, "default", theirs) == ""
        restrict.lift(log, placed.id, who="o", ticket="T")
        assert restrict.restricts(log, "default", mine) == ""
        with pytest.raises(UnknownSubject):
            restrict.place(log, "default", "user-l", who="o", ticket="T")
        asked = Desk(log).open(ask(RightKind.RESTRICTION), BY)
        Desk(log).verify_identity(asked.id, 2, BY)
        done = fulfil(log, asked.id, BY)
        assert done.request.stored is State.DONE
        assert restrict.restricts(log, "default", mine) == done.restriction
        with pytest.raises(UnknownRequest):
            restrict.lift(log, placed.id, who="o", ticket="T")


def test_the_consultation_log_has_dates_and_purposes_of_this_person_only(folder: Path) -> None:
    """Single readings and exports, and no name of who read."""
    with AuditLog.open(folder) as log:
        request(log, 1)
        request(log, 2, user="user-2")
        log.read("default", 0, who="lee", purpose="incident", ticket="T-1")
        log.read("default", 2, who="lee", purpose="quality", ticket="T-2")
        found = consultations(log, "default", "user-1")
        assert [(one.kind, one.purpose) for one in found] == [("read", "incident")]
        assert "lee" not in repr(found)


def identity(body: dict[str, object], **changes: object) -> bytes:
    """An OpenDSR request whose one identity is bent."""
    whole = {"identity_type": "email", "identity_value": "kim@example.org", "identity_format": "raw"}
    return json.dumps({**body, "subject_identities": [{**whole, **changes}]}).encode()


def test_opendsr_requests_are_taken_answered_and_asked_after(folder: Path) -> None:
    """The answer names the request and carries what was received, byte for byte."""
    body = {
        "subject_request_id": "a7551968", "regulation": "gdpr", "subject_request_type": "erasure",
        "submitted_time": "2026-10-02T15:00:00Z", "api_version": "2.0",
        "subject_identities": [{"identity_type": "email", "identity_value": "kim@example.org", "identity_format": "raw"}],
    }  # fmt: skip
    with AuditLog.open(folder) as log:
        taken = accept(log, "default", json.dumps(body).encode(), BY)
        assert status_of(log, taken.request.id)["request_status"] == "pending"
        Desk(log).refuse(taken.request.id, By("o", "T", "no-data"))
        assert status_of(log, taken.request.id)["request_status"] == "cancelled"
        assert discovery(log)["supported_subject_request_types"] == ["access", "erasure", "portability"]
        for wrong in (
            b"{", b"[]", b"x" * 70_000, b'{"regulation":"gdpr"}', b"[" * 50_000,
            json.dumps({**body, "regulation": "lgpd"}).encode(),
            json.dumps({**body, "subject_identities": "kim"}).encode(),
            identity(body, identity_value=""), identity(body, identity_value="k" * 513), identity(body, identity_value=7),
            identity(body, identity_format="sha256"),
            json.dumps({**body, "subject_request_id": 7}).encode(),
        ):  # fmt: skip
            with pytest.raises(InvalidIntake):
                accept(log, "default", wrong, BY)


def test_every_step_type_is_known_to_the_log() -> None:
    """So that a verifier of this release reads logs with requests."""
    assert {"rights.step", "access.exported", "restriction.placed"} <= {kind.value for kind in EventType}
