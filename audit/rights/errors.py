"""What a request of a person, a pack or an export refuses."""

from __future__ import annotations

from audit.errors import AuditError
from haechi.base.errors import ExitCode


class InvalidPack(AuditError):
    """A jurisdiction pack lacks a field, has an unknown one, or is out of date."""

    code = "HAE-A320"
    exit_code = ExitCode.USAGE


class UnknownRequest(AuditError):
    """There is no request of that id."""

    code = "HAE-A321"
    exit_code = ExitCode.USAGE


class StepRefused(AuditError):
    """A request cannot take this step from the state it is in."""

    code = "HAE-A322"
    exit_code = ExitCode.USAGE


class IdentityNotVerified(AuditError):
    """A request is not fulfilled before the identity check that its pack asks for."""

    code = "HAE-A323"
    exit_code = ExitCode.USAGE


class ConflictingStep(AuditError):
    """Somebody else took a step of the same request at the same time; theirs counts."""

    code = "HAE-A324"


class InvalidIntake(AuditError):
    """A request that arrived as JSON is not in the OpenDSR form, or asks for what is not offered."""

    code = "HAE-A325"
    exit_code = ExitCode.USAGE


class InvalidRecipient(AuditError):
    """An age recipient or identity is not one, or an encrypted file does not open with it."""

    code = "HAE-A326"
    exit_code = ExitCode.USAGE


class RestrictedContent(AuditError):
    """Processing of this person's content is restricted; the purpose is none of those that stay allowed."""

    code = "HAE-A327"
    exit_code = ExitCode.USAGE


class InvalidRoles(AuditError):
    """The roles file cannot be read or is not in its form."""

    code = "HAE-A328"
    exit_code = ExitCode.USAGE


class ApprovalRefused(AuditError):
    """A second person's approval is missing, expired, used before, or of something else."""

    code = "HAE-A329"
    exit_code = ExitCode.USAGE


class InvalidReport(AuditError):
    """A report needs a value that was not given, or a language or kind that does not exist."""

    code = "HAE-A330"
    exit_code = ExitCode.USAGE
