"""A GGUF file as a folder of safetensors, made once: reading GGUF takes 13 to 60 seconds, the folder under one.

Rules of this file
1. A converted folder appears under its name only when it is complete (made beside it, then renamed).
2. One process converts at a time; the others wait for it and use what it made. The lock dies with its holder.
3. The folder's name says which file it was made from, so a changed file is converted again.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import logging
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any, Final

from gateway.upstream.errors import CorruptWeights, NotAModel, UnknownArchitecture, UnusableModelStore
from haechi.base.errors import MissingExtra

logger = logging.getLogger("haechi.gateway.model")

MARK: Final = "converted.json"
FORM: Final = 1
"""Raised when a new release converts differently."""
LONGEST_WAIT_S: Final = 1_800.0
_EDGE: Final = 1 << 20
"""Bytes at both ends of the file that its fingerprint covers, besides its length."""


_STUMBLES: Final = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError, struct.error
)  # fmt: skip
"""What the runtime's reader of GGUF raises on damaged files; it checks little before it computes with what it read."""


def fingerprint(gguf: Path) -> str:
    """Tells one GGUF file from another without reading gigabytes: length, beginning and end."""
    size = gguf.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with gguf.open("rb") as file:
        digest.update(file.read(_EDGE))
        file.seek(max(0, size - _EDGE))
        digest.update(file.read(_EDGE))
    return digest.hexdigest()


def converted(
    gguf: Path, store: Path, name: str, *, generation: Mapping[str, Any], tell: Callable[[str], None]
) -> Path:
    """The folder made from a GGUF file, converting it first where that has not been done.

    store: folder for converted models, made if missing. name: what the folder is called.
    generation: sampling defaults written beside the weights. tell: hears what takes long.

    Raises:
        NotAModel, UnknownArchitecture, CorruptWeights: the file is not GGUF, of an unknown kind, or damaged.
        UnusableModelStore: the store cannot be written.
    """
    target = store / name
    try:
        made_from = fingerprint(gguf)
        if _is_made(target, made_from):
            return target
        check_magic(gguf)
        store.mkdir(parents=True, exist_ok=True)
        with _locked(store, tell):
            if not _is_made(target, made_from):
                _make(gguf, target, made_from, generation, tell)
    except OSError as error:
        raise UnusableModelStore(
            f"cannot write the converted model to {store}: {error.strerror or error}",
            hint="give a data folder that can be written and has room: --data-dir DIR",
        ) from error
    return target


def check_magic(gguf: Path) -> None:
    """Raises NotAModel when the file does not begin as GGUF does."""
    with gguf.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise NotAModel(f"{gguf} is not a GGUF file", hint="name a .gguf file, a model folder or a hub name")


def _is_made(target: Path, made_from: str) -> bool:
    try:
        mark = json.loads((target / MARK).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(mark == {"form": FORM, "from": made_from})


@contextmanager
def _locked(store: Path, tell: Callable[[str], None]) -> Iterator[None]:
    deadline = time.monotonic() + LONGEST_WAIT_S
    told = False
    with (store / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise UnusableModelStore(
                        f"another process has held {store / '.lock'} for too long",
                        hint="end it, or use another data folder",
                    ) from None
                if not told:
                    tell("another process is converting the model; waiting for it")
                    told = True
                time.sleep(0.2)
        yield


def _make(gguf: Path, target: Path, made_from: str, generation: Mapping[str, Any], tell: Callable[[str], None]) -> None:
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    # Unpacked to two bytes a weight; the smallest GGUF formats hold about two bits.
    needed = gguf.stat().st_size * 4
    if shutil.disk_usage(target.parent).free < needed:
        raise UnusableModelStore(
            f"converting {gguf.name} needs about {needed >> 20} MiB in {target.parent}",
            hint="free some space, or use another data folder: --data-dir DIR",
        )
    tell(f"converting {gguf.name} once; this takes some seconds")
    try:
        partial.mkdir(parents=True)
        with redirect_stderr(io.StringIO()):  # the runtime draws progress bars there that cannot be switched off
            _write_model(gguf, partial, generation)
        (partial / MARK).write_text(json.dumps({"form": FORM, "from": made_from}), "utf-8")
        for file in partial.iterdir():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_model(gguf: Path, folder: Path, generation: Mapping[str, Any]) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig

    where = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, **where, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
        )
    except ImportError as error:
        raise MissingExtra(f"reading {gguf.name}", "local") from error
    except _STUMBLES as error:
        text = str(error)
        if "architecture" in text.lower() or isinstance(error, NotImplementedError):
            raise UnknownArchitecture(
                f"{gguf.name} holds a model of a kind that cannot be loaded", hint="use the model's safetensors folder"
            ) from error
        cause = next(iter(text.splitlines()), type(error).__name__)
        raise CorruptWeights(
            f"{gguf.name} cannot be read, most likely because it is damaged ({cause})", hint="fetch it again"
        ) from error
    if generation:
        known = model.generation_config.to_dict()
        model.generation_config = GenerationConfig.from_dict({**known, **generation})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
