"""Through a file and back: how a module, or a tokenizer, is saved and loaded again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_model as load_tensors
from safetensors.torch import save_model as save_tensors
from torch import nn

from pytest_llm.models.loading import quietly


def module_from_file(module: nn.Module, folder: Path) -> tuple[nn.Module, str]:
    """The module that comes back from a file, and by which way it went.

    Models of `transformers` go by their own `save_pretrained`. Those that it refuses (read from GGUF), adapters and modules of
    one's own go as tensors, into a copy whose weights were blanked.
    """
    given: Any = module
    if hasattr(given, "save_pretrained") and not hasattr(given, "get_base_model") and _is_plain(given):
        implementation = given.config._attn_implementation
        with quietly():
            given.save_pretrained(folder)
            loaded = type(given).from_pretrained(folder, dtype=given.dtype, attn_implementation=implementation)
        way = "save_pretrained"
    else:
        file = str(folder / "weights.safetensors")
        save_tensors(module, file)
        loaded = copy.deepcopy(given)
        with torch.no_grad():
            for tensor in loaded.state_dict().values():
                tensor.zero_()
        load_tensors(loaded, file)
        way = "safetensors"
    first = next(module.parameters(), None)
    place = torch.device("cpu") if first is None else first.device
    returned: nn.Module = loaded.to(place).train(module.training)
    return returned, way


def tokenizer_from_file(tokenizer: Any, folder: Path) -> Any:
    """The tokenizer that comes back from a file."""
    tokenizer.save_pretrained(folder)
    return type(tokenizer).from_pretrained(folder)


def _is_plain(module: Any) -> bool:
    return getattr(module, "hf_quantizer", None) is None
