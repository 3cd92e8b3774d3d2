"""A context variable that has a value for the length of a `with` block.

What Python 3.14 has as `with variable.set(value):`. Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Value = TypeVar("Value")


@contextmanager
def bound(variable: ContextVar[Value], value: Value) -> Iterator[None]:
    """Give it the value; behind the block it has again what it had."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
