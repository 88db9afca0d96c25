"""Train: from a recipe to a finished model in a run's folder. One function per kind, each read from top to bottom."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from alignment.alarms import of_dpo, of_ppo
from alignment.data.encode import EncodedAnswer, EncodedPair, Encoder, end_self_test
from alignment.data.lineage import ROWS, refuse_tainted, write_rows
from alignment.data.load import RunData, encoded, load_demonstrations, load_pairs
from alignment.data.rows import Demonstration
from alignment.dpo import PreferenceObjective, Reference, reference_logps
from alignment.errors import EndNotLearned, UnusableModel
from alignment.forward import Arithmetic
from alignment.models import LoraShape, core_of, merged
from alignment.optimiser import Stepper, batch_rows, trainable
from alignment.ppo import PpoTrainer, Prompt, critic_from, frozen_copy
from alignment.recipe import Recipe
from alignment.reward import RewardObjective, check_reward, heads_of, measured_scale, new_reward_model, write_scale
from alignment.rollout import Sampler
from alignment.runs.folder import RunFolder, line_of
from alignment.runs.loop import Metrics, Progress, Trainer, run_loop, seed_step
from alignment.runs.tracking import check_tracker, following
from alignment.scorers import ModelScorer, scorer_named
from alignment.sft import AnswerLikelihood
from alignment.solved import STEPS, SolvedHeads
from alignment.start import (
    NEW,
    adapted,
    arithmetic_for,
    check_bits,
    device_of,
    encoder_for,
    policy_for,
    settle,
    tokenizer_for,
)
from alignment.states import KeptStates
from alignment.supervised import SupervisedTrainer, measure
from alignment.teacher import GuardScorer, guard_policy
from alignment.tensor.preference import PairLoss
from alignment.trl_backend import check_backend, is_main, learn
from alignment.vllm_rollout import VllmSampler, check_rollout
from alignment.watch import Drift, drift
from haechi.base.errors import HaechiError


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished run.

    held_out: figures on rows that were not trained on; empty when there are none.
    alarms: what went the way that is known to end badly, in words.
    """

    run: RunFolder
    held_out: Mapping[str, float]
    alarms: tuple[str, ...]


def train(recipe: Recipe, *, resume: bool = False, show_progress: bool = False) -> Outcome:
    """Do the run that a recipe describes, or go on with it.

    Raises:
        HaechiError: see alignment.errors; nothing is half done on disk whatever happens.
    """
    check_backend(recipe, resume=resume)
    check_bits(recipe)
    check_tracker(recipe)
    check_reward(recipe)
    check_rollout(recipe)
    settle(recipe)
    run = RunFolder(recipe.output)
    begun = run.exists()
    try:
        return _DO[recipe.kind](recipe, resume, show_progress)
    except HaechiError:
        if not begun:
            run.withdraw()  # what was to mend may be a value, and a run is never resumed with other values
        raise


def _sft(recipe: Recipe, resume: bool, show: bool) -> Outcome:
    data = load_demonstrations(recipe.data, seed=recipe.run.seed, answer_needed=True)
    tokenizer = tokenizer_for(recipe, data.train)
    encoder = encoder_for(recipe, tokenizer)
    items, _ = encoded(encoder.answers(data.train), recipe.data)
    held = [item for item in encoder.answers(data.held_out) if isinstance(item, EncodedAnswer)]
    end_self_test(encoder, [item.answer for item in items])
    run = open_run(recipe, data, resume)
    model = policy_for(recipe, tokenizer)
    _demand_end_gradient(model, tokenizer)
    objective = AnswerLikelihood(model, arithmetic_for(recipe, tokenizer), recipe)
    trainer = SupervisedTrainer(objective, items, _stepper(model, recipe), recipe)
    _learn(recipe, run, trainer, show, lambda: learn(recipe, run.path / ".trl", model, tokenizer, items, ()))
    measured = trainer.measure(held)
    return finish(run, model, tokenizer, measured, (), whole=_whole(recipe, tokenizer))


def _reward(recipe: Recipe, resume: bool, show: bool) -> Outcome:
    data = load_pairs(recipe.data, seed=recipe.run.seed)
    tokenizer = tokenizer_for(recipe, data.train)
    encoder = encoder_for(recipe, tokenizer)
    items, _ = encoded(encoder.pairs(data.train), recipe.data)
    held = [item for item in encoder.pairs(data.held_out) if isinstance(item, EncodedPair)]
    heads = heads_of(recipe, items)
    run = open_run(recipe, data, resume)
    plain = recipe.lora.rank == 0
    policy = policy_for(recipe, tokenizer) if plain else policy_for(_without_adapter(recipe), tokenizer)
    v = recipe.reward
    shaped = partial(new_reward_model, heads=heads, seed=recipe.run.seed, layers=v.layers, read=v.read)
    model = shaped(policy).to(device_of(recipe))
    model = model.train() if plain else adapted(model, recipe)
    arithmetic = arithmetic_for(recipe, tokenizer)
    kept = _kept_states(recipe, run, model, arithmetic, [*items, *held], show) if v.body == "frozen" else None
    objective = RewardObjective(model, arithmetic, recipe, heads, kept)
    if kept is not None:
        solved = replace(recipe, optim=replace(recipe.optim, steps=STEPS))
        run_loop(
            run,
            solved,
            SolvedHeads(objective, kept, items, core_of(model).score),
            progress=_progress(solved, run, show),
        )
    else:
        trainer = SupervisedTrainer(objective, items, _stepper(model, recipe), recipe)
        _learn(recipe, run, trainer, show, lambda: learn(recipe, run.path / ".trl", model, tokenizer, items, ()))
    measured = measure(objective, held, batch=recipe.optim.micro_batch)
    scale = measured_scale(objective, held or items, heads, batch=recipe.optim.micro_batch)
    write_scale(model, scale)

    def whole() -> Any:
        again = shaped(policy_for(_plain(recipe), tokenizer))
        write_scale(again, scale)
        return again

    return finish(run, model, tokenizer, measured, (), whole=whole if recipe.lora.bits else None)


def _kept_states(
    recipe: Recipe, run: RunFolder, model: Any, arithmetic: Arithmetic, items: list[EncodedPair], show: bool
) -> KeptStates:
    """Freeze the body, and look at every row once."""
    model.model.requires_grad_(False).eval()
    folder = Path(recipe.reward.states) if recipe.reward.states else run.path / "states"
    kept = KeptStates(model, arithmetic, folder, share=recipe.optim.share_prompts, batch=recipe.optim.micro_batch)
    kept.fill(items, show=show)
    return kept


def _dpo(recipe: Recipe, resume: bool, show: bool) -> Outcome:
    data = load_pairs(recipe.data, seed=recipe.run.seed)
    tokenizer = tokenizer_for(recipe, data.train)
    encoder = encoder_for(recipe, tokenizer)
    items, _ = encoded(encoder.pairs(data.train), recipe.data)
    held = [item for item in encoder.pairs(data.held_out) if isinstance(item, EncodedPair)]
    # The reference is kept by line, and a held-out file has lines of its own: they get the numbers below zero.
    held = [replace(item, line=-item.line) for item in held] if recipe.data.held_out else held
    end_self_test(encoder, [answer for item in items[:8] for answer in (item.chosen, item.rejected)])
    run = open_run(recipe, data, resume)
    model = policy_for(recipe, tokenizer)
    arithmetic = arithmetic_for(recipe, tokenizer)
    reference: Reference = {}
    if PairLoss(recipe.dpo.loss).needs_reference and is_main(recipe):
        seen = _seen(recipe, len(items)) if recipe.run.backend == "own" else []
        needed = [*(items[i] for i in seen), *held]
        reference = reference_logps(model, needed, arithmetic, recipe, run.path / "reference")
    objective = PreferenceObjective(model, arithmetic, recipe, reference)
    trainer = SupervisedTrainer(objective, items, _stepper(model, recipe), recipe)
    _learn(recipe, run, trainer, show, lambda: learn(recipe, run.path / ".trl", model, tokenizer, items, data.train))
    measured = trainer.measure(held)
    moved = _drift(recipe, model, tokenizer, [item.prompt for item in held], encoder.end)
    if moved is not None:
        measured |= {"kl": moved.kl, "length": moved.length, "length_before": moved.length_before}
    return finish(
        run, model, tokenizer, measured, of_dpo(recipe, run.history(), moved), whole=_whole(recipe, tokenizer)
    )


def _ppo(recipe: Recipe, resume: bool, show: bool) -> Outcome:
    data = load_demonstrations(recipe.data, seed=recipe.run.seed, answer_needed=False)
    values, lora = recipe.ppo, recipe.lora
    if not values.reward:
        raise UnusableModel("ppo.reward names no reward model", hint="train one first: haechi train reward RECIPE")
    tokenizer = tokenizer_for(_on_tokens_of(recipe, values.reward), data.train)
    encoder = encoder_for(recipe, tokenizer)
    prompts, held = _prompts(recipe, encoder, data)
    arithmetic, device = arithmetic_for(recipe, tokenizer), device_of(recipe)
    named = partial(
        scorer_named, tokenizer=tokenizer, arithmetic=arithmetic, device=device, batch=recipe.optim.micro_batch
    )
    scorer = named(values.reward)
    cost = named(values.cost, cost=True) if values.cost else None
    watch = named(values.watch) if values.watch else None
    judges = {"reward": scorer, "cost": cost, "watch": watch}
    guard = {name: judge.checker.digest for name, judge in judges.items() if isinstance(judge, GuardScorer)}
    run = open_run(recipe, data, resume, guard=guard)
    policy = policy_for(replace(recipe, lora=replace(lora, dropout=0.0)), tokenizer)  # dropout would blur the ratio
    adapter = LoraShape(lora.rank, lora.alpha, 0.0, lora.targets) if lora.rank else None
    torch.manual_seed(recipe.run.seed)
    critic = None
    if values.estimator == "gae":
        # A reward model knows what is worth something; a guard has no body to start from, the policy's is next best.
        body = scorer.model if isinstance(scorer, ModelScorer) else policy_for(_without_adapter(recipe), tokenizer)
        critic = critic_from(body, quantities=1 + (cost is not None), adapter=adapter)
    with _sampler(recipe, run, policy, encoder.end, arithmetic.pad) as sampler:
        trainer = PpoTrainer(
            policy,
            frozen_copy(policy),
            critic,
            scorer,
            prompts,
            recipe,
            arithmetic,
            end=encoder.end,
            cost=cost,
            watch=watch,
            sampler=sampler,
        )
        run_loop(run, recipe, trainer, progress=_progress(recipe, run, show))
        seed_step(recipe.run.seed, recipe.optim.steps)
        measured = trainer.measure(held)
    return finish(run, policy, tokenizer, measured, of_ppo(recipe, run.history()), whole=_whole(recipe, tokenizer))


def _prompts(recipe: Recipe, encoder: Encoder, data: RunData[Demonstration]) -> tuple[list[Prompt], list[Prompt]]:
    """What is asked in training, and what is asked afterwards to measure."""
    most = recipe.ppo.prompt_tokens
    rows, _ = encoded(encoder.prompts(data.train, max_prompt_tokens=most), recipe.data)
    others = encoder.prompts(data.held_out, max_prompt_tokens=most)
    held = [row for row in others if isinstance(row, EncodedAnswer)]
    return [Prompt(row.line, row.prompt) for row in rows], [Prompt(row.line, row.prompt) for row in held]


def _sampler(recipe: Recipe, run: RunFolder, policy: Any, end: int, pad: int) -> AbstractContextManager[Sampler | None]:
    """Who draws the answers; None is the trainer's own way."""
    if recipe.ppo.rollout == "own":
        return nullcontext()
    return VllmSampler(recipe, policy, end=end, pad=pad, folder=run.path)


_DO: Final = {"sft": _sft, "reward": _reward, "dpo": _dpo, "ppo": _ppo}


def _learn(
    recipe: Recipe, run: RunFolder, trainer: Trainer, show: bool, by_trl: Callable[[], list[dict[str, float]]]
) -> None:
    """Train with the back-end of the recipe; either way run.history() tells how it went."""
    if recipe.run.backend == "own":
        run_loop(run, recipe, trainer, progress=_progress(recipe, run, show))
        return
    history = by_trl()
    with run.log_from(0) as log, following(run.path, recipe, 0) as tell:
        for entry in history:
            log.write(line_of(entry))
            tell(int(entry["step"]), {name: value for name, value in entry.items() if name != "step"})
    shutil.rmtree(run.path / ".trl", ignore_errors=True)


def open_run(recipe: Recipe, data: RunData[Any], resume: bool, *, guard: Mapping[str, str] | None = None) -> RunFolder:
    """The folder of this run, new or continued; it remembers the hashes of its rows. guard: policies that judge.

    Raises:
        TaintedRun: the run learned from somebody who was erased since.
    """
    refuse_tainted(recipe.output)
    if not is_main(recipe):
        return RunFolder(recipe.output)
    begin = RunFolder.resume if resume else RunFolder.create
    run = begin(recipe, data=data.digest, guard=guard)
    if not (run.path / ROWS).exists():
        write_rows(run.path, data.hashes, trained=len(data.train))
    return run


def finish(
    run: RunFolder,
    model: Any,
    tokenizer: Any,
    held_out: Metrics,
    alarms: tuple[str, ...],
    *,
    whole: Callable[[], Any] | None = None,
) -> Outcome:
    """Write the trained model (adapter merged, and beside it) so that it appears whole or not at all.

    whole: loads the model to merge into, when the one that was trained is quantised: the model that is written needs no
    bitsandbytes, and merging does not round the adapter to four bits.
    """
    if hasattr(model, "peft_config"):
        _appear(run.adapter, lambda folder: model.save_pretrained(folder))
        model = model.merge_and_unload() if whole is None else merged(whole(), run.adapter)

    def write(folder: Path) -> None:
        core_of(model).save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    _appear(run.model, write)
    result = {"held_out": held_out, "alarms": list(alarms)}
    beside = run.path / ".result.partial"
    beside.write_text(json.dumps(result, indent=1, ensure_ascii=False), "utf-8")
    beside.replace(run.path / "result.json")
    return Outcome(run, held_out, alarms)


def _appear(folder: Path, write: Any) -> None:
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    write(beside)
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)


def _stepper(model: Any, recipe: Recipe) -> Stepper:
    return Stepper(trainable(("", model)), recipe.optim, rate=recipe.optim.learning_rate, total=recipe.optim.steps)


def _progress(recipe: Recipe, run: RunFolder, show: bool) -> Progress | None:
    done = len(run.history())
    return Progress(recipe.optim.steps, start=done) if show else None


def _seen(recipe: Recipe, count: int) -> list[int]:
    """Rows that the run will visit."""
    values = recipe.optim
    if values.steps * values.batch >= count:
        return list(range(count))
    return sorted({i for n in range(values.steps) for i in batch_rows(count, values.batch, recipe.run.seed, n)})


def _without_adapter(recipe: Recipe) -> Recipe:
    return replace(recipe, lora=replace(recipe.lora, rank=0), model=replace(recipe.model, gradient_checkpointing=False))


def _plain(recipe: Recipe) -> Recipe:
    """Neither adapter nor quantised weights."""
    bare = _without_adapter(recipe)
    return replace(bare, lora=replace(bare.lora, bits=0))


def _whole(recipe: Recipe, tokenizer: Any) -> Callable[[], Any] | None:
    """How to load the model of a QLoRA run as it was before it was quantised; None when nothing is quantised."""
    return partial(policy_for, _plain(recipe), tokenizer) if recipe.lora.bits else None


def _drift(recipe: Recipe, model: Any, tokenizer: Any, prompts: list[tuple[int, ...]], end: int) -> Drift | None:
    """How far the model moved on held-out prompts; None when the recipe asks for none, or there is none."""
    values = recipe.dpo
    asked = prompts[: values.watch_prompts]
    if not asked:
        return None
    start = policy_for(_without_adapter(recipe), tokenizer)
    arithmetic = arithmetic_for(recipe, tokenizer)
    moved: Drift = drift(model, start, asked, arithmetic, tokens=values.watch_tokens, end=end, seed=recipe.run.seed)
    return moved


def _on_tokens_of(recipe: Recipe, reward: str) -> Recipe:
    """A new policy reads and writes the tokens of its reward model."""
    if recipe.model.path != NEW or guard_policy(reward) is not None:
        return recipe
    return replace(recipe, model=replace(recipe.model, path=reward))


def _demand_end_gradient(model: Any, tokenizer: Any) -> None:
    """The head's row of the end-of-turn token must be one that training can reach."""
    rows = core_of(model).lm_head.weight.shape[0]
    if not 0 <= tokenizer.eos_token_id < rows:
        raise EndNotLearned(f"the end-of-turn token {tokenizer.eos_token_id} is outside the model's {rows} tokens")
