"""What measuring took: seconds, and where the answers came from.

The session's totals are a function that the plugin binds, which reads the clock and the memo's tally: nothing here does. A block
of `working` is one piece of work, such as an assertion or a `measure` outside of one; `spent` says what it took so far. Outside a
session nothing is counted. Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import astuple, dataclass, replace

from pytest_llm.binding import bound


@dataclass(frozen=True, slots=True)
class Effort:
    """What it took. Sums and differences are those of each number."""

    seconds: float = 0.0
    new: int = 0
    """Answers that the model was asked for."""
    cached: int = 0
    """Answers from disk: of an earlier session, or of another process."""
    known: int = 0
    """Answers from this session's memory."""

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(own + others for own, others in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Effort) -> Effort:
        return Effort(*(own - others for own, others in zip(astuple(self), astuple(other), strict=True)))


_totals: ContextVar[Callable[[], Effort] | None] = ContextVar("pytest_llm_totals", default=None)
_before: ContextVar[Effort | None] = ContextVar("pytest_llm_effort_before", default=None)


def counting(totals: Callable[[], Effort] | None) -> AbstractContextManager[None]:
    """Bind what tells the session's totals so far, for the length of a `with` block; None: nothing is counted."""
    return bound(_totals, totals)


@contextmanager
def working() -> Iterator[None]:
    """One piece of work; a block within a block is part of it."""
    totals = _totals.get()
    if totals is None or _before.get() is not None:
        yield
        return
    with bound(_before, totals()):
        yield


def spent() -> Effort | None:
    """What the present piece of work took so far; None outside of one, and where nothing is counted."""
    totals, before = _totals.get(), _before.get()
    if totals is None or before is None:
        return None
    took = totals() - before
    return took if took.seconds >= 0 else replace(took, seconds=0.0)  # the clock was set back, or is a test's own
