"""Replaced-token detection: which tokens are not those of the text? (ELECTRA, Clark et al. 2020).

A small generator, trained beside it, fills the gaps of a text; a discriminator says of every token whether it was replaced:

    -Σ_{t∈M} log p_G(x_t given x̂) / |M|  +  λ · Σ_t binary cross-entropy(D(x̃)_t, x̃_t ≠ x_t) / T

where the generator happens to write the token that was there, nothing is replaced. Gate it with `assert_f1_above(found,
targets, limit, label=REPLACED)`, on what `batch.predictions` gives for the model and its `detection_batch`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import IGNORED, Batch, total_loss
from pytest_llm.pretraining.masked import MaskedObjective
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.transformer.architectures import MaskedLM, TokenClassifier

ORIGINAL, REPLACED = 0, 1
"""The labels of a token."""


@dataclass(frozen=True, slots=True)
class ReplacedTokenObjective:
    """What the generator is shown, and a random number for each token that it may have to draw. For `ReplacedTokenDetection`.

    The random numbers are part of the batch, so that what is drawn depends on the weights and the batch's number alone.
    """

    masked: MaskedObjective
    """Which tokens become gaps; ELECTRA's are all shown as the mask token (`masked=1.0, replaced=0.0`)."""

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        batch = self.masked(number)
        generator = generator_of(self.masked.seed, number, 1)  # not that of the gaps
        draws = torch.rand(batch.targets.shape, generator=generator, dtype=torch.float64)
        return Batch({**batch.inputs, "draws": draws}, batch.targets)


class ReplacedTokenDetection(nn.Module):
    """A generator and a discriminator, trained together; the discriminator is what is kept.

    Where both have the same width, they may share their embeddings of tokens, as in ELECTRA: set the one's
    `body.embedding.tokens` to the other's before.

    Args:
        generator: predicts what stands in a gap; a quarter to a half of the discriminator's size serves best.
        discriminator: with two labels. The softmax of two logits is the sigmoid of their difference, so that its cross-entropy
            is the binary one.
        weight: λ.

    Raises:
        MisuseError: more or fewer labels, vocabularies that differ, a weight that is not above 0.
    """

    def __init__(self, generator: MaskedLM, discriminator: TokenClassifier, *, weight: float = 50.0) -> None:
        super().__init__()
        if discriminator.config.labels != 2:
            raise MisuseError(
                f"the discriminator has {discriminator.config.labels} labels: expected 2, original and replaced"
            )
        sizes = generator.config.vocabulary, discriminator.config.vocabulary
        if sizes[0] != sizes[1]:
            raise MisuseError(f"the generator writes {sizes[0]} tokens, the discriminator reads {sizes[1]}")
        if not weight > 0:
            raise MisuseError(f"weight={weight}: expected a number above 0")
        self.generator, self.discriminator, self.weight = generator, discriminator, weight

    def forward(self, tokens: Tensor) -> Tensor:
        """What the discriminator says of each token: `[batch, length, 2]`."""
        logits: Tensor = self.discriminator(tokens)
        return logits


def detection_loss(model: ReplacedTokenDetection, batch: Batch) -> Tensor:
    """The loss of both networks times the number of gaps, for the `Trainer`, who divides by it; see the module for the formula.

    No gradient of the discriminator's reaches the generator: a token that was drawn has none.

    Raises:
        MisuseError: there is no gap.
    """
    if not batch.predicted:
        raise MisuseError("a batch has no targets: there is nothing to learn from it")
    logits = _in_gaps(model, batch)
    of_generator = cross_entropy(logits, batch.targets[batch.targets != IGNORED], reduction="sum")
    found = _filled(batch, logits.detach())
    return of_generator + model.weight * total_loss(model, found) * batch.predicted / found.predicted


@torch.no_grad()
def detection_batch(model: ReplacedTokenDetection, batch: Batch) -> Batch:
    """The same text as the discriminator is shown it, and for each token whether it was replaced."""
    return _filled(batch, _in_gaps(model, batch))


def _in_gaps(model: ReplacedTokenDetection, batch: Batch) -> Tensor:
    """The generator's logits, `[gaps, vocabulary]`."""
    logits: Tensor = model.generator(batch.inputs["tokens"])[batch.targets != IGNORED]
    return logits.float()


def _filled(batch: Batch, logits: Tensor) -> Batch:
    """The text, with what the generator writes in its gaps."""
    gaps = batch.targets != IGNORED
    text = torch.where(gaps, batch.targets, batch.inputs["tokens"])
    shown = text.clone()
    shown[gaps] = drawn(logits, batch.inputs["draws"][gaps])
    return Batch({"tokens": shown}, torch.where(shown == text, ORIGINAL, REPLACED))


def drawn(logits: Tensor, draws: Tensor) -> Tensor:
    """A token from each softmax, `[n, vocabulary]` to `[n]`: the first at which the sum of probabilities exceeds its draw.

    A draw is a random number in [0, 1).
    """
    sums = logits.double().softmax(dim=-1).cumsum(dim=-1)
    threshold = draws[..., None] * sums[..., -1:]  # the sum may end a little beside 1, by rounding
    places = torch.searchsorted(sums, threshold, right=True).squeeze(-1)
    return places.clamp(max=logits.shape[-1] - 1)
