"""All gates of a session that know of chance: how often one of them fails an unchanged model, and Holm's correction.

Each gate's numbers are a property of its test's report (`GATE`), so that they come from xdist workers as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_llm.reports.properties import GATE
from pytest_llm.statistics.multiplicity import Significance, any_fails, holm


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate that ran."""

    node_id: str
    metric: str
    chance: Significance


def gates_of(reports: Iterable[tuple[str, Iterable[tuple[str, object]]]]) -> list[Gate]:
    """The gates, in the order of the reports (pairs of a test's id and its properties); of a test that ran twice the last time."""
    found: dict[str, list[Gate]] = {}
    for node_id, properties in reports:
        contents = [json.loads(str(value)) for name, value in properties if name == GATE]
        found[node_id] = [Gate(node_id, content.pop("metric"), Significance(**content)) for content in contents]
    return [gate for of_test in found.values() for gate in of_test]


def chance_lines(gates: Sequence[Gate]) -> Iterator[str]:
    """How often a suite of so many gates fails a model that has not changed; nothing for a single one."""
    bounded = [gate.chance.alpha for gate in gates if gate.chance.bounded]
    if len(bounded) < 2:
        return
    independent, most = any_fails(bounded)
    low, high = min(bounded), max(bounded)
    alpha = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    yield (
        f"{len(bounded)} population gates at alpha {alpha}: an unchanged model fails at least one with probability "
        f"≤ {100 * independent:.3g} % (≤ {100 * most:.3g} % where they are not independent)"
    )
    if others := len(gates) - len(bounded):
        ask = "asks for proof or looks" if others == 1 else "ask for proof or look"
        yield f"{others} more {ask} at single examples, which alpha does not bound"


@dataclass(frozen=True, slots=True)
class Correction:
    """Holm's correction over the gates of a session."""

    declared: int
    """How many gates the whole suite has."""
    adjusted: Sequence[tuple[Gate, float]]
    """The gates that ran, each with its adjusted p."""

    @property
    def regressed(self) -> list[tuple[Gate, float]]:
        """Worse than tolerated, and not by chance: all that failed in their tests, and those that only all p together show."""
        return [(gate, p) for gate, p in self.adjusted if gate.chance.worse and p < gate.chance.alpha]

    @property
    def late(self) -> list[tuple[Gate, float]]:
        """Those that passed when their tests ended, before the other p-values were known.

        Where all have one alpha, the first step of the step-down is Bonferroni's: a test that failed is there before one is late.
        """
        return [(gate, p) for gate, p in self.regressed if gate.chance.p >= gate.chance.alpha / self.declared]

    @property
    def too_many(self) -> str:
        """The complaint if more gates ran than were declared, so that each had too much of alpha; empty if not."""
        ran = len(self.adjusted)
        return (
            "" if ran <= self.declared else f"{ran} gates ran, and llm_gates declares {self.declared}: declare them all"
        )

    @property
    def fails(self) -> int:
        """How many reasons there are to fail the session that no test knew of."""
        return len(self.late) + bool(self.too_many)


def corrected(gates: Sequence[Gate], declared: int) -> Correction:
    """Adjust the p-values."""
    adjusted = holm([gate.chance.p for gate in gates], max(declared, len(gates)))
    return Correction(declared, tuple(zip(gates, adjusted, strict=True)))


def correction_lines(correction: Correction) -> Iterator[str]:
    """What was adjusted, smallest first, and which failures a test's end could not know of."""
    ran = len(correction.adjusted)
    yield f"Holm's correction over {correction.declared} gates (llm_gates), {ran} of which ran"
    for gate, p in sorted(correction.adjusted, key=lambda pair: pair[1]):
        found = (gate, p) in correction.regressed
        said = f"{gate.metric}, p = {gate.chance.p:.2g}, adjusted {p:.2g}"
        late = ", though its test passed: the session fails" if (gate, p) in correction.late else ""
        yield f"{'REGRESSED' if found else '':<12} {said}{late}  [{gate.node_id}]"
    if correction.too_many:
        yield f"ERROR        {correction.too_many}"
