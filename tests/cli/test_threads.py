"""How many threads a command starts for arithmetic: none, unless somebody asks for them."""

from __future__ import annotations

import os
import subprocess
import sys

PRODUCT = """
from haechi.cli.main import main
main(["policy", "list"])
import numpy
import psutil
square = numpy.ones((600, 600))
square @ square
print(psutil.Process().num_threads())
"""


def threads(**environment: str) -> int:
    """Of a process that ran a command and multiplied two large matrices after it."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT], env=clean | environment, capture_output=True, text=True, check=True, timeout=60
    )
    return int(done.stdout.splitlines()[-1])


def test_a_command_keeps_numpy_to_one_thread_unless_it_is_told_otherwise() -> None:
    """Threads that wait for each other cost a gateway as much CPU as its work."""
    assert threads() == 1
    assert threads(OPENBLAS_NUM_THREADS="2") == min(2, os.cpu_count() or 1)
