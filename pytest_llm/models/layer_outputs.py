"""What the layers of a module put out that follow one another, heard while it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError

EMBEDDINGS = "embeddings"
"""What `listening` calls what goes into the first layer."""


@contextmanager
def listening(module: nn.Module, hear: Callable[[str, torch.Tensor], None]) -> Iterator[None]:
    """Say what each of a module's stacked layers puts out, and first what the stack was given, as it happens."""
    layers = stack(module)
    handles = []
    for place, (name, layer) in enumerate(layers):
        if place == 0:
            handles.append(
                layer.register_forward_pre_hook(
                    lambda _, args, kwargs: hear(EMBEDDINGS, _first_tensor([*args, *kwargs.values()])),
                    with_kwargs=True,
                )
            )
        handles.append(layer.register_forward_hook(lambda _m, _a, out, name=name: hear(name, _first_tensor([out]))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def stack(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """The layers that follow one another, with their names: the longest list of modules in it, the last of several such."""
    lists = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.ModuleList | nn.Sequential)]
    if not lists:
        return []
    name, longest = max(reversed(lists), key=lambda entry: len(entry[1]))
    return [(f"{name}.{number}" if name else str(number), layer) for number, layer in enumerate(longest)]


def _first_tensor(values: Sequence[Any]) -> torch.Tensor:
    for value in values:
        if isinstance(value, torch.Tensor):
            return value
        if isinstance(value, tuple | list) and value and isinstance(value[0], torch.Tensor):
            return value[0]
    raise MisuseError("a layer without a tensor to look at")
