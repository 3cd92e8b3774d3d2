"""From two next-token distributions to five numbers: whole ones, or one whole and the most probable tokens of the other.

A distribution is a row of log-probabilities over the vocabulary, float32; sums over it are taken in float64, a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from pytest_llm.data.stored_reference import StoredReference
from pytest_llm.errors import MisuseError
from pytest_llm.statistics.jackknife import FloatArray

Rows: TypeAlias = tuple[FloatArray, ...]
"""The five numbers of each token: arrays `[tokens]`, in the order of `metrics.divergence.TokenDivergence`."""

_ROWS_AT_A_TIME = 64


def divergence(own: torch.Tensor, base: torch.Tensor, targets: Sequence[int]) -> Rows:
    """The five numbers of each token, from log-probabilities `[tokens, vocabulary]` of the model and of the reference."""
    if own.shape != base.shape:
        raise MisuseError(f"vocabularies of {own.shape[1]} and {base.shape[1]} entries cannot be compared")
    base = base.to(own.device)
    chosen = torch.tensor(targets, device=own.device)[:, None]
    kl = torch.zeros(len(own), dtype=torch.float64, device=own.device)
    for rows in _few(own):
        kl[rows] = _terms(base[rows].double(), own[rows].double()).sum(dim=1)
    same = own.argmax(dim=1) == base.argmax(dim=1)
    return _numbers(kl, same, own.gather(1, chosen)[:, 0].double(), base.gather(1, chosen)[:, 0].double())


def divergence_from_top(own: torch.Tensor, reference: StoredReference, rows: slice, targets: Sequence[int]) -> Rows:
    """The same from the reference's most probable tokens, T, and what all others have together.

        Σ_{v∈T} p(v) ln(p(v) / q(v)) + p(not T) ln(p(not T) / q(not T))

    That is the divergence of the two distributions once all tokens outside of T are taken for one, which is never more than
    the full one (log-sum inequality, Cover & Thomas, Elements of Information Theory, 2.7.1; it is the data-processing
    inequality of that mapping). What float16 took from T's probabilities is given back by scaling them to 1 − p(not T), so
    that p stays a distribution. The other four numbers are those of the full form.
    """
    if own.shape[1] != reference.vocabulary:
        raise MisuseError(f"vocabularies of {own.shape[1]} and {reference.vocabulary} entries cannot be compared")

    def stored(array: NDArray[Any], kind: str = "float64") -> torch.Tensor:
        return torch.from_numpy(array[rows].astype(kind)).to(own.device)

    top, tail = stored(reference.top_tokens, "int64"), stored(reference.tail_log_prob)
    p = stored(reference.top_log_probs)
    p += (torch.log(-torch.expm1(tail)) - p.logsumexp(dim=1))[:, None]
    kl = _terms(p, own.gather(1, top).double()).sum(dim=1) + _terms(tail, rest_of(own, top))
    same = own.argmax(dim=1) == top[:, 0]
    chosen = torch.tensor(targets, device=own.device)[:, None]
    return _numbers(kl, same, own.gather(1, chosen)[:, 0].double(), stored(reference.log_prob))


def compacted(log_probs: torch.Tensor, targets: Sequence[int], top_k: int) -> tuple[NDArray[Any], ...]:
    """What a stored reference keeps of each row: the `top_k` most probable tokens, their log-probabilities in float16, that of all
    others together, and that of the text's token.
    """
    values, tokens = most_probable(log_probs, top_k)
    chosen = torch.tensor(targets, device=log_probs.device)[:, None]
    small = log_probs.shape[1] <= 1 << 16
    with np.errstate(over="ignore"):  # below −65 504 it is −∞, and the probability 0 either way
        rounded = values.cpu().numpy().astype(np.float16)
    return (
        tokens.cpu().numpy().astype(np.uint16 if small else np.uint32),
        rounded,
        rest_of(log_probs, tokens).cpu().numpy().astype(np.float32),
        log_probs.gather(1, chosen)[:, 0].cpu().numpy().astype(np.float32),
    )


def most_probable(log_probs: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` most probable tokens of each row and their log-probabilities, first the one that `argmax` names.

    Of equally probable tokens `topk` names any: in bfloat16 they are many, and whether two models agree must not hang on it.
    """
    values, tokens = log_probs.topk(count, dim=1)
    first = log_probs.argmax(dim=1)
    tokens = torch.where(tokens == first[:, None], tokens[:, :1], tokens)  # change places with it, wherever it stands
    tokens[:, 0] = first
    return values, tokens


def rest_of(log_probs: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """The logarithm of what all but these tokens have together, float64; −∞ if there are no others."""
    rests = [log_probs[rows].double().scatter(1, tokens[rows], -torch.inf).logsumexp(dim=1) for rows in _few(log_probs)]
    return torch.cat(rests)


def _few(tensor: torch.Tensor) -> Iterator[slice]:
    """Its rows, a few at a time."""
    return (slice(start, start + _ROWS_AT_A_TIME) for start in range(0, len(tensor), _ROWS_AT_A_TIME))


def _terms(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Of log-probabilities, p ln(p / q); 0 where p is impossible."""
    return torch.where(torch.isneginf(p), torch.zeros_like(p), p.exp() * (p - q))


def _numbers(kl: torch.Tensor, same: torch.Tensor, own: torch.Tensor, base: torch.Tensor) -> Rows:
    return tuple(number.cpu().numpy() for number in (kl, same.double(), own.exp() - base.exp(), own, base))
