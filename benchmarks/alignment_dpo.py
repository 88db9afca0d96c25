"""DPO against TRL: CPU seconds per pair and peak memory, same weights, rows, order and arithmetic.

    python -m benchmarks.alignment_dpo [--repeats 5] [--case 64+32] [--json FILE]

Protocol: random Qwen 3 weights with the real vocabulary; fp32, one thread, gradient of a whole batch (no optimiser step),
reference log-probabilities precomputed on both sides; every measurement in a process of its own, A B A B ...; the first
call of a process is not counted; equality of loss and gradient norm is asserted before any time is printed. The unit is
pairs, because sharing a prompt removes tokens. Ratios come with a bootstrap 95 % interval. Cases we lose are printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import report

VOCAB = 151_936


@dataclass(frozen=True)
class Case:
    """A model and a batch."""

    name: str
    layers: int
    hidden: int
    prompt: int
    answer: int
    pairs: int


CASES = (
    Case("64+32", 4, 256, 64, 32, 4),
    Case("256+64", 4, 256, 256, 64, 2),
    Case("512+64-12x512", 12, 512, 512, 64, 2),
    Case("8+64", 4, 256, 8, 64, 4),
)
SIDES = ("haechi", "trl")
FASTER = {"64+32": 4.0, "256+64": 6.0}
LEANER = {"512+64-12x512": 0.6}


def model_of(case: Case) -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=case.hidden,
        intermediate_size=2 * case.hidden,
        num_hidden_layers=case.layers,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=case.hidden // 8,
        tie_word_embeddings=True,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        attn_implementation="sdpa",
    )
    return Qwen3ForCausalLM(config)


def rows_of(case: Case) -> list[Any]:
    import torch

    from alignment.data.encode import EncodedPair

    gen = torch.Generator().manual_seed(1)

    def run(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(2, VOCAB, (n,), generator=gen).tolist())

    return [EncodedPair(i, run(case.prompt), run(case.answer), run(case.answer)) for i in range(case.pairs)]


def haechi_step(case: Case) -> Any:
    from alignment.dpo import PreferenceObjective
    from alignment.forward import Arithmetic
    from alignment.recipe import recipe_of

    model, items = model_of(case), rows_of(case)
    recipe = recipe_of("dpo", "bench", {"dpo.beta": 0.1, "optim.micro_batch": case.pairs})
    reference = {item.line: (-100.0, -101.0) for item in items}
    objective = PreferenceObjective(model, Arithmetic(recipe.optim.logit_chunk, False, 0), recipe, reference)

    def step() -> float:
        model.zero_grad(set_to_none=True)
        loss = objective.loss(items).total / len(items)
        loss.backward()
        return float(loss)

    return model, step


def trl_step(case: Case) -> Any:
    import torch
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from alignment.models import new_tokenizer

    model, items = model_of(case), rows_of(case)
    config = DPOConfig(
        output_dir=".",
        beta=0.1,
        report_to="none",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=10**9,
    )
    rows = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    # The reference is never run (its log-probabilities are given), so a small stand-in keeps it out of the memory figure.
    reference = model_of(Case("", 1, 8, 1, 1, 1))
    trainer = DPOTrainer(
        model, reference, args=config, train_dataset=rows, processing_class=new_tokenizer(["a b c"], vocab=300)
    )
    trainer.precompute_ref_logps = True
    both = [*((i.prompt, i.chosen) for i in items), *((i.prompt, i.rejected) for i in items)]
    ids = torch.tensor([[*p, *a] for p, a in both])
    mask = torch.tensor([[0] * len(p) + [1] * len(a) for p, a in both])
    batch = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": mask,
        "ref_chosen_logps": torch.full((len(items),), -100.0),
        "ref_rejected_logps": torch.full((len(items),), -101.0),
    }

    def step() -> float:
        model.zero_grad(set_to_none=True)
        loss = trainer.compute_loss(model, dict(batch))
        loss.backward()
        return float(loss)

    return model, step


def child(side: str, name: str, calls: int) -> None:
    """Measure one side of one case and print it."""
    import torch

    torch.set_num_threads(1)
    case = next(c for c in CASES if c.name == name)
    model, step = haechi_step(case) if side == "haechi" else trl_step(case)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    loss = step()
    norm = float(torch.sqrt(sum((p.grad.double() ** 2).sum() for p in model.parameters() if p.grad is not None)))
    took = []
    for _ in range(calls):
        start = time.process_time()
        step()
        took.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps({"loss": loss, "norm": norm, "seconds": min(took) / case.pairs, "peak_mb": (peak - before) / 1024})
    )


def measure(side: str, case: Case, calls: int) -> dict[str, float]:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.alignment_dpo",
        "--child",
        side,
        "--case",
        case.name,
        "--calls",
        str(calls),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def interval(ratios: list[float]) -> tuple[float, float]:
    """Bootstrap 95 % interval of the median."""
    import numpy as np

    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), [2.5, 97.5])
    return float(low), float(high)


def compare(case: Case, repeats: int, calls: int) -> dict[str, Any]:
    runs: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side in SIDES:
            runs[side].append(measure(side, case, calls))
    ours, theirs = runs["haechi"][0], runs["trl"][0]
    for name in ("loss", "norm"):
        assert abs(ours[name] - theirs[name]) <= 1e-4 * abs(theirs[name]), (name, ours[name], theirs[name])
    ratios = [t["seconds"] / h["seconds"] for h, t in zip(runs["haechi"], runs["trl"], strict=True)]
    return {
        "case": case.name,
        "haechi_cpu_s_per_pair": round(statistics.median(r["seconds"] for r in runs["haechi"]), 4),
        "trl_cpu_s_per_pair": round(statistics.median(r["seconds"] for r in runs["trl"]), 4),
        "ratio": round(statistics.median(ratios), 2),
        "interval": [round(x, 2) for x in interval(ratios)],
        "haechi_peak_mb": round(statistics.median(r["peak_mb"] for r in runs["haechi"])),
        "trl_peak_mb": round(statistics.median(r["peak_mb"] for r in runs["trl"])),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=[c.name for c in CASES])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2)
    parser.add_argument("--child", choices=SIDES)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.case, args.calls)
        return 0
    results = []
    for case in CASES:
        if args.case in (None, case.name):
            results.append({**compare(case, args.repeats, args.calls), "load": os.getloadavg()[0]})
            print(json.dumps(results[-1]), flush=True)
            name, found = f"DPO {case.name}", results[-1]
            report(
                f"{name}: CPU of TRL 1.16 over ours",
                found["ratio"],
                "ratio",
                bar=FASTER.get(case.name),
                better="higher",
            )
            share = found["haechi_peak_mb"] / found["trl_peak_mb"]
            report(f"{name}: our peak memory over TRL's", share, "ratio", bar=LEANER.get(case.name))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
