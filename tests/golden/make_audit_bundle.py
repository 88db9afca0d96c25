"""Write the golden export bundle: run by hand once for each released format, never again for an old one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from audit import AuditLog, Event, EventType, Segment
from audit.rights.bundle import export_subject

PLACE = Path(__file__).parent
NAME = "audit_bundle_1.zip"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, AuditLog.open(Path(scratch) / "audit") as log:
        for number in range(4):
            user = f"user-{number % 2}"
            prompt = Segment("prompt", f"질문 {number} 问题 question <b>".encode(), subject=user)
            received = log.append(
                Event(EventType.REQUEST_RECEIVED, "default", f"req-{number}", model="qwen3", segments=(prompt,))
            )
            received.durable.result(10)
            end = Event(
                EventType.RESPONSE_COMPLETED, "default", f"req-{number}", previous=received.record_id, model="qwen3"
            )
            log.append(end).durable.result(10)
        bundle = export_subject(log, "default", "user-1", headers=True, who="officer-1", purpose="rights", ticket="T-1")
        (PLACE / NAME).write_bytes(bundle.data)
        (PLACE / "audit_bundle_1.key").write_bytes((log.folder / "public.key").read_bytes())
