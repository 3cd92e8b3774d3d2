"""A test of Hypothesis is planned, its questions are answered together, and the run that counts finds its answers."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import Phase, assume, given, seed, settings, target
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase

from pytest_llm import measure
from pytest_llm.adversarial.batching import answered_in_batches
from pytest_llm.adversarial.given import altered, can_be_altered
from pytest_llm.recording import recording

LETTERS = st.text("abcdefghx", min_size=1)


class Counting:
    """Perplexity 8 of each text, 80 of those with an x. A model without a fingerprint."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def score(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        return [[-math.log(80 if "x" in text else 8)] * len(text) for text in texts]

    def perplexity(self, text: str) -> float:
        return measure(self, [text], "perplexity").value  # type: ignore[arg-type]  # a list of lists will do

    @property
    def asked(self) -> list[str]:
        return [text for texts in self.calls for text in texts]


def tried(test: Any) -> list[str]:
    """What is drawn by the run that counts, while all answers are looked up."""
    with answered_in_batches(test, test):
        test.drawn.clear()
        test()
    return list(test.drawn)


def drawing(body: Callable[[str], object], strategy: st.SearchStrategy[str] = LETTERS, **changes: Any) -> Any:
    """A test that notes what it is given."""
    drawn: list[str] = []

    @settings(**{"max_examples": 40, "database": None, "deadline": None, "derandomize": False, **changes})
    @given(text=strategy)
    def test(text: str) -> None:
        drawn.append(text)
        body(text)

    test.drawn = drawn  # type: ignore[attr-defined]
    return test


@pytest.mark.parametrize("derandomize", [False, True])
def test_what_is_drawn_is_what_was_planned_in_this_order(derandomize: bool) -> None:
    model = Counting()
    drawn = tried(drawing(lambda text: model.perplexity(text), derandomize=derandomize))
    assert len(drawn) == 40
    assert [len(texts) for texts in model.calls] == [len(set(drawn))]
    assert list(dict.fromkeys(drawn)) == model.asked


def test_another_session_draws_others() -> None:
    model = Counting()
    first, second = (tried(drawing(lambda text: model.perplexity(text))) for _ in range(2))
    assert first != second


def test_a_seed_that_somebody_gave_is_kept() -> None:
    model = Counting()
    drawn = tried(seed(3)(drawing(lambda text: model.perplexity(text))))
    alone = seed(3)(drawing(lambda text: True))
    alone()
    assert drawn == alone.drawn


def test_a_second_question_that_depends_on_the_first_answer_is_batched_too() -> None:
    model = Counting()

    def body(text: str) -> None:
        if model.perplexity(text) > 10:
            model.perplexity(text + "!")

    drawn = tried(drawing(body))
    assert len(model.calls) == 2
    assert model.calls[1] == [text + "!" for text in dict.fromkeys(drawn) if "x" in text]


def test_until_a_failure_nothing_is_asked_twice_and_the_failure_is_shrunk() -> None:
    model = Counting()

    def body(text: str) -> None:
        assert model.perplexity(text) < 10

    test = drawing(body, phases=[Phase.generate, Phase.shrink])
    with answered_in_batches(test, test), pytest.raises(AssertionError):
        test()
    assert test.drawn[-1] == "x"
    assert len(model.calls[0]) > 1
    assert {len(texts) for texts in model.calls[1:]} <= {1}


def test_what_a_test_assumes_is_assumed_in_the_plan() -> None:
    model = Counting()

    def body(text: str) -> None:
        assume("a" not in text)
        model.perplexity(text)

    drawn = tried(drawing(body, suppress_health_check=list(hypothesis.HealthCheck)))
    assert len(model.calls) == 1
    assert [text for text in dict.fromkeys(drawn) if "a" not in text] == model.asked


def test_swallowing_every_exception_changes_no_result() -> None:
    model = Counting()
    results: list[float] = []

    def body(text: str) -> None:
        try:
            results.append(model.perplexity(text))
        except Exception:
            results.append(-1)

    drawn = tried(drawing(body))
    results = results[-len(drawn) :]  # before that are those of the plan in which the answers were known
    assert results == pytest.approx([80 if "x" in text else 8 for text in drawn])


def test_a_test_that_draws_by_the_answers_is_planned_once_and_asked_singly_then() -> None:
    model = Counting()

    def body(text: str) -> None:
        target(math.log(model.perplexity(text)) + text.count("h"), label="nearness")

    drawn = tried(seed(1)(drawing(body, st.lists(st.sampled_from("abh"), max_size=8).map("".join).filter(bool))))
    assert drawn[0] in model.calls[0]
    assert len(model.calls[0]) > 10
    assert {len(texts) for texts in model.calls[1:]} == {1}
    assert set(drawn) <= set(model.asked)


def test_nothing_of_a_plan_is_recorded() -> None:
    model = Counting()
    test = drawing(lambda text: model.perplexity(text))
    with recording() as recorder, answered_in_batches(test, test):
        assert not recorder.measurements
        test()
        assert len(recorder.measurements) == 40


def test_stored_failures_survive_a_plan() -> None:
    database, model = InMemoryExampleDatabase(), Counting()

    def body(text: str) -> None:
        assert model.perplexity(text) < 10

    test = drawing(body, database=database)
    with pytest.raises(AssertionError):
        test()
    before = {key: set(values) for key, values in database.data.items()}
    assert any(before.values())
    with answered_in_batches(test, test):
        assert {key: set(values) for key, values in database.data.items()} == before


def test_afterwards_the_test_is_what_it_was() -> None:
    model = Counting()
    test = drawing(lambda text: model.perplexity(text))
    test()  # after which Hypothesis has noted the seed
    before = {**vars(test), "_hypothesis_internal_use_generated_seed": None}, test.hypothesis.inner_test
    tried(test)
    assert ({**vars(test), "_hypothesis_internal_use_generated_seed": None}, test.hypothesis.inner_test) == before


def test_where_hypothesis_has_changed_each_question_is_asked_when_it_comes() -> None:
    model = Counting()
    test = drawing(lambda text: model.perplexity(text))
    del test._hypothesis_internal_use_seed  # as if a later version kept it elsewhere
    assert not can_be_altered(test)
    with answered_in_batches(test, test):
        test._hypothesis_internal_use_seed = None
        test()
    assert {len(texts) for texts in model.calls} == {1}


def test_this_version_keeps_what_is_altered_where_it_is_looked_for() -> None:
    test = drawing(lambda text: True, max_examples=9)
    assert can_be_altered(test)
    bodies: list[str] = []
    with altered(test, settings=settings(max_examples=3, database=None), body=lambda text: bodies.append(text), seed=1):
        test()
    first = list(bodies)
    bodies.clear()
    with altered(test, settings=settings(max_examples=3, database=None), body=lambda text: bodies.append(text), seed=1):
        test()
    assert 0 < len(first) <= 3
    assert bodies == first
    assert test.drawn == []
    with altered(test, examples=[{"text": "first"}, {"text": "second"}]):
        test()
    assert test.drawn[:2] == ["first", "second"]


@pytest.mark.slow
def test_on_the_oldest_hypothesis_that_is_supported(tmp_path: Path) -> None:
    """The other tests of this file, in an environment of their own that has everything else from this one."""
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = home / "bin" / "python"
    (own,) = home.glob("lib/python*/site-packages")
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "hypothesis==6.136.9"], check=True)
    here = Path(pytest.__file__).parent.parent
    own.joinpath("everything_else.pth").write_text(f"{here}\n")
    asked = [str(python), "-c", "import hypothesis; print(hypothesis.__version__)"]
    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == "6.136.9"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [str(python), "-m", "pytest", "-q", "-m", "not slow", __file__], cwd=root, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
