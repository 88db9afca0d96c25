"""The reports: what each one looks at. `make_report` is the way in; making one is itself on the record.

Rules of this file
1. Numbers come from the log's records, never from tables beside them; what is not known is said to be not known.
2. Statements about laws come from the packs, with their source, date and how sure they are.
"""

from __future__ import annotations

import enum
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from audit import canonical
from audit.erase import Eraser
from audit.events import Event, EventType
from audit.log import AuditLog
from audit.packs import RightKind, load
from audit.publisher import SYSTEM
from audit.reports.document import Report, Table, Word, say
from audit.rights import breach, restrict
from audit.rights.errors import InvalidReport
from audit.rights.page import utc
from audit.rights.requests import Desk, State, SubjectRequest, acknowledge_by_us
from audit.verify import verify_folder

_DAY_US = 86_400_000_000
NOT_STATED = Word("not stated")
Parts = tuple[list[tuple[str, str]], list[Table], list[str]]


class Kind(enum.StrEnum):
    """Which report."""

    INTEGRITY = "integrity"
    RETENTION = "retention"
    ACCESS = "access"
    ERASURE = "erasure"
    ARTICLE_30 = "article30"
    BREACH = "breach"
    DPIA = "dpia"
    AI_ACT = "ai-act"
    CCPA = "ccpa"
    KOREA_ACCESS = "kr-access"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a report is to be about. until_us: 0 for now. facts: what only the controller knows, such as `controller`, `dpo`.

    who, ticket: who makes it; a report that decrypts (`kr-access`, `breach` with an incident) needs both.
    """

    language: str = "en"
    since_us: int = 0
    until_us: int = 0
    tenant: str = ""
    incident: str = ""
    who: str = ""
    ticket: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a report looks: an open log, a wish, and the time it is made."""

    log: AuditLog
    wish: Wish
    now_us: int

    def headers(self, tenant: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The headers of a log within the period."""
        store = self.log.open_store(read_only=True)
        try:
            for seq, leaf in store.headers(self.log.log_name(tenant)):
                header = canonical.decode(leaf)
                if header["sts"] >= self.wish.since_us and header["sts"] < (self.wish.until_us or 2**62):
                    yield seq, header
        finally:
            store.close()

    def tenants(self) -> list[str]:
        """Whose logs there are, without the system's; the wish's alone when it names one."""
        store = self.log.open_store(read_only=True)
        try:
            found = [name.rsplit("/", 1)[-1] for name in store.logs()]
        finally:
            store.close()
        return [name for name in found if name != SYSTEM and self.wish.tenant in {"", name}]


def make_report(kind: Kind, log: AuditLog, wish: Wish) -> Report:
    """Make a report; recorded as `report.made`.

    Raises:
        InvalidReport: no such language, or who and ticket are missing.
    """
    now = log.clock.now_us()
    source = Source(log, wish, now)
    facts, tables, notes = _MAKERS[kind](source)
    log.record(Event(EventType.REPORT_MADE, SYSTEM, "", act=f"report.{kind.value}", decision="none"))
    period = f"{utc(wish.since_us) if wish.since_us else '…'} - {utc(wish.until_us or now)}"
    head = [("Log family", log.origin), ("Period", period)]
    return Report(kind.value, wish.language, f"Report: {kind.value}", now, (*head, *facts), tuple(tables), tuple(notes))


def _integrity(source: Source) -> Parts:
    log = source.log
    log.sign()
    proof = verify_folder(log.folder, database=log.place.database)
    rows = [
        (one.log, Word(one.outcome), str(one.records), str(one.signed), one.root, str(one.segments), str(one.erased),
         str(one.orphans))
        for one in proof.logs
    ]  # fmt: skip
    said = [(one.log, text) for one in proof.logs for text in (*one.problems, *one.doubts)]
    said += [("", text) for text in proof.problems]
    key = (log.folder / "public.key").read_text("ascii").strip()
    checks = Counter(header["act"] for _, header in source.headers(SYSTEM) if header["typ"] == "report.made")
    gaps = [
        (utc(header["sts"]), header["typ"], header["rsn"], str(header.get("n", 0)))
        for _, header in source.headers(SYSTEM)
        if header["typ"].split(".")[0] in {"spill", "records", "mode", "disk"} or header["typ"] == "checkpoint.anchored"
    ]
    facts = [
        ("Outcome", Word(proof.outcome)), ("Public key", key),
        ("Earlier integrity reports in the period", str(checks["report.integrity"])),
        ("Check it yourself", "python -m audit.verifier FOLDER --key YOUR-COPY --pins YOUR-PINS"),
    ]  # fmt: skip
    columns = ("Log", "Outcome", "Records", "Signed", "Root", "Segments", "Erased", "Orphans")
    tables = [
        Table("Logs", columns, tuple(rows)),
        Table("Problems and doubts", ("Log", "What"), tuple(said)),
        Table("Gaps, spills and anchors", ("Time", "What", "Reason", "Number"), tuple(gaps)),
    ]
    return facts, tables, ["note-integrity", "note-clock"]


def _retention(source: Source) -> Parts:
    now = datetime.fromtimestamp(source.now_us / 1e6, tz=UTC)
    rows, late = [], 0
    for due in Eraser(source.log).schedule():
        if source.wish.tenant in {"", due.tenant}:
            overdue = due.overdue(now) and len(due.kids) > due.held
            late += overdue
            state = "overdue" if overdue else "held" if due.held else "never ends" if due.due is None else "in time"
            day = due.due.date().isoformat() if due.due else ""
            rows.append((due.tenant, due.retention, due.epoch, str(len(due.kids)), str(due.held), day, Word(state)))
    ended = _certificates(source, {"retention.done"})
    holds = [
        (one.id, one.tenant, Word("tenant" if one.whole_tenant else "person"), utc(one.placed_us))
        for one in source.log.keys.holds()
    ]
    columns = ("Tenant", "Class", "Month", "Keys", "Held", "Due", "State")
    limits = [(one.id, one.tenant, utc(one.placed_us), one.request) for one in restrict.in_force(source.log)]
    tables = [
        Table("Schedule and reality", columns, tuple(rows)),
        Table(
            "Expired in the period",
            ("Time", "Request", "Ground", "Keys", "Segments", "Backups until", "Record"),
            tuple(ended),
        ),
        Table("Legal holds", ("Hold", "Tenant", "Scope", "Placed"), tuple(holds)),
        Table("Restrictions", ("Restriction", "Tenant", "Placed", "Request"), tuple(limits)),
    ]
    return [("Overdue", str(late))], tables, ["note-retention"]


def _access(source: Source) -> Parts:
    rows, purposes = [], Counter[str]()
    for seq, header in source.headers(SYSTEM):
        if header["typ"].startswith("access."):
            purposes[header["pur"]] += 1
            what = header["prev"] or f"{len(header.get('kids', ()))} keys"
            rows.append((utc(header["sts"]), header["typ"], header["pur"], what, header["req"], str(seq)))
    tables = [
        Table("By purpose", ("Purpose", "Number"), tuple((name, str(n)) for name, n in sorted(purposes.items()))),
        Table(
            "Readings, exports and approvals", ("Time", "What", "Purpose", "Record", "Request", "Entry"), tuple(rows)
        ),
    ]
    return [("Entries", str(len(rows)))], tables, ["note-access"]


def _erasure(source: Source) -> Parts:
    done = _certificates(source, {"erasure.done", "erasure.deferred", "erasure.replayed"})
    open_ = {h["id"]: h for _, h in source.headers(SYSTEM) if h["typ"] == "erasure.intent"}
    for _, header in source.headers(SYSTEM):
        open_.pop(header["prev"], None)
    asked = [one for one in _requests(source) if one.kind is RightKind.ERASURE]
    columns = ("Time", "Request", "Ground", "Keys", "Segments", "Backups until", "Record")
    tables = [
        Table("Erasures", columns, tuple(done)),
        Table("Begun and not finished", ("Time", "Request"), tuple((utc(h["sts"]), h["req"]) for h in open_.values())),
        Table("Requests", _REGISTER, tuple(_register(source, one) for one in asked)),
    ]
    return [("Erasures", str(len(done)))], tables, ["note-erasure"]


def _article30(source: Source) -> Parts:
    facts = _stated(
        source, ("controller", "representative", "dpo", "purposes", "persons", "recipients", "transfers", "measures")
    )
    rows = []
    for tenant in source.tenants():
        seen: dict[str, Counter[str]] = defaultdict(Counter)
        for _, header in source.headers(tenant):
            seen["Purposes seen"][header["pur"]] += 1
            seen["Models seen"][header["mod"]] += 1
            seen["Header classes seen"][header["cls"]] += 1
            seen["Categories found"].update(found["c"] for found in header["fin"])
        rows += [
            (tenant, name, ", ".join(f"{word} ({n})" for word, n in sorted(counts.items()) if word))
            for name, counts in seen.items()
        ]
    classes = sorted({(due.tenant, due.retention) for due in Eraser(source.log).schedule()})
    tables = [
        Table(
            "Observed in the log", ("Tenant", "What", "Values"), tuple((a, _in_words(source, b), c) for a, b, c in rows)
        ),
        Table("Time limits", ("Tenant", "Class"), tuple(classes)),
        _law("gdpr", ("records",)),
    ]
    return facts, tables, ["note-article30"]


def _breach(source: Source) -> Parts:
    found = [one for one in breach.incidents(source.log) if source.wish.tenant in {"", one.tenant}]
    rows = [
        (one.id, utc(one.aware_us), utc(one.due_us), utc(one.told_us) if one.told_us else "",
         Word("overdue" if one.overdue(source.now_us) else "closed" if one.closed else "open"))
        for one in found
    ]  # fmt: skip
    facts = [("Overdue", str(sum(one.overdue(source.now_us) for one in found)))]
    tables = [Table("Incidents", ("Incident", "Known since", "Authority by", "Authority told", "State"), tuple(rows))]
    if source.wish.incident:
        _needs_reader(source)
        one = breach.find_incident(source.log, source.wish.incident)
        told = breach.notes_of(source.log, one, who=source.wish.who, ticket=source.wish.ticket)
        steps = tuple((utc(s.at_us), Word(s.step), note) for s, note in zip(one.steps, told, strict=True))
        touched = breach.extent(source.log, one.tenant, source.wish.since_us, source.wish.until_us)
        facts += [
            ("Hours left", str((one.due_us - source.now_us) // 3_600_000_000)), ("Records in the period", str(touched.records)),
            ("Persons, approximately", str(touched.persons)), ("Segments", str(touched.segments)),
        ]  # fmt: skip
        facts += _stated(source, ("consequences", "measures", "contact", "late"))
        tables += [
            Table("Steps", ("Time", "What", "Note"), steps),
            Table("Categories found", ("Category", "Records"), tuple((name, str(n)) for name, n in touched.categories)),
        ]
    tables += [_law("gdpr", ("breach",)), _law("kr-pipa", ("breach",)), _law("cn-pipl", ("breach",))]
    return facts, tables, ["note-breach"]


def _dpia(source: Source) -> Parts:
    facts = _stated(source, ("controller", "purposes", "necessity", "risks", "measures", "residual"))
    decided = Counter(header["dec"] for tenant in source.tenants() for _, header in source.headers(tenant))
    measures = (
        ("content is encrypted under keys of one person, class and month", "audit/FORMAT.md 4, 5"),
        ("every reading is recorded before it happens", "haechi audit report access"),
        ("erasure destroys keys and is certified", "haechi audit report erasure"),
        ("retention classes expire by themselves", "haechi audit report retention"),
        ("changes of the log are found", "haechi audit report integrity"),
    )
    rows = tuple((_in_words(source, text), evidence) for text, evidence in measures)
    tables = [
        Table(
            "Decisions in the period",
            ("Decision", "Records"),
            tuple((name, str(n)) for name, n in sorted(decided.items())),
        ),
        Table("Measures and where their evidence is", ("Measure", "Evidence"), rows),
        _law("gdpr", ("dpia",)),
        _law("cn-pipl", ("assessment",)),
    ]
    return facts, tables, ["note-dpia"]


def _ai_act(source: Source) -> Parts:
    events: Counter[str] = Counter()
    models: dict[tuple[str, str], list[int]] = {}
    first = source.now_us
    for tenant in (*source.tenants(), SYSTEM):
        for _, header in source.headers(tenant):
            events[header["typ"]] += 1
            first = min(first, header["sts"])
            if header["mod"] or header["pol"]:
                seen = models.setdefault((header["mod"], header["pol"]), [header["sts"], header["sts"], 0])
                seen[:] = [min(seen[0], header["sts"]), max(seen[1], header["sts"]), seen[2] + 1]
    covered = tuple((kind.value, str(events[kind.value])) for kind in EventType)
    changes = tuple(
        (*names, utc(a), utc(b), str(n)) for names, (a, b, n) in sorted(models.items(), key=lambda one: one[1])
    )
    facts = [("Oldest record in the period", utc(first)), ("Days covered", str((source.now_us - first) // _DAY_US))]
    facts += _stated(source, ("oversight",))
    tables = [
        Table("Events recorded", ("Event", "Records"), covered),
        Table("Models and policies in use", ("Model", "Policy", "First", "Last", "Records"), changes),
        _law("eu-ai-act", load("eu-ai-act").report),
    ]
    return facts, tables, ["note-ai-act"]


def _ccpa(source: Source) -> Parts:
    found = [one for one in _requests(source) if one.pack == "ccpa"]
    metrics = []
    for kind in sorted({one.kind for one in found}):
        mine = [one for one in found if one.kind is kind]
        days = [(one.ended_us - one.received_us) / _DAY_US for one in mine if one.ended_us]
        numbers = (f"{statistics.median(days):.1f}", f"{statistics.fmean(days):.1f}") if days else ("", "")
        ended = Counter(one.stored for one in mine)
        metrics.append((Word(kind), str(len(mine)), str(ended[State.DONE]), str(ended[State.REFUSED]), *numbers))
    tables = [
        Table("Metrics", ("Right", "Received", "Complied with", "Denied", "Median days", "Mean days"), tuple(metrics)),
        Table("Requests", _REGISTER, tuple(_register(source, one) for one in found)),
        _law("ccpa", ("records", "metrics", "answer")),
    ]
    return [("Requests", str(len(found)))], tables, ["note-ccpa"]


def _korea(source: Source) -> Parts:
    _needs_reader(source)
    rows: list[tuple[str, ...]] = []
    exports: list[tuple[str, ...]] = []
    for seq, header in list(source.headers(SYSTEM)):
        if header["typ"] not in {"access.read", "access.exported"} or header["pur"] == "access-check":
            continue
        parts = source.log.read(SYSTEM, seq, who=source.wish.who, purpose="access-check", ticket=source.wish.ticket)
        said = parts[0].content.decode("utf-8", "replace").split("\n") if parts and parts[0].content else [""]
        who, ticket, place, *_ = [*said, "", "", ""]
        row = (
            who,
            utc(header["sts"]),
            place or NOT_STATED,
            header["req"] or header["prev"],
            f"{header['pur']} {ticket}".strip(),
        )
        (exports if header["typ"] == "access.exported" else rows).append(row)
    columns = ("Handler", "Time", "Place", "Whose data (request)", "Task")
    tables = [
        Table("Readings", columns, tuple(rows)),
        Table("Downloads and their reasons", columns, tuple(exports)),
        _law("kr-pipa", ("access-records", "monthly")),
    ]
    facts = [("Entries", str(len(rows) + len(exports))), ("Checked by", source.wish.who), ("Signature", "")]
    return facts, tables, ["note-korea"]


_MAKERS: Mapping[Kind, Callable[[Source], Parts]] = {
    Kind.INTEGRITY: _integrity,
    Kind.RETENTION: _retention,
    Kind.ACCESS: _access,
    Kind.ERASURE: _erasure,
    Kind.ARTICLE_30: _article30,
    Kind.BREACH: _breach,
    Kind.DPIA: _dpia,
    Kind.AI_ACT: _ai_act,
    Kind.CCPA: _ccpa,
    Kind.KOREA_ACCESS: _korea,
}
_REGISTER = ("Request", "Right", "Received", "Acknowledged", "Due", "Ended", "State", "Ground")


def _register(source: Source, one: SubjectRequest) -> tuple[str, ...]:
    told = next((utc(step.at_us) for step in one.steps if step.step.value == "acknowledged"), "")
    if not told and acknowledge_by_us(one):
        told = Word("missing") if source.now_us >= acknowledge_by_us(one) else ""
    ended = utc(one.ended_us) if one.ended_us else ""
    state = Word(one.state(source.now_us))
    return one.id, Word(one.kind), utc(one.received_us), told, str(one.due_day), ended, state, one.steps[-1].ground


def _requests(source: Source) -> list[SubjectRequest]:
    """Requests that came in within the period."""
    wish = source.wish
    return [
        one for one in Desk(source.log).list()
        if wish.since_us <= one.received_us < (wish.until_us or 2**62) and wish.tenant in {"", one.tenant}
    ]  # fmt: skip


def _certificates(source: Source, types: set[str]) -> list[tuple[str, ...]]:
    return [
        (utc(h["sts"]), h["req"], h["rsn"], str(len(h.get("kids", ()))), str(h.get("n", 0)),
         utc(h["until"])[:10] if "until" in h else "", str(seq))
        for seq, h in source.headers(SYSTEM)
        if h["typ"] in types
    ]  # fmt: skip


def _stated(source: Source, names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"fact-{name}", source.wish.facts.get(name, NOT_STATED)) for name in names]


def _law(pack: str, ids: tuple[str, ...]) -> Table:
    found = (load(pack).statements[one] for one in ids)
    rows = tuple((one.article, one.text, one.source, str(one.checked), Word(one.status)) for one in found)
    return Table(
        "What the law says, as far as we looked", ("Article", "In our words", "Source", "Looked at", "How sure"), rows
    )


def _needs_reader(source: Source) -> None:
    if not source.wish.who or not source.wish.ticket:
        raise InvalidReport("this report decrypts, and needs who makes it and a ticket", hint="--who NAME --ticket T")


def _in_words(source: Source, phrase: str) -> str:
    """A phrase in the report's language, where it stands among values."""
    return say(phrase, source.wish.language)


def month_before(now_us: int) -> tuple[int, int]:
    """The last full month in UTC: its first instant and the first after it."""
    this = datetime.fromtimestamp(now_us / 1e6, tz=UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    before = (this - timedelta(days=1)).replace(day=1)
    return int(before.timestamp()) * 1_000_000, int(this.timestamp()) * 1_000_000
