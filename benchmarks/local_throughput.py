"""How fast a model inside the gateway writes: by precision, and by how many answers are under way.

The embedded demo model is measured, with as many threads as torch takes by itself. Tokens per second of wall time on
a shared machine only inform; what must hold are ratios within one run: answers written together share the cost of
reading the weights, and the event loop is not held up.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import report
from gateway.upstream.local import LocalUpstream

TOKENS = 48
"""Written per answer; the model's own end of answer is ignored."""
TOGETHER = (1, 4, 8)
PRECISIONS = ("fp32", "bf16", "int8")
PROMPT = "Explain why the sky is blue, as if to a child, and then to a physicist. "


def body(words: int = 1, tokens: int = TOKENS) -> dict[str, object]:
    """A request that writes exactly that many tokens."""
    messages = [{"role": "user", "content": PROMPT * words}]
    return {"messages": messages, "temperature": 0, "max_tokens": tokens, "ignore_eos": True}


async def written(upstream: LocalUpstream, together: int) -> tuple[float, float]:
    """Tokens per second of wall time and of processor time, all answers of one burst counted."""
    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(together):
            group.create_task(upstream.complete(body()))
    tokens = together * TOKENS
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - cpu)


async def read(upstream: LocalUpstream) -> float:
    """Prompt tokens per second of processor time."""
    cpu = time.process_time()
    answer = await upstream.complete(body(words=40, tokens=1))
    return float(answer["usage"]["prompt_tokens"] / (time.process_time() - cpu))


async def longest_gap(upstream: LocalUpstream) -> float:
    """99th percentile, in ms, of the time between two turns of a coroutine that sleeps 5 ms, beside three answers."""
    gaps = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(upstream.complete(body())) for _ in range(3)]
        last = time.perf_counter()
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - last)
            last += gaps[-1]
    return sorted(gaps)[int(len(gaps) * 0.99)] * 1_000


async def measure(upstream: LocalUpstream) -> None:
    """All figures of one precision."""
    name = str(upstream.precision)
    await upstream.complete(body(tokens=4))
    report(f"local {name}: prompt tokens read", await read(upstream), "tokens/CPU s", better="higher")
    alone = 0.0
    for together in TOGETHER:
        # The better of two, because other work on the machine only ever slows down.
        wall, cpu = map(max, zip(*[await written(upstream, together) for _ in range(2)], strict=True))
        report(f"local {name}: tokens written, {together} at once", wall, "tokens/s", better="higher")
        report(f"local {name}: tokens written, {together} at once", cpu, "tokens/CPU s", better="higher")
        alone = alone or cpu
        if together == 4:
            bar = 1.8 if name == "bf16" else None
            report(f"local {name}: 4 at once to 1", cpu / alone, "ratio of tokens/CPU s", bar=bar, better="higher")
    report(f"local {name}: event loop gap, p99 beside 3 answers", await longest_gap(upstream), "ms", bar=50.0)
    await upstream.aclose()


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="haechi-bench-") as folder:
        for place, precision in enumerate(PRECISIONS):
            cpu = time.process_time()
            upstream = LocalUpstream.load(
                "", precision=precision, data_dir=Path(folder), tell=lambda line: print(line, file=sys.stderr)
            )
            start = "first start, with conversion" if not place else "later start"
            report(f"local {precision}: {start}", time.process_time() - cpu, "CPU s")
            asyncio.run(measure(upstream))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
