"""One request to the console: who asks, in which language, with which form, and the page that answers."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qsl

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from audit.console import texts
from audit.console.accounts import Account, Role
from audit.console.errors import FormRefused, NotAllowed
from audit.console.hardening import comes_from_elsewhere
from audit.console.parts import ConsoleParts
from audit.console.sessions import Session

LARGEST_FORM = 64 * 1024
COOKIE, LANGUAGE_COOKIE = "haechi_console", "haechi_language"
_SHOWN_AS_IT_IS = frozenset("\n\t")


@cache
def _templates() -> Environment:
    loader = PackageLoader("audit.console", "templates")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(time=as_time, visible=visible, said=texts.said)
    return made


def as_time(at_us: int) -> str:
    """A time of the log, in UTC."""
    return datetime.fromtimestamp(at_us / 1e6, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def visible(text: str) -> str:
    """Text with what a page would obey or hide (control and direction characters) spelt out."""
    return "".join(
        c if c in _SHOWN_AS_IT_IS or unicodedata.category(c) not in {"Cc", "Cf", "Zl", "Zp"} else f"\\u{ord(c):04x}"
        for c in text
    )


class Visit:
    """A request with what is known about it. account: None on the pages that nobody must sign in for."""

    def __init__(self, parts: ConsoleParts, request: Request, session: Session | None, account: Account | None) -> None:
        self.parts = parts
        self.request = request
        self.session = session
        self.account = account
        self.language = texts.chosen(
            request.query_params.get("lang", ""),
            request.cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
        )
        self._form: dict[str, str] = {}

    @property
    def query(self) -> Mapping[str, str]:
        """The address's parameters."""
        return self.request.query_params

    @property
    def name(self) -> str:
        """Who asks."""
        return self.account.name if self.account else ""

    async def read_form(self) -> None:
        """Read and check the form; before anything else is done with it.

        Raises:
            FormRefused: another site sent it, it is too large, or its token is not this session's.
        """
        if comes_from_elsewhere(self.request):
            raise FormRefused("the form was sent by another site", hint="open the console and fill in its own form")
        body = b""
        async for piece in self.request.stream():
            body += piece
            if len(body) > LARGEST_FORM:
                raise FormRefused("the form is too large", hint="shorten what you entered")
        try:
            self._form = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100))
        except ValueError as error:
            raise FormRefused("the form cannot be read", hint="use the console's own form") from error
        if self.session is not None and not self.session.carries(self._form.get("token", "")):
            raise FormRefused("the form belongs to an older session", hint="go back, reload the page and send it again")

    def field(self, name: str) -> str:
        """What was entered, without surrounding blanks; empty when there is no such field."""
        return self._form.get(name, "").strip()

    def secret(self, name: str) -> str:
        """What was entered, as it is."""
        return self._form.get(name, "")

    def needs(self, role: Role) -> Account:
        """The account, if it has the role.

        Raises:
            NotAllowed: it has not.
        """
        if self.account is None or role not in self.account.roles:
            raise NotAllowed(
                f"this needs the role {role}", hint=f"haechi audit console --add {self.name or 'NAME'} --role {role}"
            )
        return self.account

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """A page in the visitor's language."""
        t = texts.words(self.language)
        language_links = [(code, texts.words(code)["language"]) for code in texts.LANGUAGES]
        html = _templates().get_template(template).render(
            t=t, visit=self, told=self.told, here=self.request.url.path, languages=language_links, Role=Role,
            token=self.session.form_token if self.session else "", now=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
            **values,
        )  # fmt: skip
        answer = HTMLResponse(html, status)
        if self.query.get("lang") in texts.LANGUAGES:
            answer.set_cookie(LANGUAGE_COOKIE, self.language, samesite="strict", httponly=True, max_age=365 * 86_400)
        return answer

    def told(self, text: str) -> str:
        """What an error or its hint says, in the visitor's language."""
        return texts.told(text, self.language)

    def go(self, path: str) -> Response:
        """After a form: show a page, so that reloading does not send the form again."""
        return RedirectResponse(path, status_code=303)
