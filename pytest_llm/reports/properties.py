"""Verdicts as properties of a test report: they travel from xdist workers to the controller and into JUnit XML."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_llm.verdict import Verdict

VERDICT = "llm_verdict"
GATE = "llm_gate"
WRITTEN = "llm_baseline"


def properties(verdict: Verdict) -> list[tuple[str, object]]:
    """`llm_verdict` is the outcome and the sentence, `llm_<metric>` the bare number; as JSON, `llm_gate` is what is known of
    chance, and `llm_baseline` which baseline was written.
    """
    metric, value = verdict.measurement.metric, verdict.measurement.value
    said: list[tuple[str, object]] = [
        (VERDICT, f"{verdict.outcome.value}: {verdict.sentence}"),
        (f"llm_{metric}", value),
    ]
    if (chance := verdict.chance) is not None:
        said.append((GATE, json.dumps({"metric": metric, **asdict(chance)})))
    if written := verdict.written:
        said.append((WRITTEN, json.dumps({"metric": metric, "after": value, **written})))
    return said
