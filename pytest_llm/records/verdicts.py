"""A verdict as data, and back: what `schema` 2 of a run record says of one.

outcome, passed, warns        that of `verdict.Outcome`; whether it is a pass; whether it is one that warns
sentence                      the first line of its message
measurement                   which measurement of the test it is of, or null
own                           that measurement itself where it is none of the test's (a ratio of two, a contract), else null
claim, spare                  what it is held to, and how far it is from that, as a table says it
edge                          null, or where the claim ends: `at` a number, `of` the "value" or "drop"; on which `side` it holds
change                        null, or what the measurement is compared with:
against, origin           as a sentence calls it, and where it comes from
value, example_values     its value on these examples, and that of each, in the order of the measurement's
drop, interval            how much worse, on the scale on which errors are symmetric (the natural logarithm of the ratio
where the measurement's `scale` is "log"); its 95 % interval or null
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.improvement import ImprovementVerdict, margin_as_drop
from pytest_llm.judging.limit_verdict import LimitVerdict
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import ChangeVerdict
from pytest_llm.judging.robustness import RateVerdict
from pytest_llm.judging.verdict import Verdict
from pytest_llm.records.measurement import measurement_as_data, measurement_from
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import number, numbers

Side: TypeAlias = Literal["below", "above"]
Quantity: TypeAlias = Literal["value", "drop"]

_SIDES: dict[str, Side] = {"below": "below", "above": "above"}
_QUANTITIES: dict[str, Quantity] = {"value": "value", "drop": "drop"}


@dataclass(frozen=True, slots=True)
class Edge:
    """Where a claim ends."""

    of: Quantity
    side: Side
    """On which the claim holds."""
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What a measurement was compared with."""

    against: str
    origin: str
    value: float
    example_values: FloatArray
    drop: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class RecordedVerdict:
    """A verdict that was read back."""

    outcome: str
    passed: bool
    warns: bool
    sentence: str
    measurement: int | None
    own: Measurement | None = None
    claim: str = ""
    spare: str = ""
    edge: Edge | None = None
    change: Change | None = None


def verdict_as_data(verdict: Verdict, place: int | None) -> dict[str, Any]:
    """As in the table above.

    Args:
        verdict: what was said.
        place: of the measurement among those of the test; None if it is none of them.
    """
    return {
        "outcome": verdict.outcome.value,
        "passed": verdict.passed,
        "warns": verdict.is_suspect,
        "sentence": verdict.sentence,
        "measurement": place,
        "own": None if place is not None else measurement_as_data(verdict.measurement),
        "claim": verdict.held_to,
        "spare": verdict.spare,
        "edge": _edge(verdict),
        "change": None if (comparison := comparison_of(verdict)) is None else _change(comparison),
    }


def comparison_of(verdict: Verdict) -> Comparison | None:
    """What the measurement was compared with, example by example; None if with nothing but a number."""
    return verdict.comparison if isinstance(verdict, ChangeVerdict | ImprovementVerdict) else None


def _edge(verdict: Verdict) -> dict[str, Any] | None:
    match verdict:
        case LimitVerdict(limit=limit):
            return {"of": "value", "side": limit.side, "at": number(limit.value)}
        case RateVerdict(claim=rate):
            return {"of": "value", "side": "below", "at": number(rate.most)}
        case ChangeVerdict(comparison=comparison, tolerance=tolerance):
            return {"of": "drop", "side": "below", "at": number(comparison.as_drop(tolerance.amount))}
        case ImprovementVerdict(comparison=comparison, claim=improvement):
            return {"of": "drop", "side": "below", "at": number(-margin_as_drop(comparison, improvement))}
    return None


def _change(c: Comparison) -> dict[str, Any]:
    interval = None if c.change is None else [number(c.change.bound(quantile)) for quantile in (0.025, 0.975)]
    return {
        "against": c.against,
        "origin": c.origin,
        "value": number(c.value),
        "example_values": numbers(c.example_values),
        "drop": number(c.drop),
        "interval": interval,
    }


def verdict_from(content: Checked) -> RecordedVerdict:
    """The verdict as it was said.

    Raises:
        MisuseError: something is missing, or of another kind.
    """
    return RecordedVerdict(
        outcome=content.text("outcome"),
        passed=content.flag("passed"),
        warns=content.flag("warns"),
        sentence=content.text("sentence"),
        measurement=content.whole("measurement") if content.has("measurement") else None,
        own=measurement_from(content.part("own")) if content.has("own") else None,
        claim=content.text("claim"),
        spare=content.text("spare"),
        edge=_edge_from(content.part("edge")) if content.has("edge") else None,
        change=_change_from(content.part("change")) if content.has("change") else None,
    )


def _edge_from(content: Checked) -> Edge:
    return Edge(content.one_of("of", _QUANTITIES), content.one_of("side", _SIDES), content.number("at"))


def _change_from(content: Checked) -> Change:
    return Change(
        against=content.text("against"),
        origin=content.text("origin"),
        value=content.number("value"),
        example_values=content.vector("example_values"),
        drop=content.number("drop"),
        interval=content.interval("interval"),
    )
