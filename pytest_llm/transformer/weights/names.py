"""From the names that a published checkpoint gives its tensors to ours, and a check that none is missing or left over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config, FeedForwardKind

Parameters: TypeAlias = dict[str, nn.Parameter]

ACTIVATIONS: dict[str, FeedForwardKind] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
_NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")


def renamed(state: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """Tensors under our names; one whose name is not known keeps it.

    Args:
        state: tensors by name, such as `h.3.ln_1.weight`.
        names: of modules, with `*` for the number of a layer: `{"h.*.ln_1": "layers.*.attention_norm"}`.
    """
    return {_renamed(name, names): tensor for name, tensor in state.items()}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    module, _, parameter = name.rpartition(".")
    own = names.get(_NUMBER.sub("*", module))
    if own is None:
        return name
    number = _NUMBER.search(module)
    return f"{own.replace('*', number[0]) if number else own}.{parameter}"


def activation_of(name: str) -> FeedForwardKind:
    """Our name of an activation.

    Raises:
        MisuseError: there is none here.
    """
    if name not in ACTIVATIONS:
        raise MisuseError(f"the activation {name!r} is not supported, only {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def without(state: Mapping[str, Tensor], patterns: Iterable[str]) -> dict[str, Tensor]:
    """Leave out tensors whose whole name matches one of these regular expressions: what a model of ours has no use for."""
    unwanted = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    return {name: tensor for name, tensor in state.items() if not unwanted.fullmatch(name)}


def filled(kind: Callable[[Config], nn.Module], config: Config, state: Mapping[str, Tensor]) -> nn.Module:
    """A model of these tensors. What the configuration asks for is held against them before anything is allocated.

    Raises:
        MisuseError: as `fill`.
    """
    if max(config.layers, config.decoder_layers) > len(state):
        raise MisuseError(f"the configuration asks for {config.layers} layers, and there are {len(state)} tensors")
    with torch.device("meta"):
        check(kind(config), state)
    model = kind(config)
    fill(model, state)
    return model


def fill(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy tensors into a model, by our names; the model takes their type.

    Raises:
        MisuseError: as `check`; or a tensor differs from the one that it should be tied to.
    """
    own, alias = check(model, state)
    for name, parameter in alias.items():
        first = next(other for other, tensor in own.items() if tensor is parameter)
        if name in state and not torch.equal(state[name], state[first]):
            raise MisuseError(f"the configuration says that {name} and {first} are one tensor, but they differ")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.data = state[name].detach().clone()


def check(model: nn.Module, state: Mapping[str, Tensor]) -> tuple[Parameters, Parameters]:
    """The parameters of a model that have tensors, by name, and those that are tied to one of these.

    Raises:
        MisuseError: a tensor of the model is missing, one is left over, or has another shape.
    """
    own = dict(model.named_parameters())  # tied ones once, under their first name
    alias = {name: parameter for name, parameter in model.named_parameters(remove_duplicate=False) if name not in own}
    complain("has no tensor", sorted(own.keys() - state.keys()))
    complain("has tensors that the model has no place for:", sorted(state.keys() - own.keys() - alias.keys()))
    for name, parameter in own.items():
        if state[name].shape != parameter.shape:
            shapes = f"{tuple(state[name].shape)}, expected {tuple(parameter.shape)}"
            raise MisuseError(f"the tensor {name} has shape {shapes}: is the configuration this checkpoint's?")
    return own, alias


def complain(what: str, names: list[str]) -> None:
    """Raise if there are any, naming the first few."""
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise MisuseError(f"the checkpoint {what} {', '.join(names[:3])}{more}")
