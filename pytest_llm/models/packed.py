"""Scoring many windows in one forward pass without padding: they stand behind each other in one row.

Each window keeps to itself (`tree_attention`), a beginning that windows share is read once (`prefix_tree`), and the
language-modelling head never makes the matrix `[tokens, vocabulary]`: logits exist for a tile at a time, and only their
log-sum-exp is kept.

Not every architecture can be packed (attention with a sliding window, a state that runs along the row, logits that are
scaled after the head), so `scores_packed` is used only by models whose answers a probe has found equal to the plain path's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pytest_llm.models.language_model import Window
from pytest_llm.models.linear_kernels import Product, fastest_linears
from pytest_llm.models.memory import Budget, on_device
from pytest_llm.models.packed_attention import (
    CannotPack,
    read_pack,
    refuse_what_packing_misses,
    replaced_attention,
)
from pytest_llm.models.prefix_tree import Pack, Tree, grow, plan_packs
from pytest_llm.models.tree_attention import TreeAttention

_ROWS_PER_TILE = 1024


def scores_packed(module: Any, windows: Sequence[Window], budget: Budget) -> list[torch.Tensor]:
    """The log-probabilities of the scored tokens of each window, in order, float32 on the model's device.

    Args:
        module: a causal model of `transformers`.
        windows: each with at least one token before its first scored one.
        budget: how many tokens are read at once; halved where memory runs out.

    Raises:
        CannotPack: the architecture asks for what packing does not do.
    """
    refuse_what_packing_misses(module, max((len(window.tokens) - 1 for window in windows), default=0))
    pieces: list[list[torch.Tensor]] = [[] for _ in windows]
    tokens = sum(len(window.tokens) for window in windows)
    with torch.inference_mode(), fastest_linears(module, tokens=tokens) as head, replaced_attention(module):
        if head is None:
            raise CannotPack(f"the head is a {type(module.get_output_embeddings()).__name__}, not a plain linear layer")

        def score_missing() -> None:
            missing = [i for i, window in enumerate(windows) if sum(map(len, pieces[i])) < window.scored]
            for index in missing:
                pieces[index].clear()
            for index, piece in _scores(module, head, windows, missing, budget):
                pieces[index].append(piece)

        budget.run(score_missing)
    return [torch.cat(of_window) for of_window in pieces]


def distributions_packed(module: Any, windows: Sequence[Window], budget: Budget) -> list[torch.Tensor]:
    """`log softmax` of the logits before each scored token, float32: `[scored, vocabulary]` for each window.

    Raises:
        CannotPack: the architecture asks for what packing does not do.
    """
    refuse_what_packing_misses(module, max((len(window.tokens) - 1 for window in windows), default=0))
    rows: list[list[torch.Tensor]] = [[] for _ in windows]
    with torch.inference_mode(), fastest_linears(module, tokens=sum(len(w.tokens) for w in windows)) as head:
        if head is None:
            raise CannotPack(f"the head is a {type(module.get_output_embeddings()).__name__}, not a plain linear layer")

        def read() -> None:
            for of_window in rows:
                of_window.clear()
            tree = grow([window.tokens[:-1] for window in windows], longest_segment=budget.longest_segment)
            visits = _visits(tree, range(len(windows)))
            for pack, hidden in _read(module, tree, budget):
                owners, wanted, _ = _wanted(tree, pack, visits, windows)
                places = on_device(torch.tensor(wanted, dtype=torch.long), hidden.device)
                for (index, _), chosen in zip(owners, torch.split(hidden[places], [n for _, n in owners]), strict=True):
                    rows[index].append(chosen)

        with replaced_attention(module):
            budget.run(read)
        return [
            torch.cat([product(torch.cat(of_window)).float() for product in head], dim=1).log_softmax(dim=1)
            for of_window in rows
        ]


def _read(module: Any, tree: Tree, budget: Budget) -> Iterator[tuple[Pack, torch.Tensor]]:
    """Each pack and its last hidden states `[rows, width]`."""
    packs = plan_packs(tree.segments, budget.tokens)
    attention = TreeAttention(tree.segments)
    for pack, following in zip(packs, [*packs[1:], None], strict=False):
        attention.turn_to(pack, following)
        yield pack, read_pack(module, tree.segments, pack, attention)


def _scores(
    module: Any, head: Sequence[Product], windows: Sequence[Window], chosen: Sequence[int], budget: Budget
) -> Iterator[tuple[int, torch.Tensor]]:
    """Of the chosen windows: pieces of their log-probabilities as they become known, each window's in order."""
    tree = grow([windows[index].tokens[:-1] for index in chosen], longest_segment=budget.longest_segment)
    visits = _visits(tree, chosen)
    for pack, hidden in _read(module, tree, budget):
        owners, rows, targets = _wanted(tree, pack, visits, windows)
        if owners:
            scores = head_log_probs(hidden, head, np.array(rows), targets)
            yield from zip(
                [index for index, _ in owners], torch.split(scores, [count for _, count in owners]), strict=True
            )


def _visits(tree: Tree, chosen: Sequence[int]) -> list[list[int]]:
    """For each segment the windows that run through it."""
    visits: list[list[int]] = [[] for _ in tree.segments]
    for index, route in zip(chosen, tree.routes, strict=True):
        for segment in route:
            visits[segment].append(index)
    return visits


def _wanted(
    tree: Tree, pack: Pack, visits: Sequence[Sequence[int]], windows: Sequence[Window]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Which windows want how many scores of this pack; and of each score, its row and the token it is about."""
    owners: list[tuple[int, int]] = []
    rows: list[int] = []
    targets: list[int] = []
    offset = 0
    for index in pack.segments:
        segment = tree.segments[index]
        for visitor in visits[index]:
            window = windows[visitor]
            first = max(segment.start, len(window.tokens) - 1 - window.scored)
            end = segment.start + len(segment.tokens)
            if first < end:
                owners.append((visitor, end - first))
                rows += range(offset + first - segment.start, offset + len(segment.tokens))
                targets += window.tokens[first + 1 : end + 1]
        offset += len(segment.tokens)
    return owners, rows, targets


def head_log_probs(
    hidden: torch.Tensor, head: Sequence[Product], rows: np.ndarray[Any, np.dtype[np.int64]], targets: Sequence[int]
) -> torch.Tensor:
    """`log softmax(head(hidden[row]))[target]` for each pair of a row and a target, float32, a tile of logits at a time.

    Rows that are asked for several times are multiplied once. With the log-sum-exp `Lₖ` of vocabulary tile k, the whole is
    `log Σ exp Lₖ` (Milakov & Gimelshein 2018, "Online normalizer calculation for softmax").
    """
    device = hidden.device
    distinct, places = np.unique(rows, return_inverse=True)
    wanted = on_device(torch.tensor(targets), device)
    answers = torch.zeros(len(targets), device=device)
    for start in range(0, len(distinct), _ROWS_PER_TILE):
        tile = hidden[on_device(torch.from_numpy(distinct[start : start + _ROWS_PER_TILE]), device)]
        inside = np.flatnonzero((places >= start) & (places < start + len(tile)))
        where = on_device(torch.from_numpy(inside), device)
        place = on_device(torch.from_numpy(places[inside] - start), device)
        answers[where] = _tile_log_probs(tile, head, place, wanted[where])
    return answers


def _tile_log_probs(
    tile: torch.Tensor, head: Sequence[Product], rows: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    chosen = torch.zeros(len(rows), device=tile.device)
    total = torch.full((len(tile),), float("-inf"), device=tile.device)
    column = 0
    for product in head:
        logits = product(tile).float()
        width = logits.shape[1]
        inside = (targets >= column) & (targets < column + width)
        # `where`, not an index: no element is asked for on the host, which a GPU would have to wait for
        chosen = torch.where(inside, logits[rows, (targets - column).clamp(0, width - 1)], chosen)
        total = torch.logaddexp(total, logits.logsumexp(dim=1))
        column += width
    return chosen - total[rows]
