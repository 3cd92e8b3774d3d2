"""A gate that stops early on a real model, and what its measurement is good for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from pytest_llm import (
    Limit,
    QualityError,
    assert_no_regression,
    assert_perplexity_below,
    embedded,
    judge,
    load_examples,
    measure,
)
from pytest_llm.baselines.baseline import refuse_unfit
from pytest_llm.errors import MisuseError
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import judge_change
from pytest_llm.judging.verdict import Outcome
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording
from pytest_llm.stopping.gates import until_limit
from pytest_llm.tolerance import Tolerance, parse_amount
from tests.stub_models import UniformModel


def batched(words: list[str], size: int) -> Iterator[list[str]]:
    return (words[begin : begin + size] for begin in range(0, len(words), size))


PIECES = [
    {"text": " ".join(piece), "id": f"{chapter.id} {place}"}
    for chapter in load_examples(embedded("data/held_out.jsonl"))
    for place, piece in enumerate(batched(chapter.text.split(), 12))
][:450]


@pytest.fixture(scope="module")
def full(tiny: TransformersModel) -> Measurement:
    return measure(tiny, PIECES, "perplexity")


def test_an_unchanged_model_passes_early_and_what_was_seen_is_what_a_full_run_sees(
    tiny: TransformersModel, full: Measurement
) -> None:
    with recording() as recorder:
        seen = assert_no_regression(tiny, PIECES, reference=tiny, early_stop="sequential")
    assert seen.stopped is not None
    assert seen.stopped.evaluated == seen.n < full.n == 450
    assert seen.stopped.low <= full.value <= seen.stopped.high
    assert seen.stopped.baseline == pytest.approx(full.value, rel=1e-5)
    place = {example.id: row for row, example in enumerate(full.examples)}
    rows = [place[example.id] for example in seen.examples]
    assert rows == sorted(rows)  # in the order of the data
    assert seen.statistics == pytest.approx(full.statistics[rows], rel=1e-4)
    assert [verdict.outcome for verdict in recorder.verdicts] == [Outcome.PASSED]


def test_a_limit_that_is_far_too_low_fails_early(tiny: TransformersModel, full: Measurement) -> None:
    with pytest.raises(QualityError, match=r"perplexity is not below 20: .* after 320 of 450 documents") as caught:
        assert_perplexity_below(tiny, PIECES, 20, early_stop="sequential")
    stopped = caught.value.verdict.measurement.stopped
    assert stopped is not None
    assert 20 < stopped.low < full.value < stopped.high


def stopped_early(limit: Limit) -> Measurement:
    rows = [{"text": f"text {i} of one cluster of two", "cluster": i // 2} for i in range(1000)]
    return measure(UniformModel(8), rows, "perplexity", until=until_limit(limit, "sequential"))


def test_whole_clusters_are_asked_about() -> None:
    m = stopped_early(Limit.below(5))
    assert m.stopped is not None
    assert (m.stopped.evaluated, m.stopped.units, m.n) == (320, 500, 640)
    assert sorted({m.units.count(unit) for unit in m.units}) == [2]


def test_it_is_judged_by_its_own_gate_only() -> None:
    m = stopped_early(Limit.below(5))
    assert judge(m, Limit.below(5)).outcome is Outcome.FAILED
    other = judge(m, Limit.below(9))
    assert other.outcome is Outcome.ERROR
    assert "was measured on 320 of 500 documents" in other.sentence
    assert "early_stop='off'" in str(other)
    change = judge_change(Comparison(m, "baseline", m.statistics), Tolerance(parse_amount("tolerance", "1%")))
    assert change.outcome is Outcome.ERROR
    assert "early_stop='off'" in str(change)


def test_it_is_no_baseline_and_claims_nothing_about_other_text() -> None:
    m = stopped_early(Limit.below(5))
    assert m.estimate is None
    with pytest.raises(MisuseError, match="a run that stopped early is no baseline; record it with early_stop='off'"):
        refuse_unfit(m)


def test_what_is_not_finite_is_said_as_in_a_full_run() -> None:
    class Broken(UniformModel):
        def score(self, texts: Sequence[str]) -> list[list[float]]:
            return [[float("nan")] * len(text) for text in texts]

    model = Broken()
    with pytest.raises(QualityError, match="perplexity is not a number: 64 of 64 examples gave NaN"):
        assert_perplexity_below(model, [f"text {i}" for i in range(400)], 9, early_stop="sequential")
