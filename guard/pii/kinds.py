"""Kinds of personal data that no pattern shows: they take a tagger, which may be absent."""

from __future__ import annotations

from typing import Final

NAME_KINDS: Final = ("PERSON", "ORGANIZATION", "LOCATION")
