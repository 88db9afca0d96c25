"""Secrets: keys and tokens by their providers' formats, private keys, passwords in addresses and assignments."""

from __future__ import annotations

from functools import cache

from guard.pii.scanner import PatternScanner

__all__ = ["entities", "scanners"]


@cache
def scanners() -> tuple[PatternScanner, ...]:
    """The detectors named `secrets`, made once."""
    from guard.secrets.formats import SPECS

    return (PatternScanner("secrets", SPECS),)


def entities() -> frozenset[str]:
    """The kinds of secrets that are looked for."""
    return frozenset(entity for scanner in scanners() for entity in scanner.entities)
