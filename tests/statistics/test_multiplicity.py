"""Holm's correction, and how often one of many gates fails."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from pytest_llm.statistics.multiplicity import any_fails, holm

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@pytest.fixture(scope="module", autouse=True)
def no_sweeping() -> Iterator[None]:
    """Statsmodels collects garbage at each call: half a second, among all that other tests have loaded."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gc, "collect", lambda: 0)
        yield


@given(PROBABILITIES)
def test_adjusted_p_are_those_of_statsmodels(p: list[float]) -> None:
    assert holm(p, len(p)) == pytest.approx(multipletests(p, method="holm")[1].tolist(), abs=1e-15)


@given(PROBABILITIES, st.integers(0, 20))
def test_gates_that_did_not_run_count_as_if_theirs_were_one(p: list[float], more: int) -> None:
    expected = multipletests([*p, *[1.0] * more], method="holm")[1].tolist()[: len(p)]
    assert holm(p, len(p) + more) == pytest.approx(expected, abs=1e-15)


@given(PROBABILITIES)
def test_what_bonferroni_rejects_is_rejected(p: list[float]) -> None:
    """So that what failed in its test stays failed when all have run."""
    assert all(adjusted <= min(1.0, len(p) * own) for adjusted, own in zip(holm(p, len(p)), p, strict=True))


@given(PROBABILITIES)
def test_order_is_kept_and_nothing_gets_smaller(p: list[float]) -> None:
    adjusted = holm(p, len(p))
    assert all(after >= before for after, before in zip(adjusted, p, strict=True))
    order = sorted(range(len(p)), key=p.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


def test_chance_fails_a_suite_as_often_as_alpha_says() -> None:
    """Ten gates, of which three are of models that did change: one of the other seven fails at most so often."""
    random, runs, alpha = np.random.default_rng(1), 4000, 0.05
    unchanged, changed = random.uniform(size=(runs, 7)), random.beta(0.05, 5, size=(runs, 3))
    wrong = sum(
        any(adjusted < alpha for adjusted in holm([*own, *others], 10)[:7])
        for own, others in zip(unchanged.tolist(), changed.tolist(), strict=True)
    )
    assert wrong <= stats.binom.ppf(1 - 1e-4, runs, alpha)
    assert wrong > runs * alpha / 2  # and it is not far more careful than it says


def test_the_chance_of_any_failure() -> None:
    independent, most = any_fails([0.01] * 12)
    assert independent == pytest.approx(0.1136, abs=5e-5)  # 1 − 0.99¹²
    assert most == pytest.approx(0.12)
    assert any_fails([0.4] * 5)[1] == 1
