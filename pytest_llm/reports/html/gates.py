"""What the page says of each verdict of a run, and of each measurement that nothing judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.judging.comparison import worded_drop
from pytest_llm.judging.measurement import Measurement
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.run_record import RecordedTest, RunRecord
from pytest_llm.records.verdicts import RecordedVerdict
from pytest_llm.reports.html.forest import Forest, forest, margin
from pytest_llm.wording import number

Kind: TypeAlias = Literal["failed", "warned", "passed", "unjudged"]
KINDS: tuple[Kind, ...] = ("failed", "warned", "passed", "unjudged")
"""In the order in which they are shown."""

MOST_ALIKE = 5
"""Where a test measured a metric more often than this, as one of Hypothesis does, those that say most stand for all."""
_EXPECTED = ("passed", "xfailed", "xpassed")
"""How a test ends in which a gate failed and was meant to."""
NOTHING = Excerpts()


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """One of them."""

    number: int
    """Its place on the page, counted from 1: what links call it."""
    test: str
    ending: str
    """How the test ended."""
    kind: Kind
    outcome: str
    metric: str
    value: str
    interval: str
    claim: str
    spare: str
    n: int
    sentence: str
    forest: Forest | None
    margin: float
    """For sorting: how far from its claim's edge it is; NaN where that is no number."""
    measurement: Measurement
    verdict: RecordedVerdict | None
    place: int | None
    """Of the measurement among those of the test."""
    reference: Measurement | None
    """The measurement of the other model, where one was measured beside it."""
    excerpts: Excerpts


def gates_of(run: RunRecord, excerpts: Mapping[str, Excerpts]) -> list[Gate]:
    """All of a run, those first that a reader has to see first."""
    found: list[Gate] = []
    for test in run.tests:
        own = excerpts.get(test.id, NOTHING)
        alike: dict[str, list[Gate]] = {}
        for m, place, verdict in _said(test):
            alike.setdefault(m.metric, []).append(_gate(test, m, place, verdict, own))
        found += (gate for of_metric in alike.values() for gate in _of_many(of_metric))
    ordered = sorted(found, key=lambda gate: KINDS.index(gate.kind))
    return [replace(gate, number=place) for place, gate in enumerate(ordered, 1)]


def _of_many(gates: list[Gate]) -> list[Gate]:
    """A few that stand for many: those that are worst."""
    if len(gates) <= MOST_ALIKE:
        return gates

    def badness(gate: Gate) -> tuple[int, float]:
        value = gate.measurement.value if gate.measurement.lower_is_better else -gate.measurement.value
        return KINDS.index(gate.kind), -np.inf if np.isnan(value) else -value

    chosen = sorted(gates, key=badness)
    kept = [gate for gate in chosen if gate.kind == "failed"][:MOST_ALIKE] or chosen[:1]
    return [replace(gate, sentence=f"{gate.sentence} (among the worst of {len(gates)} in this test)") for gate in kept]


def _said(test: RecordedTest) -> Iterator[tuple[Measurement, int | None, RecordedVerdict | None]]:
    """The verdicts of a test, and its measurements without one; not those that it is compared with."""
    judged = set()
    for verdict in test.verdicts:
        judged.add(verdict.measurement)
        if verdict.measurement is not None:
            yield test.measurements[verdict.measurement].measurement, verdict.measurement, verdict
        elif verdict.own is not None:
            yield verdict.own, None, verdict
    for place, one in enumerate(test.measurements):
        if place not in judged and not one.aside:
            yield one.measurement, place, None


def _gate(
    test: RecordedTest,
    m: Measurement,
    place: int | None,
    verdict: RecordedVerdict | None,
    excerpts: Excerpts,
) -> Gate:
    interval = None if m.estimate is None else m.estimate.interval()
    ends = None if interval is None else (interval.low, interval.high)
    row, away = None, np.nan
    if verdict is not None and (edge := verdict.edge) is not None:
        if edge.of == "drop" and verdict.change is not None:
            row, away = forest(verdict.change.drop, verdict.change.interval, edge), margin(verdict.change.drop, edge)
        elif edge.of == "value":
            row, away = forest(m.value, ends, edge), margin(m.value, edge)
    return Gate(
        number=0,
        test=test.id,
        ending=test.outcome,
        kind=_kind(test, verdict),
        outcome=_outcome(test, verdict),
        metric=m.metric,
        value=number(m.value),
        interval=_interval(m, ends, verdict),
        claim="" if verdict is None else verdict.claim,
        spare="" if verdict is None else verdict.spare,
        n=m.n,
        sentence=f"{m.metric} {number(m.value)}" if verdict is None else verdict.sentence,
        forest=row,
        margin=away,
        measurement=m,
        verdict=verdict,
        place=place,
        reference=_reference(test, m),
        excerpts=excerpts,
    )


def _kind(test: RecordedTest, verdict: RecordedVerdict | None) -> Kind:
    if verdict is None:
        return "unjudged"
    if not (verdict.passed or test.outcome in _EXPECTED):
        return "failed"
    return "warned" if verdict.warns else "passed"


def _outcome(test: RecordedTest, verdict: RecordedVerdict | None) -> str:
    if verdict is None:
        return "not judged"
    return verdict.outcome if verdict.passed or test.outcome not in _EXPECTED else "expected"


def _interval(m: Measurement, ends: tuple[float, float] | None, verdict: RecordedVerdict | None) -> str:
    """The interval of what is judged: of a change where it is one."""
    if verdict is not None and (change := verdict.change) is not None:
        if change.interval is None:
            return ""
        return _between(*change.interval, log=m.scale == "log")
    return "" if ends is None else f"{number(ends[0])} to {number(ends[1])}"


def _between(low: float, high: float, *, log: bool) -> str:
    """Between which changes, with their direction: of both, or once if it is the same."""
    ends = [worded_drop(end, log) for end in (low, high)]
    ways = ["worse" if end > 0 else "better" for end in (low, high)]
    if ways[0] == ways[1]:
        return f"{ends[0]} to {ends[1]} {ways[0]}" if any((low, high)) else "no change"
    return f"{ends[0]} {ways[0]} to {ends[1]} {ways[1]}"


def _reference(test: RecordedTest, m: Measurement) -> Measurement | None:
    others = (one.measurement for one in test.measurements if one.aside)
    return next((one for one in others if one.metric == m.metric and one.outputs is not None), None)
