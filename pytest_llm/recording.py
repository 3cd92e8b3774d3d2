"""Where measurements and verdicts go besides back to the caller: the recorder of the running test.

The assertions call `record_measurement` and `record_verdict`; the pytest plugin binds a `Recorder` round each test.
Outside pytest nothing is bound and nothing is recorded. Standard library only: the plugin loads this at start-up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.verdict import Measurement, Verdict


@dataclass(slots=True)
class Recorder:
    """What one test has measured so far, in order."""

    measurements: list[Measurement] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)


_current: ContextVar[Recorder | None] = ContextVar("pytest_llm_recorder", default=None)


@contextmanager
def recording() -> Iterator[Recorder]:
    """Bind a fresh recorder for the length of a `with` block."""
    recorder = Recorder()
    token = _current.set(recorder)
    try:
        yield recorder
    finally:
        _current.reset(token)


def record_measurement(measurement: Measurement) -> None:
    if (recorder := _current.get()) is not None:
        recorder.measurements.append(measurement)


def record_verdict(verdict: Verdict) -> None:
    if (recorder := _current.get()) is not None:
        recorder.verdicts.append(verdict)
