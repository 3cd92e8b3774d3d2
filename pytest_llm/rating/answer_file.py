"""The file that answers are kept in: one JSON line each, appended and on the disk before the rater sees the next question.

Each line has a checksum of its own, so that a digit that changed on the way is no other score. Who means to change an answer
takes the checksum away: these files are for people too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from pytest_llm.errors import MisuseError
from pytest_llm.rating.answers import Answer, answer_of
from pytest_llm.storage.checksum import SHORT, sealed
from pytest_llm.storage.strict_json import parsed, read_bounded

MOST_BYTES = 2**28
"""Of a file: a million answers have fewer."""


class AnswerFile:
    """Answers on disk, and the latest of each rater to each item in memory. One process at a time has it."""

    def __init__(self, path: Path) -> None:
        """Open it, and read what is there.

        A last line without an end is what a crash leaves. If it is whole but for the end, it is kept; else it is moved to
        `<name>.torn` beside. `repair` says which: the rater was never told that it was saved.

        Raises:
            MisuseError: another process has it, or a line is no answer: the file is damaged, or somebody else's.
        """
        import filelock

        if path.suffix.lower() != ".jsonl":
            raise MisuseError(f"--out {path}: answers are kept in a .jsonl file")
        self.path = path
        self.repair = ""
        """What had to be mended, for people; empty if nothing."""
        self._latest: dict[tuple[str, str], Answer] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(f"{path}.lock")
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise MisuseError(f"{path} is in use: another `pytest-llm rate` is keeping answers in it") from None
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def answers(self) -> Iterable[Answer]:
        """The latest answers, in the order in which the questions were first answered."""
        return self._latest.values()

    def find(self, rater: str, item: str) -> Answer | None:
        """The latest answer of a rater to an item."""
        return self._latest.get((rater, item))

    def append(self, answer: Answer) -> None:
        """Keep an answer: when this returns, it is on the disk."""
        _append(self.path, as_line(answer))
        self._latest[answer.rater, answer.item] = answer

    def _read(self) -> None:
        if not self.path.exists():
            return
        try:
            raw = read_bounded(self.path, MOST_BYTES)
        except ValueError as error:
            raise MisuseError(f"{self.path} cannot be read: {error}") from None
        whole, _, torn = raw.rpartition(b"\n")
        for number, line in enumerate(whole.split(b"\n"), 1):
            if line.strip():
                self._take(_parsed(line, f"line {number} of {self.path.name}"))
        if torn.strip():
            self._mend(torn, len(raw) - len(torn))

    def _take(self, answer: Answer) -> None:
        known = self.find(answer.rater, answer.item)
        if known is None or answer.revision > known.revision:
            self._latest[answer.rater, answer.item] = answer
        elif answer.revision == known.revision:
            raise MisuseError(
                f"{self.path.name} holds two answers of {answer.rater!r} to {answer.item!r} with the revision "
                f"{answer.revision}; keep one"
            )

    def _mend(self, torn: bytes, offset: int) -> None:
        try:
            self._take(_parsed(torn, f"the last line of {self.path.name}"))
        except MisuseError:
            beside = self.path.with_name(f"{self.path.name}.torn")
            _append(beside, torn + b"\n")
            with self.path.open("r+b") as stream:
                stream.truncate(offset)
                os.fsync(stream.fileno())
            self.repair = (
                f"the last line of {self.path.name} was torn by a crash: its {len(torn)} bytes are in {beside.name} now, and "
                f"its question is asked again"
            )
        else:
            _append(self.path, b"\n")
            self.repair = f"the last line of {self.path.name} had no end; it is whole, and kept"


def as_line(answer: Answer) -> bytes:
    """One line of the file."""
    row = sealed(json.loads(json.dumps(answer.as_row())), digits=SHORT)  # of what a reader finds
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and UTF-8 cannot
        return json.dumps(row).encode() + b"\n"


def _parsed(line: bytes, place: str) -> Answer:
    try:
        row = parsed(line)
    except ValueError as error:
        raise MisuseError(
            f"{place} is damaged: {error}; nothing is guessed: mend it, or choose another --out"
        ) from None
    return answer_of(row, place)


def _append(path: Path, line: bytes) -> None:
    """All of it is on the disk when this returns, or nothing; a new file's name too, where folders can be synchronised."""
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    try:
        size = os.fstat(handle).st_size
        written = os.write(handle, line)
        if written < len(line):
            os.ftruncate(handle, size)
            raise OSError(f"only {written} of {len(line)} bytes could be written to {path}: is the disk full?")
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new and hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
