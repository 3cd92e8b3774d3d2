"""Which tokens are real, which positions they have, and who may look at whom. True: real, may be looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from pytest_llm.errors import MisuseError


def real_tokens(tokens: Tensor, mask: Tensor | None) -> Tensor:
    """The padding mask `[batch, length]` as booleans; without one all tokens are real.

    Raises:
        MisuseError: the mask has another shape than the tokens.
    """
    if mask is None:
        return torch.ones_like(tokens, dtype=torch.bool)
    if mask.shape != tokens.shape:
        raise MisuseError(f"the mask has shape {tuple(mask.shape)}, the tokens have {tuple(tokens.shape)}")
    return mask.to(device=tokens.device, dtype=torch.bool)


def positions_of(real: Tensor, max_length: int) -> Tensor:
    """The place of each token among the real ones of its row, from 0: padding, on whichever side, shifts nothing.

    Padding itself gets the position of the token before it, or 0; nobody looks at it.

    Raises:
        MisuseError: a row has more than `max_length` tokens.
    """
    if real.shape[1] > max_length and (longest := int(real.sum(dim=1).max())) > max_length:
        raise MisuseError(f"{longest} tokens are more than the {max_length} that the model can read")
    return (real.long().cumsum(dim=1) - 1).clamp(min=0)


def all_real(real: Tensor) -> Tensor:
    """Who may look at whom without order, `[batch, 1, 1, keys]`: everybody at every real token."""
    return real[:, None, None, :]


def real_and_before(real: Tensor, queries: int) -> Tensor:
    """The causal mask, `[batch, 1, queries, keys]`: each of the last `queries` tokens sees real ones up to itself."""
    keys = real.shape[1]
    before = torch.ones(queries, keys, dtype=torch.bool, device=real.device).tril(diagonal=keys - queries)
    return all_real(real) & before
