"""Which upstreams exist: one explicit table, imported on first use.

A gateway that proxies a server never imports a model runtime, and one with a model inside no HTTP client.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from gateway.upstream.ports import UpstreamError
from haechi.base.errors import nearest


@dataclass(frozen=True, slots=True)
class Factory:
    """Where an upstream is made: a module and the dotted name of its class or constructor."""

    module: str
    name: str


UPSTREAMS: dict[str, Factory] = {
    "local": Factory("gateway.upstream.local", "LocalUpstream"),
    "http": Factory("gateway.upstream.http", "HttpUpstream"),
}


def upstream_class(kind: str) -> Any:
    """The class of an upstream: `LocalUpstream` is made by its `load`, `HttpUpstream` by its constructor.

    Raises:
        UpstreamError: there is no upstream of this kind.
    """
    factory = UPSTREAMS.get(kind)
    if factory is None:
        raise UpstreamError(f"no upstream of the kind {kind!r}", hint=nearest(kind, UPSTREAMS))
    return getattr(import_module(factory.module), factory.name)
