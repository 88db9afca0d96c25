"""The export of one person (FORMAT.md section 16): authentic, unaltered and, with all headers at hand, complete."""

from __future__ import annotations

import base64
import hmac
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.verifier.checks import Tree, read_base64, read_entries, read_key, read_note, sha
from audit.verifier.header import Wrong, no_duplicates, read_header, scan_header

MOST_BYTES = 4 << 30
NEEDED = {"public.key", "checkpoint", "records.json", "consultations.json", "index.html", "schema.json"}
OPTIONAL = {"headers.bin"}
PROOF = re.compile(r"proofs/(0|[1-9][0-9]{0,15})\.tlog-proof")


def verify_bundle(path: Path, key_line: str, tiles: Path | None) -> list[str]:
    """What cannot be told; raises Wrong and its like on proof of tampering. key_line: empty takes the file's own key."""
    with zipfile.ZipFile(path) as archive:
        listed = archive.infolist()
        if len({one.filename for one in listed}) != len(listed) or sum(one.file_size for one in listed) > MOST_BYTES:
            raise Wrong("a file stands twice, or there is more than a bundle can hold")
        manifest = _object(archive.read("manifest.json"))
        files = _files(archive, manifest)
        line = key_line or files["public.key"].decode("ascii")
        origin, public = read_key(line)
        log, size = manifest["log"], manifest["size"]
        if not log.startswith(f"{origin}/"):
            raise Wrong("the bundle is of another family of logs than the key")
        signed, root = read_note(files["checkpoint"], log, public)
        if signed != size:
            raise Wrong("the checkpoint is of another size")
        records = json.loads(files["records.json"], object_pairs_hook=no_duplicates)
        kids = set(manifest["kids"])
        leaves = dict(_records(records, kids, log))
        if len(leaves) != len(records) or len(leaves) != manifest["records"]:
            raise Wrong("a record stands twice, or the manifest counts others")
        if {f"proofs/{seq}.tlog-proof" for seq in leaves} != {name for name in files if PROOF.fullmatch(name)}:
            raise Wrong("records and proofs are not of the same numbers")
        for seq, leaf in leaves.items():
            _verify_proof(files[f"proofs/{seq}.tlog-proof"], files["checkpoint"], seq, size, leaf, root)
        return _doubts(files, tiles, log, (size, root), kids, leaves) + ([] if key_line else [NO_KEY])


NO_KEY = "the key is the bundle's own: compare it with one that you hold (--key)"


def _files(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> dict[str, bytes]:
    if manifest["haechi_export"] != 1:
        raise Wrong("this verifier knows version 1 only")
    named = manifest["files"]
    if set(archive.namelist()) != {"manifest.json", *named}:
        raise Wrong("the archive holds other files than the manifest names")
    if not named.keys() >= NEEDED or any(name not in NEEDED | OPTIONAL and not PROOF.fullmatch(name) for name in named):
        raise Wrong("a file is missing or unknown")
    files = {name: archive.read(name) for name in named}
    for name, data in files.items():
        if sha(data).hex() != named[name]:
            raise Wrong(f"{name} is not the file that the manifest names")
    return files


def _records(records: list[dict[str, Any]], kids: set[str], log: str) -> Iterator[tuple[int, bytes]]:
    for record in records:
        leaf = record["leaf"].encode("ascii")
        header = read_header(leaf, log)
        named = {part["n"]: part for part in header["segs"] if part["kid"] in kids}
        if not named or {one["name"] for one in record["segments"]} != named.keys():
            raise Wrong(f"record {record['seq']}: not the segments of this person")
        if len(named) != len(record["segments"]):
            raise Wrong(f"record {record['seq']}: a segment stands twice")
        told = (
            record["time_us"],
            record["type"],
            record["decision"],
            record["request"],
            record["model"],
            record["policy"],
        )
        if told != tuple(header[name] for name in ("sts", "typ", "dec", "req", "mod", "pol")):
            raise Wrong(f"record {record['seq']}: says something else than its leaf")
        for segment in record["segments"]:
            _verify_segment(header, named[segment["name"]], segment, record["seq"])
        yield record["seq"], leaf


def _verify_segment(header: dict[str, Any], part: dict[str, Any], segment: dict[str, Any], seq: int) -> None:
    """Section 4: the ciphertext is the recorded one, the key is the committed one, the content is what it holds."""
    sealed, key = read_base64(segment["ciphertext"]), read_base64(segment["record_key"])
    content = read_base64(segment["content"])
    if segment["kid"] != part["kid"] or sha(sealed).hex() != part["ch"] or len(sealed) != part["len"]:
        raise Wrong(f"record {seq}: segment {part['n']} is not the one that was recorded")
    context = {name: value for name, value in header.items() if name not in {"segs", "sts"}}
    canonical = json.dumps(context, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    bound = sha(b"haechi-audit/1\0" + canonical) + part["n"].encode()
    if len(key) != 32 or hmac.digest(key, b"commit\0" + bound, "sha256").hex() != part["kc"]:
        raise Wrong(f"record {seq}: the key of segment {part['n']} is not the one it was committed to")
    plain = AESGCM(hmac.digest(key, b"enc\0" + bound, "sha256")).decrypt(sealed[:12], sealed[12:], bound)
    length = int.from_bytes(plain[:8], "big")
    if plain[8 : 8 + length] != content or any(plain[8 + length :]) or len(plain) < 8 + length:
        raise Wrong(f"record {seq}: segment {part['n']} holds another content")
    if content.decode("utf-8", "replace") != segment["text"]:
        raise Wrong(f"record {seq}: the text of segment {part['n']} is not its content")


def _verify_proof(text: bytes, checkpoint: bytes, seq: int, size: int, leaf: bytes, root: bytes) -> None:
    """RFC 9162 section 2.1.3.2 on a tlog-proof@v1 under the bundle's checkpoint."""
    head, _, note = text.partition(b"\n\n")
    first, index, *hashes = head.decode("ascii").split("\n")
    if first != "c2sp.org/tlog-proof@v1" or index != f"index {seq}" or note != checkpoint or len(hashes) > 63:
        raise Wrong(f"record {seq}: its proof is not in its form")
    place, last, node = seq, size - 1, sha(b"\x00" + leaf)
    for sibling in (base64.b64decode(one, validate=True) for one in hashes):
        if last == 0 or len(sibling) != 32:
            raise Wrong(f"record {seq}: its proof is too long")
        if place & 1 or place == last:
            node = sha(b"\x01" + sibling + node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sha(b"\x01" + node + sibling)
        place, last = place >> 1, last >> 1
    if last or node != root or seq >= size:
        raise Wrong(f"record {seq}: its proof does not lead to the signed root")


def _doubts(
    files: dict[str, bytes], tiles: Path | None, log: str, signed: tuple[int, bytes], kids: set[str],
    leaves: dict[int, bytes],
) -> list[str]:  # fmt: skip
    """Run the filter again over all headers: the records are exactly those that it finds."""
    if tiles is not None:
        found = read_entries(tiles / log.rsplit("/", 1)[-1] / "tile/entries", signed[0])
    elif "headers.bin" in files:
        found = _headers(files["headers.bin"])
    else:
        return ["whether a record is missing: that takes all headers (--headers)"]
    tree = Tree()
    missing = []
    for leaf in found:
        header = scan_header(leaf, log)
        if any(part.kid in kids for part in header.parts) and leaves.get(tree.size) != leaf:
            missing.append(tree.size)
        tree.add(leaf)
    if (tree.size, tree.root()) != signed:
        raise Wrong("the headers are not the ones that were signed")
    if missing:
        raise Wrong(f"the bundle leaves out record {missing[0]}")
    return []


def _headers(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        leaf = data[at + 2 : at + 2 + length]
        if len(leaf) != length:
            raise Wrong("headers.bin ends within a record")
        yield leaf
        at += 2 + length


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(data, object_pairs_hook=no_duplicates)
    if not isinstance(value, dict):
        raise Wrong("the manifest is not an object")
    return value
