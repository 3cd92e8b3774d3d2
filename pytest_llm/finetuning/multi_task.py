"""Multi-task fine-tuning: one model learns several tasks at once, drawn at rates that a temperature evens out.

With n_i examples of task i the next batch is of task i with probability

    p_i ∝ min(n_i, limit)^(1/T)

T = 1 draws in proportion to size, and small tasks hardly come up; T → ∞ draws all alike, and small tasks are learned by heart
(Raffel et al. 2020, section 3.5.2, with T = 2 and a limit; mT5, Xue et al. 2021, writes α = 1/T and takes 0.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.epochs import Epochs
from pytest_llm.pretraining.batch import Batch
from pytest_llm.pretraining.stream import generator_of

_BLOCK = 1024
"""Draws that are made at once."""


def mixing_rates(sizes: Sequence[int], temperature: float, limit: int | None = None) -> list[float]:
    """The probability of each task, from the number of its examples.

    Args:
        sizes: of each task, at least 1.
        temperature: T, at least 1.
        limit: as which size a larger task counts; None: as its own.

    Raises:
        MisuseError: no tasks, an empty one, a temperature below 1 (which would starve small tasks), a limit below 1.
    """
    if not sizes or min(sizes) < 1 or not temperature >= 1 or (limit is not None and limit < 1):
        raise MisuseError(
            f"tasks of {list(sizes)} examples, temperature={temperature}, limit={limit}: expected at least one example each, a "
            f"temperature of at least 1 and a limit of at least 1"
        )
    weights = [float(size if limit is None else min(size, limit)) ** (1 / temperature) for size in sizes]
    return [weight / sum(weights) for weight in weights]


@dataclass(frozen=True)
class MultiTask:
    """Several tasks as one objective; each batch is of one of them.

    tasks = {"topic": supervision(base, topics, TOPIC), "language": supervision(base, pages, LANGUAGE)}
    tuned = finetune(base, MultiTask(tasks), recipe)

    Args:
        tasks: the objectives by name.
        temperature: T of the rates; infinity: all alike.
        limit: as which size a larger task counts at most; None: as its own.
        seed: of what is drawn.

    Raises:
        MisuseError: see `mixing_rates`.
    """

    tasks: Mapping[str, Epochs]
    temperature: float = 2.0
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        _ = self.rates

    @property
    def rates(self) -> dict[str, float]:
        """The probability of each task."""
        sizes = [len(objective) for objective in self.tasks.values()]
        return dict(zip(self.tasks, mixing_rates(sizes, self.temperature, self.limit), strict=True))

    def task_at(self, number: int) -> str:
        """Which task batch number `number` is of."""
        return list(self.tasks)[int(self._drawn(number)[-1])]

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same: the next one of its task that has not been seen."""
        drawn = self._drawn(number)
        seen = int((drawn[:-1] == drawn[-1]).sum())
        return list(self.tasks.values())[int(drawn[-1])](seen)

    def _drawn(self, number: int) -> Tensor:
        """Of each batch so far, and of this one, the number of its task."""
        rates = torch.tensor(list(self.rates.values()), dtype=torch.float64)
        blocks = [
            torch.multinomial(rates, _BLOCK, replacement=True, generator=generator_of(self.seed, block))
            for block in range(number // _BLOCK + 1)
        ]
        return torch.cat(blocks)[: number + 1]
