"""Measurement, limit, verdict: `judge` is the only place where a number passes or fails, and where the sentence is written.

    measurement = measure(model, texts, "perplexity")
    verdict = judge(measurement, Limit.below(25))

Comparisons are written so that NaN never passes. No model, no disk, no pytest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.limit import Limit
from pytest_llm.statistics.clustered_quantile import ClusteredQuantile
from pytest_llm.statistics.jackknife import Estimate, FloatArray, Scale
from pytest_llm.statistics.latency import QuantileEstimate
from pytest_llm.statistics.multiplicity import Significance
from pytest_llm.statistics.share import ShareEstimate
from pytest_llm.stopping.watch import Stopped
from pytest_llm.tolerance import Inconclusive, Tolerance
from pytest_llm.wording import distinct, listed, number, printable, signed, snippet

FEWEST_UNITS = 10
"""Below this many independent documents nothing is claimed about text other than these documents."""
WORST = 5
EXPLAINED = 2
"""So many of the worst examples are shown in detail."""
EVALUATE_ALL = "measure all of the data, with early_stop='off' on the assertion that measured it"


class Outcome(Enum):
    """How a gate ends. PASSED, UNPROVEN, SUSPECT and RECORDED are passes."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """Confidence was asked for, and the data can neither prove nor disprove the claim."""
    UNPROVEN = "passed (not proven)"
    """Not worse than what is tolerated, though it may be on other text like this: a pass."""
    SUSPECT = "suspect"
    """Worse than what is tolerated, but no more than chance makes of no change at all: a pass, with a warning."""
    REGRESSED = "regressed"
    """Worse than a baseline by more than what is tolerated, and by more than chance."""
    BROKEN_EXAMPLE = "broken example"
    """A single example got worse than is tolerated of one."""
    RECORDED = "recorded"
    """The measurement became the baseline, because that was asked for."""
    ERROR = "error"
    """There is no number to judge (NaN)."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A metric's value on a data set, with everything needed to judge it again without the model."""

    metric: str
    value: float
    lower_is_better: bool
    estimate: Estimate | QuantileEstimate | ClusteredQuantile | ShareEstimate | None
    """Its uncertainty over documents; None where there is none to be had (a single document)."""
    examples: tuple[Example, ...]
    statistics: FloatArray
    """`[examples, k]`: what each example adds to the sums; the last column counts tokens, words, …"""
    example_values: FloatArray
    """`[examples]`: the metric of each example by itself."""
    counts: str
    signature: str
    data: str
    provenance: Provenance
    outputs: tuple[Any, ...] | None = None
    """What the model gave for each example, where that says something to a reader: texts, labels."""
    overview: str = ""
    """More about the whole, such as a confusion matrix: lines of text."""
    explain: Callable[[Example, Any], str] | None = None
    """What happened in one example, such as an alignment: lines of text."""
    remedy: str = (
        "find the layer that yields NaN: weights that overflow float16 are the usual cause (try dtype float32)"
    )
    """What to do where the value is no number."""
    without_interval: str = "it takes at least two independent documents with finite values"
    """Why there is no estimate, where there is none."""
    row: str = "example"
    """What one row of the statistics is about."""
    aggregate: Callable[[FloatArray], FloatArray] | None = None
    """Totals of the statistics to the value, for comparisons; None where the value is no function of sums."""
    value_of_each: Callable[[FloatArray], FloatArray] | None = None
    """Rows of the statistics to `example_values`, where that is not the same."""
    scale: Scale = "linear"
    """On which scale errors, and changes, are symmetric."""
    again: Callable[[], Measurement] | None = None
    """Asks the model once more, past all that is remembered; None where no model was asked."""
    identity: Callable[[], Identity] = Identity
    """What the model is made of; asked for only where it matters, since it reads all weights."""
    left_out: int = 0
    """How many examples of the data `--llm-limit`, or the tier, left out."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The metric's settings, as data: see `metrics.settings`."""
    recorded: Mapping[str, str] = field(default_factory=dict)
    """When and with what it was measured, if not now: it was read from a run record."""
    stopped: Stopped | None = None
    """How a gate was decided before all of the data was seen; examples, statistics and value are then those of what was seen,
    and nothing but that gate can be judged by them."""

    @property
    def n(self) -> int:
        return len(self.examples)

    @property
    def units(self) -> list[str]:
        """Of each example the independent unit it belongs to."""
        return [example.unit for example in self.examples]

    def worst(self, count: int = WORST) -> list[tuple[Example, float]]:
        """The examples with the worst values of their own, worst first; NaN counts as worst of all."""
        return [(self.examples[i], float(self.example_values[i])) for i in self.worst_places(count)]

    def worst_places(self, count: int = WORST) -> list[int]:
        """Where these examples stand."""
        badness = self.example_values if self.lower_is_better else -self.example_values
        order: list[int] = np.lexsort((-badness, ~np.isnan(badness)))[:count].tolist()
        return order


_PASSES = (Outcome.PASSED, Outcome.UNPROVEN, Outcome.SUSPECT, Outcome.RECORDED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a measurement. `str(verdict)` is the whole message; `sentence` its first line."""

    outcome: Outcome
    sentence: str
    measurement: Measurement

    @property
    def passed(self) -> bool:
        return self.outcome in _PASSES

    @property
    def is_suspect(self) -> bool:
        """Whether it is a pass that warns."""
        return self.outcome is Outcome.SUSPECT

    @property
    def held_to(self) -> str:
        """What the measurement is held to, for a cell of a table; empty where there is nothing."""
        return ""

    @property
    def spare(self) -> str:
        """How far it is from the claim's edge, with a minus sign beyond it; empty where that is no number."""
        return ""

    @property
    def ends_at(self) -> float | None:
        """Up to which value the claim holds; None where that is no number."""
        return None

    @property
    def chance(self) -> Significance | None:
        """What it knows of chance; None where the value on this data decides, or where there is no p."""
        return None

    @property
    def written(self) -> Mapping[str, object]:
        """Of a baseline that was written: its `file`, the value `before`, the `change`. Else empty."""
        return {}

    @property
    def on_suspicion(self) -> Inconclusive:
        """What becomes of a test whose verdict is SUSPECT."""
        return "warn"

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"  {title:<10} {text}" for title, text in self.evidence())])

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Pairs of a title and a line of text; lines that go on have an empty title."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class LimitVerdict(Verdict):
    """What a limit says of a measurement."""

    limit: Limit

    @property
    def held_to(self) -> str:
        sure = "" if self.limit.confidence is None else f" ({100 * self.limit.confidence:g} %)"
        return f"{self.limit.side} {number(self.limit.value)}{sure}"

    @property
    def spare(self) -> str:
        gap = self.measurement.value - self.limit.value
        return signed(-gap if self.limit.side == "below" else gap)

    @property
    def ends_at(self) -> float:
        return self.limit.value

    @property
    def chance(self) -> Significance | None:
        if self.limit.alpha is None or not isinstance(self.measurement.estimate, Estimate):
            return None
        worse = not self.limit.allows(self.measurement.value)
        return Significance(_p_of_change(self.measurement.estimate, self.limit), self.limit.alpha, worse)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Interval, size, worst examples, settings, and what to change."""
        m = self.measurement
        yield "interval", interval_of(m)
        units = "" if m.estimate is None or m.estimate.units == m.n else f" in {m.estimate.units} clusters"
        counted = "" if m.counts == "examples" else f", {m.statistics[:, -1].sum():.0f} {m.counts}"
        yield "measured", f"{m.n} {m.row}{'s' * (m.n != 1)}{units}{counted}, {m.data}"
        for rank, place in enumerate(m.worst_places()):
            example, value = m.examples[place], m.example_values[place]
            yield "" if rank else "worst", f"{value:>9.4g}  {printable(example.label)}  {_shown(m, place)}"
            if m.explain is not None and m.outputs is not None and rank < EXPLAINED:
                yield from (("", f"           {line}") for line in m.explain(example, m.outputs[place]).splitlines())
        for rank, line in enumerate(m.overview.splitlines()):
            yield "" if rank else "in all", line
        yield "model", str(m.provenance)
        yield "signature", m.signature
        yield "to change", self._remedy()

    def _remedy(self) -> str:
        if self.outcome is Outcome.ERROR:
            if refusal(self.measurement, self.limit):
                return EVALUATE_ALL
            if not np.isnan(self.measurement.example_values).any():
                return "give examples that the metric has a value for; its docstring says when it has none"
            return self.measurement.remedy
        if self.outcome is Outcome.INCONCLUSIVE:
            unit = "document" if self.measurement.estimate is None else self.measurement.estimate.basis.unit
            return f"add {unit}s, or drop confidence= to judge these {unit}s alone"
        stopped = self.measurement.stopped
        value = self.measurement.value if stopped is None else max(stopped.low, stopped.high, key=self._badness)
        return f"if {number(value)} is acceptable, {self.limit.origin} is the place to say so"

    def _badness(self, value: float) -> float:
        return value if self.limit.side == "below" else -value


class QualityError(AssertionError):
    """A gate that did not pass. The verdict is kept in `verdict`."""

    __module__ = "pytest_llm"  # reports say pytest_llm.QualityError, the name that people import

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


def judge(measurement: Measurement, limit: Limit) -> LimitVerdict:
    """Hold a measurement against a limit.

    Without `limit.confidence` the value on this data decides, exactly. With it the claim is about text like this: FAILED if
    the value misses the limit even on this data, PASSED if the one-sided confidence bound clears it as well, else
    INCONCLUSIVE; fewer than 10 independent documents prove nothing.

    With `limit.alpha` the limit is what is tolerated of a change: FAILED only if the value misses it and is worse than
    `limit.unchanged` with one-sided p < alpha, SUSPECT if it misses it and is not.

    A measurement that stopped early is judged by the limit that it was stopped for, and an ERROR by any other.
    """
    if refused := refusal(measurement, limit):
        return LimitVerdict(Outcome.ERROR, refused, measurement, limit)
    if measurement.stopped is not None and measurement.stopped.decided != "undefined":
        return _judge_stopped(measurement, measurement.stopped, limit)
    if math.isnan(measurement.value):
        return LimitVerdict(Outcome.ERROR, _not_a_number(measurement), measurement, limit)
    if limit.alpha is not None:
        return _judge_change(measurement, limit, limit.alpha)
    if limit.confidence is None:
        outcome = Outcome.PASSED if limit.allows(measurement.value) else Outcome.FAILED
        return LimitVerdict(outcome, _plain_sentence(measurement, limit), measurement, limit)
    return _judge_with_confidence(measurement, limit, limit.confidence)


def refusal(m: Measurement, claim: Limit | Tolerance) -> str:
    """Why a measurement that stopped early cannot be judged by a claim; empty if it can."""
    if m.stopped is None or m.stopped.claim == claim:
        return ""
    return (
        f"{m.metric} was measured on {m.stopped.evaluated} of {m.stopped.units} documents, until another gate was decided: "
        f"it cannot be judged by this one"
    )


def _judge_stopped(m: Measurement, stopped: Stopped, limit: Limit) -> LimitVerdict:
    passes = stopped.decided == "passes"
    where = f"{number(stopped.low)} to {number(stopped.high)} on all of the data"
    sentence = (
        f"{m.metric} is {'' if passes else 'not '}{limit.side} {number(limit.value)}: {where}, {stopped.sentence}"
    )
    return LimitVerdict(Outcome.PASSED if passes else Outcome.FAILED, sentence, m, limit)


def _judge_change(m: Measurement, limit: Limit, alpha: float) -> LimitVerdict:
    sentence = _plain_sentence(m, limit)
    if limit.allows(m.value):
        return LimitVerdict(Outcome.PASSED, sentence, m, limit)
    if not isinstance(m.estimate, Estimate):
        return LimitVerdict(Outcome.INCONCLUSIVE, f"{sentence}; and there is no estimate of chance", m, limit)
    p = _p_of_change(m.estimate, limit)
    if p < alpha / limit.gates:
        return LimitVerdict(Outcome.FAILED, f"{sentence}; p = {p:.2g}", m, limit)
    shared = f" shared by {limit.gates} gates" if limit.gates > 1 else ""
    more = f"chance alone does this to an unchanged model (p = {p:.2g}, alpha {alpha:g}{shared})"
    return LimitVerdict(Outcome.SUSPECT, f"{sentence}; {more}", m, limit)


def _p_of_change(estimate: Estimate, limit: Limit) -> float:
    """One-sided: how probable a value as far on the wrong side is if nothing has changed."""
    above = estimate.p_above(limit.unchanged)
    return above if limit.side == "below" else 1 - above


def _judge_with_confidence(m: Measurement, limit: Limit, confidence: float) -> LimitVerdict:
    if not limit.allows(m.value):
        return LimitVerdict(Outcome.FAILED, _plain_sentence(m, limit), m, limit)
    value, stated = distinct(m.value, limit.value)
    claim = f"{m.metric} {value} is {{}} {limit.side} {stated}"
    if m.estimate is None and m.n > 1:
        sentence = f"{claim.format('not proven')}: there is no interval ({m.without_interval})"
        return LimitVerdict(Outcome.INCONCLUSIVE, sentence, m, limit)
    if m.estimate is None or m.estimate.units < FEWEST_UNITS:
        units, unit = (1, "document") if m.estimate is None else (m.estimate.units, m.estimate.basis.unit)
        sentence = (
            f"{claim.format('not proven')}: {units} independent {unit}{'s' * (units != 1)}, at least 10 are needed"
        )
        return LimitVerdict(Outcome.INCONCLUSIVE, sentence, m, limit)
    bound = m.estimate.upper(confidence) if limit.side == "below" else m.estimate.lower(confidence)
    which = f"the {confidence * 100:g} % {'upper' if limit.side == 'below' else 'lower'} bound is {number(bound)}"
    if limit.allows(bound):
        return LimitVerdict(Outcome.PASSED, f"{claim.format('proven')}: {which}", m, limit)
    needed = m.estimate.units_to_decide(limit.value, confidence)
    unit = m.estimate.basis.unit
    more = f"{'no number of' if needed is None else f'about {needed}'} {unit}s like these"
    sentence = f"{claim.format('not proven')}: {which}; {more} would decide ({m.estimate.units} now)"
    return LimitVerdict(Outcome.INCONCLUSIVE, sentence, m, limit)


def _plain_sentence(m: Measurement, limit: Limit) -> str:
    value, bound = distinct(m.value, limit.value)
    gap = abs(m.value - limit.value)
    share = f"{100 * gap / abs(limit.value):.3g} %" if limit.value else number(gap)
    if limit.allows(m.value):
        return f"{m.metric} {value} is {limit.side} {bound} ({share} to spare)"
    where = "over" if limit.side == "below" else "under"
    if math.isinf(m.value):
        by = "some token has probability 0"
    else:
        by = f"{where} the limit by {number(gap)} ({share})" if gap else "it equals the limit"
    return f"{m.metric} {value} is not {limit.side} {bound}: {by}"


def _not_a_number(m: Measurement) -> str:
    values = zip(m.examples, m.example_values, strict=True)
    broken = [example.label for example, value in values if math.isnan(value)]
    if not broken:
        return f"{m.metric} is not a number: it has no value for these {m.n} examples together"
    return f"{m.metric} is not a number: {len(broken)} of {m.n} {m.row}s gave NaN ({listed(broken, WORST)})"


def interval_of(m: Measurement) -> str:
    """Between which values the one of all of the data, or of text like this, lies."""
    if m.stopped is not None and m.stopped.decided != "undefined":
        ends = f"{number(m.stopped.low)} to {number(m.stopped.high)}"
        return f"{ends} on all {m.stopped.units} documents ({m.stopped.certainty})"
    if m.estimate is None:
        return f"none: {m.without_interval}"
    interval, basis = m.estimate.interval(), m.estimate.basis
    return f"{number(interval.low)} to {number(interval.high)} {basis.claim} (95 %, {basis.method})"


def _shown(m: Measurement, place: int) -> str:
    """The text; or what came out and what was wanted."""
    example = m.examples[place]
    output = () if m.outputs is None else m.outputs[place]
    if isinstance(output, dict):
        if output is example.target:  # what people said: there is nothing else to hold it against
            return snippet(example.text)
        output = max(output, key=output.__getitem__, default=None)
    if not (output is None or isinstance(output, str | int)):
        return snippet(example.text)
    wanted = example.target[0] if isinstance(example.target, list | tuple) and example.target else example.target
    return f"{snippet(str(output))}, wanted {snippet(str(wanted))}"
