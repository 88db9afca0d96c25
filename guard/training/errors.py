"""What training the classifier refuses, by stable code."""

from __future__ import annotations

from haechi.base.errors import HaechiError


class TrainingDataMissing(HaechiError):
    """The folder given as training data holds none of the files that are needed."""

    code = "HAE-T901"


class TrainingCheckpointUnusable(HaechiError):
    """An unfinished run cannot be resumed: its state belongs to other settings or is damaged."""

    code = "HAE-T902"
