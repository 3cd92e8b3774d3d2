"""What a model's answers depend on, as one value to compare: equal fingerprints, equal answers.

Weights are read in full, because a version counter does not see `parameter.data` being edited. What is neither a number nor a
text (a replaced `forward`, a hook, a tokenizer) is the same only if it is the same living object: its address alone would
not do, since the next object may be created at the address of one that is gone.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import torch

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_TENSORS = (torch.Tensor, torch.nn.Parameter)


class _Same:
    """Equal to another only while both stand for the same living object. Keeps nothing alive that can be let go."""

    def __init__(self, value: object) -> None:
        self._hash = id(value)
        try:
            self._get: Any = weakref.ref(value)
        except TypeError:  # some objects cannot be referred to weakly
            self._get = lambda: value

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        value = self._get()
        return isinstance(other, _Same) and value is not None and value is other._get()


def fingerprint(module: torch.nn.Module, tokenizer: Any) -> Hashable | None:
    """Changes with weights, settings, hooks, adapters, configuration, tokenizer; None if that cannot be told.

    It cannot where weights are no plain tensors in memory: quantised tensor classes, weights that are loaded when needed.
    """
    tensors = (*module.parameters(), *module.buffers())
    if not are_plain(tensors):
        return None
    return (
        tuple((tuple(tensor.shape), str(tensor.dtype), str(tensor.device)) for tensor in tensors),
        hashlib.blake2b(block_sums([tensor.detach() for tensor in tensors])).digest(),
        structure(module),
        (_Same(tokenizer), len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id),
    )


def structure(module: torch.nn.Module) -> Hashable:
    """Changes with settings, hooks, adapters and configuration, but not with the values of weights."""
    config: Any = module.config
    return tuple(_settings(part) for part in module.modules()), config.to_json_string(use_diff=False)


def are_plain(tensors: Iterable[torch.Tensor]) -> bool:
    """Whether their bits can be read, and are all there is to them."""
    return all(_is_plain(tensor) for tensor in tensors)


def _is_plain(tensor: torch.Tensor) -> bool:
    return type(tensor) in _TENSORS and not (tensor.is_meta or tensor.is_quantized) and tensor.layout is torch.strided


def _settings(module: torch.nn.Module) -> Hashable:
    """What a module holds beside its tensors: its mode, scales, hooks, a replaced forward, whether an adapter is switched off."""
    return type(module), tuple(
        (name, _frozen(value))
        for name, value in vars(module).items()
        if name not in ("_parameters", "_buffers", "_modules")
    )


def _frozen(value: object) -> Hashable:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return type(value), _frozen_all(value), _frozen_all(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return type(value), _frozen_all(value)
    return _Same(value)


def _frozen_all(values: Iterable[object]) -> Hashable:
    return tuple(_frozen(value) for value in values)


def block_sums(tensors: Sequence[torch.Tensor]) -> bytes:
    """The sums of each 2 KiB of each tensor, read as integers: at the speed of memory.

    Every bit takes part; it is blind only to elements that change places within the same 2 KiB. The sums of all tensors of a
    device are fetched at once.
    """
    sums: dict[torch.device, list[torch.Tensor]] = {}
    for tensor in tensors:
        blocks, rest = _blocks(tensor)
        sums.setdefault(tensor.device, []).extend([blocks.sum(dim=1).view(torch.uint8), rest])
    return b"".join(torch.cat(of_device).cpu().numpy().tobytes() for of_device in sums.values())


def column_sums(tensors: Sequence[torch.Tensor]) -> bytes:
    """The sums of what stands at the same place of each 2 KiB of each tensor: what `block_sums` is blind to."""
    return b"".join(_blocks(tensor)[0].sum(dim=0).cpu().numpy().tobytes() for tensor in tensors)


def _blocks(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Its whole 2 KiB as rows of 64-bit integers, and the bytes of the rest."""
    flat = tensor.reshape(-1).view(torch.uint8)
    if flat.storage_offset() % 8:  # a view into other storage, which cannot be read as 64-bit integers in place
        flat = flat.clone()
    whole = len(flat) // 2048 * 2048
    return flat[:whole].view(torch.int64).view(-1, 256), flat[whole:]
