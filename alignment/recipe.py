"""Recipes: one TOML file says everything about a run, and every value in it is described and checked here.

The dataclasses below are the table: name, default, unit, help and bounds of each value. A recipe file may hold
`[for.dpo.optim]`-like tables whose values count for that kind of run only. Later wins: defaults, file, `for`, --set.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

from haechi.base.errors import InvalidSetting, UnknownSetting, UnreadableInput, nearest
from haechi.base.settings import Kind, Setting, Value, parse

SHIPPED = Path(__file__).resolve().parent / "recipes"
KINDS = ("sft", "reward", "dpo", "ppo")
T = TypeVar("T")


def _value(
    default: Value,
    text: str,
    *,
    unit: str = "",
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
) -> Any:
    return field(default=default, metadata={"help": text, "unit": unit, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True, slots=True)
class RunValues:
    """Where and how a run runs."""

    output: str = _value("", "folder of the run; empty: runs/<kind>-<recipe>")
    seed: int = _value(0, "the same seed on the same machine gives the same weights, bit for bit", low=0, high=2**31)
    threads: int = _value(0, "threads for arithmetic; 0 leaves the default", low=0, high=1024)
    precision: str = _value("fp32", "arithmetic of the layers; weights stay fp32", choices=("fp32", "bf16"))
    device: str = _value(
        "auto", "where to compute; auto takes a GPU when there is one", choices=("auto", "cpu", "cuda")
    )
    backend: str = _value(
        "own", "who trains: our trainers, or TRL's (sft, reward, dpo; also several processes)", choices=("own", "trl")
    )
    save_every: int = _value(100, "a checkpoint after so many steps; the last step always has one", unit="steps", low=1)
    keep: int = _value(2, "finished checkpoints to keep", low=1, high=1000)
    track: str = _value(
        "none",
        "tracker to follow the run in, written into its folder; metrics.jsonl is there anyway",
        choices=("none", "tensorboard", "trackio", "wandb"),
    )


@dataclass(frozen=True, slots=True)
class ModelValues:
    """The model to start from."""

    path: str = _value(
        "new", "a folder, a run, a locally cached hub name, or `new` for a tiny model with random weights"
    )
    chat_template: str = _value("", "Jinja file that replaces the model's own chat template")
    thinking: bool = _value(False, "let the template open a thinking part (Qwen 3)")
    gradient_checkpointing: bool = _value(False, "compute activations twice to save memory")
    family: str = _value("qwen3", "architecture of a new model", choices=("qwen2", "qwen3", "qwen3_moe"))
    hidden: int = _value(64, "width of a new model", low=8, high=8192)
    layers: int = _value(2, "layers of a new model", low=1, high=128)
    heads: int = _value(4, "attention heads of a new model", low=1, high=128)
    vocab: int = _value(600, "most tokens of a new model's tokenizer", low=260, high=200_000)
    experts: int = _value(4, "experts per layer of a new mixture model", low=2, high=512)
    router_loss: float = _value(
        0.001, "weight of the router's balancing loss (mixtures of experts only)", low=0, high=1
    )


@dataclass(frozen=True, slots=True)
class LoraValues:
    """The adapter."""

    rank: int = _value(0, "rank of the adapter; 0 trains all weights", low=0, high=1024)
    alpha: int = _value(16, "scale of the adapter, divided by the rank", low=1, high=4096)
    dropout: float = _value(0.0, "dropout before the adapter", low=0, high=0.9)
    bits: int = _value(
        0, "bits of the frozen weights: 4 or 8 with bitsandbytes (QLoRA), 0 keeps them whole", low=0, high=8
    )
    targets: str = _value("all-linear", "comma-separated module names, or all-linear")


@dataclass(frozen=True, slots=True)
class DataValues:
    """The rows."""

    train: str = _value("demo", "file of rows (.jsonl, .jsonl.gz, .parquet) or `demo`, a small generated set")
    held_out: str = _value("", "file of rows to measure on; empty: a share of the training prompts")
    held_out_share: float = _value(0.1, "share of prompts held out when there is no file", low=0, high=0.9)
    max_tokens: int = _value(1024, "most tokens of prompt and answer together", unit="tokens", low=8, high=1_000_000)
    too_long: str = _value(
        "refuse", "what happens to longer rows, on both sides alike", choices=("refuse", "trim_prompt")
    )
    max_refused: float = _value(0.1, "stop when a larger share of rows is refused", low=0, high=1)
    consent: bool = _value(False, 'refuse rows without "consent": true')


@dataclass(frozen=True, slots=True)
class OptimValues:
    """AdamW and the size of a step."""

    steps: int = _value(100, "optimiser steps (PPO: rollouts)", unit="steps", low=1, high=100_000_000)
    batch: int = _value(16, "rows per step (PPO: prompts per rollout)", unit="rows", low=1, high=1_000_000)
    micro_batch: int = _value(8, "rows computed at once; gradients add up to those of the batch", unit="rows", low=1)
    learning_rate: float = _value(1e-5, "peak learning rate", low=0, high=1)
    warmup_steps: int = _value(0, "steps of linear warm-up", unit="steps", low=0)
    schedule: str = _value("cosine", "after warm-up", choices=("constant", "linear", "cosine"))
    weight_decay: float = _value(0.0, "decoupled weight decay, on matrices only", low=0, high=1)
    beta1: float = _value(0.9, "AdamW's first moment", low=0, high=0.9999)
    beta2: float = _value(0.999, "AdamW's second moment", low=0, high=0.999999)
    epsilon: float = _value(1e-8, "AdamW's epsilon; PPO's original recipe used 1e-5", low=1e-16, high=1)
    max_grad_norm: float = _value(1.0, "gradients are scaled down to this norm", low=1e-6)
    logit_chunk: int = _value(128, "positions whose logits exist at once", unit="tokens", low=1, high=1_000_000)
    share_prompts: str = _value(
        "auto", "compute a prompt once for all its answers", choices=("auto", "always", "never")
    )


@dataclass(frozen=True, slots=True)
class RewardValues:
    """The reward model."""

    heads: str = _value(
        "reward", "comma-separated heads; rows name theirs in `head`; the head `cost` is trained as a cost"
    )
    centring: float = _value(0.01, "weight of (r_chosen + r_rejected)^2, which fixes the zero point", low=0, high=10)
    margin: bool = _value(True, "use the rows' `margin`")
    layers: int = _value(
        0, "lowest layers of the body to keep, the others are dropped; 0 keeps all", unit="layers", low=0, high=1000
    )
    read: str = _value(
        "end",
        "where an answer's score is read: at its end token, as a mean over the answer, or both with weights of their own",
        choices=("end", "mean", "both"),
    )
    body: str = _value(
        "train",
        "frozen: only the heads learn, from states that are computed once; they are solved, so optim.steps, batch and rate play no part",
        choices=("train", "frozen"),
    )
    states: str = _value(
        "",
        "folder for the states of a frozen body, to share between runs over the same rows; empty: in the run's folder",
    )


@dataclass(frozen=True, slots=True)
class DpoValues:
    """Direct preference optimisation."""

    loss: str = _value(
        "sigmoid", "which loss", choices=("sigmoid", "sigmoid_norm", "ipo", "cdpo", "robust", "simpo", "orpo")
    )
    beta: float = _value(0.1, "pull to the reference (SimPO: about 2; ORPO: weight of the odds)", low=1e-6, high=100)
    smoothing: float = _value(0.0, "probability that a label is wrong (cdpo, robust)", low=0, high=0.49)
    gap: float = _value(0.5, "SimPO's target margin", low=0, high=100)
    sft: float = _value(0.0, "weight of the chosen answer's negative log-likelihood", low=0, high=100)
    displacement_alarm: float = _value(
        0.5, "warn when chosen answers lose this much against the reference", unit="nats per token", low=0, high=100
    )
    watch_prompts: int = _value(
        8, "held-out prompts answered at the end to measure KL and length; 0: none", unit="prompts", low=0, high=10_000
    )
    watch_tokens: int = _value(48, "longest of these answers", unit="tokens", low=1, high=100_000)
    kl_alarm: float = _value(20.0, "warn when their KL to the reference exceeds this", unit="nats per answer", low=0)


@dataclass(frozen=True, slots=True)
class PpoValues:
    """Proximal policy optimisation."""

    reward: str = _value("", "who scores answers: a reward run, a model folder, or guard:POLICY")
    cost: str = _value(
        "", "who scores harm: a reward run (head `cost`, or the only one) or guard:POLICY; empty: no constraint"
    )
    watch: str = _value(
        "", "a second judge that is logged and never optimised, to notice reward hacking: a run or guard:POLICY"
    )
    estimator: str = _value(
        "gae", "gae: with a critic; rloo, grpo: answers to a prompt against each other", choices=("gae", "rloo", "grpo")
    )
    group: int = _value(4, "answers per prompt (rloo, grpo)", unit="answers", low=2, high=1024)
    rollout: str = _value(
        "own",
        "who draws the answers: our sampler, or vLLM, which gets the weights before every rollout",
        choices=("own", "vllm"),
    )
    vllm_python: str = _value("", "Python of the environment that has vLLM; empty: the one that trains")
    cost_limit: float = _value(0.0, "highest mean cost allowed")
    cost_rate: float = _value(0.1, "step of the Lagrange multiplier in log space", low=0, high=10)
    cost_start: float = _value(1.0, "first value of the Lagrange multiplier", low=1e-4, high=1000)
    cost_highest: float = _value(20.0, "highest value of the Lagrange multiplier", low=1e-4, high=1e6)
    answer_tokens: int = _value(64, "most tokens of an answer", unit="tokens", low=1, high=1_000_000)
    prompt_tokens: int = _value(512, "longer prompts are set aside", unit="tokens", low=1, high=1_000_000)
    temperature: float = _value(1.0, "of sampling; the ratio uses the same", low=0.01, high=10)
    epochs: int = _value(4, "passes over each rollout", low=1, high=100)
    minibatches: int = _value(1, "optimiser steps per pass", low=1, high=1024)
    clip: float = _value(0.2, "of the probability ratio", low=0, high=10)
    value_clip: float = _value(0.2, "of the value's move; 0 switches it off", low=0, high=1000)
    value_weight: float = _value(0.1, "weight of the value loss", low=0, high=100)
    critic_rate: float = _value(0.0, "learning rate of the critic; 0: the policy's", low=0, high=1)
    critic_warmup: int = _value(0, "rollouts that train the critic alone", unit="steps", low=0)
    gamma: float = _value(1.0, "discount per token", low=0, high=1)
    lam: float = _value(0.95, "lambda of generalised advantage estimation", low=0, high=1)
    kl: float = _value(0.05, "first price of a nat of KL to the reference", low=0, high=100)
    kl_target: float = _value(0.0, "steer the price to this KL; 0 keeps it fixed", unit="nats per answer", low=0)
    kl_horizon: float = _value(10_000, "answers over which the price adapts", unit="answers", low=1)
    kl_estimate: str = _value("k1", "estimate in the reward; k1 is unbiased there", choices=("k1", "k3"))
    whiten_rewards: bool = _value(False, "scale rewards to unit variance, mean kept")
    no_end_penalty: float = _value(1.0, "taken off the score of an answer that does not end", low=0, high=1000)
    kl_alarm: float = _value(20.0, "warn when the KL to the reference exceeds this", unit="nats per answer", low=0)
    max_mismatch: float = _value(1.05, "stop when mean exp|log p trained - log p sampled| is above", low=1, high=100)


_SECTIONS: dict[str, type[Any]] = {
    "run": RunValues,
    "model": ModelValues,
    "lora": LoraValues,
    "data": DataValues,
    "optim": OptimValues,
    "reward": RewardValues,
    "dpo": DpoValues,
    "ppo": PpoValues,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Checked values of a run. `kind` is one of KINDS, `name` the recipe's file name without suffix."""

    kind: str
    name: str
    run: RunValues
    model: ModelValues
    lora: LoraValues
    data: DataValues
    optim: OptimValues
    reward: RewardValues
    dpo: DpoValues
    ppo: PpoValues

    @property
    def output(self) -> Path:
        """The run's folder."""
        return Path(self.run.output or f"runs/{self.kind}-{self.name}")

    def values(self) -> dict[str, Value]:
        """Every value by its dotted name."""
        return {f"{s}.{f.name}": getattr(getattr(self, s), f.name) for s, c in _SECTIONS.items() for f in fields(c)}

    def digest(self) -> str:
        """SHA-256 over everything that shapes the weights: not the output folder, nor what is only saved or watched."""
        idle = {
            "run.output",
            "run.save_every",
            "run.keep",
            "run.track",
            "reward.states",
            "ppo.vllm_python",
            "dpo.watch_prompts",
            "dpo.watch_tokens",
        }
        idle |= {"dpo.displacement_alarm", "dpo.kl_alarm", "ppo.kl_alarm", "ppo.watch"}
        shaping = {name: value for name, value in self.values().items() if name not in idle}
        return "sha256:" + hashlib.sha256(json.dumps([self.kind, shaping], sort_keys=True).encode()).hexdigest()


def table() -> tuple[Setting, ...]:
    """Every value a recipe may hold."""
    return tuple(_setting(section, entry) for section, cls in _SECTIONS.items() for entry in fields(cls))


def reference() -> str:
    """The table in Markdown, as docs/alignment.md holds it."""
    lines = ["| value | default | takes | meaning |", "|---|---|---|---|"]
    for s in table():
        shown = f"`{as_written(s.default)}`" if s.default != "" else ""
        takes = s.allowed.replace("|", "/") + (f", {s.unit}" if s.unit else "")
        lines.append(f"| `{s.name}` | {shown} | {takes} | {s.help} |")
    return "\n".join(lines)


def load_recipe(kind: str, source: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe for a kind of run.

    source: the name of a shipped recipe, or a path.
    settings: `name=value` texts that win over the file.

    Raises:
        UnreadableInput: no such recipe, or not TOML.
        UnknownSetting, InvalidSetting: a name that is none, or a value out of bounds, with the place.
    """
    path = _find(source)
    try:
        entries = dict(_flat(tomllib.loads(path.read_text("utf-8"))))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnreadableInput(f"cannot read the recipe {path}: {error}") from error
    known = {setting.name: setting for setting in table()}
    values = {name: setting.default for name, setting in known.items()}
    layers: tuple[dict[str, object], dict[str, object]] = ({}, {})
    for name, entry in entries.items():
        bare, only = _for(name, str(path))
        if bare not in known:
            raise UnknownSetting(bare, known, where=str(path))
        parsed = parse(known[bare], as_written(entry), where=f"{path}: {name}")
        if only in ("", kind):
            layers[bool(only)][bare] = parsed
    for layer in layers:
        values.update(cast("dict[str, Value]", layer))
    for text in settings:
        name, sign, given = text.partition("=")
        if not sign:
            raise InvalidSetting(f"--set {text}: not of the form name=value", hint="for example --set optim.steps=10")
        if name.strip() not in known:
            raise UnknownSetting(name.strip(), known, where="--set")
        values[name.strip()] = parse(known[name.strip()], given.strip(), where="--set")
    return recipe_of(kind, path.stem, values)


def recipe_of(kind: str, name: str, values: Mapping[str, Value]) -> Recipe:
    """A recipe from checked values by dotted name; the defaults for those not given."""
    built = {
        section: cls(**{f.name: values.get(f"{section}.{f.name}", f.default) for f in fields(cls)})
        for section, cls in _SECTIONS.items()
    }
    return Recipe(kind=kind, name=name, **built)


def shipped() -> tuple[str, ...]:
    """Names of the recipes that ship with Haechi."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def _find(source: str) -> Path:
    path = Path(source)
    if path.suffix == ".toml" or path.exists():
        return path
    shipped_path = SHIPPED / f"{source}.toml"
    if not shipped_path.is_file():
        raise UnreadableInput(
            f"there is no recipe {source!r}",
            hint=f"{nearest(source, shipped())} A recipe of your own is a path that ends in .toml",
        )
    return shipped_path


def _flat(tree: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, entry in tree.items():
        if isinstance(entry, Mapping):
            yield from _flat(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry


def _for(name: str, where: str) -> tuple[str, str]:
    """A dotted name without its `for.<kind>.` part, and the kind (empty: every kind)."""
    if not name.startswith("for."):
        return name, ""
    _, only, bare = [*name.split(".", 2), "", ""][:3]
    if only not in KINDS:
        raise UnknownSetting(f"for.{only}", [f"for.{kind}" for kind in KINDS], where=where)
    return bare, only


def as_written(entry: object) -> str:
    """A value as a recipe or --set writes it, text without its quotes."""
    return str(entry).lower() if isinstance(entry, bool) else str(entry)


def _setting(section: str, entry: Field[Any]) -> Setting:
    meta = entry.metadata
    kinds = {bool: Kind.FLAG, int: Kind.INTEGER, float: Kind.NUMBER, str: Kind.TEXT}
    annotated = {"bool": bool, "int": int, "float": float, "str": str}[str(entry.type)]
    kind = Kind.CHOICE if meta["choices"] else kinds[annotated]
    return Setting(
        f"{section}.{entry.name}",
        cast("Value", entry.default),
        meta["unit"],
        meta["help"],
        kind,
        meta["low"],
        meta["high"],
        meta["choices"],
    )
