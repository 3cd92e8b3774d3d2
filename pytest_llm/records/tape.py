"""What a test measured when it was recorded, handed out again in its order: the `Tape` of `pytest_llm.replaying`.

A measurement is that of today's test only if metric, settings, task, examples (ids, contents, clusters) are what they were.
Anything else is a MisuseError that says what differs, never a pass. Which model was asked, only the record says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.metric import Metric, value_of_each
from pytest_llm.metrics.settings import settings_of
from pytest_llm.recording import recorded_aside
from pytest_llm.records.run_record import RecordedMeasurement, RunRecord
from pytest_llm.wording import counted, listed, number

SHOWN = 3
_SAME = 1e-9
"""How far a value may be from what today's formula makes of the same statistics: the rounding of another processor."""


class RecordedTape:
    """The tape of one test."""

    def __init__(self, record: RunRecord, node_id: str) -> None:
        self._record, self._node_id = record, node_id
        self._test = record.by_id.get(node_id)
        self._left = [] if self._test is None else list(self._test.measurements)

    def measured(self, metric: Metric, examples: Sequence[Example], task: str | None) -> Measurement:
        found = self._next(metric, examples, task)
        stored = found.measurement
        order = _order(stored, examples)
        again = replace(
            stored,
            examples=tuple(examples),
            statistics=stored.statistics[order],
            example_values=stored.example_values[order],
            outputs=None if stored.outputs is None else tuple(stored.outputs[place] for place in order),
            aggregate=metric.aggregate if found.is_sum else None,
            value_of_each=value_of_each(metric),
            explain=getattr(metric, "explain", None),
            recorded=stored.recorded or self._record.recorded,
        )
        if again.aggregate is not None:
            self._refuse_another_formula(again, float(again.aggregate(again.statistics.sum(axis=0))))
        return again

    def counted(self, metric: str, signature: str) -> Measurement:
        same = self._of(metric)
        found = next((one for one in same if one.measurement.signature == signature), None)
        if found is None:
            raise self._missing(metric, [f"settings: {one.measurement.signature} was recorded" for one in same[:1]])
        self._left.remove(found)
        named = tuple(replace(example, text=example.label) for example in found.measurement.examples)
        return replace(found.measurement, examples=named, recorded=found.measurement.recorded or self._record.recorded)

    def confirm(self, measurement: Measurement) -> None:
        same = self._of(measurement.metric)
        reasons: list[str] = []
        for one in same:
            reasons = list(_differences(one.measurement, measurement.settings, measurement.examples, None))
            rows = None if reasons else one.measurement.statistics[_order(one.measurement, measurement.examples)]
            if rows is not None and np.array_equal(rows, measurement.statistics, equal_nan=True):
                self._left.remove(one)
                return
        raise self._missing(
            measurement.metric,
            reasons or ["outputs: those that are given are not those that were recorded"] * bool(same),
        )

    def device(self) -> str:
        return self._left[0].measurement.provenance.device if self._left else "cpu"

    def _of(self, metric: str) -> list[RecordedMeasurement]:
        """What is left of a metric, of the test's model or of what that is compared with."""
        aside = recorded_aside()
        return [one for one in self._left if one.measurement.metric == metric and one.aside == aside]

    def _next(self, metric: Metric, examples: Sequence[Example], task: str | None) -> RecordedMeasurement:
        why: list[str] = []
        for one in self._of(metric.name):
            reasons = list(_differences(one.measurement, settings_of(metric), examples, task))
            if not reasons:
                self._left.remove(one)
                return one
            why = why or reasons
        raise self._missing(metric.name, why)

    def _missing(self, metric: str, why: Sequence[str]) -> MisuseError:
        what = f"{metric} of {self._node_id} is not in {self._record.origin}"
        remedy = "run the test with its model, with --llm-json"
        if why:
            return MisuseError(f"{what}, as this test measures it: {'; '.join(why)}; {remedy}")
        if self._test is None:
            return MisuseError(f"{what}: no test of that id was recorded; {remedy}")
        if not self._test.ended:
            return MisuseError(f"{what}: the test was {self._test.outcome} when it was recorded; {remedy}")
        there = ", ".join(dict.fromkeys(one.measurement.metric for one in self._test.measurements)) or "nothing"
        return MisuseError(f"{what}: the test measured {there} when it was recorded, and no more of it; {remedy}")

    def _refuse_another_formula(self, m: Measurement, value: float) -> None:
        if not (math.isclose(value, m.value, rel_tol=_SAME) or (math.isnan(value) and math.isnan(m.value))):
            raise MisuseError(
                f"{self._record.origin} says that {m.metric} of {self._node_id} is {number(m.value)}, and its statistics make "
                f"{number(value)} today: it was written by another version, or changed"
            )


def _order(stored: Measurement, examples: Sequence[Example]) -> list[int]:
    place = {example.id: row for row, example in enumerate(stored.examples)}
    return [place[example.id] for example in examples]


def _differences(stored: Measurement, settings: Any, examples: Sequence[Example], task: str | None) -> Iterator[str]:
    """Why a recorded measurement is not the one that is asked for, one line a reason."""
    if dict(stored.settings) != dict(settings):
        yield f"settings: {dict(stored.settings) or 'none'} were recorded, these are {dict(settings) or 'none'}"
    if task is not None and not stored.signature.endswith(f"|{task}"):
        yield f"task: {stored.signature} was recorded, this is {task}"
    then = {example.id: example for example in stored.examples}
    now = {example.id: example for example in examples}
    if stored.stopped is not None:
        yield (
            f"it stopped early, {stored.stopped.sentence}; that decided the gate of its run and can decide no other: record it "
            f"with --llm-stop=off, or without early_stop on the assertion"
        )
        return  # the examples that were not asked about are no change of the data
    limited = " (recorded with --llm-limit)" if stored.left_out else ""
    for title, names in (
        ("not in the record", [one.label for id_, one in now.items() if id_ not in then]),
        ("only in the record", [one.label for id_, one in then.items() if id_ not in now]),
        ("changed", [one.label for id_, one in now.items() if id_ in then and one.content != then[id_].content]),
        ("in another cluster", [one.label for id_, one in now.items() if id_ in then and one.unit != then[id_].unit]),
    ):
        if names:
            yield f"data: {counted(len(names), 'example')} {title}{limited}: {listed(names, SHOWN)}"
