"""Which shelf of baselines is the running test's, and what a run may write. Standard library only: each pytest start loads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pytest_llm.baselines.shelf import Shelf

Update: TypeAlias = Literal["missing", "changed", "all"]
"""Which baselines are written: those that are not there; these and all that do not say the same; every one."""
UPDATES: tuple[Update, ...] = ("missing", "changed", "all")

_current: ContextVar[Callable[[], Shelf] | None] = ContextVar("pytest_llm_shelf", default=None)


@contextmanager
def on_shelf(shelf: Callable[[], Shelf]) -> Iterator[None]:
    """Bind the shelf for the length of a `with` block; it is made when a test first asks for it."""
    token = _current.set(shelf)
    try:
        yield
    finally:
        _current.reset(token)


def current_shelf() -> Shelf | None:
    """The running test's; None outside pytest."""
    shelf = _current.get()
    return None if shelf is None else shelf()
