"""How far a measurement has come: counted here, shown by whoever is bound (`progress_bar`, in a terminal).

Standard library only: the memo, which the plugin loads at start-up, counts here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from pytest_llm.binding import bound


@dataclass
class Progress:
    """Of one measurement."""

    metric: str
    total: int | None
    """How many examples are asked about, at most; None where nobody knows."""
    done: int = 0
    _before: int = 0
    _asked: int = 0

    def begin(self, count: int) -> None:
        """So many examples are asked about next."""
        self._before, self._asked = self._before + self._asked, count

    def answered(self, count: int, of: int) -> None:
        """So many of the answers for them are known; a question that has several is counted by the one that is furthest."""
        self.done = max(self.done, self._before + self._asked * count // max(1, of))


class Shower(Protocol):
    """Shows the progress of a measurement for the length of a `with` block; it is read, not told."""

    def __call__(self, progress: Progress) -> AbstractContextManager[None]: ...


_shower: ContextVar[Shower | None] = ContextVar("pytest_llm_progress_shower", default=None)
_current: ContextVar[Progress | None] = ContextVar("pytest_llm_progress", default=None)


def shown_by(shower: Shower) -> AbstractContextManager[None]:
    """Bind who shows it, for the length of a `with` block."""
    return bound(_shower, shower)


@contextmanager
def measuring(metric: str, total: int | None) -> Iterator[None]:
    """Count, and show, what is answered within the block. One within another is not shown."""
    shower = _shower.get()
    if shower is None or _current.get() is not None:
        yield
        return
    progress = Progress(metric, total)
    with bound(_current, progress), shower(progress):
        yield


def asking_about(count: int) -> None:
    """The next answers are those for so many examples."""
    if (progress := _current.get()) is not None:
        progress.begin(count)


def answered(count: int, of: int) -> None:
    """So many of so many answers are known."""
    if (progress := _current.get()) is not None:
        progress.answered(count, of)
