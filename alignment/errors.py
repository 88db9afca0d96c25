"""Errors of alignment: data, models, runs. docs/errors/training.md explains each."""

from __future__ import annotations

from haechi.base.errors import ExitCode, HaechiError


class UnusableData(HaechiError):
    """A data file has no row that can be trained on, or more bad rows than the recipe allows."""

    code = "HAE-T101"


class UnusableModel(HaechiError):
    """A model cannot be loaded, or is not of the kind that the run needs."""

    code = "HAE-T102"


class TemplateMismatch(HaechiError):
    """The chat template does not continue the prompt: training would see a boundary that serving never has."""

    code = "HAE-T103"


class EndNotLearned(HaechiError):
    """The end-of-turn token is missing from the trained tokens, so the model would never learn to stop."""

    code = "HAE-T104"


class UnusableAdapter(HaechiError):
    """An adapter names modules that the model does not have, or that training would silently leave alone."""

    code = "HAE-T105"


class CorruptCheckpoint(HaechiError):
    """A checkpoint's bytes are not the ones that were written."""

    code = "HAE-T106"
    exit_code = ExitCode.CANNOT_TELL


class RunConflict(HaechiError):
    """The output folder already holds a run, or one of another recipe."""

    code = "HAE-T107"


class TrainingDiverged(HaechiError):
    """The loss or the gradient is not finite; the last good checkpoint stands."""

    code = "HAE-T108"
    exit_code = ExitCode.FOUND


class MemoryExhausted(HaechiError):
    """The machine or the accelerator has no memory left for the step."""

    code = "HAE-T109"
    exit_code = ExitCode.CANNOT_TELL


class SamplerMismatch(HaechiError):
    """The log-probabilities of the sampler and of the trainer disagree, so the importance ratio means nothing."""

    code = "HAE-T110"
    exit_code = ExitCode.CANNOT_TELL


class NoRun(HaechiError):
    """A folder is not a run, or holds no finished checkpoint."""

    code = "HAE-T111"


class UnusableSuite(HaechiError):
    """A suite of measurements is incomplete, empty, or asks for something that does not exist."""

    code = "HAE-T112"


class NotReleased(HaechiError):
    """A model has no release manifest, or one that does not vouch for the files that are there."""

    code = "HAE-T113"
    exit_code = ExitCode.FOUND


class UnusableReleaseKey(HaechiError):
    """A key that signs or checks releases cannot be read, or is of another kind."""

    code = "HAE-T114"


class TeacherUnavailable(HaechiError):
    """The Safety-Checker that scores answers in training could not answer; silence is not a score."""

    code = "HAE-T115"
    exit_code = ExitCode.CANNOT_TELL


class UnusableBackend(HaechiError):
    """A back-end or number format that the recipe names is not installed, or cannot do this run."""

    code = "HAE-T116"
    exit_code = ExitCode.CANNOT_TELL


class TaintedRun(HaechiError):
    """A run was trained on rows of a person who has been erased since."""

    code = "HAE-T117"
    exit_code = ExitCode.FOUND


class JudgeUnavailable(HaechiError):
    """The judge of answers did not answer, or not in the form it was asked for."""

    code = "HAE-T118"
    exit_code = ExitCode.CANNOT_TELL
