"""The console's application: which address shows what, who must be signed in, and how errors are shown."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from importlib import resources

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from audit.console.errors import FormRefused, NotAllowed
from audit.console.hardening import LOOPBACK, Hardened
from audit.console.parts import ConsoleParts
from audit.console.screens import (
    entrance,
    histories,
    incidents,
    integrity,
    keeping,
    records,
    reports,
    requests,
    sampling,
)
from audit.console.visit import COOKIE, Visit
from audit.errors import AccessRefused, InvalidRecord, NothingToVerify, NotProvable
from audit.rights.errors import IdentityNotVerified, InvalidPack, InvalidReport, StepRefused, UnknownRequest
from haechi.base.errors import HaechiError

logger = logging.getLogger("haechi.console")

Screen = Callable[[Visit], Awaitable[Response]]

OPEN: tuple[tuple[str, str, Screen], ...] = (
    ("GET", "/sign-in", entrance.show_sign_in),
    ("POST", "/sign-in", entrance.sign_in),
)
"""What needs no session."""

SIGNED_IN: tuple[tuple[str, str, Screen], ...] = (
    ("GET", "/", integrity.show_integrity),
    ("POST", "/verify", integrity.verify_now),
    ("GET", "/about", integrity.show_about),
    ("GET", "/search", records.search),
    ("POST", "/search/person", records.search_subject),
    ("GET", "/record/{tenant}/{seq:int}", records.show_record),
    ("POST", "/record/{tenant}/{seq:int}", records.read_record),
    ("GET", "/record/{tenant}/{seq:int}.{kind}", records.download_proof),
    ("GET", "/sampling", sampling.show_sampling),
    ("GET", "/retention", keeping.show_retention),
    ("POST", "/retention/hold", keeping.place_hold),
    ("POST", "/retention/lift", keeping.lift_hold),
    ("GET", "/keys", keeping.show_keys),
    ("GET", "/access", histories.show_access),
    ("GET", "/policies", histories.show_policies),
    ("GET", "/requests", requests.show_requests),
    ("POST", "/requests", requests.open_request),
    ("GET", "/requests/{tenant}/{id}", requests.show_request),
    ("POST", "/requests/{tenant}/{id}", requests.take_step),
    ("GET", "/incidents", incidents.show_incidents),
    ("POST", "/incidents", incidents.open_incident),
    ("GET", "/incidents/{tenant}/{id}", incidents.show_incident),
    ("POST", "/incidents/{tenant}/{id}", incidents.take_step),
    ("GET", "/reports", reports.show_reports),
    ("POST", "/reports", reports.make),
    ("GET", "/settings", entrance.show_settings),
    ("POST", "/settings", entrance.change_password),
    ("POST", "/sign-out", entrance.sign_out),
)

_STATUS: dict[type[HaechiError], int] = {
    NothingToVerify: 404,
    NotProvable: 404,
    AccessRefused: 400,
    InvalidRecord: 400,
    InvalidPack: 400,
    InvalidReport: 400,
    StepRefused: 400,
    IdentityNotVerified: 403,
    UnknownRequest: 404,
    FormRefused: 403,
    NotAllowed: 403,
}


def create_console(parts: ConsoleParts, *, hosts: Collection[str] = LOOPBACK, over_tls: bool = False) -> ASGIApp:
    """The console over an audit folder.

    hosts: names it answers to. over_tls: whether browsers reach it over TLS only.
    """
    routes = [_route(parts, *one, signed_in=False) for one in OPEN]
    routes += [_route(parts, *one, signed_in=True) for one in SIGNED_IN]
    style = (resources.files("audit.console") / "static" / "console.css").read_bytes()

    async def show_style(request: Request) -> Response:
        return Response(style, media_type="text/css")

    async def show_nothing(request: Request, error: Exception) -> Response:
        visit = Visit(parts, request, None, None)
        return visit.page("error.html", status=404, error=None)

    async def show_no_icon(request: Request) -> Response:
        return Response(status_code=204)

    routes.append(Route("/console.css", show_style))
    routes.append(Route("/favicon.ico", show_no_icon))  # browsers ask by themselves, and report what they do not get
    app = Starlette(routes=routes, exception_handlers={404: show_nothing, 405: show_nothing})
    return Hardened(app, hosts, over_tls=over_tls)


def _route(parts: ConsoleParts, method: str, path: str, screen: Screen, *, signed_in: bool) -> Route:
    async def answer(request: Request) -> Response:
        session = parts.sessions.find(request.cookies.get(COOKIE, ""))
        account = parts.accounts.find(session.name) if session else None
        if signed_in and (session is None or account is None):
            return RedirectResponse("/sign-in", status_code=303)
        visit = Visit(parts, request, session, account)
        try:
            if method == "POST":
                await visit.read_form()
            return await screen(visit)
        except HaechiError as error:
            status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 503)
            if status == 503:
                logger.error("the console cannot answer %s: %s", path, error)  # noqa: TRY400
            return visit.page("error.html", status=status, error=error)

    return Route(path, answer, methods=[method], name=f"{method} {path}")
