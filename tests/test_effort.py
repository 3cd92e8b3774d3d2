"""What measuring took, by a clock that a test winds."""

from __future__ import annotations

import pytest

from pytest_llm.assertions.quality import assert_perplexity_below
from pytest_llm.effort import Effort, counting, spent, working
from pytest_llm.inference.measure import measure
from pytest_llm.inference.memo import remembering
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.verdict import QualityError
from pytest_llm.limit import Limit
from pytest_llm.recording import record_verdict, recording
from tests.stub_models import UniformModel


class Clock:
    """A second later each time it is looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> Effort:
        self.now += 1
        return Effort(self.now)


def test_a_block_within_a_block_is_part_of_it() -> None:
    with counting(Clock()), working():  # it is looked at when a block begins
        with working():
            assert spent() == Effort(1)
        assert spent() == Effort(2)


def test_outside_of_a_block_and_of_a_session_nothing_is_known() -> None:
    with counting(Clock()):
        assert spent() is None
    with counting(None), working():
        assert spent() is None


def test_a_block_that_raises_ends() -> None:
    with counting(Clock()):
        with pytest.raises(RuntimeError), working():
            raise RuntimeError
        assert spent() is None


def test_efforts_add_up() -> None:
    assert Effort(1.5, 2, 3, 4) + Effort(0.5, 1, 1, 1) == Effort(2, 3, 4, 5)
    assert Effort(1.5, 2, 3, 4) - Effort(0.5, 1, 1, 1) == Effort(1, 1, 2, 3)


def test_each_verdict_has_the_effort_of_its_own_assertion() -> None:
    with remembering() as memo, recording() as recorder:

        def totals() -> Effort:
            return Effort(float(len(model.calls)), memo.tally.computed, memo.tally.cached, memo.tally.remembered)

        model = Remembered()
        with counting(totals):
            assert_perplexity_below(model, ["a text", "another"], 9)
            with pytest.raises(QualityError):
                assert_perplexity_below(model, ["a text", "a third"], 7)
    assert [recorder.effort_of(verdict) for verdict in recorder.verdicts] == [Effort(1, new=2), Effort(1, 1, known=1)]
    assert recorder.effort_on("perplexity") == Effort(2, 3, known=1)


class Remembered(UniformModel):
    """Whose answers are kept for the session."""

    def fingerprint(self) -> str:
        return "the same"


def test_a_verdict_that_comes_later_has_the_effort_of_measuring() -> None:
    with recording() as recorder, counting(Clock()):
        measured = measure(UniformModel(8), ["some text"], "perplexity")
        record_verdict(judge(measured, Limit.below(9)))
    (verdict,) = recorder.verdicts
    assert recorder.effort_of(verdict) == Effort(1)


def test_where_nothing_counts_there_is_none() -> None:
    with recording() as recorder, counting(None):
        assert_perplexity_below(UniformModel(8), ["some text"], 9)
    assert recorder.effort_of(recorder.verdicts[0]) is None
    assert recorder.effort_on("perplexity") is None


def test_a_clock_that_goes_back_takes_no_time() -> None:
    looks = iter([Effort(7.0), Effort(3.0, new=2)])
    with counting(looks.__next__), working():
        assert spent() == Effort(0.0, new=2)
