"""Gates that may stop early, on simulated documents: what is decided, and what a full run would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.regression import judge_change
from pytest_llm.limit import Limit
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.stopping.gates import Subject, until_change, until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.stopping.watch import Stopped, Watch
from pytest_llm.tolerance import Tolerance, parse_amount
from tests.simulated_changes import Kind, changed, documents, measured

ONE_PER_CENT = Tolerance(parse_amount("tolerance", "1%"))


def examples(n: int, clusters: Sequence[str] | None = None) -> tuple[Example, ...]:
    return tuple(Example(f"d{i}", f"text of d{i}", f"d{i}", clusters[i] if clusters else None) for i in range(n))


def subject(n: int, metric: Any, model: str = "model", clusters: Sequence[str] | None = None) -> Subject:
    return Subject(metric, examples(n, clusters), Provenance(model), Identity)


def watch_change(
    before: FloatArray,
    metric: Any = Perplexity(),  # noqa: B008  # it is frozen
    tolerance: Tolerance = ONE_PER_CENT,
    mode: EarlyStop = "sequential",
    **settings: Any,
) -> Watch | None:
    cap = settings.pop("max_unit_drop", None)
    until = until_change(tolerance, lambda _: before, mode, cap)
    return None if until is None else until(subject(len(before), metric, **settings))


def watch_limit(n: int, limit: Limit, metric: Any, mode: EarlyStop = "sequential", **settings: Any) -> Watch | None:
    until = until_limit(limit, mode)
    return None if until is None else until(subject(n, metric, **settings))


def run(watch: Watch, after: FloatArray) -> Stopped | None:
    """Go through the blocks with the statistics that a model would give; rows as the units."""
    seen: list[int] = []
    for block in watch.blocks():
        seen += block
        if stopped := watch.look(after[seen]):
            return stopped
    return None


@dataclass
class Runs:
    """What became of many runs."""

    passed: int = 0
    failed: int = 0
    disagreed: int = 0
    """How many ended early with another verdict than the full run's."""
    wrong_passes: int = 0
    documents: float = 0.0
    length: float = 0.0
    """Shares that were evaluated, added up."""
    count: int = 0

    def row(self) -> str:
        """Cells of a table."""
        counts = (self.passed, self.failed, self.disagreed)
        shares = (self.documents, self.length)
        return " | ".join(
            [*(f"{n} of {self.count}" for n in counts), *(f"{100 * x / self.count:.0f} %" for x in shares)]
        )


def simulate(
    n: int, kind: Kind, drop: float, count: int, seed: int, contaminated: tuple[float, float] | None = None
) -> Runs:
    """Many runs of `assert_no_regression` with the default tolerance.

    Args:
        n: documents.
        kind: of noise.
        drop: nats a token.
        count: runs.
        seed: of the first; each run has its own documents.
        contaminated: the share of documents that are wrecked, and by how many nats a token.
    """
    runs = Runs()
    for number in range(count):
        random = np.random.default_rng((seed, number))
        before = documents(n, random)
        after = changed(before, kind, drop, random)
        if contaminated:
            wrecked = random.choice(n, round(contaminated[0] * n), replace=False)
            after[wrecked, 0] += contaminated[1] * after[wrecked, 1]
        watch = watch_change(before, model=f"model {number}")
        assert watch is not None
        stopped = run(watch, after)
        full = judge_change(Comparison(measured(after), "baseline", before), ONE_PER_CENT)
        runs.count += 1
        runs.documents += 1.0 if stopped is None else stopped.evaluated / stopped.units
        runs.length += 1.0 if stopped is None else stopped.share
        if stopped is not None:
            passes = stopped.decided == "passes"
            runs.passed += passes
            runs.failed += not passes
            runs.disagreed += passes != full.passed
            tolerated = full.comparison.as_drop(ONE_PER_CENT.amount)
            runs.wrong_passes += passes and full.comparison.drop > tolerated
    return runs
