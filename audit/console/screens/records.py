"""Finding records by their headers, one request's timeline, its proof, and its content for who may read it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit import canonical
from audit.console.accounts import Role
from audit.console.parts import ConsoleParts
from audit.console.visit import Visit
from audit.errors import AccessRefused, NothingToVerify, NotProvable
from audit.events import Event, EventType, Segment
from audit.log import Content
from audit.prove import prove
from audit.publisher import SYSTEM
from audit.sample import Filter, population
from audit.store_port import Store

MOST_SHOWN = 200
FIELDS = ("type", "decision", "category", "request", "reason", "policy", "model")
DECISIONS = ("allow", "flag", "redact", "rewrite", "block", "none")


@dataclass(frozen=True, slots=True)
class Found:
    """A record. seq: its number in its log. header: decoded."""

    seq: int
    header: dict[str, Any]

    @property
    def tenant(self) -> str:
        """Whose log it is in, which for a record of the log's own affairs is the system's."""
        return str(self.header["log"]).rsplit("/", 1)[-1]


async def search(visit: Visit) -> Response:
    """How many records the filter takes, and the newest of them."""
    tenant = visit.query.get("tenant", "")
    wanted, error = _wanted(visit)
    count, newest = (0, []) if error else await run_in_threadpool(_search, visit.parts, wanted, tenant)
    tenants = await run_in_threadpool(_tenants, visit.parts)
    return visit.page(
        "search.html", found=newest, count=count, error=error, tenants=tenants, tenant=tenant, query=visit.query,
        types=list(EventType), decisions=DECISIONS, most=MOST_SHOWN,
    )  # fmt: skip


async def search_subject(visit: Visit) -> Response:
    """The records of one person. Recorded before it is done."""
    account = visit.needs(Role.INVESTIGATOR)
    tenant, subject = visit.field("tenant") or "default", visit.secret("subject")
    purpose, ticket = visit.field("purpose"), visit.field("ticket")
    log = visit.parts.log_with_keys()

    def look() -> list[Found]:
        if not purpose or not ticket or not subject:
            raise AccessRefused("finding a person needs the person, a purpose and a ticket", hint="fill in all three")
        who = Segment("access", f"{account.name}\n{ticket}\n{subject}".encode(), account.name, "access-2y")
        log.record(Event(EventType.ACCESS_READ, SYSTEM, "", "access.search", "none", purpose=purpose, segments=(who,)))
        kids = {entry.kid for entry in log.keys.entries(tenant, subject)} if log.keys.knows(tenant) else set()
        with visit.parts.store() as store:
            places = sorted({(name, seq) for kid in kids for name, seq, _ in store.bodies_of(kid)})
            return [_one(store, name, seq) for name, seq in places[-MOST_SHOWN:]]

    found = await run_in_threadpool(look)
    return visit.page("found.html", found=found[::-1], count=len(found))


async def show_record(visit: Visit) -> Response:
    """The timeline of a request, with the record that was asked for."""
    found, timeline = await run_in_threadpool(_record, visit)
    return visit.page("record.html", record=found, timeline=timeline, contents=None)


async def read_record(visit: Visit) -> Response:
    """Content, after the reading was recorded."""
    account = visit.needs(Role.INVESTIGATOR)
    log = visit.parts.log_with_keys()
    found, timeline = await run_in_threadpool(_record, visit)

    def read() -> tuple[Content, ...]:
        return log.read(
            found.tenant, found.seq, who=account.name, purpose=visit.field("purpose"), ticket=visit.field("ticket")
        )

    contents = [
        (part.name, None if part.content is None else part.content.decode("utf-8", "replace"))
        for part in await run_in_threadpool(read)
    ]
    return visit.page("record.html", record=found, timeline=timeline, contents=contents)


async def download_proof(visit: Visit) -> Response:
    """The proof of a record, or the record's own bytes, as files for `haechi audit prove --check`."""
    found, _ = await run_in_threadpool(_record, visit)

    def make() -> tuple[bytes, bytes]:
        with visit.parts.store() as store:
            proven = prove(store, found.header["log"], found.seq)
            return proven.leaf, proven.proof.text()

    leaf, proof = await run_in_threadpool(make)
    kind = visit.request.path_params["kind"]
    if kind not in {"leaf", "tlog-proof"}:
        raise NotProvable(f"there is no file .{kind}", hint="leaf or tlog-proof")
    name = f"{found.header['id']}.{kind}"
    return Response(
        leaf if kind == "leaf" else proof,
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _wanted(visit: Visit) -> tuple[Filter, str]:
    words = {name: visit.query.get(name, "").strip() for name in FIELDS}
    try:
        since, until = (_time(visit.query.get(name, "")) for name in ("since", "until"))
    except ValueError as error:
        return Filter(), str(error)
    return Filter(**words, since_us=since, until_us=until), ""


def _time(text: str) -> int:
    if not text.strip():
        return 0
    at = datetime.fromisoformat(text.strip())
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)


def _search(parts: ConsoleParts, wanted: Filter, tenant: str) -> tuple[int, list[Found]]:
    count = 0
    newest: list[tuple[int, int, Found]] = []
    with parts.store() as store:
        for log in store.logs():
            if tenant in {"", log.rsplit("/", 1)[-1]}:
                for seq, header in population(store, log, wanted):
                    count += 1
                    entry = (header["sts"], count, Found(seq, header))
                    (heapq.heappushpop if len(newest) >= MOST_SHOWN else heapq.heappush)(newest, entry)
    return count, [found for *_, found in sorted(newest, key=lambda one: one[:2], reverse=True)]


def _tenants(parts: ConsoleParts) -> list[str]:
    with parts.store() as store:
        return sorted(log.rsplit("/", 1)[-1] for log in store.logs())


def _record(visit: Visit) -> tuple[Found, list[Found]]:
    tenant, number = visit.request.path_params["tenant"], visit.request.path_params["seq"]
    with visit.parts.store() as store:
        log = next((name for name in store.logs() if name.rsplit("/", 1)[-1] == tenant), "")
        found = _one(store, log, number)
        request = found.header["req"]
        if not request:
            return found, [found]
        around = (Found(seq, header) for seq, header in population(store, log, Filter(request=request)))
        return found, list(islice(around, MOST_SHOWN))


def _one(store: Store, log: str, seq: int) -> Found:
    leaf = next((data for at, data in store.headers(log, seq, 1) if at == seq), None) if log else None
    if leaf is None:
        raise NothingToVerify(f"there is no record {seq} in this log", hint="search lists the records")
    return Found(seq, canonical.decode(leaf))
