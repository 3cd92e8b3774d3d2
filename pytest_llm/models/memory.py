"""How many tokens are read at once, and what is done when memory runs out all the same: half as many, once more."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from pytest_llm.models.host_memory import free_host_memory
from pytest_llm.models.placement import device_of

logger = logging.getLogger(__name__)

LEAST_TOKENS = 64
MOST_TOKENS = {"cpu": 1024}
"""On a CPU more than this is no faster and only costs memory (measured: 1 024 to 4 096 tokens are equally fast)."""
MOST_TOKENS_ELSEWHERE = 8192
SHARE_OF_FREE_MEMORY = 0.25


@dataclass
class Budget:
    """How many tokens a model reads at once. Shrinks when memory runs out, and stays so for the model's next work."""

    tokens: int
    longest_segment: int | None = None
    """A longer stretch of one text is read in several steps; None: in one, however long it is."""

    def run(self, work: Callable[[], None]) -> None:
        """Do the work; where memory runs out, halve the budget and do it again. It has to skip what is already done.

        Raises:
            RuntimeError: memory runs out even for `LEAST_TOKENS` tokens.
        """
        while True:
            try:
                return work()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error) or self.tokens <= LEAST_TOKENS:
                    raise
            # not inside `except`: there the error's frames still hold the tensors that did not fit
            self.halve()

    def halve(self) -> None:
        """Read half as many tokens at once, and long texts in steps of so many."""
        before = self.tokens
        self.tokens = max(LEAST_TOKENS, self.tokens // 2)
        self.longest_segment = self.tokens
        logger.warning("out of memory reading %d tokens at once: %d from here on", before, self.tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def budget_for(module: Any) -> Budget:
    """As many tokens as a quarter of the free memory of the model's device has room for, up to what makes it faster."""
    device = device_of(module)
    most = MOST_TOKENS.get(device.type, MOST_TOKENS_ELSEWHERE)
    free = free_memory(device)
    if free is None:
        return Budget(most)
    room = int(SHARE_OF_FREE_MEMORY * free / bytes_per_token(module))
    return Budget(max(LEAST_TOKENS, min(most, room)))


def bytes_per_token(module: Any) -> int:
    """About what one more token in a row costs at the same time: the widest layer three times, and 2 048 logits twice."""
    widest = max((max(w.shape) for n, w in module.named_parameters() if w.dim() == 2 and "embed" not in n), default=1)
    width = module.get_input_embeddings().weight.shape[1]
    widest = min(widest, 16 * width)  # an untied head is as wide as the vocabulary, and is read in tiles
    return int((3 * widest + 8 * width) * module.dtype.itemsize + 2 * 2048 * 4)


def free_memory(device: torch.device) -> int | None:
    """Bytes; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    return free_host_memory()


def on_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """The tensor on that device; to a GPU from pinned memory, so that the host does not wait for it to arrive."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def is_out_of_memory(error: BaseException) -> bool:
    """Each backend says it in its own words, and not all have a class for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return any(words in text for words in ("out of memory", "can't allocate memory", "failed to allocate"))
