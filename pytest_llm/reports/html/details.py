"""What is shown of one gate when it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_llm.judging.comparison import worded_drop
from pytest_llm.judging.measurement import Measurement
from pytest_llm.recording import Broken
from pytest_llm.reports.html.bars import Histogram, changes, distribution
from pytest_llm.reports.html.diffs import Piece, edited
from pytest_llm.reports.html.gates import Gate
from pytest_llm.reports.html.pairs import Flips, Scatter, drops_of, flips, scatter
from pytest_llm.reports.html.passages import Passages, lost_most, worst
from pytest_llm.wording import counted, number

MOST_BROKEN = 10
"""Counter-examples that are shown of one gate, those with the fewest edits first."""
_MOST_LINES, _LONGEST_LINE = 12, 400


@dataclass(frozen=True, slots=True)
class Breaking:
    """A counter-example."""

    broken: Broken
    pieces: tuple[Piece, ...]
    operations: str


@dataclass(frozen=True, slots=True)
class Detail:
    """All of it."""

    facts: tuple[tuple[str, str], ...]
    distribution: Histogram | None
    scatter: Scatter | None = None
    changes: Histogram | None = None
    flips: Flips | None = None
    passages: Passages | None = None
    """The examples that say most; None where counter-examples do."""
    breaking: tuple[Breaking, ...] = ()
    breaking_left: int = 0
    """How many more there are."""


def detail(gate: Gate) -> Detail:
    """All that the record and its texts know."""
    m = gate.measurement
    change = None if gate.verdict is None else gate.verdict.change
    edge = None if gate.verdict is None else gate.verdict.edge
    lost: Passages | None = None
    broken = _broken(gate)
    pairs, moved, table = None, None, None
    if change is not None:
        table = flips(m, change)
        pairs = scatter(m, change) if table is None else None
        moved = changes(drops_of(m, change), log=m.scale == "log") if table is None else None
        lost = lost_most(m, change, gate.excerpts, gate.reference)
    return Detail(
        facts=tuple(_facts(gate)),
        distribution=distribution(m, edge),
        scatter=pairs,
        changes=moved,
        flips=table,
        passages=None if broken else lost or worst(m, gate.excerpts, gate.reference),
        breaking=breaking_of(broken),
        breaking_left=max(0, len(broken) - MOST_BROKEN),
    )


def _broken(gate: Gate) -> list[Broken]:
    """What was found while this was measured."""
    return [one for place, one in gate.excerpts.broken if place == gate.place and place is not None]


def breaking_of(broken: Sequence[Broken]) -> tuple[Breaking, ...]:
    """The counter-examples that are shown, those with the fewest edits first."""
    ordered = sorted(broken, key=lambda one: len(one.edits))
    return tuple(Breaking(one, edited(one), _operations(one)) for one in ordered[:MOST_BROKEN])


def _operations(broken: Broken) -> str:
    return ", ".join(dict.fromkeys(operation for *_, operation in broken.edits))


def _facts(gate: Gate) -> Iterator[tuple[str, str]]:
    m, verdict = gate.measurement, gate.verdict
    yield "test", gate.test if gate.ending in ("passed", "failed") else f"{gate.test} ({gate.ending})"
    yield "measured", _measured(m)
    if m.estimate is not None:
        yield "interval", f"95 %, {m.estimate.basis.method}, {m.estimate.basis.claim}"
    if m.stopped is not None:
        yield "stopped", m.stopped.sentence
    if verdict is not None and (change := verdict.change) is not None:
        moved = f"{worded_drop(change.drop, m.scale == 'log')} {'worse' if change.drop > 0 else 'better'}"
        moved = "no change" if change.drop == 0 else moved
        yield "against", f"{change.against}: {number(change.value)} → {number(m.value)}, {moved}"
        if change.origin:
            yield "baseline", change.origin
    hardware = m.provenance.hardware
    known = hardware not in ("", "unknown", m.provenance.device)
    yield "model", f"{m.provenance}{f', {hardware}' if known else ''}"
    yield "settings", m.signature
    for rank, line in enumerate(m.overview.splitlines()[:_MOST_LINES]):
        yield "" if rank else "in all", line[:_LONGEST_LINE]


def _measured(m: Measurement) -> str:
    units = len(set(m.units))
    clusters = "" if units == m.n else f" in {units} clusters"
    weight = "" if m.counts in ("examples", f"{m.row}s") else f", {m.statistics[:, -1].sum():,.0f} {m.counts}"
    return f"{counted(m.n, m.row)}{clusters}{weight}, {m.data}"
