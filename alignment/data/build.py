"""From feedback to preference pairs: consented, scrubbed, deduplicated, with the lineage of every row.

Read it from the top: that is the order of things. Invariants
1. No row without the newest word of the same person being consent; nobody consents for another's request.
2. Personal data is masked before answers are paired, on both sides by the same rule; a pair that differed only in it is
   identical then, and falls out. What a second look still finds falls out too.
3. The same log and policy give the same rows, byte for byte.
4. A row whose sources were erased is gone after the next build, and every run that learned from it is named and marked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignment.data.feedback_log import Gathered, Given
from alignment.data.files import Row, write_jsonl
from alignment.data.fingerprint import prompt_key, row_hash
from alignment.data.judge import judge
from alignment.data.lineage import MANIFEST, mark_tainted, merkle_root, read_rows_of
from alignment.data.rows import Message, Pair, read_pair
from alignment.teacher import Checker
from haechi.base.errors import UnwritableOutput

if TYPE_CHECKING:
    from guard.scrub import Scrubber


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pair before it is judged. seqs: records of the log that it was made from."""

    user: str
    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did. left_out: feedback and pairs by reason. erased: rows of the last build that are gone by erasure.

    runs: folders of runs that learned from erased rows, now marked.
    """

    rows: int
    root: str
    left_out: Mapping[str, int]
    erased: int
    runs: tuple[Path, ...]


@dataclass(slots=True)
class _Counts:
    reasons: Counter[str] = field(default_factory=Counter)

    def drop(self, reason: str) -> None:
        self.reasons[reason] += 1


def build(
    gathered: Gathered, output: Path, *, key: bytes, policy: str = "default", runs: Iterable[Path] = (), tenant: str = ""
) -> Built:
    """Write the pairs of a log's feedback, and the manifest beside them.

    key: of the store of feedback; subjects are HMACs under it. policy: whose Safety-Checker refuses chosen answers.
    runs: folders below which runs are looked for when rows were erased.

    Raises:
        UnwritableOutput: the files cannot be written.
    """
    from guard.pii.operators import Mode
    from guard.scrub import Scrubber

    counts = _Counts()
    checker, scrubber = Checker(policy), Scrubber(Mode.MASK)
    candidates = _paired(gathered, _consented(gathered, counts), counts)
    rows, sources = _rows(candidates, scrubber, checker, key, counts)
    judged = judge([Row(line, row) for line, row in enumerate(rows, start=1)], consent_needed=True)
    for finding in judged.findings:
        if finding.line and finding.weight.value != "remark":
            counts.drop(finding.reason.value)
    kept = sorted(pair.line for pair in judged.kept)
    entries = [_entry(rows[line - 1], line, sources[line - 1]) for line in kept]
    erased, stones = _gone(output, {entry["hash"] for entry in entries}, gathered)
    root = merkle_root([entry["hash"] for entry in entries])
    manifest = {
        "format": 1,
        "created": datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tenant": tenant,
        "rows": len(entries),
        "root": root,
        "scrubber": _scrubbed_by(scrubber),
        "policy": checker.digest,
        "entries": entries,
        "tombstones": stones,
    }
    try:
        write_jsonl(output, (rows[line - 1] for line in kept))
        beside = output.with_name(output.name + MANIFEST)
        partial = beside.with_suffix(".partial")
        partial.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), "utf-8")
        partial.replace(beside)
    except OSError as error:
        raise UnwritableOutput(f"cannot write {output}: {error.strerror}") from error
    named = _mark_runs(runs, {stone["hash"]: stone["erased"] for stone in stones})
    return Built(len(entries), root, dict(sorted(counts.reasons.items())), erased, named)


def _consented(gathered: Gathered, counts: _Counts) -> list[Given]:
    """Feedback whose person's newest word on that answer is consent."""
    newest: dict[tuple[str, str], bool] = {}
    for given in gathered.given:
        newest[given.user, given.request or f"own-{given.seq}"] = given.consent
    kept = []
    for given in gathered.given:
        if not given.kind:
            continue  # only a withdrawal
        if not given.consent or not newest[given.user, given.request or f"own-{given.seq}"]:
            counts.drop("no_consent")
        elif given.request and given.request not in gathered.asked:
            counts.drop("unknown_request")
        elif given.request and gathered.asked[given.request].user != given.user:
            counts.drop("other_person")
        else:
            kept.append(given)
    return kept


def _paired(gathered: Gathered, given: Sequence[Given], counts: _Counts) -> list[Candidate]:
    """Pairs from better answers, choices among several, whole pairs, and thumbs up and down on one prompt."""
    out: list[Candidate] = []
    thumbs: dict[tuple[str, bytes], tuple[list[Candidate], list[Candidate]]] = {}
    for one in given:
        if one.kind == "pair":
            out.append(Candidate(one.user, one.prompt, one.chosen, one.rejected, (one.seq,)))
            continue
        asked = gathered.asked[one.request]
        seqs = (one.seq, *asked.seqs)
        if one.kind == "better" and asked.answers:
            out.append(Candidate(one.user, asked.prompt, one.chosen, asked.answers[0], seqs))
        elif one.kind == "preferred" and one.index < len(asked.answers) > 1:
            best = asked.answers[one.index]
            others = (text for i, text in enumerate(asked.answers) if i != one.index)
            out += [Candidate(one.user, asked.prompt, best, other, seqs) for other in others]
        elif one.kind in ("up", "down") and asked.answers:
            sides = thumbs.setdefault((one.user, prompt_key(asked.prompt)), ([], []))
            sides[one.kind == "down"].append(Candidate(one.user, asked.prompt, asked.answers[0], "", seqs))
        else:
            counts.drop("no_answer")
    for ups, downs in thumbs.values():
        for up, down in zip(ups, downs, strict=False):
            out.append(Candidate(up.user, up.prompt, up.chosen, down.chosen, (*up.seqs, *down.seqs)))
        for _ in range(abs(len(ups) - len(downs))):
            counts.drop("unpaired")
    return sorted(out, key=lambda candidate: candidate.seqs)


def _rows(
    candidates: Sequence[Candidate], scrubber: Scrubber, checker: Checker, key: bytes, counts: _Counts
) -> tuple[list[dict[str, Any]], list[tuple[int, ...]]]:
    rows: list[dict[str, Any]] = []
    sources: list[tuple[int, ...]] = []
    for one in candidates:
        prompt = [{"role": turn.role, "content": scrubber.scrub(turn.content).text} for turn in one.prompt]
        chosen, rejected = (scrubber.scrub(text).text for text in (one.chosen, one.rejected))
        if any(scrubber.find(text) for text in (*(turn["content"] for turn in prompt), chosen, rejected)):
            counts.drop("personal_data")
        elif checker.judge(chosen).unsafe:
            counts.drop("unsafe")
        else:
            rows.append(
                {
                    "prompt": prompt,
                    "chosen": [{"role": "assistant", "content": chosen}],
                    "rejected": [{"role": "assistant", "content": rejected}],
                    "consent": True,
                    "subject": subject_key(one.user, key),
                    "source": "feedback",
                }
            )
            sources.append(one.seqs)
    return rows, sources


def subject_key(user: str, key: bytes) -> str:
    """The opaque key of a person: HMAC-SHA-256 under the key of the feedback, 32 hex digits."""
    return hmac.new(key, b"subject\0" + user.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _entry(row: dict[str, Any], line: int, seqs: tuple[int, ...]) -> dict[str, Any]:
    pair = read_pair(row, line)
    if not isinstance(pair, Pair):
        raise TypeError("a row that was judged fit is a pair")
    return {"hash": row_hash(pair), "subject": pair.subject, "records": list(seqs)}


def _gone(output: Path, now: set[str], gathered: Gathered) -> tuple[int, list[dict[str, str]]]:
    """Rows of the last build whose records were erased since: how many, and all tombstones so far."""
    try:
        before = json.loads(output.with_name(output.name + MANIFEST).read_text("utf-8"))
        entries, stones = list(before["entries"]), list(before["tombstones"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, []
    today = datetime.now(tz=UTC).date().isoformat()
    erased = [
        {"hash": entry["hash"], "erased": today}
        for entry in entries
        if entry["hash"] not in now and any(seq in gathered.erased for seq in entry["records"])
    ]
    return len(erased), stones + erased


def _mark_runs(runs: Iterable[Path], stones: Mapping[str, str]) -> tuple[Path, ...]:
    found: list[Path] = []
    for folder in runs:
        for rows in sorted(folder.rglob("rows.json")):
            learned = read_rows_of(rows.parent) & stones.keys()
            if learned:
                mark_tainted(rows.parent, len(learned), max(stones[h] for h in learned))
                found.append(rows.parent)
    return tuple(found)


def _scrubbed_by(scrubber: Scrubber) -> str:
    from importlib.metadata import version

    missing = f", without {', '.join(scrubber.missing)}" if scrubber.missing else ""
    return f"haechi {version('haechi')}, {scrubber.mode.value}{missing}"
