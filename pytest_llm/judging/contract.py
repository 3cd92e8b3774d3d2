"""What a contract's examination found, and the verdict on it: `judge_contract` is the only place where a contract is broken.

A contract says that two ways to ask a model come to the same: with padding or without, at once or in steps, before and after
saving. Each comparison is a case with one number, how far apart the two answers are, held against one tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pytest_llm.data.example import Example, identity
from pytest_llm.data.provenance import Provenance
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Outcome, Verdict
from pytest_llm.wording import number, printable, snippet

SHOWN = 5
"""So many cases are shown, those that differ most first."""


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison of two answers that have to be the same."""

    name: str
    """What was compared, such as "random 1, 7 pads on the left"."""
    difference: float
    """How far apart the answers are; NaN where one of them is no number."""
    finding: str
    """What is said if this is what breaks the contract, with the amount: a clause of the first line."""
    text: str = ""
    """What was read, if it was text."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two answers may be."""

    amount: float
    basis: str
    """Where the amount comes from."""
    demand: str = ""
    """What is asked for where nothing is tolerated."""

    def __str__(self) -> str:
        return self.demand or f"tolerance {number(self.amount)}"


EQUAL = Tolerance(0.0, "the same computation gives the same bits", "they have to be equal")


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that the cases of one contract showed.

    Args:
        contract: its name as a number, such as "causality".
        kept: what a model is that keeps it, such as "causal".
        cases: at least one.
        tolerance: for all of them.
        data: what was read.
        provenance: who was asked.
        signature: how.
        culprit: the case that the first line names, if the contract is broken; None: the one that differs most.
        located: pairs of a title and a line about where the difference begins.
        remedy: what to do about it.
    """

    contract: str
    kept: str
    cases: tuple[Case, ...]
    tolerance: Tolerance
    data: str
    provenance: Provenance
    signature: str
    culprit: int | None = None
    located: tuple[tuple[str, str], ...] = ()
    remedy: str = ""

    def breaks(self, case: Case) -> bool:
        return not case.difference <= self.tolerance.amount  # NaN breaks it

    @property
    def broken(self) -> list[Case]:
        return [case for case in self.cases if self.breaks(case)]

    @property
    def named(self) -> Case:
        """The case that stands for all: the first that gave no number, the culprit, or the one that differs most."""
        nan = next((case for case in self.cases if math.isnan(case.difference)), None)
        if nan is not None:
            return nan
        return max(self.cases, key=lambda case: case.difference) if self.culprit is None else self.cases[self.culprit]


@dataclass(frozen=True, slots=True)
class ContractVerdict(Verdict):
    """What is said of an examination."""

    examination: Examination

    @property
    def held_to(self) -> str:
        return self.examination.kept

    @property
    def ends_at(self) -> float:
        return self.examination.tolerance.amount

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Where the difference begins, the cases that differ most, the tolerance, who was asked and how, and what to do."""
        x = self.examination
        yield from x.located
        order = sorted(x.cases, key=lambda case: math.inf if math.isnan(case.difference) else case.difference)[::-1]
        for rank, case in enumerate(order[:SHOWN]):
            text = f"  {snippet(case.text)}" if case.text else ""
            yield "" if rank else "differ", f"{number(case.difference):>9}  {printable(case.name)}{text}"
        yield "compared", f"{len(x.cases)} cases, {len(x.broken)} of them broken; {x.data}"
        amount = "none" if x.tolerance.demand else number(x.tolerance.amount)
        yield "tolerance", f"{amount}: {x.tolerance.basis}"
        yield "model", str(x.provenance)
        yield "signature", x.signature
        if x.remedy:
            yield "to mend", x.remedy


def judge_contract(examination: Examination) -> ContractVerdict:
    """PASSED if no case differs by more than the tolerance; ERROR if an answer is no number; else FAILED."""
    x = examination
    m = _measurement(x)
    if math.isnan(m.value):
        return ContractVerdict(Outcome.ERROR, f"cannot be told to be {x.kept}: {x.named.finding}", m, x)
    if x.broken:
        return ContractVerdict(Outcome.FAILED, f"not {x.kept}: {x.named.finding} ({x.tolerance})", m, x)
    compared = "1 comparison differs" if len(x.cases) == 1 else f"{len(x.cases)} comparisons differ"
    held = f"{compared} by {f'at most {number(m.value)}' if m.value else 'nothing'}"
    return ContractVerdict(Outcome.PASSED, f"{x.kept}: {held} ({x.tolerance})", m, x)


def _measurement(x: Examination) -> Measurement:
    differences = np.array([case.difference for case in x.cases], dtype=np.float64)
    return Measurement(
        metric=x.contract,
        value=float(differences.max()),  # NaN if one is
        lower_is_better=True,
        estimate=None,
        examples=tuple(Example(identity(f"{i} {case.name}"), case.text, case.name) for i, case in enumerate(x.cases)),
        statistics=np.ones((len(x.cases), 1)),
        example_values=differences,
        counts="comparisons",
        signature=x.signature,
        data=x.data,
        provenance=x.provenance,
        row="comparison",
        without_interval="a contract holds or is broken",
    )
