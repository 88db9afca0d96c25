"""A sample that the operator cannot steer, and the command that draws it again."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.parts import ConsoleParts
from audit.console.screens.records import Found
from audit.console.visit import Visit
from audit.errors import NothingToVerify
from audit.events import EventType
from audit.note import parse
from audit.prove import newest_note
from audit.sample import Filter, draw, population

MOST_DRAWN = 500


@dataclass(frozen=True, slots=True)
class Drawn:
    """A draw, with all that is needed to repeat it. population: records it was drawn from."""

    log: str
    size: int
    root: str
    number: int
    population: int
    records: tuple[Found, ...]


async def show_sampling(visit: Visit) -> Response:
    """The form, and the draw when a number was named."""
    number, size = visit.query.get("number", ""), visit.query.get("size", "25")
    tenant = visit.query.get("tenant", "") or "default"
    drawn = None
    if number.isascii() and number.isdigit() and size.isascii() and size.isdigit() and len(number) <= 30:
        wanted = Filter(type=visit.query.get("type", ""))
        count = min(max(int(size or "0"), 1), MOST_DRAWN)
        drawn = await run_in_threadpool(_draw, visit.parts, tenant, wanted, int(number), count)
    tenants = await run_in_threadpool(_tenants, visit.parts)
    return visit.page(
        "sampling.html",
        drawn=drawn,
        query=visit.query,
        tenant=tenant,
        size=size,
        tenants=tenants,
        types=list(EventType),
    )


def _tenants(parts: ConsoleParts) -> list[str]:
    with parts.store() as store:
        return [name.rsplit("/", 1)[-1] for name in store.logs()]


def _draw(parts: ConsoleParts, tenant: str, wanted: Filter, number: int, count: int) -> Drawn:
    with parts.store() as store:
        log = next((name for name in store.logs() if name.rsplit("/", 1)[-1] == tenant), "")
        if not log:
            raise NothingToVerify(f"there is no log of tenant {tenant!r}", hint="integrity lists the logs")
        checkpoint = parse(newest_note(store, log)[1])[0]
        headers = dict(population(store, log, wanted, checkpoint.size))
    chosen = draw(list(headers), count, checkpoint.root, number)
    records = tuple(Found(seq, headers[seq]) for seq in chosen)
    return Drawn(log, checkpoint.size, checkpoint.root.hex(), number, len(headers), records)
