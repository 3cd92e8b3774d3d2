"""Attention over a row in which many segments stand behind each other, each seeing only its own sequence.

A model of `transformers` calls the attention that its configuration names. `replaced_attention` names ours, which hands query,
key and value of each layer to the object that reads the row at that moment: `TreeAttention` here for scoring and for prompts,
`SlotAttention` in `generation` for the tokens that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from pytest_llm.binding import bound
from pytest_llm.models.linear_kernels import is_altered
from pytest_llm.models.memory import on_device
from pytest_llm.models.prefix_tree import Pack, Segment
from pytest_llm.models.varlen_attention import Bounds, Kernel, varlen_kernel

KeysAndValues = tuple[torch.Tensor, torch.Tensor]

_IMPLEMENTATION = "pytest_llm_packed"
_ROWS_PER_CALL = 128
"""Short segments that see the same beginning share a call, up to so many rows: each pays for the keys of all."""
_ROWS_PER_MASK = 512
"""A long segment behind others is attended so many rows at a time, which bounds the size of masks."""
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


@dataclass(frozen=True)
class Call:
    """Some rows of the row, and the stretches of keys that they see; `None` for each row all keys up to itself."""

    rows: slice
    keys: tuple[slice, ...]
    """In the order of positions. Counted from the first carried key on."""
    see: torch.Tensor | None
    """`[rows, keys]`, whether a row sees a key; None: the keys are the rows' own, and each sees those up to itself."""

    @cached_property
    def bias(self) -> dict[torch.dtype, torch.Tensor]:
        return {}

    def mask(self, like: torch.Tensor) -> torch.Tensor | None:
        """0 where a row sees a key, else −∞, in the query's type; made once for all layers."""
        if self.see is None:
            return None
        if like.dtype not in self.bias:
            hidden = torch.zeros(self.see.shape, dtype=like.dtype).masked_fill_(~self.see, float("-inf"))
            self.bias[like.dtype] = on_device(hidden, like.device)
        return self.bias[like.dtype]


class TreeAttention:
    """Causal attention of the packs of a tree, one pack after the other.

    Keys and values of segments that a later pack builds on are carried over; there are never more of them than one
    sequence has.

    Args:
        segments: of the whole tree.
        listen: given each layer's keys and values of the carried segments and of the row, if anyone wants them.
    """

    def __init__(self, segments: Sequence[Segment], listen: Callable[[int, KeysAndValues], None] | None = None) -> None:
        self.longest = max((s.start + len(s.tokens) for s in segments), default=0)
        self._segments = segments
        self._listen = listen
        self._carried: dict[int, KeysAndValues] = {}
        self._plan: _InCalls | _InOneKernel | None = None
        self._pack: Pack
        self._places: dict[int, slice]
        self._keep: tuple[slice, ...] = ()

    def turn_to(self, pack: Pack, following: Pack | None) -> dict[int, slice]:
        """The next row is `pack`; what `following` builds on will be carried over. Where each segment's keys will stand."""
        self._places = key_places(self._segments, pack)
        self._pack, self._plan = pack, None
        self._keep = tuple(self._places[index] for index in following.carried) if following else ()
        return self._places

    def __call__(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        if layer in self._carried:
            before = self._carried.pop(layer)
            key, value = torch.cat([before[0], key], dim=2), torch.cat([before[1], value], dim=2)
        if self._listen is not None:
            self._listen(layer, (key, value))
        if self._keep:
            self._carried[layer] = (_stretches(key, self._keep).clone(), _stretches(value, self._keep).clone())
        if self._plan is None:
            kernel = varlen_kernel(query, key)
            self._plan = (
                _InCalls(plan_calls(self._segments, self._pack, self._places))
                if kernel is None
                else _InOneKernel(kernel, *plan_bounds(self._segments, self._pack, self._places, query.device))
            )
        return self._plan.attend(query, key, value, scaling)


@dataclass(frozen=True)
class _InCalls:
    """A call for each long segment and for each few short ones."""

    calls: Sequence[Call]

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        attended = [
            scaled_dot_product_attention(
                query[:, :, call.rows],
                _stretches(key, call.keys),
                _stretches(value, call.keys),
                attn_mask=call.mask(query),
                is_causal=call.see is None,
                scale=scaling,
            )
            for call in self.calls
        ]
        return torch.cat(attended, dim=2)


@dataclass(frozen=True)
class _InOneKernel:
    """All segments at once, each with its own copy of the keys before it."""

    kernel: Kernel
    bounds: Bounds
    keys: torch.Tensor | None

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None
    ) -> torch.Tensor:
        if self.keys is not None:
            key, value = key.index_select(2, self.keys), value.index_select(2, self.keys)
        return self.kernel(query, key, value, self.bounds, scaling)


def key_places(segments: Sequence[Segment], pack: Pack) -> dict[int, slice]:
    """Where the keys of each segment stand: first those carried over, then those of the row."""
    indices = [*pack.carried, *pack.segments]
    ends = list(accumulate(len(segments[index].tokens) for index in indices))
    return {index: slice(start, end) for index, start, end in zip(indices, [0, *ends], ends, strict=False)}


def plan_bounds(
    segments: Sequence[Segment], pack: Pack, places: dict[int, slice], device: torch.device
) -> tuple[Bounds, torch.Tensor | None]:
    """Each segment as a sequence that sees its path and itself: its bounds, and which keys stand there in what order.

    None for the keys where they stand so already: no segment has others before it.
    """
    rows = [len(segments[index].tokens) for index in pack.segments]
    seen = [[places[before] for before in (*segments[index].path, index)] for index in pack.segments]
    bounds = Bounds.of(rows, [sum(place.stop - place.start for place in of_one) for of_one in seen], device)
    if all(len(of_one) == 1 for of_one in seen):
        return bounds, None
    order = torch.cat([torch.arange(place.start, place.stop) for of_one in seen for place in of_one])
    return bounds, on_device(order, device)


def plan_calls(segments: Sequence[Segment], pack: Pack, places: dict[int, slice]) -> list[Call]:
    """The fewest calls that compute the row: short neighbours that see the same beginning share one."""
    carried = sum(len(segments[index].tokens) for index in pack.carried)
    groups: list[list[int]] = []
    for index in pack.segments:
        fits = groups and sum(len(segments[i].tokens) for i in (*groups[-1], index)) <= _ROWS_PER_CALL
        if fits and segments[groups[-1][0]].path == segments[index].path:
            groups[-1].append(index)
        else:
            groups.append([index])
    return [call for group in groups for call in _calls_of(segments, group, places, carried)]


def _calls_of(
    segments: Sequence[Segment], group: Sequence[int], places: dict[int, slice], carried: int
) -> Iterator[Call]:
    path = segments[group[0]].path
    own = slice(places[group[0]].start, places[group[-1]].stop)
    if not path and len(group) == 1:
        yield Call(slice(own.start - carried, own.stop - carried), (own,), None)
        return
    before = [places[index] for index in path]
    seen_before = sum(len(segments[index].tokens) for index in path)
    for start in range(own.start, own.stop, _ROWS_PER_MASK):
        stop = min(start + _ROWS_PER_MASK, own.stop)
        see = torch.ones(stop - start, seen_before + stop - own.start, dtype=torch.bool)
        numbers = torch.cat([torch.full((len(segments[index].tokens),), index) for index in group])
        first = start - own.start
        same = numbers[first : stop - own.start, None] == numbers[None, : stop - own.start]
        see[:, seen_before:] = same & torch.ones_like(same).tril(diagonal=first)
        keys = tuple(_joined([*before, slice(own.start, stop)]))
        yield Call(slice(start - carried, stop - carried), keys, see)


def _joined(places: Sequence[slice]) -> Iterator[slice]:
    """Stretches that follow each other as one, so that they need no copy."""
    start, end = places[0].start, places[0].stop
    for place in places[1:]:
        if place.start != end:
            yield slice(start, end)
            start = place.start
        end = place.stop
    yield slice(start, end)


def _stretches(keys: torch.Tensor, places: Sequence[slice]) -> torch.Tensor:
    if len(places) == 1:
        return keys[:, :, places[0]]
    return torch.cat([keys[:, :, place] for place in places], dim=2)


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
