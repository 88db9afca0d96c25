"""The number formats that `--precision` names. No model code here, so that a wrong word is refused before loading."""

from __future__ import annotations

import enum

from gateway.upstream.errors import UnknownPrecision
from haechi.base.errors import nearest


class Precision(enum.StrEnum):
    """Number format of a local model's weights."""

    AUTO = "auto"
    """bf16 on a GPU that has it, else fp16 there; on a CPU see `local_load.automatic`."""
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8 = "int8"
    """Linear layers hold 8-bit weights with one scale per output row; activations stay bf16."""


def parse_precision(word: str) -> Precision:
    """The precision of that name.

    Raises:
        UnknownPrecision: with the nearest known word.
    """
    try:
        return Precision(word)
    except ValueError:
        known = [str(p) for p in Precision]
        raise UnknownPrecision(f"no precision named {word!r}", hint=nearest(word, known)) from None
