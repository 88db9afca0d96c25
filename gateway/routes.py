"""Every path under /v1 and who answers it. A raw ASGI app: the framework around it costs more than the guard.

A route that is not in the table does not exist; the conformance test drives each that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from gateway.embeddings import Embeddings
from gateway.errors import UnknownRoute, WrongMethod
from gateway.exchange import Exchange, Receive, Scope, Send
from gateway.feedback import Feedback
from gateway.native import Native
from gateway.openai.chat import CHAT
from gateway.openai.responses import RESPONSES
from gateway.openai.text import TEXT
from gateway.pipeline import Handler, Pipeline
from gateway.visit import Visit

PREFIX = "/v1"


@dataclass(frozen=True, slots=True)
class Route:
    """One path.

    path: below /v1; a last part of `{id}` takes any one segment, or several.
    """

    method: str
    path: str
    handler: Handler


class HotPath:
    """The ASGI app that is mounted at /v1."""

    def __init__(self, pipeline: Pipeline, embeddings: Embeddings, native: Native, feedback: Feedback) -> None:
        self._pipeline = pipeline
        self.routes: tuple[Route, ...] = (
            Route("POST", "/chat/completions", partial(pipeline.answer, CHAT)),
            Route("POST", "/completions", partial(pipeline.answer, TEXT)),
            Route("POST", "/responses", partial(pipeline.answer, RESPONSES)),
            Route("POST", "/embeddings", embeddings.embed),
            Route("GET", "/models", native.models),
            Route("GET", "/models/{id}", native.model),
            Route("POST", "/guard/check", native.check),
            Route("POST", "/guard/scrub", native.scrub),
            Route("POST", "/moderations", native.moderate),
            Route("POST", "/feedback", feedback.give),
        )
        self._exact = {PREFIX + route.path: route for route in self.routes if not route.path.endswith("{id}")}
        self._open = [
            (PREFIX + route.path.removesuffix("{id}"), route) for route in self.routes if route.path.endswith("{id}")
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        exchange = Exchange(scope, receive, send)
        route, argument = self._find(path)
        if route is None:
            await self._pipeline.run(exchange, "other", _raising(UnknownRoute("there is nothing at this path")))
        elif exchange.method != route.method:
            await self._pipeline.run(exchange, PREFIX + route.path, _raising(WrongMethod(route.method)))
        else:
            await self._pipeline.run(exchange, PREFIX + route.path, route.handler, argument)

    def _find(self, path: str) -> tuple[Route | None, str]:
        route = self._exact.get(path) or self._exact.get(path.rstrip("/"))
        if route is not None:
            return route, ""
        for prefix, candidate in self._open:
            if path.startswith(prefix) and len(path) > len(prefix):
                return candidate, path[len(prefix) :]
        return None, ""


def _raising(error: UnknownRoute | WrongMethod) -> Handler:
    async def handler(visit: Visit) -> None:
        raise error

    return handler
