"""Rebuild the audit vectors: `python tests/vectors/audit/build.py`. The files are for other implementations too.

Every random choice is fixed here, so the files never change unless the format does.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = Path(__file__).resolve().parent
SIGNER = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"haechi test signer").digest())
ORIGIN = "vectors.example/audit/default"
HEADER = (
    '{"act":"chat.completion","cls":"meta-1y","dec":"redact","fin":[{"c":"pii","p":990000}],"hv":1,'
    '"id":"000102030405060708090a0b0c0d0e0f","log":"vectors.example/audit/default","mod":"qwen","pol":"","prev":"",'
    '"pur":"svc","req":"req_1","rsn":"","ten":"default","ti":3,"to":0,"typ":"request.received",'
    '"w":"ffffffffffffffffffffffffffffffff","wn":1,"wts":1800000000000000}'
)


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 from its definition (RFC 2104), so that the vectors do not lean on what they test."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + data).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


def segment() -> str:
    """One sealed segment with every step."""
    content = "질문 問題 question".encode()
    context = hashlib.sha256(b"haechi-audit/1\0" + HEADER.encode()).digest()
    bound = context + b"prompt"
    rk, sk, kid = bytes(range(32)), bytes(range(32, 64)), "0f0e0d0c0b0a09080706050403020100"
    nonce, wrap_nonce = bytes(12), bytes([1]) * 12
    plain = (len(content).to_bytes(8, "big") + content).ljust(256, b"\0")
    ek, kc = mac(rk, b"enc\0" + bound), mac(rk, b"commit\0" + bound)
    ct = nonce + AESGCM(ek).encrypt(nonce, plain, bound)
    wrap = wrap_nonce + AESGCM(sk).encrypt(wrap_nonce, rk, b"wrap\0" + kid.encode() + bound)
    fields = {
        "header": HEADER, "name": "prompt", "content": content.hex(), "context": context.hex(), "rk": rk.hex(),
        "sk": sk.hex(), "kid": kid, "ct": ct.hex(), "wrap": wrap.hex(), "kc": kc.hex(),
        "ch": hashlib.sha256(ct).hexdigest(),
    }  # fmt: skip
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + root(leaves[:k]) + root(leaves[k:])).digest()


def checkpoint(size: int, origin: str = ORIGIN) -> str:
    """A note over leaves `0`, `1`, ... as decimal text, signed by the key of ORIGIN."""
    import base64

    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    body = f"{origin}\n{size}\n{base64.b64encode(root([str(i).encode() for i in range(size)])).decode()}\n"
    public = b"\x01" + SIGNER.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(ORIGIN.encode() + b"\n" + public).digest()[:4]
    blob = base64.b64encode(key_id + SIGNER.sign(body.encode())).decode()
    return f"key: {ORIGIN}+{key_id.hex()}+{base64.b64encode(public).decode()}\n---\n{body}\n— {ORIGIN} {blob}\n"


def notes() -> dict[str, str]:
    """Good and bad checkpoints; a parser that takes a bad one is wrong."""
    good = checkpoint(5)
    return {
        "checkpoint-0": "expect: valid\n" + checkpoint(0),
        "checkpoint-5": "expect: valid\n" + good,
        "checkpoint-300": "expect: valid\n" + checkpoint(300),
        "size-with-underscore": "expect: malformed\n" + good.replace("\n5\n", "\n1_0\n"),
        "size-with-plus": "expect: malformed\n" + good.replace("\n5\n", "\n+5\n"),
        "size-with-leading-zero": "expect: malformed\n" + good.replace("\n5\n", "\n05\n"),
        "size-negative": "expect: malformed\n" + good.replace("\n5\n", "\n-5\n"),
        "another-size": "expect: unsigned\n" + good.replace("\n5\n", "\n6\n"),
        "another-origin": "expect: unsigned\n" + checkpoint(5, "vectors.example/audit/other"),
        "two-signatures": "expect: valid\n" + good + "— witness.example/1 AAAAAAAAAAAAAAAAAAAAAA==\n",
        "no-signature": "expect: malformed\n" + good[: good.index("\n— ") + 1],
        "extra-line": "expect: malformed\n" + good.replace("\n5\n", "\n5\n\x20\n"),
        "crlf": "expect: malformed\n" + good.split("---\n")[0] + "---\n" + good.split("---\n")[1].replace("\n", "\r\n"),
    }


def headers() -> dict[str, str]:
    """Good and bad leaves; a verifier that takes a bad one is wrong."""
    good = HEADER.replace(',"ten":', ',"segs":[],"sts":1800000000000001,"ten":')
    part = f'{{"ch":"{"0a" * 32}","kc":"{"0b" * 32}","kid":"{"0c" * 16}","len":284,"n":"prompt"}}'
    certificate = good.replace(',"log"', f',"kids":["{"0c" * 16}"],"log"')
    return {
        "plain": "expect: valid\n" + good,
        "segment": "expect: valid\n" + good.replace('"segs":[]', f'"segs":[{part}]'),
        "certificate": "expect: valid\n" + certificate.replace("request.received", "erasure.done"),
        "coverage": "expect: valid\n" + good.replace('"cls"', '"cc":5,"cl":0,"cls"').replace('"dec"', '"ct":5,"dec"'),
        "space": "expect: malformed\n" + good.replace('"act":', '"act": '),
        "unsorted": "expect: malformed\n" + good.replace('"hv":1,', "").replace('"wts"', '"hv":1,"wts"'),
        "duplicate-key": "expect: malformed\n" + good.replace('"hv":1', '"hv":1,"hv":1'),
        "unknown-key": "expect: malformed\n" + good.replace('"hv":1', '"hw":1,"hv":1'),
        "missing-key": "expect: malformed\n" + good.replace('"hv":1,', ""),
        "version-2": "expect: malformed\n" + good.replace('"hv":1', '"hv":2'),
        "float": "expect: malformed\n" + good.replace('"ti":3', '"ti":3.0'),
        "exponent": "expect: malformed\n" + good.replace('"ti":3', '"ti":3e0'),
        "negative": "expect: malformed\n" + good.replace('"ti":3', '"ti":-3'),
        "leading-zero": "expect: malformed\n" + good.replace('"ti":3', '"ti":03'),
        "too-large": "expect: malformed\n" + good.replace('"ti":3', '"ti":9007199254740993'),
        "true": "expect: malformed\n" + good.replace('"ti":3', '"ti":true'),
        "null": "expect: malformed\n" + good.replace('"pol":""', '"pol":null'),
        "escaped": "expect: malformed\n" + good.replace('"req_1"', '"req\\u005f1"'),
        "free-text": "expect: malformed\n" + good.replace('"rsn":""', '"rsn":"the user said hello"'),
        "unknown-type": "expect: malformed\n" + good.replace("request.received", "request.imagined"),
        "upper-case-digest": "expect: malformed\n" + good.replace("0e0f", "0E0F"),
        "trailing-line-end": "expect: malformed\n" + good + "\n",
    }


def proof() -> str:
    """The audit path of leaf 3 in the tree of 5, by the definition of RFC 6962 section 2.1.1, as a tlog-proof file."""
    import base64

    leaves = [str(i).encode() for i in range(5)]
    path = [root(leaves[2:3]), root(leaves[:2]), root(leaves[4:])]
    lines = ["c2sp.org/tlog-proof@v1", "index 3", *(base64.b64encode(one).decode() for one in path)]
    key, note = checkpoint(5).split("---\n", 1)
    return f"{key}leaf: {leaves[3].hex()}\n---\n" + "\n".join(lines) + "\n\n" + note


def files() -> dict[str, str]:
    """Every vector file by name."""
    made = {f"note-{name}.txt": text for name, text in notes().items()}
    made |= {f"header-{name}.txt": text for name, text in headers().items()}
    made["proof.txt"] = "expect: proven\n" + proof()
    made["segment.txt"] = "expect: opens\n" + segment()
    made["tree.txt"] = "expect: roots\n" + "".join(
        f"{n}: {root([str(i).encode() for i in range(n)]).hex()}\n"
        for n in (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 600)
    )
    return made


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text, "utf-8", newline="")
