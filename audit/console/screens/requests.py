"""Requests of persons: the register with its clocks, one request's steps, and the steps an officer may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit import packs
from audit.console.accounts import Role
from audit.console.visit import Visit
from audit.packs import RightKind
from audit.rights.errors import StepRefused
from audit.rights.requests import ENDED, Asked, By, Desk, SubjectRequest

_DAY_US = 86_400_000_000
STEPS: Final[dict[str, Callable[[Desk, str, By], SubjectRequest]]] = {
    "acknowledge": Desk.acknowledge,
    "ask-identity": Desk.ask_identity,
    "extend": Desk.extend,
    "hold": Desk.hold,
    "resume": Desk.resume,
    "refuse": Desk.refuse,
    "withdraw": Desk.withdraw,
    "done": Desk.done,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A request as the register shows it. days: left until the answer is due, negative when it is late; None when ended."""

    request: SubjectRequest
    state: str
    days: int | None


async def show_requests(visit: Visit) -> Response:
    """The register: what is open first, by the day it is due."""
    rows = await run_in_threadpool(_register, visit)
    rights = {name: [kind.value for kind in packs.load(name).rights] for name in packs.names()}
    offered = {name: kinds for name, kinds in rights.items() if kinds}
    return visit.page("requests.html", rows=rows, packs=list(offered), kinds=[kind.value for kind in RightKind])


async def open_request(visit: Visit) -> Response:
    """Record that somebody asks for something; the clock runs."""
    account = visit.needs(Role.OFFICER)
    kind = visit.field("kind")
    if kind not in {each.value for each in RightKind} or not visit.secret("subject"):
        raise StepRefused("a request needs a person and a right", hint="fill in both")
    asked = Asked(
        visit.field("tenant") or "default", visit.secret("subject"), RightKind(kind), visit.field("pack"),
        visit.field("contact"), visit.field("note"), "console",
    )  # fmt: skip
    log = visit.parts.log_with_keys()
    made = await run_in_threadpool(Desk(log).open, asked, By(account.name, visit.field("ticket")))
    return visit.go(f"/requests/{made.id}")


async def show_request(visit: Visit) -> Response:
    """One request, step by step."""
    return await _page(visit, None)


async def take_step(visit: Visit) -> Response:
    """Take a step, or show who asks, which is recorded as a reading of content."""
    account = visit.needs(Role.OFFICER)
    name, step = _name(visit), visit.field("step")
    by = By(account.name, visit.field("ticket"), visit.field("ground"), visit.field("note"))
    desk = Desk(visit.parts.log_with_keys())
    if step == "reveal":
        return await _page(visit, await run_in_threadpool(desk.asked, name, by))
    if step == "verify-identity":
        level = visit.field("level")
        await run_in_threadpool(desk.verify_identity, name, int(level) if level in {"1", "2", "3"} else 0, by)
    elif step in STEPS:
        await run_in_threadpool(STEPS[step], desk, name, by)
    else:
        raise StepRefused(f"there is no step {step[:40]!r}", hint=f"one of {', '.join(STEPS)}")
    return visit.go(f"/requests/{name}")


async def _page(visit: Visit, asked: Asked | None) -> Response:
    desk = Desk(visit.parts.log_with_keys())
    request = await run_in_threadpool(desk.find, _name(visit))
    row = _row(request, visit.parts.log_with_keys().clock.now_us())
    rule = packs.load(request.pack).rule(request.kind)
    return visit.page("request.html", row=row, rule=rule, asked=asked, steps=list(STEPS), ended=request.stored in ENDED)


def _name(visit: Visit) -> str:
    return f"{visit.request.path_params['tenant']}/{visit.request.path_params['id']}"


def _register(visit: Visit) -> list[Row]:
    log = visit.parts.log_with_keys()
    now = log.clock.now_us()
    rows = [_row(request, now) for request in Desk(log).list()]
    return sorted(rows, key=lambda row: (row.days is None, row.request.due_us, row.request.received_us))


def _row(request: SubjectRequest, now_us: int) -> Row:
    days = None if request.stored in ENDED else (request.due_us - now_us) // _DAY_US
    return Row(request, request.state(now_us).value, days)
