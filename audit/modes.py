"""What happens to a record when the log cannot be written in time: for each tenant."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audit.spill import RESERVE_BYTES

_SYSTEM = "_system"
SPILLED = -1
"""`Ack.durable` of a record that is durable in a spill file; its number in the log comes when the file is drained."""
NOT_KEPT = -2
"""`Ack.durable` of a record that was given up under `best_effort`."""


class Mode(enum.StrEnum):
    """What a tenant wants more: every record, or an answer.

    strict: the caller gets an error. spill: the record goes to a spill file, and only when that fails the caller gets an
    error. best_effort: as spill, and then the record is given up, counted and reported.
    """

    STRICT = "strict"
    SPILL = "spill"
    BEST_EFFORT = "best_effort"


@dataclass(frozen=True, slots=True)
class Modes:
    """The modes of a log.

    default: of tenants that `tenants` does not name. after_s: how long a record waits for the log before it is spilled; with
    the sync of the spill file this has to fit the caller's own deadline. bytes_at_most, age_s_at_most: bounds of what may lie
    in a spill file; beyond them every mode is strict. folder: of the spill files, default `spill` in the audit folder; another
    disk is better. reserve_bytes: written beforehand. ballast_bytes: kept free beside the log, given up when its disk is full.
    """

    default: Mode = Mode.STRICT
    tenants: Mapping[str, Mode] = field(default_factory=dict)
    after_s: float = 0.1
    bytes_at_most: int = 1 << 30
    age_s_at_most: float = 900.0
    folder: Path | None = None
    reserve_bytes: int = RESERVE_BYTES
    ballast_bytes: int = 0

    def of(self, tenant: str) -> Mode:
        """The mode of a tenant. The log's own affairs (accesses, erasures) are always strict."""
        return Mode.STRICT if tenant == _SYSTEM else self.tenants.get(tenant, self.default)

    @property
    def may_spill(self) -> bool:
        """Whether any tenant may need a spill file."""
        return self.default is not Mode.STRICT or any(mode is not Mode.STRICT for mode in self.tenants.values())

    @property
    def may_lose(self) -> tuple[str, ...]:
        """Tenants whose records may be given up; `*` for the default."""
        named = [tenant for tenant, mode in self.tenants.items() if mode is Mode.BEST_EFFORT]
        return (*(["*"] if self.default is Mode.BEST_EFFORT else []), *sorted(named))
