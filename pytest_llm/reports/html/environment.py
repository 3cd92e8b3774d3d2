"""With what a run was made: its day and versions, the models, the data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llm.judging.measurement import Measurement
from pytest_llm.records.run_record import OUTCOMES, RunRecord
from pytest_llm.reports.usage import usage_lines
from pytest_llm.usage import summed
from pytest_llm.wording import counted

_DIGEST = 12


@dataclass(frozen=True, slots=True)
class Environment:
    """Three tables."""

    recorded: tuple[tuple[str, str], ...]
    models: tuple[tuple[str, ...], ...]
    """Name, dtype, device, the beginnings of the digests of weights and tokenizer."""
    data: tuple[tuple[str, str], ...]
    """What reports call it, and how many examples it has."""
    asked: tuple[str, ...]
    """What served models were asked, a sentence each."""


@dataclass(frozen=True, slots=True)
class Unended:
    """A test without verdict that did not pass: it failed otherwise, or did not come to its end."""

    test: str
    outcome: str


def environment(run: RunRecord) -> Environment:
    """Of all that was measured, aside too."""
    measured = [one.measurement for test in run.tests for one in test.measurements]
    models = dict.fromkeys(map(_model, measured))
    data: dict[str, dict[str, None]] = {}
    for m in measured:
        data.setdefault(m.data, {})[counted(m.n, m.row, ",")] = None
    recorded = tuple((name, said) for name, said in run.recorded.items() if said)
    asked = usage_lines(summed([test.usage for test in run.tests]))
    sizes_by_name = tuple((name, ", ".join(sizes)) for name, sizes in data.items())
    return Environment(recorded, tuple(models), sizes_by_name, tuple(asked))


def _model(m: Measurement) -> tuple[str, ...]:
    origin, made_of = m.provenance, m.identity()
    digests = (made_of.weights[:_DIGEST], made_of.tokenizer[:_DIGEST])
    device = dict.fromkeys(part for part in (origin.device, origin.hardware) if part and part != "unknown")
    return (origin.model, origin.dtype, ", ".join(device), *digests)


def unended(run: RunRecord) -> Iterator[Unended]:
    """The tests that a list of verdicts says nothing of, and that are no passes."""
    for test in run.tests:
        failed_verdict = any(not verdict.passed for verdict in test.verdicts)
        if not OUTCOMES[test.outcome] or (test.outcome in ("failed", "error") and not failed_verdict):
            yield Unended(test.id, test.outcome)
