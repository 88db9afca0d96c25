"""The side of `ppo.rollout = "vllm"` that runs where vLLM is installed: weights and prompts in, answers out.

vLLM pins versions of its own, so this file is started with the Python that has it, by path, and imports nothing of Haechi.
It reads one JSON object a line from standard input and writes one a line to what was standard output; whatever vLLM
prints goes to standard error. When its input ends, so does it: a trainer that was killed leaves no engine behind.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from typing import Any, TextIO

QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine lives in this process and ends with it
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the trainer computes on the same cores, at other times
}


class Engine:
    """vLLM with the weights of the last `update`. options: arguments of vLLM's `LLM`; reload: how to take new weights."""

    def __init__(self, options: dict[str, Any], *, reload: bool) -> None:
        self._options, self._reload = options, reload
        self._llm: Any = None

    def update(self, folder: str) -> dict[str, Any]:
        """Take the weights in a model folder: in place, or with an engine made anew."""
        if self._llm is not None and self._reload:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})
            return {}
        from vllm import LLM

        self._llm = None
        gc.collect()
        self._llm = LLM(model=folder, **self._options)
        return {}

    def sample(
        self, prompts: list[list[int]], seeds: list[int], *, tokens: int, temperature: float, end: int
    ) -> dict[str, Any]:
        """One answer to each prompt from the whole distribution, and the log-probabilities it was drawn with."""
        from vllm import SamplingParams

        asked = [
            SamplingParams(
                temperature=temperature,
                top_p=1.0,
                top_k=0,
                seed=seed,
                max_tokens=tokens,
                ignore_eos=True,
                stop_token_ids=[end],
                logprobs=0,  # of the drawn token alone
                detokenize=False,
            )
            for seed in seeds
        ]
        given = self._llm.generate([{"prompt_token_ids": prompt} for prompt in prompts], asked, use_tqdm=False)
        answers = [one.outputs[0] for one in given]
        return {
            "tokens": [list(answer.token_ids) for answer in answers],
            "logps": [
                [seen[token].logprob for token, seen in zip(answer.token_ids, answer.logprobs, strict=True)]
                for answer in answers
            ],
        }


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer requests until there are no more. The first one says what engine to make."""
    engine: Engine | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if engine is None:
                threads = request["threads"]
                if threads:
                    os.environ.update({"OMP_NUM_THREADS": str(threads)})
                engine = Engine(request["options"], reload=request["reload"])
                reply: dict[str, Any] = {}
            elif "folder" in request:
                reply = engine.update(request["folder"])
            else:
                reply = engine.sample(request.pop("prompts"), request.pop("seeds"), **request)
        except Exception as error:  # noqa: BLE001  # the other side says what happened, in the user's terms
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    os.environ.update(QUIET)
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.stdin, wire)
    os._exit(0)  # vLLM's threads are not waited for
