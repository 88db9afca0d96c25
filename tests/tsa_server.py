"""A timestamp authority (RFC 3161) of our own for tests, spoken to over HTTP: real certificates, real signatures."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SHA256, ECDSA_SHA256 = "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2"
SIGNED_DATA, TST_INFO = "1.2.840.113549.1.7.2", "1.2.840.113549.1.9.16.1.4"
CONTENT_TYPE, MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.47"
POLICY = "1.3.6.1.4.1.99999.1"


def der(tag: int, *parts: bytes) -> bytes:
    """Tag, length, content."""
    data = b"".join(parts)
    size = len(data)
    if size < 128:
        return bytes([tag, size]) + data
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + data


def integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    numbers = [int(part) for part in dotted.split(".")]
    out = bytearray([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | (number & 0x7F))
        out += bytes(reversed(digits))
    return der(6, bytes(out))


def sequence(*parts: bytes) -> bytes:
    return der(0x30, *parts)


def element(data: bytes, at: int = 0) -> tuple[int, bytes, int]:
    """Tag, content and end of the element at a place."""
    tag, size, start = data[at], data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[start : start + count], "big"), start + count
    return tag, data[start : start + size], start + size


@dataclass
class Authority:
    """skew: how wrong its clock is. lies: it stamps another hash than it was asked for. padding: bytes after its answer."""

    url: str = ""
    skew: timedelta = timedelta()
    lies: bool = False
    status: int = 200
    padding: int = 0
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.root = self._certificate("Test root", self.root_key, self.root_key, None)
        self.leaf = self._certificate("Test TSA", self.key, self.root_key, self.root)

    @property
    def root_pem(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)

    def _certificate(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer_key: ec.EllipticCurvePrivateKey,
        issuer: x509.Certificate | None,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=400))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            False,
        )  # fmt: skip
        ca = issuer is None
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
        )
        if not ca:
            stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(stamping, critical=True)
        return builder.sign(issuer_key, hashes.SHA256())

    def answer(self, query: bytes) -> bytes:
        _, request, _ = element(query)
        _, _, at = element(request)  # version
        _, imprint, at = element(request, at)
        nonce = b""
        while at < len(request):
            tag, content, end = element(request, at)
            if tag == 2:
                nonce = der(2, content)
            at = end
        _, _, after = element(imprint)
        _, digest, _ = element(imprint, after)
        if self.lies:
            digest = hashlib.sha256(b"another").digest()
        return sequence(sequence(integer(0)), self._token(digest, nonce))

    def _token(self, digest: bytes, nonce: bytes) -> bytes:
        at = (datetime.now(UTC) + self.skew).strftime("%Y%m%d%H%M%SZ").encode()
        algorithm = sequence(oid(SHA256))
        imprint = sequence(sequence(oid(SHA256), der(5)), der(4, digest))
        info = sequence(integer(1), oid(POLICY), imprint, integer(7), der(0x18, at), nonce)
        encoded = self.leaf.public_bytes(Encoding.DER)
        certificate_id = sequence(der(4, hashlib.sha256(encoded).digest()))
        attributes = sorted(
            (
                sequence(oid(CONTENT_TYPE), der(0x31, oid(TST_INFO))),
                sequence(oid(MESSAGE_DIGEST), der(0x31, der(4, hashlib.sha256(info).digest()))),
                sequence(oid(SIGNING_CERTIFICATE), der(0x31, sequence(sequence(certificate_id)))),
            )
        )
        signature = self.key.sign(der(0x31, *attributes), ec.ECDSA(hashes.SHA256()))
        issuer = self.leaf.issuer.public_bytes()
        signer = sequence(
            integer(1), sequence(issuer, integer(self.leaf.serial_number)), algorithm, der(0xA0, *attributes),
            sequence(oid(ECDSA_SHA256)), der(4, signature),
        )  # fmt: skip
        signed = sequence(
            integer(3), der(0x31, algorithm), sequence(oid(TST_INFO), der(0xA0, der(4, info))), der(0xA0, encoded),
            der(0x31, signer),
        )  # fmt: skip
        return sequence(oid(SIGNED_DATA), der(0xA0, signed))


@contextmanager
def authority() -> Iterator[Authority]:
    """An authority, served on this machine."""
    found = Authority()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            data = found.answer(query) + bytes(found.padding) if found.status == 200 else b""
            self.send_response(found.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
