"""Which optional part of the distribution brings which module."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "guard": ("ahocorasick", "regex", "numpy", "onnxruntime", "tokenizers"),
    "gateway": ("fastapi", "uvicorn", "httptools", "aiohttp", "prometheus_client"),
    "local": ("torch", "transformers", "accelerate", "gguf", "safetensors"),
    "train": ("peft", "trl", "datasets", "matplotlib"),
}
"""Top-level modules that each extra brings; found, never imported."""

OURS: Final = frozenset({"haechi", "guard", "audit", "gateway", "alignment", "benchmarks"})


def missing_modules(extra: str) -> tuple[str, ...]:
    """The modules of an extra that are not installed."""
    return tuple(name for name in EXTRAS[extra] if find_spec(name) is None)


def extra_with(module: str) -> str:
    """The extra to install for a module; `all` where no single one is known to bring it."""
    return next((extra for extra, modules in EXTRAS.items() if module in modules), "all")
