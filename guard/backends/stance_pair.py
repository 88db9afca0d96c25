"""Models that read a passage and a claim together: NLI cross-encoders, and MiniCheck's kind, which knows supported or not.

Rules of this file
1. A model that cannot tell "refuted" from "not supported" never refutes: what it does not support is unsure.
2. A passage longer than the model reads is read in pieces that overlap; the most decided piece speaks for it.
3. A label without a meaning is an error when the model is loaded.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from guard.backends.document import ModelDocument, ModelKind, StanceWord
from guard.backends.errors import LabelsUnknown, PairTooLong
from guard.backends.pinned import model_folder
from guard.backends.sequence import read_model, version_of
from guard.backends.text_model import load_tokenizer, longest_of, reading, refuse_uncovered
from guard.claims.ports import Stance
from haechi.base.text import Language

_USUAL: Final[Mapping[str, StanceWord]] = {
    "entailment": StanceWord.SUPPORTED,
    "contradiction": StanceWord.REFUTED,
    "neutral": StanceWord.UNSURE,
    "not_entailment": StanceWord.UNSURE,
    "supported": StanceWord.SUPPORTED,
    "consistent": StanceWord.SUPPORTED,
    "refuted": StanceWord.REFUTED,
    "unsupported": StanceWord.UNSURE,
    "not_enough_info": StanceWord.UNSURE,
}
_T5_LONGEST: Final = 2_048
"""Tokens that MiniCheck-Flan-T5 was trained to read; T5 itself has no limit."""
Floats = Sequence[float]


class PairStance:
    """See StanceModel. Safe for several threads."""

    def __init__(
        self, name: str, version: str, languages: frozenset[Language], pair: Pair, words: Sequence[StanceWord]
    ) -> None:
        """words: what each output of the pair means, in order."""
        self.name = name
        self.version = version
        self._languages = languages
        self._pair = pair
        self._words = words

    def languages(self) -> frozenset[Language]:
        """Those that the policy names."""
        return self._languages

    def judge(self, claim: str, evidence: Sequence[str], *, language: Language) -> Sequence[Stance]:
        """See StanceModel.

        Raises:
            NotCovered, PairTooLong.
        """
        refuse_uncovered(claim, self._languages, self.name)
        return [self._stance(claim, passage) for passage in evidence]

    def _stance(self, claim: str, passage: str) -> Stance:
        pieces = [self._named(outputs) for outputs in self._pair.outputs(claim, passage)]
        return max(pieces, key=lambda one: max(one.supported, one.refuted))

    def _named(self, outputs: Floats) -> Stance:
        share = dict.fromkeys(StanceWord, 0.0)
        for word, chance in zip(self._words, outputs, strict=True):
            share[word] += chance
        supported, refuted = min(1.0, share[StanceWord.SUPPORTED]), min(1.0, share[StanceWord.REFUTED])
        return Stance(supported, refuted, max(0.0, 1.0 - supported - refuted))


class Pair:
    """A model and its tokenizer. joined: the pair is one text, passage first, with the end mark between, as MiniCheck has it."""

    def __init__(self, model: Any, tokenizer: Any, *, longest: int, joined: bool) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._longest = longest
        self._joined = joined
        self._lock = threading.Lock()  # a fast tokenizer is changed by the cutting it is asked for

    def outputs(self, claim: str, passage: str) -> Iterator[Floats]:
        """The probabilities of the model's outputs, for each piece of the passage."""
        import torch

        for piece in self._pieces(claim, passage):
            with torch.inference_mode():
                yield self._chances(piece)

    def _chances(self, piece: dict[str, Any]) -> Floats:
        import torch

        logits = self._model(**piece).logits[0].float()
        if len(logits) == 1:  # one output says how likely it is supported
            return [float(torch.sigmoid(logits)[0])]
        return [float(chance) for chance in torch.softmax(logits, dim=-1)]

    def _pieces(self, claim: str, passage: str) -> Iterator[dict[str, Any]]:
        import torch

        with self._lock:
            own = len(self._tokenizer(claim, add_special_tokens=False)["input_ids"])
            if own > self._longest // 2:
                raise PairTooLong(f"a claim of {own} tokens leaves no room for evidence")
            cut = self._cut_joined(claim, passage, own) if self._joined else self._cut(claim, passage)
        for row in range(len(cut["input_ids"])):
            names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in cut]
            yield {name: torch.tensor([cut[name][row]], device=self._model.device) for name in names}

    def _cut(self, claim: str, passage: str) -> Any:
        return self._tokenizer(
            passage, claim, truncation="only_first", max_length=self._longest, stride=self._longest // 8,
            return_overflowing_tokens=True,
        )  # fmt: skip

    def _cut_joined(self, claim: str, passage: str, own: int) -> Any:
        """Pieces by tokens of the passage, each with the whole claim behind it."""
        room = self._longest - own - 16
        places = self._tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        mark = self._tokenizer.eos_token or self._tokenizer.sep_token
        starts = range(0, max(len(places) - room // 8, 1), room - room // 8)
        parts = [passage[places[at][0] : places[min(at + room, len(places)) - 1][1]] if places else "" for at in starts]
        return self._tokenizer([f"{self._prefix()}{part}{mark}{claim}" for part in parts])

    def _prefix(self) -> str:
        return ""


class SeqToSeqPair(Pair):
    """A T5 that says 1 for supported and 0 for not, in its first word."""

    def __init__(self, model: Any, tokenizer: Any, *, longest: int) -> None:
        super().__init__(model, tokenizer, longest=longest, joined=True)
        self._answers = [tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("0", "1")]
        if len(set(self._answers)) < 2:
            raise LabelsUnknown("the tokenizer begins 0 and 1 with the same token", hint="is it a MiniCheck model?")

    def _chances(self, piece: dict[str, Any]) -> Floats:
        import torch

        start = torch.tensor([[self._model.config.decoder_start_token_id]], device=self._model.device)
        logits = self._model(**piece, decoder_input_ids=start).logits[0, 0, self._answers].float()
        return [float(chance) for chance in torch.softmax(logits, dim=-1)]

    def _prefix(self) -> str:
        return "predict: "


def load(name: str, document: ModelDocument, base: Path) -> PairStance:
    """The model that an entry of a policy means.

    Raises:
        ModelFileMissing, ModelNotPinned, ModelFileAltered, ModelUnreadable, LabelsUnknown, MissingExtra.
    """
    folder = model_folder(document, base)
    tokenizer = reading(folder, lambda: load_tokenizer(folder))
    two_way = document.kind is ModelKind.MINICHECK
    if two_way and reading(folder, lambda: _is_seq_to_seq(folder)):
        model = reading(folder, lambda: read_model(folder, document, "AutoModelForSeq2SeqLM"))
        pair: Pair = SeqToSeqPair(model.to(document.device), tokenizer, longest=_T5_LONGEST)
        words: Sequence[StanceWord] = (StanceWord.UNSURE, StanceWord.SUPPORTED)
    else:
        model = reading(folder, lambda: read_model(folder, document))
        words = _meanings(folder, model.config, document, two_way=two_way)
        longest = longest_of(model, tokenizer)
        pair = Pair(model.to(document.device), tokenizer, longest=longest, joined=two_way)
    return PairStance(name, version_of(document), frozenset(document.languages), pair, words)


def _meanings(folder: Path, config: Any, document: ModelDocument, *, two_way: bool) -> list[StanceWord]:
    """What each output means: as the policy says, else by its usual name; a two-way model's second output is supported."""
    labels = [str(config.id2label[i]) for i in range(config.num_labels)]
    unnamed = all(label.startswith("LABEL_") for label in labels)
    if two_way and unnamed and not document.stances and len(labels) == 2:
        return [StanceWord.UNSURE, StanceWord.SUPPORTED]
    known = document.stances or {label: _USUAL[label.lower()] for label in labels if label.lower() in _USUAL}
    unsaid = [label for label in labels if label not in known]
    absent = sorted(known.keys() - set(labels))
    if unsaid or absent:
        said = f"no meaning for {', '.join(unsaid)}" if unsaid else f"the model has no label {', '.join(absent)}"
        raise LabelsUnknown(f"{folder}: {said}", hint="name each label under stances: supported, refuted or unsure")
    words = [StanceWord(known[label]) for label in labels]
    if StanceWord.SUPPORTED not in words and StanceWord.REFUTED not in words:
        raise LabelsUnknown(f"{folder}: no label means supported or refuted", hint="see docs/backends.md")
    return words


def _is_seq_to_seq(folder: Path) -> bool:
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    return bool(config.is_encoder_decoder)
