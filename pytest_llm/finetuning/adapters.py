"""What strategies that train a few added numbers share: the library `peft`, and putting back what it trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.trainer import ParameterGroup


def library() -> Any:
    """The package `peft`.

    Raises:
        MisuseError: it is not installed.
    """
    try:
        import peft
    except ImportError:
        raise MisuseError(
            "low-rank adapters and soft prompts need the package peft: pip install 'pytest-llm-regression[finetuning]'"
        ) from None
    return peft


def inject(module: nn.Module, config: Any, seed: int) -> None:
    """Put adapters into a module, in place; its class stays what it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        library().inject_adapter_in_model(config, module)


def added(module: nn.Module, part: str) -> Sequence[ParameterGroup]:
    """The parameters that were put in, by a part of their names."""
    return [ParameterGroup(tuple(name for name, _ in module.named_parameters() if part in name))]


def merge(module: nn.Module) -> None:
    """Add what adapters learned to the weights they stand before, and take them out: a model without `peft` is left."""
    for name, part in list(module.named_modules()):
        if hasattr(part, "get_base_layer") and hasattr(part, "merge"):
            part.merge(safe_merge=True)
            above, _, own = name.rpartition(".")
            setattr(module.get_submodule(above), own, part.get_base_layer())
    module.requires_grad_(True)
