"""What the suites of faults and mutations counted, printed as a table when the session ends: `pytest tests/reliability`.

A test says its counts once, when it knows them. They travel on its report, so that xdist workers print in the one table.
"""

from __future__ import annotations

import json
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pytest

PROPERTY = "reliability"
"""Of a test's report: one `Count`, as JSON."""


@dataclass(frozen=True, slots=True)
class Count:
    """How often something was done to one thing, and what came of it."""

    subject: str
    """What it was done to, such as "run record"."""
    deed: str
    """What was done, in the plural, such as "mutations"."""
    outcomes: Mapping[str, int]
    """How often what came of it, in words; outcomes that must not be are there with a 0."""

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    def __str__(self) -> str:
        came = ", ".join(f"{times} {outcome}" for outcome, times in self.outcomes.items())
        return f"{self.subject}: {self.total} {self.deed}: {came}"


class Counter:
    """What the fixture `counter` gives: `counter("run record", "mutations", {"refused": 187, …, "passed silently": 0})`."""

    def __init__(self, properties: list[tuple[str, object]]) -> None:
        self._properties = properties

    def __call__(self, subject: str, deed: str, outcomes: Mapping[str, int]) -> None:
        self._properties.append((PROPERTY, json.dumps(asdict(Count(subject, deed, outcomes)))))


def counts_in(reports: Iterable[pytest.TestReport]) -> Iterator[Count]:
    """What tests counted."""
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY:
                content: dict[str, Any] = json.loads(str(value))
                yield Count(**content)


def table(counts: Iterable[Count]) -> list[str]:
    """A line for each deed to each subject, aligned; what several tests counted of one is added up."""
    sums: dict[tuple[str, str], Tally[str]] = {}
    for count in counts:
        sums.setdefault((count.deed, count.subject), Tally()).update(count.outcomes)
    rows = [Count(subject, deed, outcomes) for (deed, subject), outcomes in sorted(sums.items())]
    width = max((len(count.subject) for count in rows), default=0)
    return [str(count).replace(f"{count.subject}:", f"{count.subject + ':':<{width + 1}}", 1) for count in rows]
