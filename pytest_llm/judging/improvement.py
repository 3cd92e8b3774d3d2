"""A tuned model beside the one it was made from: `judge_improvement` decides whether it is better, by more than chance makes.

The comparison is that of `regression`, read from the other side: an improvement has to be proven, a regression to be refuted. So
what is unclear fails here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.regression import interval_of, lost_most
from pytest_llm.judging.verdict import FEWEST_UNITS, Outcome, Verdict
from pytest_llm.statistics.paired import PairedChange
from pytest_llm.tolerance import Amount, check_alpha
from pytest_llm.wording import counted, number


@dataclass(frozen=True, slots=True)
class Improvement:
    """What is claimed of a tuned model.

    Raises:
        MisuseError: an alpha that is no small probability.
    """

    margin: Amount
    """How much better it has to be, beyond doubt."""
    alpha: float = 0.01
    """How often a model that is better by the margin only, or less, may pass."""

    def __post_init__(self) -> None:
        check_alpha(self.alpha)


@dataclass(frozen=True, slots=True)
class ImprovementVerdict(Verdict):
    """What a claim says of a comparison."""

    comparison: Comparison
    claim: Improvement

    @property
    def held_to(self) -> str:
        amount = f"more than {self.claim.margin} " if self.claim.margin.number else ""
        return f"{amount}better than {self.comparison.against}"

    @property
    def spare(self) -> str:
        room = -self.comparison.drop - margin_as_drop(self.comparison, self.claim)
        return "" if math.isnan(room) else f"{'−' if room < 0 else ''}{self.comparison.worded(room)}"

    @property
    def ends_at(self) -> float:
        return self.claim.margin.worst(self.comparison.value, not self.measurement.lower_is_better)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Interval, what would have been seen, which examples got worse, both models, settings, and what to change."""
        m, c = self.measurement, self.comparison
        yield "interval", interval_of(c, exact=not self.claim.margin.number)
        if c.change is not None:
            smallest = c.change.reversed.smallest_caught(margin_as_drop(c, self.claim), self.claim.alpha)
            yield "seen", f"gains of {c.worded(smallest)} or more, 19 times of 20"
        units = "" if c.change is None or c.change.units == m.n else f" in {c.change.units} clusters"
        better, worse = int((c.example_drops < 0).sum()), int((c.example_drops > 0).sum())
        yield "measured", f"{counted(m.n, m.row)}{units}, {m.data}: {better} better, {worse} worse"
        yield from lost_most(c)
        yield "before", c.origin
        yield "model", str(m.provenance)
        yield "signature", m.signature
        yield from (("", note) for note in c.notes)
        yield "to change", self._remedy()

    def _remedy(self) -> str:
        if self.outcome is Outcome.ERROR:
            return self.measurement.remedy
        if self.outcome is Outcome.INCONCLUSIVE:
            return "hold out more independent examples, or train until the gain is larger"
        return (
            "look whether the loss fell in training: more steps, another learning rate, more parameters, more examples"
        )


def judge_improvement(comparison: Comparison, claim: Improvement) -> ImprovementVerdict:
    """Hold a gain against what is claimed of it.

    PASSED if the gain on these examples exceeds the margin, and a gain as large comes with one-sided p < alpha from a model whose
    true gain is the margin: McNemar's exact test where examples are right or wrong, each for itself, and the margin is 0; else
    the paired t of the jackknife. FAILED if it does not exceed the margin; INCONCLUSIVE if it does and may be chance, or if
    there are fewer than 10 independent documents; ERROR if a value is not a number.

    Args:
        comparison: the tuned model's measurement beside the statistics of the model before.
        claim: what it has to show.
    """
    c, m = comparison, comparison.measurement

    def verdict(outcome: Outcome, sentence: str) -> ImprovementVerdict:
        return ImprovementVerdict(outcome, sentence, m, comparison, claim)

    if math.isnan(c.drop):
        side = c.against if math.isnan(c.value) else "the tuned model"
        return verdict(Outcome.ERROR, f"{m.metric} is not a number for {side}: there is nothing to compare")
    gain, margin = -c.drop, margin_as_drop(c, claim)
    if not gain > margin * (1 + 1e-9):
        return verdict(Outcome.FAILED, f"{_not_better(c, claim, gain)}{_seen(c, claim, margin)}")
    stated = f"{m.metric} {number(m.value)} is {c.worded(gain)} better than {c.against} ({number(c.value)})"
    asked = "" if not claim.margin.number else f", {claim.margin} is asked for"
    change = None if c.change is None else c.change.reversed
    if change is None or change.units < FEWEST_UNITS:
        units = 1 if change is None else change.units
        few = f"{counted(units, 'independent document')} prove nothing, at least {FEWEST_UNITS} are needed"
        return verdict(Outcome.INCONCLUSIVE, f"{stated}{asked}; {few}")
    p = change.p_beyond(margin)
    if p < claim.alpha:
        return verdict(Outcome.PASSED, f"{stated}{asked}, p = {p:.2g}{_seen(c, claim, margin)}")
    chance = f"but chance alone does this (p = {p:.2g}, alpha {claim.alpha:g})"
    return verdict(Outcome.INCONCLUSIVE, f"{stated}{asked}, {chance}{_needed(c, change, claim, margin)}")


def margin_as_drop(c: Comparison, claim: Improvement) -> float:
    """The margin on the scale of a drop: so much better than before is as much worse in a metric that points the other way."""
    return claim.margin.as_drop(c.value, not c.measurement.lower_is_better, c.is_log)


def _not_better(c: Comparison, claim: Improvement, gain: float) -> str:
    m = c.measurement
    if gain == 0:
        found = f"{m.metric} {number(m.value)} is that of {c.against}"
    else:
        found = f"{m.metric} {number(m.value)} is {c.directed(-gain)} than {c.against} ({number(c.value)})"
    return f"{found}: it did not improve" if not claim.margin.number else f"{found}: {claim.margin} is asked for"


def _seen(c: Comparison, claim: Improvement, margin: float) -> str:
    """The smallest gain that would have passed, in brackets."""
    if c.change is None or c.change.units < FEWEST_UNITS or c.change.standard_error == 0:
        return ""
    return f" (gains of {c.worded(c.change.reversed.smallest_caught(margin, claim.alpha))} are seen)"


def _needed(c: Comparison, change: PairedChange, claim: Improvement, margin: float) -> str:
    needed = change.units_to_catch(change.drop, margin, claim.alpha)
    return "" if needed is None else f"; to prove {c.worded(change.drop)} takes about {needed} documents"
