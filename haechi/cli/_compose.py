"""Join the parts into the app: the one place that knows a checker, a log, a model and the HTTP surface by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from gateway.settings import GatewaySettings
from haechi.cli._audit_open import modes_of, open_audit
from haechi.cli._options import shelf_of

if TYPE_CHECKING:
    from gateway.limits import Limits
    from gateway.upstream.ports import Upstream


def build_app(settings: GatewaySettings) -> Callable[..., Any]:
    """The ASGI app for these settings, with everything loaded. Its lifespan closes what is opened here.

    Raises:
        HaechiError: whatever a part says when it cannot be had; what was opened before is closed again.
    """
    from gateway.app import create_app
    from gateway.keys import KeyStore
    from gateway.parts import BlockedPrompt, GatewayParts
    from gateway.placeholder_maps import MapStore
    from guard.reload import ReloadingChecker

    with ExitStack() as opened:
        checker = ReloadingChecker(settings.policy, knowledge=shelf_of(settings))
        upstream = _upstream(settings)
        keys = KeyStore.open(settings.key_place)
        opened.callback(keys.close)
        log = open_audit(settings, modes=modes_of(settings))
        opened.callback(log.close)
        maps = MapStore.open(settings.data_dir, keep_s=settings.placeholder_hours * 3600)
        opened.callback(maps.close)
        app = create_app(
            GatewayParts(
                checker=checker,
                log=log,
                upstream=upstream,
                keys=keys,
                default_model=settings.model if settings.upstream else "",
                limits=limits_of(settings),
                blocked_prompt=BlockedPrompt(settings.blocked_prompt),
                maps=maps,
            )
        )
        opened.pop_all()
    return app


def limits_of(settings: GatewaySettings) -> Limits:
    """The bounds that the settings name; the rest as gateway.parts has them."""
    from gateway.limits import Limits

    return Limits(
        body_bytes=settings.max_body_bytes,
        messages=settings.max_messages,
        in_flight=settings.max_in_flight,
        request_s=settings.request_timeout_s,
        audit_s=settings.audit_timeout_s,
        guard_threads=settings.guard_threads,
    )


def _upstream(settings: GatewaySettings) -> Upstream:
    if settings.upstream:
        from gateway.upstream.http import HttpUpstream

        return HttpUpstream(settings.upstream, api_key=settings.upstream_key, timeout_s=settings.upstream_timeout_s)
    from gateway.upstream.local import LocalUpstream
    from haechi.cli._release_check import check_release

    check_release(settings)  # here too: what is loaded now is what was checked, in a worker that starts late as well
    return LocalUpstream.load(
        settings.model,
        precision=settings.precision,
        data_dir=settings.data_dir,
        # Workers share the machine: left alone, each would start one thread per core.
        threads=max(1, (os.cpu_count() or 1) // settings.workers) if settings.workers > 1 else None,
        tell=_tell,
    )


def _tell(text: str) -> None:
    print(f"haechi: {text}", file=sys.stderr, flush=True)
