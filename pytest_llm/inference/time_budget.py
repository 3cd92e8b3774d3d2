"""How long a model may be asked: `budget="5min"` of an assertion, `with budget("5min"):` round several, `--llm-budget` for each.

The clock is looked at between batches, so that a budget ends between two answers and never within one: what was answered is kept as
ever, and a run that is repeated goes on from there. The first batch is always asked: each run gets on, however short its budget.

Standard library only: the memo, which the plugin loads at start-up, looks here between batches.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeAlias

from pytest_llm.binding import bound
from pytest_llm.errors import BudgetError, MisuseError

TimeBudget: TypeAlias = str | float
"""Such as "90s", "5min" or "1h 30min"; a number is seconds; "off" for no end."""

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?) *(s|min|h|d)", re.ASCII)


def clock() -> float:
    """Seconds; only differences mean something. Tests put their own in its place."""
    return time.monotonic()


@dataclass
class Deadline:
    """When a stretch of asking has to end, and what was asked within it."""

    seconds: float
    began: float
    answers: int = 0
    kept: bool = True
    """Whether all of the answers are on disk."""

    def refuse_overrun(self) -> None:
        """Raise BudgetError when it is over, unless nothing was asked yet."""
        spent = clock() - self.began
        if self.answers and spent >= self.seconds:
            raise BudgetError(in_words(self.seconds), in_words(spent), self.answers, kept=self.kept)


_bound: ContextVar[tuple[Deadline, ...]] = ContextVar("pytest_llm_deadlines", default=())
_of_each: ContextVar[float | None] = ContextVar("pytest_llm_budget_of_each", default=None)


@contextmanager
def budget(amount: TimeBudget) -> Iterator[None]:
    """Let what is asked within the block take so long at most, all together.

    It takes the place of `--llm-budget`; a budget of a block round this one still holds.

    Args:
        amount: such as "90s", "5min" or "1h 30min"; a number is seconds; "off" for no end.

    Raises:
        BudgetError: the time is over and there is more to ask; says what was answered and how to go on.
        MisuseError: (a ValueError) no such time.

    Example:
        >>> with budget("10min"):  # doctest: +SKIP
        ...     assert_perplexity_below(llm, texts, 25)
        ...     assert_bleu_above(llm, rows, 30)
    """
    with spending(amount):
        yield


@contextmanager
def spending(amount: TimeBudget | None) -> Iterator[None]:
    """As `budget`; None: what the session gives to each assertion, unless that has begun."""
    seconds = _of_each.get() if amount is None else parse_duration(amount)
    if amount is None and seconds is None:
        yield
        return
    ends = () if seconds is None else (Deadline(seconds, clock()),)
    with bound(_bound, _bound.get() + ends), bound(_of_each, None):
        yield


def for_each_assertion(seconds: float | None) -> AbstractContextManager[None]:
    """Bind what each assertion gets that says nothing of its own; None: no end."""
    return bound(_of_each, seconds)


def is_limited() -> bool:
    """Whether what is asked now has to end some time."""
    return bool(_bound.get())


def refuse_overrun() -> None:
    """Raise BudgetError if the time of one of the bound budgets is over; called before each batch."""
    for deadline in _bound.get():
        deadline.refuse_overrun()


def note_answers(count: int, *, kept: bool) -> None:
    """Called after each batch: so many answers came, and they are kept on disk or not."""
    for deadline in _bound.get():
        deadline.answers += count
        deadline.kept &= kept


def parse_duration(amount: TimeBudget) -> float | None:
    """Seconds of "90s", "5min", "1h 30min" or a number of seconds; None of "off".

    Raises:
        MisuseError: none of these, or no time at all.
    """
    text = str(amount).strip().lower()
    if text == "off":
        return None
    seconds = 0.0
    if re.fullmatch(r"\d{1,12}(\.\d{1,12})?", text, re.ASCII):
        seconds = float(text)
    elif not _PART.sub("", text).strip():
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if isinstance(amount, bool) or seconds <= 0:
        raise MisuseError(f"budget {amount!r}: expected a time such as '90s', '5min' or '1h 30min', or 'off'")
    return seconds


def in_words(seconds: float) -> str:
    """As `parse_duration` reads it: "5min 12s"."""
    if seconds < 60:
        return f"{seconds:.3g}s"
    left, found = round(seconds), []
    for unit in ("d", "h", "min", "s"):
        count, left = divmod(left, _UNITS[unit])
        if count:
            found.append(f"{count}{unit}")
    return " ".join(found)
