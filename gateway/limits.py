"""How much one request and one process may take, and why that much."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one request and of one process.

    body_bytes: longest request body; 16 MiB takes a 10 MB image as base64.
    messages: most messages of one conversation; far above what a 1M-token context holds in turns.
    choices: largest `n`; OpenAI's own limit is 128.
    header_fields, header_bytes: most and longest headers; nginx takes 4 buffers of 8 KiB.
    body_s: seconds in which the whole body has to arrive.
    request_s: seconds in which the whole answer has to be sent.
    audit_s: seconds to wait for a durable record; a disk that other work keeps busy was seen to stall for half a second, which
        the log's spill file bridges.
    in_flight: requests under way at once in this process.
    inline_chars: texts up to this length are checked on the event loop: about 5 ms of work at 0.65 ms per 1,000 characters.
    guard_threads: threads for longer texts; more than cores does not help.
    answer_chars: longest text of one field of an answer that has to be whole before it can be released.
    """

    body_bytes: int = 16 * 1024 * 1024
    messages: int = 4_096
    choices: int = 128
    header_fields: int = 100
    header_bytes: int = 32 * 1024
    body_s: float = 30.0
    request_s: float = 600.0
    audit_s: float = 0.25
    in_flight: int = 1_024
    inline_chars: int = 8_000
    guard_threads: int = 2
    answer_chars: int = 1_000_000
