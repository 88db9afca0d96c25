"""Run the app: one process, or several that share one listening socket.

Rules of this file
1. First SIGTERM or Ctrl-C: stop accepting, let running answers finish for `drain_s` seconds, cut the rest off so
   that they are recorded as aborted, then close upstream and log. A second Ctrl-C stops at once.
2. Workers get their settings through a pipe, not the environment. A worker whose parent is gone stops by itself.
3. A worker that cannot start stops the gateway with its error. One that dies later is replaced, within bounds.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

import uvicorn

from gateway.settings import GatewaySettings
from haechi.base.errors import ExitCode, HaechiError, WorkerFailed
from haechi.base.logs import configure

logger = logging.getLogger("haechi.serve")

App = Callable[..., Any]
BuildApp = Callable[[GatewaySettings], App]

RESTARTS = 5
RESTART_WINDOW_S = 60.0
"""More than RESTARTS replaced workers in this time and the gateway gives up: something is wrong that a restart cannot mend."""
CUT_OFF_S = 5.0
"""How long an answer that was cut off may take to say so in the audit log."""
EXIT_MARGIN_S = 10.0
"""How long after drain and cut-off a worker may take to close its files before it is killed."""


class Server(uvicorn.Server):
    """uvicorn's server with our shutdown. `ready` is called once, when requests are accepted."""

    def __init__(
        self, config: uvicorn.Config, *, ready: Callable[[], None], drain_s: int, follows_parent: bool
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._drain_s = drain_s
        self._follows_parent = follows_parent

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGINT and self._follows_parent:
            return  # a terminal sends Ctrl-C to the parent as well, and the parent decides
        if sig == signal.SIGINT and self.should_exit:
            logger.warning("stopping at once")
            # Nothing is waited for: what was recorded is on disk, and a request without an end is marked on the next start.
            os._exit(130)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        open_now = len(self.server_state.connections)
        if open_now:
            logger.warning(
                "stopping: up to %d s for %d open connection(s); Ctrl-C stops at once", self._drain_s, open_now
            )
        cutter = asyncio.create_task(self._cut_off_late_answers())
        try:
            await super().shutdown(sockets)
        finally:
            cutter.cancel()

    async def _cut_off_late_answers(self) -> None:
        await asyncio.sleep(self._drain_s)
        late = list(self.server_state.tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CUT_OFF_S)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()


def run_single(app: App, settings: GatewaySettings, sock: socket.socket, ready: Callable[[], None]) -> int:
    """Serve from this process until told to stop."""
    Server(_config(app), ready=ready, drain_s=settings.drain_s, follows_parent=False).run(sockets=[sock])
    return ExitCode.OK


def _config(app: App) -> uvicorn.Config:
    from gateway.protocol import BoundedProtocol

    # The writer thread needs the interpreter several times for each commit; with the usual 5 ms it would wait that long
    # each time for a busy event loop.
    sys.setswitchinterval(0.0005)
    return uvicorn.Config(
        app,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,  # longer than the 60 s after which common load balancers drop an idle connection
        backlog=2048,
    )


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    ready: bool = False


class Workers:
    """A parent and its worker processes."""

    def __init__(
        self, build: BuildApp, settings: GatewaySettings, sock: socket.socket, ready: Callable[[], None]
    ) -> None:
        self._build = build
        self._settings = settings
        self._socket = sock
        self._ready = ready
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._deaths: deque[float] = deque()
        self._stopping = False
        self._announced = False

    def run(self) -> int:
        """Serve until told to stop.

        Raises:
            WorkerFailed: when a worker cannot start, or workers keep dying.
        """
        before = {sig: signal.signal(sig, self._on_signal) for sig in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._workers = [self._start() for _ in range(self._settings.workers)]
            while not self._stopping:
                self._look_after()
        finally:
            self._stop_all()
            for sig, handler in before.items():
                signal.signal(sig, handler)
        return ExitCode.OK

    def _on_signal(self, sig: int, frame: FrameType | None) -> None:
        if self._stopping and sig == signal.SIGINT:
            for worker in self._workers:
                worker.process.kill()
            os._exit(130)
        self._stopping = True

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work, args=(self._build, self._settings, self._socket, theirs), name="haechi worker"
        )
        # Blocked while the child starts, so that Ctrl-C in a terminal does not interrupt its imports.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        theirs.close()
        return _Worker(process, ours)

    def _look_after(self) -> None:
        """Wait for one thing to happen to a worker, and act on it. Returns at least twice a second."""
        waiting: list[Any] = [worker.process.sentinel for worker in self._workers]
        waiting += [worker.pipe for worker in self._workers if not worker.ready]
        happened = wait(waiting, timeout=0.5)
        for index, worker in enumerate(self._workers):
            if not worker.ready and (worker.pipe in happened or worker.process.sentinel in happened):
                failure = self._hear(worker)
                if failure is not None and not self._announced:
                    raise failure
                if failure is not None:  # a replacement: the others still serve, and the bound on deaths holds
                    logger.error("%s", failure)
                    self._workers[index] = self._replace(worker)
            elif worker.process.sentinel in happened and not self._stopping:
                self._workers[index] = self._replace(worker)
        if not self._announced and all(worker.ready for worker in self._workers):
            self._announced = True
            self._ready()

    def _hear(self, worker: _Worker) -> WorkerFailed | None:
        """What a starting worker says: nothing when it is ready, else why it could not start."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(EXIT_MARGIN_S)
            return WorkerFailed(
                f"a worker stopped while starting ({_ending(worker.process)})",
                hint="--workers 1 shows more; memory is the usual cause",
            )
        if message is None:
            worker.ready = True
            return None
        code, text, hint = message
        return WorkerFailed(f"a worker could not start: {code} {text}", hint=hint)

    def _replace(self, worker: _Worker) -> _Worker:
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > RESTART_WINDOW_S:
            self._deaths.popleft()
        worker.process.join(EXIT_MARGIN_S)
        ending = _ending(worker.process)
        if len(self._deaths) > RESTARTS:
            raise WorkerFailed(
                f"workers keep stopping ({len(self._deaths)} in {RESTART_WINDOW_S:.0f} s; the last: {ending})",
                hint="the log lines above say more; --workers 1 shows the cause best",
            )
        logger.error("worker %s stopped (%s); starting another", worker.process.pid, ending)
        worker.pipe.close()
        return self._start()

    def _stop_all(self) -> None:
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        deadline = time.monotonic() + self._settings.drain_s + CUT_OFF_S + EXIT_MARGIN_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                logger.error("worker %s did not stop in time and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()


def _ending(process: SpawnProcess) -> str:
    code = process.exitcode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _work(build: BuildApp, settings: GatewaySettings, sock: socket.socket, pipe: Connection) -> None:
    """A worker process: build the app, say so, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    configure(level=settings.log_level, as_json=settings.log_json)
    try:
        app = build(settings)
    except HaechiError as error:
        pipe.send((error.code, error.message, error.hint))
        raise SystemExit(int(ExitCode.CANNOT_TELL)) from None

    def ready() -> None:
        pipe.send(None)
        asyncio.get_running_loop().add_reader(pipe.fileno(), stop_without_parent)

    def stop_without_parent() -> None:
        asyncio.get_running_loop().remove_reader(pipe.fileno())
        server.should_exit = True

    server = Server(_config(app), ready=ready, drain_s=settings.drain_s, follows_parent=True)
    server.run(sockets=[sock])
