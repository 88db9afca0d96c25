"""What the large back-ends refuse. Codes are explained in docs/errors/backends.md."""

from __future__ import annotations

from haechi.base.errors import ExitCode, HaechiError


class ModelNotPinned(HaechiError):
    """A model would be loaded from a file, or a revision, that the policy does not pin."""

    code = "HAE-S501"
    exit_code = ExitCode.CANNOT_TELL


class ModelFileMissing(HaechiError):
    """A file of a model is not where the policy says."""

    code = "HAE-S502"
    exit_code = ExitCode.CANNOT_TELL


class ModelFileAltered(HaechiError):
    """A file of a model is not the one that the policy pins."""

    code = "HAE-S503"
    exit_code = ExitCode.CANNOT_TELL


class ModelUnreadable(HaechiError):
    """A file of a model is damaged, or is not the kind of model that the policy says."""

    code = "HAE-S504"
    exit_code = ExitCode.CANNOT_TELL


class LabelsUnknown(HaechiError):
    """A model has a label that the policy neither maps to a category nor sets aside."""

    code = "HAE-S505"


class NotCovered(HaechiError):
    """The text is in a language that the model was not made for: it cannot tell. Raised instead of a score."""

    code = "HAE-S506"
    exit_code = ExitCode.CANNOT_TELL


class AnswerUnreadable(HaechiError):
    """A judging model answered something that is no judgement. Raised instead of a score."""

    code = "HAE-S507"
    exit_code = ExitCode.CANNOT_TELL


class PairTooLong(HaechiError):
    """A claim and a passage are longer than a stance model reads at once. Raised instead of a stance."""

    code = "HAE-S509"
    exit_code = ExitCode.CANNOT_TELL


class JudgeSilent(HaechiError):
    """The server of a judging model did not answer. Raised instead of a score. status: of HTTP, 0 without an answer."""

    code = "HAE-S508"
    exit_code = ExitCode.CANNOT_TELL

    def __init__(self, message: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.status = status
