"""What the guard refuses. Codes are explained in docs/errors/policy.md and docs/errors/guard.md."""

from __future__ import annotations

from collections.abc import Iterable

from haechi.base.errors import ExitCode, HaechiError, nearest


class PolicyNotFound(HaechiError):
    """There is no shipped policy and no file of that name."""

    code = "HAE-P101"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"no policy named {name!r} and no such file", hint=nearest(name, known))


class PolicyUnreadable(HaechiError):
    """The policy file is not readable, not UTF-8 or not YAML."""

    code = "HAE-P102"


class UnknownPolicyKey(HaechiError):
    """A policy file has a key that means nothing."""

    code = "HAE-P103"

    def __init__(self, key: str, known: Iterable[str], *, where: str) -> None:
        super().__init__(f"{where}: unknown key {key!r}", hint=nearest(key, known))


class InvalidPolicyValue(HaechiError):
    """A policy file has a value of the wrong type or outside its range."""

    code = "HAE-P104"


class NoDetector(HaechiError):
    """A policy, or one of its rules, has nothing that looks for what it forbids."""

    code = "HAE-P105"


class UnknownDetector(HaechiError):
    """A policy names a detector that does not exist."""

    code = "HAE-P106"

    def __init__(self, name: str, known: Iterable[str], *, where: str) -> None:
        super().__init__(f"{where}: no detector named {name!r}", hint=nearest(name, known))


class PolicyCasesFailed(HaechiError):
    """The cases beside a pack are missing, empty or do not cover its rules."""

    code = "HAE-P107"
    exit_code = ExitCode.FOUND


class DetectorNotLoaded(HaechiError):
    """A detector that the policy names could not be loaded; the guard does not start without it."""

    code = "HAE-S101"
    exit_code = ExitCode.CANNOT_TELL


class InvalidLexicon(HaechiError):
    """A lexicon file has a line that cannot be read."""

    code = "HAE-S102"
    exit_code = ExitCode.CANNOT_TELL


class StreamClosed(HaechiError):
    """Text was fed to a guard stream that has already ended."""

    code = "HAE-S103"


class UnguardedOption(HaechiError):
    """A wrapped pipeline was asked for something that would pass around the guard."""

    code = "HAE-S104"


class NotAPipeline(HaechiError):
    """Something was wrapped that cannot be called for an answer."""

    code = "HAE-S105"
