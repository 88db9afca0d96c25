"""A transit engine of our own for tests, spoken to over HTTP by the real `hvac`: the parts of OpenBao's API that are used.

Its keys are real (AES-256-GCM with associated data, Ed25519), its refusals are OpenBao's: 403 for a wrong token, 400 for a
key that is missing or must not be deleted, 404 when reading a missing key, 503 while sealed.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TOKEN = "test-token"


class Refused(Exception):
    """An answer with a status of its own."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Transit:
    """The engine. sealed: it answers nothing. rotated: keys that have a second version. calls: paths that were asked for."""

    url: str = ""
    sealed: bool = False
    keys: dict[str, Any] = field(default_factory=dict)
    deletable: set[str] = field(default_factory=set)
    rotated: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, token: str, body: dict[str, Any]) -> dict[str, Any] | None:
        if self.sealed:
            raise Refused(503, "Vault is sealed")
        if token != TOKEN:
            raise Refused(403, "permission denied")
        prefix, _, rest = path.partition("/v1/transit/")
        if prefix or not rest:
            raise Refused(404, "no handler for route")
        self.calls.append(f"{method} {rest}")
        verb, _, name = rest.partition("/")
        if verb == "keys":
            return self._keys(method, name, body)
        key = self.keys.get(name)
        if key is None:
            raise Refused(400, "encryption key not found")
        return {"data": {"encrypt": self._encrypt, "decrypt": self._decrypt, "sign": self._sign}[verb](key, body)}

    def _keys(self, method: str, name: str, body: dict[str, Any]) -> dict[str, Any] | None:
        name, _, what = name.partition("/")
        if method in {"POST", "PUT"} and what == "config":
            if name not in self.keys:
                raise Refused(400, f"no existing key named {name} could be found")
            if body.get("deletion_allowed"):
                self.deletable.add(name)
            return None
        if method in {"POST", "PUT"} and what == "rotate":
            self.rotated.add(name)
            return None
        if method in {"POST", "PUT"}:
            made = {"aes256-gcm96": lambda: os.urandom(32), "ed25519": Ed25519PrivateKey.generate}
            self.keys.setdefault(name, made[body["type"]]())
            return None
        if name not in self.keys:
            raise Refused(404, "")
        if method == "DELETE":
            if name not in self.deletable:
                raise Refused(400, "deletion is not allowed for this key")
            del self.keys[name]
            return None
        key = self.keys[name]
        entry: Any = 1
        if isinstance(key, Ed25519PrivateKey):
            raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            entry = {"public_key": base64.b64encode(raw).decode(), "name": "ed25519"}
        versions = {"1": entry} | ({"2": entry} if name in self.rotated else {})
        return {"data": {"name": name, "keys": versions, "latest_version": len(versions)}}

    def _encrypt(self, key: bytes, body: dict[str, Any]) -> dict[str, Any]:
        nonce = os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, base64.b64decode(body["plaintext"]), _associated(body))
        return {"ciphertext": "vault:v1:" + base64.b64encode(nonce + sealed).decode(), "key_version": 1}

    def _decrypt(self, key: bytes, body: dict[str, Any]) -> dict[str, Any]:
        raw = base64.b64decode(body["ciphertext"].split(":")[2])
        try:
            plain = AESGCM(key).decrypt(raw[:12], raw[12:], _associated(body))
        except InvalidTag:
            raise Refused(400, "cipher: message authentication failed") from None
        return {"plaintext": base64.b64encode(plain).decode()}

    def _sign(self, key: Ed25519PrivateKey, body: dict[str, Any]) -> dict[str, Any]:
        return {"signature": "vault:v1:" + base64.b64encode(key.sign(base64.b64decode(body["input"]))).decode()}


def _associated(body: dict[str, Any]) -> bytes:
    return base64.b64decode(body.get("associated_data", ""))


@contextmanager
def transit() -> Iterator[Transit]:
    """The engine, served on this machine."""
    engine = Transit()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                token = self.headers.get("x-vault-token", "")
                found = engine.answer(self.command, self.path, token, json.loads(body or b"{}"))
                status, data = (204, b"") if found is None else (200, json.dumps(found).encode())
            except Refused as refused:
                text = str(refused)
                status, data = refused.status, json.dumps({"errors": [text] if text else []}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._handle()

        def do_POST(self) -> None:
            self._handle()

        def do_PUT(self) -> None:
            self._handle()

        def do_DELETE(self) -> None:
            self._handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    engine.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield engine
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
