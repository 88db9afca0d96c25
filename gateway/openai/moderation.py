"""OpenAI's moderation answer, filled from our verdicts: `/v1/moderations`, and the field `moderation` of a chat.

Our categories are wider than OpenAI's sub-categories. A threat is what is also violent: `harassment/threatening`,
`hate/threatening` and `illicit/violent` hold where both of ours do. What nothing here tells apart (`violence/graphic`, ...)
is answered false with score 0 and no applied input type. Personal data, secrets, prompt attacks and misinformation have no
place in OpenAI's answer; `/v1/guard/check` tells them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.upstream.ports import Json
from guard.verdict import Category, Severity, Verdict

_ABUSE: Final = (Category.HARASSMENT, Category.TOXICITY)
OPENAI_CATEGORIES: Final[Mapping[str, tuple[tuple[Category, ...], ...]]] = {
    "harassment": (_ABUSE,),
    "harassment/threatening": (_ABUSE, (Category.VIOLENCE,)),
    "hate": ((Category.HATE,),),
    "hate/threatening": ((Category.HATE,), (Category.VIOLENCE,)),
    "illicit": ((Category.ILLEGAL,),),
    "illicit/violent": ((Category.ILLEGAL,), (Category.VIOLENCE,)),
    "self-harm": ((Category.SELF_HARM,),),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": ((Category.SEXUAL, Category.SEXUAL_MINORS),),
    "sexual/minors": ((Category.SEXUAL_MINORS,),),
    "violence": ((Category.VIOLENCE,),),
    "violence/graphic": (),
}
"""OpenAI's name (openai 3.54, `types/moderation.py`), and which of ours it takes: one of each group."""

MODEL: Final = "haechi"
MOST_INPUTS: Final = 256


class ModerationMode(enum.StrEnum):
    """What a client asks to be done about what it wants moderated; the policy is enforced in either case."""

    SCORE = "score"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class AskedModeration:
    """The field `moderation` of a chat request."""

    input: ModerationMode = ModerationMode.SCORE
    output: ModerationMode = ModerationMode.SCORE


def asked_moderation(body: Json) -> AskedModeration | None:
    """What a chat request asks for; None when it does not.

    Raises:
        InvalidRequest: the field is not as OpenAI has it (`model`, and `policy` with a mode for input and output).
    """
    given = body.get("moderation")
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("model"), str):
        raise InvalidRequest("moderation has to be an object with a model", param="moderation")
    policy = given.get("policy")
    if policy is not None and not isinstance(policy, dict):
        raise InvalidRequest("policy has to be an object", param="moderation.policy")
    return AskedModeration(*[_mode((policy or {}).get(side), side) for side in ("input", "output")])


def _mode(given: Any, side: str) -> ModerationMode:
    mode = given.get("mode") if isinstance(given, dict) else None if given is not None else ModerationMode.SCORE
    if mode not in [each.value for each in ModerationMode]:
        raise InvalidRequest("mode has to be score or block", param=f"moderation.policy.{side}.mode")
    return ModerationMode(mode)


def moderated(prompt: Verdict, answer: Verdict) -> Json:
    """The field `moderation` of a chat answer."""
    return {"input": _part(prompt), "output": _part(answer)}


def is_flagged(verdict: Verdict) -> bool:
    """Whether OpenAI's answer would call the text flagged."""
    return bool(_result(verdict)["flagged"])


def _part(verdict: Verdict) -> Json:
    if verdict.unavailable:
        return {"type": "error", "code": "guard_unavailable", "message": "a detector of the policy did not answer"}
    result = {**_result(verdict), "model": MODEL, "type": "moderation_result"}
    return {"type": "moderation_results", "model": MODEL, "results": [result]}


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
        if all(isinstance(item, dict) and item.get("type") == "text" for item in given):
            texts = [item.get("text") for item in given]
            if all(isinstance(text, str) for text in texts):
                return ["\n".join(texts)]
        if any(isinstance(item, dict) and item.get("type") == "image_url" for item in given):
            raise InvalidRequest("images are not judged here", hint="send the text parts alone", param="input")
    raise InvalidRequest(
        f"input has to be a string, an array of up to {MOST_INPUTS} strings, or an array of text parts", param="input"
    )


def moderation_json(verdicts: Sequence[Verdict], identity: str) -> Json:
    """OpenAI's answer for these verdicts, in order. A result that lacks a detector's word says so in a field of ours."""
    results = [
        {**_result(verdict), **({"haechi": silent} if (silent := unanswered(verdict)) else {})} for verdict in verdicts
    ]
    return {"id": "modr-" + identity, "model": MODEL, "results": results}


def unanswered(verdict: Verdict) -> Json:
    """The field `unavailable`: detectors that could not answer, under a policy that goes on without them; {} when all did."""
    silent = [{"detector": one.detector, "reason": one.reason} for one in verdict.unavailable]
    return {"unavailable": silent} if silent else {}


def _result(verdict: Verdict) -> Json:
    found = {finding.category for finding in verdict.findings if finding.severity is not Severity.SAFE}
    categories = {
        name: bool(groups) and all(found.intersection(group) for group in groups)
        for name, groups in OPENAI_CATEGORIES.items()
    }
    scores = {
        name: min((_score(verdict, group) for group in groups), default=0.0)
        for name, groups in OPENAI_CATEGORIES.items()
    }
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] if ours else [] for name, ours in OPENAI_CATEGORIES.items()},
    }


def _score(verdict: Verdict, group: Sequence[Category]) -> float:
    """The highest score of the categories of a group."""
    return max(verdict.scores.get(category, 0.0) for category in group)
