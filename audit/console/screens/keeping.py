"""How long content is kept: the schedule against reality, legal holds, and the keys themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.accounts import Role
from audit.console.visit import Visit
from audit.erase import DueKeys, Eraser, Why
from audit.keys import Hold

BACKUPS_US = 30 * 86_400_000_000


async def show_retention(visit: Visit) -> Response:
    """Every class and month with the day its keys die, and the holds."""
    schedule, holds = await run_in_threadpool(_look, visit)
    now = datetime.now(UTC)
    rows = [(due, due.overdue(now) and len(due.kids) > due.held) for due in schedule]
    return visit.page("retention.html", rows=rows, holds=holds)


async def place_hold(visit: Visit) -> Response:
    """Forbid erasure and expiry of a person's content, or of a tenant's."""
    account = visit.needs(Role.OFFICER)
    log = visit.parts.log_with_keys()
    why = _why(account.name, visit)
    await run_in_threadpool(
        Eraser(log).place_hold, visit.field("tenant") or "default", visit.secret("subject") or None, why
    )
    return visit.go("/retention")


async def lift_hold(visit: Visit) -> Response:
    """Allow them again."""
    account = visit.needs(Role.OFFICER)
    log = visit.parts.log_with_keys()
    await run_in_threadpool(Eraser(log).lift_hold, visit.field("id"), _why(account.name, visit))
    return visit.go("/retention")


async def show_keys(visit: Visit) -> Response:
    """How many keys exist, by tenant and class; how often keys were destroyed."""
    schedule, _ = await run_in_threadpool(_look, visit)
    erasures = await run_in_threadpool(visit.parts.log_with_keys().keys.erasures)
    rows = []
    for (tenant, retention), group in groupby(schedule, key=lambda due: (due.tenant, due.retention)):
        months = list(group)
        held = sum(due.held for due in months)
        rows.append((tenant, retention, sum(len(due.kids) for due in months), held, months[0].epoch, months[-1].epoch))
    return visit.page("keys.html", rows=rows, erasures=erasures)


def _look(visit: Visit) -> tuple[tuple[DueKeys, ...], list[Hold]]:
    log = visit.parts.log_with_keys()
    return Eraser(log).schedule(), log.keys.holds()


def _why(who: str, visit: Visit) -> Why:
    return Why(who, visit.field("ticket"), "hold", "", time.time_ns() // 1000 + BACKUPS_US)
