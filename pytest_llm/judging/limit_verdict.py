"""A measurement against a number: `judge` is the only place where it passes or fails, and where the sentence is written.

    measurement = measure(model, texts, "perplexity")
    verdict = judge(measurement, Limit.below(25))

Comparisons are written so that NaN never passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from pytest_llm.judging.measurement import WORST, Measurement, interval_of
from pytest_llm.judging.verdict import EVALUATE_ALL, FEWEST_UNITS, Outcome, Verdict, refusal
from pytest_llm.limit import Limit
from pytest_llm.statistics.jackknife import Estimate
from pytest_llm.statistics.multiplicity import Significance
from pytest_llm.stopping.watch import Stopped
from pytest_llm.wording import counted, distinct, listed, number, printable, signed, snippet

EXPLAINED = 2
"""So many of the worst examples are shown in detail."""


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
        weight = "" if m.counts == "examples" else f", {m.statistics[:, -1].sum():.0f} {m.counts}"
        yield "measured", f"{counted(m.n, m.row)}{units}{weight}, {m.data}"
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
            if not np.isnan(self.measurement.example_values[self.measurement.worst_places(1)]).any():
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
        few = counted(units, f"independent {unit}")
        sentence = f"{claim.format('not proven')}: {few}, at least {FEWEST_UNITS} are needed"
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
    broken = (example.label for example, value in values if math.isnan(value))
    first = list(islice(broken, WORST + 1))
    if not first:
        return f"{m.metric} is not a number: it has no value for these {m.n} examples together"
    count = len(first) + sum(1 for _ in broken)
    return f"{m.metric} is not a number: {count} of {m.n} {m.row}s gave NaN ({listed(first, WORST)})"


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
