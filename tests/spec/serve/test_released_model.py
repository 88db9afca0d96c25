"""A gateway that requires a release serves a released run to the stock client, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from alignment.manifest import obtain_key, public_path, sign_release
from alignment.recipe import load_recipe
from alignment.train import train

if TYPE_CHECKING:
    from conftest import Launcher


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "friendly"
    settings = [f"run.output={folder}", "run.device=cpu", "model.hidden=32", "model.heads=2", "optim.steps=4"]
    train(load_recipe("sft", "tiny-cpu", settings))
    return folder


def refused(launcher: Launcher, *argv: str) -> tuple[int, str]:
    done = launcher.run("serve", "--port", "0", *argv)
    return done.returncode, done.stderr


def test_an_ungated_or_altered_run_is_refused_with_a_clear_error(launcher: Launcher, run: Path, tmp_path: Path) -> None:
    """No release, no key to trust, an upstream, one byte more in a file: each is told apart, and nothing listens."""
    key = tmp_path / "k"
    private = obtain_key(key)
    trust = ["--require-release", "--release-key", str(public_path(key)), "--data-dir", str(tmp_path / "data")]
    code, told = refused(launcher, "--model", str(run), *trust)
    assert (code, "HAE-T113" in told, "went through no gate" in told) == (1, True, True)
    code, told = refused(launcher, "--model", str(run), "--require-release", "--data-dir", str(tmp_path / "data"))
    assert (code, "needs release_key" in told) == (2, True)
    code, told = refused(launcher, "--upstream", launcher.upstream, *trust)
    assert (code, "upstream cannot be checked" in told) == (2, True)
    sign_release(run / "model", {"name": "friendly"}, private)
    with (run / "model" / "config.json").open("a") as file:
        file.write(" ")
    code, told = refused(launcher, "--model", str(run), *trust)
    assert (code, "config.json was changed since the release" in told) == (1, True)


def test_a_released_run_is_served_to_the_stock_client(launcher: Launcher, run: Path, tmp_path: Path) -> None:
    """`haechi serve --model RUN` answers under the run's name; the answer is the trained model's."""
    key = tmp_path / "k"
    sign_release(run / "model", {"name": "friendly"}, obtain_key(key))
    options = ["--model", str(run), "--require-release", "--release-key", str(public_path(key))]
    served = launcher.serve(tmp_path / "data", *options, upstream=False)
    client = served.client()
    assert [model.id for model in client.models.list()] == ["friendly", "default"]
    answer = client.chat.completions.create(
        model="friendly", messages=[{"role": "user", "content": "Tell me about tea."}], max_tokens=8
    )
    assert answer.model == "friendly"
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert served.stop() == 0
