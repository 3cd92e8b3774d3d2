"""Relations about probabilities: of a target that stays while the text before it is edited, and of the next token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.distributions import distribution_model
from pytest_llm.models.jensen_shannon import jensen_shannon
from pytest_llm.models.language_model import AnyModel, DistributionModel, Window
from pytest_llm.tasks.score import PairScore

if TYPE_CHECKING:
    import torch

_AT_A_TIME = 64
"""So many rows of a whole vocabulary are held at once."""


@dataclass(frozen=True)
class BoundedLoss(Relation):
    """A target becomes less probable by no more than so many nats a token when the text before it is edited.

        loss = [ln p(y | x) − ln p(y | x')] / |y| − bound

    y stays the same, token by token, so that the two can be compared, as the perplexities of two texts cannot.

    Args:
        bound: in nats a token (natural logarithm).
        task: how the target is scored.
    """

    name: ClassVar[str] = "bounded_loss"
    bound: float
    task: PairScore = field(default_factory=PairScore)

    def __post_init__(self) -> None:
        if not self.bound >= 0:
            raise MisuseError(f"bound={self.bound!r}: expected nats a token, at least 0")

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        if len(clean) != len(output) or not len(clean):
            raise MisuseError(
                f"the target of {example.label} has {len(clean)} tokens after the text and {len(output)} after an edited one: only "
                f"equal ones can be compared"
            )
        return float(np.mean(clean) - np.mean(output)) - self.bound

    def shown(self, example: Example, output: Any) -> Any:
        return {"nats_per_token": -float(np.mean(output))}


@dataclass(frozen=True)
class BoundedDivergence(Relation):
    """What the model expects next changes by no more than so much Jensen-Shannon divergence.

        JS(p, q) = ½ KL(p ‖ m) + ½ KL(q ‖ m),   m = (p + q)/2        in nats, between 0 and ln 2

    Of the tokens of the example's target, if it has one, the mean over them, each given the text and the target so far
    (teacher forcing); else of the one token behind the text. Lin (1991), "Divergence measures based on the Shannon entropy".

    Args:
        bound: in nats, below ln 2 ≈ 0.693.
    """

    name: ClassVar[str] = "bounded_divergence"
    bound: float

    def __post_init__(self) -> None:
        if not 0 <= self.bound < math.log(2):
            raise MisuseError(f"bound={self.bound!r}: expected nats, at least 0 and below ln 2, which none exceeds")

    def outputs(self, model: AnyModel, examples: Sequence[Example]) -> Sequence[Any]:
        return list(_expected(distribution_model(model), examples))

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        return float(jensen_shannon(clean, output).mean()) - self.bound

    def shown(self, example: Example, output: Any) -> Any:
        best = output.max(dim=1)
        return {"tokens": best.indices.tolist(), "probabilities": [round(p, 6) for p in best.values.exp().tolist()]}

    def edited_outputs(self, model: AnyModel, examples: Sequence[Example]) -> Iterable[Any]:
        """No two distributions of edited texts are held longer than it takes to compare them."""
        return _expected(distribution_model(model), examples)


def _expected(model: DistributionModel, examples: Sequence[Example]) -> Iterator[torch.Tensor]:
    """Of each example the log-probabilities `[tokens, vocabulary]` of what comes after its text."""
    windows = list(_windows(model, examples))
    start = 0
    while start < len(windows):
        end, rows = start, 0
        while end < len(windows) and (end == start or rows + windows[end].scored <= _AT_A_TIME):
            rows += windows[end].scored
            end += 1
        yield from model.next_token_log_probs(windows[start:end])
        start = end


def _windows(model: DistributionModel, examples: Sequence[Example]) -> Iterator[Window]:
    texts = model.encode([example.text for example in examples])
    targets = model.encode([example.target if isinstance(example.target, str) else "" for example in examples])
    begin = () if model.prefix_token is None else (model.prefix_token,)
    for example, text, target in zip(examples, texts, targets, strict=True):
        after = target or [0]  # without a target any token will do: only what is expected in its place is looked at
        window = Window((*begin, *text, *after), len(after))
        if len(window.tokens) - 1 > model.max_length or len(window.tokens) == len(after):
            raise MisuseError(
                f"{example.label} has {len(window.tokens) - 1} tokens: expected some, and at most {model.max_length}"
            )
        yield window
