"""What the records say about readings of content, and about the policies and models that decided."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.parts import ConsoleParts
from audit.console.screens.records import MOST_SHOWN, Found
from audit.console.visit import Visit
from audit.events import EventType
from audit.publisher import SYSTEM
from audit.sample import Filter, population


@dataclass(slots=True)
class InForce:
    """A policy and a model as one tenant's records name them, from the first to the last, in microseconds."""

    tenant: str
    policy: str
    model: str
    first: int
    last: int
    count: int


async def show_access(visit: Visit) -> Response:
    """Readings of content, newest first."""
    found = await run_in_threadpool(_reads, visit.parts)
    return visit.page("access.html", found=found[-MOST_SHOWN:][::-1], count=len(found))


async def show_policies(visit: Visit) -> Response:
    """Which policy decided when."""
    return visit.page("policies.html", rows=await run_in_threadpool(_policies, visit.parts))


def _reads(parts: ConsoleParts) -> list[Found]:
    with parts.store() as store:
        log = next((name for name in store.logs() if name.endswith(f"/{SYSTEM}")), "")
        wanted = Filter(type=EventType.ACCESS_READ)
        return [Found(seq, header) for seq, header in population(store, log, wanted)]


def _policies(parts: ConsoleParts) -> list[InForce]:
    rows: dict[tuple[str, str, str], InForce] = {}
    with parts.store() as store:
        for log in store.logs():
            for _, header in population(store, log, Filter()):
                if header["pol"]:
                    key = (header["ten"], header["pol"], header["mod"])
                    row = rows.setdefault(key, InForce(*key, header["sts"], header["sts"], 0))
                    row.last, row.count = header["sts"], row.count + 1
    return sorted(rows.values(), key=lambda row: row.first)
