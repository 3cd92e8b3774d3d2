"""When requests are sent, and settings that make no sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_llm.errors import MisuseError
from pytest_llm.tasks.arrival import Arrival, Pattern
from pytest_llm.tasks.timed import Timed


def test_a_constant_rate_has_equal_gaps() -> None:
    assert Arrival(4, "constant").send_times(5).tolist() == [0, 0.25, 0.5, 0.75, 1.0]


def test_gaps_of_a_poisson_process_are_exponential_and_the_same_for_a_seed() -> None:
    gaps = np.diff(Arrival(5).send_times(2001))
    assert stats.kstest(gaps, "expon", args=(0, 0.2)).pvalue > 0.01
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.06  # none knows of the one before it
    assert (Arrival(5).send_times(100) == Arrival(5).send_times(2001)[:100]).all()
    assert (Arrival(5, seed=1).send_times(100)[1:] != Arrival(5).send_times(100)[1:]).all()


@given(
    rate=st.floats(0.01, 1000),
    pattern=st.sampled_from(["poisson", "constant"]),
    count=st.integers(0, 50),
    seed=st.integers(0, 9),
)
def test_times_of_sending_begin_at_zero_and_never_go_back(rate: float, pattern: Pattern, count: int, seed: int) -> None:
    times = Arrival(rate, pattern, seed=seed).send_times(count)
    assert len(times) == count
    assert times[:1].tolist() == [0.0][:count]
    assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 0}, "rate=0: expected requests a second, such as 2 or 0.5"),
        ({"rate": float("inf")}, "rate=inf: expected requests a second"),
        ({"rate": float("nan")}, "rate=nan: expected requests a second"),
        ({"rate": True}, "rate=True: expected requests a second"),
        ({"rate": "5"}, "rate='5': expected requests a second"),
        ({"rate": 1, "pattern": "bursts"}, "pattern='bursts': expected 'poisson' or 'constant'"),
        ({"rate": 1, "connections": 0}, "connections=0: expected a whole number, at least 1"),
        ({"rate": 1, "seed": -1}, "seed=-1: expected a whole number, at least 0"),
    ],
)
def test_arrivals_without_a_meaning_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        Arrival(**settings)


def test_each_request_under_load_is_sent_once() -> None:
    assert Timed(arrival=Arrival(2)).how_often == 1
    assert Timed().how_often == 3
    with pytest.raises(MisuseError, match="rounds=2: requests that arrive at set times are sent once each"):
        Timed(arrival=Arrival(2), rounds=2)
    with pytest.raises(MisuseError, match=r"arrival=2: expected Arrival\(rate=…\)"):
        Timed(arrival=2)  # type: ignore[arg-type]


def test_what_changes_the_number_is_in_the_signature() -> None:
    assert Timed(arrival=Arrival(2)).signature.startswith("arrival:2/s poisson seed 0, 64 at once|warmup:2|")
    assert "arrival:0.5/s constant, 8 at once|" in Timed(arrival=Arrival(0.5, "constant", 8)).signature
