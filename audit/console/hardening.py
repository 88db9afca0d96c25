"""What a browser and a stranger's page may do with the console.

Sources: OWASP ASVS 4.0 sections 3, 4 and 14; CSP level 3; Fetch metadata (W3C).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_PORT = re.compile(r":[0-9]+\Z")


class Hardened:
    """Adds the headers to every answer, and answers only to its own names (a page that rebinds a name gets nothing)."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, over_tls: bool) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._extra = {"strict-transport-security": "max-age=31536000"} if over_tls else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | self._extra).items():
                    headers[name] = value
            await send(message)

        host = Headers(scope=scope).get("host", "").lower()
        if _name_of(host) not in self._hosts:
            refused = PlainTextResponse("This console does not answer to that host name; see --allow-host.", 421)
            await refused(scope, receive, send_hardened)
            return
        await self._app(scope, receive, send_hardened)


def comes_from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site's page sent this form."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin")
    if site not in {"same-origin", "none"}:
        return True
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def _name_of(host: str) -> str:
    """Without the port."""
    return _PORT.sub("", host)
