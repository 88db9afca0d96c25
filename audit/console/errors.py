"""What can go wrong in the console."""

from __future__ import annotations

from audit.errors import AuditError
from haechi.base.errors import ExitCode


class ConsoleAccounts(AuditError):
    """An account, a password or the accounts file will not do."""

    code = "HAE-A601"
    exit_code = ExitCode.USAGE


class SignInRefused(AuditError):
    """Name and password do not belong together, or must wait."""

    code = "HAE-A602"
    exit_code = ExitCode.USAGE

    def __init__(self, message: str, *, hint: str = "", wait_s: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.wait_s = wait_s


class FormRefused(AuditError):
    """A form came from elsewhere, is too large, or a session has ended."""

    code = "HAE-A603"
    exit_code = ExitCode.USAGE


class NotAllowed(AuditError):
    """The account's roles do not allow this."""

    code = "HAE-A604"
    exit_code = ExitCode.USAGE
