"""The gateway as an ASGI app: FastAPI for operations, the raw hot path mounted in it for traffic."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gateway.embeddings import Embeddings
from gateway.errors import UnknownRoute, WrongMethod
from gateway.exchange import Receive, Scope, Send
from gateway.feedback import Feedback
from gateway.health import Health
from gateway.native import Native
from gateway.openai.errors import error_body
from gateway.parts import GatewayParts
from gateway.pipeline import Pipeline
from gateway.routes import PREFIX, HotPath

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class Gateway(FastAPI):
    """FastAPI, with a short way to what is mounted at /v1: its own layers cost as much as the guard."""

    hot_path: HotPath

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Traffic goes straight to the hot path, everything else through the framework."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX + "/"):
            await self.hot_path(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(parts: GatewayParts) -> FastAPI:
    """The gateway made of these parts. Its lifespan closes the upstream and the log."""
    pipeline = Pipeline(parts)
    health = Health(parts, pipeline.policies, pipeline.metrics.audit_failed_s)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await pipeline.aclose()

    # The interactive pages load scripts from elsewhere; the description itself stays.
    # It sends no spans or metrics anywhere, whatever else is installed or set in the environment.
    app = Gateway(
        title="Haechi",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Model, audit log and policy are there."""
        report = await health.report()
        return JSONResponse(report.as_json(), status_code=200 if report.ready else 503)

    @app.get("/metrics")
    async def metrics_page() -> Response:
        """Counters for Prometheus."""
        return Response(pipeline.metrics.page(), media_type=_PROMETHEUS)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        """One error shape, here too."""
        if error.status_code == 405:
            shape = error_body(WrongMethod("GET"))
        else:
            shape = error_body(UnknownRoute("there is nothing at this path", hint="the API is below /v1"))
        return JSONResponse(shape, status_code=error.status_code, headers=error.headers)

    app.hot_path = HotPath(pipeline, Embeddings(parts, pipeline), Native(parts, pipeline), Feedback(parts, pipeline))
    app.mount(PREFIX, app.hot_path)
    return app
