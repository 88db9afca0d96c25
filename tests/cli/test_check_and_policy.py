"""`haechi check` and `haechi policy` from the shell's side: what goes in, what comes out, with which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))"


def haechi(*args: str, stdin: bytes | str = b"") -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([sys.executable, "-c", RUN, *args], input=given, capture_output=True, cwd=ROOT, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.parametrize(
    ("text", "code", "first"),
    [
        ("A fine day.", 0, "allow"),
        ("where is the porn", 1, "flag"),
        ("씨발 새끼야", 1, "block"),
        ("你这个傻逼", 1, "block"),
    ],
)
def test_check_tells_by_its_exit_code(text: str, code: int, first: str) -> None:
    """0 for nothing found, 1 for something found; the action is the first word."""
    done = haechi("check", stdin=text)
    assert (done.returncode, done.stdout.split()[0]) == (code, first)


def test_check_jsonl_keeps_order_and_ids() -> None:
    """One answer a line, in the order of the input, with action, severity, findings and, if asked for, scores."""
    lines = [
        {"id": "b", "text": "you stupid bitch", "lang": "en"},
        {"id": 7, "text": "안녕"},
        {"text": "ok", "evidence": []},
    ]
    done = haechi("check", "-", "--jsonl", "--scores", "--direction", "output", stdin="\n".join(map(json.dumps, lines)))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["id"] for a in answers] == ["b", 7, 3]
    assert [a["action"] for a in answers] == ["block", "allow", "allow"]
    assert set(answers[0]["findings"][0]) == {"category", "score", "severity", "start", "end", "detector"}
    assert all(0 <= s <= 1 for a in answers for s in a["scores"].values())
    assert done.returncode == 1


def test_check_writes_to_a_file_and_leaves_standard_output_empty(tmp_path: Path) -> None:
    """--output takes the answer."""
    target = tmp_path / "out.jsonl"
    done = haechi("check", "--jsonl", "--output", str(target), stdin='{"id": 1, "text": "hi"}\n')
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(target.read_text())["id"] == 1


@pytest.mark.parametrize(
    ("args", "stdin", "code", "error"),
    [
        (["--jsonl"], b'{"id": 1}\n', 2, "HAE-C103"),
        (["--jsonl"], b"[1]\n", 2, "HAE-C103"),
        (["--jsonl"], b'{"text": "a"}\nnot json\n', 2, ":2:"),
        ([], b"\xff\xfe", 2, "HAE-C103"),
        (["nowhere.txt"], b"", 2, "HAE-C103"),
        (["--policy", "defualt"], b"x", 2, "did you mean 'default'?"),
        (["--output", "/nowhere/at/all"], b"x", 3, "HAE-C104"),
    ],
)
def test_check_names_what_is_wrong_with_its_input(args: list[str], stdin: bytes, code: int, error: str) -> None:
    """One clear error on standard error, no traceback, the right exit code."""
    done = haechi("check", *args, stdin=stdin)
    assert done.returncode == code
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_what_stood_before_a_line_that_cannot_be_read_is_answered() -> None:
    """Texts are judged some ahead of the answers; a bad line loses none of them."""
    lines = [json.dumps({"id": number, "text": "hello"}) for number in range(5)]
    done = haechi("check", "--jsonl", "-", stdin="\n".join([*lines, "not json", lines[0]]) + "\n")
    assert done.returncode == 2
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == list(range(5))
    assert "-:6: not JSON" in done.stderr


def test_check_takes_surrogates_and_nul_in_json() -> None:
    """JSON may hold what UTF-8 cannot; the answer is ASCII JSON all the same."""
    done = haechi("check", "--jsonl", stdin='{"id": "\\ud800", "text": "a\\ud800\\u0000b"}\n')
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == "\ud800"


def test_errors_are_json_when_asked_for() -> None:
    """With --json the error is one object too."""
    done = haechi("check", "--json", "--policy", "nope", stdin=b"x")
    assert json.loads(done.stderr)["error"]["code"] == "HAE-P101"


def test_policy_test_runs_every_shipped_pack() -> None:
    """No pack fails, and each ran something."""
    done = haechi("policy", "test", "--json")
    results = json.loads(done.stdout)["results"]
    assert done.returncode == 0
    assert {r["policy"] for r in results} >= {"default", "strict", "record-only"}
    assert all(r["cases"] > 0 and r["failures"] == [] for r in results)


def test_policy_test_fails_when_there_is_nothing_to_run(tmp_path: Path) -> None:
    """A pack without cases is a failure, not a success of nothing."""
    path = tmp_path / "lonely.yaml"
    path.write_text("schema: 1\nname: lonely\nversion: 2026-11\ndetectors: [lexicon]\nboth: {hate: {}}\n")
    done = haechi("policy", "test", str(path))
    assert done.returncode == 1
    assert "HAE-P107" in done.stderr


def test_policy_lint_names_the_rule_without_cases(tmp_path: Path) -> None:
    """Lint fails on a rule that no case exercises."""
    path = tmp_path / "half.yaml"
    path.write_text("schema: 1\nname: half\nversion: 2026-11\ndetectors: [lexicon]\nboth: {toxicity: {}}\n")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "half.yaml").write_text("cases:\n  - {rule: toxicity, name: a, action: allow, text: hello}\n")
    done = haechi("policy", "lint", str(path))
    assert done.returncode == 1
    assert "input.toxicity: no positive case" in done.stdout


def test_policy_explain_says_which_rule_decided() -> None:
    """Rule, place, detector, score against threshold, and the action that follows."""
    done = haechi("policy", "explain", "you fucking idiot")
    assert done.returncode == 1
    assert "input.harassment: 'you fucking idiot' at 0-17 by lexicon" in done.stdout
    assert "<- decides" in done.stdout


def test_policy_list_show_and_diff() -> None:
    """The rest of the verbs answer in words and in JSON."""
    assert {"default", "strict"} <= {
        p["name"] for p in json.loads(haechi("policy", "list", "--json").stdout)["policies"]
    }
    assert "toxicity" in haechi("policy", "show", "default").stdout
    changed = haechi("policy", "diff", "default", "strict")
    assert (changed.returncode, "+ input" in changed.stdout) == (1, True)
    assert haechi("policy", "diff", "default", "default").returncode == 0


def test_policy_diff_shows_what_holds_for_all_rules(tmp_path: Path) -> None:
    """Another knowledge base, or another consequence for what nothing supports, is a difference, too."""
    found = json.loads(haechi("policy", "diff", "medical", "legal", "--json").stdout)
    (claims,) = [change for change in found["changes"] if change.get("key") == "claims"]
    assert (claims["old"]["knowledge"], claims["new"]["knowledge"]) == (["medical"], ["legal"])


FACT = "The Eiffel Tower was completed in 1889."
FALSE = "The Eiffel Tower was completed in 1899."


def test_check_holds_claims_against_the_evidence_of_a_line() -> None:
    """Probability, outcome, and the words it was held against; without evidence there is no such score."""
    lines = [
        {"id": 1, "text": FALSE, "evidence": [FACT]},
        {"id": 2, "text": FACT, "evidence": [{"text": FACT, "source": "report.pdf"}]},
        {"id": 3, "text": "In 1899.", "question": "When was the Eiffel Tower completed?", "evidence": [FACT]},
        {"id": 4, "text": FALSE},
    ]
    done = haechi("check", "--jsonl", "--scores", stdin="\n".join(map(json.dumps, lines)))
    wrong, right, short, alone = map(json.loads, done.stdout.splitlines())
    assert (wrong["action"], wrong["claims"][0]["outcome"]) == ("block", "refuted")
    assert wrong["findings"][0]["evidence"] == {"source": "evidence[0]", "quote": FACT, "start": 0, "end": len(FACT)}
    assert wrong["scores"]["misinformation"] > 0.9 > 0.5 > right["scores"]["misinformation"]
    assert (right["action"], right["claims"][0]["evidence"]["source"]) == ("allow", "report.pdf")
    assert short["claims"][0]["outcome"] == "refuted"
    assert (alone["action"], "claims" in alone, "misinformation" in alone["scores"]) == ("allow", False, False)


@pytest.mark.parametrize(
    "line",
    [
        {"text": "x", "evidence": "not a list"},
        {"text": "x", "evidence": [1]},
        {"text": "x", "evidence": [{"source": "no text"}]},
        {"text": "x", "question": 1},
    ],
)
def test_check_says_which_line_has_unusable_evidence(line: dict[str, object]) -> None:
    """Exit code 2 with the line's number and how it should look."""
    done = haechi("check", "--jsonl", stdin=json.dumps({"text": "fine"}) + "\n" + json.dumps(line) + "\n")
    assert done.returncode == 2
    assert "-:2: " in done.stderr
    assert '"evidence"' in done.stderr or '"question"' in done.stderr


def test_explain_says_why_a_claim_was_refuted(tmp_path: Path) -> None:
    """The rule, the outcome, in what they disagree, and the passage; without evidence it says that too."""
    source = tmp_path / "report.txt"
    source.write_text(FACT, "utf-8")
    done = haechi("policy", "explain", FALSE, "--evidence", str(source))
    assert done.returncode == 1
    assert f"claim {FALSE!r}: refuted (date)" in done.stdout
    assert f"report.txt: {FACT!r}" in done.stdout
    assert "both.misinformation" in done.stdout or "input.misinformation" in done.stdout
    assert "nothing to hold them against" in haechi("policy", "explain", FALSE).stdout


def test_explain_says_where_no_threshold_decides(tmp_path: Path) -> None:
    """What no document says, or documents disagree on, goes by `claims` of the policy; both sides are shown."""
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_text(FACT, "utf-8")
    second.write_text(FALSE, "utf-8")
    done = haechi("policy", "explain", FALSE, "--evidence", str(first), "--evidence", str(second))
    assert "claims.contradictory, which means flag" in done.stdout
    assert f"first.txt: {FACT!r}" in done.stdout
    assert f"second.txt: {FALSE!r}" in done.stdout
    long = "Bananas, " + "which grow in many warm countries, " * 20 + "are rich in potassium."
    done = haechi("policy", "explain", long, "--evidence", str(first))
    assert "claims.unsupported, which means flag" in done.stdout
    assert " … " in done.stdout
    assert max(map(len, done.stdout.splitlines())) < 600


def test_check_reads_knowledge_bases_of_the_data_folder(tmp_path: Path) -> None:
    """A policy names the base; the passage is cited by document and number."""
    (tmp_path / "towers.md").write_text(f"# Towers\n\n{FACT}\n", "utf-8")
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "schema: 1\nname: p\nversion: 2026-11\ndetectors: [claims]\nclaims: {knowledge: [towers]}\n"
        "both:\n  misinformation: {thresholds: {controversial: 0.5, unsafe: 0.9}}\n",
        "utf-8",
    )
    data = ("--data-dir", str(tmp_path / "data"))
    missing = haechi("check", "--policy", str(policy), *data, stdin=FALSE)
    assert missing.returncode == 3 or "KnowledgeMissing: towers" in missing.stdout
    assert haechi("knowledge", "add", str(tmp_path / "towers.md"), "--base", "towers", *data).returncode == 0
    done = haechi("check", "--json", "--policy", str(policy), *data, stdin=FALSE)
    assert json.loads(done.stdout)["findings"][0]["evidence"]["source"].startswith("kb:towers/towers.md#")
