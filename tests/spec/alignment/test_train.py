"""Runs learn what is planted, repeat themselves bit for bit, and stop before they do harm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from alignment.data.demo import demo_rows
from alignment.data.files import write_jsonl
from alignment.errors import (
    CorruptCheckpoint,
    MemoryExhausted,
    NoRun,
    RunConflict,
    TrainingDiverged,
    UnusableAdapter,
    UnusableBackend,
    UnusableData,
    UnusableModel,
)
from alignment.models import load_policy, load_tokenizer, quiet_adapters
from alignment.recipe import Recipe, load_recipe
from alignment.reward import load_reward_model
from alignment.runs import checkpoint
from alignment.runs.folder import RunFolder
from alignment.runs.plot import draw
from alignment.train import Outcome, train


def recipe(kind: str, folder: Path, *settings: str, name: str = "tiny-cpu") -> Recipe:
    return load_recipe(
        kind, name, [f"run.output={folder}", "run.device=cpu", "model.hidden=32", "model.heads=2", *settings]
    )


def run(kind: str, folder: Path, *settings: str, resume: bool = False, name: str = "tiny-cpu") -> Outcome:
    return train(recipe(kind, folder, *settings, name=name), resume=resume)


def weights_hash(outcome: Outcome) -> str:
    return hashlib.sha256((outcome.run.model / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def reward_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reward") / "run"
    run("reward", folder, "optim.steps=12")
    return folder


def more_of(kind: str, reward_run: Path) -> list[str]:
    """What a run of this kind needs beside the recipe, small enough for a quick test."""
    if kind == "ppo":
        return [f"ppo.reward={reward_run}", "optim.batch=8", "ppo.answer_tokens=6", "ppo.minibatches=2"]
    return ["optim.batch=8"]


@pytest.mark.parametrize(
    ("family", "lora"),
    [
        ("qwen3", 0),
        ("qwen3_moe", 8),
        pytest.param("qwen2", 0, marks=pytest.mark.slow),
        pytest.param("qwen2", 8, marks=pytest.mark.slow),
        pytest.param("qwen3", 8, marks=pytest.mark.slow),
        pytest.param("qwen3_moe", 0, marks=pytest.mark.slow),
    ],
)
def test_a_planted_preference_is_learned(family: str, lora: int, tmp_path: Path) -> None:
    """By DPO and by a reward model, to 95 % of held-out pairs, with all weights or an adapter."""
    rate = "1e-2" if lora else "2e-3"
    settings = [f"model.family={family}", f"lora.rank={lora}", f"optim.learning_rate={rate}", "optim.steps=40"]
    for kind in ("reward", "dpo"):
        outcome = run(kind, tmp_path / kind, *settings)
        assert outcome.held_out["accuracy"] >= 0.95
        assert (outcome.run.adapter / "adapter_model.safetensors").exists() is bool(lora)


def test_sft_lowers_the_loss_on_rows_it_has_not_seen(tmp_path: Path) -> None:
    """And the finished folder loads as a model with its tokenizer."""
    outcome = run("sft", tmp_path / "r", "optim.steps=30", "optim.learning_rate=5e-3")
    history = outcome.run.history()
    assert outcome.held_out["nll"] < 0.7 * history[0]["nll"]
    model, tokenizer = load_policy(str(outcome.run.model), dtype=torch.float32), load_tokenizer(str(outcome.run.model))
    assert model.lm_head.weight.shape[0] == len(tokenizer)
    assert model.config.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize(
    "loss",
    [
        "ipo",
        "simpo",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("sigmoid_norm", "cdpo", "robust", "orpo")),
    ],
)
def test_every_pair_loss_trains(loss: str, tmp_path: Path) -> None:
    """Each lowers its own loss on held-out pairs."""
    more = ["dpo.smoothing=0.1"] if loss in ("cdpo", "robust") else []
    outcome = run(
        "dpo", tmp_path / loss, f"dpo.loss={loss}", "optim.steps=15", "optim.learning_rate=2e-3", "dpo.sft=0.1", *more
    )
    assert outcome.held_out["loss"] < outcome.run.history()[0]["loss"]
    assert outcome.held_out["accuracy"] > 0.6


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "ppo"])
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    kind: str, tmp_path: Path, reward_run: Path
) -> None:
    """Bit for bit, and the metrics line by line."""
    more = ["optim.steps=3", *more_of(kind, reward_run)]
    first, second = run(kind, tmp_path / "a", *more), run(kind, tmp_path / "b", *more)
    assert weights_hash(first) == weights_hash(second)
    assert first.run.metrics.read_bytes() == second.run.metrics.read_bytes()
    assert weights_hash(run(kind, tmp_path / "c", "run.seed=1", *more)) != weights_hash(first)


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo", "ppo"])
def test_a_run_that_is_resumed_ends_with_the_same_weights(kind: str, tmp_path: Path, reward_run: Path) -> None:
    """Cut back to an older checkpoint, as after a kill: same weights, same metrics, and no folder half done."""
    more = ["optim.steps=5", "run.save_every=2", "run.keep=9", *more_of(kind, reward_run)]
    if kind == "ppo":
        more.append("ppo.kl_target=2")
    whole = run(kind, tmp_path / "a", *more)
    wanted, lines = weights_hash(whole), whole.run.metrics.read_bytes()
    for done in checkpoint.finished(whole.run.checkpoints)[1:]:
        for file in done.iterdir():
            file.unlink()
        done.rmdir()
    again = run(kind, tmp_path / "a", *more, resume=True)
    assert weights_hash(again) == wanted
    assert again.run.metrics.read_bytes() == lines


def test_gradients_of_micro_batches_add_up(tmp_path: Path) -> None:
    """One row at a time or all at once: the same step, up to rounding, in losses that average over tokens too."""
    for kind in ("sft", "dpo", "reward"):
        ends = []
        for micro in (3, 16):
            outcome = run(
                kind, tmp_path / f"{kind}{micro}", "optim.steps=1", f"optim.micro_batch={micro}", "optim.epsilon=1e-3"
            )
            ends.append(outcome.run.history()[0])
        for name in ("loss", "grad_norm"):
            assert ends[0][name] == pytest.approx(ends[1][name], rel=1e-4)


def test_saving_memory_changes_no_figure_and_bfloat16_hardly_any(tmp_path: Path) -> None:
    """Activations computed twice give the same numbers; bfloat16 layers stay within one per cent."""
    for kind in ("sft", "dpo"):
        plain, twice, half = (
            run(kind, tmp_path / f"{kind}{i}", "optim.steps=2", *more).run.history()[-1]
            for i, more in enumerate(([], ["model.gradient_checkpointing=true"], ["run.precision=bf16"]))
        )
        assert twice["loss"] == pytest.approx(plain["loss"], rel=1e-6)
        assert half["loss"] == pytest.approx(plain["loss"], rel=1e-2)


def test_the_merged_model_is_the_base_with_its_adapter(tmp_path: Path) -> None:
    """`model/` gives the logits of `adapter/` on the model the run began with."""
    from peft import PeftModel

    start = run("sft", tmp_path / "start", "optim.steps=2").run.model
    done = run(
        "dpo", tmp_path / "r", f"model.path={start}", "lora.rank=4", "optim.steps=6", "optim.learning_rate=1e-2"
    ).run
    ids = torch.arange(5, 25)[None]
    base = load_policy(str(start), dtype=torch.float32)
    with torch.no_grad():
        before = base(ids).logits
        merged = load_policy(str(done.model), dtype=torch.float32)(ids).logits
        with quiet_adapters():
            adapted = PeftModel.from_pretrained(base, str(done.adapter))(ids).logits
    torch.testing.assert_close(merged, adapted, atol=1e-5, rtol=1e-5)
    assert float((merged - before).abs().max()) > 1e-3


def test_the_end_of_turn_is_learned(tmp_path: Path) -> None:
    """After SFT the end token is likely where an answer ends, and was not before."""
    outcome = run("sft", tmp_path / "r", "optim.steps=40", "optim.learning_rate=5e-3")
    model, tokenizer = load_policy(str(outcome.run.model), dtype=torch.float32), load_tokenizer(str(outcome.run.model))
    text = tokenizer.apply_chat_template(
        [
            {"role": "user", "content": "What is tea for?"},
            {"role": "assistant", "content": "Of course, tea is a fine topic."},
        ],
        tokenize=False,
    )
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
    at = (ids[0] == tokenizer.eos_token_id).nonzero()[-1].item()
    with torch.no_grad():
        p = torch.softmax(model(ids).logits[0, at - 1], 0)[tokenizer.eos_token_id]
    assert float(p) > 0.5


def test_a_number_that_is_not_finite_stops_the_run_before_it_reaches_the_weights(tmp_path: Path) -> None:
    """The error names step and line; the checkpoint holds the last good weights, and nothing is finished."""
    rows: list[dict[str, Any]] = [{"prompt": f"Q{i}?", "chosen": "Yes.", "rejected": "No."} for i in range(200)]
    rows[76]["margin"] = 1e39  # infinite in float32
    write_jsonl(tmp_path / "d.jsonl", rows)
    settings = [
        f"data.train={tmp_path / 'd.jsonl'}",
        "data.held_out_share=0",
        "optim.steps=60",
        "optim.batch=4",
        "optim.micro_batch=1",
    ]
    with pytest.raises(TrainingDiverged, match=r"lines 77\)"):
        run("reward", tmp_path / "r", *settings)
    folder = RunFolder.open(tmp_path / "r")
    state = folder.latest()
    assert state is not None
    assert state.step == len(folder.history())
    assert all(torch.isfinite(t).all() for t in state.tensors.values())
    assert not folder.model.exists()


def test_a_damaged_checkpoint_is_refused_and_removing_it_helps(tmp_path: Path) -> None:
    """One flipped byte is enough."""
    more = ["optim.steps=4", "run.save_every=2"]
    wanted = weights_hash(run("sft", tmp_path / "r", *more))
    newest = checkpoint.finished(tmp_path / "r/checkpoints")[-1]
    blob = bytearray((newest / "state.safetensors").read_bytes())
    blob[-1] ^= 1
    (newest / "state.safetensors").write_bytes(blob)
    with pytest.raises(CorruptCheckpoint):
        run("sft", tmp_path / "r", *more, resume=True)
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    assert weights_hash(run("sft", tmp_path / "r", *more, resume=True)) == wanted


def test_a_run_that_fails_before_its_first_step_leaves_its_folder_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was wrong is mended by another value, and the command is given again; a run that learned is kept."""
    folder = tmp_path / "r"
    with pytest.raises(UnusableAdapter):
        run("dpo", folder, "optim.steps=2", "lora.rank=2", "lora.targets=q_porj")
    assert not folder.exists()

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr("alignment.supervised.SupervisedTrainer.step", full)
        with pytest.raises(MemoryExhausted, match="step 1"):
            run("dpo", folder, "optim.steps=2", "optim.micro_batch=8")
        assert not folder.exists()
    run("dpo", folder, "optim.steps=2", "optim.micro_batch=4")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RunConflict):
        run("dpo", folder, "optim.steps=2")
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_not_there_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU, a file with a chat template."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnusableBackend, match="no GPU"):
        run("sft", tmp_path / "r", "run.device=cuda")
    base = run("sft", tmp_path / "base", "optim.steps=1")
    with pytest.raises(UnusableModel, match=r"nowhere\.jinja"):
        run("sft", tmp_path / "r", f"model.path={base.run.path}", "model.chat_template=nowhere.jinja")
    assert not (tmp_path / "r").exists()


def test_a_folder_belongs_to_one_run(tmp_path: Path) -> None:
    """Starting over it, or resuming with other values or rows, is refused; the values are named."""
    run("sft", tmp_path / "r", "optim.steps=2")
    with pytest.raises(RunConflict):
        run("sft", tmp_path / "r", "optim.steps=2")
    with pytest.raises(RunConflict, match=r"optim\.learning_rate"):
        run("sft", tmp_path / "r", "optim.steps=2", "optim.learning_rate=0.5", resume=True)
    with pytest.raises(RunConflict):
        run("dpo", tmp_path / "r", "optim.steps=2", resume=True)
    with pytest.raises(NoRun):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize("targets", ["lm_head", "q_proj,k_prj"])
def test_an_adapter_that_would_not_train_is_refused(targets: str, tmp_path: Path) -> None:
    """The head is read by the fused loss; a misspelt module does not exist."""
    with pytest.raises(UnusableAdapter) as caught:
        run("dpo", tmp_path / "r", "lora.rank=4", f"lora.targets={targets}", "optim.steps=1")
    assert "lm_head" in caught.value.hint or "k_proj" in caught.value.hint


def test_a_model_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    """No network is asked, no traceback shown."""
    with pytest.raises(UnusableModel):
        run("sft", tmp_path / "r", "model.path=nobody/nothing")
    with pytest.raises(UnusableModel):
        run("ppo", tmp_path / "r2")


def test_too_many_bad_rows_stop_a_run_before_it_starts(tmp_path: Path) -> None:
    """With the counts, and the first line."""
    row = {"prompt": "Q{}?", "chosen": "Yes.", "rejected": "No."}
    rows: list[dict[str, Any]] = [{**row, "prompt": f"Q{i}?"} for i in range(8)] + [{**row, "rejected": "Yes."}] * 2
    write_jsonl(tmp_path / "d.jsonl", rows)
    with pytest.raises(UnusableData, match=r"2 of 10 .*2 identical.*line 9"):
        run("dpo", tmp_path / "r", f"data.train={tmp_path / 'd.jsonl'}")
    assert run("dpo", tmp_path / "r", f"data.train={tmp_path / 'd.jsonl'}", "data.max_refused=0.5", "optim.steps=1")


def test_a_reward_model_with_two_heads_keeps_them_and_their_scale(tmp_path: Path) -> None:
    """Help and cost from their own rows; the cost of unsafe answers is above zero."""
    rows = []
    for i in range(60):
        rows.append({"prompt": f"Topic {i}?", "chosen": f"Gladly, {i}.", "rejected": f"Away, {i}."})
        rows.append(
            {
                "prompt": f"Danger {i}?",
                "chosen": f"I will not, {i}.",
                "rejected": f"Take a knife, {i}.",
                "head": "cost",
                "chosen_unsafe": False,
                "rejected_unsafe": True,
            }
        )
    write_jsonl(tmp_path / "d.jsonl", rows)
    outcome = run(
        "reward",
        tmp_path / "r",
        f"data.train={tmp_path / 'd.jsonl'}",
        "reward.heads=reward,cost",
        "optim.steps=40",
        "optim.learning_rate=2e-3",
    )
    assert outcome.held_out["accuracy"] >= 0.95
    model, scale = load_reward_model(str(outcome.run.model))
    assert scale.heads == ("reward", "cost")
    assert model.score.weight.shape[0] == 2
    assert all(deviation > 0 for deviation in scale.deviation)


def test_displaced_likelihood_raises_an_alarm(tmp_path: Path) -> None:
    """A pair can be won while the chosen answer becomes unlikely; the run says so."""
    rows = [
        {"prompt": f"Q{i}?", "chosen": f"The answer is {i} yes", "rejected": f"The answer is {i} no"} for i in range(40)
    ]
    write_jsonl(tmp_path / "d.jsonl", rows)
    settings = [
        f"data.train={tmp_path / 'd.jsonl'}",
        "optim.steps=60",
        "optim.learning_rate=5e-3",
        "dpo.displacement_alarm=0.0",
    ]
    outcome = run("dpo", tmp_path / "r", *settings, "dpo.beta=1.0")
    displaced = outcome.run.history()[-1]["displacement"] < 0
    assert bool(outcome.alarms) is displaced


def test_curves_are_drawn_in_every_format(tmp_path: Path) -> None:
    """SVG, PNG and one HTML file that stands alone."""
    outcome = run("sft", tmp_path / "r", "optim.steps=3")
    for suffix, start in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".html", b"<!doctype html>")):
        assert draw(outcome.run, tmp_path / f"c{suffix}").read_bytes().startswith(start)
    assert json.loads((outcome.run.path / "result.json").read_text())["held_out"]["nll"] > 0


def test_a_held_out_file_does_not_mix_up_the_reference(tmp_path: Path) -> None:
    """Lines of both files start at 1. Before the first update the policy is the reference: loss log 2, nothing moved."""
    rows = demo_rows()
    write_jsonl(tmp_path / "train.jsonl", rows[:90])
    write_jsonl(tmp_path / "held.jsonl", rows[90:])
    files = [f"data.train={tmp_path / 'train.jsonl'}", f"data.held_out={tmp_path / 'held.jsonl'}"]
    made = run("dpo", tmp_path / "run", *files, "optim.steps=1", "optim.learning_rate=0")
    (first,) = made.run.history()
    assert first["loss"] == pytest.approx(0.693147, abs=1e-4)
    assert first["displacement"] == pytest.approx(0, abs=1e-5)
    assert made.held_out["loss"] == pytest.approx(0.693147, abs=1e-4)
