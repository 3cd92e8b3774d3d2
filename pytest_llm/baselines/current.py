"""Which shelf of baselines is the running test's, and what a run may write. Standard library only: each pytest start loads it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_llm.binding import bound

if TYPE_CHECKING:
    from pytest_llm.baselines.shelf import Shelf

Update: TypeAlias = Literal["missing", "changed", "all"]
"""Which baselines are written: those that are not there; these and all that do not say the same; every one."""
UPDATES: tuple[Update, ...] = ("missing", "changed", "all")

_current: ContextVar[Callable[[], Shelf] | None] = ContextVar("pytest_llm_shelf", default=None)


def on_shelf(shelf: Callable[[], Shelf]) -> AbstractContextManager[None]:
    """Bind the shelf for the length of a `with` block; it is made when a test first asks for it."""
    return bound(_current, shelf)


def current_shelf() -> Shelf | None:
    """The running test's; None outside pytest."""
    shelf = _current.get()
    return None if shelf is None else shelf()
