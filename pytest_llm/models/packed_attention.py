"""How a row is read by a model of `transformers` with another attention than its own.

A model of `transformers` calls the attention that its configuration names. `replaced_attention` names ours, which hands query,
key and value of each layer to the object that reads the row at that moment: `TreeAttention` (`tree_attention`) for scoring and for
prompts, `SlotAttention` (`continuous_batching`) for the tokens that follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import torch
from transformers import AttentionInterface

from pytest_llm.binding import bound
from pytest_llm.models.linear_kernels import is_altered
from pytest_llm.models.memory import on_device
from pytest_llm.models.prefix_tree import Pack, Segment

_IMPLEMENTATION = "pytest_llm_packed"
_HARMLESS = {
    "dropout",
    "is_causal",
    "position_ids",
    "cache_position",
    "use_cache",
    "output_attentions",
    "position_embeddings",
}
_FOLLOWS_THE_LONGEST = ("longrope", "dynamic")
"""Kinds of rotary positions whose frequencies are chosen anew for each row, by its longest text."""
_REACH = {"sliding_window": "slides over", "attention_chunk_size": "is cut into chunks of"}  # names in configurations


class CannotPack(Exception):
    """This model needs something of attention or of its head that packing does not do; the message says what."""


class RowAttention(Protocol):
    """Computes attention for the row that is being read."""

    longest: int
    """The longest sequence in tokens that it computes attention over."""

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        """`[1, heads, rows, width]` each, fewer heads in key and value, to `[1, heads, rows, width]`."""


_reading: ContextVar[RowAttention] = ContextVar("pytest_llm_reading")


@contextmanager
def replaced_attention(module: Any) -> Iterator[None]:
    """Let the model hand its attention to us for the length of a `with` block.

    Raises:
        CannotPack: it would not, or its attention reaches in a way that we do not compute.
    """
    if module.config.get_text_config() is not module.config:
        raise CannotPack("the model is made of several models")
    before = module.config._attn_implementation
    try:
        module.set_attn_implementation(_IMPLEMENTATION)
        if module.config._attn_implementation != _IMPLEMENTATION:
            raise CannotPack("its attention cannot be replaced")
        yield
    finally:
        module.set_attn_implementation(before)


def refuse_what_packing_misses(module: Any, longest: int) -> None:
    """Refuse what a short probe, made earlier, does not show.

    Attention that reaches a limited way is limited by its mask alone in some architectures, and packing replaces that;
    and packing goes past the model's own forward and its head's, so hooks there would not run.

    Raises:
        CannotPack: one of these.
    """
    for part in (module, module.get_output_embeddings()):
        if part is not None and is_altered(part):
            raise CannotPack(f"the forward of its {type(part).__name__} is hooked or replaced")
    config = module.config
    for name, how in _REACH.items():
        reach = getattr(config, name, None)
        if reach is not None and longest > reach:
            raise CannotPack(f"attention {how} {reach} tokens")
    for rotary in _rotary_parameters(config):
        known = rotary.get("original_max_position_embeddings") or getattr(
            config, "original_max_position_embeddings", config.max_position_embeddings
        )
        if rotary.get("rope_type") in _FOLLOWS_THE_LONGEST and longest > known:
            raise CannotPack(f"beyond {known} tokens its positions depend on the longest text of a row")


def _rotary_parameters(config: Any) -> list[Any]:
    """Those of all layers together, or of each type of layer."""
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    nested = [part for part in found.values() if isinstance(part, dict)]
    return nested or [found]


def read_pack(module: Any, segments: Sequence[Segment], pack: Pack, attention: RowAttention) -> torch.Tensor:
    """The last hidden states `[rows, width]` of a pack."""
    row = [segments[index] for index in pack.segments]
    positions = torch.cat([torch.arange(segment.start, segment.start + len(segment.tokens)) for segment in row])
    return read_row(module, [token for segment in row for token in segment.tokens], positions, attention)


def read_row(module: Any, tokens: Sequence[int], positions: torch.Tensor, attention: RowAttention) -> torch.Tensor:
    """The last hidden states `[rows, width]` of tokens that stand in one row."""
    device = module.get_input_embeddings().weight.device
    row = on_device(torch.tensor([tokens]), device)
    with bound(_reading, attention):
        read = module.base_model(input_ids=row, position_ids=on_device(positions[None], device), use_cache=False)
    hidden: torch.Tensor = read.last_hidden_state[0]
    return hidden


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """What `transformers` calls in each layer: `[1, heads, rows, width]` to `[1, rows, heads, width]`."""
    reading = _reading.get()
    window = settings.pop("sliding_window", None)
    if window is not None and reading.longest > window:
        raise CannotPack(f"attention slides over {window} tokens")
    if attention_mask is not None:
        raise CannotPack("attention brings a mask of its own")
    for name, given in settings.items():
        if name not in _HARMLESS and given is not None and given is not False:
            raise CannotPack(f"attention is given {name}")
    layer = getattr(module, "layer_idx", None)
    if not isinstance(layer, int):
        raise CannotPack("its attention does not say which layer it belongs to")
    return reading(layer, query, key, value, scaling).transpose(1, 2).contiguous(), None


AttentionInterface.register(_IMPLEMENTATION, _attend)
