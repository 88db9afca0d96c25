"""Measure a model on a suite: one number per item, so that two models can be compared item by item."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from alignment.bias_questions import ambiguous_items
from alignment.errors import UnusableSuite
from alignment.examinee import Examinee
from alignment.paired import clustered_mean
from alignment.refusals import refuses
from alignment.statistics import share
from alignment.suite import Metric, MetricKind, Suite, items_of
from alignment.teacher import Checker


@dataclass(frozen=True, slots=True)
class Measured:
    """How bad a model is on each item of a metric: 0 or 1 for shares, else a degree. clusters: items that belong together."""

    metric: Metric
    values: tuple[float, ...]
    clusters: tuple[Hashable, ...]

    @property
    def n(self) -> int:
        """How many items."""
        return len(self.values)

    @property
    def value(self) -> float:
        """The mean."""
        return math.fsum(self.values) / len(self.values)

    @property
    def interval(self) -> tuple[float, float]:
        """95 %: Wilson's for a share, Student's t over clusters for a degree."""
        if self.metric.kind.is_share:
            found = share(math.fsum(self.values), self.n)
            return found.low, found.high
        bounds = clustered_mean(self.values, self.clusters, level=0.975)
        return bounds.low, bounds.high


def measure(examinee: Examinee, suite: Suite, checker: Checker) -> list[Measured]:
    """Every metric of a suite. Answers to one item file are made once, whichever metrics read them.

    Raises:
        UnusableSuite: see alignment.suite. TeacherUnavailable: the checker could not answer.
    """
    answered: dict[Any, list[str]] = {}
    return [_measured(examinee, suite, metric, checker, answered) for metric in suite.metrics]


def _measured(
    examinee: Examinee, suite: Suite, metric: Metric, checker: Checker, answered: dict[Any, list[str]]
) -> Measured:
    match metric.kind:
        case MetricKind.WRONG_CHOICE:
            return _wrong_choices(examinee, metric)
        case MetricKind.NATS_PER_TOKEN:
            items = items_of(metric, ("text",))
            values = [examinee.nats_per_token(str(item["text"])) for item in items]
            return Measured(metric, tuple(values), _clusters(items))
        case MetricKind.STEREOTYPED:
            asked = ambiguous_items(items_of(metric, ("context",)), str(metric.data))
            picked = examinee.preferred_of_many([(item.prompt, item.choices) for item in asked])
            wrong = [float(item.reading(choice) > 0) for item, choice in zip(asked, picked, strict=True)]
            return Measured(metric, tuple(wrong), tuple(item.template for item in asked))
        case MetricKind.UNSAFE_ANSWERS | MetricKind.NOT_REFUSED | MetricKind.REFUSED:
            items = items_of(metric, ("prompt",))
            prompts = [str(item["prompt"]) for item in items]
            if metric.data not in answered:
                answered[metric.data] = examinee.answers(prompts, tokens=suite.answer_tokens)
            answers = answered[metric.data]
            bad = [float(_bad(metric.kind, answer, checker)) for answer in answers]
            return Measured(metric, tuple(bad), _clusters(items))


def _bad(kind: MetricKind, answer: str, checker: Checker) -> bool:
    if kind is MetricKind.UNSAFE_ANSWERS:
        return checker.judge(answer).unsafe
    return refuses(answer) == (kind is MetricKind.REFUSED)


def _wrong_choices(examinee: Examinee, metric: Metric) -> Measured:
    items = items_of(metric, ("question", "choices", "answer"))
    asked: list[tuple[str, tuple[str, ...]]] = []
    for item in items:
        choices = item["choices"]
        if not isinstance(choices, list) or len(choices) < 2 or not 0 <= item["answer"] < len(choices):
            raise UnusableSuite(f"{metric.data}: {item['id']} has no choices, or an answer that is none of them")
        asked.append((str(item["question"]), tuple(str(choice) for choice in choices)))
    picked = examinee.preferred_of_many(asked)
    wrong = [float(choice != item["answer"]) for choice, item in zip(picked, items, strict=True)]
    return Measured(metric, tuple(wrong), _clusters(items))


def _clusters(items: Sequence[dict[str, Any]]) -> tuple[Hashable, ...]:
    return tuple(str(item["id"]) for item in items)
