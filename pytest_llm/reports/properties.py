"""Verdicts as properties of a test report: they travel from xdist workers to the controller and into JUnit XML."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.verdict import Verdict

VERDICT = "llm_verdict"


def properties(verdict: Verdict) -> list[tuple[str, object]]:
    """`llm_verdict` is the outcome and the sentence, `llm_<metric>` the bare number."""
    measurement = verdict.measurement
    return [
        (VERDICT, f"{verdict.outcome.value}: {verdict.sentence}"),
        (f"llm_{measurement.metric}", measurement.value),
    ]
