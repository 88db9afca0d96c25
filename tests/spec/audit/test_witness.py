"""The witness protocol, against honest and lying logs (threats T5, T7 and T8)."""

from __future__ import annotations

import base64
import http.client
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import AuditLog
from audit.cosign import WitnessKey, cosign, cosigned_at, witness_key
from audit.errors import LogUnavailable, MalformedNote, RolledBack, TamperedLog
from audit.note import Checkpoint, public_key, sign
from audit.proof import consistency
from audit.store import SqliteStore
from audit.tree import Frontier, leaf_hash
from audit.verify import Outcome, verify_folder
from audit.witness import Witness
from audit.witness_http import ask, serve
from haechi.base.clock import FixedClock

from .conftest import request

LOG_SIGNER = Ed25519PrivateKey.generate()
WITNESS_SIGNER = Ed25519PrivateKey.generate()
KEY = witness_key("witness.example/1", WITNESS_SIGNER)
ORIGIN = "log.example/audit/default"
LEAVES = [leaf_hash(str(n).encode()) for n in range(40)]


def checkpoint(size: int, leaves: list[bytes] = LEAVES, origin: str = ORIGIN) -> bytes:
    return sign(Checkpoint(origin, size, Frontier().extended(leaves[:size]).root()), LOG_SIGNER)


def body(old: int, size: int, leaves: list[bytes] = LEAVES) -> bytes:
    path = consistency(leaves[:size], old)
    lines = "".join(f"{base64.b64encode(one).decode()}\n" for one in path)
    return f"old {old}\n{lines}\n".encode() + checkpoint(size, leaves)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    families = [public_key("log.example/audit", LOG_SIGNER)]
    return Witness(tmp_path / "memory", KEY.name, WITNESS_SIGNER, families, FixedClock())


class TestProtocol:
    def test_growth_is_cosigned_step_by_step(self, witness: Witness) -> None:
        """First from nothing, then each time from what was cosigned last, also without growth."""
        for old, new in ((0, 3), (3, 3), (3, 17), (17, 40)):
            answer = witness.add_checkpoint(body(old, new))
            assert answer.status is HTTPStatus.OK
            assert cosigned_at(checkpoint(new) + answer.text.encode(), KEY) == 1_800_000_000

    def test_another_old_size_is_answered_with_the_remembered_one(self, witness: Witness) -> None:
        """409 with the size, so that the log can make the right proof."""
        witness.add_checkpoint(body(0, 5))
        for wrong in (body(0, 9), body(3, 9), body(7, 9), body(3, 3)):
            answer = witness.add_checkpoint(wrong)
            assert (answer.status, answer.text, answer.media_type) == (HTTPStatus.CONFLICT, "5\n", "text/x.tlog.size")

    def test_a_split_view_is_refused_and_kept_as_evidence(self, witness: Witness, tmp_path: Path) -> None:
        """Another tree of the same size, and a larger one that did not grow out of it: both notes are kept (T8)."""
        other = [leaf_hash(b"another history"), *LEAVES[1:]]
        witness.add_checkpoint(body(0, 5))
        assert witness.add_checkpoint(body(5, 5, other)).status is HTTPStatus.CONFLICT
        assert witness.add_checkpoint(body(5, 9, other)).status is HTTPStatus.UNPROCESSABLE_ENTITY
        kept = [path.read_bytes() for path in (tmp_path / "memory/conflicts").iterdir()]
        assert len(kept) == 2
        assert all(checkpoint(5) in text for text in kept)
        assert any(checkpoint(9, other) in text for text in kept)
        assert witness.add_checkpoint(body(5, 9)).status is HTTPStatus.OK

    def test_a_first_checkpoint_with_a_proof_of_something_is_refused_and_no_evidence_of_anything(
        self, witness: Witness, tmp_path: Path
    ) -> None:
        """Nothing was remembered that it could contradict; the log may come again with the right request."""
        odd = b"old 0\n" + base64.b64encode(bytes(32)) + b"\n\n" + checkpoint(3)
        assert witness.add_checkpoint(odd).status is HTTPStatus.UNPROCESSABLE_ENTITY
        assert not (tmp_path / "memory/conflicts").exists()
        assert witness.add_checkpoint(body(0, 3)).status is HTTPStatus.OK

    def test_strangers_and_forgers_are_refused(self, witness: Witness) -> None:
        """404 for an unknown log, 403 for a log's name under another key."""
        unknown = b"old 0\n\n" + checkpoint(3, origin="other.example/audit/default")
        assert witness.add_checkpoint(unknown).status is HTTPStatus.NOT_FOUND
        prefix = b"old 0\n\n" + checkpoint(3, origin="log.example/auditor")
        assert witness.add_checkpoint(prefix).status is HTTPStatus.NOT_FOUND
        forged = sign(Checkpoint(ORIGIN, 3, Frontier().extended(LEAVES[:3]).root()), Ed25519PrivateKey.generate())
        assert witness.add_checkpoint(b"old 0\n\n" + forged).status is HTTPStatus.FORBIDDEN

    @pytest.mark.parametrize(
        "bad",
        [
            b"",
            b"old 01\n\n" + checkpoint(3),
            b"old -1\n\n" + checkpoint(3),
            b"old 1_0\n\n" + checkpoint(30),
            b"old 0\nAAAA\n\n" + checkpoint(3),
            b"old 0\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + checkpoint(3),
            b"old 9\n\n" + checkpoint(3),
            b"old 0\n\nnot a note",
            b"old 0\n\n" + checkpoint(3)[:-1] + b"\xff\n",
            b"old 0\n\n" + checkpoint(3) + "— a b\n".encode() * 100,
        ],
    )
    def test_malformed_requests_are_refused(self, witness: Witness, bad: bytes) -> None:
        """400, whatever is wrong (T26)."""
        assert witness.add_checkpoint(bad).status is HTTPStatus.BAD_REQUEST

    def test_two_answers_at_once_cannot_contradict_each_other(self, witness: Witness) -> None:
        """Of many different next checkpoints asked for at the same time the memory ends with the one that was cosigned last."""
        witness.add_checkpoint(body(0, 4))
        answers: dict[int, HTTPStatus] = {}

        def submit(size: int) -> None:
            answers[size] = witness.add_checkpoint(body(4, size)).status

        threads = [threading.Thread(target=submit, args=(size,)) for size in range(5, 25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [size for size, status in answers.items() if status is HTTPStatus.OK]
        assert witness.add_checkpoint(body(winner, 40)).status is HTTPStatus.OK


class TestCosignature:
    def test_it_binds_time_tree_and_witness(self) -> None:
        """Another time, tree or key does not fit; a checkpoint without it is not cosigned."""
        note = (
            checkpoint(5)
            + cosign(
                Checkpoint(ORIGIN, 5, Frontier().extended(LEAVES[:5]).root()), KEY.name, WITNESS_SIGNER, 7
            ).encode()
        )
        assert cosigned_at(note, KEY) == 7
        with pytest.raises(TamperedLog):
            cosigned_at(checkpoint(5), KEY)
        with pytest.raises(TamperedLog):
            cosigned_at(note, witness_key("witness.example/2", WITNESS_SIGNER))
        later = cosign(Checkpoint(ORIGIN, 6, b"r" * 32), KEY.name, WITNESS_SIGNER, 7)
        with pytest.raises(TamperedLog):
            cosigned_at(checkpoint(5) + later.encode(), KEY)

    def test_a_key_line_is_read_strictly(self) -> None:
        """Round trip; other types, hashes and spellings are refused."""
        assert WitnessKey.parse(KEY.line()) == KEY
        for bad in (
            "",
            "a+b",
            KEY.line() + "=",
            KEY.line().replace("/1+", "/2+"),
            KEY.line().replace("+", "+0", 1),
            public_key("a", LOG_SIGNER).line(),
        ):
            with pytest.raises(MalformedNote):
                WitnessKey.parse(bad)


class TestOverHttp:
    @pytest.fixture
    def url(self, folder: Path, tmp_path: Path) -> Iterator[str]:
        """A witness that knows the log in `folder`."""
        AuditLog.open(folder).close()
        from audit.note import VerifierKey

        family = VerifierKey.parse((folder / "public.key").read_text())
        server = serve(Witness(tmp_path / "memory", KEY.name, WITNESS_SIGNER, [family]), "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        server.server_close()
        thread.join()

    def test_a_real_log_is_cosigned_while_it_grows_and_verified_against_the_witness(
        self, folder: Path, url: str
    ) -> None:
        """A cosigned system log is enough: it names the other logs, so their truncation is excluded too."""
        memory = folder.parent / "cosigned"
        for number in range(3):
            with AuditLog.open(folder) as log:
                request(log, number)
            self.ask(url, folder, memory)
        assert verify_folder(folder, pins=memory, witness=KEY).outcome is Outcome.INTACT
        stranger = witness_key("witness.example/9", WITNESS_SIGNER)
        assert verify_folder(folder, pins=memory, witness=stranger).outcome is Outcome.TAMPERED

    def test_who_holds_the_signing_key_and_the_pins_is_found_by_the_witness(self, folder: Path, url: str) -> None:
        """The tail is cut and signed again, pins and all; the witness remembers (T4, T7)."""
        memory = folder.parent / "cosigned"
        with AuditLog.open(folder) as log:
            request(log, 1)
        shutil.copytree(folder, folder.parent / "old")
        with AuditLog.open(folder) as log:
            request(log, 2)
        self.ask(url, folder, memory)
        shutil.rmtree(folder)
        shutil.rmtree(folder.with_name("audit-pins"))
        shutil.copytree(folder.parent / "old", folder)
        for number in range(3, 9):
            with AuditLog.open(folder) as log:
                request(log, number)
        assert verify_folder(folder).outcome is Outcome.INTACT
        assert verify_folder(folder, pins=memory, witness=KEY).outcome is Outcome.TAMPERED
        with pytest.raises(RolledBack):
            self.ask(url, folder, memory)

    def test_a_copy_of_the_folder_that_is_older_than_what_the_witness_saw_is_refused(
        self, folder: Path, url: str
    ) -> None:
        """The witness remembers more records than the copy has: the message has both numbers."""
        memory = folder.parent / "cosigned"
        shutil.copytree(folder, folder.parent / "old")
        with AuditLog.open(folder) as log:
            request(log, 1)
        self.ask(url, folder, memory)
        with pytest.raises(RolledBack, match=r"remembers \d+ records .* only \d+ are here"):
            self.ask(url, folder.parent / "old", memory)

    def test_a_witness_of_other_logs_is_said_so(self, folder: Path, url: str, tmp_path: Path) -> None:
        """It does not know the log: its own answer is in the message, and nothing is kept as cosigned."""
        with AuditLog.open(tmp_path / "stranger", origin="stranger.example/audit"):
            pass
        store = SqliteStore(tmp_path / "stranger/log.db", read_only=True)
        try:
            with pytest.raises(LogUnavailable, match="404: 'unknown log'"):
                ask(url, store, "stranger.example/audit/_system", KEY, tmp_path / "m")
        finally:
            store.close()
        assert not (tmp_path / "m").exists()

    def test_another_address_of_the_witness_is_not_found(self, url: str) -> None:
        """One path, one method."""
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        for method, path, status in (("POST", "/add-checkpoints", 404), ("GET", "/add-checkpoint", 501)):
            connection.request(method, path, body=b"old 0\n\n")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
            connection.close()
        connection.close()

    def test_a_witness_that_does_not_answer_is_said_so(self, folder: Path, url: str) -> None:
        """Not reachable, not what it seems, no address, not http."""
        for wrong in ("http://127.0.0.1:1", url.replace("http", "https"), "http://", "file:///etc/passwd"):
            with pytest.raises(LogUnavailable):
                self.ask(wrong, folder, folder.parent / "m")

    def test_an_oversized_request_is_refused_unread(self, folder: Path, url: str) -> None:
        """413, and the connection is closed."""
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
        connection.putrequest("POST", "/add-checkpoint")
        connection.putheader("content-length", "9999999999")
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()

    def ask(self, url: str, folder: Path, memory: Path) -> bytes:
        store = SqliteStore(folder / "log.db", read_only=True)
        try:
            return ask(url, store, "haechi.local/audit/_system", KEY, memory)
        finally:
            store.close()


def test_the_command_line_runs_a_witness_and_asks_it(folder: Path, tmp_path: Path) -> None:
    """`witness init`, `serve`, `ask`, then `verify` against what it cosigned."""
    with AuditLog.open(folder) as log:
        request(log, 1)
    home = tmp_path / "witness"
    haechi = [
        sys.executable,
        "-c",
        "import sys; from haechi.cli.main import main; sys.exit(main(sys.argv[1:]))",
        "audit",
    ]

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*haechi, *map(str, words)], capture_output=True, text=True, check=False)

    assert run("witness", "init", home, "--name", "witness.example/1").returncode == 0
    assert run("witness", "init", home, "--name", "witness.example/1").returncode != 0
    assert (home / "witness.secret").stat().st_mode & 0o077 == 0
    serving = [*haechi, "witness", "serve", str(home), "--log-key", str(folder / "public.key"), "--port", "0"]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        asked = run("witness", "ask", url, folder, "--witness-key", home / "witness.key", "--tenant", "default")
        server.terminate()
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.count("cosigned:") == 2
    (cosigned,) = folder.with_name("audit-pins").glob("witness-*")
    assert run("verify", folder, "--pins", cosigned, "--witness-key", home / "witness.key").returncode == 0
