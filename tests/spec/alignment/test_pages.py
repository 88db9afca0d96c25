"""What the pages say is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from alignment.data.rows import Reason
from alignment.recipe import reference, shipped

PAGE = (Path(__file__).resolve().parents[3] / "docs/alignment.md").read_text("utf-8")


def test_the_page_holds_the_table_of_values() -> None:
    """Print alignment.recipe.reference() into the page when it changes."""
    assert reference() in PAGE


def test_every_reason_of_the_judge_is_explained() -> None:
    """By its stable name; only reasons that can be given."""
    explained = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert {str(reason) for reason in Reason} <= explained


def test_shipped_recipes_say_what_they_are_in_their_first_line() -> None:
    """`haechi train recipes` shows it."""
    from alignment.recipe import SHIPPED

    assert all((SHIPPED / f"{name}.toml").read_text("utf-8").startswith("# ") for name in shipped())
