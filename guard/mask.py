"""Write a text with its findings masked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import assert_never

from guard.registry import load_mask
from guard.verdict import Action, Category, Finding

Replace = Callable[[str, str], str]


def replacement(finding: Finding, original: str, removed: str, replace: Replace | None = None) -> str:
    """What stands in the text instead of a finding: for a claim that has evidence, the words of the evidence.

    removed: the policy's word for what has no entity. replace: from entity and original; a mask without it.
    """
    if finding.evidence is not None:
        return f"{finding.evidence.quote} [{finding.evidence.source}]"
    if finding.entity and finding.category in (Category.PII, Category.SECRETS):
        return (replace or load_mask())(finding.entity, original)
    return removed


def is_masked(action: Action) -> bool:
    """Whether the action changes the text."""
    match action:
        case Action.REDACT | Action.REWRITE:
            return True
        case Action.ALLOW | Action.FLAG | Action.BLOCK:
            return False
        case _ as unreachable:
            assert_never(unreachable)


def apply(text: str, findings: Iterable[Finding], *, base: int, removed: str, replace: Replace | None = None) -> str:
    """The text with every masked finding replaced. base: position of `text[0]` in the whole text. replace: as above.

    Overlapping findings become one mask, that of the one that begins first (the longest of those).
    """
    masked = sorted((f for f in findings if is_masked(f.action)), key=lambda f: (f.start, -f.end))
    if not masked:
        return text
    out: list[str] = []
    at = 0
    first, end = masked[0], masked[0].end
    for finding in (*masked[1:], None):
        if finding is not None and finding.start < end:
            end = max(end, finding.end)
            continue
        begin, stop = max(at, first.start - base), min(len(text), end - base)
        if stop > begin:
            out.append(text[at:begin])
            out.append(replacement(first, text[begin:stop], removed, replace))
            at = stop
        if finding is not None:
            first, end = finding, finding.end
    out.append(text[at:])
    return "".join(out)
