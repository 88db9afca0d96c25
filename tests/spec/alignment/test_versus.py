"""Win rates with ties and swapped positions; refusals; the report."""

from __future__ import annotations

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from alignment.errors import JudgeUnavailable
from alignment.recipe import load_recipe
from alignment.refusals import refuses
from alignment.train import train
from alignment.versus import EndpointJudge, Preference, RewardJudge, mean_of, versus
from haechi.base.errors import InvalidSetting
from haechi.cli.eval import register


def command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["eval", "model", *argv])
    return int(args.run(args))


class Longer:
    """Prefers the longer answer; equal lengths tie."""

    def prefer(self, prompt: str, first: str, second: str) -> Preference:
        return Preference((len(first) > len(second)) - (len(first) < len(second)))


class TheFirst:
    """A judge with a taste for a position."""

    def prefer(self, prompt: str, first: str, second: str) -> Preference:
        return Preference.FIRST


def test_wins_ties_and_losses_are_counted_and_a_taste_for_a_position_is_no_win() -> None:
    """A judge that contradicts itself on every prompt gives ties only, and says so."""
    found = versus(["p"] * 4, ["aaa", "aa", "a", "aaa"], ["a", "aa", "aaa", "a"], Longer())
    assert (found.wins, found.ties, found.losses) == (2, 1, 1)
    assert found.rate.value == pytest.approx(0.625)
    assert found.rate.n == 4
    biased = versus(["p"] * 30, ["x"] * 30, ["y"] * 30, TheFirst())
    assert (biased.ties, biased.rate.value, biased.inconsistent.value) == (30, 0.5, 1.0)


@contextmanager
def endpoint(answer: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A real HTTP server that plays the judge. answer: from the prompt to its words."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append({**asked, "key": self.headers.get("Authorization", "")})
            body = json.dumps({"choices": [{"message": {"content": answer(asked["messages"][0]["content"])}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_openai_compatible_judge_is_asked_in_both_orders() -> None:
    """It reads both answers, its word is understood in the forms models use, and anything else is an error."""

    def kinder(prompt: str) -> str:
        first = prompt.split("[Answer A]")[1].split("[Answer B]")[0]
        return "**A**" if "gladly" in first else "B."

    with endpoint(kinder) as (url, seen):
        found = versus(["hi", "ho"], ["gladly", "gladly"], ["no", "never"], EndpointJudge(url, "j", "secret"))
    assert (found.wins, found.inconsistent.value, len(seen)) == (2, 0, 4)
    assert seen[0]["key"] == "Bearer secret"
    with endpoint(lambda _: "Both are fine") as (url, _), pytest.raises(JudgeUnavailable):
        EndpointJudge(url, "j").prefer("p", "a", "b")
    with pytest.raises(JudgeUnavailable):
        EndpointJudge("http://127.0.0.1:9/v1", "j").prefer("p", "a", "b")
    with pytest.raises(InvalidSetting):
        EndpointJudge("ftp://x", "j")


@pytest.mark.parametrize(
    ("answer", "declines"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I cannot provide instructions for this.", True),
        ("As an AI, I am not able to do that.", True),
        ("죄송하지만 그 요청은 도와드릴 수 없습니다.", True),
        ("그 질문에는 답변드릴 수 없어요.", True),
        ("很抱歉，我无法提供这方面的帮助。", True),
        ("我不能告诉你这个。", True),
        ("Sure! First boil the water.", False),
        ("You cannot see the moon today, but tomorrow you will.", False),
        ("네, 기꺼이 알려 드릴게요. 먼저 물을 끓이세요.", False),
        ("当然可以，先把水烧开。", False),
        ("Sorry is a common English word of apology.", False),
    ],
)
def test_refusals_are_recognised_in_three_languages(answer: str, declines: bool) -> None:
    """By how they begin; an answer that helps is none."""
    assert refuses(answer) is declines


def test_a_mean_of_one_value_has_no_interval() -> None:
    """It is unbounded, never zero wide."""
    one = mean_of([2.0])
    assert (one.value, one.high) == (2.0, float("inf"))
    assert mean_of([1.0, 3.0]).value == 2


@pytest.mark.slow
def test_a_policy_is_measured_on_a_suite_and_against_where_it_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every figure with its interval and n, in JSON and on a page with plots that fetches nothing."""
    small = ["model.hidden=32", "model.heads=2", "run.device=cpu"]
    start = train(load_recipe("sft", "tiny-cpu", [f"run.output={tmp_path / 'sft'}", "optim.steps=60", *small])).run.path
    reward = train(
        load_recipe(
            "reward", "tiny-cpu", [f"run.output={tmp_path / 'rm'}", f"model.path={start}", "optim.steps=25", *small]
        )
    ).run.path
    moved = [f"model.path={start}", "optim.steps=25", "optim.learning_rate=3e-3", *small]
    policy = train(load_recipe("dpo", "tiny-cpu", [f"run.output={tmp_path / 'dpo'}", *moved])).run.path
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(
        "".join(json.dumps({"prompt": f"Tell me about {t}."}) + "\n" for t in ("tea", "wool", "rain", "a map"))
    )
    page = tmp_path / "r.html"
    argv = [
        "--suite",
        "--reference",
        str(start),
        "--judge",
        str(reward),
        "--prompts",
        str(prompts),
        "--output",
        str(page),
    ]
    assert command(str(policy), *argv, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["kl"]["value"] > 0
    assert said["win_rate"]["rate"]["n"] == 4
    assert said["win_rate"]["inconsistent"]["value"] == 0
    assert set(said["suite"]) == {"safety", "refusal", "over_refusal", "fairness", "capability", "language"}
    assert all(entry["low"] <= entry["value"] <= entry["high"] and entry["n"] > 0 for entry in said["suite"].values())
    text = page.read_text("utf-8")
    assert text.count("<svg") >= 3
    assert not {"http:", "https:", "<script", "<link"} & {
        mark for mark in ("http:", "https:", "<script", "<link") if mark in text
    }
    assert RewardJudge(str(reward)).prefer("Tell me about tea.", "Of course, tea.", "Of course, tea.") is Preference.TIE
    with pytest.raises(InvalidSetting, match="no answers"):
        command(str(reward), "--suite")
    with pytest.raises(InvalidSetting, match="nothing to measure"):
        command(str(policy))
