"""Which question the limit, or the tolerance, of an assertion is, and whether it can be answered early at all.

Everything that stands in the way leads to a full evaluation, never to an error: a metric that is no quotient of two sums, a
claim about more than this data, a baseline that is to be written or is not of the same examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeAlias

import numpy as np

from pytest_llm.data.example import Example, fingerprint
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.errors import MisuseError
from pytest_llm.limit import Limit
from pytest_llm.statistics.jackknife import FloatArray, Scale, sum_by_cluster
from pytest_llm.stopping.mode import EarlyStop, chosen
from pytest_llm.stopping.question import Question, Quotient, about_change, about_limit
from pytest_llm.stopping.watch import FEWEST, Watch
from pytest_llm.tolerance import Tolerance

LARGEST_DROP = 0.5
"""Nats a token that a document is presumed to lose at most: then each of its tokens is 1.65 times as surprising."""


class Measured(Protocol):
    """What has to be known of a metric."""

    @property
    def name(self) -> str: ...

    @property
    def scale(self) -> Scale: ...

    @property
    def lower_is_better(self) -> bool: ...

    @property
    def counts(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """What is about to be measured."""

    metric: Measured
    examples: Sequence[Example]
    origin: Provenance
    identity: Callable[[], Identity]

    @property
    def units(self) -> tuple[str, ...]:
        """In order of their first example."""
        return tuple(dict.fromkeys(example.unit for example in self.examples))

    @property
    def quotient(self) -> Quotient | None:
        found = getattr(self.metric, "quotient", None)
        return found if isinstance(found, Quotient) else None

    def seed(self, claim: Limit | Tolerance) -> str:
        """The same for the same examples, in whatever order, claim and model; another one for another of these."""
        contents = sorted(f"{example.id}\t{example.content}" for example in self.examples)
        model = self.identity().weights or str(self.origin)
        return fingerprint("\n".join([*contents, self.metric.name, repr(claim), model]))


Until: TypeAlias = Callable[[Subject], "Watch | None"]
"""Makes the watch of what is about to be measured; None: measure all of it."""
Known: TypeAlias = Callable[[Subject], "FloatArray | None"]
"""The baseline's statistics of the same examples, in their order; None if there are none to be compared with."""


def until_limit(limit: Limit, early_stop: EarlyStop | None) -> Until | None:
    """Until it is decided on which side of a limit the value on all of the data is.

    Raises:
        MisuseError: `early_stop` is no mode.
    """
    mode = chosen(early_stop)
    return None if mode == "off" or limit.alpha is not None else partial(_watch_limit, limit, mode)


def until_change(
    tolerance: Tolerance, known: Known, early_stop: EarlyStop | None, max_unit_drop: float | None = None
) -> Until | None:
    """Until it is decided whether the value on all of the data is worse than a baseline's by more than is tolerated.

    Args:
        tolerance: when a change counts.
        known: the baseline.
        early_stop: the mode; None: the session's.
        max_unit_drop: how much worse a single document can be at the worst, in nats a token (of other metrics, in what they
            count): without it only a metric that is a share, or counts tokens, can be passed early.

    Raises:
        MisuseError: `early_stop` is no mode, `max_unit_drop` no positive number.
    """
    mode = chosen(early_stop)
    if max_unit_drop is not None and not 0 < max_unit_drop < math.inf:
        raise MisuseError(f"max_unit_drop={max_unit_drop!r}: expected a positive number, such as 0.5 (nats a token)")
    return None if mode == "off" else partial(_watch_change, tolerance, known, mode, max_unit_drop)


def _watch_limit(limit: Limit, mode: Literal["certain", "sequential"], subject: Subject) -> Watch | None:
    metric, quotient, units = subject.metric, subject.quotient, subject.units
    if quotient is None or len(units) <= FEWEST:
        return None
    wanted = quotient.of(limit.value, metric.scale)
    if not math.isfinite(wanted):
        return None
    known = metric.counts == "examples"
    rows = np.array([[1.0 if known else float(_length(example))] for example in subject.examples])
    sizes = sum_by_cluster(rows, [example.unit for example in subject.examples])[:, 0]
    question = about_limit(units, sizes, wanted, _bad(limit.side == "below"), quotient, known=known)
    # a claim about text like this needs all of the data to be proven; it fails if this data misses the limit
    return _watch(question, mode, limit, subject, quotient, may_pass=limit.confidence is None)


def _watch_change(
    tolerance: Tolerance,
    known: Known,
    mode: Literal["certain", "sequential"],
    max_unit_drop: float | None,
    subject: Subject,
) -> Watch | None:
    metric, quotient, units = subject.metric, subject.quotient, subject.units
    statistics = None if quotient is None or len(units) <= FEWEST else known(subject)
    if quotient is None or statistics is None or statistics.shape[1] != 2 or not np.isfinite(statistics).all():
        return None
    baseline = sum_by_cluster(statistics, [example.unit for example in subject.examples])
    if not (baseline[:, 1] > 0).all():
        return None
    before = float(baseline[:, 0].sum() / baseline[:, 1].sum())
    value = quotient.value(before, metric.scale)
    worst = quotient.of(tolerance.amount.worst(value, metric.lower_is_better), metric.scale)
    if not math.isfinite(worst):
        return None
    cap = max_unit_drop
    if cap is None and metric.counts == "tokens" and metric.scale == "log":
        cap = LARGEST_DROP
    sign = _bad(metric.lower_is_better)
    question = about_change(units, baseline, worst, sign, quotient, None if mode == "certain" else cap)
    everywhere = tolerance.estimand == "population"
    return _watch(
        question,
        mode,
        tolerance,
        subject,
        quotient,
        # what has to be shown of each example, or proven for text like this, takes all of them
        may_pass=tolerance.max_example_drop is None and not tolerance.strict,
        may_fail=mode == "sequential" or not everywhere,
        tolerated=sign * (worst - before) if everywhere else None,
        alpha=tolerance.level,
        baseline=value,
    )


def _watch(
    question: Question,
    mode: Literal["certain", "sequential"],
    claim: Limit | Tolerance,
    subject: Subject,
    quotient: Quotient,
    *,
    may_pass: bool,
    may_fail: bool = True,
    tolerated: float | None = None,
    alpha: float = 0.01,
    baseline: float | None = None,
) -> Watch:
    restate = partial(quotient.value, scale=subject.metric.scale)
    seed = subject.seed(claim)
    return Watch(question, mode, claim, seed, restate, may_pass, may_fail, tolerated, alpha, baseline)


def _length(example: Example) -> int:
    """About what the example adds to the denominators."""
    target = example.target if isinstance(example.target, str) else ""
    return len(f"{example.text}{target}".encode("utf-8", "surrogatepass"))


def _bad(above: bool) -> float:
    return 1.0 if above else -1.0
