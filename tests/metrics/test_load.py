"""What is said of requests under load, against times that are made up."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pytest_llm.metrics.efficiency import Latency, RequestTimes
from pytest_llm.metrics.load import falls_behind, load_overview, most_at_once
from pytest_llm.tasks.arrival import Arrival


def requests(
    due: Sequence[float], seconds: Sequence[float], waited: Sequence[float] | None = None
) -> list[RequestTimes]:
    none = np.full(1, math.nan)
    late = [0.0] * len(due) if waited is None else waited
    return [
        RequestTimes(none, none, np.array([took]), np.zeros(1), due=moment, waited=np.array([wait]))
        for moment, took, wait in zip(due, seconds, late, strict=True)
    ]


def test_how_many_are_under_way_is_counted_by_hand() -> None:
    """0–3, 1–2, 2–5, 2.5–2.6, 6–7: three from 2.5 on; the one that ends at 2 is gone when another one begins."""
    begins, ends = np.array([0, 1, 2, 2.5, 6]), np.array([3, 2, 5, 2.6, 7])
    assert most_at_once(begins, ends) == 3
    assert most_at_once(begins[:3], ends[:3]) == 2


def test_a_model_that_keeps_up_is_told_from_one_that_does_not() -> None:
    due = np.arange(60) / 10
    assert not falls_behind(due, due + np.tile([0.1, 0.3, 0.2], 20))
    queue = np.arange(0.15, 9.1, 0.15)  # one answer every 0.15 s
    assert falls_behind(due, queue)
    assert not falls_behind(due[:5], queue[:5])  # too few to say
    assert not falls_behind(due, due + 30 + np.arange(60) / 100)  # long answers, but as many as are asked for


def test_the_overview_says_what_was_sent_who_waited_and_that_the_interval_is_too_narrow() -> None:
    due, seconds = [0.0, 1.0, 2.0, 3.0], [1.5, 1.0, 0.5, 0.4]
    told = load_overview(Arrival(1, "constant"), requests(due, seconds, [0, 0.5, 0, 0]), np.array(seconds))
    assert told.splitlines() == [
        "sent 1 requests a second (at a constant rate), up to 1 under way at once",
        "1 of 4 waited until they were sent, up to 0.5 s, which counts: no more than 1 are asked at once",
        "neighbouring requests waited together (autocorrelation 0.30), and the interval is too narrow",
    ]


def test_the_overview_says_that_the_model_does_not_keep_up() -> None:
    due = np.arange(30) / 10
    ends = 0.2 * (np.arange(30) + 1)
    (sent, behind) = load_overview(
        Arrival(10, seed=4), requests(due.tolist(), (ends - due).tolist()), ends - due
    ).splitlines()
    assert sent.startswith("sent 10 requests a second (Poisson, seed 4), up to ")
    assert behind == (
        "answers came at 5 a second, later and later: the model does not keep up, and times grow with the number of requests"
    )


def test_the_message_of_a_gate_has_it_below_the_quantiles() -> None:
    outputs = requests([0, 1, 2, 3], [0.5, 0.4, 0.5, 0.4])
    shown = Latency(quantile=0.5, arrival=Arrival(1)).explain_outputs(outputs)
    assert shown.splitlines()[0] == "p50 0.4 s, longest 0.5 s"
    assert shown.splitlines()[1].startswith("sent 1 requests a second (Poisson, seed 0)")


@pytest.mark.parametrize("value", [math.nan, 0.0])
def test_nothing_is_said_of_neighbours_where_a_request_has_no_time(value: float) -> None:
    outputs = requests([0, 1, 2, 3], [0.5, 0.5, 0.1, 0.1])
    told = load_overview(Arrival(1, "constant"), outputs, np.array([value, 0.5, 0.1, 0.1]))
    assert told == "sent 1 requests a second (at a constant rate), up to 1 under way at once"
