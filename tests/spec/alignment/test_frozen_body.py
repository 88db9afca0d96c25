"""Reward models on a frozen body: states are computed once, and the model that is written scores as the training did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from alignment.data.encode import EncodedPair
from alignment.data.load import encoded, load_pairs
from alignment.errors import UnusableData, UnusableModel
from alignment.forward import Arithmetic, answer_rewards, answer_states
from alignment.models import Shape, load_tokenizer, new_policy, new_tokenizer
from alignment.recipe import Recipe, load_recipe
from alignment.reward import load_reward_model, new_reward_model
from alignment.scorers import load_scorer
from alignment.solved import SolvedHeads
from alignment.start import encoder_for
from alignment.tensor.layout import Tree, lay_out
from alignment.train import Outcome, train
from haechi.base.errors import InvalidSetting

SMALL = ["run.device=cpu", "run.threads=1", "model.hidden=32", "model.heads=2", "optim.steps=40", "optim.batch=32"]
READ = ["reward.read=mean", "reward.layers=1"]
FROZEN = ["reward.body=frozen", *READ]
TREES = [Tree((5, 6, 7), ((8, 9, 2), (10, 2))), Tree((11,), ((12, 13, 14, 15, 2), (16, 2)))]


def run(folder: Path, *settings: str) -> Outcome:
    return train(load_recipe("reward", "tiny-cpu", [f"run.output={folder}", *SMALL, *settings]))


@pytest.fixture(scope="module", params=["mean", "both"])
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(tmp_path_factory.mktemp("frozen") / "run", *FROZEN, f"reward.read={request.param}")


def rows_and_states(done: Outcome) -> tuple[Recipe, list[EncodedPair], torch.Tensor]:
    """What a run was trained on, and the readings of its answers, (B, 2, R, H), computed from tokens one by one."""
    recipe = done.run.recipe()
    tokenizer = load_tokenizer(str(done.run.model))
    items, _ = encoded(
        encoder_for(recipe, tokenizer).pairs(load_pairs(recipe.data, seed=recipe.run.seed).train), recipe.data
    )
    model, _ = load_reward_model(str(done.run.model))
    found = []
    with torch.no_grad():
        for item in items:
            for answer in (item.chosen, item.rejected):
                whole = model.model(torch.tensor([[*item.prompt, *answer]])).last_hidden_state[0]
                found += [whole[len(item.prompt) - 1 : -1].mean(0), *whole[-1:][: recipe.reward.read == "both"]]
    return recipe, items, torch.stack(found).view(len(items), 2, -1, whole.shape[1])


def test_only_the_head_learns_and_what_lies_above_the_kept_layers_is_dropped(done: Outcome) -> None:
    """The written model has one layer, whose weights are those it began with; it orders held-out pairs."""
    model, scale = load_reward_model(str(done.run.model))
    assert model.config.num_hidden_layers == len(model.model.layers) == 1
    read = f"reward.read={done.run.recipe().reward.read}"
    begun = run(done.run.path.parent / "begun", *READ, read, "optim.learning_rate=0", "optim.steps=1")
    start, _ = load_reward_model(str(begun.run.model))
    for (name, now), (_, before) in zip(model.model.named_parameters(), start.model.named_parameters(), strict=True):
        assert torch.equal(now, before), name
    assert not torch.equal(model.score.weight, start.score.weight)
    assert done.held_out["accuracy"] > 0.9
    assert scale.heads == ("reward",)


def test_whoever_loads_the_model_gets_the_scores_of_the_training(done: Outcome) -> None:
    """From tokens through the body, as PPO and `haechi eval` use it: mean 0 and deviation 1 over the held-out answers."""
    recipe = done.run.recipe()
    tokenizer = load_tokenizer(str(done.run.model))
    rows = encoder_for(recipe, tokenizer).pairs(load_pairs(recipe.data, seed=recipe.run.seed).held_out)
    pairs = [row for row in rows if isinstance(row, EncodedPair)]
    scorer = load_scorer(
        str(done.run.path), tokenizer, Arithmetic(64, False, int(tokenizer.pad_token_id)), device=torch.device("cpu"), batch=5
    )  # fmt: skip
    chosen = scorer.score([p.prompt for p in pairs], [p.chosen for p in pairs])
    rejected = scorer.score([p.prompt for p in pairs], [p.rejected for p in pairs])
    every = torch.cat([chosen, rejected])
    assert float(every.mean()) == pytest.approx(0, abs=1e-3)
    assert float(every.std()) == pytest.approx(1, abs=1e-3)
    assert float((chosen > rejected).float().mean()) == pytest.approx(done.held_out["accuracy"])


def test_a_second_run_over_the_same_rows_finds_the_states_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other settings of the loss; and with the same ones it ends with the same weights."""
    shared = [*FROZEN, f"reward.states={tmp_path / 'states'}"]
    first = run(tmp_path / "first", *shared)

    def computed(*_: object) -> None:
        raise AssertionError("a state was computed again")

    monkeypatch.setattr("alignment.states.answer_states", computed)
    again = run(tmp_path / "again", *shared)
    other = run(tmp_path / "other", *shared, "reward.centring=1")
    files = [(each.run.model / "model.safetensors").read_bytes() for each in (first, again, other)]
    assert files[0] == files[1] != files[2]
    with pytest.raises(AssertionError, match="computed again"):
        run(tmp_path / "deeper", *shared, "reward.layers=2")  # another body: nothing of the first is its


def test_the_head_is_the_best_one_for_the_ridge_that_left_out_pairs_prefer(done: Outcome) -> None:
    """No change of the head lowers the penalised loss; the history tells what was tried, with figures of left-out pairs."""
    history = done.run.history()
    tried, last = history[:-1], history[-1]
    assert len({entry["ridge"] for entry in tried}) == len(tried) == 5
    assert last["ridge"] == min(tried, key=lambda entry: entry["loss"])["ridge"]
    assert last["accuracy"] > 0.9
    assert all(entry["loss"] > last["loss"] for entry in tried if entry["ridge"] == last["ridge"])

    recipe, items, states = rows_and_states(done)
    model, _ = load_reward_model(str(done.run.model))
    assert len(model.score.weight) == states.shape[2]  # one head, a row for each reading
    units = (states[:, 0] - states[:, 1]).std((0, 2))
    centring = recipe.reward.centring

    def penalised(weight: torch.Tensor) -> torch.Tensor:
        """By its definition, in double precision."""
        scores = (states.double() * weight.double()).sum((2, 3))
        chosen, rejected = scores[:, 0], scores[:, 1]
        lost = torch.nn.functional.softplus(rejected - chosen) + centring * (chosen + rejected) ** 2
        return lost.mean() + 0.5 * last["ridge"] * (units[:, None] * weight).double().square().sum()

    weight = model.score.weight.detach()
    assert len(items) == len(states)
    best = float(penalised(weight))
    generator = torch.Generator().manual_seed(3)
    for size in (1e-1, 1e-2):
        for _ in range(20):
            other = weight + size * weight.norm() * torch.nn.functional.normalize(
                torch.randn(weight.shape, generator=generator), dim=1
            )
            assert float(penalised(other)) > best


def test_a_killed_run_goes_on_with_the_ridges_that_it_has_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And ends with the weights of a run that nobody stopped."""
    whole = run(tmp_path / "whole", *FROZEN, "run.save_every=1")
    step = SolvedHeads.step

    def dies(self: SolvedHeads, number: int) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, number)

    settings = [f"run.output={tmp_path / 'cut'}", *SMALL, *FROZEN, "run.save_every=1"]
    with monkeypatch.context() as patch:
        patch.setattr(SolvedHeads, "step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(load_recipe("reward", "tiny-cpu", settings))
    again = train(load_recipe("reward", "tiny-cpu", settings), resume=True)
    assert [entry["step"] for entry in again.run.history()] == [1, 2, 3, 4, 5, 6]
    files = [(each.run.model / "model.safetensors").read_bytes() for each in (whole, again)]
    assert files[0] == files[1]


def test_pairs_about_a_handful_of_prompts_are_too_few_to_choose_by(tmp_path: Path) -> None:
    """The message says how many are needed, and what to do instead."""
    lines = [
        {"prompt": [{"role": "user", "content": f"Question {n % 4}?"}],
         "chosen": [{"role": "assistant", "content": f"Good answer {n}."}],
         "rejected": [{"role": "assistant", "content": f"Bad answer {n}."}]}
        for n in range(12)
    ]  # fmt: skip
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with pytest.raises(UnusableData, match="5 prompts or more") as caught:
        run(tmp_path / "run", *FROZEN, f"data.train={rows}")
    assert "reward.body=train" in (caught.value.hint or "")


@pytest.mark.parametrize("read", ["mean", "both"])
def test_readings_are_what_they_are_called_whatever_the_layout(read: str) -> None:
    """Alone and shared, to 1e-5, by definition: the mean over the positions that predict the answer, and its end; heads add up."""
    policy = new_policy(Shape(hidden=32, layers=2, heads=2), new_tokenizer(["words"], vocab=300), seed=1)
    model = new_reward_model(policy, ("a", "b"), seed=2, read=read).eval()
    arithmetic = Arithmetic(16, False, 0)
    with torch.no_grad():
        shared, _ = answer_rewards(model, lay_out(TREES, share=True, pad=0), arithmetic)
        alone, _ = answer_rewards(model, lay_out(TREES, share=False, pad=0), arithmetic)
        states, _ = answer_states(model, lay_out(TREES, share=False, pad=0), arithmetic)
        torch.testing.assert_close(shared, alone, atol=1e-5, rtol=1e-5)
        answers = [(tree.prompt, answer) for tree in TREES for answer in tree.answers]
        for at, (prompt, answer) in enumerate(answers):
            whole = model.model(torch.tensor([[*prompt, *answer]])).last_hidden_state[0]
            mean, end = whole[len(prompt) - 1 : -1].mean(0), whole[-1]
            readings = torch.stack([mean, end] if read == "both" else [mean])
            torch.testing.assert_close(states[at], readings, atol=1e-5, rtol=1e-5)
            weight = model.score.weight
            want = weight @ mean if read == "mean" else weight[:2] @ mean + weight[2:] @ end
            torch.testing.assert_close(alone[at], want, atol=1e-5, rtol=1e-5)


def test_what_cannot_be_is_refused_before_it_costs_time(tmp_path: Path) -> None:
    """An adapter on a frozen body; more layers than there are."""
    with pytest.raises(InvalidSetting, match="frozen"):
        run(tmp_path / "run", "reward.body=frozen", "lora.rank=4")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UnusableModel, match="has 2 layers"):
        run(tmp_path / "deep", "reward.layers=3")
