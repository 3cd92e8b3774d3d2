"""Verdicts as properties of a test report: they travel from xdist workers to the controller and into JUnit XML."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_llm.wording import number

if TYPE_CHECKING:
    from pytest_llm.verdict import Verdict

VERDICT = "llm_verdict"
GATE = "llm_gate"
WRITTEN = "llm_baseline"
ROW = "llm_row"


def properties(verdict: Verdict) -> list[tuple[str, object]]:
    """`llm_verdict` is the outcome and the sentence, `llm_<metric>` the bare number; as JSON, `llm_gate` is what is known of
    chance, and `llm_baseline` which baseline was written; `llm_row` is what a table says of it (`rows.Row`).
    """
    metric, value = verdict.measurement.metric, verdict.measurement.value
    said: list[tuple[str, object]] = [
        (VERDICT, f"{verdict.outcome.value}: {verdict.sentence}"),
        (f"llm_{metric}", value),
        (ROW, json.dumps(_row(verdict))),
    ]
    if (chance := verdict.chance) is not None:
        said.append((GATE, json.dumps({"metric": metric, **asdict(chance)})))
    if written := verdict.written:
        said.append((WRITTEN, json.dumps({"metric": metric, "after": value, **written})))
    return said


def _row(verdict: Verdict) -> dict[str, object]:
    m = verdict.measurement
    interval = None if m.estimate is None else m.estimate.interval()
    return {
        "metric": m.metric,
        "verdict": verdict.outcome.value,
        "passed": verdict.passed,
        "warns": verdict.is_suspect,
        "value": number(m.value),
        "interval": "" if interval is None else f"{number(interval.low)} to {number(interval.high)}",
        "claim": verdict.held_to,
        "spare": verdict.spare,
        "n": m.n,
        "sentence": verdict.sentence,
    }
