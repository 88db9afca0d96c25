"""Incidents: the register with the clock to the authority, one incident's steps, and the steps an officer takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.accounts import Role
from audit.console.visit import Visit
from audit.rights import breach
from audit.rights.breach import BreachStep, Incident
from audit.rights.errors import StepRefused

_HOUR_US = 3_600_000_000
STEPS = tuple(step.value for step in BreachStep if step is not BreachStep.OPENED)


@dataclass(frozen=True, slots=True)
class Row:
    """An incident as the register shows it.

    hours: left until the authority is to be told, negative when late; None when it was told, need not be, or it is closed.
    """

    incident: Incident
    state: str
    hours: int | None


async def show_incidents(visit: Visit) -> Response:
    """The register, the most urgent first."""
    return visit.page("incidents.html", rows=await run_in_threadpool(_register, visit))


async def open_incident(visit: Visit) -> Response:
    """Start the clock."""
    account = visit.needs(Role.OFFICER)
    log = visit.parts.log_with_keys()
    aware_us = _entered_us(visit.field("aware")) or log.clock.now_us()
    made = await run_in_threadpool(
        lambda: breach.open_incident(
            log, visit.field("tenant") or "default", aware_us=aware_us, nature=visit.field("note"),
            who=account.name, ticket=visit.field("ticket"),
        )
    )  # fmt: skip
    return visit.go(f"/incidents/{made.id}")


async def show_incident(visit: Visit) -> Response:
    """One incident, step by step, without what was written."""
    return await _page(visit, None)


async def take_step(visit: Visit) -> Response:
    """Take a step, or show what was written, which is recorded as a reading of content."""
    account = visit.needs(Role.OFFICER)
    log, name, step, ticket = visit.parts.log_with_keys(), _name(visit), visit.field("step"), visit.field("ticket")
    if step == "reveal":
        if not ticket:
            raise StepRefused("reading what was written needs a ticket", hint="enter the ticket that asks for it")
        incident = await run_in_threadpool(breach.find_incident, log, name)
        notes = await run_in_threadpool(lambda: breach.notes_of(log, incident, who=account.name, ticket=ticket))
        return await _page(visit, notes)
    if step not in STEPS:
        raise StepRefused(f"there is no step {step[:40]!r}", hint=f"one of {', '.join(STEPS)}")
    note = visit.field("note")
    await run_in_threadpool(
        lambda: breach.take(log, name, BreachStep(step), who=account.name, ticket=ticket, note=note)
    )
    return visit.go(f"/incidents/{name}")


async def _page(visit: Visit, notes: list[str] | None) -> Response:
    log = visit.parts.log_with_keys()
    incident = await run_in_threadpool(breach.find_incident, log, _name(visit))
    extent = await run_in_threadpool(breach.extent, log, incident.tenant, incident.aware_us, 0)
    return visit.page(
        "incident.html", row=_row(incident, log.clock.now_us()), notes=notes, extent=extent, offered=STEPS
    )


def _name(visit: Visit) -> str:
    return f"{visit.request.path_params['tenant']}/{visit.request.path_params['id']}"


def _register(visit: Visit) -> list[Row]:
    log = visit.parts.log_with_keys()
    rows = [_row(one, log.clock.now_us()) for one in breach.incidents(log)]
    return sorted(rows, key=lambda row: (row.hours is None, row.incident.due_us))


def _row(incident: Incident, now_us: int) -> Row:
    decided = incident.told_us or any(one.step is BreachStep.NOT_NOTIFIED for one in incident.steps)
    hours = None if decided or incident.closed else (incident.due_us - now_us) // _HOUR_US
    state = "overdue" if incident.overdue(now_us) else "closed" if incident.closed else "open"
    return Row(incident, state, hours)


def _entered_us(text: str) -> int:
    """A time as a form sends it, in UTC; 0 for none.

    Raises:
        StepRefused: it is no time.
    """
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise StepRefused(f"{text[:40]!r} is not a time", hint="for example 2026-11-24T09:30, UTC") from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6)
