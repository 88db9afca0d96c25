"""`ppo.rollout = "vllm"`, as far as it goes without vLLM; `python -m benchmarks.alignment_vllm` runs vLLM itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignment.errors import UnusableBackend
from alignment.models import LoraShape, Shape, add_adapter, load_policy, new_policy, new_tokenizer
from alignment.recipe import load_recipe
from alignment.train import train
from alignment.vllm_rollout import WORKER, VllmSampler, as_rollout, write_weights
from haechi.base.errors import InvalidSetting

END, PAD = 2, 0
IDS = torch.tensor([[5, 6, 7, 8, 9]])


def policy(family: str = "qwen3", *, adapter: bool = False) -> Any:
    made = new_policy(
        Shape(family, hidden=32, layers=2, heads=2), new_tokenizer(["words to make tokens of"], vocab=300), seed=1
    )
    if not adapter:
        return made.eval()
    model = add_adapter(made, LoraShape(rank=2)).eval()
    torch.manual_seed(2)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)  # an adapter begins as nothing
    return model


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([f"ppo.vllm_python={sys.executable}"], "has no vLLM"),
        (["ppo.vllm_python=/nowhere/python"], "no program /nowhere/python"),
        (["lora.bits=4", "lora.rank=4", "model.path=somewhere"], "lora.bits"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_made(settings: list[str], said: str, tmp_path: Path) -> None:
    """With the command that installs it, or the value that stands in the way."""
    with pytest.raises(UnusableBackend, match=said) as caught:
        train(load_recipe("ppo", "tiny-cpu", [f"run.output={tmp_path / 'run'}", "ppo.rollout=vllm", *settings]))
    assert "pip install vllm" in caught.value.hint or "ppo.rollout=own" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_another_sampler_is_none_that_is_known() -> None:
    """The message names those that are."""
    with pytest.raises(InvalidSetting, match="sglang") as caught:
        load_recipe("ppo", "tiny-cpu", ["ppo.rollout=sglang"])
    assert "own" in caught.value.hint
    assert "vllm" in caught.value.hint


def test_an_engine_that_does_not_start_says_why_and_leaves_its_log(tmp_path: Path) -> None:
    """Here because the environment has no vLLM: its own words, where the rest is, and no weights left behind."""
    recipe = load_recipe("ppo", "tiny-cpu", ["ppo.rollout=vllm", "run.threads=1"])
    with pytest.raises(UnusableBackend, match="No module named 'vllm'") as caught:
        VllmSampler(recipe, policy(), end=END, pad=PAD, folder=tmp_path)
    assert str(tmp_path / "vllm.log") in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["vllm.log"]


def test_the_engine_ends_when_the_trainer_is_gone(tmp_path: Path) -> None:
    """Its input ends with the trainer, whatever ended that; every request before is answered, a bad one with an error."""
    worker = subprocess.Popen(
        [sys.executable, "-I", str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip
    requests: list[dict[str, object]] = [
        {"options": {}, "reload": True, "threads": 1},
        {"folder": str(tmp_path)},
        {"prompts": [[5]], "seeds": [1], "tokens": 2, "temperature": 1.0, "end": END},
    ]
    out, _ = worker.communicate("".join(json.dumps(request) + "\n" for request in requests), timeout=60)
    replies = [json.loads(line) for line in out.splitlines()]
    assert worker.returncode == 0
    assert replies[0] == {}
    assert ["error" in reply for reply in replies] == [False, True, True]


@pytest.mark.parametrize("family", ["qwen2", "qwen3", "qwen3_moe"])
@pytest.mark.parametrize("adapter", [False, True])
def test_the_folder_that_the_engine_gets_holds_the_policy_as_it_is(family: str, adapter: bool, tmp_path: Path) -> None:
    """Another library that reads it computes the same; it has a head of its own; a second writing replaces the first."""
    model = policy(family, adapter=adapter)
    for step in range(2):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * step * weight.requires_grad)
            want = model(IDS).logits
        write_weights(model, tmp_path)
        read = load_policy(str(tmp_path), dtype=torch.float32).eval()
        with torch.no_grad():
            torch.testing.assert_close(read(IDS).logits, want, atol=1e-4, rtol=1e-4)
        assert read.lm_head.weight is not read.model.embed_tokens.weight
    with torch.no_grad():
        assert torch.equal(model(IDS).logits, want)  # writing it has not changed it


@given(
    st.lists(
        st.lists(st.integers(3, 40), min_size=1, max_size=5).flatmap(
            lambda body: st.booleans().map(lambda ended: [*body, *[END] * ended])
        ),
        min_size=1,
        max_size=6,
    )
)
def test_answers_come_back_as_they_were_drawn(answers: list[list[int]]) -> None:
    """Tokens, log-probabilities and ends, whatever the lengths; nothing of the padding counts."""
    logps = [[-float(token) for token in answer] for answer in answers]
    drawn = as_rollout(answers, logps, end=END, pad=PAD, device=torch.device("cpu"))
    assert drawn.answers() == answers
    assert [row[keep].tolist() for row, keep in zip(drawn.logps, drawn.mask, strict=True)] == logps
    assert float(drawn.logps[~drawn.mask].abs().sum()) == 0
    assert drawn.ended.tolist() == [answer[-1] == END for answer in answers]
