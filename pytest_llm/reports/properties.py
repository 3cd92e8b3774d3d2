"""Verdicts as properties of a test report: they travel from xdist workers to the controller and into JUnit XML."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.verdict import Verdict

VERDICT = "llm_verdict"
GATE = "llm_gate"


def properties(verdict: Verdict) -> list[tuple[str, object]]:
    """`llm_verdict` is the outcome and the sentence, `llm_<metric>` the bare number, `llm_gate` what is known of chance."""
    metric, value = verdict.measurement.metric, verdict.measurement.value
    said: list[tuple[str, object]] = [
        (VERDICT, f"{verdict.outcome.value}: {verdict.sentence}"),
        (f"llm_{metric}", value),
    ]
    if (chance := verdict.chance) is not None:
        said.append((GATE, json.dumps({"metric": metric, **asdict(chance)})))
    return said
