"""Find a model by what the operator called it, and load it.

Rules of this file
1. Weights are data: safetensors, or a torch file read with `weights_only`; code that comes with a model is never run.
2. A model that loads with weights missing is refused: the runtime would fill them with random numbers.
3. The hub is asked only for a hub name, and only for configuration, tokenizer and weights.
"""

from __future__ import annotations

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Both are read once, when the libraries are imported below. The second lets torch's threads sleep while they wait for
# each other: spinning, its default, cost two to five times the processor time once other work (a guard, the event loop, a second
# worker) wants the same cores.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as runtime_logging

from gateway.upstream.demo_model import DEMO_ID, demo_gguf
from gateway.upstream.errors import (
    CorruptWeights,
    HubUnreachable,
    ModelNotFound,
    NoChatTemplate,
    NotAModel,
    NotEnoughMemory,
    UnknownArchitecture,
    UnknownPrecision,
)
from gateway.upstream.local_convert import converted, fingerprint
from gateway.upstream.local_int8 import to_int8
from gateway.upstream.local_memory import available_memory, stored_weights
from gateway.upstream.precision import Precision

logger = logging.getLogger("haechi.gateway.model")

_HUB_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FROM_HUB: Final = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_VOCABULARIES: Final = ("tokenizer.json", "vocab.json", "tokenizer.model")
DEMO_SAMPLING: Final[Mapping[str, Any]] = {"do_sample": True, "temperature": 0.2, "top_p": 0.9}
"""What the makers of the demo model recommend."""


@dataclass(frozen=True, slots=True)
class Located:
    """A model folder on this machine. name: what it is called in answers. packed: it was made from quantised weights."""

    folder: Path
    name: str
    packed: bool = False


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to compute. precision: never AUTO."""

    model: Any
    tokenizer: Any
    name: str
    precision: Precision


def locate(model: str, data_dir: Path, tell: Callable[[str], None]) -> Located:
    """The folder for what the operator called the model: "" or "default", a hub name, a folder, a GGUF file.

    Raises:
        ModelNotFound, HubUnreachable, DemoModelMissing: it is not there.
        NotAModel, UnknownArchitecture, CorruptWeights, UnusableModelStore: a GGUF file that cannot be converted.
    """
    runtime_logging.disable_progress_bar()
    runtime_logging.set_verbosity_error()
    store = data_dir / "models"
    if model in {"", "default", DEMO_ID}:
        folder = converted(demo_gguf(), store, DEMO_ID, generation=DEMO_SAMPLING, tell=tell)
        return Located(folder, DEMO_ID, packed=True)
    path = Path(model).expanduser()
    if path.is_file() and path.suffix == ".gguf":
        name = f"{path.stem}-{fingerprint(path)[:12]}"
        return Located(converted(path, store, name, generation={}, tell=tell), path.stem, packed=True)
    if path.is_file():
        raise NotAModel(f"{path} is a file, but not a GGUF file", hint="name a .gguf file, or the folder of the model")
    if path.is_dir():
        # The folder of a finished training run stands for the model in it.
        inside = path / "model" if (path / "run.json").is_file() else path
        return Located(inside, path.resolve().name)
    if path.suffix == ".gguf" or model.startswith(("/", ".", "~")) or not _HUB_NAME.fullmatch(model):
        raise ModelNotFound(
            f"there is no model folder or file {model!r}",
            hint="check the path; a model on the hub has a name with a slash, such as Qwen/Qwen3-0.6B",
        )
    return Located(_from_hub(model, tell), model)


def _from_hub(name: str, tell: Callable[[str], None]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    tell(f"looking for {name} on the model hub; the first time it is fetched")
    try:
        return Path(snapshot_download(name, allow_patterns=_FROM_HUB))
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError) as error:
        raise HubUnreachable(
            f"{name} cannot be had from the model hub ({type(error).__name__})",
            hint="a hub name needs access to the hub, and the right spelling; without access give a folder: --model /path/to/model",
        ) from error


def load_model(located: Located, precision: Precision) -> LoadedModel:
    """Load a model folder into memory.

    Raises:
        NotAModel, UnknownArchitecture, CorruptWeights, NotEnoughMemory, NoChatTemplate, UnknownPrecision: see each.
    """
    folder = located.folder
    config = _configuration(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = automatic(device, packed=located.packed) if precision is Precision.AUTO else precision
    _check_memory(folder, chosen, device)
    tokenizer = _tokenizer(folder)
    model = _weights(folder, config, _dtype(chosen), device)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise CorruptWeights(
            f"the tokenizer in {folder} has more tokens than the model", hint="take both from the same model"
        )
    if chosen is Precision.INT8:
        to_int8(model)
    _try_out(model, folder, chosen)
    return LoadedModel(model, tokenizer, located.name, chosen)


def automatic(device: torch.device, *, packed: bool) -> Precision:
    """What `auto` means on a device.

    On a CPU, per core and for a 135 M model: bf16 reads a prompt three times as fast as fp32 and writes as fast or
    faster where the processor has bf16 instructions; int8 writes half as fast again but rounds the weights, so it is
    taken unasked only for weights that were quantised before (GGUF).
    """
    if device.type == "cuda":
        return Precision.BF16 if torch.cuda.is_bf16_supported() else Precision.FP16
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16")):
        return Precision.FP32
    return Precision.INT8 if packed else Precision.BF16


def _dtype(precision: Precision) -> torch.dtype:
    formats = {Precision.FP32: torch.float32, Precision.FP16: torch.float16}
    return formats.get(precision, torch.bfloat16)


def _configuration(folder: Path) -> Any:
    file = folder / "config.json"
    if not file.is_file():
        inside = sorted(path.name for path in folder.glob("*.gguf"))
        hint = (
            f"name the file: --model {folder / inside[0]}" if inside else "a model folder holds config.json and weights"
        )
        raise NotAModel(f"the folder {folder} has no config.json", hint=hint)
    try:
        given = json.loads(file.read_text("utf-8"))
        kind = given["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAModel(f"{file} does not describe a model", hint="fetch the model again") from error
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        known = type(config) in AutoModelForCausalLM._model_mapping
    except (ValueError, KeyError) as error:
        raise _unknown(str(kind), "auto_map" in given) from error
    except (TypeError, AttributeError, OSError) as error:
        raise NotAModel(f"{file} does not describe a model", hint="fetch the model again") from error
    except Exception as error:
        # The runtime checks values with a validator of its own, whose errors share no public base.
        if type(error).__module__.split(".")[0] in {"huggingface_hub", "transformers"}:
            raise NotAModel(f"{file} has values that no model can have", hint="fetch the model again") from error
        raise
    if not known:
        raise _unknown(str(kind), "auto_map" in given)
    return config


def _unknown(kind: str, own_code: bool) -> UnknownArchitecture:
    why = "; it brings its own code, which is never run" if own_code else ""
    return UnknownArchitecture(
        f"models of the kind {kind!r} cannot write text here{why}",
        hint="Qwen1.5, Qwen2, Qwen2.5 and Qwen3 text models (dense and mixture) can, and others of the installed transformers",
    )


def _check_memory(folder: Path, precision: Precision, device: torch.device) -> None:
    try:
        weights = stored_weights(folder)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptWeights(
            f"a weight file in {folder} is damaged or incomplete", hint="fetch the model again"
        ) from error
    if not weights:
        raise NotAModel(f"the folder {folder} has no weights", hint="it needs *.safetensors files beside config.json")
    # int8 is made from bf16: for a while the largest layer is there twice, and tied embeddings stay.
    needed = int(weights * (4 if precision is Precision.FP32 else 2) * 1.15)
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else available_memory()
    if free is not None and needed > free:
        smaller = " or a smaller precision" if precision is Precision.FP32 else ""
        raise NotEnoughMemory(
            f"the model needs about {needed >> 20} MiB as {precision}, and {free >> 20} MiB are free",
            hint=f"take a smaller model{smaller}, or free memory",
        )


def _tokenizer(folder: Path) -> Any:
    try:
        if not any((folder / name).is_file() for name in _VOCABULARIES):
            raise FileNotFoundError(folder)  # the runtime would make up an empty tokenizer
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoChatTemplate(
            f"the folder {folder} has no usable tokenizer", hint="it needs tokenizer.json and tokenizer_config.json"
        ) from error
    if not isinstance(tokenizer.chat_template, str):
        raise NoChatTemplate(
            f"the model in {folder} has no chat template, so it cannot take messages",
            hint="base models have none; take the Instruct or Chat model of the same name",
        )
    return tokenizer


def _weights(folder: Path, config: Any, dtype: torch.dtype, device: torch.device) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
            )
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise NotEnoughMemory("the model does not fit into memory", hint="take a smaller model or precision") from error
    except (SafetensorError, RuntimeError, OSError, ValueError, KeyError) as error:
        raise CorruptWeights(f"the weights in {folder} cannot be read", hint="fetch the model again") from error
    missing = sorted(report.get("missing_keys") or ())
    if missing or report.get("mismatched_keys"):
        raise CorruptWeights(
            f"the weights in {folder} are not those of its config.json ({len(missing)} missing)",
            hint="fetch the model again; take configuration and weights from the same model",
        )
    return model.eval().to(device)


def _try_out(model: Any, folder: Path, precision: Precision) -> None:
    """One step of the model: weights that are not numbers, or a format that the machine cannot compute in, show here."""
    with torch.inference_mode():
        try:
            logits = model(input_ids=torch.tensor([[0, 1]], device=model.device)).logits
        except (RuntimeError, NotImplementedError) as error:
            raise UnknownPrecision(f"this machine cannot compute the model as {precision}", hint="try fp32") from error
    if not bool(torch.isfinite(logits).all()):
        raise CorruptWeights(
            f"the model in {folder} computes no numbers as {precision}", hint="try --precision fp32, or fetch it again"
        )
