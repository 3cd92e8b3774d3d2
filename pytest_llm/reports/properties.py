"""Verdicts as properties of a test report: they travel from xdist workers to the controller and into JUnit XML."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from pytest_llm.wording import number

if TYPE_CHECKING:
    from pytest_llm.effort import Effort
    from pytest_llm.judging.measurement import Measurement
    from pytest_llm.judging.verdict import Verdict

VERDICT = "llm_verdict"
GATE = "llm_gate"
WRITTEN = "llm_baseline"
ROW = "llm_row"
COUNTER_EXAMPLES = "llm_counter_examples"
FOR_PROGRAMS = {GATE, WRITTEN, ROW, COUNTER_EXAMPLES}
"""Those whose values are JSON."""


def properties(verdict: Verdict, effort: Effort | None = None) -> list[tuple[str, object]]:
    """`llm_verdict` is the outcome and the sentence, `llm_<metric>` the bare number; as JSON, `llm_gate` is what is known of
    chance, and `llm_baseline` which baseline was written; `llm_row` is what a table says of it (`rows.Row`).

    Args:
        verdict: what is said of a measurement.
        effort: what that took, where it was counted.
    """
    metric, value = verdict.measurement.metric, verdict.measurement.value
    said: list[tuple[str, object]] = [
        (VERDICT, f"{verdict.outcome.value}: {verdict.sentence}"),
        (f"llm_{metric}", value),
        (ROW, json.dumps(_row(verdict, effort))),
    ]
    if (chance := verdict.chance) is not None:
        said.append((GATE, json.dumps({"metric": metric, **asdict(chance)})))
    if written := verdict.written:
        said.append((WRITTEN, json.dumps({"metric": metric, "after": value, **written})))
    return said


def as_expected(said: Sequence[tuple[str, object]]) -> list[tuple[str, object]]:
    """Those of a test in which a gate failed and was meant to: with `pytest.raises(QualityError)`, or by the mark xfail."""
    told, verdict = list(said), 0
    for place, (name, value) in enumerate(said):
        if name == VERDICT:
            verdict = place  # what is said of it follows
        if name == ROW and not (row := json.loads(str(value)))["passed"]:
            told[verdict] = (VERDICT, f"{row['verdict']}, as expected: {row['sentence']}")
            told[place] = (ROW, json.dumps({**row, "verdict": "expected", "passed": True, "warns": False}))
    return told


def for_people(said: Sequence[tuple[str, object]]) -> list[tuple[str, object]]:
    """Without what only programs read, of our own: JUnit XML is shown as it is."""
    return [(name, value) for name, value in said if name not in FOR_PROGRAMS]


def _row(verdict: Verdict, effort: Effort | None) -> dict[str, object]:
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
        "model": m.provenance.model,
        "device": m.provenance.precision,
        "signature": m.signature,
        "data": _digest(m),
        "figures": {
            "value": m.value,
            "low": None if interval is None else interval.low,
            "high": None if interval is None else interval.high,
            "limit": verdict.ends_at,
            "lower_is_better": m.lower_is_better,
        },
        "effort": None if effort is None else asdict(effort),
    }


def _digest(m: Measurement) -> str:
    """The same for the same examples in the same order."""
    digest = hashlib.blake2b(digest_size=6)
    for example in m.examples:
        digest.update(f"{example.id}\0{example.content}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
