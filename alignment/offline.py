"""Training tells nobody: switch off what the libraries underneath would send or fetch on their own."""

from __future__ import annotations

import os

_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def forbid_telemetry(*, offline: bool = True) -> None:
    """Set the opt-outs before transformers, datasets or trl are imported (they read them at import).

    offline: also forbid the model hub; a model name then resolves from the local cache only.
    """
    os.environ.update(_QUIET)
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
