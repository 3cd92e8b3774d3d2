"""Small changes of the vectors that tokens become: the worst one within a ball, found by following the gradient.

    one step from 0    δ = ε · g / ‖g‖₂                       the fast gradient method (Miyato et al. 2017)
    K steps            δ ← Π(δ + α · g / ‖g‖₂), ‖Π(δ)‖₂ ≤ ε    projected gradient ascent (Madry et al. 2018)

`g` is the gradient of what is to grow. Norms are taken over a whole sequence or over each of its tokens. Weights are not touched:
a hook adds δ to what the embedding gives, for the time of a `with` block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.tasks.perturb import Per
from pytest_llm.transformer.embedding import Embedding


def norms(x: Tensor, per: Per) -> Tensor:
    """Euclidean norms of `[batch, length, width]`: `[batch, 1, 1]`, or `[batch, length, 1]`."""
    length: Tensor = torch.linalg.vector_norm(x, dim=(1, 2) if per == "sequence" else 2, keepdim=True)
    return length


def unit(x: Tensor, per: Per) -> Tensor:
    """`x / ‖x‖`; where x is 0, 0."""
    length = norms(x, per)
    return torch.where(length > 0, x / length.where(length > 0, torch.ones_like(length)), torch.zeros_like(x))


def projected(delta: Tensor, radius: Tensor | float, per: Per) -> Tensor:
    """The nearest point of the ball with this radius: δ itself inside, else `ε · δ / ‖δ‖`."""
    length = norms(delta, per)
    return torch.where(length > radius, unit(delta, per) * radius, delta)


def drawn_inside(like: Tensor, radius: Tensor | float, per: Per, generator: torch.Generator) -> Tensor:
    """A point of the ball, uniform in its volume: for a start where the gradient at 0 is 0, as that of a divergence is."""
    direction = torch.randn(like.shape, generator=generator).to(like)
    length = norms(direction, per)
    dimensions = like[0].numel() if per == "sequence" else like.shape[2]
    share = torch.rand(length.shape, generator=generator).to(like) ** (1 / dimensions)
    return direction / length * share * radius


def worst(
    objective: Callable[[Tensor], Tensor],
    start: Tensor,
    radius: Tensor | float,
    *,
    steps: int = 1,
    step_size: Tensor | float | None = None,
    per: Per = "sequence",
) -> Tensor:
    """The perturbation after so many steps of projected gradient ascent.

    Args:
        objective: what is to grow, of a perturbation; sequences of one batch must not depend on each other. Summed up where
            it gives more than one number.
        start: where to begin, `[batch, length, width]`; zeros, or `drawn_inside`.
        radius: of the ball, ε: a number, or one for each norm.
        steps: K.
        step_size: α; None: ε for one step, else 2.5 ε / K, which reaches the border from anywhere (Madry et al.).
        per: over what norms are taken.

    Raises:
        MisuseError: no steps; a gradient that is not a number.
    """
    if steps < 1:
        raise MisuseError(f"steps={steps}: expected at least 1")
    stride = (radius if steps == 1 else 2.5 * radius / steps) if step_size is None else step_size
    delta = start.detach()
    for _ in range(steps):
        delta.requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(objective(delta).sum(), delta)
        if not bool(gradient.isfinite().all()):
            raise MisuseError("the gradient of the embeddings is not a number: so is the loss, or it overflows")
        delta = projected(delta.detach() + stride * unit(gradient, per), radius, per)
    return delta


def embedding_of(module: nn.Module) -> nn.Module:
    """The part of a model of `transformers`, or of ours, that turns token numbers into vectors.

    Raises:
        MisuseError: there is none.
    """
    find: Any = getattr(module, "get_input_embeddings", None)
    if find is not None:
        table: nn.Module = find()
        return table
    for part in module.modules():
        if isinstance(part, Embedding):
            return part.tokens
    raise MisuseError(f"{type(module).__name__} has no embedding of tokens that could be perturbed")


@contextmanager
def perturbed(module: nn.Module, delta: Tensor | None) -> Iterator[list[Tensor]]:
    """Within the block each token's vector is its embedding plus δ.

    Args:
        module: a model that looks up one text's embeddings in a pass.
        delta: `[batch, length, width]`; None: nothing is added.

    Yields:
        A list to which each pass appends the embeddings, without δ.

    Raises:
        MisuseError: embeddings that were looked up in another shape: those of another text, such as an encoder-decoder's target.
    """
    seen: list[Tensor] = []

    def add(_module: nn.Module, _given: Any, made: Tensor) -> Tensor:
        seen.append(made.detach())
        if delta is None:
            return made
        if made.shape != delta.shape:
            raise MisuseError(
                f"embeddings of shape {tuple(made.shape)} in the place of {tuple(delta.shape)}: only models that read one text "
                f"at a time can be perturbed"
            )
        return made + delta.to(made.dtype)

    hook = embedding_of(module).register_forward_hook(add)
    try:
        yield seen
    finally:
        hook.remove()
