"""Signing in and out, and one's own password."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.errors import ConsoleAccounts, SignInRefused
from audit.console.visit import COOKIE, Visit


async def show_sign_in(visit: Visit) -> Response:
    """The form."""
    return visit.page("sign_in.html", error="")


async def sign_in(visit: Visit) -> Response:
    """Begin a session, or say why not."""
    try:
        account = await run_in_threadpool(visit.parts.accounts.sign_in, visit.field("name"), visit.secret("password"))
    except SignInRefused as refused:
        answer = visit.page("sign_in.html", status=429 if refused.wait_s else 401, error=visit.told(refused.message))
        if refused.wait_s:
            answer.headers["retry-after"] = str(int(refused.wait_s) + 1)
        return answer
    answer = visit.go("/")
    answer.set_cookie(
        COOKIE,
        visit.parts.sessions.begin(account.name),
        httponly=True,
        samesite="strict",
        secure=visit.request.url.scheme == "https",
    )
    return answer


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    visit.parts.sessions.end(visit.request.cookies.get(COOKIE, ""))
    answer = visit.go("/sign-in")
    answer.delete_cookie(COOKIE)
    return answer


async def show_settings(visit: Visit) -> Response:
    """One's own account."""
    return visit.page("settings.html", error="", done="")


async def change_password(visit: Visit) -> Response:
    """A new password; every session of the account ends."""
    try:
        await run_in_threadpool(
            visit.parts.accounts.change_password, visit.name, visit.secret("old"), visit.secret("new")
        )
    except (SignInRefused, ConsoleAccounts) as refused:
        return visit.page(
            "settings.html", status=400, error=f"{visit.told(refused.message)}; {visit.told(refused.hint)}", done=""
        )
    visit.parts.sessions.end_all_of(visit.name)
    return visit.go("/sign-in")
