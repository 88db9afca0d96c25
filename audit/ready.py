"""Records ready for the log: sealed, and lacking only their place and time. All of this happens outside the store's lock.

Rules of this file
1. Random bytes are drawn once for a batch; every segment takes its own stretch of them, and no stretch is used twice.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

from audit import header as schema
from audit.keys import KeyPlace, SubjectKeys, epoch_of
from audit.pending import Pending
from audit.seal import FRESH_BYTES, seal


class Ready(NamedTuple):
    """A sealed record. context: its header's bytes without `segs` and `sts`. bodies: name, kid, ciphertext, wrap."""

    pending: Pending
    context: bytes
    segments: bytes
    bodies: list[tuple[str, str, bytes, bytes]]


def make_ready(batch: Sequence[Pending], keys: SubjectKeys, *, writer: str, first: int) -> list[Ready]:
    """Seal a batch. first: the writer's number of its first record.

    Raises:
        InvalidRecord: a tenant or the name of a segment has not its form.
        LogUnavailable: the key store cannot be written.
    """
    places: list[KeyPlace] = []
    for one in batch:
        event = one.event
        schema.check_names(event)
        if event.segments:
            month = epoch_of(one.at_us)
            places += [KeyPlace(event.tenant, part.subject, part.retention, month) for part in event.segments]
    found = keys.obtain(places) if places else {}
    fresh, at = os.urandom(FRESH_BYTES * len(places)), 0
    ready = []
    for number, one in enumerate(batch, first):
        context = schema.context(
            one.event, log=one.log, record_id=one.ack.record_id, writer=writer, number=number, at_us=one.at_us
        )
        listed, bodies = [], []
        if one.event.segments:
            bound = hashlib.sha256(b"haechi-audit/1\0" + context).digest()
            for part in one.event.segments:
                key = found[places[at]]
                sealed = seal(bound, part.name, part.content, key, fresh[at * FRESH_BYTES : (at + 1) * FRESH_BYTES])
                at += 1
                listed.append(
                    f'{{"ch":"{sealed.ch.hex()}","kc":"{sealed.kc.hex()}","kid":"{key.kid}",'
                    f'"len":{len(sealed.ciphertext)},"n":"{part.name}"}}'
                )
                bodies.append((part.name, key.kid, sealed.ciphertext, sealed.wrap))
        ready.append(Ready(one, context, f"[{','.join(listed)}]".encode("ascii"), bodies))
    return ready
