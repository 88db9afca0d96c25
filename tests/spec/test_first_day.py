"""The first day of a new user, start to end, with nothing replaced: the packages that `make serve` installs, the real
command, the embedded model, the stock OpenAI client, a client that hangs up, and an auditor who finds one flipped byte.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

from tests.serve_installation import installed

RESIDENT_NUMBER = "900101-1234568"
INSULTS = {"en": "You are a fucking idiot.", "ko": "야 이 씨발 새끼야.", "zh": "你这个傻逼，去死吧。"}


@dataclass(frozen=True)
class Day:
    """What the day left behind."""

    client: openai.OpenAI
    data: Path
    process: subprocess.Popen[str]
    haechi: list[str]
    env: dict[str, str]

    def ask(self, prompt: str, **more: object) -> openai.types.chat.ChatCompletion:
        return self.client.chat.completions.create(  # type: ignore[call-overload,no-any-return]
            model="default", messages=[{"role": "user", "content": prompt}], max_tokens=16, temperature=0, **more
        )


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A first start on an empty data folder."""
    data = tmp_path_factory.mktemp("first-day") / "data"
    haechi, env = installed(tmp_path_factory.mktemp("packages"))
    process = subprocess.Popen(
        [*haechi, "serve", "--json", "--port", "0", "--data-dir", str(data)], env=env, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    base = f"{ready['address']}/v1"
    with openai.OpenAI(base_url=base, api_key=ready["api_key"], max_retries=0, timeout=120) as client:
        yield Day(client, data, process, haechi, env)
    process.terminate()
    process.wait(60)
    process.stdout.close()


def audit(day: Day, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*day.haechi, "audit", words[0], str(day.data / "audit"), *words[1:]],
        env=day.env,
        capture_output=True,
        text=True,
        check=False,
    )


def timeline(day: Day) -> list[dict[str, object]]:
    shown = audit(day, "show", "--tenant", "default", "--limit", "200", "--json")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


class TestFirstDay:
    def test_an_ordinary_question_is_answered_by_a_real_model(self, day: Day) -> None:
        """The embedded model answers, and usage is counted."""
        answer = day.ask("What is the capital of France?")
        assert "Paris" in (answer.choices[0].message.content or "")
        assert answer.usage is not None
        assert answer.usage.completion_tokens > 0

    def test_a_streamed_question_arrives_in_pieces(self, day: Day) -> None:
        """The stream brings several chunks and ends properly."""
        chunks = list(day.ask("Count to five.", stream=True))
        assert sum(bool(c.choices and c.choices[0].delta.content) for c in chunks) > 1
        assert chunks[-1].choices[0].finish_reason in {"stop", "length"}

    def test_a_resident_number_glued_to_a_particle_never_reaches_the_model(self, day: Day) -> None:
        """The request is answered, and the header says that something was masked."""
        raw = day.client.chat.completions.with_raw_response.create(
            model="default",
            messages=[{"role": "user", "content": f"제 주민등록번호는 {RESIDENT_NUMBER}입니다."}],
            max_tokens=16,
            temperature=0,
        )
        assert raw.headers["x-haechi-action"] == "redact"
        assert RESIDENT_NUMBER not in raw.text

    @pytest.mark.parametrize("language", INSULTS)
    def test_abuse_is_refused_in_each_language(self, day: Day, language: str) -> None:
        """A blocked prompt is a 400 with OpenAI's code; the answer names neither word nor rule."""
        with pytest.raises(openai.BadRequestError) as refused:
            day.ask(INSULTS[language])
        assert refused.value.code == "content_filter"
        assert INSULTS[language] not in str(refused.value)

    def test_a_client_that_hangs_up_leaves_a_record(self, day: Day) -> None:
        """The aborted answer ends as `response.aborted`, soon."""
        before = [r["typ"] for r in timeline(day)].count("response.aborted")
        with day.ask("Tell me a long story about a dragon.", stream=True) as story:  # type: ignore[attr-defined]
            next(iter(story))
        deadline = time.monotonic() + 20
        while [r["typ"] for r in timeline(day)].count("response.aborted") == before:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def test_every_request_of_the_day_has_one_start_and_one_end(self, day: Day) -> None:
        """Nothing is missing from the log and nothing is there twice."""
        records = timeline(day)
        starts = [r["req"] for r in records if r["typ"] == "request.received"]
        ends = [r["req"] for r in records if str(r["typ"]).startswith("response.")]
        assert len(starts) >= 7
        assert sorted(starts) == sorted(ends)
        assert len(set(starts)) == len(starts)

    def test_a_command_that_needs_more_names_what_to_install(self, day: Day) -> None:
        """Training is not part of what serves; it says so in one line and leaves nothing behind."""
        words = ["train", "dpo", "tiny-cpu", "--set", f"run.output={day.data / 'run'}"]
        refused = subprocess.run([*day.haechi, *words], env=day.env, capture_output=True, text=True, check=False)
        assert refused.returncode == 3
        assert "HAE-X001" in refused.stderr
        assert 'pip install "haechi[train]"' in refused.stderr
        assert "Traceback" not in refused.stderr
        assert not (day.data / "run").exists()

    def test_the_log_verifies_and_one_flipped_byte_is_found(self, day: Day) -> None:
        """`haechi audit verify` answers 0 after the gateway stopped; one byte of one record changed, it answers 1."""
        day.process.terminate()
        assert day.process.wait(60) == 0
        verified = audit(day, "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        places = [
            (path, path.read_bytes().find(b'"typ":"response.blocked"')) for path in (day.data / "audit").glob("*.db")
        ]
        (path, at) = next(place for place in places if place[1] >= 0)
        with path.open("r+b") as file:
            file.seek(at + 7)
            file.write(b"R")
        tampered = audit(day, "verify")
        assert tampered.returncode == 1, tampered.stdout + tampered.stderr
