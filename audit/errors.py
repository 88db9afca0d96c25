"""What the audit log refuses or cannot do."""

from __future__ import annotations

from haechi.base.errors import ExitCode, HaechiError


class AuditError(HaechiError):
    """The audit log cannot do what was asked."""

    code = "HAE-A100"
    exit_code = ExitCode.CANNOT_TELL


class InvalidRecord(AuditError):
    """A record does not fit the closed header schema; it was not written."""

    code = "HAE-A101"
    exit_code = ExitCode.USAGE


class LogUnavailable(AuditError):
    """The log cannot be written: folder missing or read-only, disk full, file replaced, closed."""

    code = "HAE-A102"


class KeysUnavailable(AuditError):
    """The key file is missing, unreadable or opened with the wrong passphrase."""

    code = "HAE-A103"


class RolledBack(AuditError):
    """The log on disk is older than, or not an extension of, what was signed before; it refuses to sign."""

    code = "HAE-A104"


class TamperedLog(AuditError):
    """A proof failed: the log on disk is not the log that was written."""

    code = "HAE-A201"
    exit_code = ExitCode.FOUND


class MalformedNote(AuditError):
    """A checkpoint or key line is not in the C2SP form."""

    code = "HAE-A202"
    exit_code = ExitCode.FOUND


class NothingToVerify(AuditError):
    """There is no log, or no record in it, so nothing can be said."""

    code = "HAE-A203"


class AccessRefused(AuditError):
    """Content may be read only with a purpose and a ticket, and only after that was logged."""

    code = "HAE-A301"
    exit_code = ExitCode.USAGE


class UnknownSubject(AuditError):
    """There is no content of this subject, so nothing was erased."""

    code = "HAE-A302"


class ErasureIncomplete(AuditError):
    """Keys were destroyed, and a check afterwards still found something of them."""

    code = "HAE-A303"
    exit_code = ExitCode.FOUND


class UnknownHold(AuditError):
    """There is no hold of that id."""

    code = "HAE-A304"
    exit_code = ExitCode.USAGE


class NotProvable(AuditError):
    """A record cannot be proven: it is not there, or no checkpoint covers it yet."""

    code = "HAE-A204"


class PartMissing(AuditError):
    """An optional part, such as a database driver or a key service's client, is not installed."""

    code = "HAE-A105"
    exit_code = ExitCode.CANNOT_TELL
