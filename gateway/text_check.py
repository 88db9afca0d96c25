r"""Check one whole text, also when it is JSON: tool-call arguments, tool results, structured answers.

Rules of this file
1. Escapes hide text (`\uc2dc` is a Korean syllable): JSON is checked as written and, where it has escapes, as read.
2. JSON stays JSON: what is masked is masked inside its strings; a number that is masked becomes a string.
3. When masking cannot be shown to have worked, nothing of the text is passed on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.openai.walk import rename_keys, rewrite
from guard.checker import SafetyChecker
from guard.conversation import ALONE, Conversation
from guard.mask import Replace
from guard.verdict import Action, Direction, Verdict

EMPTY_OBJECT: Final = "{}"
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Checked:
    """What may be passed on instead of a text, and why. A blocked text has nothing that may."""

    text: str
    verdicts: tuple[Verdict, ...]

    @property
    def blocked(self) -> bool:
        """Whether the text must not be passed on in any form."""
        return any(verdict.action is Action.BLOCK for verdict in self.verdicts)


class TextCheck:
    """A policy applied to whole texts that travel in one direction."""

    __slots__ = ("_checker", "_direction", "_replace", "conversation")

    def __init__(
        self,
        checker: SafetyChecker,
        direction: Direction,
        conversation: Conversation = ALONE,
        replace: Replace | None = None,
    ) -> None:
        """conversation: what was said before the texts; may be set anew. replace: for data that is redacted."""
        self._replace = replace
        self._checker = checker
        self._direction = direction
        self.conversation = conversation

    def plain(self, text: str) -> Checked:
        """A text that is not JSON, or whose form does not matter."""
        return self._masked_by(
            text, self._checker.check(text, direction=self._direction, conversation=self.conversation)
        )

    def word(self, text: str) -> Checked:
        """An id or a name: of the shape of an identifier it is no sentence, so no classifier is asked."""
        return self._masked_by(text, self._checker.check_word(text, direction=self._direction))

    def _masked_by(self, text: str, verdict: Verdict) -> Checked:
        if verdict.action is Action.ALLOW or not verdict.findings:
            return Checked(text, (verdict,))
        return Checked(
            self._checker.redact(text, verdict, direction=self._direction, replace=self._replace), (verdict,)
        )

    def any(self, text: str) -> Checked:
        """A text that may be JSON. Told by its first character and by whether it parses."""
        if text.lstrip()[:1] in {"{", "["}:
            return self.structured(text)
        return self.plain(text)

    def structured(self, text: str) -> Checked:
        """A text that ought to be JSON and stays JSON; one that does not parse is checked as it is."""
        first = self.plain(text)
        if first.blocked or ("\\" not in text and first.text == text):
            return first
        parsed = _parse(text)
        if parsed is None:
            return self._unparsed(text, first)
        return self._masked(text, first, parsed)

    def _unparsed(self, text: str, first: Checked) -> Checked:
        """Cut-off or broken JSON, or text around JSON: read its escapes once more without its structure."""
        read = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)
        read = read.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if read == text:
            return first
        second = self.plain(read)
        text_out = second.text if second.text != read else first.text
        return Checked(text_out, (*first.verdicts, *second.verdicts))

    def _masked(self, text: str, first: Checked, parsed: _Parsed) -> Checked:
        verdicts = list(first.verdicts)

        def leaf(path: object, inner: str) -> str:
            checked = self.plain(inner)
            verdicts.extend(checked.verdicts)
            return checked.text

        value = rewrite(parsed.value, leaf)
        value = _rename(value, lambda key: leaf((), key))
        if value is parsed.value and first.text == text and not parsed.repeated_keys:
            return Checked(text, tuple(verdicts))
        if first.text != text:
            value = _mask_numbers(value, lambda number: leaf((), number))
        written = _write(value)
        again = self.plain(written)
        if again.text != written:
            # What is left spans several values (a key names the secret beside it). It may be masked as text if that is
            # still JSON; else nothing is passed on.
            written = again.text if _parse(again.text) is not None else EMPTY_OBJECT
        return Checked(written, tuple(verdicts))


@dataclass(frozen=True, slots=True)
class _Parsed:
    value: Any
    repeated_keys: bool


def _parse(text: str) -> _Parsed | None:
    """The JSON value of a text, as tolerant as the parsers that will read it; None when it is not JSON."""
    repeated = False

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        collected = dict(pairs)
        repeated = repeated or len(collected) != len(pairs)
        return collected

    try:
        value = json.loads(text, object_pairs_hook=collect, strict=False)
    except (ValueError, RecursionError):
        return None
    return _Parsed(value, repeated)


def _write(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if not any("\ud800" <= char <= "\udfff" for char in text) else json.dumps(value)


def _rename(value: Any, check: Callable[[str], str]) -> Any:
    names = {key: check(key) for key in _keys(value)}
    names = {key: new for key, new in names.items() if new != key}
    return rename_keys(value, names) if names else value


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(_keys(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_keys(inner) for inner in value))
    return set()


def _mask_numbers(value: Any, check: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _mask_numbers(inner, check) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask_numbers(inner, check) for inner in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = json.dumps(value)
        masked = check(written)
        return value if masked == written else masked
    return value
