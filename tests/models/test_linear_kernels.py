"""Kernels: chosen by measurement, equal in what they compute, and gone after the block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import torch
import torch.nn.utils.prune

from pytest_llm.models import linear_kernels
from pytest_llm.models.linear_kernels import Kernel, fastest_kernel, fastest_linears


class Network(torch.nn.Sequential):
    """Two layers and a head of 300 entries."""

    def __init__(self, head: torch.nn.Module | None = None) -> None:
        layers = torch.nn.Linear(48, 96), torch.nn.GELU(), torch.nn.Linear(96, 24, bias=False)
        super().__init__(*layers, torch.nn.Linear(24, 300) if head is None else head)

    def get_output_embeddings(self) -> torch.nn.Module:
        return self[3]


@pytest.fixture
def network() -> Network:
    return Network().eval()


@pytest.fixture(params=["onednn", "packed"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    monkeypatch.setattr(linear_kernels, "fastest_kernel", lambda *shape: request.param)
    kernel: Kernel = request.param
    return kernel


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_all_kernels_compute_the_same(network: Network, precision: torch.dtype) -> None:
    if precision == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("oneDNN has no bfloat16 product for this processor, so fastest_kernel never takes it")
    network.to(precision)
    rows = torch.randn(2, 33, 48).to(precision)
    tolerance = 1e-4 if precision == torch.float32 else 0.03
    with torch.inference_mode():
        expected = network(rows)
        with fastest_linears(network, tokens=10**6) as tiles:
            assert ["forward" in vars(layer) for layer in network] == [True, False, True, False]
            assert tiles is not None
            hidden = network[2](network[1](network[0](rows)))
            found = torch.cat([tile(hidden) for tile in tiles], dim=-1)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance / 10)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("bias", [True, False])
def test_the_tiles_are_the_head(monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    monkeypatch.setattr(linear_kernels, "COLUMNS_PER_TILE", {"cpu": 128})
    network = Network(torch.nn.Linear(24, 300, bias=bias))
    rows = torch.randn(5, 24)
    with fastest_linears(network, tokens=10**6) as tiles:
        assert tiles is not None
        found = [tile(rows) for tile in tiles]
    assert [tile.shape[1] for tile in found] == [128, 128, 44]
    torch.testing.assert_close(torch.cat(found, dim=1), network[3](rows), rtol=1e-4, atol=1e-5)


def test_a_head_that_is_no_plain_layer_has_no_tiles() -> None:
    class Adapted(torch.nn.Linear):
        pass

    replaced = Network()
    replaced[3].forward = lambda rows: rows
    for network in (Network(Adapted(24, 300)), replaced):
        with fastest_linears(network, tokens=1) as tiles:
            assert tiles is None


@pytest.mark.usefixtures("always")
def test_layers_are_left_as_they_were_even_after_an_error(network: Network) -> None:
    with pytest.raises(ZeroDivisionError), fastest_linears(network, tokens=10**6):
        raise ZeroDivisionError
    assert not any("forward" in vars(layer) for layer in network)


@pytest.mark.usefixtures("always")
def test_only_plain_layers_of_known_types_are_switched() -> None:
    class Adapted(torch.nn.Linear):
        pass

    replaced = torch.nn.Linear(8, 8)
    replaced.forward = own = lambda rows: rows  # type: ignore[method-assign]
    network = torch.nn.Sequential(Adapted(8, 8), torch.nn.Linear(8, 8).half(), torch.nn.Linear(8, 8), replaced)
    network.get_output_embeddings = lambda: None  # type: ignore[assignment]
    with fastest_linears(network, tokens=10**6):
        assert ["forward" in vars(layer) for layer in network] == [False, False, True, True]
        assert replaced.forward is own
    assert replaced.forward is own


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("change", ["hook", "pruned"])
def test_layers_with_hooks_are_left_alone(network: Network, change: str) -> None:
    """A hook may compute the weight anew before each call, as pruning does, or change the result."""
    for layer in (network[0], network[3]):
        if change == "hook":
            layer.register_forward_hook(lambda module, given, output: output / 2)
        else:
            prune: Any = torch.nn.utils.prune
            prune.l1_unstructured(layer, "weight", amount=0.3)
            with torch.no_grad():
                layer.get_parameter("weight_orig").mul_(3)
    rows = torch.randn(5, 48)
    with fastest_linears(network, tokens=10**6) as tiles:
        found = network(rows)
    assert tiles is None
    torch.testing.assert_close(found, network(rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("tokens", "may_pack"), [(2047, False), (2048, True)])
def test_weights_are_packed_for_much_work_only(
    network: Network, monkeypatch: pytest.MonkeyPatch, tokens: int, may_pack: bool
) -> None:
    asked = []

    def fastest(width_in: int, width_out: int, rows: int, may_pack: bool, *others: Any) -> Kernel:
        asked.append((width_in, width_out, rows, may_pack))
        return "default"

    monkeypatch.setattr(linear_kernels, "fastest_kernel", fastest)
    with fastest_linears(network, tokens=tokens, rows=32):
        assert not any("forward" in vars(layer) for layer in network)
    assert asked == [(48, 96, 32, may_pack), (96, 24, 32, may_pack), (24, 300, 32, may_pack)]


def ask(may_pack: bool = True) -> Kernel:
    kernel: Kernel = fastest_kernel.__wrapped__(48, 96, 512, may_pack, torch.float32, 1)
    return kernel


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the kernels take, in the order default, oneDNN, packed."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this build has no oneDNN")
    seconds: list[float] = []
    monkeypatch.setattr(linear_kernels, "seconds", lambda calls: {name: seconds.pop(0) for name in calls})
    yield seconds
    assert not seconds


@pytest.mark.parametrize(
    ("seconds", "fastest"),
    [
        ([1.0, 0.98, 0.98], "default"),  # not clearly faster
        ([1.0, 0.9, 2.0], "onednn"),
        ([1.0, 2.0, 0.9], "packed"),
        ([1.0, 0.9, 0.89], "onednn"),
        ([1.0, 0.9, 0.5], "packed"),
    ],
)
def test_another_kernel_has_to_be_clearly_faster(timed: list[float], seconds: list[float], fastest: Kernel) -> None:
    timed += seconds
    assert ask() == fastest


def test_without_leave_to_pack_nothing_is_packed(timed: list[float]) -> None:
    timed += [1.0, 0.9]
    assert ask(may_pack=False) == "onednn"


def test_a_kernel_that_computes_something_else_is_not_taken(
    timed: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    timed += [1.0]
    monkeypatch.setattr(linear_kernels, "_onednn", lambda weight, bias, rows: torch.zeros(len(rows), 96))
    assert ask() == "default"


def test_a_kernel_that_this_processor_lacks_is_not_taken(timed: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*arguments: Any) -> torch.Tensor:
        raise RuntimeError("mkldnn: not supported on this processor")

    monkeypatch.setattr(linear_kernels, "_onednn", unsupported)
    assert ask() == "default"


def test_each_shape_is_timed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Kernel]] = []

    def count(calls: dict[Kernel, Any]) -> dict[Kernel, float]:
        asked.append(list(calls))
        return dict.fromkeys(calls, 1.0)

    monkeypatch.setattr(linear_kernels, "seconds", count)
    for _ in range(3):
        fastest_kernel(47, 93, 2, True, torch.float32, 1)
    assert asked in ([], [["default", "onednn", "packed"]])  # not timed where this build has no oneDNN


def test_blocks_nest(network: Network, always: Kernel) -> None:
    with ExitStack() as blocks:
        blocks.enter_context(fastest_linears(network, tokens=1))
        outer = network[0].forward
        with fastest_linears(network, tokens=1):
            assert network[0].forward is outer
        assert network[0].forward is outer
    assert "forward" not in vars(network[0])
