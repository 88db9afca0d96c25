"""Tiny checkpoints, made once per test run, and upstreams that serve them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.upstream.local import LocalUpstream
from tests import tiny_models


def close(upstream: LocalUpstream) -> None:
    """End the upstream's thread from a test without an event loop."""
    import asyncio

    asyncio.run(upstream.aclose())


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A checkpoint per family that has learnt tiny_models.ANSWERS."""
    root = tmp_path_factory.mktemp("tiny")
    return {
        family: tiny_models.save(root / f"tiny-{family}", family, answers=tiny_models.ANSWERS)
        for family in tiny_models.FAMILIES
    }


@pytest.fixture(scope="session")
def qwen3(tiny: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalUpstream]:
    """The taught Qwen3, in fp32."""
    upstream = LocalUpstream.load(
        str(tiny["qwen3"]), precision="fp32", data_dir=tmp_path_factory.mktemp("data"), threads=1
    )
    yield upstream
    close(upstream)
