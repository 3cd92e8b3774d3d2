"""Answer `Compare`: two models read the same windows, and their distributions are compared token by token.

A distribution has as many entries as the vocabulary, so that only a few windows of them exist at a time; what is kept of
each token are five numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking
from pytest_llm.inference.engine import ask
from pytest_llm.inference.windows import rolling_windows
from pytest_llm.metrics.divergence import TokenDivergence
from pytest_llm.models.language_model import AnyModel, DistributionModel, Window
from pytest_llm.models.loading import as_language_model
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.compare import Compare

MAX_LENGTH = 512
WINDOWS_AT_A_TIME = 2


def compare(model: AnyModel, examples: Sequence[Example], task: Compare) -> list[TokenDivergence]:
    """What the two models make of each token of each text, both given the text before it (with BOS in front).

    Raises:
        MisuseError: a model without next-token distributions, or two that cut text into different tokens.
    """
    reference = as_language_model(task.reference)
    candidate = _checked(model)
    base = _checked(reference)
    length = min(candidate.max_length, base.max_length)
    if task.max_length is not None and task.max_length > length:
        raise MisuseError(f"max_length={task.max_length} exceeds the {length} tokens that both models can read")
    length = task.max_length or min(length, MAX_LENGTH)
    texts = [example.text for example in examples]
    tokens = candidate.encode(texts)
    for example, own, other in zip(examples, tokens, base.encode(texts), strict=True):
        if own != other:
            raise MisuseError(
                f"the models cut the text of {example.label} into different tokens ({len(own)} and {len(other)}): their "
                f"distributions cannot be compared; byte_perplexity compares models with different tokenizers"
            )
    if candidate.prefix_token is None or candidate.prefix_token != base.prefix_token:
        raise MisuseError(
            f"the models begin texts with different tokens ({candidate.prefix_token} and {base.prefix_token})"
        )
    return [
        _compare(candidate, base, rolling_windows([candidate.prefix_token, *of_text], length)) for of_text in tokens
    ]


def _checked(model: AnyModel) -> DistributionModel:
    if not isinstance(model, DistributionModel):
        raise lacking(model, "how probable every token is at each place", "a causal model of transformers")
    return model


def _compare(model: DistributionModel, reference: DistributionModel, windows: Sequence[Window]) -> TokenDivergence:
    pieces = []
    for start in range(0, len(windows), WINDOWS_AT_A_TIME):
        some = windows[start : start + WINDOWS_AT_A_TIME]
        found = zip(
            some, ask(model, "next_token_log_probs", some), ask(reference, "next_token_log_probs", some), strict=True
        )
        pieces += [divergence(own, base, window.tokens[-window.scored :]) for window, own, base in found]
    return TokenDivergence(*(np.concatenate(parts) for parts in zip(*pieces, strict=True)))


def divergence(own: torch.Tensor, base: torch.Tensor, targets: Sequence[int]) -> tuple[FloatArray, ...]:
    """The five numbers of each token, from log-probabilities `[tokens, vocabulary]` of the model and of the reference."""
    if own.shape != base.shape:
        raise MisuseError(f"vocabularies of {own.shape[1]} and {base.shape[1]} entries cannot be compared")
    base = base.to(own.device)
    chosen = torch.tensor(targets, device=own.device)[:, None]
    kl = torch.zeros(len(own), dtype=torch.float64, device=own.device)
    for rows in torch.split(torch.arange(len(own), device=own.device), 64):  # float64 of a few rows, not of all
        p = base[rows].double()
        terms = p.exp() * (p - own[rows].double())
        kl[rows] = torch.where(torch.isneginf(p), torch.zeros_like(terms), terms).sum(dim=1)
    same = own.argmax(dim=1) == base.argmax(dim=1)
    own_target, base_target = own.gather(1, chosen)[:, 0].double(), base.gather(1, chosen)[:, 0].double()
    delta = own_target.exp() - base_target.exp()
    numbers = kl, same.double(), delta, own_target, base_target
    return tuple(number.cpu().numpy() for number in numbers)
