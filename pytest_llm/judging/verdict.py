"""What can be said of a measurement: how a gate ends, and with which words. Each kind of claim has its verdict beside this file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.statistics.multiplicity import Significance
from pytest_llm.tolerance import Inconclusive, Tolerance

FEWEST_UNITS = 10
"""Below this many independent documents nothing is claimed about text other than these documents."""
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


class QualityError(AssertionError):
    """A gate that did not pass. The verdict is kept in `verdict`."""

    __module__ = "pytest_llm"  # reports say pytest_llm.QualityError, the name that people import

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


def refusal(m: Measurement, claim: Limit | Tolerance) -> str:
    """Why a measurement that stopped early cannot be judged by a claim; empty if it can."""
    if m.stopped is None or m.stopped.claim == claim:
        return ""
    return (
        f"{m.metric} was measured on {m.stopped.evaluated} of {m.stopped.units} documents, until another gate was decided: "
        f"it cannot be judged by this one"
    )
