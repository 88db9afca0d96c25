"""The publishing thread: checkpoints about a second after a log grew (FORMAT.md sections 7 and 8).

Rules of this file
1. Never sign backwards: sign only an extension of what the pin outside the folder remembers, and hold the pin meanwhile.
2. Before a tenant's log is signed, the system log says how large it is and what its root is.
3. Its own hold on the store, and no signature under the store's lock: a key service may take its time.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import threading
from collections.abc import Callable

from audit.errors import AuditError, LogUnavailable
from audit.events import Event, EventType
from audit.header import Head, complete, context
from audit.kms import Kms
from audit.note import Checkpoint, VerifierKey, parse, public_key, sign, verify
from audit.pins import Pins, check
from audit.second import SecondSigner
from audit.store_port import INSERT_LEAF, PUT_EDGE, Rows, Store
from audit.tree import Frontier, leaf_hash
from audit.writer import Numbering
from haechi.base.clock import Clock

logger = logging.getLogger("haechi.audit")

PUBLISH_EVERY_S = 1.0
LONGEST_PAUSE_S = 60.0
HEADS_A_RECORD = 20
KEPT_CHECKPOINTS = 16
"""Newest checkpoints that stay; of older ones the last in every `THINNED_TO` records."""
THINNED_TO = 1024
SYSTEM = "_system"


class Publisher:
    """Signs what grew. One a process; several processes take turns."""

    def __init__(
        self, store: Store, pins: Pins, kms: Kms, second: SecondSigner, *, origin: str, clock: Clock,
        tidy: Callable[[], None],
    ) -> None:  # fmt: skip
        self._store = store
        self._pins = pins
        self._signer = kms.signer()
        self._second = second
        self._system = f"{origin}/{SYSTEM}"
        self._clock = clock
        self._tidy = tidy
        self._numbering = Numbering()
        self._failures = 0
        self._may_lag = True
        self._grown = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="haechi-audit-publisher", daemon=True)

    def start(self) -> None:
        """Begin to wait for growth."""
        self._thread.start()

    def notice(self) -> None:
        """Something was appended."""
        self._grown.set()

    def stop(self) -> None:
        """Sign what is left, and end the thread."""
        self._stopping.set()
        self._grown.set()
        self._thread.join()
        self._store.close()

    def publish(self) -> None:
        """Sign every log that grew since its last checkpoint.

        Raises:
            RolledBack: the store does not hold what was signed before.
            LogUnavailable: the store or the pins cannot be written.
        """
        with self._pins.exclusive():
            try:
                self._publish()
            except BaseException:
                self._numbering.renew()  # whether its commit was kept is not known
                self._may_lag = True
                raise

    def _publish(self) -> None:
        if self._may_lag:
            self._catch_up()
        used = 0
        with self._store.writing() as db:
            grown = [name for name in self._store.logs() if self._is_unsigned(name)]
            if not grown:
                return
            for name in grown:
                if note := self._pins.note(name):
                    check(note, self._store)
            tenants = [name for name in grown if name != self._system]
            for at in range(0, len(tenants), HEADS_A_RECORD):
                used += 1
                self._append_heads(db, tenants[at : at + HEADS_A_RECORD], self._numbering.used + used)
            edges = {name: self._store.edge(name).frontier for name in (*tenants, self._system)}
        self._numbering.used += used
        notes = {name: self._sign(name, frontier) for name, frontier in edges.items()}  # not while appends wait
        with self._store.writing() as db:
            for name, note in notes.items():
                self._keep(db, name, edges[name], note)
        for name, note in notes.items():
            self._pins.remember(name, note)

    def _catch_up(self) -> None:
        """Remember checkpoints whose commit was kept although it reported a failure, or whose process died before this."""
        for name in self._store.logs():
            pinned, found = self._pins.note(name), self._store.last_checkpoint(name)
            if found is not None and (pinned is None or parse(pinned)[0].size < found[0]):
                if pinned is not None:
                    check(pinned, self._store)
                verify(found[2], VerifierKey(name, public_key(name, self._signer).public))
                check(found[2], self._store)
                self._pins.remember(name, found[2])
        self._may_lag = False

    def _run(self) -> None:
        stopping = False
        while not stopping:
            self._grown.wait()
            stopping = self._stopping.wait(min(PUBLISH_EVERY_S * 2**self._failures, LONGEST_PAUSE_S))
            if not stopping and self._pins.age_s(self._system) < PUBLISH_EVERY_S / 2:
                continue  # another process signed just now
            self._grown.clear()
            self._try_publish()
        if self._failures:
            self._try_publish()  # once more: a connection that broke is opened again

    def _try_publish(self) -> None:
        try:
            self.publish()
            if not self._stopping.is_set():
                self._tidy()
        except (AuditError, OSError, ValueError, sqlite3.Error) as error:
            self._failures += 1
            said = error if isinstance(error, AuditError) else LogUnavailable(f"signing failed: {error}")
            logger.error("no checkpoint was signed: %s", said)  # noqa: TRY400  # a traceback says nothing more
            if not self._stopping.is_set():
                self._grown.set()  # try again, less and less often
        else:
            self._failures = 0

    def _is_unsigned(self, name: str) -> bool:
        found = self._store.last_checkpoint(name)
        return self._store.edge(name).frontier.size > (found[0] if found else 0)

    def _sign(self, name: str, frontier: Frontier) -> bytes:
        checkpoint = Checkpoint(name, frontier.size, frontier.root())
        return sign(checkpoint, self._signer) + self._second.line(checkpoint, self._clock.now_us())

    def _keep(self, db: Rows, name: str, frontier: Frontier, note: bytes) -> None:
        put = "insert into checkpoint (log, size, hashes, note) values (?, ?, ?, ?) on conflict (log, size) do nothing"
        db.execute(put, (name, frontier.size, frontier.to_bytes(), note))
        if self._store.may_thin:
            self._thin(db, name)

    def _thin(self, db: Rows, name: str) -> None:
        """Drop the newest of the old checkpoints when a newer one stands for it; roots can be computed again from leaves."""
        find = "select size from checkpoint where log = ? order by size desc limit 2 offset ?"
        sizes = [row[0] for row in db.execute(find, (name, KEPT_CHECKPOINTS - 1))]
        if len(sizes) == 2 and sizes[0] // THINNED_TO == sizes[1] // THINNED_TO:
            db.execute("delete from checkpoint where log = ? and size = ?", (name, sizes[1]))

    def _append_heads(self, db: Rows, tenants: list[str], number: int) -> None:
        edge = self._store.edge(self._system)
        found = [(name, self._store.edge(name).frontier) for name in tenants]
        text = context(
            Event(EventType.HEADS, SYSTEM, "", act="log", decision="none"),
            log=self._system,
            record_id=secrets.token_hex(16),
            writer=self._numbering.writer,
            number=number,
            at_us=self._clock.now_us(),
            heads=tuple(Head(name, frontier.root(), frontier.size) for name, frontier in found),
        )
        at_us = max(edge.sts, self._clock.now_us())
        leaf = complete(text, b"[]", at_us)
        grown = edge.frontier.extended([leaf_hash(leaf)])
        db.execute(INSERT_LEAF, (self._system, edge.frontier.size, leaf))
        db.execute(PUT_EDGE, (self._system, grown.size, grown.to_bytes(), at_us))
