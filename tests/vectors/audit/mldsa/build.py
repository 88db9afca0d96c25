"""Make the second signature's vector anew: `python tests/vectors/audit/mldsa/build.py`. Signatures differ each time."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

HERE = Path(__file__).resolve().parent
SIGNER = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
AT_S = 1_800_000_000


def main() -> None:
    """Put an ML-DSA-44 line behind the note of note-checkpoint-300.txt."""
    note = (HERE.parent / "note-checkpoint-300.txt").read_bytes().split(b"---\n", 1)[1]
    origin, size, root = note.split(b"\n")[:3]
    public = b"\x06" + SIGNER.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin + b"\n" + public).digest()[:4]
    named = bytes([len(origin)]) + origin
    message = b"subtree/v1\n\0" + named + AT_S.to_bytes(8, "big") + named
    message += bytes(8) + int(size).to_bytes(8, "big") + base64.b64decode(root)
    blob = base64.b64encode(key_id + AT_S.to_bytes(8, "big") + SIGNER.sign(message))
    (HERE / "twice.note").write_bytes(note + "— ".encode() + origin + b" " + blob + b"\n")
    (HERE / "public-mldsa.key").write_bytes(origin + f"+{key_id.hex()}+".encode() + base64.b64encode(public) + b"\n")


if __name__ == "__main__":
    main()
