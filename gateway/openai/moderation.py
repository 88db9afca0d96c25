"""OpenAI's moderation answer, filled from our verdicts.

Our categories are wider than OpenAI's sub-categories: what has no detector of its own here (`violence/graphic`, ...) is
answered false with score 0. Personal data, secrets, prompt attacks and misinformation have no place in OpenAI's answer;
`/v1/guard/check` tells them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.upstream.ports import Json
from guard.verdict import Category, Severity, Verdict

OPENAI_CATEGORIES: Final[Mapping[str, tuple[Category, ...]]] = {
    "harassment": (Category.HARASSMENT, Category.TOXICITY),
    "harassment/threatening": (),
    "hate": (Category.HATE,),
    "hate/threatening": (),
    "illicit": (Category.ILLEGAL,),
    "illicit/violent": (),
    "self-harm": (Category.SELF_HARM,),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": (Category.SEXUAL,),
    "sexual/minors": (Category.SEXUAL_MINORS,),
    "violence": (Category.VIOLENCE,),
    "violence/graphic": (),
}
"""OpenAI's name (openai 3.54, `types/moderation.py`) and which of ours count for it."""

MODEL: Final = "haechi"
MOST_INPUTS: Final = 256


def moderation_texts(body: Json) -> list[str]:
    """The texts to judge: one for a string, one each for a list of strings, one for a list of parts.

    Raises:
        InvalidRequest: for anything else. Images are not judged here, so a request that holds one is refused.
    """
    given: Any = body.get("input")
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and 0 < len(given) <= MOST_INPUTS:
        if all(isinstance(item, str) for item in given):
            return given
        if all(isinstance(item, dict) and isinstance(item.get("text"), str) for item in given):
            return ["\n".join([item["text"] for item in given])]
    raise InvalidRequest(
        f"input has to be a string, an array of up to {MOST_INPUTS} strings, or an array of text parts", param="input"
    )


def moderation_json(verdicts: Sequence[Verdict], identity: str) -> Json:
    """OpenAI's answer for these verdicts, in order."""
    return {"id": "modr-" + identity, "model": MODEL, "results": [_result(verdict) for verdict in verdicts]}


def _result(verdict: Verdict) -> Json:
    found = {finding.category for finding in verdict.findings if finding.severity is not Severity.SAFE}
    categories = {name: any(category in found for category in ours) for name, ours in OPENAI_CATEGORIES.items()}
    scores = {
        name: max((verdict.scores.get(category, 0.0) for category in ours), default=0.0)
        for name, ours in OPENAI_CATEGORIES.items()
    }
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] if ours else [] for name, ours in OPENAI_CATEGORIES.items()},
    }
