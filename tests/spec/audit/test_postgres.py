"""The same log in PostgreSQL: what holds for the file holds here, with a real server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest

from audit import AuditLog, Event, EventType, Segment, canonical
from audit.alive import FolderLiveness, SessionLiveness
from audit.erase import Eraser, Why
from audit.errors import KeysUnavailable, LogUnavailable, NothingToVerify, RolledBack, UnknownSubject
from audit.kms import FileKms
from audit.postgres import Database
from audit.store_place import Place
from audit.store_postgres import PostgresStore
from audit.verify import Outcome, verify_folder
from tests.postgres_server import base_url, execute, fresh_database

LOG = "haechi.local/audit/default"


@pytest.fixture
def url() -> Iterator[str]:
    with fresh_database() as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def request(log: AuditLog, number: int, *, tenant: str = "default", user: str = "user-1") -> None:
    name = f"req_{number}"
    prompt = Segment("prompt", f"question {number}".encode(), subject=user)
    start = log.append(Event(EventType.REQUEST_RECEIVED, tenant, name, segments=(prompt,)))
    start.durable.result(10)
    log.append(Event(EventType.RESPONSE_COMPLETED, tenant, name, previous=start.record_id)).durable.result(10)


def requests_in(url: str, log: str = LOG) -> list[str]:
    store = PostgresStore(url, read_only=True)
    leaves = [canonical.decode(leaf) for _, leaf in store.headers(log)]
    store.close()
    return [h["req"] for h in leaves if h["typ"] == "request.received"]


class TestOneMachine:
    def test_a_history_is_written_signed_verified_and_read(self, folder: Path, url: str) -> None:
        """The public interface is the one of the file; nothing of the log is left in the folder."""
        with AuditLog.open(folder, database=url) as log:
            for number in range(6):
                request(log, number, tenant="acme" if number % 2 else "default")
            (part,) = log.read("default", 0, who="ann", purpose="incident", ticket="T-1")
            assert part.content == b"question 0"
        proof = verify_folder(folder, database=url)
        assert proof.outcome is Outcome.INTACT, proof
        assert {one.log.rsplit("/", 1)[-1]: one.records for one in proof.logs}["acme"] == 6
        assert not (folder / "log.db").exists()
        assert not (folder / "keys.db").exists()

    def test_batches_of_every_size_lead_to_the_same_tree(self, folder: Path, url: str) -> None:
        """Single rows and COPY write the same."""
        with AuditLog.open(folder, database=url) as log:
            for size in (1, 23, 24, 200):
                acks = [log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{size}_{n}")) for n in range(size)]
                for ack in acks:
                    ack.durable.result(20)
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT
        assert len(requests_in(url)) == 248

    def test_whatever_is_altered_in_the_tables_is_found(self, folder: Path, url: str) -> None:
        """Edited, removed, swapped, cut."""
        with AuditLog.open(folder, database=url) as log:
            for number in range(4):
                request(log, number)
        for attack in (
            f"update leaf set header = replace(convert_from(header, 'UTF8'), 'req_1', 'req_9')::bytea where log = '{LOG}' and seq = 2",
            f"delete from leaf where log = '{LOG}' and seq = 3",
            f"update leaf set seq = 104 + seq % 2 where log = '{LOG}' and seq in (4, 5);"
            f"update leaf set seq = 109 - seq where log = '{LOG}' and seq > 100",
            f"delete from leaf where log = '{LOG}' and seq = 7",
            "update body set ciphertext = ciphertext || 'x'::bytea",
            "delete from body where seq = 0",
            "update checkpoint set size = size - 1",
        ):
            with psycopg.connect(url) as attacker:
                attacker.execute("create schema kept")  # a copy to put back
                for table in ("leaf", "body", "checkpoint"):
                    attacker.execute(f"create table kept.{table} as table {table}")
                attacker.execute(attack)
                attacker.commit()
                assert verify_folder(folder, database=url).outcome is Outcome.TAMPERED, attack
                for table in ("leaf", "body", "checkpoint"):
                    attacker.execute(f"truncate {table}")
                    attacker.execute(f"insert into {table} select * from kept.{table}")
                attacker.execute("drop schema kept cascade")
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_a_restored_old_database_is_not_signed(self, folder: Path, url: str) -> None:
        """The pin outside remembers more than the database holds."""
        with AuditLog.open(folder, database=url) as log:
            request(log, 1)
        with fresh_database() as other, pytest.raises(RolledBack):
            AuditLog.open(folder, database=other)
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_the_schema_of_another_folder_is_refused(self, folder: Path, tmp_path: Path, url: str) -> None:
        """Two families in one schema would sign each other's logs."""
        AuditLog.open(folder, database=url).close()
        with pytest.raises(KeysUnavailable, match="another key file"):
            AuditLog.open(tmp_path / "other", database=url)
        execute(url, "create schema other")
        AuditLog.open(tmp_path / "other", database=f"{url}&options=-csearch_path%3Dother").close()

    def test_nothing_to_verify_is_not_intact(self, folder: Path, url: str) -> None:
        """An empty database, or a folder without a key line."""
        with pytest.raises(NothingToVerify):
            verify_folder(folder, database=url)
        AuditLog.open(folder, database=url).close()
        with fresh_database() as other, pytest.raises(NothingToVerify):
            verify_folder(folder, database=other)

    def test_no_message_holds_the_url(self, folder: Path) -> None:
        """It may hold a password."""
        with pytest.raises(LogUnavailable) as refused:
            AuditLog.open(folder, database="postgresql://me:geheim@127.0.0.1:1/x")
        assert "geheim" not in f"{refused.value} {refused.value.hint} {refused.value.__cause__}"
        assert "geheim" not in repr(Place(folder, "postgresql://me:geheim@h/x"))


class TestErasure:
    def test_an_erased_subject_is_unreadable_and_the_tree_unchanged(self, folder: Path, url: str) -> None:
        """Content and keys go; others stay; the log verifies with its certificate."""
        with AuditLog.open(folder, database=url) as log:
            request(log, 1, user="gone")
            request(log, 2, user="stays")
            done = Eraser(log).erase("default", "gone", Why("ann", "T-1"))
            assert done.segments == 1
            assert log.read("default", 0, who="a", purpose="p", ticket="t")[0].content is None
            assert log.read("default", 2, who="a", purpose="p", ticket="t")[0].content == b"question 2"
            with pytest.raises(UnknownSubject):
                Eraser(log).erase("default", "gone", Why("ann", "T-1"))
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_copies_of_a_destroyed_key_are_worthless_after_shredding(self, folder: Path, url: str) -> None:
        """An old dump of the key schema opens before, and not after; what remains is readable all the way (bar B9)."""
        with AuditLog.open(folder, database=url) as log:
            request(log, 1, user="gone")
            request(log, 2, user="stays")
            kms = FileKms.open(folder / "root.key")
            with psycopg.connect(url) as thief:
                find = "select wrapped from public_keys.tenant_key where tenant = 'default' and use = 'wrap'"
                (old_dump,) = thief.execute(find).fetchone() or (b"",)
            assert len(kms.unwrap(old_dump, b"tenant\0default\0wrap", 1)) == 32
            Eraser(log).erase("default", "gone", Why("ann", "T-1"))
            log.shred()
            with pytest.raises(KeysUnavailable):
                kms.unwrap(old_dump, b"tenant\0default\0wrap", 1)
            assert not (folder / "generation-1.key").exists()
            assert log.read("default", 2, who="a", purpose="p", ticket="t")[0].content == b"question 2"
            request(log, 3, user="later")
        with AuditLog.open(folder, database=url) as log:
            assert log.read("default", 4, who="a", purpose="p", ticket="t")[0].content == b"question 3"
            assert not log.keys.is_shred_due()

    def test_a_server_is_shredded_without_being_asked(self, folder: Path, url: str) -> None:
        """With the next checkpoint after an erasure: old pages of the database then open with nothing."""
        with AuditLog.open(folder, database=url) as log:
            request(log, 1, user="gone")
            Eraser(log).erase("default", "gone", Why("ann", "T-1"))
            assert log.keys.is_shred_due()
            until(lambda: not log.keys.is_shred_due())
            assert not (folder / "generation-1.key").exists()
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT


class TestRoles:
    def test_a_role_that_may_only_add_serves_and_can_change_nothing(self, folder: Path, url: str) -> None:
        """The shipped SQL is enough for a gateway, and too little for an intruder in it."""
        from audit.store_postgres import TABLES

        AuditLog.open(folder, database=url).close()
        execute(url, TABLES.with_name("postgres_roles.sql").read_text())
        login = f"gw_{url.rsplit('t_', 1)[1].split('?')[0]}"
        execute(url, f"create role {login} login", f"grant haechi_writer to {login}")
        execute(url, f"grant usage on schema public_keys to {login}")
        execute(url, f"grant select, insert, update, delete on all tables in schema public_keys to {login}")
        mine = url.replace("postgres:@", f"{login}@")
        with AuditLog.open(folder, database=mine) as log:
            for number in range(20):
                request(log, number)
                log.sign()
        assert verify_folder(folder, database=mine).outcome is Outcome.INTACT
        with psycopg.connect(mine, autocommit=True) as intruder:
            for attack in (
                "delete from leaf", "update leaf set header = ''", "update body set ciphertext = null", "truncate leaf",
                "delete from checkpoint", "update checkpoint set note = ''", "delete from body", "drop table leaf",
            ):  # fmt: skip
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    intruder.execute(attack)  # type: ignore[call-overload]
        execute(url, f"drop owned by {login}", f"drop role {login}")


WRITER = """
import sys
import time
from pathlib import Path
from audit import AuditLog, Event, EventType
folder, database, name, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
log = AuditLog.open(folder, database=database)
window = []
for number in range(count):
    window.append((number, log.append(Event(EventType.REQUEST_RECEIVED, "default", f"{name}_{number}"))))
    if len(window) == 8:
        for n, ack in window:
            ack.durable.result(30)
            print(f"{name}_{n}", flush=True)
        window.clear()
for n, ack in window:
    ack.durable.result(30)
    print(f"{name}_{n}", flush=True)
log.close()
"""


def start(folder: Path, url: str, name: str, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", WRITER, str(folder), url, name, str(count)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


class TestManyWriters:
    def test_four_processes_write_one_log_without_loss_or_fork(self, folder: Path, url: str) -> None:
        """Every record of each of them is there once."""
        AuditLog.open(folder, database=url).close()
        writers = [start(folder, url, f"w{n}", 100) for n in range(4)]
        outputs = [writer.communicate(timeout=120)[0] for writer in writers]
        assert [writer.returncode for writer in writers] == [0] * 4
        assert sorted(requests_in(url)) == sorted(line for out in outputs for line in out.splitlines())
        assert len(requests_in(url)) == 400
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_nothing_acknowledged_is_lost_when_writers_are_killed(self, folder: Path, url: str) -> None:
        """kill -9 in the middle of commits; orphans are closed by the next, and a living writer's requests are not."""
        acknowledged: set[str] = set()
        alive = AuditLog.open(folder, database=url)
        alive.append(Event(EventType.REQUEST_RECEIVED, "default", "living")).durable.result(10)
        for number in range(4):
            with start(folder, url, f"k{number}", 100_000) as writer:
                assert writer.stdout is not None
                for _ in range(5 + 7 * number):
                    acknowledged.add(writer.stdout.readline().strip())
                writer.kill()
                acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        with AuditLog.open(folder, database=url):
            pass
        alive.close()
        kept = requests_in(url)
        assert acknowledged - set(kept) == set()
        assert len(kept) == len(set(kept))
        store = PostgresStore(url, read_only=True)
        leaves = [canonical.decode(leaf) for _, leaf in store.headers(LOG)]
        store.close()
        orphaned = {h["req"] for h in leaves if h["typ"] == "request.orphaned"}
        assert orphaned == set(kept) - {"living"}
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT


class Counting(PostgresStore):
    """A store that counts batches that took one message, and those for which that was tried in vain."""

    quick = vain = 0

    def _extend_from_memory(self, *asked: Any) -> bool:
        known = self._ends.of(asked[0]) is not None
        done = super()._extend_from_memory(*asked)
        self.quick += done
        self.vain += known and not done
        return done


class TestOneMessage:
    """A process that writes alone remembers where its logs end, and the database checks that it is so."""

    def test_a_lone_writer_needs_one_message_a_batch(self, folder: Path, url: str) -> None:
        """Two tenants, begun and ended requests, several segments."""
        stores: list[Counting] = []

        def opener(_: Path) -> Counting:
            stores.append(Counting(url))
            return stores[-1]

        with AuditLog.open(folder, store=opener, database=url) as log:
            for number in range(8):
                request(log, number, tenant=("default", "acme")[number % 2])
            parts = tuple(Segment(name, name.encode(), subject="user-2") for name in ("zeta", "alpha"))
            log.append(Event(EventType.REQUEST_RECEIVED, "acme", "more", segments=parts)).durable.result(10)
        assert stores[0].quick >= 14
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_a_schema_without_the_function_is_served_as_well(self, folder: Path, url: str) -> None:
        """Somebody made the tables with an earlier file, or does not let the gateway call it."""
        AuditLog.open(folder, database=url).close()
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("drop function extend_log")
        with AuditLog.open(folder, database=url) as log:
            request(log, 1)
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_somebody_else_who_writes_is_noticed(self, folder: Path, url: str) -> None:
        """Two gateways by turns: nothing is lost or written twice, and guessing in vain ends."""
        stores: list[Counting] = []

        def opener(_: Path) -> Counting:
            stores.append(Counting(url))
            return stores[-1]

        with (
            AuditLog.open(folder, store=opener, database=url) as one,
            AuditLog.open(folder, store=opener, database=url) as other,
        ):
            for number in range(3):
                request(one, number)
            for number in range(10, 30):
                request((one, other)[number % 2], number)
        assert sorted(requests_in(url)) == sorted(f"req_{number}" for number in (*range(3), *range(10, 30)))
        assert 1 <= sum(store.vain for store in stores) <= 24
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT

    def test_keys_that_somebody_else_destroyed_are_not_written_under(self, folder: Path, url: str) -> None:
        """The count of destructions is checked under the lock, also where only one process writes to the log."""
        with AuditLog.open(folder, database=url) as one, AuditLog.open(folder, database=url) as other:
            for number in range(3):
                request(one, number, user="gone")
            Eraser(other).erase("default", "gone", Why("ann", "T-1"))
            request(one, 4, user="gone")
            assert one.read("default", 6, who="a", purpose="p", ticket="t")[0].content == b"question 4"
        assert verify_folder(folder, database=url).outcome is Outcome.INTACT


class Losing(PostgresStore):
    """A store whose connection breaks at its n-th commit: before the server was asked, or after it had answered."""

    at = 0
    kept = False
    broken: ClassVar[list[str]] = []

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._countdown = self.at
        for name in ("together", "call"):
            setattr(self._db, name, partial(self._losing, name, getattr(self._db, name)))

    def _losing(self, name: str, ask: Callable[..., Any], *asked: Any) -> Any:
        commits = name == "call" or asked[-1] == ("commit", ())
        self._countdown -= commits
        if commits and self._countdown == 0:
            if self.kept:
                ask(*asked)
            execute_on(f"select pg_terminate_backend({self._db.connection().info.backend_pid})")
            self.broken.append(name)
        return ask(*asked)  # on the line that is dead, when it was this one's turn


def execute_on(statement: str) -> None:
    execute(base_url(), statement)


@pytest.mark.parametrize(("at", "by"), [(2, "together"), (5, "call"), (7, "call")])
@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
def test_a_connection_that_breaks_in_a_commit_leaves_no_doubt(
    folder: Path, url: str, at: int, by: str, kept: bool
) -> None:
    """The outcome is found out on a new connection: no record is acknowledged and missing, none is there twice."""
    AuditLog.open(folder, database=url).close()
    breaking = type("Breaking", (Losing,), {"at": at, "kept": kept, "broken": []})
    acknowledged = set()
    with AuditLog.open(folder, store=lambda _: breaking(url), database=url) as log:
        for number in range(10):
            ack = log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{number}"))
            if ack.durable.exception(20) is None:
                acknowledged.add(f"r{number}")
    found = requests_in(url)
    assert acknowledged <= set(found)
    assert len(found) == len(set(found))
    assert set(found) - acknowledged == set()
    assert by in breaking.broken
    assert verify_folder(folder, database=url).outcome is Outcome.INTACT


class TestConnection:
    """What the server or the line does to a connection, and what is made of it."""

    def test_a_transaction_that_the_server_gave_up_is_not_called_committed(self, url: str) -> None:
        """PostgreSQL answers `commit` with ROLLBACK after a failed statement, and that is an error here."""
        db = Database(url)
        db.execute("begin")
        with pytest.raises(LogUnavailable):
            db.execute("select 1/0")
        with pytest.raises(LogUnavailable, match="gave up"):
            db.commit()
        assert db.one("select 1")[0] == 1
        db.close()

    def test_a_line_that_died_is_let_go_and_replaced(self, url: str) -> None:
        """In a transaction, while rows are read, twice over, and after the end."""
        db = Database(url)
        for _ in range(2):
            db.execute("begin")
            cut(db)
            db.undo()
            assert db.is_broken()
            db.undo()
            assert db.one("select 1")[0] == 1
        cut(db)
        db.close()
        db.close()

    def test_rows_that_stop_coming_are_an_error_and_not_an_end(self, folder: Path, url: str) -> None:
        """Half a log that is read over a dying line must not look like a whole one."""
        with AuditLog.open(folder, database=url) as log:
            acks = [log.append(Event(EventType.REQUEST_RECEIVED, "default", f"r{n}")) for n in range(1500)]
            acks[-1].durable.result(30)
        store = PostgresStore(url, read_only=True)
        headers = store.headers(LOG)
        assert next(headers)[0] == 0
        cut(store.connection)
        with pytest.raises(LogUnavailable):
            list(headers)
        assert sum(1 for _ in store.headers(LOG)) == 1500
        store.close()

    def test_a_server_that_is_away_is_no_proof_of_anything(self, folder: Path, url: str) -> None:
        """Neither of tampering nor of its absence."""
        AuditLog.open(folder, database=url).close()
        with pytest.raises(LogUnavailable):
            verify_folder(folder, database="postgresql://127.0.0.1:1/x")

    def test_a_session_that_does_not_wait_for_the_disk_is_corrected(self, url: str) -> None:
        """Whatever the URL asks for."""
        assert setting(f"{url}&options=-csynchronous_commit%3Doff", "synchronous_commit") == "on"

    def test_a_server_that_does_not_sync_takes_no_record_and_may_be_verified(self, folder: Path, url: str) -> None:
        """What it acknowledges would not survive a power cut; reading what is there harms nothing."""
        AuditLog.open(folder, database=url).close()
        try:
            execute(base_url(), "alter system set fsync = off", "select pg_reload_conf()")
            until(lambda: setting(url, "fsync") == "off")
            with pytest.raises(LogUnavailable, match="fsync off"):
                AuditLog.open(folder, database=url)
            assert verify_folder(folder, database=url).outcome is Outcome.INTACT
        finally:
            execute(base_url(), "alter system reset fsync", "select pg_reload_conf()")
            until(lambda: setting(url, "fsync") == "on")
        AuditLog.open(folder, database=url).close()

    def test_keys_of_another_version_are_refused(self, folder: Path, url: str) -> None:
        """With both versions named, and untouched."""
        AuditLog.open(folder, database=url).close()
        execute(url, "update public_keys.state set value = 9 where name = 'version'")
        with pytest.raises(KeysUnavailable, match="version 9"):
            AuditLog.open(folder, database=url)


class TestLiveness:
    """A lock ends with who holds it: a file's with the process, a session's with its line to the server."""

    def test_who_only_asks_is_no_writer_and_lets_go_of_nothing(self, tmp_path: Path, url: str) -> None:
        """In a folder and in PostgreSQL."""
        for mine, other in (
            (FolderLiveness(tmp_path), FolderLiveness(tmp_path)), (SessionLiveness(url), SessionLiveness(url)),
        ):  # fmt: skip
            mine.announce("b" * 32)
            with other.alone():
                assert not other.is_gone("b" * 32)
                other.keep()
            other.close()
            assert not mine.is_gone("b" * 32)
            mine.close()

    def test_a_writer_is_alive_until_its_session_ends_and_alive_again_when_it_returns(self, url: str) -> None:
        """Also when only its line was cut."""
        mine, other = SessionLiveness(url), SessionLiveness(url)
        assert other.is_gone("a" * 32)
        mine.announce("a" * 32)
        assert not mine.is_gone("a" * 32)
        assert not other.is_gone("a" * 32)
        mine.keep()
        cut(mine._db)
        until(lambda: other.is_gone("a" * 32))
        with pytest.raises(LogUnavailable):
            mine._db.one("select 1")
        mine.keep()
        assert not other.is_gone("a" * 32)
        mine.close()
        assert other.is_gone("a" * 32)
        other.keep()
        other.close()


def setting(url: str, name: str) -> str:
    """What a session of ours runs with."""
    db = Database(url, read_only=True)
    try:
        return str(db.one("select current_setting(?)", (name,))[0])
    finally:
        db.close()


def cut(db: Database) -> None:
    """End a connection from the server's side."""
    execute(base_url(), f"select pg_terminate_backend({db.connection().info.backend_pid})")


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


FAIR = """
import sys, time
from pathlib import Path
from audit import AuditLog, Event, EventType
folder, database, name, until = Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])
log = AuditLog.open(folder, database=database)
time.sleep(max(0, until - 8 - time.time()))  # all of them are open by then, also on a busy machine
count, worst = 0, 0.0
while time.time() < until:
    began = time.monotonic()
    log.append(Event(EventType.RESPONSE_COMPLETED, "default", f"{name}_{count}")).durable.result(30)
    worst = max(worst, time.monotonic() - began)
    count += 1
log.close()
print(count, worst)
"""


@pytest.mark.slow
def test_four_processes_get_equal_shares_of_the_lock(folder: Path, url: str) -> None:
    """Fewest and most commits within a factor of two, no wait of a second (bar B6); nothing lost."""
    AuditLog.open(folder, database=url).close()
    words = [sys.executable, "-c", FAIR, str(folder), url]
    until = str(time.time() + 28)
    writers = [subprocess.Popen([*words, f"w{n}", until], stdout=subprocess.PIPE, text=True) for n in range(4)]
    said = [writer.communicate(timeout=60)[0].split() for writer in writers]
    counts = [int(count) for count, _ in said]
    assert min(counts) >= 0.5 * max(counts), counts
    assert max(float(worst) for _, worst in said) < 1
    assert verify_folder(folder, database=url).outcome is Outcome.INTACT


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_in_sixty_kills(folder: Path, url: str) -> None:
    """The long form of the kills above (bar B7), at different moments of the work."""
    acknowledged: set[str] = set()
    for number in range(60):
        with start(folder, url, f"k{number}", 100_000) as writer:
            assert writer.stdout is not None
            acknowledged.add(writer.stdout.readline().strip())
            time.sleep(0.003 * (number % 23))
            writer.kill()
            acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
    AuditLog.open(folder, database=url).close()
    kept = requests_in(url)
    assert acknowledged - set(kept) == set()
    assert len(kept) == len(set(kept))
    assert verify_folder(folder, database=url).outcome is Outcome.INTACT
