"""An encrypted, tamper-evident log that an auditor can check without trusting its operator."""

from importlib import import_module

_PUBLIC = {
    "Ack": "audit.log",
    "AuditLog": "audit.log",
    "Event": "audit.events",
    "EventType": "audit.events",
    "Segment": "audit.events",
}

__all__ = [*_PUBLIC]


def __getattr__(name: str) -> object:
    """Resolve a public name on first use, so that importing the package costs nothing."""
    owner = _PUBLIC.get(name)
    if owner is None:
        raise AttributeError(f"module 'audit' has no attribute {name!r}")
    return getattr(import_module(owner), name)
