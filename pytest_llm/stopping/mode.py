"""Whether gates may be decided before all of the data is seen.

The plugin binds what `--llm-stop` says for the length of a session; an assertion's `early_stop=` wins over it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Literal, TypeAlias

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError

EarlyStop: TypeAlias = Literal["off", "certain", "sequential"]
"""off: all of the data is seen. certain: until the rest cannot change the verdict. sequential: until it changes the verdict with
probability 1 % at most."""
MODES: tuple[EarlyStop, ...] = ("off", "certain", "sequential")

_current: ContextVar[EarlyStop] = ContextVar("pytest_llm_early_stop", default="off")


def stopping(mode: EarlyStop) -> AbstractContextManager[None]:
    """Bind a mode for the length of a `with` block."""
    return bound(_current, mode)


def chosen(early_stop: EarlyStop | None) -> EarlyStop:
    """What an assertion asks for; None: what is bound.

    Raises:
        MisuseError: no such mode.
    """
    if early_stop is None:
        return _current.get()
    if early_stop not in MODES:
        raise MisuseError(f"early_stop={early_stop!r}: expected one of {', '.join(map(repr, MODES))}")
    return early_stop
