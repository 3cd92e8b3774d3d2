"""Scoring many windows in one forward pass without padding: they stand behind each other in one row.

Each window keeps to itself: positions start again at 0, and attention is computed window by window. The language-modelling
head never makes the matrix `[tokens, vocabulary]`: logits exist for a tile at a time, and only their log-sum-exp is kept.

Not every architecture can be packed (attention with a sliding window, a state that runs along the row, logits that are
scaled after the head), so `scores_packed` is used only by models whose answers a probe has found equal to the plain path's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from pytest_llm.models.language_model import Window

TOKENS_PER_PACK = 1024
"""Enough to keep two to sixteen cores busy; more only costs memory (measured: 1 024 to 4 096 are equally fast)."""
_ROWS, _COLUMNS = 1024, 2048  # of a tile of logits: 8 MiB in float32, which stays in the cache

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
_REACH = {"sliding_window": "slides over", "attention_chunk_size": "is cut into chunks of"}  # names in configurations
_bounds: ContextVar[tuple[int, ...]] = ContextVar("pytest_llm_pack_bounds")


class CannotPack(Exception):
    """This model needs something of attention or of its head that packing does not do; the message says what."""


def scores_packed(module: Any, windows: Sequence[Window]) -> list[torch.Tensor]:
    """The log-probabilities of the scored tokens of each window, in order, float32 on the model's device.

    Raises:
        CannotPack: the architecture asks for what packing does not do.
    """
    _refuse_limited_attention(module.config, max((len(window.tokens) - 1 for window in windows), default=0))
    head = module.get_output_embeddings()
    if type(head) is not torch.nn.Linear:
        raise CannotPack(f"the head is a {type(head).__name__}, not a plain linear layer")
    answers: list[torch.Tensor | None] = [None] * len(windows)
    with torch.inference_mode(), _packed_attention(module):
        for pack in plan_packs([len(window.tokens) - 1 for window in windows]):
            for index, answer in zip(pack, _score_pack(module, head, [windows[i] for i in pack]), strict=True):
                answers[index] = answer
    return [answer for answer in answers if answer is not None]


def plan_packs(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of windows for each pack: longest first, each pack filled up to `TOKENS_PER_PACK`; a longer window goes alone."""
    packs: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not packs or lengths[index] > room:
            packs.append([])
            room = TOKENS_PER_PACK
        packs[-1].append(index)
        room -= lengths[index]
    return packs


def _score_pack(module: Any, head: torch.nn.Linear, windows: Sequence[Window]) -> list[torch.Tensor]:
    device = head.weight.device
    lengths = [len(window.tokens) - 1 for window in windows]
    tokens = torch.tensor([[token for window in windows for token in window.tokens[:-1]]], device=device)
    positions = restarted_positions(lengths)[None].to(device)
    bounds = (0, *accumulate(lengths))
    token = _bounds.set(bounds)
    try:
        hidden = module.base_model(input_ids=tokens, position_ids=positions, use_cache=False).last_hidden_state[0]
    finally:
        _bounds.reset(token)
    scored = [torch.arange(end - window.scored, end) for end, window in zip(bounds[1:], windows, strict=True)]
    rows = torch.cat(scored).to(device)
    targets = torch.tensor([t for window in windows for t in window.tokens[-window.scored :]], device=device)
    return list(torch.split(head_log_probs(hidden[rows], head, targets), [window.scored for window in windows]))


def restarted_positions(lengths: Sequence[int]) -> torch.Tensor:
    """0, 1, 2, … for each window anew."""
    return torch.cat([torch.arange(length) for length in lengths])


def head_log_probs(hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor) -> torch.Tensor:
    """`log softmax(head(hidden))[target]` of each row in float32, a tile of rows × vocabulary at a time.

    Shapes: `[rows, width]`, `[rows]` to `[rows]`. With the log-sum-exp `Lₖ` of vocabulary tile k, the whole is
    `log Σ exp Lₖ` (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax").
    """
    pieces = []
    for start in range(0, len(hidden), _ROWS):
        rows, chosen = hidden[start : start + _ROWS], targets[start : start + _ROWS]
        total: torch.Tensor | None = None
        target_logits = torch.zeros(len(rows), device=rows.device)
        for column in range(0, head.out_features, _COLUMNS):
            weight = head.weight[column : column + _COLUMNS]
            bias = None if head.bias is None else head.bias[column : column + _COLUMNS]
            logits = torch.nn.functional.linear(rows, weight, bias).float()
            inside = (chosen >= column) & (chosen < column + len(weight))
            index = (chosen - column).clamp(0, len(weight) - 1)
            target_logits = torch.where(inside, logits.gather(1, index[:, None])[:, 0], target_logits)
            part = logits.logsumexp(dim=1)
            total = part if total is None else torch.logaddexp(total, part)
        assert total is not None  # a vocabulary has at least one entry
        pieces.append(target_logits - total)
    return torch.cat(pieces)


def _refuse_limited_attention(config: Any, longest: int) -> None:
    """Some architectures limit how far attention reaches by their mask alone, which packing replaces, and the probe is short."""
    for name, how in _REACH.items():
        reach = getattr(config, name, None)
        if reach is not None and longest > reach:
            raise CannotPack(f"attention {how} {reach} tokens")


@contextmanager
def _packed_attention(module: Any) -> Iterator[None]:
    """Let the model compute attention window by window, for the length of a `with` block."""
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


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each window: `[1, heads, tokens, width]` to `[1, tokens, heads, width]`."""
    bounds = _bounds.get()
    window = settings.pop("sliding_window", None)
    if window is not None and max(end - start for start, end in pairwise(bounds)) > window:
        raise CannotPack(f"attention slides over {window} tokens")
    if attention_mask is not None:
        raise CannotPack("attention brings a mask of its own")
    for name, given in settings.items():
        if name not in _HARMLESS and given is not None and given is not False:
            raise CannotPack(f"attention is given {name}")
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    attended = [
        scaled_dot_product_attention(
            query[:, :, start:end], key[:, :, start:end], value[:, :, start:end], is_causal=True, scale=scaling
        )
        for start, end in pairwise(bounds)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2).contiguous(), None


AttentionInterface.register(_IMPLEMENTATION, _attend)
