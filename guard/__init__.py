"""Decides about text: toxicity, prompt attacks, misinformation and personal data, in Korean, Chinese and English."""

from importlib import import_module

_PUBLIC = {
    "Action": "guard.verdict",
    "Category": "guard.verdict",
    "Direction": "guard.verdict",
    "Finding": "guard.verdict",
    "GuardStream": "guard.stream",
    "Policy": "guard.policy",
    "SafetyChecker": "guard.checker",
    "Scrubber": "guard.scrub",
    "Severity": "guard.verdict",
    "StreamEnd": "guard.stream",
    "Verdict": "guard.verdict",
}

__all__ = list(_PUBLIC)  # the names are the keys of the table above


def __getattr__(name: str) -> object:
    """Resolve a public name on first use, so that importing a part of guard does not load all of it."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'guard' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
