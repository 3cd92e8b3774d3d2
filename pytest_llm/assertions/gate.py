"""What all assertions share: the verdict is recorded before it is raised, and failures point at the caller's line."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from pytest_llm.effort import working
from pytest_llm.errors import BudgetError, MetricWarning, MisuseError, UndecidedError
from pytest_llm.inference.time_budget import spending
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import QualityError, Verdict
from pytest_llm.limit import Limit
from pytest_llm.recording import record_verdict

P = ParamSpec("P")
R = TypeVar("R")


def gate(measurement: Measurement, limit: Limit) -> Measurement:
    """Judge, record, and raise unless it is a pass; see `conclude`."""
    return conclude(judge(measurement, limit), stacklevel=5)


def conclude(verdict: Verdict, *, stacklevel: int = 4) -> Measurement:
    """Record a verdict, and raise unless it is a pass.

    A pass that is suspect warns (`MetricWarning`), or ends the test as skipped or expected to fail, if that is asked for.

    Raises:
        QualityError: the verdict is not a pass; its text is the whole explanation.
        UndecidedError: it is suspect, and "skip" or "xfail" was asked for: for pytest to make of it what it says.
    """
    record_verdict(verdict)
    if not verdict.passed:
        raise QualityError(verdict)
    if verdict.is_suspect:
        refuse_suspicion(verdict)
        warnings.warn(verdict.sentence, MetricWarning, stacklevel=stacklevel)  # the caller of the assertion
    return verdict.measurement


def refuse_suspicion(verdict: Verdict) -> None:
    """End the test where a suspect pass is to be none.

    Raises:
        UndecidedError: "skip" or "xfail" was asked for.
    """
    if verdict.on_suspicion in ("skip", "xfail"):
        raise UndecidedError(verdict.sentence, verdict.on_suspicion)


def assertion(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public assertion: our own frames stay out of the traceback of a verdict or of a misuse.

    Its keyword `budget`, where that is a time, is bound here for all that it asks: the function itself does nothing with it.
    """

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        __tracebackhide__ = True
        try:
            given = kwargs.get("budget")
            budget = given if isinstance(given, str | int | float) else None  # that of an attack is one of edits
            with working(), spending(budget):
                return function(*args, **kwargs)
        except (QualityError, MisuseError, UndecidedError, BudgetError) as error:
            # cut the traceback here: what lies below is how we found out, which the message says in words
            raise error.with_traceback(None)  # noqa: B904

    return called
