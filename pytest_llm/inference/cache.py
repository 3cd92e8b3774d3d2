"""The cache on disk as a run sees it: opened when it is first needed, and never the reason why a run fails.

Whatever happens to the file (no room, no right to write, a lock that is never given back) ends in one warning, and the run goes on
without it. A file that is not ours or is damaged is set aside, for its owner to look at, and a new one is begun.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any, TypeVar

from pytest_llm.errors import CacheWarning, MisuseError
from pytest_llm.inference.cache_file import NAME, CacheFile, ForeignFileError, Question

DEFAULT_SIZE = 2 * 10**9
Found = TypeVar("Found")
_of_parents: list[CacheFile] = []


class Cache:
    """Answers that outlive the process.

    Args:
        folder: where the file is; asked for when it is first needed.
        most_bytes: how large the file may become. It lets go of what was unused for longest.
    """

    def __init__(self, folder: Callable[[], Path], most_bytes: int = DEFAULT_SIZE) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._file: CacheFile | None = None
        self._process = 0
        self._inode: int | None = None
        self._off = False

    def find(self, question: Question, items: Sequence[Hashable]) -> dict[Hashable, Any]:
        """The answers that are there, by item: a text, or a pair of texts."""
        from pytest_llm.inference.stored_values import from_bytes

        keys = {_key(question, item): item for item in items}
        nothing: dict[bytes, bytes] = {}
        rows = self._tried(lambda file: file.find(list(keys)), nothing)
        found: dict[Hashable, Any] = {}
        for key, value in rows.items():
            with suppress(ValueError):  # no answer, though its checksum is right: it is asked again
                found[keys[key]] = from_bytes(value)
        return found

    def keep(self, question: Question, answers: Mapping[Any, Any]) -> None:
        """Commit these answers: if this process is killed now, they are there. Kinds that are not kept are left out."""
        from pytest_llm.inference.stored_values import each_to_bytes

        packed = each_to_bytes(list(answers.values()))
        rows = {_key(question, item): data for item, data in zip(answers, packed, strict=True) if data is not None}
        if rows:
            self._tried(lambda file: file.keep(question, rows, self._most_bytes), None)

    def close(self) -> None:
        """Let the file go, without a word if it does not want to."""
        if self._file is not None and self._process == os.getpid():
            with suppress(sqlite3.Error):  # what it would have noted is when answers were last used
                self._file.close()
        self._file = None

    def _tried(self, work: Callable[[CacheFile], Found], otherwise: Found) -> Found:
        if self._off:
            return otherwise
        try:
            try:
                return work(self._opened())
            except ForeignFileError as damage:
                self._set_aside(damage)
                return work(self._opened())
        except (OSError, sqlite3.Error, ForeignFileError) as error:
            self._off = True
            self.close()
            said = MisuseError(str(error))  # printable, whatever a damaged file holds
            _warn(f"answers are not kept on disk from here on: {said} ({self._where()})")
            return otherwise

    def _opened(self) -> CacheFile:
        if self._file is None or self._process != os.getpid():
            if self._file is not None:
                _of_parents.append(self._file)  # a forked child must neither use a connection nor close it
            path = self._folder() / NAME
            self._inode = _inode(path)
            self._file = CacheFile(path)
            self._inode = _inode(path)
            self._process = os.getpid()
        return self._file

    def _set_aside(self, damage: ForeignFileError) -> None:
        path = self._folder() / NAME
        self.close()
        if _inode(path) != self._inode:
            return  # another process has set it aside, and begun a new one
        place = next(place for number in range(1, 1000) if not (place := Path(f"{path}.aside-{number}")).exists())
        for suffix in ("", "-wal", "-shm"):
            try:
                os.replace(f"{path}{suffix}", f"{place}{suffix}")
            except FileNotFoundError:
                continue
        _warn(
            f"the cache {path} cannot be trusted ({damage}): it was set aside as {place.name}, and a new one is begun"
        )

    def _where(self) -> str:
        try:
            return str(self._folder() / NAME)
        except OSError as error:
            return str(error)


def cache_at(given: str, base: Path, usual: Callable[[], Path] | None, most_bytes: int) -> Cache | None:
    """The cache that was asked for.

    Args:
        given: a folder, "off", or nothing.
        base: what a relative folder is relative to.
        usual: makes the folder that is meant by nothing; None where there is none.
        most_bytes: how large the file may become.
    """
    if given == "off" or not (given or usual):
        return None
    return Cache(usual if usual and not given else lambda: base / _expanded(given), most_bytes)


def _expanded(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:  # a user without a home, as in some containers
        raise OSError(f"{given}: {error}") from None


def question_of(model_key: str, model: str, request: str, policy: str, repeat: int) -> Question:
    """What is asked, by everything that the answers depend on besides the text.

    Args:
        model_key: digest of what the model is made of (`models.cache_key`), or what a model of one's own says of itself.
        model: its name, for reports.
        request: what is asked of it, in full.
        policy: how the engine asks.
        repeat: 0, or how often the same was asked before: a hit must not count as a repeat.
    """
    parts = [model_key, request, policy, str(repeat), own_code()]
    return Question(hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest(), model, request)


@cache
def own_code() -> str:
    """SHA-256 of the part of this package that answers come from: no number that one could forget to raise."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for folder in ("models", "inference", "tasks", "transformer"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(f"\0{path.relative_to(package).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _key(question: Question, item: Hashable) -> bytes:
    """Of a row: SHA-256 of the question and the text, of which nothing else is kept."""
    told = (
        encode_basestring_ascii(item) if isinstance(item, str) else json.dumps(item)
    )  # the same, for a third of the time
    return hashlib.sha256(question.key + told.encode()).digest()


def _inode(path: Path) -> int | None:
    """Tells a file from another one of the same name."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def _warn(message: str) -> None:
    """Warn, and do no more than that where people have warnings raised: the cache is no reason for a test to fail."""
    try:
        warnings.warn(message, CacheWarning, stacklevel=2)
    except CacheWarning:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CacheWarning)
            warnings.warn(message, CacheWarning, stacklevel=2)
