"""From what people said to training rows and back: nothing without consent, nothing personal, nothing of the erased."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignment.data.build import Built, build, subject_key
from alignment.data.feedback_log import Reading, gather
from alignment.data.files import read_rows
from alignment.data.lineage import included, inclusion_proof, merkle_root, taint_of, write_rows
from alignment.errors import TaintedRun
from alignment.recipe import load_recipe
from alignment.train import train
from audit.erase import Eraser, Why
from benchmarks.gateway_running import Running, running
from guard.scrub import Scrubber
from haechi.cli.data import register

KEY = b"k" * 32
PHONE = "010-9876-5432"


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["data", *argv])
    return int(args.run(args))


@pytest.fixture
def gateway() -> Iterator[Running]:
    with running("fast") as made:
        yield made


def ask(gateway: Running, user: str, prompt: str, *answers: str) -> str:
    """A chat whose answer is known; its request id."""
    gateway.says(answers[0])
    body = {"model": "default", "messages": [{"role": "user", "content": prompt}], "user": user}
    return gateway.post(body).headers["x-request-id"]


def say(gateway: Running, user: str, **fields: Any) -> dict[str, Any]:
    answer = gateway.post({"user": user, **fields}, path="/v1/feedback")
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def built(gateway: Running, output: Path, *runs: Path) -> Built:
    gathered = gather(gateway.log, "default", Reading("builder", "T-1"))
    return build(gathered, output, key=KEY, runs=runs)


def texts(output: Path) -> list[tuple[str, str, str]]:
    rows: list[Any] = [row.value for row in read_rows(output)]
    return [(r["prompt"][-1]["content"], r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in rows]


def test_consented_feedback_becomes_pairs(gateway: Running, tmp_path: Path) -> None:
    """A better answer, a thumb up and a thumb down on one question, a whole pair; each row names its person opaquely."""
    first = ask(gateway, "kim", "What is tea?", "No idea.")
    say(gateway, "kim", request_id=first, better="A drink made of leaves.", consent=True)
    up, down = (
        ask(gateway, "lee", "What is wool made of?", "Hair of sheep."),
        ask(gateway, "lee", "What is wool made of?", "Go away."),
    )
    say(gateway, "lee", request_id=up, rating="up", consent=True)
    say(gateway, "lee", request_id=down, rating="down", consent=True)
    assert say(gateway, "kim", prompt="What is rain?", chosen="Water.", rejected="Who knows.", consent=True)["consent"]
    output = tmp_path / "pairs.jsonl"
    found = built(gateway, output)
    assert sorted(texts(output)) == [
        ("What is rain?", "Water.", "Who knows."),
        ("What is tea?", "A drink made of leaves.", "No idea."),
        ("What is wool made of?", "Hair of sheep.", "Go away."),
    ]
    rows: list[Any] = [row.value for row in read_rows(output)]
    assert {row["subject"] for row in rows} == {subject_key("kim", KEY), subject_key("lee", KEY)}
    assert all(row["consent"] is True for row in rows)
    assert "kim" not in output.read_text("utf-8")
    first_bytes = output.read_bytes()
    again = built(gateway, output)
    assert (again.root, output.read_bytes()) == (found.root, first_bytes)


def test_every_way_to_ask_can_be_learned_from(gateway: Running, tmp_path: Path) -> None:
    """A response, with its instructions, and a text that was gone on with; what is no conversation of texts falls out."""
    part = {"type": "input_text", "text": "What is tea?"}
    asked: list[tuple[str, dict[str, Any]]] = [
        ("responses", {"input": "What is wool?", "instructions": "Be brief."}),
        ("responses", {"input": [{"role": "user", "content": [part]}]}),
        ("completions", {"prompt": "Rain is"}),
        ("completions", {"prompt": ["Snow is", "Hail is"], "n": 1}),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x.example/a.png"}]}]}),
    ]  # fmt: skip
    for route, body in asked:
        gateway.says("No idea.", choices=len(body["prompt"]) if isinstance(body.get("prompt"), list) else 1)
        answer = gateway.post({"model": "default", "user": "kim", **body}, path=f"/v1/{route}")
        assert answer.status_code == 200, answer.text
        say(gateway, "kim", request_id=answer.headers["x-request-id"], better="Well.", consent=True)
    output = tmp_path / "pairs.jsonl"
    found = built(gateway, output)
    pairs = [(question, "Well.", "No idea.") for question in ("Rain is", "What is tea?", "What is wool?")]
    assert sorted(texts(output)) == pairs
    assert found.left_out == {"unknown_request": 2}
    rows: list[Any] = [row.value for row in read_rows(output)]
    wool = next(row for row in rows if row["prompt"][-1]["content"] == "What is wool?")
    assert wool["prompt"][0] == {"role": "system", "content": "Be brief."}


def test_no_row_without_the_consent_of_the_person_who_asked(gateway: Running, tmp_path: Path) -> None:
    """No flag, a withdrawn flag, another person's flag, a request nobody made: each falls out and is counted."""
    silent, withdrawn, foreign = (ask(gateway, "kim", f"Question {i}?", "Bad answer.") for i in range(3))
    say(gateway, "kim", request_id=silent, better="One.")
    say(gateway, "kim", request_id=withdrawn, better="Two.", consent=True)
    say(gateway, "kim", request_id=withdrawn, consent=False)
    say(gateway, "lee", request_id=foreign, better="Three.", consent=True)
    say(gateway, "kim", request_id="req_never", better="Four.", consent=True)
    found = built(gateway, tmp_path / "pairs.jsonl")
    assert found.rows == 0
    assert found.left_out == {"no_consent": 2, "other_person": 1, "unknown_request": 1}


def test_personal_data_is_gone_and_pairs_that_differ_in_it_alone_fall_out(gateway: Running, tmp_path: Path) -> None:
    """Masked before pairing, alike on both sides; a second look finds nothing; an unsafe answer is nobody's model."""
    say(
        gateway,
        "kim",
        prompt=f"Mail jane@example.com or call {PHONE}",
        chosen="Fine, done.",
        rejected="No.",
        consent=True,
    )
    say(gateway, "kim", prompt="Number?", chosen=f"It is {PHONE}.", rejected="It is 010-1111-2222.", consent=True)
    say(gateway, "kim", prompt="Greet him.", chosen="you fucking idiot", rejected="Good day.", consent=True)
    output = tmp_path / "pairs.jsonl"
    found = built(gateway, output)
    assert found.rows == 1
    assert found.left_out == {"identical": 1, "unsafe": 1}
    scrubber = Scrubber()
    for row in texts(output):
        assert all(scrubber.find(text) == () for text in row)
        assert "jane" not in row[0]


def test_an_erased_person_leaves_the_next_build_and_the_runs_are_named(gateway: Running, tmp_path: Path) -> None:
    """Erase, build again: the rows are gone, the run that learned from them is marked, the other is not."""
    for user in ("kim", "lee"):
        say(
            gateway,
            user,
            prompt=f"A question of {user[0]}?",
            chosen="A good answer.",
            rejected="A bad one.",
            consent=True,
        )
    output = tmp_path / "pairs.jsonl"
    before = built(gateway, output)
    manifest = json.loads((tmp_path / "pairs.jsonl.manifest.json").read_text("utf-8"))
    by_subject = {entry["subject"]: entry["hash"] for entry in manifest["entries"]}
    learned, clean = tmp_path / "runs/learned", tmp_path / "runs/clean"
    for folder, hashes in ((learned, list(by_subject.values())), (clean, [by_subject[subject_key("lee", KEY)]])):
        folder.mkdir(parents=True)
        write_rows(folder, hashes, trained=len(hashes))
    Eraser(gateway.log).erase("default", "kim", Why("officer", "T-2", "request"))
    after = built(gateway, output, tmp_path / "runs")
    assert (before.rows, after.rows, after.erased) == (2, 1, 1)
    assert "of k" not in output.read_text("utf-8")
    assert after.runs == (learned,)
    assert taint_of(clean) is None
    mark = taint_of(learned)
    assert mark is not None
    assert mark.rows == 1
    late = tmp_path / "late/run"
    late.mkdir(parents=True)
    write_rows(late, [by_subject[subject_key("kim", KEY)]], trained=0)  # held out is learned about, too
    assert built(gateway, output, tmp_path / "late").runs == (late,)  # a run that is looked at later is found as well


def test_feedback_that_is_misspelt_or_says_two_things_is_refused(gateway: Running) -> None:
    """A consent that was not understood must not look like one that was not given."""
    for body in (
        {"request_id": "r", "rating": "up", "consnet": True},
        {"request_id": "r", "rating": "up", "consent": "yes"},
        {"request_id": "r", "rating": "sideways"},
        {"request_id": "r", "rating": "up", "better": "x"},
        {"rating": "up"},
        {"prompt": "p", "chosen": "c"},
        {"request_id": "r", "preferred": True},
        {"request_id": "r", "consent": True},
    ):
        assert gateway.post(body, path="/v1/feedback").status_code == 400, body
    assert gateway.http.post(gateway.url + "/v1/feedback", json={"request_id": "r", "rating": "up"}).status_code == 401


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_a_row_of_a_run_is_proved_to_be_in_it(size: int) -> None:
    """Every row's proof leads to the root; no proof fits another row or place."""
    hashes = [f"{i:064x}" for i in range(size)]
    root = merkle_root(hashes)
    for i, row in enumerate(hashes):
        proof = inclusion_proof(hashes, i)
        assert included(row, i, size, proof, root)
        assert not included("f" * 64, i, size, proof, root)
        assert size == 1 or not included(row, (i + 1) % size, size, proof, root)
        assert not included(row, i, size, [*proof, "0" * 64], root)
    assert not included(hashes[0], size, size, [], root)


def test_the_command_builds_from_a_log_in_use_and_traces_a_run(
    gateway: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Beside the running gateway; every reading stands in the log; lineage proves a row, or says that it is not there."""
    say(gateway, "kim", prompt="A question?", chosen="A good answer.", rejected="A bad one.", consent=True)
    output = tmp_path / "pairs.jsonl"
    argv = [str(gateway.folder), "--output", str(output), "--who", "builder", "--ticket", "T-9", "--json"]
    assert command("build", *argv) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert (gateway.folder.parent / "feedback.key").stat().st_mode & 0o777 == 0o600
    settings = [f"run.output={tmp_path / 'run'}", f"data.train={output}", "data.held_out_share=0", "optim.steps=1"]
    train(load_recipe("reward", "tiny-cpu", [*settings, "model.hidden=32", "model.heads=2", "run.device=cpu"]))
    (entry,) = json.loads((tmp_path / "pairs.jsonl.manifest.json").read_text("utf-8"))["entries"]
    assert command("lineage", str(tmp_path / "run"), "--row", entry["hash"], "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert included(entry["hash"], said["row"]["index"], said["rows"], said["row"]["proof"], said["root"])
    assert command("lineage", str(tmp_path / "run"), "--row", "0" * 64, "--json") == 1
    capsys.readouterr()
    Eraser(gateway.log).erase("default", "kim", Why("officer", "T-2", "request"))
    say(gateway, "lee", prompt="Another?", chosen="A good answer.", rejected="A bad one.", consent=True)
    assert command("build", *argv, "--runs", str(tmp_path)) == 1
    assert json.loads(capsys.readouterr().out)["runs"] == [str(tmp_path / "run")]
    with pytest.raises(TaintedRun):
        train(
            load_recipe("reward", "tiny-cpu", [*settings, "model.hidden=32", "model.heads=2", "run.device=cpu"]),
            resume=True,
        )
