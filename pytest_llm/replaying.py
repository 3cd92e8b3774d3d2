"""Judging a record again: what the running test measured when it was recorded, in the place of models.

The pytest plugin binds a `Tape` for each test under `--llm-rejudge`; who would ask a model looks for it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from pytest_llm.binding import bound

if TYPE_CHECKING:
    from pytest_llm.data.example import Example
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.metrics.metric import Metric


class Tape(Protocol):
    """What one test measured when it was recorded. Each method raises MisuseError for what is not on it."""

    def measured(self, metric: Metric, examples: Sequence[Example], task: str | None) -> Measurement:
        """The next measurement of this metric, with these settings, of these examples.

        Args:
            metric: fitted, with the settings of today's test.
            examples: today's; their ids, contents and clusters have to be those that were recorded.
            task: the signature of what the model was asked to do; None where the metric's settings say it all.
        """

    def counted(self, metric: str, signature: str) -> Measurement:
        """The next measurement of what is no metric of examples: a size, a ratio of times."""

    def confirm(self, measurement: Measurement) -> None:
        """See that what was measured of given outputs, without a model, is still what was recorded."""

    def device(self) -> str:
        """Where the model was of the measurement that comes next."""


_tape: ContextVar[Tape | None] = ContextVar("pytest_llm_tape", default=None)


def replaying() -> Tape | None:
    """The running test's tape; None where models are asked, as usual."""
    return _tape.get()


def replay(tape: Tape) -> AbstractContextManager[None]:
    """Bind a tape for the length of a `with` block."""
    return bound(_tape, tape)
