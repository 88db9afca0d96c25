"""What tests of the auditor console share: a clock moved by hand, and a browser without pages."""

from __future__ import annotations

import re

from httpx import Response
from starlette.testclient import TestClient

PASSWORD = "four words are enough"
HOSTILE = "안녕 <script>alert(1)</script> \u202e{{ 7*7 }}"


class Hand:
    """A clock that is moved by hand, in seconds."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


class Browser:
    """Follows redirects, keeps cookies, and fills in the token that a page's forms carry."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.page: Response | None = None

    def get(self, path: str) -> Response:
        self.page = self.client.get(path)
        return self.page

    def send(self, path: str, **fields: str) -> Response:
        token = re.search(r'name="token" value="([^"]*)"', self.page.text if self.page else "")
        self.page = self.client.post(path, data={"token": token.group(1) if token else "", **fields})
        return self.page

    def sign_in(self, name: str, password: str = PASSWORD) -> Response:
        self.get("/sign-in")
        return self.send("/sign-in", name=name, password=password)
