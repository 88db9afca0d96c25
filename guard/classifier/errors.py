"""What the embedded classifier refuses. Codes are explained in docs/errors/classifier.md."""

from __future__ import annotations

from haechi.base.errors import ExitCode, HaechiError


class WeightsMissing(HaechiError):
    """A file of the embedded classifier is not where the installation should have put it."""

    code = "HAE-S401"
    exit_code = ExitCode.CANNOT_TELL


class WeightsAltered(HaechiError):
    """A file of the embedded classifier is not the one its manifest names."""

    code = "HAE-S402"
    exit_code = ExitCode.CANNOT_TELL


class WeightsUnreadable(HaechiError):
    """A file of the embedded classifier is damaged or of another format version."""

    code = "HAE-S403"
    exit_code = ExitCode.CANNOT_TELL


class LanguageNotCovered(HaechiError):
    """The text is written in a script that the embedded classifier was not trained on: it cannot tell."""

    code = "HAE-S404"
    exit_code = ExitCode.CANNOT_TELL


"""Raised instead of a score, so that no caller can mistake "cannot tell" for "safe"."""
