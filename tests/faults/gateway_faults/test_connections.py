"""Clients that never finish asking: bounded in bytes and in time before a request even exists."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from benchmarks.gateway_stub import Stub
from gateway.protocol import BoundedProtocol


class Impatient(BoundedProtocol):
    """The same protocol with a shorter patience, so that the test is quick."""

    head_s = 0.4


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    config = uvicorn.Config(
        Stub(), host="127.0.0.1", port=0, http=Impatient, loop="uvloop", log_level="error", ws="none"
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join(10)


def answer_to(address: tuple[str, int], pieces: list[bytes], *, pause_s: float = 0.0) -> bytes:
    """Everything the server says until it closes."""
    with socket.create_connection(address, timeout=5) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough, which is what is tested
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            pass
        return received


REQUEST = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_an_ordinary_request_is_served(address: tuple[str, int]) -> None:
    """Whole, or in pieces that come in time."""
    assert b" 200 " in answer_to(address, [REQUEST])
    assert b" 200 " in answer_to(address, [REQUEST[:20], REQUEST[20:]], pause_s=0.05)


def test_endless_headers_are_cut_off(address: tuple[str, int]) -> None:
    """The connection is closed long before the memory is full."""
    flood = [b"GET / HTTP/1.1\r\n", *[b"x-%d: y\r\n" % i * 1000 for i in range(200)]]
    assert b" 200 " not in answer_to(address, flood, pause_s=0.001)
    endless = [b"GET /" + b"a" * 40_000, b"a" * 40_000, b"a" * 40_000]
    assert b" 200 " not in answer_to(address, endless, pause_s=0.01)


def test_headers_that_trickle_are_cut_off(address: tuple[str, int]) -> None:
    """A byte now and then does not hold a connection for ever."""
    began = time.monotonic()
    said = answer_to(address, [b"GET / HTTP/1.1\r\n"] + [b"x: y\r\n"] * 20, pause_s=0.1)
    assert b"HTTP/1.1 408" in said
    assert b'"code":"request_timeout"' in said
    assert time.monotonic() - began < 3


def test_a_connection_that_says_nothing_is_closed(address: tuple[str, int]) -> None:
    """Opening connections and waiting uses nothing up."""
    began = time.monotonic()
    assert answer_to(address, []) == b""
    assert time.monotonic() - began < 3


def test_an_idle_connection_between_two_requests_is_not_cut_by_the_header_clock(address: tuple[str, int]) -> None:
    """The clock runs while headers are coming, not while nothing is asked."""
    keep = REQUEST.replace(b"Connection: close\r\n", b"")
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(keep)
        assert b" 200 " in connection.recv(65536)
        time.sleep(0.8)
        connection.sendall(keep)
        assert b" 200 " in connection.recv(65536)
