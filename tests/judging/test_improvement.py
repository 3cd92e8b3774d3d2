"""When a gain counts as one: the p-values of independent tests, margins, and what is said."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar  # type: ignore[import-untyped]

from pytest_llm.errors import MisuseError
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.improvement import Improvement, ImprovementVerdict, judge_improvement
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Outcome
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tolerance import parse_amount
from tests.simulated_changes import documents, measured


def mean(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def scored(scores: Any, clusters: list[str] | None = None) -> Measurement:
    """Of a metric that is the mean of scores and better the higher it is."""
    values = np.asarray(scores, dtype=np.float64)
    statistics = np.column_stack([values, np.ones(len(values))])
    m = measured(statistics)
    examples = m.examples
    if clusters is not None:
        examples = tuple(replace(example, cluster=of) for example, of in zip(examples, clusters, strict=True))
    return replace(
        m,
        metric="accuracy",
        value=float(values.mean()),
        lower_is_better=False,
        examples=examples,
        example_values=values,
        counts="answers",
        aggregate=mean,
        value_of_each=mean,
        scale="linear",
    )


def judged(after: Measurement, before: Measurement, margin: str | float = 0, alpha: float = 0.01) -> ImprovementVerdict:
    comparison = Comparison(after, "before tuning", before.statistics, str(before.provenance))
    return judge_improvement(comparison, Improvement(parse_amount("margin", margin), alpha))


def p_of(verdict: ImprovementVerdict) -> float:
    """As the sentence says it."""
    return float(verdict.sentence.partition("p = ")[2].split(",")[0].split(" ")[0].rstrip(")"))


@pytest.mark.parametrize(("gained", "lost"), [(12, 1), (20, 4), (9, 0), (30, 25)])
def test_right_and_wrong_answers_are_compared_by_mcnemar_s_exact_test(gained: int, lost: int) -> None:
    before = [0] * gained + [1] * lost + [1] * 10 + [0] * 5
    after = [1] * gained + [0] * lost + [1] * 10 + [0] * 5
    two_sided = mcnemar([[10, lost], [gained, 5]], exact=True).pvalue
    one_sided = stats.binom.sf(gained - 1, gained + lost, 0.5)
    assert two_sided == pytest.approx(min(1, 2 * one_sided))
    verdict = judged(scored(after), scored(before))
    assert p_of(verdict) == pytest.approx(one_sided, rel=0.05)  # two digits are printed
    assert (verdict.outcome is Outcome.PASSED) == (one_sided < 0.01)
    assert "p by McNemar's test" in str(verdict)


def test_scores_are_compared_by_the_paired_t_test_from_the_margin_on() -> None:
    random = np.random.default_rng(3)
    before = random.uniform(size=40)
    after = before + random.normal(0.2, 0.2, size=40)
    for margin in (0.0, 0.02, 0.05):
        expected = stats.ttest_1samp(after - before, margin, alternative="greater").pvalue
        assert p_of(judged(scored(after), scored(before), margin)) == pytest.approx(expected, rel=0.05)
    assert judged(scored(after), scored(before)).outcome is Outcome.PASSED


def test_answers_that_belong_together_are_one_piece_of_evidence() -> None:
    """Ten pages with three right answers more each: a t test over pages, no coin flips of 30 answers."""
    clusters = [f"page {n // 4}" for n in range(48)]
    random = np.random.default_rng(0)
    before = random.integers(0, 2, size=48)
    after = np.maximum(before, random.integers(0, 2, size=48))
    verdict = judged(scored(after, clusters), scored(before, clusters))
    of_pages = (after - before).reshape(12, 4).mean(axis=1)
    assert p_of(verdict) == pytest.approx(stats.ttest_1samp(of_pages, 0, alternative="greater").pvalue, rel=0.05)
    assert "48 examples in 12 clusters" in str(verdict)


def test_a_falling_perplexity_is_a_gain_in_per_cent_of_it() -> None:
    before = documents(30, np.random.default_rng(2))
    after = before.copy()
    after[:, 0] = before[:, 0] - before[:, 1] * (0.1 + 0.001 * np.arange(30))
    verdict = judged(measured(after), measured(before))
    assert verdict.outcome is Outcome.PASSED
    assert "better than before tuning" in verdict.sentence
    assert judged(measured(after), measured(before), "5%").outcome is Outcome.PASSED
    assert judged(measured(after), measured(before), "20%").outcome is Outcome.FAILED
    assert judged(measured(before), measured(after)).outcome is Outcome.FAILED


def test_a_gain_below_the_margin_fails_and_one_that_may_be_chance_is_inconclusive() -> None:
    before, after = [0] * 30 + [1] * 30, [1] * 12 + [0] * 18 + [1] * 30
    assert judged(scored(after), scored(before)).outcome is Outcome.PASSED
    below = judged(scored(after), scored(before), "25pp")
    assert below.outcome is Outcome.FAILED
    assert "0.2 better than before tuning (0.5): 0.25 is asked for" in below.sentence
    near = judged(scored(after), scored(before), "15pp")
    assert near.outcome is Outcome.INCONCLUSIVE
    assert "takes about" in near.sentence
    assert "McNemar" not in str(near)  # which is of no change at all


def test_what_did_not_change_did_not_improve() -> None:
    same = scored([0, 1] * 20)
    verdict = judged(same, same)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence == "accuracy 0.5 is that of before tuning: it did not improve"


def test_a_worse_model_fails_and_shows_what_it_lost() -> None:
    verdict = judged(scored([0] * 5 + [1] * 35), scored([1] * 40))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.sentence.startswith("accuracy 0.875 is 0.125 worse than before tuning (1): it did not improve")
    assert str(verdict).count("1 → 0") == 5


def test_few_documents_prove_nothing() -> None:
    verdict = judged(scored([1] * 9), scored([0] * 9))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "9 independent documents prove nothing" in verdict.sentence


def test_a_value_that_is_no_number_is_an_error() -> None:
    nan = scored([math.nan] * 20)
    assert judged(nan, scored([1] * 20)).outcome is Outcome.ERROR
    assert "not a number for before tuning" in judged(scored([1] * 20), nan).sentence


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1, True, math.nan])
def test_an_alpha_that_is_no_small_probability_is_refused(alpha: Any) -> None:
    with pytest.raises(MisuseError, match="expected a small probability"):
        judged(scored([1] * 20), scored([0] * 20), alpha=alpha)


def test_an_unchanged_model_passes_with_probability_alpha_at_most() -> None:
    """300 pairs of runs in which each answer is right with probability 0.6 whatever was tuned."""
    random = np.random.default_rng(1)
    runs = random.random((300, 2, 60)) < 0.6
    passed = sum(judged(scored(after), scored(before), alpha=0.1).passed for after, before in runs)
    assert passed / 300 <= 0.1


def test_a_table_hears_what_is_claimed_and_how_far_it_is() -> None:
    before, after = scored([0.0, 0.5] * 20), scored([0.25, 0.75] * 20)
    verdict = judged(after, before, 0.1)
    assert (verdict.held_to, verdict.spare) == ("more than 0.1 better than before tuning", "0.15")
    assert verdict.ends_at == pytest.approx(0.35)
    assert judged(before, after).held_to == "better than before tuning"
    assert judged(before, after).spare == "−0.25"
    assert judged(scored([math.nan] * 20), before).spare == ""


def test_the_edge_is_where_the_gain_is_the_margin() -> None:
    rows = documents(12, np.random.default_rng(5))
    verdict = judged(measured(rows), measured(rows), "5%")
    assert verdict.ends_at == pytest.approx(0.95 * verdict.measurement.value)
