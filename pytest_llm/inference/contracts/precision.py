"""Other types and other devices: how far from the model's own answer, and how far rounding alone would be."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.inference.contracts.differences import NAN_REMEDY, difference, unsettled
from pytest_llm.inference.contracts.rounding import TRIALS, Rounded
from pytest_llm.inference.contracts.subject import Subject
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.models.devices import choose_device
from pytest_llm.models.network import Network
from pytest_llm.wording import number

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32, "float64": torch.float64}


def dtype_closeness(subject: Subject, dtype: str, limit: float | None) -> Examination:
    """Read with weights and products of another type, and compare the distributions with the model's own.

    What would be tolerable is measured: the model's own type, with its weights rounded to the other one and back, and each product
    off by that type's rounding. The other type itself may be twice as far off (four times for the divergence, which grows
    with the square).
    """
    network, contract, kept = subject.network, f"{dtype}_closeness", f"close to itself in {dtype}"
    module = _module(network)
    if broken := unsettled(subject, contract, kept):
        return broken
    compare, unit = (_mean_kld, "nats") if network.gives_logits else (_relative_rms, "of its size")
    texts = [sequence.tokens[None] for sequence in subject.sequences]
    own = [network.read(tokens)[0] for tokens in texts]
    if limit is None:
        rounded = [_rounded_answers(network, module, TYPES[dtype], texts, seed) for seed in range(TRIALS)]
        most = max(compare(one, other) for trial in rounded for one, other in zip(own, trial, strict=True))
        times = 4 if network.gives_logits else 2
        tolerance = Tolerance(
            times * most,
            f"{times} times what it is with weights rounded to {dtype} and each product off by that rounding ({TRIALS} trials)",
        )
    else:
        tolerance = Tolerance(limit, "given")
    other = network.with_module(_of_type(copy.deepcopy(module), TYPES[dtype]))
    cases = []
    for sequence, mine in zip(subject.sequences, own, strict=True):
        answer = other.read(sequence.tokens[None])[0]
        apart = compare(mine, answer)
        finding = f"{sequence.name} is {number(apart)} {unit} away"
        if math.isnan(apart):
            finding = f"{sequence.name} has logits in {dtype} that are no numbers"
        cases.append(Case(sequence.name, apart, finding, sequence.text))
    what = "mean-kld" if network.gives_logits else "relative-rms"
    return subject.examination(
        contract,
        kept,
        cases,
        f"keep norms, softmax and positions in float32; {NAN_REMEDY}",
        settings=[what],
        tolerance=tolerance,
    )


def device_closeness(subject: Subject, device: str) -> Examination:
    """Read on another device, and compare each logit within what rounding explains.

    Raises:
        MisuseError: there is no such device on this machine.
    """
    network = subject.network
    place = choose_device(device)
    contract, kept = "device_closeness", f"close to itself on {place}"
    module = _module(network)
    if broken := unsettled(subject, contract, kept):
        return broken
    other = network.with_module(copy.deepcopy(module).to(place))
    cases = []
    for sequence in subject.sequences:
        tokens = sequence.tokens[None]
        apart = difference(network.read(tokens)[0], other.read(tokens.to(place))[0])
        finding = f"the logits of position {apart.position} of {sequence.name} differ by {apart}"
        cases.append(Case(sequence.name, apart.amount, finding, sequence.text))
    return subject.examination(
        contract,
        kept,
        cases,
        "torch.backends.cuda.matmul.allow_tf32 and reduced-precision reductions are the usual reasons",
        settings=[f"{network.device}-{place}"],
    )


def _module(network: Network) -> nn.Module:
    if network.module is None:
        raise MisuseError(f"{network.name} is no torch module: it cannot be copied to another type or device")
    return network.module


def _of_type(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """With weights of another type. Buffers that are not saved stay: the frequencies of rotary positions are float32 on purpose."""
    kept = set(module.state_dict())
    for name, parameter in [*module.named_parameters(), *module.named_buffers()]:
        if name in kept and parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)
    return module


def _rounded_answers(
    network: Network, module: nn.Module, dtype: torch.dtype, texts: Sequence[torch.Tensor], seed: int
) -> list[torch.Tensor]:
    own: Any = next(module.parameters()).dtype
    rounded = network.with_module(_of_type(_of_type(copy.deepcopy(module), dtype), own))
    with Rounded(seed, network.device, torch.finfo(dtype).eps / 2):
        return [rounded.read(tokens)[0] for tokens in texts]


def _mean_kld(own: torch.Tensor, other: torch.Tensor) -> float:
    """The mean over positions of Σ p ln(p/q), p of the model itself, in nats and in float64."""
    p, q = own.double().log_softmax(dim=-1), other.double().log_softmax(dim=-1)
    divergence = torch.where(p.exp() > 0, p.exp() * (p - q), 0.0).sum(dim=-1)
    return max(0.0, float(divergence.mean())) if not bool(divergence.isnan().any()) else float("nan")


def _relative_rms(own: torch.Tensor, other: torch.Tensor) -> float:
    """√Σ(h − h′)² / √Σh² over all positions, in float64."""
    return float((own.double() - other.double()).norm() / own.double().norm())
