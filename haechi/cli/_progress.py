"""How far a long command is, on standard error: a bar where somebody looks at it, a line now and then where nobody does."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

_BAR: Final = 28
"""Characters of the bar."""
_REDRAW_S: Final = 0.2
_LINE_S: Final = 5.0


class Progress:
    """Counts what is done. total: bytes of the input, 0 where nobody knows. Nothing is shown for short work."""

    def __init__(self, what: str, total: int = 0, *, shown: bool = True) -> None:
        """what: plural of what is counted. shown: false where the answers themselves go to the terminal."""
        self._shown = shown
        self._what = what
        self._total = total
        self._bytes = 0
        self.done = 0
        self._begun = time.monotonic()
        self._told = self._begun
        self._live = sys.stderr.isatty()
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def step(self, size: int = 0) -> None:
        """One more is done. size: bytes of the input that it was."""
        self.done += 1
        self._bytes += size
        now = time.monotonic()
        if self._shown and now - self._told >= (_REDRAW_S if self._live else _LINE_S):
            self._told = now
            self._tell(now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._tell(time.monotonic())
            sys.stderr.write("\n")

    def _tell(self, now: float) -> None:
        rate = self.done / max(now - self._begun, 1e-9)
        if not self._live:
            sys.stderr.write(f"haechi: {self.done} {self._what}, {rate:.0f} a second\n")
            return
        self._drawn = True
        sys.stderr.write(f"\r{self._bar()}{self.done} {self._what}, {rate:.0f} a second \x1b[K")
        sys.stderr.flush()

    def _bar(self) -> str:
        if not self._total:
            return ""
        share = min(1.0, self._bytes / self._total)
        full = round(share * _BAR)
        return f"[{'#' * full}{' ' * (_BAR - full)}] {share:4.0%}  "
