"""One SQLite file of answers, for all processes that write to it at the same time.

Rows are found by a digest of all that an answer depends on, and carry a checksum over that digest and the answer: what was
damaged, or moved to another place, is not taken for an answer. Answers are committed together (WAL, so that readers do not wait
for writers): what is committed outlives the process, however it ends. Beyond its size the file lets go of what was unused for
longest.

Everything here raises what SQLite raises; `cache.Cache` makes warnings of it. Standard library only.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NAME = "answers.sqlite3"
VERSION = 1
_OURS = 0x6C6C6D63
"""The application id in SQLite's header, by which our files are known from others: "llmc"."""
_SECONDS_TO_WAIT = 30.0
_HOUR = 3600
_TOUCHED_AFTER = 24
"""Hours after which a use of an answer is noted again: a run that reads a thousand answers then writes nothing, most days."""
_SHARE_KEPT = 0.9
"""Of the allowed size, where it was exceeded: so that not every batch has to make room."""
_KEYS_AT_A_TIME = 500
_MOST_TO_NOTE = 2**16
"""Uses that are remembered until the next answers are kept, or the end."""
_PAGES_IN_LOG = 4000
"""Of 4 kB, before they are copied into the file: keys are digests, so that a commit of 250 answers changes as many pages."""
_TABLES = """
CREATE TABLE IF NOT EXISTS questions (key BLOB PRIMARY KEY, model TEXT NOT NULL, request TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    key BLOB PRIMARY KEY, question BLOB NOT NULL, used INTEGER NOT NULL, checksum BLOB NOT NULL, value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS answers_by_use ON answers (used);
"""


class ForeignFileError(Exception):
    """A file of our name that we did not write, or that is damaged."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a model in a certain state; and both in the words of a report."""

    key: bytes
    model: str
    request: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept for one question."""

    model: str
    request: str
    answers: int
    size: int
    """Bytes of the answers alone."""
    used: float
    """Seconds since the epoch: when one of them was last used, to the hour."""


class CacheFile:
    """An open file.

    Args:
        path: of the file; it is made, and its folder, if it is not there.

    Raises:
        ForeignFileError: it is not ours, is of another version, or is damaged.
        OSError, sqlite3.Error: it cannot be opened or made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used: set[bytes] = set()
        path.parent.mkdir(parents=True, exist_ok=True)
        # threads: a test may ask from another one; SQLite as Python builds it takes care of that
        self._connection = sqlite3.connect(path, _SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
        try:
            with naming_damage():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {int(_SECONDS_TO_WAIT * 1000)}")
        self._connection.execute("PRAGMA trusted_schema = OFF")  # a file of somebody else's may have views and triggers
        self._connection.execute("PRAGMA cell_size_check = ON")
        if self._is_new():
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._switch_to_wal()
            with self._transaction():
                if self._is_new():  # no other process was faster
                    for statement in _TABLES.split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {VERSION}")
                    self._connection.execute(f"PRAGMA application_id = {_OURS}")
        if self._number("application_id") != _OURS:
            raise ForeignFileError("another program's database")
        if self._number("user_version") != VERSION:
            raise ForeignFileError(f"of version {self._number('user_version')}, and this release writes {VERSION}")
        # after a crash of the machine the last answers may be missing, but none is wrong
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_IN_LOG}")

    def _switch_to_wal(self) -> None:
        """Wait for other processes that are making the same file: SQLite does not, for this."""
        end = time.monotonic() + _SECONDS_TO_WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def _is_new(self) -> bool:
        (tables,) = self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return not tables and not self._number("application_id")

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk has rolled it back already
                self._connection.execute("ROLLBACK")
            raise

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The answers that are there, by key. Damaged rows are removed."""
        found: dict[bytes, bytes] = {}
        damaged: list[tuple[bytes]] = []
        now = _hours_now()
        with naming_damage():
            for start in range(0, len(keys), _KEYS_AT_A_TIME):
                some = keys[start : start + _KEYS_AT_A_TIME]
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(
                    f"SELECT key, used, checksum, value FROM answers WHERE key IN ({marks})", some
                )
                for key, used, checksum, value in rows:
                    if type(used) is not int or not _is_whole(key, checksum, value):
                        damaged.append((key,))
                        continue
                    found[key] = value
                    if abs(now - used) > _TOUCHED_AFTER:
                        self._used.add(key)
            if damaged:
                with self._transaction():
                    self._connection.executemany("DELETE FROM answers WHERE key = ?", damaged)
            if len(self._used) > _MOST_TO_NOTE:  # of a stream that is known there may be any number
                with suppress(sqlite3.OperationalError), self._transaction():  # as at the end: it is no reason to stop
                    self._note_uses()
                self._used.clear()
        return found

    def keep(self, question: Question, answers: Mapping[bytes, bytes], most_bytes: int) -> None:
        """Commit answers, and let others go if the file has become larger than it may."""
        now = _hours_now()
        rows = [(key, question.key, now, _checksum(key, value), value) for key, value in answers.items()]
        with naming_damage():
            with self._transaction():
                named = (question.key, question.model, question.request)
                self._connection.execute("INSERT OR REPLACE INTO questions VALUES (?, ?, ?)", named)
                self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)
                self._note_uses()
                shrunk = self._make_room(most_bytes)
            if shrunk:
                self._connection.executescript("PRAGMA incremental_vacuum")  # execute() would give back a single page

    def _note_uses(self) -> None:
        now = _hours_now()
        used = [(now, key) for key in self._used]
        self._connection.executemany("UPDATE answers SET used = ? WHERE key = ?", used)
        self._used.clear()

    def _make_room(self, most_bytes: int) -> bool:
        if self.size <= most_bytes:
            return False
        # noted while the clock was wrong: these would stay for ever, and all that is new would go
        now = _hours_now()
        self._connection.execute("UPDATE answers SET used = ? WHERE used > ?", (now, now + _TOUCHED_AFTER))
        while (excess := self.size - _SHARE_KEPT * most_bytes) > 0:
            (rows,) = self._connection.execute("SELECT count(*) FROM answers").fetchone()
            if not rows:
                break
            count = max(1, int(rows * min(1.0, excess / self.size)))
            oldest = "SELECT rowid FROM answers ORDER BY used, rowid LIMIT ?"
            self._connection.execute(f"DELETE FROM answers WHERE rowid IN ({oldest})", (count,))
        self._connection.execute("DELETE FROM questions WHERE key NOT IN (SELECT question FROM answers)")
        return True

    @property
    def size(self) -> int:
        """Bytes in use; what was let go is given back to the system, or used again, later."""
        return (self._number("page_count") - self._number("freelist_count")) * self._number("page_size")

    def entries(self) -> list[Entry]:
        """What is kept, the largest first."""
        with naming_damage():
            rows = self._connection.execute(
                "SELECT coalesce(model, '?'), coalesce(request, '?'), count(*), "
                "coalesce(sum(length(value)), 0), coalesce(max(CAST(used AS INTEGER)), 0) FROM answers "
                "LEFT JOIN questions ON questions.key = answers.question GROUP BY question ORDER BY 4 DESC"
            ).fetchall()
        return [Entry(model, request, answers, size, hour * _HOUR) for model, request, answers, size, hour in rows]

    def verify(self) -> tuple[int, int]:
        """Read everything: how many answers there are, and how many were damaged, which are removed.

        Raises:
            ForeignFileError: the file itself is damaged.
        """
        with naming_damage():
            (complaint,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if complaint != "ok":
                raise ForeignFileError(f"damaged: {complaint!a}")
            rows = self._connection.execute("SELECT key, checksum, value FROM answers")
            total, damaged = 0, []
            for key, checksum, value in rows:
                total += 1
                if not _is_whole(key, checksum, value):
                    damaged.append((key,))
            with self._transaction():
                self._connection.executemany("DELETE FROM answers WHERE key = ?", damaged)
        return total, len(damaged)

    def clear(self) -> None:
        """Remove all answers, also for processes that are using the file now."""
        with naming_damage():
            with self._transaction():
                self._connection.execute("DELETE FROM answers")
                self._connection.execute("DELETE FROM questions")
            self._connection.executescript("PRAGMA incremental_vacuum")  # execute() would give back a single page

    def close(self) -> None:
        """Note what was used, and let the file go."""
        try:
            if self._used:
                with self._transaction():
                    self._note_uses()
        finally:
            self._connection.close()


def _is_whole(key: object, checksum: object, value: object) -> bool:
    """SQLite keeps to no type: in a damaged file anything may stand in any column."""
    return isinstance(key, bytes) and isinstance(value, bytes) and checksum == _checksum(key, value)


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=16).digest()


def _hours_now() -> int:
    return int(time.time() // _HOUR)


@contextmanager
def naming_damage() -> Iterator[None]:
    """Raise ForeignFileError where SQLite finds that a file is none of its own, or is damaged."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) is sqlite3.DatabaseError:  # its subclasses: locked, full, read-only, …
            raise ForeignFileError(ascii(str(error))[1:-1]) from error  # it quotes what is in the file
        raise
    except UnicodeDecodeError as error:
        raise ForeignFileError("a table is described by something that is no text") from error
