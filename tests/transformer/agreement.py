"""How the tests compare a model of ours with the one of `transformers` that its weights are from."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.transformer.weights.published import from_published

LOGITS, STATES = 1e-4, 1e-5


def core_of(published: Any, architecture: str | None = None) -> Any:
    """Our model with the weights of a module of `transformers`."""
    name = architecture or type(published).__name__
    return from_published(published.config.to_dict(), published.state_dict(), architecture=name)


def seeded(kind: Any, config: Any, seed: int = 1) -> Any:
    """A module of `transformers` with random weights, large enough that tokens matter, random biases and norms."""
    torch.manual_seed(seed)
    module = kind(config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.3) if parameter.dim() == 2 else parameter.add_(0.3 * torch.randn_like(parameter))
    return module.eval()


def rows(vocabulary: int, lengths: list[int], side: str, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random tokens of these lengths and their padding mask, padded on one side with tokens that would be seen if read."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    tokens = torch.randint(vocabulary, (len(lengths), longest), generator=generator)
    places = torch.arange(longest)
    wanted = torch.tensor(lengths)[:, None]
    mask = places < wanted if side == "right" else places >= longest - wanted
    return tokens, mask.long()


def positions(mask: Tensor) -> Tensor:
    """The position of each token, as `transformers` wants it where padding stands on the left."""
    return (mask.cumsum(1) - 1).clamp(min=0)


@torch.inference_mode()
def difference(found: Tensor, expected: Tensor, mask: Tensor) -> float:
    """The largest absolute one at real tokens; NaN anywhere is NaN."""
    assert found.isfinite().all()
    assert found.shape == expected.shape
    return float((found - expected)[mask.bool()].abs().max())


@torch.inference_mode()
def cached(model: nn.Module, tokens: Tensor, mask: Tensor, chunks: list[int]) -> Tensor:
    """The logits of a causal model of ours that reads the tokens chunk by chunk."""
    body: Any = model.body
    cache = body.new_cache()
    parts = zip(torch.split(tokens, chunks, dim=1), torch.split(mask, chunks, dim=1), strict=True)
    return torch.cat([model(part, part_mask, cache=cache) for part, part_mask in parts], dim=1)
