"""A measurement against a baseline: `judge_change` is the only place where a change passes or fails.

    comparison = Comparison(measurement, "baseline 'main'", statistics_of_the_baseline)
    verdict = judge_change(comparison, Tolerance(parse_amount("tolerance", "1%")))

Both sides are statistics of the same examples in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import WORST
from pytest_llm.judging.verdict import EVALUATE_ALL, FEWEST_UNITS, Outcome, Verdict, refusal
from pytest_llm.statistics.multiplicity import Significance
from pytest_llm.statistics.paired import PairedChange
from pytest_llm.stopping.watch import Stopped
from pytest_llm.tolerance import Inconclusive, Tolerance
from pytest_llm.wording import counted, listed, number, printable, snippet

FEW_UNITS = 30
"""Below this many documents a verdict says that they are few."""
SURE = 0.95
"""How sure a bound on the change on text like this is."""


@dataclass(frozen=True, slots=True)
class ChangeVerdict(Verdict):
    """What a tolerance says of a comparison."""

    comparison: Comparison
    tolerance: Tolerance

    @property
    def held_to(self) -> str:
        return f"at most {self.tolerance.amount} worse than {self.comparison.against}"

    @property
    def spare(self) -> str:
        room = self.comparison.as_drop(self.tolerance.amount) - self.comparison.drop
        return "" if math.isnan(room) else f"{'−' if room < 0 else ''}{self.comparison.worded(room)}"

    @property
    def ends_at(self) -> float:
        return self.tolerance.amount.worst(self.comparison.value, self.measurement.lower_is_better)

    @property
    def chance(self) -> Significance | None:
        change, claim = self.comparison.change, self.tolerance
        if claim.estimand == "dataset" or change is None or change.units < FEWEST_UNITS or self.comparison.excused:
            return None
        worse = _exceeds(self.comparison.drop, self.comparison.as_drop(claim.amount))
        bounded = not (claim.strict or claim.on_inconclusive == "fail" or claim.max_example_drop is not None)
        stopped = self.measurement.stopped
        if stopped is None or stopped.decided == "undefined":
            return Significance(change.p, claim.alpha, worse, bounded)
        # the p of a part that was looked at again and again is none: what is known is on which side of its level it is
        fails = stopped.decided == "fails"
        return Significance(math.nextafter(claim.level, 0) if fails else 1.0, claim.alpha, fails, bounded)

    @property
    def on_suspicion(self) -> Inconclusive:
        return self.tolerance.on_inconclusive

    def evidence(self) -> Iterator[tuple[str, str]]:
        """What was set aside, interval, what would have been caught, which examples lost most, the baseline, settings."""
        m, c = self.measurement, self.comparison
        if c.aside:
            yield "set aside", c.aside
        yield "interval", interval_of(c)
        yield from _caught(c, self.tolerance)
        units = "" if c.change is None or c.change.units == m.n else f" in {c.change.units} clusters"
        worse, better = int((c.example_drops > 0).sum()), int((c.example_drops < 0).sum())
        yield "measured", f"{counted(m.n, m.row)}{units}, {m.data}: {worse} worse, {better} better"
        yield from lost_most(c)
        if (reach := c.reach(self.tolerance.alpha)) is not None:
            sure = f"{100 * (1 - self.tolerance.alpha):g} %"
            yield "noise", f"drops of {c.worded(reach)} or less between two runs of one model ({sure})"
        yield "baseline", c.origin
        yield from (("", note) for note in c.notes)
        yield "model", str(m.provenance)
        yield "signature", m.signature
        if accept := EVALUATE_ALL if refusal(m, self.tolerance) else c.accept:
            yield "to accept", accept


def judge_change(comparison: Comparison, tolerance: Tolerance) -> ChangeVerdict:
    """Hold a change against what is tolerated.

    For text like this (`estimand="population"`): REGRESSED if the drop on these examples exceeds the tolerance and a drop as
    large comes from chance with one-sided p < alpha; SUSPECT if it exceeds the tolerance and may be chance; else PASSED if
    the 95 % bound of the drop is tolerated too, and UNPROVEN if not. Fewer than 10 independent documents prove nothing:
    INCONCLUSIVE, unless nothing changed at all. For this text alone (`estimand="dataset"`) the drop decides.

    The rule fails an unchanged model with probability alpha at most, whatever the size of the data: a tolerance that is
    exceeded by chance alone never fails it, and a significant change that is tolerated does not either.
    """
    c, m = comparison, comparison.measurement

    def verdict(outcome: Outcome, sentence: str) -> ChangeVerdict:
        return ChangeVerdict(outcome, sentence, m, comparison, tolerance)

    if refused := refusal(m, tolerance):
        return verdict(Outcome.ERROR, refused)
    if m.stopped is not None and m.stopped.decided != "undefined":
        outcome = Outcome.PASSED if m.stopped.decided == "passes" else Outcome.REGRESSED
        return verdict(outcome, _stopped(c, m.stopped, tolerance))
    if math.isnan(c.drop):
        side = c.against if math.isnan(c.value) else "this model"
        return verdict(Outcome.ERROR, f"{m.metric} is not a number for {side}: there is nothing to compare")
    tolerated = c.as_drop(tolerance.amount)
    stated = f"{_stated(c)}: {tolerance.amount} is tolerated"
    if _exceeds(c.drop, tolerated) and c.excused:
        return verdict(Outcome.PASSED, f"{stated}, but nothing of it is new")
    if _exceeds(c.drop, tolerated):
        outcome, because = _too_much(c, tolerance)
        sentence = f"{stated}{because}"
    elif broken := _broken(c, tolerance):
        return verdict(Outcome.BROKEN_EXAMPLE, broken)
    else:
        outcome, because = _tolerable(c, tolerance, tolerated)
        sentence = f"{stated}{because}"
    if tolerance.strict and outcome in (Outcome.SUSPECT, Outcome.UNPROVEN):
        outcome = Outcome.INCONCLUSIVE
    return verdict(outcome, f"{sentence}{too_noisy(c, tolerance)}{_catches(c, tolerance, tolerated)}")


def _stopped(c: Comparison, stopped: Stopped, tolerance: Tolerance) -> str:
    low, high = c.between(stopped)
    end = high if stopped.decided == "passes" else low
    bound = "at most" if (end > 0) == (stopped.decided == "passes") else "at least"
    stated = f"{c.measurement.metric} is {bound} {c.directed(end)} than {c.against} on all of the data"
    return f"{stated}: {tolerance.amount} is tolerated, {stopped.sentence}"


def _exceeds(drop: float, tolerated: float) -> bool:
    return drop > tolerated * (1 + 1e-9)  # a drop of just the tolerance, as rounding leaves it, is tolerated


def _too_much(c: Comparison, tolerance: Tolerance) -> tuple[Outcome, str]:
    if tolerance.estimand == "dataset" or math.isinf(c.drop):
        return Outcome.REGRESSED, ""
    if c.change is None or c.change.units < FEWEST_UNITS:
        return Outcome.INCONCLUSIVE, _too_few(c)
    p = c.change.p
    if p < tolerance.level:
        return Outcome.REGRESSED, f", p = {p:.2g}"
    outcome = Outcome.INCONCLUSIVE if tolerance.on_inconclusive == "fail" else Outcome.SUSPECT
    return outcome, f", but chance alone does this to an unchanged model (p = {p:.2g}, {tolerance.stated_alpha})"


def _tolerable(c: Comparison, tolerance: Tolerance, tolerated: float) -> tuple[Outcome, str]:
    if tolerance.estimand == "dataset" or np.array_equal(c.measurement.statistics, c.statistics):
        return Outcome.PASSED, ""
    if c.change is None or c.change.units < FEWEST_UNITS:
        return Outcome.INCONCLUSIVE, _too_few(c)
    bound = c.change.bound(SURE)
    if bound < tolerated:
        # of an improvement, the other side: what is gained at least
        tightened = f": the baseline can be tightened ({c.accept})" if c.accept else ""
        better = f", proven{tightened}" if c.change.bound(1 - tolerance.alpha) < 0 else ""
        return Outcome.PASSED, better
    return Outcome.UNPROVEN, f", and on text like this it may be {c.worded(bound)} worse ({100 * SURE:g} %)"


def _too_few(c: Comparison) -> str:
    units = 1 if c.change is None else c.change.units
    return f"; {counted(units, 'independent document')} prove nothing, at least {FEWEST_UNITS} are needed"


def _broken(c: Comparison, tolerance: Tolerance) -> str:
    """The sentence about examples that lost more than one may; empty if there are none."""
    if tolerance.max_example_drop is None:
        return ""
    m, allowed = c.measurement, tolerance.max_example_drop
    broken = [
        place
        for place, (drop, value) in enumerate(zip(c.example_drops, c.example_values, strict=True))
        if not drop <= allowed.as_drop(float(value), m.lower_is_better, c.is_log) * (1 + 1e-9)
        and not (math.isnan(value) and math.isnan(m.example_values[place]))  # it has no value by itself on either side
    ]
    if not broken:
        return ""
    names = listed([m.examples[place].label for place in broken], WORST)
    return f"{m.metric} of {len(broken)} of {m.n} examples is more than {allowed} worse than {c.against}: {names}"


def _stated(c: Comparison) -> str:
    m = c.measurement
    if c.drop == 0:
        return f"{m.metric} {number(m.value)} is that of {c.against}"
    way = "worse" if c.drop > 0 else "better"
    return f"{m.metric} {number(m.value)} is {c.worded(c.drop)} {way} than {c.against} ({number(c.value)})"


def too_noisy(c: Comparison, tolerance: Tolerance) -> str:
    """What noise does from run to run where that exceeds the tolerance, and which tolerance it would not exceed; else empty."""
    reach = c.reach(tolerance.alpha)
    if reach is None or reach <= c.as_drop(tolerance.amount):
        return ""
    above = f"{_rounded_up(100 * math.expm1(reach))}%" if c.is_log else _rounded_up(reach)
    return f"; run-to-run noise alone does {c.worded(reach)}: tolerance={above!r} is above that"


def _rounded_up(value: float) -> str:
    """To two digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / unit) * unit:.2g}"


def _catches(c: Comparison, tolerance: Tolerance, tolerated: float) -> str:
    """The smallest drop that would have failed, and how many documents a given one takes, in brackets."""
    if tolerance.estimand == "dataset":
        return " (any larger drop fails: this text alone is judged)"
    if c.change is None or c.change.units < FEWEST_UNITS:
        return ""
    if (
        c.change.standard_error == 0 and c.drop == 0
    ):  # nothing scatters where nothing differs: that is no promise for a change
        return f" (no document differs; a drop of more than {c.worded(tolerated)} that all share is caught)"
    smallest = c.change.smallest_caught(tolerated, tolerance.level)
    few = f", of {c.change.units} documents only" if c.change.units < FEW_UNITS else ""
    wanted, needed = _wanted(c, c.change, tolerance, tolerated)
    takes = "" if needed is None else f"; {c.worded(wanted)} takes about {needed} documents"
    return f" (drops of {c.worded(smallest)} are caught{few}{takes})"


def _wanted(c: Comparison, change: PairedChange, tolerance: Tolerance, tolerated: float) -> tuple[float, int | None]:
    """The drop that should be caught, and about how many documents like these that takes; None: it is tolerated."""
    wanted = 2 * tolerated if tolerance.detect is None else c.as_drop(tolerance.detect)
    needed = change.units_to_catch(wanted, tolerated, tolerance.level)
    return wanted, None if needed is None else max(FEWEST_UNITS, needed)


def interval_of(c: Comparison, *, exact: bool = True) -> str:
    """Between which changes the one on text like this lies.

    Args:
        c: the two models.
        exact: whether p is McNemar's where that can be: of a change other than none it is not.
    """
    stopped = c.measurement.stopped
    if stopped is not None and stopped.decided != "undefined" and stopped.baseline is not None:
        low, high = c.between(stopped)
        return f"{c.directed(low)} to {c.directed(high)} on all {stopped.units} documents ({stopped.certainty})"
    if c.change is None:
        return "none: it takes at least two independent documents with finite values"
    low, high = (c.change.bound(quantile) for quantile in (0.025, 0.975))
    ends = f"{c.directed(low)} to {c.directed(high)}"
    method = "paired jackknife over documents" + (", p by McNemar's test" if exact and c.change.flips else "")
    return f"{ends} on text like this (95 %, {method})"


def _caught(c: Comparison, tolerance: Tolerance) -> Iterator[tuple[str, str]]:
    if c.measurement.stopped is not None:  # a full run catches what it catches
        return
    tolerated = c.as_drop(tolerance.amount)
    if tolerance.estimand == "dataset":
        yield "caught", f"every drop of more than {c.worded(tolerated)}: this text alone is judged"
        return
    if c.change is None:
        return
    smallest = c.change.smallest_caught(tolerated, tolerance.level)
    yield "caught", f"drops of {c.worded(smallest)} or more, 19 times of 20"
    wanted, needed = _wanted(c, c.change, tolerance, tolerated)
    if needed is not None:
        more = needed - c.change.units
        beside = f", {more} more" if more > 0 else f", and there are {c.change.units}"
        yield "", f"to catch {c.worded(wanted)} takes about {needed} documents like these{beside}"


def lost_most(c: Comparison) -> Iterator[tuple[str, str]]:
    """The examples that got worse, as evidence: those that lost most first, with what they were and are."""
    m, title = c.measurement, "lost most"
    for place in np.argsort(-np.nan_to_num(c.example_drops, nan=np.inf), kind="stable")[:WORST].tolist():
        if c.example_drops[place] <= 0:
            return
        before, after = number(float(c.example_values[place])), number(float(m.example_values[place]))
        example = m.examples[place]
        text = f"  {snippet(example.text)}" if example.text else ""  # there is none of a stored example
        yield title, f"{before:>9} → {after:<9}  {printable(example.label)}{text}"
        title = ""
