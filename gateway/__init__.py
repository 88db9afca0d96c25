"""HTTP only: the one door that joins guard, audit and a model."""

from importlib import import_module

_PUBLIC = {
    "BlockedPrompt": "gateway.parts",
    "GatewayParts": "gateway.parts",
    "Limits": "gateway.limits",
    "create_app": "gateway.app",
}

__all__ = [*_PUBLIC]  # the names are strings of the table above


def __getattr__(name: str) -> object:
    """Resolve a public name on first use, so that importing a part of gateway does not load a web framework."""
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
