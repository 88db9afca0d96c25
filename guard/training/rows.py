"""Labelled rows for the classifier's heads, read from a folder of public data.

Rules of this file
1. A label is 1, 0 or unknown. What a source does not say is unknown, never 0: a toxic row without a category says
   nothing about hate.
2. Sets that the project keeps for outside judgement are not read, although the folder holds some of them (`HELD_BACK`).
3. Each file read is in the manifest with its hash and licence.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.training.errors import TrainingDataMissing
from guard.verdict import Category
from haechi.base.text import Language

HEADS = (
    Category.TOXICITY,
    Category.HATE,
    Category.HARASSMENT,
    Category.SEXUAL,
    Category.ILLEGAL,
    Category.PROMPT_ATTACK,
    Category.VIOLENCE,
    Category.SELF_HARM,
)
VERSION = "2026.11-16"
"""Of the weights that this code makes."""
HELD_BACK = frozenset({"en_ailuminate", "multi_catqa", "multi_multijail", "multi_xsafety"})
"""Kept unseen: they are among the sets that Haechi is judged by from outside."""

OTHER_CONCEPT = frozenset({"ko_square_questions"})
"""Labelled `unsafe` for being contentious, which is another concept than a harmful request."""

LICENCES: Mapping[str, str] = {
    "en_civil_comments": "CC0-1.0",
    "en_convabuse": "CC-BY-4.0",
    "en_davidson": "MIT",
    "en_edos": "CC0-1.0",
    "en_hatemojibuild": "CC-BY-4.0",
    "en_jigsaw_sample": "Apache-2.0, CC-BY-SA, CC0-1.0",
    "en_paradetox": "CC0-1.0",
    "en_stormfront": "CC-BY-SA-3.0-ES",
    "en_surge_toxicity": "MIT",
    "en_toxigen_statements": "MIT",
    "en_wiki_talk": "Apache-2.0",
    "en_wiki_toxicity_sample": "CC-BY-4.0",
    "ko_beep": "CC-BY-SA-4.0",
    "ko_curse": "MIT",
    "ko_hatescore": "Apache-2.0",
    "ko_kodoli": "CC-BY-SA-4.0",
    "ko_kosbi": "MIT",
    "ko_malicious": "MIT",
    "zh_cold": "Apache-2.0",
    "zh_hedcold": "MIT",
    "zh_swsr": "MIT",
    "en_benign_cyber": "MIT",
    "en_harmful_prompts": "Apache-2.0, MIT",
    "en_jade": "MIT",
    "zh_jade": "MIT",
    "en_gptfuzz_responses": "MIT",
    "cyberseceval": "MIT",
    "en_bipia": "MIT",
    "en_inthewild_jailbreaks": "Apache-2.0, MIT",
    "en_jailbreak_templates": "MIT",
    "en_wildchat_benign": "ODC-BY-1.0",
    "multi_prompt_injections": "MIT",
    "zh_benign_roleplay": "MIT",
    "en_dpo_demo": "Apache-2.0",
    "en_pandalm": "Apache-2.0",
    "zh_dpo_demo": "Apache-2.0",
    "en_bold_wikipedia": "CC-BY-SA-4.0",
    "en_c4_pages": "ODC-BY-1.0",
    "en_gsm8k_questions": "MIT",
    "en_wikipedia_articles": "CC-BY-SA",
    "ko_3i4k": "CC-BY-SA-4.0",
    "ko_chat": "MIT",
    "ko_nsmc_reviews": "CC0-1.0",
    "ko_parakqc": "CC-BY-SA-4.0",
    "multi_news_koen": "CC-BY-SA-3.0",
    "multi_ud": "CC-BY-SA-4.0",
    "multi_xquad": "CC-BY-SA-4.0",
    "zh_news": "Apache-2.0",
    "zh_ud_extra": "CC-BY-SA-4.0",
    "en_terms": "CC-BY-4.0, MIT",
    "ko_terms": "CC-BY-4.0, MIT",
    "zh_terms": "CC-BY-4.0, MIT",
}
EVERYDAY = ("en_dpo_demo", "en_pandalm", "zh_dpo_demo")
"""What people ask a model for when nothing is wrong: prompts of sets about helpfulness."""

FOLDERS = ("toxicity", "safety_prompts", "safety_responses", "injection", "preference", "safe_text")


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    labels: what is known, by head, 1 or 0; a head that is not named is unknown.
    source: the file's stem, or `own_<kind>` for generated rows.
    dev: whether the row is kept for calibration and thresholds.
    """

    text: str
    language: Language
    labels: Mapping[Category, int]
    source: str
    dev: bool


def is_calm(row: Row) -> bool:
    """Whether nothing is wrong with the row, by any head."""
    return len(row.labels) == len(HEADS) and not any(row.labels.values())


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was read: path below the data folder, sha256 in hex, rows used, licence."""

    files: tuple[tuple[str, str, int, str], ...]


def bucket(text: str, buckets: int) -> int:
    """A stable number in [0, buckets) for a text, for splits that do not depend on order."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big") % buckets


def read_rows(folder: Path) -> tuple[list[Row], Manifest]:
    """Every usable labelled row below `folder`, files in a fixed order, and the manifest of what was read.

    Raises:
        TrainingDataMissing: when the folder has none of the known files.
    """
    rows: list[Row] = []
    files: list[tuple[str, str, int, str]] = []
    for kind in FOLDERS:
        for path in sorted((folder / kind).glob("*.jsonl.gz")):
            source = path.name.removesuffix(".jsonl.gz")
            if source in HELD_BACK | OTHER_CONCEPT or source not in LICENCES:
                continue
            new = [row for item in _items(path) if (row := _row(kind, source, item)) is not None]
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            files.append((f"{kind}/{path.name}", digest, len(new), LICENCES[source]))
            rows.extend(new)
    if not rows:
        raise TrainingDataMissing(
            f"no labelled data below {folder}", hint="--data names the folder with toxicity/ in it"
        )
    return rows, Manifest(tuple(files))


def _items(path: Path) -> Iterator[dict[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _row(kind: str, source: str, item: Mapping[str, object]) -> Row | None:
    """The row that an item of a file of this kind makes; None when it says nothing for our heads."""
    text = (
        _prompt(item)
        if kind == "preference"
        else str(item.get("text") or item.get("prompt") or item.get("response") or "")
    )
    labels = {
        "toxicity": _toxicity_labels,
        "safety_prompts": _request_labels,
        "safety_responses": _reply_labels,
        "injection": _injection_labels,
        "preference": _everyday_labels,
        "safe_text": _ordinary_labels,
    }[kind](source, item)
    if not text or not labels:
        return None
    dev = item.get("split") == "dev" if kind == "toxicity" else bucket(text, 10) == 0
    return Row(text, Language(str(item["lang"])), labels, source, dev)


_HATE_TAGS = frozenset({"hate", "stereotype", "gender", "race", "region", "religion", "lgbtq", "disability", "age"})
_OFFENSIVE_NOT_HATE = frozenset({"en_davidson", "ko_beep", "ko_hatescore"})
"""Their labels tell abuse without discrimination from hate, so a toxic row without hate says hate = 0."""


_NO_REQUEST: Mapping[Category, int] = {Category.ILLEGAL: 0, Category.PROMPT_ATTACK: 0, Category.SELF_HARM: 0}
"""What posts between people are not, toxic or otherwise: requests to a model, or cries for help."""


def _toxicity_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    tags = frozenset(str(item.get("categories") or "").split("|")) - {""}
    if item["toxic"] == 0:
        known = {Category.TOXICITY: 0, Category.HATE: 0, Category.HARASSMENT: 0, **_NO_REQUEST}
        if source != "ko_kodoli":  # its rows outside "offensive" hold sexual slang
            known[Category.SEXUAL] = 0
        return known
    labels = {Category.TOXICITY: 1, **_NO_REQUEST}
    if tags & _HATE_TAGS:
        labels[Category.HATE] = 1
    elif source in _OFFENSIVE_NOT_HATE:
        labels[Category.HATE] = 0
    if tags & {"insult", "threat"}:
        labels[Category.HARASSMENT] = 1
    if "sexual" in tags:
        labels[Category.SEXUAL] = 1
    return labels


_NOT_A_CRIME = ("歧视偏见", "核心价值观", "copyright", "misinformation_disinformation")


def _request_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    if "HarmBench" in str(item.get("source")):
        return {}
    if item["unsafe"] == 0:
        return {Category.ILLEGAL: 0, Category.PROMPT_ATTACK: 0, Category.TOXICITY: 0, Category.SEXUAL: 0}
    if str(item.get("category") or "").startswith(_NOT_A_CRIME):
        return {Category.PROMPT_ATTACK: 0}
    return {Category.ILLEGAL: 1, Category.PROMPT_ATTACK: 0}


def _reply_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    """Only refusals are certain: a reply that complied with some request need not be about a crime."""
    if item["jailbroken"] == 0:
        return {Category.ILLEGAL: 0, Category.PROMPT_ATTACK: 0}
    return {}


def _injection_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    if item["injection"] == 1:
        return {Category.PROMPT_ATTACK: 1}
    if source in {"en_wildchat_benign", "zh_benign_roleplay"}:
        return dict.fromkeys((Category.PROMPT_ATTACK, Category.ILLEGAL), 0)
    return {Category.PROMPT_ATTACK: 0}


def _prompt(item: Mapping[str, object]) -> str:
    """The last turn of the person in a conversation."""
    turns: Any = item["prompt"]
    return next((str(turn["content"]) for turn in reversed(turns) if turn["role"] == "user"), "")


def _everyday_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    """Requests that were collected to compare how helpful replies are; what they quote is not known."""
    return {Category.ILLEGAL: 0, Category.PROMPT_ATTACK: 0}


def _ordinary_labels(source: str, item: Mapping[str, object]) -> dict[Category, int]:
    return dict.fromkeys(HEADS, 0)
