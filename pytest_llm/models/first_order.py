"""What edits of a text would do to a loss, foretold from one gradient: to rank them, before any is tried.

    L(x') − L(x) ≈ Σᵢ gᵢ · (E[x'ᵢ] − E[xᵢ]),      g = ∂L/∂(embeddings) at x      (HotFlip, Ebrahimi et al. 2018)

where both texts have as many tokens in the stretch that the edit changes. Where an edit of characters changes their number, as it
mostly does with sub-words, the means over the stretch stand in: `(Σᵢ gᵢ) · (mean E[new] − mean E[old])`. That is about as good a
guide to typos as leaving words out, which takes a question for each word; a guide only, since a typo is no small step. The model
is put into evaluation mode, and reads special tokens and prompt as ever. Models of `transformers` and of the core alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.embedding_perturbation import embedding_of, perturbed
from pytest_llm.models.encoding import encode_pair
from pytest_llm.models.integer_linear import IntegerLinear
from pytest_llm.models.smoothness import evaluating
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import FloatArray

Tokens: TypeAlias = Sequence[int]


def label_gains(model: Any, text: str, edited: Sequence[str], label: Any) -> FloatArray:
    """How much each edited text is foretold to add to −ln p(label) of a classification head: `[edited]`, in nats.

    Raises:
        MisuseError: a model whose gradient cannot be had, or that has no such label.
    """
    if not isinstance(model, ClassifierModel) or _is_integer(model):
        raise _opaque(model)
    if label not in model.labels:
        raise MisuseError(f"{model.name} has no label {label!r}: it has {model.labels!r}")
    place = model.labels.index(label)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return -logits[0].log_softmax(dim=-1)[place]

    clean, *others = (frame.whole for frame in model.fitting([text, *edited], truncate=True))
    return _gains(model.module, clean, others, loss)


def continuation_gains(model: Any, context: str, edited: Sequence[str], continuation: str) -> FloatArray:
    """How much each edited context is foretold to add to −ln p(continuation) a token: `[edited]`, in nats.

    Raises:
        MisuseError: a model whose gradient cannot be had.
    """
    if not isinstance(model, TransformersModel) or _is_integer(model):
        raise _opaque(model)
    pairs = [encode_pair(model.tokenizer, text, continuation, model.prefix_token) for text in (context, *edited)]
    count = len(pairs[0][1])

    def loss(logits: torch.Tensor) -> torch.Tensor:
        scored = logits[0, -count - 1 : -1].log_softmax(dim=-1)
        return -scored[torch.arange(count), torch.tensor(pairs[0][1])].mean()

    clean, *others = ((*before, *after) for before, after in pairs)
    return _gains(model.module, clean, others, loss)


def _gains(
    module: Any, clean: Tokens, edited: Sequence[Tokens], loss: Callable[[torch.Tensor], torch.Tensor]
) -> FloatArray:
    table: Any = embedding_of(module)
    embeddings: torch.Tensor = table.weight.detach()
    tokens = torch.tensor([list(clean)], device=embeddings.device)
    delta = torch.zeros((1, len(clean), embeddings.shape[1]), device=embeddings.device, requires_grad=True)
    with evaluating(module), torch.enable_grad(), perturbed(module, delta):
        logits = module(input_ids=tokens).logits
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        (gradient,) = torch.autograd.grad(loss(exact), delta)
    return np.array([_gain(gradient[0], embeddings, clean, other) for other in edited])


def _gain(gradient: torch.Tensor, embeddings: torch.Tensor, before: Tokens, after: Tokens) -> float:
    start, end = _changed(before, after)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    if not (old or new):
        return 0.0
    own = gradient[start : len(before) - end]
    vectors = [embeddings[list(part)].to(gradient.dtype) for part in (old, new)]
    if len(old) == len(new):
        return float((own * (vectors[1] - vectors[0])).sum())
    return float(own.sum(dim=0) @ (vectors[1].mean(dim=0) - vectors[0].mean(dim=0)))


def _changed(before: Tokens, after: Tokens) -> tuple[int, int]:
    """How many tokens both begin and end with; one fewer where nothing else would be left of one of them."""
    shortest = min(len(before), len(after))
    start = next((i for i in range(shortest) if before[i] != after[i]), shortest)
    end = next((i for i in range(shortest - start) if before[-1 - i] != after[-1 - i]), shortest - start)
    only_more = start + end == shortest and len(before) != len(after)
    if only_more:  # tokens were put in or left out: they count by their neighbour
        start, end = (start - 1, end) if start else (start, max(0, end - 1))
    return start, end


def _is_integer(model: Checkpoint) -> bool:
    return any(isinstance(part, IntegerLinear) for part in model.module.modules())


def _opaque(model: object) -> MisuseError:
    return MisuseError(
        f"{type(model).__name__} shows no gradient: ranking='gradients' takes a causal model or one with a classification head, of "
        f"transformers or the core, whose layers compute in floating point; leave it at 'words'"
    )
