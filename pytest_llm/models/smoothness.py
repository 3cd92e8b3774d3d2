"""How far a model's answer moves when the embeddings of a text do, in the worst direction that gradients find.

    max_δ JS(f(e), f(e + δ)),     ‖δ‖₂ ≤ ε · ‖e‖₂          in nats, 0 to ln 2

At δ = 0 the divergence has no gradient, so the search begins at a random point of the ball, and once more at the opposite one: near
0 both are equally bad, while further out one of them crosses the border to another answer and the other does not. Near 0 the
divergence is a quadratic form of δ, and steps as long as the radius come close to those of the power method, which turns δ
towards the form's largest direction (Miyato et al. 2018, "Virtual adversarial training"). Of all points on the way the worst
one counts, so that more steps never find less.

Texts are read one at a time: what is found depends on no other text, and not on their order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pytest_llm.errors import MisuseError
from pytest_llm.models.decoding import seed_of
from pytest_llm.models.embedding_perturbation import drawn_inside, norms, perturbed, worst
from pytest_llm.models.integer_linear import IntegerLinear
from pytest_llm.models.jensen_shannon import jensen_shannon
from pytest_llm.tasks.perturb import Perturb


def worst_divergences(
    module: Any, texts: Sequence[Sequence[int]], answer: Callable[[Tensor], Tensor], search: Perturb
) -> list[float]:
    """The largest divergence that was found for each text, in nats. Weights, gradients and modes stay as they are.

    Args:
        module: a model of `transformers`, or a core that looks like one; it answers in evaluation mode.
        texts: the tokens of each.
        answer: takes from logits those of the answer, `[1, answers]`.
        search: how far, and how hard to look.

    Raises:
        MisuseError: a model that lets no gradient through, or rounds within its layers, which hides the worst direction; one that
            reads more than one text in a pass.
    """
    if any(isinstance(part, IntegerLinear) for part in module.modules()):
        raise _without_gradient(module)
    with evaluating(module), torch.inference_mode(False):
        return [_worst_divergence(module, tokens, answer, search) for tokens in texts]


def _worst_divergence(module: Any, tokens: Sequence[int], answer: Callable[[Tensor], Tensor], search: Perturb) -> float:
    read = torch.tensor([list(tokens)], device=module.get_input_embeddings().weight.device)

    def log_probs(delta: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        with perturbed(module, delta) as seen:
            logits = module(input_ids=read).logits
        return answer(logits).double().log_softmax(dim=-1), seen

    with torch.no_grad():
        clean, seen = log_probs(None)
    if len(seen) != 1:
        raise MisuseError(f"{type(module).__name__} looked up embeddings {len(seen)} times in one pass, expected 1")
    if bool(clean.isnan().any()):
        return math.nan  # which fails when it is judged
    found: list[Tensor] = []

    def divergence(delta: Tensor) -> Tensor:
        made = jensen_shannon(clean, log_probs(delta)[0])
        if torch.is_grad_enabled() and not made.requires_grad:
            raise _without_gradient(module)
        found.append(made.detach())
        return made

    embeddings = seen[0].to(torch.promote_types(seen[0].dtype, torch.float32))
    radius = search.epsilon * norms(embeddings, search.per)
    generator = torch.Generator().manual_seed(seed_of(search.seed, tokens) % 2**63)
    start = drawn_inside(embeddings, radius, search.per, generator)
    for begin in (start, -start):
        last = worst(divergence, begin, radius, steps=search.steps, step_size=radius, per=search.per)
        with torch.no_grad():
            divergence(last)
    return float(torch.cat(found).max())


def _without_gradient(module: Any) -> MisuseError:
    return MisuseError(
        f"{module._get_name()} hides its gradients, as layers do that compute in whole numbers: it would look smooth because no "
        f"bad direction is found. Measure the model that it was made from"
    )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Within the block the module is in evaluation mode; behind it each part is in its own again."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
