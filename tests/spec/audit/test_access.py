"""Who may read content, and that the reading is on the record before the text is on the screen."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from audit import AuditLog
from audit.access import Approval, Wanted, approve, make_approver, read_content
from audit.errors import AccessRefused
from audit.publisher import SYSTEM
from audit.rights import restrict
from audit.rights.errors import ApprovalRefused, InvalidRoles, RestrictedContent
from haechi.base.clock import FixedClock

from .conftest import request

PASSPHRASE = "a long enough passphrase"
READ = Wanted("default", 0, "eve", "incident", "INC-1")


@pytest.fixture
def house(folder: Path, tmp_path: Path) -> Path:
    """A log with two records, an investigator, an officer with a key, and an operator, eve."""
    with AuditLog.open(folder) as log:
        request(log, 1)
    keys = {name: make_approver(tmp_path / f"{name}.key", PASSPHRASE) for name in ("kim", "eve")}
    persons = {
        "lee": {"roles": ["investigator"]},
        "kim": {"roles": ["privacy-officer"], "key": keys["kim"]},
        "eve": {"roles": ["operator"], "key": keys["eve"]},
    }
    (folder / "roles.json").write_text(json.dumps({"persons": persons}))
    return folder


def approval(log: AuditLog, tmp_path: Path, wanted: Wanted = READ, by: str = "kim", minutes: int = 30) -> Approval:
    return approve(log, wanted, approver=by, key_file=tmp_path / f"{by}.key", passphrase=PASSPHRASE, minutes=minutes)


def types(log: AuditLog) -> list[str]:
    store = log.open_store(read_only=True)
    try:
        return [json.loads(leaf)["typ"] for _, leaf in store.headers(log.log_name(SYSTEM))]
    finally:
        store.close()


def test_an_investigator_reads_and_an_operator_does_not(house: Path) -> None:
    """Nor does somebody whom the file does not name; nothing is recorded as read then."""
    with AuditLog.open(house) as log:
        assert read_content(log, replace(READ, who="lee"))[0].content == b"question 1 of user-1"
        before = types(log).count("access.read")
        for who in ("eve", "mallory", ""):
            with pytest.raises(AccessRefused):
                read_content(log, replace(READ, who=who))
        assert types(log).count("access.read") == before


def test_break_glass_takes_a_second_person_and_is_recorded_first(house: Path, tmp_path: Path) -> None:
    """The approval stands in the log before the reading, and the text survives the way through a file."""
    with AuditLog.open(house) as log:
        given = Approval.parse(approval(log, tmp_path).text())
        assert read_content(log, READ, given)[0].content == b"question 1 of user-1"
        said = types(log)
        assert said.index("access.approved") < said.index("access.read")


def test_an_approval_is_used_once_and_for_what_it_says(house: Path, tmp_path: Path) -> None:
    """Not twice, not for another record, purpose, ticket or reader, and not when it was altered."""
    with AuditLog.open(house) as log:
        given = approval(log, tmp_path)
        for wanted in (
            replace(READ, seq=1), replace(READ, purpose="curiosity"), replace(READ, ticket="INC-2"),
            replace(READ, who="lee"),
        ):  # fmt: skip
            with pytest.raises(ApprovalRefused):
                read_content(log, wanted, given)
        for altered in (
            replace(given, until_us=given.until_us + 1), replace(given, approver="eve"), replace(given, signature="AAAA"),
            replace(given, approver="lee"),
        ):  # fmt: skip
            with pytest.raises(ApprovalRefused):
                read_content(log, READ, altered)
        read_content(log, READ, given)
        with pytest.raises(ApprovalRefused, match="used before"):
            read_content(log, READ, given)
        assert types(log).count("access.read") == 1


def test_an_approval_ends(house: Path, tmp_path: Path) -> None:
    """After its minutes, and nobody gives more than an hour."""
    clock = FixedClock()
    with AuditLog.open(house, clock=clock) as log:
        given = approval(log, tmp_path, minutes=5)
        clock.advance(301)
        with pytest.raises(ApprovalRefused, match="over"):
            read_content(log, READ, given)
        with pytest.raises(ApprovalRefused):
            approval(log, tmp_path, minutes=61)


def test_nobody_approves_themselves_or_without_the_role_or_key(house: Path, tmp_path: Path) -> None:
    """Two persons are two persons."""
    with AuditLog.open(house) as log:
        with pytest.raises(ApprovalRefused):
            approval(log, tmp_path, replace(READ, who="kim"))
        with pytest.raises(ApprovalRefused):
            approval(log, tmp_path, by="eve", wanted=replace(READ, who="lee"))
        mine = replace(approval(log, tmp_path), reader="kim")
        with pytest.raises(ApprovalRefused, match="their own"):
            read_content(log, replace(READ, who="kim"), mine)
        for name, phrase in (("eve", PASSPHRASE), ("kim", "another long passphrase")):
            with pytest.raises(ApprovalRefused):
                approve(log, READ, approver="kim", key_file=tmp_path / f"{name}.key", passphrase=phrase)
    with pytest.raises(ApprovalRefused):
        make_approver(tmp_path / "kim.key", PASSPHRASE)
    with pytest.raises(ApprovalRefused):
        make_approver(tmp_path / "new.key", "short")


def test_a_record_that_is_not_there_is_refused_by_its_number(house: Path) -> None:
    """Behind the end, before the beginning, of a tenant without a log; nothing is recorded as read."""
    with AuditLog.open(house) as log:
        for tenant, seq in (("default", 99), ("default", -1), ("nobody", 0)):
            with pytest.raises(AccessRefused, match=f"no record {seq}"):
                read_content(log, replace(READ, who="lee", tenant=tenant, seq=seq))
            with pytest.raises(AccessRefused, match=f"no record {seq}"):
                log.read(tenant, seq, who="lee", purpose="incident", ticket="T")
        assert "access.read" not in types(log)


def test_restricted_content_is_read_for_few_purposes_whatever_the_role(house: Path) -> None:
    """Legal claims are one, an incident is none."""
    with AuditLog.open(house) as log:
        restrict.place(log, "default", "user-1", who="kim", ticket="T")
        with pytest.raises(RestrictedContent):
            read_content(log, replace(READ, who="lee"))
        assert read_content(log, replace(READ, who="lee", purpose="legal-claims"))[0].content


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"persons": {"a": {"roles": ["king"]}}}',
        '{"persons": {"a": {"roles": [], "key": "AAAA"}}}',
        '{"persons": {"a": {"roles": ["investigator"], "rolls": []}}}',
        '{"p": 1}',
    ],
)
def test_a_broken_roles_file_lets_nobody_read(house: Path, text: str) -> None:
    """A file that cannot be read is not a file that is not there."""
    (house / "roles.json").write_text(text)
    with AuditLog.open(house) as log, pytest.raises(InvalidRoles):
        read_content(log, replace(READ, who="lee"))


WHOLE = Approval("a", "log", "r", "eve", "incident", "T", "kim", 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"id": 1}',
        "[" * 100_000,
        json.dumps({**asdict(WHOLE), "reader": ["eve", "lee"]}),
        json.dumps({**asdict(WHOLE), "until_us": "for ever"}),
        json.dumps({**asdict(WHOLE), "also": 1}),
    ],
    ids=["empty", "no field", "a list", "one field", "deep", "two readers", "no end", "a field more"],
)
def test_a_file_that_is_no_approval_is_refused(text: str) -> None:
    """Whatever somebody hands over."""
    with pytest.raises(ApprovalRefused):
        Approval.parse(text)
