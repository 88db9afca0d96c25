"""Token counts where the upstream gives none. Estimates: good for meters, not for bills."""

from __future__ import annotations

from gateway.upstream.ports import Json

_ASCII_PER_TOKEN = 4
"""Characters of English per token, as OpenAI and Qwen document it; Korean and Chinese take about one each."""


def estimate(text: str) -> int:
    """About how many tokens a text is."""
    if text.isascii():
        return -(-len(text) // _ASCII_PER_TOKEN)
    plain = sum([1 for char in text if char < "\x80"])
    return -(-plain // _ASCII_PER_TOKEN) + len(text) - plain


def usage_object(tokens_in: int, tokens_out: int) -> Json:
    """OpenAI's `usage`."""
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}
