"""The unit of time that a machine sets, by a clock that the tests hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.inference import probe
from pytest_llm.inference.calibration import Calibration, around
from tests.timed_models import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock().put_in_place(monkeypatch)


def products_take(monkeypatch: pytest.MonkeyPatch, clock: Clock, *seconds: float) -> list[tuple[int, ...]]:
    """Let the next products take so long, the last one's time from then on; the shapes that were multiplied."""
    shapes: list[tuple[int, ...]] = []
    own = torch.Tensor.__matmul__

    def multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        clock.now += seconds[min(len(shapes), len(seconds) - 1)]
        shapes.append((*left.shape, *right.shape))
        return own(left, right)

    monkeypatch.setattr(torch.Tensor, "__matmul__", multiply)
    return shapes


def test_a_block_is_the_mean_of_its_products_and_the_first_one_does_not_count(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    shapes = products_take(monkeypatch, clock, 90, 90, 90, 1, 2, 3, 4)
    assert Calibration(size=8).blocks() == [2.0] + [4.0] * 8
    assert set(shapes) == {(8, 8, 8, 8)}


def test_products_are_timed_before_and_after_the_work_and_their_median_counts(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Half of the blocks take 1 s, those after the work 3 s: the median of both is 2 s."""
    products_take(monkeypatch, clock, *[1.0] * 30, 3.0)
    assert around(Calibration(size=2), "cpu", lambda: "done") == ("done", 2.0)


def test_an_interrupted_block_does_not_count(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    products_take(monkeypatch, clock, *[1.0] * 12, 500.0, *[1.0] * 47)
    assert around(Calibration(size=2), "cpu", lambda: None)[1] == 1.0


def test_products_without_a_duration_are_refused(clock: Clock) -> None:
    with pytest.raises(MisuseError, match=r"one product of two 4 × 4 matrices took 0 s: take larger matrices"):
        around(Calibration(size=4), "cpu", lambda: None)


def test_the_device_is_waited_for(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    waited_for: list[Any] = []
    monkeypatch.setattr(probe, "synchronise", lambda model: waited_for.append(model.device))
    Calibration(size=2).blocks()
    assert waited_for == [torch.device("cpu")] * 2 * 10


@pytest.mark.parametrize("size", [0, 2.0, True, "512"])
def test_sizes_that_are_none_are_refused(size: Any) -> None:
    with pytest.raises(MisuseError, match="expected a whole number of rows and columns"):
        Calibration(size)
