"""Attention over a row in which many segments stand behind each other, each seeing only its own sequence.

In one kernel for all segments where there is one (`varlen_attention`), else in few calls, each with the keys that its rows see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch.nn.functional import scaled_dot_product_attention

from pytest_llm.models.memory import on_device
from pytest_llm.models.prefix_tree import Pack, Segment
from pytest_llm.models.varlen_attention import Bounds, Kernel, varlen_kernel

KeysAndValues = tuple[torch.Tensor, torch.Tensor]

_ROWS_PER_CALL = 128
"""Short segments that see the same beginning share a call, up to so many rows: each pays for the keys of all."""
_ROWS_PER_MASK = 512
"""A long segment behind others is attended so many rows at a time, which bounds the size of masks."""


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
