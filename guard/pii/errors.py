"""What scrubbing refuses. Codes are explained in docs/errors/pii.md."""

from __future__ import annotations

from collections.abc import Iterable

from haechi.base.errors import ExitCode, HaechiError, nearest


class UnknownEntity(HaechiError):
    """A kind of personal data was asked for that nothing looks for."""

    code = "HAE-S301"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no kind of personal data is named {name!r}", hint=nearest(name, known))


class WeakPseudonymKey(HaechiError):
    """The key of hashes and pseudonyms is too short to be a secret."""

    code = "HAE-S302"


class BadRow(HaechiError):
    """A line of the input cannot be scrubbed: not JSON, or without a text."""

    code = "HAE-S303"


class SealExpired(HaechiError):
    """A sealed map of pseudonyms is older than it may be."""

    code = "HAE-S304"
    exit_code = ExitCode.CANNOT_TELL


class SealBroken(HaechiError):
    """A sealed map of pseudonyms cannot be opened with this key for this conversation."""

    code = "HAE-S305"
    exit_code = ExitCode.CANNOT_TELL
