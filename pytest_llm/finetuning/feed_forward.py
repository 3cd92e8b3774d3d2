"""Training the feed-forward layers alone: attention, norms and embeddings stay as they were pre-trained.

Feed-forward layers hold most of what a Transformer knows as key-value memories (Geva et al. 2021), while attention says where it is
needed; so a domain's facts can be learned there, and what the rest computes is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.finetuning.anatomy import anatomy
from pytest_llm.finetuning.strategy import Strategy
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.reading_model import ReadingModel
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class FeedForward(Strategy):
    """The feed-forward part of every layer; of a classifier its head as well, which is usually new and has all to learn."""

    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        parts = anatomy(model.module)
        head = parts.head if isinstance(model, ReadingModel) else ()
        return [ParameterGroup((*parts.feed_forward, *head))]
