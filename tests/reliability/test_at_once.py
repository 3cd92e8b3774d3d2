"""Runs at once on one cache, one folder of baselines, one history, one corpus, one record: each ends right, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.adversarial.corpus import read_corpus
from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks, Run
from tests.reliability.small_project import small_project
from tests.reliability.undisturbed import AFTER, Undisturbed

ATTACKS = """
import pytest
from pytest_llm import assert_robust

@pytest.mark.parametrize("film", ["a good film", "good, and long", "no good end", "as good as it gets"])
def test_attacked(llm, film):
    assert_robust(llm, [{"text": film, "label": "good"}], attack="typo", max_success_rate=0.99, queries=20)
"""


def ended(runs: list[Run], code: int) -> None:
    for run in runs:
        assert run.end() == code, run.output


def same_project(forks: Forks, undisturbed: Undisturbed, folder: Path, count: int) -> None:
    project = undisturbed.copy(folder)
    history = len(left.runs(project))
    ended([forks.start(project, state=AFTER) for _ in range(count)], 1)
    assert left.torn(project) + left.strange(project) == []
    assert (left.kept_files(project), left.numbers(project)) == (undisturbed.files, undisturbed.numbers)
    assert len(left.runs(project)) == history + count
    left.asked(project)
    forks.run(project, state=AFTER)
    assert left.asked(project) == undisturbed.asked_again, "all that was answered is kept"


def test_two_at_once(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    same_project(forks, undisturbed, tmp_path / "run", 2)
    counter("one project", "runs at once", {"right": 2, "torn or lost": 0})


@pytest.mark.slow
def test_many_at_once_again_and_again(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    for number in range(8):
        same_project(forks, undisturbed, tmp_path / str(number), 4)
    counter("one project", "runs at once", {"right": 32, "torn or lost": 0})


@pytest.mark.slow
def test_models_that_differ_at_once(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    """Each baseline is that of one of them, whole."""
    for number in range(10):
        project = undisturbed.copy(tmp_path / str(number))
        ended([forks.start(project, state=state) for state in (AFTER, AFTER + 1, AFTER + 2)], 1)
        assert left.torn(project) + left.strange(project) == []
    counter("one project", "runs at once", {"right": 30, "torn or lost": 0})


def attacked_at_once(forks: Forks, folder: Path, films: list[str]) -> None:
    """From nothing: the corpus, the cache and the record are made at the same time."""
    project = small_project(folder / "project", ATTACKS)
    ended([forks.start(project, "-k", film) for film in films], 1)
    assert left.torn(project) + left.strange(project) == []
    (corpus,) = project.glob("llm_corpus/*.jsonl")
    assert len({entry.test for entry in read_corpus(corpus).values()}) == len(films)


def test_what_two_find_is_kept(forks: Forks, counter: Counter, tmp_path: Path) -> None:
    attacked_at_once(forks, tmp_path / "run", ["long", "end"])
    counter("one corpus", "runs at once", {"right": 2, "torn or lost": 0})


@pytest.mark.slow
def test_what_many_find_is_kept(forks: Forks, counter: Counter, tmp_path: Path) -> None:
    for number in range(10):
        attacked_at_once(forks, tmp_path / str(number), ["film", "long", "end", "gets"])
    counter("one corpus", "runs at once", {"right": 40, "torn or lost": 0})
