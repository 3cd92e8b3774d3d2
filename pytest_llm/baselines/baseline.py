"""A stored measurement: enough of it to compare each example with a later one, and to say what is not comparable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pytest_llm.data.example import StoredExample, fingerprint
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.metric import value_of_each
from pytest_llm.metrics.settings import Settings, metric_from
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.repeats import Noise

_IMPORTED = "from:"


def imported_from(source: str) -> str:
    """The part of a signature that says which harness measured, which task and filter."""
    return f"{_IMPORTED}{source.replace('|', '/')}"


@dataclass(frozen=True, eq=False)
class Baseline:
    """What was measured once."""

    metric: str
    value: float
    interval: tuple[float, float] | None
    """Of the value on text like this, 95 %."""
    counts: str
    signature: str
    data: str
    """How reports call the data."""
    provenance: Provenance
    identity: Identity
    recorded: Mapping[str, str]
    """When, from which commit, with which versions."""
    ids: tuple[str, ...]
    contents: tuple[str, ...]
    """Of each example a hash of its text and target."""
    statistics: FloatArray
    """`[examples, k]`"""
    units: tuple[str, ...] = ()
    """Of each example the independent unit it belongs to; empty: each is one."""
    settings: Settings = field(default_factory=dict)
    """The metric's, from which it can be made again."""
    noise: Noise | None = None
    """Of the model's runs on the same data, if it was calibrated."""

    @property
    def data_digest(self) -> str:
        """Changes with any example, not with their order."""
        return fingerprint(
            "\n".join(sorted(f"{id_}\t{content}" for id_, content in zip(self.ids, self.contents, strict=True)))
        )[:16]

    @property
    def origin(self) -> str:
        """Model, day and commit, for a reader."""
        when = f", recorded {self.recorded['date']}" if self.recorded.get("date") else ""
        commit = f", commit {self.recorded['commit'][:10]}" if self.recorded.get("commit") else ""
        return f"{self.provenance}{when}{commit}"

    @property
    def source(self) -> str:
        """The harness, task and filter of a baseline that was imported; empty for one of our own."""
        last = self.signature.rpartition("|")[2]
        return last.removeprefix(_IMPORTED) if last.startswith(_IMPORTED) else ""

    @property
    def known(self) -> tuple[str, ...]:
        """The parts of its signature that say how it was measured; of an imported one those that its log shows."""
        parts = tuple(self.signature.split("|"))
        return parts[:-1] if self.source else parts

    def same_statistics(self, other: Baseline) -> bool:
        """Whether both say the same of the same examples."""
        return (self.metric, self.signature, self.ids, self.contents) == (
            other.metric,
            other.signature,
            other.ids,
            other.contents,
        ) and np.array_equal(self.statistics, other.statistics)


def as_baseline(measurement: Measurement, identity: Identity, recorded: Mapping[str, str]) -> Baseline:
    """A measurement as what later ones, or another model's, are compared with."""
    m = measurement
    interval = None if m.estimate is None else (m.estimate.interval().low, m.estimate.interval().high)
    return Baseline(
        m.metric,
        m.value,
        interval,
        m.counts,
        m.signature,
        m.data,
        m.provenance,
        identity,
        recorded,
        tuple(example.id for example in m.examples),
        tuple(example.content for example in m.examples),
        m.statistics,
        tuple(m.units) if any(example.cluster is not None for example in m.examples) else (),
        m.settings,
    )


def as_measurement(baseline: Baseline) -> Measurement:
    """The measurement that was stored, as far as comparing takes it: without texts, outputs and estimate.

    Raises:
        MisuseError: its metric is not known here.
    """
    metric = metric_from(baseline.metric, baseline.settings)
    of_each = value_of_each(metric)
    units = baseline.units or (None,) * len(baseline.ids)
    return Measurement(
        metric=baseline.metric,
        value=baseline.value,
        lower_is_better=metric.lower_is_better,
        estimate=None,
        examples=tuple(map(StoredExample.of, baseline.ids, baseline.contents, units)),
        statistics=baseline.statistics,
        example_values=of_each(baseline.statistics),
        counts=baseline.counts,
        signature=baseline.signature,
        data=baseline.data,
        provenance=baseline.provenance,
        aggregate=metric.aggregate,
        value_of_each=of_each,
        scale=metric.scale,
        identity=lambda: baseline.identity,
        settings=baseline.settings,
    )


def refuse_unfit(m: Measurement) -> None:
    """Refuse to store what later runs could not be held against.

    Raises:
        MisuseError: part of the data only, a value that is not finite, or one that is no function of sums.
    """
    if m.left_out:
        raise MisuseError(
            f"{m.data}: a part of the data is no baseline; record it without --llm-limit, in a tier without one"
        )
    if m.stopped is not None:
        raise MisuseError(f"{m.data}: a run that stopped early is no baseline; record it with early_stop='off'")
    if not (np.isfinite(m.value) and np.isfinite(m.statistics).all()):
        raise MisuseError(f"{m.metric} is {m.value:g} here: what is not finite is no baseline")
    if m.aggregate is None:
        raise MisuseError(f"{m.metric} is no function of sums over examples: there is nothing that could be compared")
