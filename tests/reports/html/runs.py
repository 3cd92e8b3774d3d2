"""Runs to make pages of, built without a test run: any number of gates, texts that attack the page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import judge_change
from pytest_llm.judging.verdict import Verdict
from pytest_llm.limit import Limit
from pytest_llm.recording import Broken
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.notes import Notes
from pytest_llm.records.run_record import RunRecord, TestResult, record_text, run_record
from pytest_llm.statistics.jackknife import FloatArray, jackknife
from pytest_llm.tolerance import Tolerance, parse_amount

RECORDED = {"date": "2026-11-26", "commit": "0123456789abcdef", "python": "3.11.7"}


def mean(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def measured(
    seed: int,
    n: int = 40,
    metric: str = "cost",
    texts: Sequence[str] = (),
    outputs: Sequence[str] = (),
    target: str | None = None,
) -> Measurement:
    """The mean of n values; texts and outputs are used again and again."""
    values = np.random.default_rng(seed).gamma(20, 0.5, n)
    statistics = np.column_stack([values, np.ones(n)])
    given = texts or ["Some text of a document."]
    examples = tuple(
        Example(f"e{place}", f"{given[place % len(given)]} ({place})", f"#{place}", target=target) for place in range(n)
    )
    return Measurement(
        metric=metric,
        value=float(values.mean()),
        lower_is_better=True,
        estimate=jackknife(statistics, mean),
        examples=examples,
        statistics=statistics,
        example_values=values,
        counts="examples",
        signature="cost|unit:example",
        data="held_out.jsonl",
        provenance=Provenance("tiny-decoder", "float32", "cpu", "cpu"),
        outputs=tuple(outputs[place % len(outputs)] for place in range(n)) if outputs else None,
        aggregate=mean,
        value_of_each=mean,
        identity=lambda: Identity("a" * 64, "b" * 64),
    )


def against_baseline(m: Measurement, worse_by: float) -> Verdict:
    """Compared with values that were so much lower, give or take."""
    moved = np.random.default_rng(7).normal(worse_by, 0.5, m.n)
    before = m.statistics - np.column_stack([moved, np.zeros(m.n)])
    return judge_change(Comparison(m, "baseline 'main'", before), Tolerance(parse_amount("tolerance", "1%")))


def result_of(name: str, *verdicts: Verdict, outcome: str = "", broken: Iterable[Broken] = ()) -> TestResult:
    """What a test hangs on its report."""
    notes = Notes(Excerpts())
    for verdict in verdicts:
        notes.measured(verdict.measurement, aside=False)
        for one in broken:
            notes.broke(one)
        notes.judged(verdict)
    ended = outcome or ("passed" if all(verdict.passed for verdict in verdicts) else "failed")
    assert notes.excerpts is not None
    return TestResult(f"tests/test_{name}", ended, notes.measurements, notes.verdicts, [notes.excerpts.line()])


def run_of(*tests: TestResult) -> tuple[RunRecord, dict[str, Excerpts]]:
    """The record, and its texts."""
    excerpts = {test.id: Excerpts.of(line) for test in tests for line in test.excerpts}
    return run_record(json.loads(record_text(RECORDED, tests)), Path("run.json")), excerpts


def of_many(count: int) -> tuple[RunRecord, dict[str, Excerpts]]:
    """So many gates, ten of them again and again: one fails, one has regressed, one is no worse than its baseline."""
    text, answer = "A document of some length, as they are. " * 8, "An answer of some length."
    all_of_them = [measured(place, n=20, metric=f"cost_{place}", texts=[text], outputs=[answer]) for place in range(10)]
    verdicts: list[Verdict] = [judge(m, Limit.below(15)) for m in all_of_them]
    verdicts[0] = judge(all_of_them[0], Limit.below(8))
    verdicts[1:3] = against_baseline(all_of_them[1], 2.0), against_baseline(all_of_them[2], -1.0)
    ten = [result_of("", verdict) for verdict in verdicts]
    tests = [
        replace(ten[place % 10], id=f"tests/test_module_{place % 40}.py::test_gate_{place}") for place in range(count)
    ]
    return run_of(*tests)
