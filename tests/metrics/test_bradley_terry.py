"""Bradley–Terry strengths against choix and the likelihood itself, their intervals, and what has no strength."""

from __future__ import annotations

import math

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from pytest_llm.data.ratings import Preference, preference_examples
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.bradley_terry import BradleyTerry, strengths, strengths_of
from pytest_llm.metrics.preference import summarise
from pytest_llm.statistics.jackknife import FloatArray

TABLES = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(1, 40), min_size=n, max_size=n), min_size=n, max_size=n)
)
"""How often each beat each other, at least once: strengths exist."""


def table(rows: list[list[int]]) -> FloatArray:
    wins = np.array(rows, dtype=np.float64)
    np.fill_diagonal(wins, 0)
    return wins


def comparisons(*said: tuple[str, str, str, str | None]) -> tuple[Preference, ...]:
    """(rater, first, second, preferred), each for an item of its own."""
    return tuple(Preference(rater, f"p{i}", a, b, winner) for i, (rater, a, b, winner) in enumerate(said))


@settings(deadline=None, max_examples=50)
@given(TABLES)
def test_strengths_are_those_of_choix(rows: list[list[int]]) -> None:
    wins = table(rows)
    expected = choix.ilsr_pairwise_dense(wins, max_iter=10_000, tol=1e-12)
    assert strengths_of(wins) == pytest.approx(expected - expected.mean(), abs=1e-8)


def test_strengths_with_ties_are_those_of_greatest_likelihood() -> None:
    wins = np.array([[0, 2.5, 1], [0.5, 0, 3.5], [4, 0.5, 0]])

    def negative_log_likelihood(theta: FloatArray) -> float:
        return float((wins * np.log1p(np.exp(theta[None, :] - theta[:, None]))).sum())

    best = optimize.minimize(negative_log_likelihood, np.zeros(3), tol=1e-14).x
    assert strengths_of(wins) == pytest.approx(best - best.mean(), abs=1e-6)


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_of_two_the_difference_is_the_log_odds_of_winning(a: int, b: int) -> None:
    first, second = strengths_of(np.array([[0.0, a], [b, 0.0]]))
    assert first - second == pytest.approx(math.log(a / b), rel=1e-9, abs=1e-9)


def test_strengths_far_apart_satisfy_the_likelihood_equations() -> None:
    # Newton's method without a limit to its steps goes astray here
    wins = np.array(
        [[0, 551, 0, 0, 0], [0, 0, 3, 20_038, 0], [0, 0, 0, 38, 1_118_848], [0, 2, 0, 0, 0], [5, 0, 24_993, 0, 0]],
        dtype=float,
    )
    theta = strengths_of(wins)
    chance = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    assert ((wins + wins.T) * chance).sum(axis=1) == pytest.approx(wins.sum(axis=1), rel=1e-9)


def test_many_tables_at_once_are_each_solved_by_itself() -> None:
    tables = np.array(
        [[[0, 3, 1], [1, 0, 2], [2, 2, 0]], [[0, 0, 1], [1, 0, 2], [2, 2, 0]], [[0, 9, 9], [0, 0, 1], [0, 1, 0]]]
    )
    together = strengths_of(tables.astype(np.float64))
    for alone, result in zip(tables, together, strict=True):
        assert result == pytest.approx(strengths_of(alone.astype(np.float64)), nan_ok=True, abs=1e-12)
    assert np.isnan(together).all(axis=1).tolist() == [False, False, True]


def test_a_long_chain_of_wins_connects() -> None:
    n = 9
    circle = np.roll(np.eye(n), 1, axis=1)
    assert strengths_of(circle) == pytest.approx(np.zeros(n), abs=1e-9)
    circle[0] = 0
    assert np.isnan(strengths_of(circle)).all()


def everybody_beats_everybody(raters: int) -> tuple[Preference, ...]:
    random = np.random.default_rng(1)
    said = []
    for rater in range(raters):
        for i, (a, b) in enumerate([("x", "y"), ("y", "z"), ("z", "x")] * 6):
            said.append(Preference(f"r{rater}", f"p{i}", a, b, [a, b, None][random.choice(3, p=[0.5, 0.35, 0.15])]))
    return tuple(said)


def test_intervals_are_those_of_leaving_raters_out_one_by_one() -> None:
    said = everybody_beats_everybody(6)
    found = strengths(said)
    assert list(found) == sorted(found, key=lambda name: -found[name].value)
    for name, summary in found.items():
        left_out = []
        for rater in range(6):
            rest = [p for p in said if p.rater != f"r{rater}"]
            left_out.append(strengths(rest)[name].value)
        assert summary.estimate is not None
        assert summary.estimate.standard_error == pytest.approx(math.sqrt(5 * np.var(left_out)), rel=1e-6)
    assert sum(summary.value for summary in found.values()) == pytest.approx(0, abs=1e-12)


def test_who_never_lost_has_no_strength_without_a_prior() -> None:
    said = comparisons(("Ann", "x", "y", "x"), ("Bob", "y", "z", "z"), ("Cem", "z", "y", "y"))
    with pytest.raises(MisuseError, match=r"no strengths exist: among 'x', 'y', 'z', no chain .*give prior=0\.5"):
        strengths(said)
    assert math.isnan(summarise(BradleyTerry("x").fitted(preference_examples(said)), preference_examples(said)).value)
    with_prior = strengths(said, prior=0.5)
    wins = np.array([[0, 1.5, 0.5], [0.5, 0, 1.5], [0.5, 1.5, 0]])
    assert [with_prior[name].value for name in "xyz"] == pytest.approx(list(strengths_of(wins)))


def test_the_signature_holds_every_setting() -> None:
    expected = "bradley_terry|candidate:a|prior:0.5|ties:half|candidates:a,b|cluster:rater"
    assert BradleyTerry("a", prior=0.5, candidates=["a", "b"]).signature() == expected


def test_comparisons_of_unknown_candidates_are_refused() -> None:
    said = comparisons(("Ann", "x", "y", "x"))
    (example,) = preference_examples(said)
    with pytest.raises(MisuseError, match="no comparison is about 'new'; candidates are 'x', 'y'"):
        BradleyTerry("new").fitted([example])
    with pytest.raises(MisuseError, match="compares 'x' with 'y'; known candidates are 'x', 'z': use fitted"):
        BradleyTerry("x", candidates=("x", "z")).statistics(example, said[0])
    with pytest.raises(MisuseError, match="no candidates were ever compared"):
        strengths(())


@pytest.mark.parametrize("prior", [-1.0, math.nan, math.inf])
def test_a_prior_that_is_no_number_of_wins_is_refused(prior: float) -> None:
    with pytest.raises(MisuseError, match=f"prior={prior!r}: expected a number of wins"):
        BradleyTerry("a", prior=prior)
