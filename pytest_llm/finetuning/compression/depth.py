"""Fewer layers: some of a model's own, the others gone. A student for distillation (DistilBERT, Sanh et al. 2019), or a pruning."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.compression.compressed import Compressed, copied, original, result
from pytest_llm.models.loading import Model
from pytest_llm.transformer.config import Config


def keep_layers(model: Model, layers: Sequence[int]) -> Compressed:
    """A copy with only these layers, which keep their weights and order.

    Args:
        model: a checkpoint, or a pair, with one stack of layers: an encoder or a decoder, of `transformers` or of the core.
        layers: their numbers, counted from 0, in rising order.

    Raises:
        MisuseError: no such layers, all of them, or more stacks than one.
    """
    before = original(model)
    name, stack = _stack(before.module, before.name)
    kept = list(layers)
    if not kept or kept != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < len(stack) or len(kept) == len(stack):
        raise MisuseError(
            f"layers={kept}: expected some, in rising order, of the {len(stack)} from 0 to {len(stack) - 1}"
        )
    after = copied(before, f"{len(kept)} of {len(stack)} layers")
    parent, _, own_name = name.rpartition(".")
    remaining = nn.ModuleList(after.module.get_submodule(name)[number] for number in kept)
    setattr(after.module.get_submodule(parent), own_name, remaining.eval())
    for number, layer in enumerate(remaining):
        for part in layer.modules():
            if "layer_idx" in vars(part):  # where its keys and values are in a cache
                vars(part)["layer_idx"] = number
    if hasattr(after, "core"):
        _restate_core(after, len(kept))
    else:
        _restate(after.module.config, kept, len(stack))
    gone = tuple(f"{name}.{number}" for number in range(len(stack)) if number not in kept)
    return result(before, after, gone, [])


def _stack(module: nn.Module, title: str) -> tuple[str, nn.ModuleList]:
    """The one list of modules that is as long as there are layers, and its name."""
    config: Any = module.config
    core = getattr(module, "core", None)
    stated = getattr(config, "num_hidden_layers", None) if core is None else core.config.layers
    found = [
        (name, part) for name, part in module.named_modules() if isinstance(part, nn.ModuleList) and len(part) == stated
    ]
    if len(found) != 1 or getattr(config, "is_encoder_decoder", False):
        raise MisuseError(f"{title} has no single stack of layers: an encoder or a decoder alone is needed")
    return found[0]


def _restate(config: Any, kept: Sequence[int], layers: int) -> None:
    """In a configuration of `transformers`: their number, and what it lists for each layer."""
    for name, value in list(vars(config).items()):
        if isinstance(value, list) and len(value) == layers:
            setattr(config, name, [value[number] for number in kept])
    config.num_hidden_layers = len(kept)


def _restate_core(model: Any, layers: int) -> None:
    """In the configuration of a core, which all its parts hold, and in what is stated of it."""
    old: Config = model.core.config
    new = dataclasses.replace(old, layers=layers, decoder_layers=layers)
    for part in model.core.modules():
        if vars(part).get("config") == old:
            part.config = new
    model.module.restate()
