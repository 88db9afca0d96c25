"""Choose the next token from a row of logits.

Rules of this file
1. Logits are float32 on the CPU, shape [vocabulary]; the row is not changed.
2. All chance comes from the generator that belongs to the answer.
3. Reported log-probabilities are the model's own, before penalties, temperature and cuts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import torch

from gateway.upstream.local_request import Sampling

SHORTLIST = 1_024
"""Likeliest tokens among which `top_p` is looked for first; sorting a whole Qwen vocabulary takes 10 ms."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token and the natural logarithm of its probability."""

    token: int
    logprob: float


@dataclass(frozen=True, slots=True)
class Chosen:
    """The next token; `logprob` and `likeliest` only where they were asked for."""

    token: int
    logprob: float | None = None
    likeliest: tuple[Alternative, ...] = ()


@dataclass(slots=True)
class Chooser:
    """Chooses for one answer, and remembers what it chose."""

    sampling: Sampling
    seed: int
    prompt: frozenset[int] = frozenset()
    counts: Counter[int] = field(default_factory=Counter)
    _generator: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        self._generator.manual_seed(self.seed)

    def choose(self, logits: torch.Tensor) -> Chosen:
        """The next token. logits: float32 [vocabulary]."""
        shaped = self._shaped(logits) if self.sampling.shapes_logits else logits
        token = int(shaped.argmax()) if self.sampling.greedy else self._draw(shaped)
        if self.sampling.shapes_logits:
            self.counts[token] += 1
        if self.sampling.top_logprobs is None:
            return Chosen(token)
        logprobs = torch.log_softmax(logits, -1)
        likeliest = torch.topk(logprobs, min(self.sampling.top_logprobs, logits.shape[-1]))
        pairs = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
        return Chosen(token, float(logprobs[token]), tuple(Alternative(t, p) for t, p in pairs))

    def _shaped(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        asked = self.sampling
        if asked.repetition_penalty != 1.0:
            seen = torch.tensor(sorted(self.prompt | self.counts.keys()), dtype=torch.long)
            scores = logits[seen]
            factor = asked.repetition_penalty
            logits[seen] = torch.where(scores > 0, scores / factor, scores * factor)
        if self.counts and (asked.frequency_penalty or asked.presence_penalty):
            written = torch.tensor(list(self.counts), dtype=torch.long)
            times = torch.tensor(list(self.counts.values()), dtype=torch.float32)
            logits[written] -= asked.frequency_penalty * times + asked.presence_penalty
        for token, bias in asked.logit_bias:
            logits[token] += bias
        return logits

    def _draw(self, logits: torch.Tensor) -> int:
        asked = self.sampling
        logits = logits / asked.temperature
        if not asked.top_k and asked.top_p >= 1.0 and not asked.min_p:
            return int(torch.multinomial(torch.softmax(logits, -1), 1, generator=self._generator))
        total = torch.logsumexp(logits, -1)
        size = min(asked.top_k or SHORTLIST, logits.shape[-1])
        best = torch.topk(logits, size)
        if asked.top_k:
            total = torch.logsumexp(best.values, -1)
        probabilities = (best.values - total).exp()
        if (not asked.top_k and float(probabilities.sum()) < asked.top_p) or (asked.min_p and not asked.top_k):
            best = torch.sort(logits, descending=True)
            probabilities = (best.values - total).exp()
        # A token stays while the mass before it is below top_p; the likeliest always stays.
        kept = (probabilities.cumsum(-1) - probabilities) < asked.top_p
        kept &= probabilities >= asked.min_p * probabilities[0]
        kept[0] = True
        place = torch.multinomial(probabilities * kept, 1, generator=self._generator)
        return int(best.indices[place])
