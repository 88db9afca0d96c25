"""Serve a released run and ask it something with the stock client; then alter one byte and see it refused.

Usage: python ask.py RUN KEY.pub
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import openai

run, key = Path(sys.argv[1]), sys.argv[2]
data = run.parent / "gateway"


def serve(model: Path) -> subprocess.Popen[str]:
    """`haechi serve` on a free port, for a model that has to be released."""
    options = ["--model", str(model), "--require-release", "--release-key", key, "--data-dir", str(data), "--port", "0"]
    command = [sys.executable, "-m", "haechi", "serve", "--json", *options]
    environment = {**os.environ, "HAECHI_API_KEY": "example-key-of-the-walk-through"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


gateway = serve(run)
assert gateway.stdout is not None
ready = json.loads(gateway.stdout.readline())
with openai.OpenAI(base_url=ready["address"] + "/v1", api_key="example-key-of-the-walk-through") as client:
    for question in ("Tell me about tea.", "빵에 대해 알려 주세요.", "请介绍一下面包。"):
        answer = client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": question}], max_tokens=32, temperature=0
        )
        print(f"{question}\n  {answer.choices[0].message.content}")
gateway.terminate()
print("the gateway stopped with", gateway.wait())

altered = run.parent / "altered"
shutil.rmtree(altered, ignore_errors=True)
shutil.copytree(run / "model", altered)
weights = bytearray((altered / "model.safetensors").read_bytes())
weights[-1] ^= 1
(altered / "model.safetensors").write_bytes(bytes(weights))
refused = serve(altered)
refused.communicate()
print("with one bit changed it is refused with", refused.returncode)
sys.exit(0 if refused.returncode == 1 else 1)
