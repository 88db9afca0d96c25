"""PPO against the last PPO of TRL (1.12): CPU seconds and peak memory for the same episodes.

    python -m pip download trl==1.12.0 --no-deps -d wheel && python -m zipfile -e wheel/trl-1.12.0-py3-none-any.whl peer
    python -m benchmarks.alignment_ppo --peer peer [--repeats 3] [--json FILE]

Protocol: 16 episodes of 32 + 32 tokens, 4 epochs, Qwen 3 of 4 layers x 256 with the real vocabulary, random weights,
fp32, one thread; policy, reference, reward model and critic of that shape on both sides; AdamW included. CPU seconds are
those of a whole rollout-and-update step, peak memory that of the process over its state before the models are made.
Every measurement is a process of its own, A B A B ... Without --peer only our own side is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.alignment_dpo import Case, interval, model_of
from benchmarks.figures import report

CASE = Case("ppo", 4, 256, 32, 32, 16)
EPOCHS, MICRO = 4, 8


def prompts() -> list[tuple[int, ...]]:
    import torch

    gen = torch.Generator().manual_seed(1)
    return [tuple(torch.randint(2, 150_000, (CASE.prompt,), generator=gen).tolist()) for _ in range(CASE.pairs)]


def haechi_run() -> Callable[[], object]:
    from alignment.forward import Arithmetic
    from alignment.ppo import PpoTrainer, Prompt, critic_from, frozen_copy
    from alignment.recipe import recipe_of
    from alignment.reward import Scale, new_reward_model
    from alignment.scorers import ModelScorer

    arithmetic = Arithmetic(128, False, 0)
    policy = model_of(CASE)
    reward = new_reward_model(model_of(CASE), ("reward",), seed=0)
    scorer = ModelScorer(reward, Scale(("reward",), (0.0,), (1.0,)), "reward", arithmetic, batch=MICRO, standard=True)
    recipe = recipe_of(
        "ppo",
        "bench",
        {
            "optim.batch": CASE.pairs,
            "optim.micro_batch": MICRO,
            "optim.steps": 1,
            "optim.learning_rate": 3e-6,
            "ppo.answer_tokens": CASE.answer,
            "ppo.epochs": EPOCHS,
            "ppo.minibatches": CASE.pairs // MICRO,
        },
    )
    asked = [Prompt(i, tokens) for i, tokens in enumerate(prompts())]
    critic = critic_from(reward, quantities=1)
    trainer = PpoTrainer(policy, frozen_copy(policy), critic, scorer, asked, recipe, arithmetic, end=1)
    return lambda: trainer.step(0)


def trl_run(folder: str) -> Callable[[], object]:
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    from datasets import Dataset
    from transformers import Qwen3ForSequenceClassification
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    from alignment.models import new_tokenizer

    tokenizer = new_tokenizer(["a b c"], vocab=300)
    tokenizer.padding_side = "left"
    policy, reference = model_of(CASE), model_of(CASE)
    config = policy.config
    config.num_labels = 1
    judges = [Qwen3ForSequenceClassification(config) for _ in range(2)]
    rows = Dataset.from_list([{"input_ids": list(tokens)} for tokens in prompts()])
    settings = PPOConfig(
        output_dir=folder,
        per_device_train_batch_size=MICRO,
        gradient_accumulation_steps=CASE.pairs // MICRO,
        num_mini_batches=CASE.pairs // MICRO,
        num_ppo_epochs=EPOCHS,
        total_episodes=CASE.pairs,
        response_length=CASE.answer,
        local_rollout_forward_batch_size=MICRO,
        missing_eos_penalty=1.0,
        num_sample_generations=0,
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        save_strategy="no",
    )
    trainer = PPOTrainer(
        args=settings,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=judges[0],
        value_model=judges[1],
        train_dataset=rows,
        eval_dataset=rows,
    )
    return trainer.train


def child(side: str) -> None:
    import torch
    import transformers  # noqa: F401  # so that importing it counts on neither side

    torch.set_num_threads(1)
    torch.manual_seed(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        run = haechi_run() if side == "haechi" else trl_run(folder)
        start = time.process_time()
        run()
        took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": took, "peak_mb": peak / 1024, "above_start_mb": (peak - before) / 1024}))


def measure(side: str, peer: Path | None) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    if side == "trl" and peer is not None:
        environment["PYTHONPATH"] = str(peer)
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.alignment_ppo", "--child", side]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, help="folder with an unpacked trl 1.12 wheel")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", choices=("haechi", "trl"))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.child:
        child(args.child)
        return 0
    sides = ("haechi", "trl") if args.peer else ("haechi",)
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(args.repeats):
        for side in sides:
            runs[side].append(measure(side, args.peer))
    result: dict[str, Any] = {
        f"{side}_{name}": round(statistics.median(run[name] for run in runs[side]), 1)
        for side in sides
        for name in ("seconds", "peak_mb", "above_start_mb")
    }
    if args.peer:
        ratios = [t["seconds"] / h["seconds"] for h, t in zip(runs["haechi"], runs["trl"], strict=True)]
        result |= {"ratio": round(statistics.median(ratios), 2), "interval": [round(x, 2) for x in interval(ratios)]}
    result["load"] = os.getloadavg()[0]
    print(json.dumps(result), flush=True)
    report("PPO, 16 episodes of 32+32: CPU of a step", result["haechi_seconds"], "s")
    if args.peer:
        report("PPO: CPU of TRL 1.12 over ours", result["ratio"], "ratio", bar=2.0, better="higher")
        report("PPO: our peak memory over TRL's", result["haechi_peak_mb"] / result["trl_peak_mb"], "ratio", bar=0.5)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
