"""Our recognizers inside Presidio's AnalyzerEngine, for those who already build on Presidio.

Rules of this file
1. One recognizer carries all our patterns (and names) for a language: our scanners resolve overlaps among themselves.
2. Nothing is fetched: the engine has no language model unless a spaCy model that is installed is named, and Presidio's
   own recognizers, one of which asks the network for a list of domain endings, are left out unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from guard import pii, secrets
from guard.fold import build_views
from guard.pii.names.scanner import NameScanner
from guard.scanner import Match, Scanner
from haechi.base.errors import MissingExtra
from haechi.base.text import Language

try:
    from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngineProvider
except ImportError as error:
    raise MissingExtra("Presidio", "pii") from error


class HaechiRecognizer(EntityRecognizer):
    """Everything that Haechi finds, as one recognizer of a language."""

    def __init__(self, language: Language, scanners: Sequence[Scanner]) -> None:
        """language: the language Presidio asks in; our patterns are the same in each. scanners: what looks."""
        self._scanners = tuple(scanners)
        entities = frozenset[str]().union(*(getattr(s, "entities", frozenset()) for s in scanners))
        self._label = f"HaechiRecognizer-{language.value}"
        super().__init__(supported_entities=sorted(entities), name=self._label, supported_language=language.value)

    def load(self) -> None:
        """Nothing is left to load."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """What is in the text, of the kinds asked for."""
        views = build_views(text)
        wanted = set(entities)
        return [
            self._result(match)
            for scanner in self._scanners
            for match in scanner.scan(views)
            if not wanted or match.entity in wanted
        ]

    def _result(self, match: Match) -> RecognizerResult:
        return RecognizerResult(
            entity_type=match.entity,
            start=match.start,
            end=match.end,
            score=match.score,
            recognition_metadata={
                RecognizerResult.RECOGNIZER_NAME_KEY: self._label,
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            },
        )


def analyzer(
    languages: Iterable[Language | str] = (Language.KOREAN, Language.CHINESE, Language.ENGLISH),
    *,
    spacy_models: dict[str, str] | None = None,
    names: bool = True,
    stock: bool = False,
) -> AnalyzerEngine:
    """An AnalyzerEngine with our recognizers.

    spacy_models: by language, the name of an installed spaCy model, whose names and places come in addition.
    names: whether our own taggers look for names. stock: keep Presidio's predefined recognizers too.
    """
    wanted = [Language(language) for language in languages]
    registry = RecognizerRegistry(supported_languages=[language.value for language in wanted])
    if stock:
        registry.load_predefined_recognizers(languages=[language.value for language in wanted])
    for language in wanted:
        looking: list[Scanner] = [*pii.scanners(), *secrets.scanners()]
        if names:
            looking.append(NameScanner([language]))
        registry.add_recognizer(HaechiRecognizer(language, looking))
    models = spacy_models or {}
    configuration = {
        "nlp_engine_name": "spacy" if models else "no_op",
        "models": [
            {"lang_code": language.value, "model_name": models.get(language.value, "no_op")}
            for language in wanted
            if not models or language.value in models
        ],
    }
    engine = NlpEngineProvider(nlp_configuration=configuration).create_engine()
    return AnalyzerEngine(
        registry=registry, nlp_engine=engine, supported_languages=[language.value for language in wanted]
    )
