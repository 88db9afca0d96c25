"""Personal data: what it looks like in Korea, China, English-speaking countries and everywhere, and how to mask it."""

from __future__ import annotations

from functools import cache

from guard.pii.operators import mask
from guard.pii.pattern import PatternSpec
from guard.pii.scanner import PatternScanner

__all__ = ["entities", "mask", "scanners", "specs"]


def specs() -> tuple[PatternSpec, ...]:
    """Every pattern of personal data."""
    from guard.pii import anywhere, china, english, korea

    return (*anywhere.SPECS, *korea.SPECS, *china.SPECS, *english.SPECS)


@cache
def scanners() -> tuple[PatternScanner, ...]:
    """The detectors named `pii`, made once."""
    return (PatternScanner("pii", specs()),)


def entities() -> frozenset[str]:
    """The kinds of personal data that are looked for."""
    return frozenset(entity for scanner in scanners() for entity in scanner.entities)
