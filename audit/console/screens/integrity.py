"""Is the log whole? Verified on demand, and how to verify it without this console."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from audit.console.parts import ConsoleParts, LastProof
from audit.console.visit import Visit
from audit.errors import NothingToVerify, TamperedLog
from audit.pins import Pins
from audit.settle import settle
from audit.verify import FolderProof, verify_folder

LONGEST_WAIT_S = 3.0
"""For the checkpoint of records that came a moment before."""


async def show_integrity(visit: Visit) -> Response:
    """The last verification."""
    remembered = await run_in_threadpool(Pins(visit.parts.pins).notes)
    return visit.page(
        "integrity.html", last=visit.parts.last_proof, remembered=remembered, folder=str(visit.parts.folder)
    )


async def verify_now(visit: Visit) -> Response:
    """Verify everything, one at a time."""
    await run_in_threadpool(_verify, visit.parts)
    return visit.go("/")


async def show_about(visit: Visit) -> Response:
    """What the log proves and what not."""
    return visit.page("about.html")


def _verify(parts: ConsoleParts) -> None:
    with parts.verifying:
        try:
            proof = verify_folder(parts.folder, pins=parts.pins, database=parts.database)
            settle(proof, parts.folder, within_s=LONGEST_WAIT_S, database=parts.database)
        except (TamperedLog, NothingToVerify) as error:
            proof = FolderProof((), (f"{error.message}; {error.hint}",))
        parts.last_proof = LastProof(proof, datetime.now(UTC))
