"""Every string of a JSON value, wherever it stands.

Rules of this file
1. Nothing is skipped: a field that is new to OpenAI's interface is read like the others.
2. The value is not changed in place; a value in which no string changed is returned as it is.
3. Strings that are words of the protocol are told by their value, not by their place, so that no place is a door.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Path = tuple[str | int, ...]
"""Keys, and positions in arrays; an array whose items carry an `index` (tool calls of a stream) is addressed by it."""
Leaf = Callable[[Path, str], str]

_PROTOCOL_WORDS: Final = (
    "assistant user system developer tool function custom text image_url input_audio file refusal auto none"
    " required json_object json_schema object string number integer boolean array null low medium high minimal"
    " default wav mp3 stop length tool_calls content_filter function_call chat.completion chat.completion.chunk"
    " ephemeral float base64 text_completion list embedding"
)
PROTOCOL_WORDS: Final = frozenset(_PROTOCOL_WORDS.split())
"""Values that mean something to the protocol and nothing to a reader."""

_KNOWN_KEYS: Final = (
    "model messages role content name type text image_url url detail input_audio data format file file_data"
    " file_id filename refusal audio id tool_calls tool_call_id function arguments custom input function_call"
    " functions tools description parameters strict properties required items enum additionalProperties"
    " tool_choice allowed_tools parallel_tool_calls response_format json_schema schema stream stream_options"
    " include_usage include_obfuscation temperature top_p top_k min_p n stop seed max_tokens"
    " max_completion_tokens presence_penalty frequency_penalty repetition_penalty logit_bias logprobs"
    " top_logprobs user safety_identifier prompt_cache_key metadata store conversation_id service_tier prediction"
    " modalities voice reasoning_effort reasoning reasoning_content verbosity web_search_options"
    " chat_template_kwargs enable_thinking extra_body index delta message choices finish_reason created object"
    " system_fingerprint usage prompt_tokens completion_tokens total_tokens"
    " prompt echo best_of suffix dimensions encoding_format"
)
KNOWN_KEYS: Final = frozenset(_KNOWN_KEYS.split())
"""Keys that need no reading; any other key is text like any value."""


def rewrite(value: Any, leaf: Leaf, path: Path = ()) -> Any:
    """The value with every string replaced by what `leaf` answers for it."""
    if isinstance(value, str):
        return leaf(path, value) if value else value
    if isinstance(value, dict):
        return _rewrite_dict(value, leaf, path)
    if isinstance(value, list):
        return _rewrite_list(value, leaf, path)
    return value


def _rewrite_dict(value: dict[str, Any], leaf: Leaf, path: Path) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for key, item in value.items():
        if isinstance(item, str | dict | list):
            new = rewrite(item, leaf, (*path, key))
            if new is not item:
                if changed is None:
                    changed = dict(value)
                changed[key] = new
    return value if changed is None else changed


def _rewrite_list(value: list[Any], leaf: Leaf, path: Path) -> list[Any]:
    changed: list[Any] | None = None
    for position, item in enumerate(value):
        if isinstance(item, str | dict | list):
            place = item.get("index", position) if isinstance(item, dict) else position
            new = rewrite(item, leaf, (*path, place if isinstance(place, int) else position))
            if new is not item:
                if changed is None:
                    changed = list(value)
                changed[position] = new
    return value if changed is None else changed


def unknown_keys(value: Any) -> list[str]:
    """Every key, at any depth, that is not a word of the protocol; each once, in order of appearance."""
    found: dict[str, None] = {}
    queue = [value]
    while queue:
        item = queue.pop()
        if isinstance(item, dict):
            for key, inner in item.items():
                if key not in KNOWN_KEYS:
                    found[key] = None
                if isinstance(inner, dict | list):
                    queue.append(inner)
        elif isinstance(item, list):
            queue.extend([inner for inner in item if isinstance(inner, dict | list)])
    return list(found)


def rename_keys(value: Any, names: dict[str, str]) -> Any:
    """The value with those keys replaced, at any depth."""
    if isinstance(value, dict):
        return {names.get(key, key): rename_keys(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [rename_keys(inner, names) for inner in value]
    return value


def at_path(path: Path, text: str) -> dict[str, Any]:
    """A delta that holds nothing but `text` at `path`."""
    value: Any = text
    for step in reversed(path):
        value = (
            {step: value} if isinstance(step, str) else [{"index": step, **value} if isinstance(value, dict) else value]
        )
    return {} if not isinstance(value, dict) else value
