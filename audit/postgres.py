"""A connection to PostgreSQL that never hangs, says what is wrong in one error of ours, and speaks SQL with `?`.

Rules of this file
1. Nothing waits for ever: connecting, locks, statements and dead networks have limits, on both ends of the line.
2. A server that does not sync commits is refused; a session that does not is corrected.
3. No message holds the URL or a value: they may be secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from audit.errors import LogUnavailable, PartMissing

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

_CLIENT = {
    "connect_timeout": 5,
    "application_name": "haechi-audit",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SESSION = (
    "set lock_timeout = '5s'",
    "set statement_timeout = '60s'",
    # A client that vanished in its transaction would keep all others from the lock: the server lets go of it.
    "set idle_in_transaction_session_timeout = '10s'",
    "set tcp_keepalives_idle = 5",
    "set tcp_keepalives_interval = 2",
    "set tcp_keepalives_count = 3",
    "set tcp_user_timeout = '10s'",
    "set client_min_messages = error",
    # Of another level, what a statement reads may be older than the lock that it waited for.
    "set default_transaction_isolation = 'read committed'",
)
SCHEMES = ("postgresql://", "postgres://")
Statement = tuple[str, tuple[object, ...]]
"""SQL with `?`, and its values."""


class Answer(NamedTuple):
    """What the server says to a statement. said: the command's tag."""

    said: str
    rows: list[tuple[Any, ...]]


class Database:
    """One connection, opened again after it broke. Not for several threads at once."""

    def __init__(self, url: str, *, read_only: bool = False, search_path: str = "") -> None:
        self._url = url
        self._read_only = read_only
        self._search_path = search_path
        self._db: Connection[Any] | None = None
        self._prepared: Connection[Any] | None = None
        self.connection()

    def connection(self) -> Connection[Any]:
        """The connection; a new one where there is none that works.

        Raises:
            LogUnavailable: the server cannot be reached or used.
        """
        if self._db is None or self.is_broken():
            self._db = None
            self._db = _connect(self._url, read_only=self._read_only)
            if self._search_path:
                self._db.execute(f"set search_path = {self._search_path}")
        return self._db

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor[Any]:
        """Run a statement.

        Raises:
            LogUnavailable: whatever the server says against it.
        """
        with translated():
            return self.connection().execute(_words(sql), parameters or None, binary=True)

    def one(self, sql: str, parameters: Any = ()) -> Any:
        """The first row of a statement; None without one."""
        return self.execute(sql, parameters).fetchone()

    def executemany(self, sql: str, rows: Iterable[Any], /) -> None:
        """Run a statement for every row, in one round trip."""
        with translated(), self.connection().cursor() as cursor:
            cursor.executemany(_words(sql), list(rows))

    def together(self, *statements: Statement) -> list[Answer]:
        """Run several statements in one message; the answer to each. The driver writes their values into the text."""
        psycopg = load_psycopg()
        with translated():
            cursor = psycopg.ClientCursor(self.connection())
            values = [value for _, given in statements for value in given]
            cursor.execute("; ".join(_words(sql) for sql, _ in statements), values or None)
            answers = [_answer(cursor)]
            while cursor.nextset():
                answers.append(_answer(cursor))
            return answers

    def call(self, name: str, values: Sequence[bytes]) -> bytes:
        """Call a function in one message that also commits, and give back its answer; values and answer as PostgreSQL sends them.

        The driver's own way spends more time on twenty values than the server on writing them.

        Raises:
            LogUnavailable: whatever the server says against it, or the outcome is not known.
        """
        psycopg = load_psycopg()
        with translated():
            db = self.connection()
            with db.lock:
                if self._prepared is not db:
                    marks = ",".join(f"${number}" for number in range(1, len(values) + 1))
                    _checked(psycopg, db.pgconn.prepare(b"call", f"select {name}({marks})".encode("ascii")))
                    self._prepared = db
                found = db.pgconn.exec_prepared(b"call", values, [1] * len(values), 1)
            return bytes(_checked(psycopg, found).get_value(0, 0))

    @contextmanager
    def transaction(self, lock: int | None = None) -> Iterator[Database]:
        """Everything within or nothing. lock: a number whose holders exclude each other until they are through."""
        with self.undone_on_error():
            self.together(*beginning(lock))
            yield self
            self.commit()

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Give up the transaction that is open when something within fails."""
        try:
            yield
        except BaseException:
            self.undo()
            raise

    def commit(self, *last: Statement) -> None:
        """Make the transaction durable, in one message with its last statements.

        Raises:
            LogUnavailable: a statement failed, or the outcome is not known.
        """
        if self.together(*last, ("commit", ()))[-1].said != "COMMIT":
            raise LogUnavailable("PostgreSQL gave up a transaction of the audit database", hint="its own log says why")

    def undo(self) -> None:
        """Give up the open transaction; a connection that cannot even do that is dropped."""
        db = self._db
        if db is None:
            return
        try:
            with translated():
                db.rollback()
        except LogUnavailable:
            with suppress(Exception):  # whatever closing a broken connection says, it is gone
                db.close()
            self._db = None

    def is_broken(self) -> bool:
        """Whether the line to the server is known to be dead."""
        return self._db is None or self._db.closed or self._db.broken

    def close(self) -> None:
        """Let go of the server."""
        if self._db is not None:
            with suppress(Exception):  # a connection that broke is closed as far as it can be
                self._db.close()
            self._db = None


def beginning(lock: int | None) -> tuple[Statement, ...]:
    """What opens a transaction; with a lock, a statement sees what was committed before the one that takes it ended."""
    take: tuple[Statement, ...] = () if lock is None else (("select pg_advisory_xact_lock(?)", (lock,)),)
    return (("begin", ()), *take)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the driver become one of ours, without values or URL.

    Raises:
        LogUnavailable: in place of whatever psycopg raised.
    """
    psycopg = load_psycopg()
    try:
        yield
    except psycopg.Error as error:
        said = type(error).__name__ + (f" {error.sqlstate}" if error.sqlstate else "")
        raise LogUnavailable(
            f"PostgreSQL does not serve the audit database: {said}",
            hint="check the server, its disk and the role's privileges; its own log says more",
        ) from error


def load_psycopg() -> Any:
    """The driver.

    Raises:
        PartMissing: it is not installed.
    """
    try:
        import psycopg
    except ImportError as error:
        raise PartMissing(
            "a PostgreSQL database needs the driver psycopg", hint="pip install 'haechi[postgres]'"
        ) from error
    return psycopg


def _checked(psycopg: Any, result: Any) -> Any:
    """The result of the driver's C library, or the error that the driver would make of it."""
    if result.status in {psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK}:
        return result
    state = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
    raise psycopg.errors.lookup(state.decode("ascii"))() if state else psycopg.OperationalError()


def _answer(cursor: Cursor[Any]) -> Answer:
    return Answer(cursor.statusmessage or "", cursor.fetchall() if cursor.description else [])


def _connect(url: str, *, read_only: bool) -> Connection[Any]:
    psycopg = load_psycopg()
    with translated():
        given = psycopg.conninfo.conninfo_to_dict(url)
        db: Connection[Any] = psycopg.connect("", autocommit=True, **{**_CLIENT, **given})
        try:
            with db.pipeline():
                for statement in _SESSION:
                    db.execute(statement)
                synced = db.execute("select current_setting('fsync'), current_setting('synchronous_commit')")
            fsync, commits = synced.fetchone() or ("", "")
            if not read_only:
                _refuse_unsynced(str(fsync))
            if commits == "off":
                db.execute("set synchronous_commit = on")
            if read_only:
                db.execute("set default_transaction_read_only = on")
        except BaseException:
            db.close()
            raise
    return db


def _refuse_unsynced(fsync: str) -> None:
    if fsync != "on":
        raise LogUnavailable(
            "the PostgreSQL server runs with fsync off: a commit would not survive a power cut",
            hint="set fsync = on in postgresql.conf",
        )


@lru_cache(maxsize=256)
def _words(sql: str) -> str:
    """`?` to the driver's mark; no statement of ours holds either in a text."""
    return sql.replace("%", "%%").replace("?", "%s")
