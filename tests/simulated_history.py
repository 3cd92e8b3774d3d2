"""Sessions that nobody ran: a gate whose value is told, run after run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_llm.history.run import GateResult, Run


def gate(value: float, **others: Any) -> GateResult:
    """A perplexity that passed, unless told otherwise."""
    usual: dict[str, Any] = {
        "test": "t.py::test_it",
        "metric": "perplexity",
        "model": "tiny",
        "device": "float32 on cpu",
        "signature": "perplexity|bos:yes",
        "data": "0123456789ab",
        "outcome": "passed",
        "passed": True,
        "warns": False,
        "low": value - 1,
        "high": value + 1,
        "limit": 60.0,
        "lower_is_better": True,
        "n": 31,
        "seconds": 1.5,
    }
    return GateResult(value=value, **{**usual, **others})


def run(day: int, *gates: GateResult) -> Run:
    """A session on a day of January."""
    return Run({"date": f"2026-01-{day:02}T03:00:00+00:00", "commit": f"{day:040x}"}, gates)


def nights(values: Sequence[float], **others: Any) -> list[Run]:
    """A session for each value."""
    return [run(day, gate(value, **others)) for day, value in enumerate(values, start=1)]
