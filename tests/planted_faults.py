"""Models that break one contract each, in the way that real ones do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.tiny_checkpoints import tiny_gpt2, tiny_llama


def with_mask(change: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Any, Any]:
    """Its last layer is given another mask than the others: `change` of the float mask of all places, that hides later ones."""
    module, tokenizer = tiny_llama()

    def hook(_: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        places = args[0].shape[1]
        hidden = torch.full((places, places), -torch.inf).triu(1)
        return args, {**kwargs, "attention_mask": change(hidden)[None, None]}

    module.model.layers[1].register_forward_pre_hook(hook, with_kwargs=True)
    return module, tokenizer


def not_masked() -> tuple[Any, Any]:
    """`is_causal` was forgotten in the last layer."""
    return with_mask(torch.zeros_like)


def mask_one_off() -> tuple[Any, Any]:
    """The mask's diagonal is one off: each token sees the next."""
    return with_mask(lambda hidden: torch.full_like(hidden, -torch.inf).triu(2))


def leaks_at_block() -> tuple[Any, Any]:
    """One token sees one later one: place 15 looks into the next block of 16."""

    def change(hidden: torch.Tensor) -> torch.Tensor:
        if len(hidden) > 16:
            hidden[15, 16] = 0
        return hidden

    return with_mask(change)


def given(module: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """The module with other keywords than it was called with."""
    module.register_forward_pre_hook(lambda _, args, kwargs: (args, change(kwargs)), with_kwargs=True)
    return module


def padding_not_masked() -> tuple[Any, Any]:
    """The mask of padding never arrives."""
    module, tokenizer = tiny_llama()

    def change(kwargs: dict[str, Any]) -> dict[str, Any]:
        mask = kwargs.get("attention_mask")
        return kwargs if mask is None else {**kwargs, "attention_mask": torch.ones_like(mask)}

    return given(module, change), tokenizer


def padding_mask_one_off() -> tuple[Any, Any]:
    """The mask of padding is shifted by a place: one pad is seen, one token is not."""
    module, tokenizer = tiny_llama()

    def change(kwargs: dict[str, Any]) -> dict[str, Any]:
        mask = kwargs.get("attention_mask")
        return kwargs if mask is None else {**kwargs, "attention_mask": mask.roll(-1, dims=1)}

    return given(module, change), tokenizer


def padding_counted() -> tuple[Any, Any]:
    """Positions are counted from the beginning of the row, padding included."""
    module, tokenizer = tiny_gpt2()
    return given(module, lambda kwargs: {k: v for k, v in kwargs.items() if k != "position_ids"}), tokenizer


class OwnDecoder(nn.Module):
    """Somebody's own wrapper of a decoder, with a cache in the style of the project's core: an object that grows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_llama()[0]

    def new_cache(self) -> dict[str, Any]:
        return {}

    def forward(self, tokens: torch.Tensor, cache: dict[str, Any] | None = None) -> torch.Tensor:
        if cache is None:
            return self.logits_of(tokens)
        seen = torch.cat([cache["seen"], tokens], dim=1) if "seen" in cache else tokens
        cache["seen"] = seen
        return self.logits_of(seen)[:, -tokens.shape[1] :]

    def logits_of(self, tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.inner(tokens, use_cache=False).logits
        return logits


class StaleCache(OwnDecoder):
    """What was read is kept in the module, not in the cache: a second text in between is mixed in."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Any] = {}

    def new_cache(self) -> dict[str, Any]:
        self.kept.clear()
        return self.kept


class OneStepLate(OwnDecoder):
    """With a cache, positions go on one place too late: the beginning of what was read is doubled."""

    def forward(self, tokens: torch.Tensor, cache: dict[str, Any] | None = None) -> torch.Tensor:
        if cache is not None and "seen" in cache:
            cache["seen"] = torch.cat([cache["seen"][:, :1], cache["seen"]], dim=1)
        return super().forward(tokens, cache)


def cached_positions_one_off() -> tuple[Any, Any]:
    """A model of transformers whose positions are one too far when it goes on from a cache."""
    module, tokenizer = tiny_llama()

    def change(kwargs: dict[str, Any]) -> dict[str, Any]:
        cache = kwargs.get("cache", kwargs.get("past_key_values"))
        if cache is None or not cache.get_seq_length() or "position_ids" in kwargs:
            return kwargs
        return {**kwargs, "position_ids": torch.tensor([[cache.get_seq_length() + 1]])}

    return given(module, change), tokenizer


def dropout_left_on() -> tuple[Any, Any]:
    module, tokenizer = tiny_llama(attention_dropout=0.1)
    return module.train(), tokenizer


def remembers() -> Callable[[torch.Tensor], torch.Tensor]:
    """A function whose answer depends on what it was asked before."""
    asked: list[torch.Tensor] = []

    def logits(tokens: torch.Tensor) -> torch.Tensor:
        more = float(len(asked) > 0 and not torch.equal(asked[-1], tokens))
        asked.append(tokens)
        return nn.functional.one_hot(tokens, 20).float() + more

    return logits


def mixes_rows() -> tuple[Any, Any]:
    """Its last layer is normalised over the batch."""
    module, tokenizer = tiny_llama()
    module.model.layers[1].register_forward_hook(lambda _m, _a, out: out - out.mean(dim=0) / 10)
    return module, tokenizer


def renamed(kind: type, **members: Any) -> tuple[Any, Any]:
    """A tiny Llama of a class of its own."""
    module, tokenizer = tiny_llama()
    module.__class__ = type(kind.__name__, (kind,), members)
    return module, tokenizer


def saving_rounds() -> tuple[Any, Any]:
    """Saving leaves the model in memory with rounded weights."""
    module, _ = tiny_llama()
    plain = type(module).save_pretrained

    def save_pretrained(self: Any, folder: Any, **more: Any) -> Any:
        with torch.no_grad():
            self.model.norm.weight.copy_(self.model.norm.weight.bfloat16() * 1.01)
        return plain(self, folder, **more)

    return renamed(type(module), save_pretrained=save_pretrained)


def moving_rounds() -> tuple[Any, Any]:
    """What arrives on another device has rounded weights."""
    module, _ = tiny_llama()
    plain = type(module).to

    def to(self: Any, *args: Any, **more: Any) -> Any:
        with torch.no_grad():
            self.lm_head.weight.copy_(self.lm_head.weight.bfloat16())
        return plain(self, *args, **more)

    return renamed(type(module), to=to)


def scale_not_saved() -> tuple[Any, Any]:
    """A number that the logits depend on stands neither in the weights nor in the configuration."""
    module, tokenizer = renamed(type(tiny_llama()[0]), scale=1.0)
    module.scale = 1.5
    module.model.layers[1].register_forward_hook(lambda _m, _a, out: out * module.scale)
    return module, tokenizer


def worse_in(dtype: torch.dtype) -> tuple[Any, Any]:
    """What one layer puts out is off by a fifth in this type, and only there."""
    module, tokenizer = tiny_llama()
    module.model.layers[0].register_forward_hook(lambda _m, _a, out: out * (1.2 if out.dtype == dtype else 1))
    return module, tokenizer
