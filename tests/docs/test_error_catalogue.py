"""docs/errors is equal to the code, in both directions."""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from importlib import import_module
from pathlib import Path

from haechi.base.errors import HaechiError

ROOT = Path(__file__).resolve().parents[2]
HEADING = re.compile(r"^## (HAE-[A-Z]\d{3})\b", flags=re.M)
PACKAGES = ("haechi", "guard", "audit", "gateway", "alignment")


def error_classes() -> list[type[HaechiError]]:
    """Every error class of ours that has a code of its own."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, prefix=f"{package}."):
            if module.name.rsplit(".", 1)[-1] in {"errors", "ports"}:
                import_module(module.name)
    found: list[type[HaechiError]] = []
    queue: list[type[HaechiError]] = [HaechiError]
    while queue:
        for child in queue.pop().__subclasses__():
            queue.append(child)
            if child.__module__.split(".")[0] in PACKAGES and "code" in vars(child):
                found.append(child)
    return found


def documented() -> list[str]:
    """Every code that has a section in docs/errors."""
    return [
        code
        for page in sorted((ROOT / "docs/errors").glob("*.md"))
        for code in HEADING.findall(page.read_text("utf-8"))
    ]


def test_every_error_is_explained_and_every_explanation_is_of_a_real_error() -> None:
    """The codes under docs/errors are exactly the codes that error classes carry, each once."""
    assert sorted(documented()) == sorted({c.code for c in error_classes()})


def test_no_two_errors_share_a_code() -> None:
    """A code names one class."""
    shared = [code for code, n in Counter(c.code for c in error_classes()).items() if n > 1]
    assert shared == []


def test_every_explanation_names_cause_risk_and_fix() -> None:
    """A page of the catalogue is something to act on."""
    for page in sorted((ROOT / "docs/errors").glob("*.md")):
        for section in re.split(r"^## ", page.read_text("utf-8"), flags=re.M)[1:]:
            for word in ("Cause", "Risk", "Fix"):
                assert re.search(rf"\*\*{word}", section), f"{page.name}: {section.splitlines()[0]} has no {word}"


def test_errors_live_in_modules_named_errors_or_beside_their_port() -> None:
    """The walk above finds every class, because a class with a code is defined where it looks."""
    astray = [c for c in error_classes() if c.__module__.rsplit(".", 1)[-1] not in {"errors", "ports"}]
    assert astray == []
