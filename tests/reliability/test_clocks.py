"""Clocks that are set meanwhile: no number changes, nothing takes less than no time, and no budget ends by a clock set back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks
from tests.reliability.undisturbed import AFTER, Undisturbed

DAY = 86_400.0
JUMPS = {
    "a second back": [-1.0],
    "back and forth": [-DAY, DAY],
    "years back and forth": [-400 * DAY, 300 * DAY, 5.0],
    "a century": [-36_500 * DAY, 0.0, 36_500 * DAY],
    "still": [0.0, -1e-3],
}


def undated(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """All but what says when a baseline was recorded: the arrays, and the corpus."""
    return {name: content for name, content in files.items() if not name.endswith(".json")}


def disturbed(forks: Forks, undisturbed: Undisturbed, folder: Path, jumps: list[float]) -> None:
    project = undisturbed.copy(folder)
    budget = ("--llm-budget", "5min") if max(jumps) <= 0 else ()
    run = forks.run(project, *budget, state=AFTER, clocks_jump=[jumps])
    assert left.torn(project) + left.strange(project) == []
    assert undated(left.kept_files(project)) == undated(undisturbed.files)
    assert left.numbers(project) == undisturbed.numbers
    gates = [gate for one in left.runs(project) for gate in one.gates]
    assert len(gates) == 2 * len(left.runs(undisturbed.copy(folder / "again"))[0].gates)
    assert all(gate.seconds is not None and gate.seconds >= 0 for gate in gates)
    assert "took -" not in run.output + (project / "run.md").read_text(encoding="utf-8")
    forks.run(project, state=AFTER)  # and the next run gets on with what this one left
    assert left.asked(project) == undisturbed.asked + undisturbed.asked_again
    assert left.numbers(project) == undisturbed.numbers


@pytest.mark.parametrize(
    "jumps", ["a second back", *(pytest.param(one, marks=pytest.mark.slow) for one in list(JUMPS)[1:])]
)
def test_clocks_that_jump(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, jumps: str) -> None:
    disturbed(forks, undisturbed, tmp_path / "run", JUMPS[jumps])
    counter("clock", "runs while clocks were set", {"same numbers": 1, "other numbers, or time below nothing": 0})
