"""Haechi: a safety and alignment toolkit with a guarded model gateway for Qwen models.

Importing this package imports nothing else. The public names below are resolved on first use, so that
verifying an audit log never loads a model stack.
"""

from importlib import import_module

__version__ = "0.1.0"

_PUBLIC = {
    "AuditLog": "audit",
    "Finding": "guard",
    "Policy": "guard",
    "SafetyChecker": "guard",
    "Scrubber": "guard",
    "Verdict": "guard",
    "create_app": "gateway",
}

__all__ = ["__version__", *_PUBLIC]  # the names are strings of the table above


def __getattr__(name: str) -> object:
    """Resolve a public name from the package that owns it."""
    owner = _PUBLIC.get(name)
    if owner is None:
        raise AttributeError(f"module 'haechi' has no attribute {name!r}")
    return getattr(import_module(owner), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
