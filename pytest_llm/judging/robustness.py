"""A rate of texts that break, held against the most that is allowed: `judge_rate` is the only place where it passes or fails.

    verdict = judge_rate(measurement, RateClaim(0.1))

An attack finds what it finds, so that its rate is a lower bound of what a better attack would reach; where all edits of the
budget were tried on every text that holds, it is exact. Chance comes in through the texts, which stand for others like
them: by default a rate fails only if these prove it to be over what is allowed.

Known counter-examples (those that are stored as open or accepted) are a ratchet: a rate that is over what is allowed fails only if
something new is part of it. The rate itself, its interval and p are of all texts, known to break or not: texts like these come
without a corpus, and what is known uses up what is allowed, so that no limit is granted anew each time the corpus is updated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement, interval_of
from pytest_llm.judging.verdict import Outcome, Verdict
from pytest_llm.statistics.clustered_quantile import ClusteredQuantile
from pytest_llm.statistics.latency import QuantileEstimate
from pytest_llm.statistics.multiplicity import Significance
from pytest_llm.wording import number, printable, signed, snippet


@dataclass(frozen=True, slots=True)
class RateClaim:
    """What is claimed of the rate.

    Raises:
        MisuseError: a number that is no probability, or two kinds of proof at once.
    """

    most: float
    """The highest rate that passes."""
    alpha: float = 0.05
    """A higher one fails if texts of a rate of `most` show as high a one less often than this; else it is suspect."""
    strict: bool = False
    """Any higher rate on these texts fails."""
    confidence: float | None = None
    """0.95: the rate on texts like these has to be proven at most `most`."""
    gates: int = 1
    """Among how many gates alpha is shared."""

    def __post_init__(self) -> None:
        if not (_is_number(self.most) and 0 <= self.most < 1):
            raise MisuseError(f"rate {self.most!r}: expected a share of the texts, at least 0 and below 1")
        if not (_is_number(self.alpha) and 0 < self.alpha < 0.5):
            raise MisuseError(f"alpha={self.alpha!r}: expected a small probability such as 0.05")
        if self.confidence is not None and not (_is_number(self.confidence) and 0.5 < self.confidence < 1):
            raise MisuseError(f"confidence={self.confidence!r}: expected None or a probability such as 0.95")
        if self.confidence is not None and self.strict:
            raise MisuseError("strict judges these texts and confidence others like them: give one of the two")


@dataclass(frozen=True, slots=True)
class RateVerdict(Verdict):
    """What a claim says of a rate."""

    claim: RateClaim

    @property
    def held_to(self) -> str:
        known = f", {_counts(self.measurement).known} known" if self.is_excused else ""
        return f"at most {number(self.claim.most)}{known}"

    @property
    def spare(self) -> str:
        return signed(self.claim.most - self.measurement.value)

    @property
    def ends_at(self) -> float:
        return self.claim.most

    @property
    def chance(self) -> Significance | None:
        p = _p(self.measurement, self.claim)
        if p is None or self.outcome in (Outcome.ERROR, Outcome.INCONCLUSIVE) or self.is_excused:
            return None
        bounded = not self.claim.strict and self.claim.confidence is None
        return Significance(p, self.claim.alpha, self.measurement.value > self.claim.most, bounded)

    @property
    def is_excused(self) -> bool:
        """Whether it passes over what is allowed, because nothing is new."""
        return self.passed and self.measurement.value > self.claim.most and self.outcome is not Outcome.SUSPECT

    def evidence(self) -> Iterator[tuple[str, str]]:
        """What was set aside, interval, counts, what breaks, control, model, settings, and what to change."""
        m, counts = self.measurement, _counts(self.measurement)
        if counts.known:
            without = number(counts.new / counts.texts)
            known = f"{counts.known} {m.row}s that known counter-examples break"
            yield "set aside", f"{known}: {number(m.value)} with them, {without} without"
        yield "interval", interval_of(m)
        skipped = f", {m.n - counts.texts} more skipped: wrong without any edit" if m.n > counts.texts else ""
        yield "measured", f"{counts.texts} {m.row}s{skipped}, {m.data}"
        title = "broken" if counts.new else "searched"
        for line in m.overview.splitlines() or _cases(m):
            yield title, line
            title = ""
        yield "model", str(m.provenance)
        yield "signature", m.signature
        yield "to change", self._remedy()

    def _remedy(self) -> str:
        if self.outcome is Outcome.ERROR:
            return "give texts that the model has right"
        if self.outcome is Outcome.INCONCLUSIVE:
            noisy = "find out why the model answers otherwise each time it is asked"
            return noisy if self.claim.confidence is None else "add texts, or drop confidence= to judge these alone"
        if self.is_excused:
            return "mend what is known: pytest-llm corpus list --state open"
        return f"if {number(self.measurement.value)} is acceptable, the assertion's rate is the place to say so"


def judge_rate(measurement: Measurement, claim: RateClaim) -> RateVerdict:
    """Hold a rate against the most that is allowed.

    The statistics of the measurement are, of each text: whether it broke, is known to break, holds for certain, was not searched to
    the end, broke in the control; and whether it was attacked at all.

    PASSED if the rate is not higher, proven if `confidence` asks for that (else INCONCLUSIVE). A higher one is PASSED too if all
    texts that break are known to, unless `confidence` asks about other texts; else FAILED, or SUSPECT (a pass that warns) if
    p ≥ alpha, unless `strict`; INCONCLUSIVE if no more texts break anew than in the control; ERROR if nothing was attacked.
    """
    m, counts = measurement, _counts(measurement)
    if math.isnan(m.value):
        nothing = f"{_named(m)} has no value: all {m.n} {m.row}s are wrong without any edit"
        return RateVerdict(Outcome.ERROR, nothing, m, claim)
    rate = f"{_named(m)} {number(m.value)}"
    seen = f"{counts.broken} of {counts.texts} {m.row}s break"
    if m.value <= claim.most:
        return _allowed(m, claim, f"{rate} is {{}}at most {number(claim.most)}: {seen}", counts)
    if not counts.new and claim.confidence is None:
        over = f"{rate} is over {number(claim.most)}, by nothing new: {seen}, all by known counter-examples"
        return RateVerdict(Outcome.PASSED, over + counts.certainty, m, claim)
    over = f"{rate} is over {number(claim.most)}: {seen}" + (f", {counts.new} of them anew" if counts.known else "")
    if counts.flipped >= counts.new > 0:
        why = f"but {counts.flipped} do so without any edit when they are asked about again"
        return RateVerdict(Outcome.INCONCLUSIVE, f"{over}, {why}", m, claim)
    p = _p(m, claim)
    if claim.strict or claim.confidence is not None or p is None:
        return RateVerdict(Outcome.FAILED, over, m, claim)
    if p < claim.alpha / claim.gates:
        return RateVerdict(Outcome.FAILED, f"{over}; p = {p:.2g}", m, claim)
    shared = f" shared by {claim.gates} gates" if claim.gates > 1 else ""
    chance = f"a rate of {number(claim.most)} shows as many by chance (p = {p:.2g}, alpha {claim.alpha:g}{shared})"
    return RateVerdict(Outcome.SUSPECT, f"{over}; {chance}", m, claim)


def _allowed(m: Measurement, claim: RateClaim, sentence: str, counts: _Counts) -> RateVerdict:
    certain = counts.certainty
    if claim.confidence is None:
        return RateVerdict(Outcome.PASSED, sentence.format("") + certain, m, claim)
    if m.estimate is None:
        return RateVerdict(Outcome.INCONCLUSIVE, f"{sentence.format('not proven ')}; {m.without_interval}", m, claim)
    upper = m.estimate.upper(claim.confidence)
    bound = f"; the {100 * claim.confidence:g} % upper bound is {number(upper)}"
    if upper <= claim.most:
        return RateVerdict(Outcome.PASSED, sentence.format("proven ") + bound + certain, m, claim)
    needed = m.estimate.units_to_decide(claim.most, claim.confidence)
    more = f"{'no number of' if needed is None else f'about {needed}'} {m.row}s like these would decide"
    return RateVerdict(Outcome.INCONCLUSIVE, f"{sentence.format('not proven ')}{bound}; {more}", m, claim)


def _p(m: Measurement, claim: RateClaim) -> float | None:
    """How probable as many broken texts are, or more, if the rate is what is allowed."""
    if m.estimate is None or isinstance(m.estimate, QuantileEstimate | ClusteredQuantile):
        return None
    return m.estimate.p_above(claim.most)


@dataclass(frozen=True, slots=True)
class _Counts:
    """The sums of the statistics."""

    broken: int
    known: int
    """Texts that break as they are known to."""
    certain: int
    """Texts that hold, with all edits tried."""
    unsure: int
    """Texts that hold as far as was searched."""
    flipped: int
    """Texts that break in the control, those that are known to break left out."""
    texts: int
    """Those that were attacked."""

    @property
    def new(self) -> int:
        return self.broken - self.known

    @property
    def certainty(self) -> str:
        if self.unsure:
            return f" (a lower bound: {self.unsure} of those that hold were not searched to the end)"
        return " (exact: all edits of the budget were tried)" if self.certain else ""


def _counts(m: Measurement) -> _Counts:
    broken, known, certain, unsure, flipped, attacked = m.statistics.astype(bool).T
    kinds = (broken, known, certain, unsure & ~broken, flipped & ~known, attacked)
    return _Counts(*(int(kind.sum()) for kind in kinds))


def _cases(m: Measurement) -> list[str]:
    """Of what was not searched but asked: the first that broke, what came out and what was wanted."""
    broken = [place for place in m.worst_places() if m.example_values[place] > 0]
    outputs = [None if m.outputs is None else m.outputs[place] for place in broken]
    given = [max(one, key=one.__getitem__, default=None) if isinstance(one, dict) else one for one in outputs]
    return [
        f"{printable(m.examples[place].label)}  {snippet(m.examples[place].text)}  {snippet(str(output))}, wanted "
        f"{snippet(str(m.examples[place].target))}"
        for place, output in zip(broken, given, strict=True)
    ]


def _named(m: Measurement) -> str:
    return m.metric.replace("_", " ")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
