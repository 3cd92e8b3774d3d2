"""When a change passes, what is said of it, and how often chance decides."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pytest_llm.errors import MisuseError
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import ChangeVerdict, judge_change
from pytest_llm.judging.verdict import Outcome
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.repeats import Noise
from pytest_llm.stopping.watch import Decision, Stopped
from pytest_llm.tolerance import Amount, Tolerance, parse_amount
from tests.simulated_changes import Kind, changed, documents, measured

ONE_PER_CENT = Amount(0.01, relative=True)


def mean(totals: FloatArray) -> FloatArray:
    return np.asarray(totals[..., 0] / totals[..., 1])


def right_answers(right: list[int]) -> Measurement:
    """Of a 0/1 metric whose rise is good."""
    statistics = np.column_stack([np.array(right, dtype=float), np.ones(len(right))])
    m = measured(statistics)
    return replace(
        m,
        metric="accuracy",
        value=float(mean(statistics.sum(axis=0))),
        lower_is_better=False,
        example_values=statistics[:, 0],
        counts="answers",
        aggregate=mean,
        value_of_each=mean,
        scale="linear",
    )


def judged(m: Measurement, before: FloatArray, amount: str = "1%", **settings: Any) -> ChangeVerdict:
    return judge_change(
        Comparison(m, "baseline 'main'", before), Tolerance(parse_amount("tolerance", amount), **settings)
    )


def by(drops: list[float] | FloatArray, nats: float = 3.0, tokens: float = 100.0) -> ChangeVerdict:
    """Of documents of one length that lost so many nats a token."""
    lost = np.asarray(drops, dtype=np.float64)
    count = np.full(len(lost), tokens)
    before = np.column_stack([nats * count, count])
    return judged(measured(np.column_stack([(nats + lost) * count, count])), before)


def around(drop: float, spread: float, n: int = 40) -> FloatArray:
    """Numbers with exactly this mean and this standard deviation."""
    drawn = np.random.default_rng(1).standard_normal(n)
    return np.asarray(drop + spread * (drawn - drawn.mean()) / drawn.std(ddof=1))


@pytest.mark.parametrize(
    ("drops", "outcome", "sentence"),
    [
        (around(0.0, 0.001), Outcome.PASSED, "perplexity 20.09 is "),
        (around(0.005, 0.001), Outcome.PASSED, "perplexity 20.19 is 0.501 % worse than baseline 'main' (20.09)"),
        (around(0.005, 0.05), Outcome.UNPROVEN, "and on text like this it may be 1.85 % worse (95 %)"),
        (around(0.02, 0.2), Outcome.SUSPECT, "but chance alone does this to an unchanged model (p = 0.27, alpha 0.01)"),
        (
            around(0.02, 0.02),
            Outcome.REGRESSED,
            "perplexity 20.49 is 2.02 % worse than baseline 'main' (20.09): 1 % is",
        ),
        (around(-0.02, 0.02), Outcome.PASSED, "is 2.02 % better than baseline 'main'"),
        (around(-0.02, 0.2), Outcome.UNPROVEN, "is 2.02 % better than baseline 'main'"),
        (around(0.02, 0.0), Outcome.REGRESSED, "p = 0"),
        (np.zeros(40), Outcome.PASSED, "perplexity 20.09 is that of baseline 'main'"),
    ],
    ids=["none", "tolerated", "not proven", "chance", "worse", "better", "better by chance", "all the same", "equal"],
)
def test_the_outcome_follows_from_drop_and_doubt(drops: FloatArray, outcome: Outcome, sentence: str) -> None:
    verdict = by(drops)
    assert verdict.outcome is outcome
    assert sentence in verdict.sentence


@pytest.mark.parametrize(("spread", "drop"), [(0.05, 0.005), (0.2, 0.02)], ids=["not proven", "suspect"])
def test_strictness_asks_for_proof(spread: float, drop: float) -> None:
    lost, count = around(drop, spread), np.full(40, 100.0)
    before = np.column_stack([3 * count, count])
    verdict = judged(measured(np.column_stack([(3 + lost) * count, count])), before, strict=True)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert not verdict.passed


def test_a_suspect_drop_fails_if_that_is_asked_for() -> None:
    lost, count = around(0.02, 0.2), np.full(40, 100.0)
    before = np.column_stack([3 * count, count])
    verdict = judged(measured(np.column_stack([(3 + lost) * count, count])), before, on_inconclusive="fail")
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_of_this_text_alone_any_drop_beyond_the_tolerance_fails() -> None:
    lost, count = around(0.02, 0.2, 5), np.full(5, 100.0)
    before = np.column_stack([3 * count, count])
    m = measured(np.column_stack([(3 + lost) * count, count]))
    assert judged(m, before, estimand="dataset").outcome is Outcome.REGRESSED
    assert judged(m, before, "3%", estimand="dataset").outcome is Outcome.PASSED


@pytest.mark.parametrize(("amount", "passes"), [("1%", True), ("0.999%", False)])
def test_a_drop_of_just_the_tolerance_is_tolerated(amount: str, passes: bool) -> None:
    count = np.full(20, 100.0)
    before = np.column_stack([3 * count, count])
    m = measured(np.column_stack([(3 + math.log(1.01)) * count, count]))
    assert judged(m, before, amount, estimand="dataset").passed is passes


@pytest.mark.parametrize("n", [1, 2, 9])
def test_few_documents_prove_nothing(n: int) -> None:
    for drop in (0.005, 0.5):
        verdict = by(around(drop, 0.001, n) if n > 1 else [drop])
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "at least 10 are needed" in verdict.sentence


def test_few_documents_that_are_all_equal_pass() -> None:
    assert by([0.0, 0.0]).outcome is Outcome.PASSED


def test_fewer_than_thirty_are_called_few() -> None:
    assert "of 12 documents only" in by(around(0.02, 0.02, 12)).sentence
    assert "documents only" not in by(around(0.02, 0.02, 30)).sentence


@pytest.mark.parametrize(
    ("ours", "theirs", "side"), [(math.nan, 300, "this model"), (300, math.nan, "baseline 'main'")]
)
def test_nan_on_either_side_is_an_error(ours: float, theirs: float, side: str) -> None:
    count = np.full(20, 100.0)
    rows = [np.column_stack([np.full(20, 300.0), count]) for _ in range(2)]
    rows[0][3, 0], rows[1][3, 0] = ours, theirs
    verdict = judged(measured(rows[0]), rows[1])
    assert verdict.outcome is Outcome.ERROR
    assert verdict.sentence == f"perplexity is not a number for {side}: there is nothing to compare"


def test_a_token_that_became_impossible_is_a_regression() -> None:
    count = np.full(20, 100.0)
    before = np.column_stack([3 * count, count])
    after = before.copy()
    after[3, 0] = math.inf
    verdict = judged(measured(after), before)
    assert verdict.outcome is Outcome.REGRESSED
    assert "is beyond all measure worse" in verdict.sentence


def test_a_metric_that_is_no_sum_is_refused() -> None:
    m = replace(measured(np.ones((3, 2))), aggregate=None)
    with pytest.raises(MisuseError, match="no function of sums over examples"):
        Comparison(m, "baseline 'main'", np.ones((3, 2)))


def test_a_single_broken_example_shows_where_the_whole_does_not() -> None:
    lost, count = np.zeros(200), np.full(200, 100.0)
    lost[17] = 0.5
    before = np.column_stack([3 * count, count])
    m = measured(np.column_stack([(3 + lost) * count, count]))
    assert judged(m, before).passed
    verdict = judged(m, before, max_example_drop=Amount(0.2, relative=True))
    assert verdict.outcome is Outcome.BROKEN_EXAMPLE
    assert verdict.sentence == "perplexity of 1 of 200 examples is more than 20 % worse than baseline 'main': d17"
    assert judged(m, before, max_example_drop=Amount(0.7, relative=True)).passed


def test_right_and_wrong_answers_are_judged_by_mcnemar() -> None:
    before = right_answers([1] * 50 + [0] * 50)
    after = right_answers([0] * 9 + [1] * 41 + [0] * 49 + [1])
    verdict = judged(after, before.statistics, "1pp")
    assert verdict.outcome is Outcome.SUSPECT  # 9 lost, 1 gained: p = 11/1024
    assert f"p = {stats.binom.sf(8, 10, 0.5):.2g}" in verdict.sentence
    assert "by McNemar's test" in str(verdict)
    assert judged(right_answers([0] * 11 + [1] * 39 + [0] * 50), before.statistics, "1pp").outcome is Outcome.REGRESSED


def test_the_message_names_what_lost_most_and_what_would_be_caught() -> None:
    lost, count = around(0.02, 0.02), np.full(40, 100.0)
    before = np.column_stack([3 * count, count])
    m = measured(np.column_stack([(3 + lost) * count, count]))
    comparison = Comparison(m, "baseline 'main'", before, origin="tiny-decoder, recorded 2026-11-24", notes=("a note",))
    lines = str(judge_change(comparison, Tolerance(ONE_PER_CENT))).splitlines()
    worst = int(np.argmax(lost))
    assert [line[2:11].strip() for line in lines[1:]] == [
        *(
            "interval",
            "caught",
            "",
            "measured",
            "lost most",
            "",
            "",
            "",
            "",
            "baseline",
            "",
            "model",
            "signature",
            "to accept",
        ),
    ]
    assert lines[2].endswith("drops of 1.53 % or more, 19 times of 20")
    assert lines[5].split() == [
        *("lost", "most", "20.09", "→", f"{math.exp(3 + lost.max()):.4g}", f"d{worst}", "'text", "of", f"d{worst}'"),
    ]


def number_of_documents(verdict: ChangeVerdict) -> int:
    (found,) = re.findall(r"takes about (\d+) documents", verdict.sentence)
    return int(found)


@pytest.mark.parametrize(
    ("drop", "spread", "outcome"),
    [
        (0.0, 0.001, Outcome.PASSED),
        (0.005, 0.05, Outcome.UNPROVEN),
        (0.02, 0.2, Outcome.SUSPECT),
        (0.02, 0.02, Outcome.REGRESSED),
    ],
)
def test_each_verdict_says_which_drop_is_caught_and_what_another_one_takes(
    drop: float, spread: float, outcome: Outcome
) -> None:
    """By the formulas, with a standard error of spread / √40 and 39 degrees of freedom."""
    lost, error = around(drop, spread), spread / math.sqrt(40)
    verdict = by(lost)
    assert verdict.outcome is outcome
    test, power = float(stats.t.ppf(0.99, 39)), float(stats.norm.ppf(0.95))
    smallest = max(math.log(1.01), test * error) + power * error
    assert f"(drops of {100 * math.expm1(smallest):.3g} % are caught; 2.01 % takes about " in verdict.sentence
    wanted = 2 * math.log(1.01)
    needed = 40 * (error / min((wanted - math.log(1.01)) / power, wanted / (test + power))) ** 2
    assert number_of_documents(verdict) == max(10, math.ceil(needed))


def test_so_many_documents_do_catch_it() -> None:
    random, before = np.random.default_rng(9), documents(60, np.random.default_rng(9))
    one = judged(measured(changed(before, "retrained", 0.0, random)), before, detect=Amount(0.03, relative=True))
    n = number_of_documents(one)
    assert 100 < n < 400
    assert fails("retrained", n, math.log(1.03), 200, seed=10) >= 170  # about 19 of 20: both are estimates


def test_where_nothing_differs_nothing_is_promised_of_what_scatters() -> None:
    assert "(no document differs; a drop of more than 1 % that all share is caught)" in by(np.zeros(40)).sentence


def test_of_this_text_alone_the_tolerance_is_the_smallest_drop() -> None:
    count = np.full(20, 100.0)
    before = np.column_stack([3 * count, count])
    verdict = judged(measured(before), before, estimand="dataset")
    assert verdict.sentence.endswith("(any larger drop fails: this text alone is judged)")
    assert "  caught     every drop of more than 1 %: this text alone is judged" in str(verdict)


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ((20.0, 20.0, 20.0), ""),
        ((20.0, 20.01, 20.02), ""),  # 6.96 · √2 · 0.0005 is 0.49 %
        ((20.0, 20.2, 20.4), "; run-to-run noise alone does 10.2 %: tolerance='11%' is above that"),
    ],
)
def test_noise_that_exceeds_the_tolerance_is_said(runs: tuple[float, ...], said: str) -> None:
    """Three runs: t of 2 degrees of freedom is 6.96 at 1 %, and two runs differ by √2 times as much as one."""
    count = np.full(40, 100.0)
    m = measured(np.column_stack([3 * count, count]))
    verdict = judge_change(Comparison(m, "baseline 'main'", m.statistics, noise=Noise(runs)), Tolerance(ONE_PER_CENT))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.sentence.startswith(f"perplexity 20.09 is that of baseline 'main': 1 % is tolerated{said} (")
    assert "  noise      drops of " in str(verdict)
    if said:
        wider = Tolerance(Amount(0.11, relative=True))
        assert "noise alone" not in judge_change(verdict.comparison, wider).sentence


def test_of_a_share_the_tolerance_above_noise_is_a_share() -> None:
    m = right_answers([1] * 50 + [0] * 50)
    noisy = Comparison(m, "baseline 'main'", m.statistics, noise=Noise((0.50, 0.51, 0.52)))
    sentence = judge_change(noisy, Tolerance(parse_amount("tolerance", "1pp"))).sentence
    assert "run-to-run noise alone does 0.09849: tolerance='0.099' is above that" in sentence


@pytest.mark.parametrize(("decided", "worse"), [("fails", True), ("passes", False)])
def test_of_what_stopped_early_only_the_side_of_p_is_known(decided: Decision, worse: bool) -> None:
    """Its p was looked at before: for Holm's correction it counts as just below this gate's share of alpha, or as 1."""
    random = np.random.default_rng(11)
    before = documents(60, random)
    claim = Tolerance(ONE_PER_CENT, gates=4)
    m = measured(changed(before, "small", 0.05 if worse else 0.0, random))
    m = replace(m, stopped=Stopped(decided, claim, 60, 200, 0.3, 18.0, 22.0, 19.0))
    chance = judge_change(Comparison(m, "baseline 'main'", before), claim).chance
    assert chance is not None
    assert (chance.alpha, chance.worse) == (0.01, worse)
    assert chance.p == (pytest.approx(0.0025) if worse else 1)
    assert (chance.p < claim.level) is worse


def test_the_order_of_examples_does_not_matter() -> None:
    random = np.random.default_rng(2)
    before = documents(60, random)
    after = changed(before, "retrained", 0.02, random)
    order = random.permutation(60)
    first = judged(measured(after), before)
    second = judged(measured(after[order], ids=[f"d{row}" for row in order]), before[order])
    assert second.sentence == first.sentence


def test_the_same_comparison_gives_the_same_bytes() -> None:
    random = np.random.default_rng(2)
    before = documents(60, random)
    after = changed(before, "retrained", 0.02, random)
    assert str(judged(measured(after), before)) == str(judged(measured(after.copy()), before.copy()))


def test_documents_of_one_cluster_are_one() -> None:
    random = np.random.default_rng(2)
    before = documents(60, random)
    after = changed(before, "retrained", 0.02, random)
    m = measured(after, clusters=[f"book {row // 10}" for row in range(60)])
    assert judged(m, before).outcome is Outcome.INCONCLUSIVE  # six books
    assert "6 independent documents prove nothing" in judged(m, before).sentence


def fails(kind: Kind, n: int, drop: float, runs: int, seed: int) -> int:
    """How many of so many gates fail (1 %, alpha 1 %)."""
    random = np.random.default_rng(seed)
    failed = 0
    for _ in range(runs):
        before = documents(n, random)
        failed += not judged(measured(changed(before, kind, drop, random)), before).passed
    return failed


@pytest.mark.parametrize(
    ("kind", "n", "drop", "runs", "low", "high"),
    [
        ("retrained", 200, 0.0, 1000, 0, 15),  # false alarms: at most 1.5 %
        ("retrained", 200, 0.03, 1000, 950, 1000),  # 3 % is caught 19 times of 20
        ("small", 200, 0.0, 300, 0, 0),
        ("small", 200, 0.02, 300, 300, 300),
        ("kernel", 50, 0.0, 300, 0, 0),
    ],
)
def test_unchanged_models_pass_and_worse_ones_fail(
    kind: Kind, n: int, drop: float, runs: int, low: int, high: int
) -> None:
    assert low <= fails(kind, n, drop, runs, seed=6) <= high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "drop", "share"),
    [(50, 0.0, 0.01), (200, 0.0, 0.011), (200, 0.02, 0.71), (200, 0.03, 0.97), (1000, 0.01, 0.51)],
)
def test_the_gate_decides_as_often_as_the_simulations_of_its_design(n: int, drop: float, share: float) -> None:
    runs = 4000
    low, high = stats.binom.ppf([1e-4, 1 - 1e-4], runs, share)
    room = 0.03 * runs  # the design's own simulation had its error too
    assert low - room <= fails("retrained", n, drop, runs, seed=7) <= high + room


@pytest.mark.parametrize(("amount", "edge"), [("10%", 0.45), ("0.1", 0.4)])
def test_the_edge_is_the_worst_value_that_is_tolerated(amount: str, edge: float) -> None:
    before = right_answers([1, 0] * 20)
    assert judged(before, before.statistics, amount).ends_at == pytest.approx(edge)
