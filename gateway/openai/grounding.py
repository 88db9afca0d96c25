"""What a request gives the claims of its answer to be held against, and the citations that the answer carries.

Ours, beside OpenAI's fields: `evidence`, an array of texts or of objects with `text` and perhaps `source`, `title`, `dated`,
`valid_to`; and `haechi: {"citations": true}`. Neither is sent to the model. Which parts of a request count is the policy's
affair (`claims.evidence`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import InvalidRequest
from gateway.upstream.ports import Json, prompts_in
from guard.claims.given import OBJECT, evidence_of, is_evidence
from guard.claims.ports import Evidence
from guard.policy import EvidenceFrom
from guard.verdict import Finding, Verdict

MOST_EVIDENCE: Final = 256
FIELD: Final = "haechi"
_ROLES: Final = {
    EvidenceFrom.SYSTEM: ("system", "developer"),
    EvidenceFrom.TOOLS: ("tool", "function"),
    EvidenceFrom.USER: ("user",),
}
_OURS: Final = ("evidence", FIELD)


@dataclass(frozen=True, slots=True)
class Grounding:
    """evidence: what came in the field of that name. citations: whether the answer is to carry its claims."""

    evidence: tuple[Evidence, ...] = ()
    citations: bool = False


def asked_grounding(body: Json) -> Grounding:
    """The two fields of a request.

    Raises:
        InvalidRequest: a field is not as this module says.
    """
    given = body.get(FIELD)
    if given is not None and not (isinstance(given, dict) and isinstance(given.get("citations", False), bool)):
        raise InvalidRequest('haechi has to be an object such as {"citations": true}', param=FIELD)
    return Grounding(evidence_in(body), bool(given and given.get("citations")))


def evidence_in(body: Json) -> tuple[Evidence, ...]:
    """The field `evidence`.

    Raises:
        InvalidRequest: it is no array of texts or objects with a text, or too long.
    """
    given: Any = body.get("evidence")
    if given is None:
        return ()
    if not isinstance(given, list) or len(given) > MOST_EVIDENCE:
        raise InvalidRequest(f"evidence has to be an array of up to {MOST_EVIDENCE} items", param="evidence")
    for number, item in enumerate(given):
        if not is_evidence(item):
            raise InvalidRequest(f"evidence is a text, or {OBJECT}", param=f"evidence[{number}]")
    return evidence_of(given)


def without_ours(body: Json) -> Json:
    """The request without the fields that are not the model's."""
    return without(body, _OURS)


def without(body: Json, names: Collection[str]) -> Json:
    """The body without some fields; the same object when it has none of them."""
    if not any(name in body for name in names):
        return body
    return {name: value for name, value in body.items() if name not in names}


def spoken_evidence(
    body: Json, sources: Collection[EvidenceFrom], places: Mapping[str | int, str]
) -> tuple[Evidence, ...]:
    """System prompts, results of tools and user turns, as far as the policy counts them.

    They are cited as `messages[N]` or `prompt[N]`, or by the place that the client knows them by.
    """
    roles = {role for source in sources for role in _ROLES.get(source, ())}
    place = "messages" if "messages" in body else "prompt"
    return tuple(
        Evidence(text, places.get(number, f"{place}[{number}]"))
        for number, message in enumerate(_turns(body))
        if message.get("role") in roles
        for text in _texts(message.get("content"))
    )


def question_in(body: Json) -> str:
    """What the user asked last."""
    said = [message for message in _turns(body) if message.get("role") == "user"]
    return "\n".join(_texts(said[-1].get("content"))) if said else ""


def _turns(body: Json) -> list[Json]:
    """The messages; a prompt to go on with is something that a user says."""
    return body.get("messages") or [{"role": "user", "content": prompt} for prompt in prompts_in(body)]


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        yield from (p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))


def citations_json(verdict: Verdict) -> Json:
    """The field `haechi` of an answer: every claim, what came out, and the words it was held against.

    Positions of claims are code points of the answer as the model gave it.
    """
    return {"claims": [claim.entry() for claim in verdict.claims]}


def finding_evidence(finding: Finding) -> Json:
    """The key `evidence` of a finding that has some."""
    return {"evidence": finding.evidence.entry()} if finding.evidence is not None else {}
