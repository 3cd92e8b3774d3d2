"""The plain path: batches without padding and the model's own logits, for models that cannot be packed and to check the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import Budget
from pytest_llm.models.placement import device_of

_ROWS_PER_TILE = 1024


@torch.inference_mode()
def scores_in_batches(module: Any, windows: Sequence[Window], budget: Budget) -> list[torch.Tensor]:
    """The plain path: windows of one length together, so that no batch is padded, and the model's own logits."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, window in enumerate(windows):
        by_length[len(window.tokens)].append(index)
    answers: dict[int, torch.Tensor] = {}

    def score_missing() -> None:
        for length in sorted(by_length, reverse=True):  # the longest first: what does not fit in memory fails at once
            size = max(1, budget.tokens // length)
            missing = [index for index in by_length[length] if index not in answers]
            for batch in (missing[start : start + size] for start in range(0, len(missing), size)):
                answers.update(zip(batch, _score_batch(module, [windows[index] for index in batch]), strict=True))

    budget.run(score_missing)
    return [answers[index] for index in range(len(windows))]


def _score_batch(module: Any, windows: Sequence[Window]) -> list[torch.Tensor]:
    tokens = torch.tensor([window.tokens for window in windows], device=device_of(module))
    logits = module(tokens[:, :-1], use_cache=False).logits
    return [
        target_log_probs(row[-window.scored :], targets[-window.scored :])
        for window, row, targets in zip(windows, logits, tokens[:, 1:], strict=True)
    ]


def target_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """`log softmax(logits)[target]` of each row: `[rows, vocabulary]`, `[rows]` to `[rows]`.

    In float32 whatever the logits' type (half precision would lose two digits of every probability), a tile of rows
    at a time, so that the float32 copy of a long window's logits never exists as a whole.
    """
    tiles = []
    for start in range(0, len(targets), _ROWS_PER_TILE):
        tile = logits[start : start + _ROWS_PER_TILE].float()
        chosen = tile.gather(1, targets[start : start + _ROWS_PER_TILE, None])[:, 0]
        tiles.append(chosen - tile.logsumexp(dim=1))
    return torch.cat(tiles)


@torch.inference_mode()
def distributions_alone(module: Any, windows: Sequence[Window]) -> list[torch.Tensor]:
    """`log softmax` of the logits before each scored token, float32: `[scored, vocabulary]` for each window."""
    found = []
    for window in windows:
        tokens = torch.tensor([window.tokens[:-1]], device=device_of(module))
        logits = module(tokens, use_cache=False).logits[0, -window.scored :]
        found.append(logits.float().log_softmax(dim=1))
    return found
