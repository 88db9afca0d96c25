"""Detoxify from a local checkpoint: its weights, its labels, none of its loader.

Detoxify's own loader unpickles, checks no digest, asks a hub for the configuration and cuts texts at 512 tokens. This one
reads tensors only, from files that the policy pins, and reads a text to its end. Scores of texts up to 512 tokens are
those of the package `detoxify`; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from guard.backends.document import ModelDocument, Variant
from guard.backends.errors import ModelUnreadable
from guard.backends.labels import DETOXIFY, DETOXIFY_RENAMED
from guard.backends.pinned import verify, verify_folder
from guard.backends.text_model import TextModel, dtype_of, load_tokenizer, reading
from haechi.base.text import Language

_CLASSES: Final[Mapping[Variant, str]] = {
    Variant.ORIGINAL: "BertForSequenceClassification",
    Variant.UNBIASED: "RobertaForSequenceClassification",
    Variant.MULTILINGUAL: "XLMRobertaForSequenceClassification",
}
LANGUAGES: Final[Mapping[Variant, frozenset[Language]]] = {
    Variant.ORIGINAL: frozenset({Language.ENGLISH}),
    Variant.UNBIASED: frozenset({Language.ENGLISH}),
    Variant.MULTILINGUAL: frozenset({Language.ENGLISH, Language.OTHER}),
}
"""`multilingual` learnt English, French, Spanish, Italian, Portuguese, Turkish and Russian; no Korean, no Chinese."""


def load(name: str, document: ModelDocument, base: Path) -> TextModel:
    """The model that an entry of a policy means.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered, ModelUnreadable, MissingExtra.
    """
    checkpoint, folder = base / document.path, base / document.tokenizer
    verify(checkpoint.parent, document.sha256, [checkpoint.name])
    verify_folder(folder, document.sha256, elsewhere=[checkpoint.name])
    variant = document.variant or Variant.ORIGINAL
    model, labels = reading(checkpoint, lambda: _read(checkpoint, folder, variant))
    tokenizer = reading(folder, lambda: load_tokenizer(folder))
    model.to(device=document.device, dtype=dtype_of(document.precision))
    return TextModel(
        name,
        f"detoxify-{variant.value}-{document.sha256[checkpoint.name][:16]}",
        model,
        tokenizer,
        labels=labels,
        meaning=DETOXIFY,
        sigmoid=True,
        languages=frozenset(document.languages) or LANGUAGES[variant],
    )


def _read(checkpoint: Path, folder: Path, variant: Variant) -> tuple[Any, list[str]]:
    """The model with its weights, and its labels as Detoxify calls them."""
    import torch

    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    arguments = _described(content, checkpoint)
    if arguments["model_name"] != _CLASSES[variant]:
        raise ModelUnreadable(f"{checkpoint}: a {arguments['model_name']}, not Detoxify {variant.value}")
    labels = [DETOXIFY_RENAMED.get(name, name) for name in content["config"]["dataset"]["args"]["classes"]]
    if not labels or len(labels) > int(arguments["num_classes"]) or not set(labels) & set(DETOXIFY):
        raise ModelUnreadable(f"{checkpoint}: its classes are not Detoxify's")
    model = _architecture(variant, folder, int(arguments["num_classes"]))
    found = model.load_state_dict(content["state_dict"], strict=False)
    stray = [key for key in found.unexpected_keys if not key.endswith("position_ids")]  # older transformers stored them
    if found.missing_keys or stray:
        raise ModelUnreadable(f"{checkpoint}: tensors do not fit: {', '.join([*found.missing_keys, *stray][:3])}")
    return model, labels


def _described(content: Any, checkpoint: Path) -> Mapping[str, Any]:
    """What the checkpoint says of its architecture."""
    try:
        arguments: Mapping[str, Any] = content["config"]["arch"]["args"]
        sound = {"model_name", "num_classes"} <= arguments.keys() and "state_dict" in content
    except (KeyError, TypeError, AttributeError):
        sound, arguments = False, {}
    if not sound:
        raise ModelUnreadable(f"{checkpoint}: not a checkpoint of Detoxify", hint="it lacks its description")
    return arguments


def _architecture(variant: Variant, folder: Path, outputs: int) -> Any:
    """An empty model of the variant's class, sized by the configuration beside the tokenizer."""
    import transformers

    model_class = getattr(transformers, _CLASSES[variant])
    config = model_class.config_class.from_pretrained(str(folder), num_labels=outputs, local_files_only=True)
    return model_class(config)
