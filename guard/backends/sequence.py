"""Any sequence classifier of transformers, with the policy's word for each of its labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from guard.backends.document import Activation, ModelDocument
from guard.backends.errors import LabelsUnknown, ModelUnreadable
from guard.backends.pinned import model_folder
from guard.backends.text_model import TextModel, dtype_of, load_tokenizer, reading


def load(name: str, document: ModelDocument, base: Path) -> TextModel:
    """The model that an entry of a policy means.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered, ModelUnreadable, LabelsUnknown, MissingExtra.
    """
    folder = model_folder(document, base)
    model = reading(folder, lambda: read_model(folder, document))
    tokenizer = reading(folder, lambda: load_tokenizer(folder))
    model.to(document.device)
    labels = [str(model.config.id2label[i]) for i in range(model.config.num_labels)]
    _check_labels(folder, labels, document)
    return TextModel(
        name,
        version_of(document),
        model,
        tokenizer,
        labels=labels,
        meaning={label: (category,) for label, category in document.labels.items()},
        sigmoid=_is_sigmoid(model, document.activation),
        languages=frozenset(document.languages),
    )


def version_of(document: ModelDocument) -> str:
    """Which weights these are: the commit, or the digests of the weights."""
    weights = [digest[:16] for file, digest in sorted(document.sha256.items()) if file.endswith(".safetensors")]
    return "-".join([document.kind.value, document.revision[:16] or "-".join(weights)])


def read_model(folder: Path, document: ModelDocument, kind: str = "AutoModelForSequenceClassification") -> Any:
    """A model from pinned files, never with code from there. kind: the class of transformers that reads it.

    Raises:
        ModelUnreadable: tensors are missing.
    """
    import transformers

    loader: Callable[..., Any] = getattr(transformers, kind).from_pretrained
    model, found = loader(
        str(folder),
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=dtype_of(document.precision),
        output_loading_info=True,
    )
    refuse_gaps(folder, found)
    return model


def refuse_gaps(folder: Path, found: Any) -> None:
    """Transformers fills what a checkpoint lacks with random numbers; here that is an error."""
    lacking = [str(key) for part in ("missing_keys", "mismatched_keys") for key in found[part]]
    if lacking:
        raise ModelUnreadable(f"{folder}: tensors are missing: {', '.join(lacking[:3])}")


def _check_labels(folder: Path, labels: list[str], document: ModelDocument) -> None:
    named = {*document.labels, *document.ignored}
    unsaid = [label for label in labels if label not in named]
    if unsaid:
        raise LabelsUnknown(
            f"{folder}: neither mapped nor ignored: {', '.join(unsaid)}", hint="name each under labels or ignored"
        )
    absent = sorted(named - set(labels))
    if absent:
        raise LabelsUnknown(f"{folder}: the model has no label {', '.join(absent)}", hint=f"it has {', '.join(labels)}")


def _is_sigmoid(model: Any, activation: Activation) -> bool:
    if activation is Activation.AUTO:
        return bool(model.config.problem_type == "multi_label_classification" or model.config.num_labels == 1)
    return activation is Activation.SIGMOID
