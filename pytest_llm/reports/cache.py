"""What is kept on disk, for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.inference.cache_file import Entry


def lines(path: Path, size: int, entries: Sequence[Entry]) -> Iterator[str]:
    """The whole, and a line for each question, the largest first.

    Args:
        path: of the file.
        size: of what is in use of it, in bytes.
        entries: what is kept for each question.
    """
    yield f"{path}: {sum(entry.answers for entry in entries)} answers, {_megabytes(size)}"
    for entry in entries:
        used = datetime.fromtimestamp(entry.used).strftime("%Y-%m-%d %H:%M")
        yield f"{entry.answers:>9} {_megabytes(entry.size):>10}  used {used}  {entry.model or 'unknown'}: {entry.request}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
