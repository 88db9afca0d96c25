"""Text that may be processed but not printed.

A wrapper, not a `str` subclass: a subclass with a harmless repr still leaks through `json.dumps` and `"".join`.
"""

from __future__ import annotations


class Redacted:
    """User text on its way through code that logs. `reveal()` is the only way in, and easy to grep."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __repr__(self) -> str:
        return f"<redacted {len(self._text)} chars>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)
