"""A bundle that was handed over once verifies forever, and a later format is refused in so many words."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

PLACE = Path(__file__).parent
KEY = PLACE / "audit_bundle_1.key"


def verify(bundle: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "audit.verifier", str(bundle), "--bundle", "--key", str(KEY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_a_bundle_of_the_first_format_verifies() -> None:
    """As it was written by the first release, with the key of that time and nothing else."""
    assert verify(PLACE / "audit_bundle_1.zip") == (0, "intact\n")


def test_its_content_reads_as_it_did() -> None:
    """The person's own texts, in three languages."""
    with zipfile.ZipFile(PLACE / "audit_bundle_1.zip") as archive:
        records = json.loads(archive.read("records.json"))
    read = [segment["text"] for record in records for segment in record["segments"]]
    assert read == [f"질문 {number} 问题 question <b>" for number in (1, 3)]


def test_a_later_format_is_refused_and_named(tmp_path: Path) -> None:
    """Not called intact, not called tampered with some other words: this verifier is too old."""
    later = tmp_path / "later.zip"
    with zipfile.ZipFile(PLACE / "audit_bundle_1.zip") as source, zipfile.ZipFile(later, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "manifest.json":
                data = json.dumps({**json.loads(data), "haechi_export": 2}).encode()
            target.writestr(name, data)
    code, said = verify(later)
    assert code != 0
    assert "version 1 only" in said
