"""How the settings open the audit log: its database, who keeps its root keys, and who may read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.settings import GatewaySettings, tenant_modes

if TYPE_CHECKING:
    from audit.kms import Kms
    from audit.log import AuditLog
    from audit.modes import Modes
    from audit.reader_key import ReaderKey

SPILL_AT = 0.4
"""Of the time that a request waits for its record: the rest is for the sync of the spill file."""
BALLAST_BYTES = 16 << 20


def open_audit(settings: GatewaySettings, folder: Path | None = None, *, modes: Modes | None = None) -> AuditLog:
    """Open the log. folder: another than the settings'. modes: for a process that serves requests.

    Raises:
        AuditError: see AuditLog.open.
    """
    from audit.log import AuditLog

    return AuditLog.open(
        settings.audit_dir if folder is None else folder,
        passphrase=settings.audit_passphrase.encode() or None,
        database=settings.database,
        kms=keeper_of(settings),
        reader=reader_of(settings),
        modes=modes,
    )


def keeper_of(settings: GatewaySettings) -> Kms | None:
    """The key service that is named; None for the key file in the folder.

    Raises:
        KeysUnavailable: it cannot be used.
    """
    if settings.audit_kms == "file":
        return None
    from audit.kms_transit import open_transit

    return open_transit(settings.audit_kms, settings.audit_kms_token)


def reader_of(settings: GatewaySettings) -> ReaderKey | None:
    """The reader's key that is named.

    Raises:
        KeysUnavailable: it is none.
    """
    if not settings.audit_reader_key:
        return None
    from audit.reader_key import ReaderKey

    return ReaderKey.load(Path(settings.audit_reader_key))


def modes_of(settings: GatewaySettings) -> Modes:
    """What happens to records that the log does not take in time."""
    from audit.modes import Mode, Modes

    return Modes(
        default=Mode(settings.audit_mode),
        tenants={tenant: Mode(mode) for tenant, mode in tenant_modes(settings.audit_modes).items()},
        after_s=settings.audit_timeout_s * SPILL_AT,
        folder=Path(settings.audit_spill_dir) if settings.audit_spill_dir else None,
        ballast_bytes=BALLAST_BYTES,
    )
