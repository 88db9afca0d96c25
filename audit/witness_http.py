"""The witness over HTTP, and how a log asks it: `POST <prefix>/add-checkpoint`. Standard library only."""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from audit.cosign import WitnessKey, cosigned_at
from audit.errors import LogUnavailable, RolledBack
from audit.pins import Pins
from audit.prove import newest_note, prove_growth
from audit.store_port import Store
from audit.witness import MOST_BYTES, Answer, Witness

_TIMEOUT_S = 10.0
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy that an environment variable names


def serve(witness: Witness, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is bound and listens; the caller runs `serve_forever`."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_S
        protocol_version = "HTTP/1.1"
        server_version = "haechi-witness"
        sys_version = ""

        def do_POST(self) -> None:  # the name that http.server calls
            self._answer(self._decide())

        def _decide(self) -> Answer:
            length = self.headers.get("content-length", "")
            if not length.isascii() or not length.isdigit() or int(length) > MOST_BYTES:
                self.close_connection = True
                return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a checkpoint and its proof are small\n")
            body = self.rfile.read(int(length))
            if self.path.rstrip("/").rsplit("/", 1)[-1] != "add-checkpoint":
                return Answer(HTTPStatus.NOT_FOUND, "POST /add-checkpoint\n")
            return witness.add_checkpoint(body)

        def _answer(self, answer: Answer) -> None:
            body = answer.text.encode()
            self.send_response(answer.status)
            self.send_header("content-type", answer.media_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # the name that http.server uses
            """Nothing: the memory of the witness is its record."""

    return ThreadingHTTPServer((host, port), Handler)


def ask(url: str, store: Store, log: str, key: WitnessKey, memory: Path) -> bytes:
    """Get the newest checkpoint of a log cosigned. Returns the note with the cosignature; it is kept beside the pins.

    Raises:
        RolledBack: the witness remembers more of this log than the store holds, or another history.
        LogUnavailable: the witness does not answer, or not as the protocol says.
        NotProvable: the log has no checkpoint yet.
    """
    size, note = newest_note(store, log)
    old = 0
    answer = _post(url, b"old 0\n\n" + note)
    if answer.status is HTTPStatus.CONFLICT:
        old = int(answer.text) if answer.text.strip().isdigit() else -1
        if not 0 <= old <= size:
            raise RolledBack(
                f"the witness remembers {old} records of {log}, and only {size} are here",
                hint="this copy of the folder is not the newest; copy it as evidence before doing anything else",
            )
        path = prove_growth(store, log, old, size)
        lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in path)
        answer = _post(url, f"old {old}\n{lines}\n".encode() + note)
    if answer.status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise RolledBack(
            f"the witness saw another history of {log}", hint="copy the folder as evidence before doing anything else"
        )
    if answer.status is not HTTPStatus.OK:
        raise LogUnavailable(
            f"the witness answered {int(answer.status)}: {answer.text.strip()[:100]!r}",
            hint="does the witness know this log's public key?",
        )
    cosigned = note + answer.text.encode()
    cosigned_at(cosigned, key)
    keep = Pins(memory)
    with keep.exclusive():
        keep.remember(log, cosigned)
    return cosigned


def _post(url: str, body: bytes) -> Answer:
    if not url.startswith(("http://", "https://")):
        raise LogUnavailable(f"{url} is not an http address", hint="http://witness.example:9001")
    request = urllib.request.Request(f"{url.rstrip('/')}/add-checkpoint", body, method="POST")  # noqa: S310  # checked above
    try:
        with _opener.open(request, timeout=_TIMEOUT_S) as response:
            return Answer(HTTPStatus(response.status), response.read(MOST_BYTES).decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(HTTPStatus(error.code), error.read(MOST_BYTES).decode("utf-8", "replace"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise LogUnavailable(f"the witness at {url} does not answer: {reason}", hint="is it running?") from error
