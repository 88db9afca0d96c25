"""Terms of public word lists as short training rows: rare insults that no labelled set happens to contain."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from guard.training.rows import Row
from guard.verdict import Category
from haechi.base.text import Language

_HANGUL = re.compile("[가-힣]{2}")
_CLEAR_SEVERITY = 2.0
"""On the list's scale from 1 to 3: below it many terms have an everyday meaning."""


def lexicon_rows(folder: Path) -> list[Row]:
    """One row per clear term of the word lists in `folder`/lexicons; none when the folder has no word lists."""
    rows: list[Row] = []
    for path in sorted((folder / "lexicons").glob("*_terms.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                item = json.loads(line)
                labels = _labels(str(item["category"] or ""), item["severity"], str(item["term"]), str(item["lang"]))
                if labels:
                    rows.append(Row(str(item["term"]), Language(item["lang"]), labels, "own_terms", dev=False))
    return rows


def _labels(category: str, severity: float | None, term: str, language: str) -> dict[Category, int]:
    if language == "en":
        if severity is None or severity < _CLEAR_SEVERITY:
            return {}
        labels = {Category.TOXICITY: 1}
        if "racial" in category:
            labels[Category.HATE] = 1
        if category == "sexual anatomy / sexual acts":
            labels[Category.SEXUAL] = 1
        return labels
    if language == "ko":
        return {Category.TOXICITY: 1} if len(term) >= 3 and _HANGUL.search(term) is not None else {}
    if category == "sexist_abusive":
        return {Category.TOXICITY: 1} if len(term) >= 2 else {}
    return {Category.SEXUAL: 1} if category == "sexual" and len(term) >= 3 else {}
