"""Agreement against the packages krippendorff, scikit-learn and statsmodels, by hand, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa  # type: ignore[import-untyped]

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.agreement import Agreement, CohenKappa, FleissKappa
from pytest_llm.metrics.krippendorff_alpha import KrippendorffAlpha, Level
from pytest_llm.metrics.preference import summarise

LEVELS: list[Level] = ["nominal", "ordinal", "interval"]
SCORES = st.sampled_from([1.0, 2.0, 3.5, 7.0])


def tables(gaps: bool = False) -> st.SearchStrategy[list[list[float]]]:
    """Items as rows, raters as columns; NaN is a gap."""
    cell = st.one_of(SCORES, st.just(math.nan)) if gaps else SCORES
    return st.integers(2, 4).flatmap(
        lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=2, max_size=12)
    )


def items(rows: Sequence[Sequence[Any]]) -> list[Example]:
    def said(row: Sequence[Any]) -> dict[str, Any]:
        return {f"r{i}": value for i, value in enumerate(row) if not (isinstance(value, float) and math.isnan(value))}

    return [Example(str(i), "text", f"#{i}", target=said(row)) for i, row in enumerate(rows) if said(row)]


def value(metric: Agreement, rows: Sequence[Sequence[Any]]) -> float:
    examples = items(rows)
    return summarise(metric.fitted(examples), examples).value


@pytest.mark.parametrize("level", LEVELS)
@settings(deadline=None, max_examples=60)
@given(rows=tables(gaps=True))
def test_alpha_is_that_of_krippendorff(level: Level, rows: list[list[float]]) -> None:
    pairable = [[v for v in row if not math.isnan(v)] for row in rows]
    assume(len({v for row in pairable if len(row) > 1 for v in row}) > 1)
    expected = krippendorff.alpha(np.array(rows).T, level_of_measurement=level, value_domain=[1.0, 2.0, 3.5, 7.0])
    assert value(KrippendorffAlpha(level=level), rows) == pytest.approx(expected, abs=1e-9)


def test_alpha_of_the_example_of_krippendorff_2011() -> None:
    # section C: four observers, twelve units, gaps; the paper gives 0.743, 0.815 and 0.849
    gap = math.nan
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, gap, gap, gap],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, gap, 3],
        [gap, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, gap],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, gap],
    ]
    rows = [list(map(float, unit)) for unit in zip(*observers, strict=True)]
    found = [value(KrippendorffAlpha(level=level), rows) for level in LEVELS]
    assert found == pytest.approx([0.743, 0.815, 0.849], abs=5e-4)


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(SCORES, SCORES), min_size=2, max_size=20))
def test_cohens_kappa_is_that_of_scikit_learn(weights: Any, rows: list[tuple[float, float]]) -> None:
    assume(len({v for row in rows for v in row}) > 1)
    first, second = ([str(v) for v in column] for column in zip(*rows, strict=True))
    expected = cohen_kappa_score(first, second, weights=weights)
    assert value(CohenKappa(weights=weights), rows) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(tables())
def test_fleiss_kappa_is_that_of_statsmodels(rows: list[list[float]]) -> None:
    assume(len({v for row in rows for v in row}) > 1)
    table, _ = aggregate_raters(np.array(rows))
    assert value(FleissKappa(), rows) == pytest.approx(fleiss_kappa(table), abs=1e-12)


ALL = [
    *(KrippendorffAlpha(level=level) for level in LEVELS),
    CohenKappa(),
    CohenKappa(weights="linear"),
    CohenKappa(weights="quadratic"),
    FleissKappa(),
]


@pytest.mark.parametrize("metric", ALL)
def test_perfect_agreement_is_1_and_one_value_only_is_not_a_number(metric: Agreement) -> None:
    assert value(metric, [[1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]) == pytest.approx(1)
    assert math.isnan(value(metric, [[3.0, 3.0], [3.0, 3.0]]))


@pytest.mark.parametrize("metric", ALL)
def test_the_interval_is_that_of_leaving_items_out_one_by_one(metric: Agreement) -> None:
    rows = [[1.0, 1.0], [2.0, 1.0], [3.0, 3.0], [3.0, 2.0], [1.0, 1.0], [2.0, 2.0], [1.0, 3.0]]
    examples = items(rows)
    estimate = summarise(metric.fitted(examples), examples).estimate
    left_out = [value(metric, rows[:i] + rows[i + 1 :]) for i in range(7)]
    assert estimate is not None
    assert estimate.standard_error == pytest.approx(math.sqrt(6 * np.var(left_out)))


@pytest.mark.parametrize("level", LEVELS)
def test_no_interval_rather_than_noise_where_leaving_an_item_out_leaves_one_value(level: Level) -> None:
    # what a rating adds to the sums is no binary fraction, so that it does not cancel exactly
    examples = items([[0.1] * 7] * 9 + [[0.1] * 5 + [0.7] * 2])
    assert summarise(KrippendorffAlpha(level=level).fitted(examples), examples).estimate is None


@pytest.mark.parametrize("metric", ALL)
def test_values_of_single_items_have_the_total_as_their_mean(metric: Agreement) -> None:
    rows = [[1.0, 1.0], [2.0, 1.0], [3.0, 3.0], [1.0, 3.0]]
    examples = items(rows)
    fitted = metric.fitted(examples)
    statistics = np.array([fitted.statistics(e, e.target) for e in examples])
    alone = fitted.example_values(statistics)
    assert np.average(alone, weights=statistics[:, -1]) == pytest.approx(value(metric, rows))
    assert alone[0] == alone[2] == 1 > alone[1] >= alone[3] == alone.min()


def test_an_item_with_one_rating_counts_nothing_in_alpha() -> None:
    rows = [[1.0, 2.0], [2.0, 2.0], [1.0, 1.0]]
    for level in LEVELS:
        metric = KrippendorffAlpha(level=level)
        assert value(metric, [*rows, [2.0, math.nan]]) == pytest.approx(value(metric, rows))
    examples = items([*rows, [2.0, math.nan]])
    fitted = KrippendorffAlpha().fitted(examples)
    statistics = np.array([fitted.statistics(e, e.target) for e in examples])
    assert statistics[:, -1].tolist() == [2, 2, 2, 0]
    assert fitted.example_values(statistics)[-1] == 1


def test_categories_have_nominal_agreement() -> None:
    rows = [["cat", "cat"], ["dog", "cat"], ["dog", "dog"]]
    numbers = [[{"cat": 0.0, "dog": 1.0}[v] for v in row] for row in rows]
    for metric in (KrippendorffAlpha(level="nominal"), CohenKappa(), FleissKappa()):
        assert value(metric, rows) == pytest.approx(value(metric, numbers))


def test_interval_alpha_takes_any_number_of_values_wherever_they_lie() -> None:
    random = np.random.default_rng(0)
    near = (random.normal(size=(40, 1)) + 0.5 * random.normal(size=(40, 3))).tolist()
    expected = krippendorff.alpha(np.array(near).T, level_of_measurement="interval")
    far = [[v + 1e6 for v in row] for row in near]
    assert value(KrippendorffAlpha(level="interval"), near) == pytest.approx(expected)
    assert value(KrippendorffAlpha(level="interval"), far) == pytest.approx(expected)


def test_names_and_signatures() -> None:
    examples = items([[1.0, 2.0], [2.0, 2.0]])
    assert KrippendorffAlpha().signature() == "krippendorff_alpha|raters:from data|values:from data|level:ordinal"
    assert CohenKappa(weights="linear").fitted(examples).signature() == "cohen_kappa|raters:2|values:2|weights:linear"
    assert FleissKappa().fitted(examples).signature() == "fleiss_kappa|raters:2|values:2"


@pytest.mark.parametrize(
    ("metric", "rows", "message"),
    [
        (FleissKappa(), [[1.0], [2.0]], "agreement takes at least two raters; there is 'r0'"),
        (FleissKappa(), [], "agreement takes at least two raters; there is none"),
        (KrippendorffAlpha(), [[1.0, math.nan], [math.nan, 2.0]], "no item has two ratings"),
        (KrippendorffAlpha(), [[1.0, "good"]], "some ratings are numbers and some names of categories"),
        (KrippendorffAlpha(), [["bad", "good"]], "categories such as 'bad' have no order; use level='nominal'"),
        (KrippendorffAlpha(), [[float(i), i + 0.5] for i in range(40)], "80 different ratings; use level='interval'"),
        (CohenKappa(), [[1.0, 2.0, 2.0]], "two raters who both rated every item; there are 3"),
        (CohenKappa(), [[1.0, 2.0], [1.0, math.nan]], "1 of 2 items lack a rating; use krippendorff_alpha"),
        (CohenKappa(weights="linear"), [["a", "b"]], "categories such as 'a' have no order; use weights=None"),
        (FleissKappa(), [[1.0, 2.0, 1.0], [1.0, 2.0, math.nan]], "items with 2 and with 3; use krippendorff_alpha"),
    ],
)
def test_ratings_that_say_nothing_about_agreement_are_refused(
    metric: Agreement, rows: list[list[Any]], message: str
) -> None:
    with pytest.raises(MisuseError, match=message):
        metric.fitted(items(rows))


@pytest.mark.parametrize("target", [3.0, {}, None])
def test_an_item_without_ratings_is_refused(target: Any) -> None:
    with pytest.raises(MisuseError, match=r"the ratings of item #0 are .*expected a mapping from raters to values"):
        FleissKappa().fitted([Example("0", "text", "#0", target=target)])


def test_a_value_that_was_not_there_when_fitted_is_refused() -> None:
    fitted = CohenKappa().fitted(items([[1.0, 2.0]]))
    with pytest.raises(MisuseError, match=r"the ratings of item #0 are \{.*9\.0.*known values are \(1\.0, 2\.0\)"):
        fitted.statistics(Example("0", "text", "#0"), {"r0": 1.0, "r1": 9.0})


@pytest.mark.parametrize(
    ("made", "settings_", "message"),
    [
        (KrippendorffAlpha, {"level": "ratio"}, "level='ratio': expected one of 'nominal', 'ordinal', 'interval'"),
        (CohenKappa, {"weights": "cubic"}, "weights='cubic': expected None, 'linear' or 'quadratic'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(made: Any, settings_: Mapping[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        made(**settings_)
