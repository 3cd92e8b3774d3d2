"""Kernels: chosen by measurement, equal in what they compute, and gone after the block."""

from __future__ import annotations

import pytest
import torch

from pytest_llm.models import linear_kernels
from pytest_llm.models.linear_kernels import fastest_linears, onednn_is_faster


@pytest.fixture
def network() -> torch.nn.Sequential:
    return torch.nn.Sequential(torch.nn.Linear(48, 96), torch.nn.GELU(), torch.nn.Linear(96, 24, bias=False)).eval()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_kernels, "onednn_is_faster", lambda *shape: True)


@pytest.mark.usefixtures("always")
def test_both_kernels_compute_the_same(network: torch.nn.Sequential) -> None:
    rows = torch.randn(2, 33, 48)
    with torch.inference_mode():
        expected = network(rows)
        with fastest_linears(network):
            assert "forward" in vars(network[0])
            torch.testing.assert_close(network(rows), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("always")
def test_layers_are_left_as_they_were_even_after_an_error(network: torch.nn.Sequential) -> None:
    with pytest.raises(ZeroDivisionError), fastest_linears(network):
        raise ZeroDivisionError
    assert not any("forward" in vars(layer) for layer in network)


@pytest.mark.usefixtures("always")
def test_only_plain_float32_layers_are_switched() -> None:
    class Adapted(torch.nn.Linear):
        pass

    network = torch.nn.Sequential(Adapted(8, 8), torch.nn.Linear(8, 8).bfloat16(), torch.nn.Linear(8, 8))
    with fastest_linears(network):
        assert ["forward" in vars(layer) for layer in network] == [False, False, True]


def test_a_slower_kernel_is_not_taken(network: torch.nn.Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 0.97])  # the default, oneDNN: not clearly faster
    monkeypatch.setattr(linear_kernels, "_seconds", lambda call: next(times))
    assert not onednn_is_faster.__wrapped__(48, 96, 2)


def test_a_kernel_that_computes_something_else_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 0.1])
    monkeypatch.setattr(linear_kernels, "_seconds", lambda call: next(times))
    monkeypatch.setattr(linear_kernels, "_onednn", lambda weight, bias, rows: torch.zeros(len(rows), len(weight)))
    assert not onednn_is_faster.__wrapped__(48, 96, 2)


def test_each_shape_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(linear_kernels, "_seconds", lambda call: calls.append(call) or 1.0)  # type: ignore[func-returns-value]
    for _ in range(3):
        onednn_is_faster(47, 93, 2)
    assert len(calls) in (0, 2)  # none where this build has no oneDNN
