"""Checkpoints that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny_judges


@pytest.fixture(scope="session")
def guard_gen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generative judge that knows the answers above."""
    return tiny_judges.save_guard_gen(tmp_path_factory.mktemp("gen"), tiny_judges.ANSWERS)


@pytest.fixture(scope="session")
def guard_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A streaming judge with random weights."""
    return tiny_judges.save_guard_stream(tmp_path_factory.mktemp("stream"))
