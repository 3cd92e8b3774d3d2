"""What a table says of each verdict of a session: read from the properties of its test's report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_llm.reports.properties import ROW


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


def rows_of(test: str, properties: Iterable[tuple[str, object]]) -> Sequence[Row]:
    """The verdicts of one test, in their order."""
    return [Row(test, **json.loads(str(value))) for name, value in properties if name == ROW]
