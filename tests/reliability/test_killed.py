"""SIGKILL at any moment: no file is torn, no answer is asked for again, and the next run makes what this one would have made."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections import Counter as Tally
from pathlib import Path

import pytest

from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks
from tests.reliability.undisturbed import AFTER, Undisturbed

PART = 20
"""So many texts at most are asked about before their answers are kept."""
GOOD = "went on with the same numbers and files"


def came_of(forks: Forks, undisturbed: Undisturbed, project: Path) -> str:
    """What a run that was killed left, and what the next one makes of it, in words; `GOOD` if all is well."""
    begun = left.asked(project)
    stored = left.answers_kept(project) - undisturbed.answers_before
    if torn := left.torn(project):
        return f"torn: {torn}"
    files = left.kept_files(project)
    if mixed := undisturbed.mixed(files):
        return f"neither the old nor the new file: {mixed}"
    forks.run(project, state=AFTER)
    if left.asked(project) > undisturbed.asked - stored + undisturbed.asked_again or stored < begun - PART:
        return "asked again"
    if torn := left.torn(project) + left.strange(project):
        return f"left behind: {torn}"
    if left.numbers(project) != undisturbed.numbers or left.verdicts(project) != undisturbed.verdicts:
        return "other numbers"
    return GOOD if left.kept_files(project) == undisturbed.files else "other files"


def killed_at_random(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, folder: Path, *, times: int, seed: int
) -> None:
    draw, tally = random.Random(seed), Tally[str]()
    while tally.total() < times:
        project = undisturbed.copy(folder / "killed")
        run = forks.start(project, state=AFTER)
        time.sleep(draw.uniform(0, undisturbed.seconds))
        run.send(signal.SIGKILL)
        if run.end() == -signal.SIGKILL:  # else it was faster
            tally[came_of(forks, undisturbed, project)] += 1
        shutil.rmtree(folder / "killed")
    counter("run", "kills at a random moment", {GOOD: tally[GOOD], "torn or lost": times - tally[GOOD]})
    assert tally == {GOOD: times}


def test_killed_five_times(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    killed_at_random(forks, undisturbed, counter, tmp_path, times=5, seed=1)


@pytest.mark.slow
def test_killed_fifty_times(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    killed_at_random(forks, undisturbed, counter, tmp_path, times=50, seed=2)


@pytest.mark.slow
def test_killed_before_each_change_of_a_file(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path
) -> None:
    """A file is made, written to, named or removed."""
    tally = Tally[str]()
    for number, _ in enumerate(undisturbed.operations, start=1):
        project = undisturbed.copy(tmp_path / str(number))
        forks.run(project, state=AFTER, killed_at=[number], code=-signal.SIGKILL)
        tally[came_of(forks, undisturbed, project)] += 1
    times = len(undisturbed.operations)
    counter("run", "kills before a change of a file", {GOOD: tally[GOOD], "torn or lost": times - tally[GOOD]})
    assert tally == {GOOD: times}
