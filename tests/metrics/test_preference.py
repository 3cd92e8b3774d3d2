"""Mean rating and win rate by hand, their intervals against the mean of raters, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_llm.data.example import Example
from pytest_llm.data.ratings import (
    Preference,
    preference_examples,
    rating_examples,
    read_ratings,
)
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.preference import MeanRating, WinRate, summarise


def comparisons(*said: tuple[str, str, str, str | None]) -> tuple[Preference, ...]:
    """(rater, first, second, preferred), each for an item of its own."""
    return tuple(Preference(rater, f"p{i}", a, b, winner) for i, (rater, a, b, winner) in enumerate(said))


def test_the_interval_of_a_mean_rating_is_that_over_raters() -> None:
    scores = {"Ann": (4, 5, 3), "Bob": (2, 2, 1), "Cem": (5, 4, 5), "Dee": (3, 3, 4)}
    rows = [{"rater": r, "item": i, "score": s} for r, given in scores.items() for i, s in enumerate(given)]
    summary = summarise(MeanRating(1, 5), rating_examples(read_ratings(rows)))
    means = [np.mean(given) for given in scores.values()]
    assert summary.value == pytest.approx(np.mean(means))
    assert summary.estimate is not None
    assert summary.estimate.units == 4
    assert summary.estimate.standard_error == pytest.approx(stats.sem(means))


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 5)), min_size=1, max_size=40))
def test_a_mean_rating_is_the_mean_of_all_that_was_said(said: list[tuple[str, int]]) -> None:
    rows = [{"rater": rater, "item": item, "score": score} for item, (rater, score) in enumerate(said)]
    summary = summarise(MeanRating(1, 5), rating_examples(read_ratings(rows)))
    assert summary.value == pytest.approx(np.mean([score for _, score in said]))
    assert (summary.estimate is None) == (len({rater for rater, _ in said}) == 1)


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.sampled_from(["new", "old", None])), min_size=1, max_size=40))
def test_win_rates_of_two_add_up_to_one(said: list[tuple[str, str | None]]) -> None:
    examples = preference_examples(comparisons(*((rater, "new", "old", winner) for rater, winner in said)))
    points = [{"new": 1.0, "old": 0.0, None: 0.5}[winner] for _, winner in said]
    won, lost = (summarise(WinRate(candidate), examples).value for candidate in ("new", "old"))
    assert won == pytest.approx(np.mean(points))
    assert won + lost == pytest.approx(1)


def test_raters_who_rated_more_weigh_more_and_leave_fewer_degrees_of_freedom() -> None:
    rows = [{"rater": rater, "item": i, "score": i % 5} for rater, n in (("Ann", 6), ("Bob", 2)) for i in range(n)]
    summary = summarise(MeanRating(), rating_examples(read_ratings(rows)))
    assert summary.value == pytest.approx((0 + 1 + 2 + 3 + 4 + 0 + 0 + 1) / 8)
    assert summary.estimate is not None
    assert summary.estimate.degrees_of_freedom == pytest.approx(8**2 / (6**2 + 2**2) - 1)


def test_a_tie_is_half_a_win() -> None:
    said = comparisons(
        ("Ann", "new", "old", "new"),
        ("Ann", "old", "new", None),
        ("Bob", "old", "new", "old"),
        ("Bob", "new", "old", "new"),
    )
    summary = summarise(WinRate("new"), preference_examples(said))
    assert (summary.value, summary.examples) == (2.5 / 4, 4)
    assert summarise(WinRate("old"), preference_examples(said)).value == 1.5 / 4
    assert summary.estimate is not None
    assert summary.estimate.standard_error == pytest.approx(stats.sem([0.75, 0.5]))


def test_one_rater_gives_a_value_and_no_interval() -> None:
    said = comparisons(("Ann", "new", "old", "new"), ("Ann", "old", "new", None))
    summary = summarise(WinRate("new"), preference_examples(said))
    assert (summary.value, summary.estimate) == (0.75, None)
    by_item = summarise(WinRate("new"), preference_examples(said, cluster="item"))
    assert by_item.estimate is not None


def test_names_and_signatures() -> None:
    assert MeanRating().signature() == "mean_rating|cluster:rater"
    assert WinRate("new").signature() == "win_rate|candidate:new|against:any|ties:half|cluster:rater"


@pytest.mark.parametrize("score", ["4", True, None, math.nan, math.inf])
def test_a_rating_that_is_no_number_is_refused(score: Any) -> None:
    with pytest.raises(MisuseError, match=f"the rating of example #0 is {score!r}; expected a finite number"):
        MeanRating().statistics(Example("0", "text", "#0"), score)


@pytest.mark.parametrize("score", [0, 6])
def test_a_rating_beyond_the_scale_is_refused(score: int) -> None:
    with pytest.raises(MisuseError, match=f"the rating of example #0 is {score}; the scale is 1 to 5"):
        MeanRating(1, 5).statistics(Example("0", "text", "#0"), score)


def test_comparisons_of_others_are_refused() -> None:
    said = comparisons(("Ann", "x", "y", "x"))
    (example,) = preference_examples(said)
    with pytest.raises(
        MisuseError, match=r"compares 'x' with 'y', not 'new'; leave it out: preference_examples\(…, cand"
    ):
        WinRate("new").statistics(example, said[0])
    with pytest.raises(MisuseError, match=r"the output of example p0 by Ann is 'x' \(str\); expected a Preference"):
        WinRate("x").statistics(example, "x")


def test_nothing_said_is_refused() -> None:
    with pytest.raises(MisuseError, match="no ratings: there is nothing to summarise"):
        summarise(MeanRating(), ())
