"""A text through an encoder with a classification head: every token of it, in overlapping pieces.

Rules of this file
1. A piece is run by itself: a text has the same score whatever is judged beside it.
2. A text longer than the model reads is cut into pieces that overlap; its score per label is that of its worst piece.
3. A text in a language that the model was not made for has no score.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from guard.backends.document import Precision
from guard.backends.errors import ModelUnreadable, NotCovered
from guard.backends.pinned import EXTRA
from guard.language import language_of
from guard.verdict import Category
from haechi.base.errors import HaechiError, MissingExtra
from haechi.base.text import Language

LONGEST: Final = 512
"""Tokens that BERT, RoBERTa and XLM-R read at once, special ones included."""
OVERLAP: Final = 128
"""Tokens that one piece shares with the next."""
Loaded = TypeVar("Loaded")


class TextModel:
    """A sequence classifier of transformers, its tokenizer, and what its labels mean here. Safe for several threads."""

    reads_context = False

    def __init__(
        self,
        name: str,
        version: str,
        model: Any,
        tokenizer: Any,
        *,
        labels: list[str],
        meaning: Mapping[str, Iterable[Category]],
        sigmoid: bool,
        languages: frozenset[Language],
    ) -> None:
        """labels: by output, in order; outputs behind the last label are not read. meaning: categories by label."""
        self.name = name
        self.version = version
        self.labels = labels
        self.categories = frozenset(c for label in labels for c in meaning.get(label, ()))
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._meaning = {label: tuple(meaning.get(label, ())) for label in labels}
        self._sigmoid = sigmoid
        self._languages = languages
        self._longest = longest_of(model, tokenizer)
        self._lock = threading.Lock()  # a fast tokenizer is changed by the cutting it is asked for

    def score(self, text: str, context: str = "") -> Mapping[Category, float]:
        """Probability in [0, 1] that each category holds for `text`; `context` is not read.

        Raises:
            NotCovered: the text is in a language that the model was not made for.
        """
        refuse_uncovered(text, self._languages, self.name)
        scores = dict.fromkeys(sorted(self.categories), 0.0)
        for label, score in self.label_scores(text).items():
            for category in self._meaning[label]:
                scores[category] = max(scores[category], score)
        return scores

    def label_scores(self, text: str) -> dict[str, float]:
        """Probability of each of the model's own labels."""
        import torch

        worst = dict.fromkeys(self.labels, 0.0)
        for piece in self._pieces(text):
            with torch.inference_mode():
                logits = self._model(**piece).logits[0].float()
            scores = torch.sigmoid(logits) if self._sigmoid else torch.softmax(logits, dim=-1)
            for label, score in zip(self.labels, scores.tolist(), strict=False):
                worst[label] = max(worst[label], score)
        return worst

    def _pieces(self, text: str) -> list[dict[str, Any]]:
        """The inputs of each piece, shape [1, tokens]."""
        import torch

        with self._lock:
            cut = self._tokenizer(
                text,
                truncation=True,
                max_length=self._longest,
                stride=min(OVERLAP, self._longest // 4),
                return_overflowing_tokens=True,
            )
        names = [n for n in ("input_ids", "attention_mask", "token_type_ids") if n in cut]
        device = self._model.device
        rows = range(len(cut["input_ids"]))
        return [{n: torch.tensor([cut[n][row]], device=device) for n in names} for row in rows]


def longest_of(model: Any, tokenizer: Any) -> int:
    """Tokens the model reads at once; positions of RoBERTa's kind begin behind the padding token."""
    config = model.config
    positions = int(getattr(config, "max_position_embeddings", LONGEST))
    if config.model_type in {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}:
        positions -= int(config.pad_token_id) + 1
    return min(LONGEST, positions, int(tokenizer.model_max_length))


def refuse_uncovered(text: str, languages: frozenset[Language], name: str) -> None:
    """Raise where a score would mean nothing. Text without letters (numbers, emoji) is in no language.

    Raises:
        NotCovered
    """
    if languages and language_of(text) not in languages and any(char.isalpha() for char in text):
        raise NotCovered(f"{name} is not made for this language")


def reading(what: object, load: Callable[[], Loaded]) -> Loaded:
    """What a loader of other people makes of pinned files.

    Raises:
        MissingExtra: a package is not installed. ModelUnreadable: anything else that went wrong.
    """
    try:
        return load()
    except HaechiError:
        raise
    except ImportError as error:
        raise MissingExtra(f"the model {what}", EXTRA) from error
    except Exception as error:  # the boundary to loaders, which fail on a damaged file in any way
        raise ModelUnreadable(
            f"{what}: {type(error).__name__}", hint="docs/backends.md tells what is wanted"
        ) from error


def dtype_of(precision: Precision) -> Any:
    """The number format in torch's words."""
    import torch

    return {Precision.FP32: torch.float32, Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}[precision]


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer in a folder; never code from there."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        raise ModelUnreadable(f"{folder}: no fast tokenizer", hint="tokenizer.json is missing")
    return tokenizer
