"""What a table says of each verdict of a session: read from the properties of its test's report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_llm.effort import Effort
from pytest_llm.reports.properties import ROW


@dataclass(frozen=True, slots=True)
class Figures:
    """A verdict's numbers, as they are; None where there is none."""

    value: float
    low: float | None = None
    """The lower end of the 95 % interval."""
    high: float | None = None
    limit: float | None = None
    """Up to which value the claim holds."""
    lower_is_better: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One verdict; numbers as they are printed."""

    test: str
    """The id of the test."""
    metric: str
    verdict: str
    passed: bool
    warns: bool
    value: str
    interval: str
    claim: str
    spare: str
    n: int
    sentence: str
    model: str
    device: str
    """The type of the weights, and the device."""
    signature: str
    """The settings, in words."""
    data: str
    """A digest of the examples."""
    figures: Figures
    effort: Effort | None = None
    """What measuring took; None where it was not counted."""

    @property
    def seconds(self) -> str:
        """How long measuring took; empty where that is not known."""
        if self.effort is None:
            return ""
        seconds = self.effort.seconds
        return f"{seconds:.2f}" if seconds < 9.995 else f"{seconds:,.0f}"

    @property
    def answers(self) -> str:
        """Where the model's answers came from, such as "120 new, 880 cached"; empty where none was needed."""
        return "" if self.effort is None else answers_of(self.effort)


def answers_of(effort: Effort) -> str:
    """How many answers the model was asked for, how many came from disk and how many from the session's memory."""
    counts = {"new": effort.new, "cached": effort.cached, "known": effort.known}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def effort_of(rows: Iterable[Row]) -> str:
    """What measuring took in all: a clause; empty where it was not counted."""
    effort = sum((row.effort for row in rows if row.effort is not None), Effort())
    if not effort.seconds:
        return ""
    answers = f", answers: {said}" if (said := answers_of(effort)) else ""
    return f"measuring took {effort.seconds:.2f} s{answers}"


def rows_of(test: str, properties: Iterable[tuple[str, object]]) -> Sequence[Row]:
    """The verdicts of one test, in their order."""
    return [_row(test, str(value)) for name, value in properties if name == ROW]


def _row(test: str, text: str) -> Row:
    content = json.loads(text)
    figures, effort = Figures(**content.pop("figures")), content.pop("effort")
    return Row(test, **content, figures=figures, effort=None if effort is None else Effort(**effort))
