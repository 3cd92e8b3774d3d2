"""What became of requests that were sent at set times: how many were under way, who waited, whether the model kept up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.latency import autocorrelation
from pytest_llm.tasks.arrival import Arrival

ALIKE = 0.2
"""Above this autocorrelation of neighbouring requests, bounds that take them for independent are too narrow."""
_LATE = 0.01
"""Seconds; a timer alone is late by less."""
_BEHIND = 0.95
"""Of the rate of sending; a model that answers at less, and later and later, does not keep up."""


class Request(Protocol):
    """One request that was sent once; seconds."""

    @property
    def due(self) -> float: ...

    @property
    def waited(self) -> FloatArray: ...

    @property
    def whole(self) -> FloatArray: ...


def load_overview(arrival: Arrival, requests: Sequence[Request], times: FloatArray) -> str:
    """Lines of text.

    Args:
        arrival: when requests were to be sent.
        requests: in that order.
        times: the times that are judged, likewise.
    """
    due = np.array([request.due for request in requests])
    waited = np.array([request.waited[0] for request in requests])
    ends = due + np.array([request.whole[0] for request in requests])
    drawn = f"Poisson, seed {arrival.seed}" if arrival.pattern == "poisson" else "at a constant rate"
    at_once = most_at_once(due + waited, ends)
    lines = [f"sent {arrival.rate:g} requests a second ({drawn}), up to {at_once} under way at once"]
    if late := int((waited > _LATE).sum()):
        lines.append(
            f"{late} of {len(due)} waited until they were sent, up to {waited.max():.3g} s, which counts: no more than "
            f"{at_once} are asked at once"
        )
    if falls_behind(due, ends):
        lines.append(
            f"answers came at {_rate(ends):.3g} a second, later and later: the model does not keep up, and times grow with the "
            f"number of requests"
        )
    elif len(times) > 2 and (times > 0).all() and (alike := autocorrelation([np.log(times)])) > ALIKE:
        lines.append(
            f"neighbouring requests waited together (autocorrelation {alike:.2f}), and the interval is too narrow"
        )
    return "\n".join(lines)


def most_at_once(begins: FloatArray, ends: FloatArray) -> int:
    """How many requests at most were under way at the same time; one that ends as another begins is not."""
    begun = np.searchsorted(np.sort(begins), begins, side="right")
    ended = np.searchsorted(np.sort(ends), begins, side="right")
    return int((begun - ended).max())


def falls_behind(due: FloatArray, ends: FloatArray) -> bool:
    """Whether answers come at less than the rate of sending, and the last third takes twice as long as the first."""
    third = len(due) // 3
    if third < 2:
        return False
    seconds = ends - due
    slower = np.median(seconds[-third:]) > 2 * np.median(seconds[:third])
    return bool(slower and _rate(ends) < _BEHIND * _rate(due))


def _rate(moments: FloatArray) -> float:
    span = float(np.ptp(moments))
    return (len(moments) - 1) / span if span > 0 else math.inf
