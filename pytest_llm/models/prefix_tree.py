"""What sequences have in common is computed once: sequences as a tree of segments, and the packs in which it is walked.

The four answers of a multiple-choice question share its text, and all questions share the few-shot block before them:

    few-shot block ─┬─ question 1 ─┬─ answer A
                    │              ├─ answer B
                    └─ question 2 ─┬─ …

Segments stand in depth-first order. A pack is a run of them that the model reads in one row; where a pack ends inside a tree,
the segments before its next one, at most one whole sequence, are carried over. Plain Python: no model, no tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias, TypeVar

LEAST_SHARED = 8
"""A shorter common beginning is not worth an attention call of its own."""

Tokens: TypeAlias = tuple[int, ...]
Sliced = TypeVar("Sliced", Tokens, str)


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens that the model reads once, for all sequences that run through them."""

    tokens: Tokens
    start: int
    """The position of the first one: how many tokens stand before it in its sequences."""
    path: tuple[int, ...]
    """The segments before it, the first one first."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Segments in depth-first order, and for each sequence the segments it runs through."""

    segments: list[Segment]
    routes: list[tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Pack:
    """Consecutive segments that are read in one row, and those before them whose keys and values are carried over."""

    carried: tuple[int, ...]
    segments: range


def grow(sequences: Sequence[Tokens], *, longest_segment: int | None = None) -> Tree:
    """The tree of the sequences; where they share nothing, the longest first.

    Args:
        sequences: none of them empty.
        longest_segment: a longer segment is cut into several behind each other; None: never.
    """
    order = sorted(range(len(sequences)), key=sequences.__getitem__)
    ordered = [sequences[index] for index in order]
    shared = [common_length(*pair) for pair in pairwise(ordered)]
    segments: list[Segment] = []
    routes: list[tuple[int, ...]] = [()] * len(sequences)

    def append(tokens: Tokens, start: int, path: tuple[int, ...]) -> tuple[int, ...]:
        step = longest_segment or max(1, len(tokens))
        for cut in range(0, len(tokens), step):
            segments.append(Segment(tokens[cut : cut + step], start + cut, path))
            path = (*path, len(segments) - 1)
        return path

    roots = _runs(shared, 0, len(order), 0)
    roots.sort(key=lambda run: max(len(ordered[index]) for index in range(*run)))
    # a stack and no recursion: the turns of a long dialogue nest deeper than Python does
    stack: list[tuple[tuple[int, int], int, tuple[int, ...]]] = [(run, 0, ()) for run in roots]
    while stack:
        (low, high), depth, path = stack.pop()
        common = len(ordered[low]) if high - low == 1 else min(shared[low : high - 1])
        path = append(ordered[low][depth:common], depth, path)
        while low < high and len(ordered[low]) == common:  # those that end here, which sort before those that go on
            routes[order[low]] = path
            low += 1
        branches = sorted(_runs(shared, low, high, common), key=lambda run: run[0] - run[1])
        stack.extend((run, common, path) for run in branches)  # single leaves end on top: siblings stand together
    return Tree(segments, routes)


def plan_packs(segments: Sequence[Segment], tokens_per_pack: int) -> list[Pack]:
    """Runs of segments of at most `tokens_per_pack` tokens; a segment that is longer goes alone."""
    packs = []
    first, room = 0, tokens_per_pack
    for index, segment in enumerate(segments):
        if index > first and len(segment.tokens) > room:
            packs.append(Pack(segments[first].path, range(first, index)))
            first, room = index, tokens_per_pack
        room -= len(segment.tokens)
    if segments:
        packs.append(Pack(segments[first].path, range(first, len(segments))))
    return packs


def common_length(left: Sliced, right: Sliced) -> int:
    """How many tokens, or characters, two sequences begin with in common: growing steps, then bisection, of whole stretches."""
    low, high, step = 0, min(len(left), len(right)), 1
    while low < high and left[low : low + step] == right[low : low + step]:
        low, step = low + step, 2 * step
    low, high = min(low, high), min(high, low + step - 1)
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _runs(shared: Sequence[int], low: int, high: int, depth: int) -> list[tuple[int, int]]:
    """Stretches of neighbours in `[low, high)` that have at least `LEAST_SHARED` tokens in common beyond `depth`."""
    if low == high:
        return []
    cuts = [index + 1 for index in range(low, high - 1) if shared[index] < depth + LEAST_SHARED]
    return list(pairwise([low, *cuts, high]))
