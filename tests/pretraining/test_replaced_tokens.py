"""Replaced-token detection: what is drawn, what counts as replaced, the loss of both networks; that a run is resumed and learns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from sklearn.metrics import f1_score
from torch.nn.functional import binary_cross_entropy_with_logits

from pytest_llm import MisuseError, assert_f1_above
from pytest_llm.pretraining.batch import IGNORED, Batch, predictions
from pytest_llm.pretraining.masked import MaskedObjective
from pytest_llm.pretraining.replaced_tokens import (
    REPLACED,
    ReplacedTokenDetection,
    ReplacedTokenObjective,
    detection_batch,
    detection_loss,
    drawn,
)
from pytest_llm.pretraining.stream import stream_of
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.transformer.architectures import MaskedLM, TokenClassifier
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import four_languages, novels, tokenizer

MASK = 2048


def shape(width: int, **settings: Any) -> Config:
    return Config(vocabulary=2049, width=width, layers=1, heads=2, max_length=64, **settings)


def pair(width: int = 16, *, dropout: float = 0.0, seed: int = 0, weight: float = 50.0) -> ReplacedTokenDetection:
    return ReplacedTokenDetection(
        fresh(MaskedLM, shape(8, dropout=dropout), seed=seed),
        fresh(TokenClassifier, shape(width, labels=2, dropout=dropout), seed=seed + 1),
        weight=weight,
    )


def objective(**settings: Any) -> ReplacedTokenObjective:
    usual = {"rows": 4, "length": 24, "mask_token": MASK, "vocabulary": 2048, "special": frozenset({0})}
    return ReplacedTokenObjective(MaskedObjective(novels(), **{**usual, "masked": 1.0, "replaced": 0.0, **settings}))


def test_a_batch_is_that_of_masked_tokens_with_random_numbers_beside_it() -> None:
    made = objective()
    batch, again, other = (made(number) for number in (3, 3, 4))
    masked = made.masked(3)
    assert torch.equal(batch.inputs["tokens"], masked.inputs["tokens"])
    assert torch.equal(batch.targets, masked.targets)
    assert torch.equal(batch.inputs["draws"], again.inputs["draws"])
    assert not torch.equal(batch.inputs["draws"], other.inputs["draws"])


def test_tokens_are_drawn_with_the_probabilities_of_the_softmax() -> None:
    logits = torch.tensor([math.log(share) if share else -math.inf for share in (0.0, 0.5, 0.0, 0.3, 0.2, 0.0)])
    draws = torch.rand(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    counts = torch.bincount(drawn(logits.expand(4000, 6), draws), minlength=6)
    assert counts[[0, 2, 5]].sum() == 0
    assert chisquare(counts[[1, 3, 4]].numpy(), [2000, 1200, 800]).pvalue > 0.01
    edges = torch.tensor([0.0, 0.4999, 0.5001, 0.7999, 0.8001, 1 - 2**-53], dtype=torch.float64)
    assert drawn(logits.expand(6, 6), edges)[:5].tolist() == [1, 1, 3, 3, 4]
    assert drawn(logits.expand(6, 6), edges).max() <= 5


class Certain(torch.nn.Module):
    """A generator that is sure of one token for each place, 5 plus its number."""

    config = shape(8)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*tokens.shape, 2049)
        for place in range(tokens.shape[1]):
            logits[:, place, 5 + place] = 1000.0
        return logits


def test_a_right_guess_replaces_nothing_and_what_is_no_gap_is_left() -> None:
    model = pair()
    model.generator = Certain()  # type: ignore[assignment]  # stands in for it
    tokens = torch.tensor([[40, MASK, 42, MASK]])
    targets = torch.tensor([[IGNORED, 6, IGNORED, 43]])  # the generator writes 6 and 8
    found = detection_batch(model, Batch({"tokens": tokens, "draws": torch.full((1, 4), 0.5)}, targets))
    assert found.inputs["tokens"].tolist() == [[40, 6, 42, 8]]
    assert found.targets.tolist() == [[0, 0, 0, 1]]


def test_a_token_that_was_kept_in_its_gap_may_be_replaced() -> None:
    """Where the masked objective shows the text itself, or a random token, the generator still writes there."""
    model, made = pair(), objective(masked=0.0, replaced=0.5)
    batch = made(0)
    found = detection_batch(model, batch)
    gaps = batch.targets != IGNORED
    text = torch.where(gaps, batch.targets, batch.inputs["tokens"])
    assert torch.equal(found.inputs["tokens"][~gaps], text[~gaps])
    assert torch.equal(found.targets == REPLACED, found.inputs["tokens"] != text)
    assert found.targets[gaps].double().mean() > 0.9  # a fresh generator is seldom right


def test_the_loss_is_that_of_both_networks_with_lambda() -> None:
    """Against the formula in float64: masked language modelling, and binary cross-entropy over all tokens."""
    model, batch = pair(weight=7.0), objective()(0)
    gaps = batch.targets != IGNORED
    logits = model.generator(batch.inputs["tokens"]).detach().double()
    of_generator = -logits.log_softmax(-1)[gaps, batch.targets[gaps]].mean()
    found = detection_batch(model, batch)
    two = model.discriminator(found.inputs["tokens"]).detach().double()
    of_discriminator = binary_cross_entropy_with_logits(two[..., 1] - two[..., 0], found.targets.double())
    loss = detection_loss(model, batch).detach() / batch.predicted
    assert float(loss) == pytest.approx(float(of_generator + 7.0 * of_discriminator), rel=1e-5)


def test_the_discriminator_teaches_the_generator_nothing() -> None:
    gradients = []
    for weight in (1.0, 50.0):
        model = pair(weight=weight)
        torch.autograd.backward(detection_loss(model, objective()(0)))
        gradients.append([parameter.grad for parameter in model.generator.parameters()])
        assert all(parameter.grad is not None for parameter in model.parameters())
    for one, other in zip(*gradients, strict=True):
        assert one is not None
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    """Both networks, with dropout and accumulation, and embeddings that they share."""
    recipe = Recipe(steps=6, learning_rate=1e-2, warm_up=2, accumulate=2)

    def trainer(seed: int = 0) -> Trainer:
        model = pair(8, dropout=0.2, seed=seed)
        model.discriminator.body.embedding.tokens = model.generator.body.embedding.tokens
        return Trainer(model, objective(), recipe, loss=detection_loss)

    whole, stopped, resumed = trainer(), trainer(), trainer(seed=7)
    losses = list(whole.run())
    first = list(stopped.run(until=3))
    stopped.save(tmp_path / "run.pt")
    torch.manual_seed(99)
    resumed.resume(tmp_path / "run.pt")
    assert first + list(resumed.run()) == losses
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
    shared: Any = resumed.model
    assert shared.discriminator.body.embedding.tokens.weight is shared.generator.head.output.weight


@pytest.mark.parametrize(
    ("labels", "vocabulary", "weight", "complaint"),
    [(3, 2049, 1.0, "has 3 labels"), (2, 2050, 1.0, "writes 2049 tokens"), (2, 2049, 0.0, "weight=0.0")],
)
def test_networks_that_do_not_fit_are_refused(labels: int, vocabulary: int, weight: float, complaint: str) -> None:
    discriminator = TokenClassifier(replace(shape(16), labels=labels, vocabulary=vocabulary))
    with pytest.raises(MisuseError, match=complaint):
        ReplacedTokenDetection(MaskedLM(shape(8)), discriminator, weight=weight)


def test_a_discriminator_learns_which_tokens_were_replaced() -> None:
    """In texts of four languages; whoever calls every token replaced has an F1 of 0.31."""
    learned, held_out = (
        stream_of(tokenizer(), [text for of_language in texts for text in of_language], separator=0)
        for texts in four_languages()
    )
    made = objective(rows=16, length=32, share=0.2)
    made = replace(made, masked=replace(made.masked, stream=learned))
    model = ReplacedTokenDetection(
        fresh(MaskedLM, shape(16)), fresh(TokenClassifier, replace(shape(64, labels=2), heads=4), seed=1)
    )
    list(Trainer(model, made, Recipe(steps=60, learning_rate=3e-3, warm_up=10), loss=detection_loss).run())
    asked = replace(made, masked=replace(made.masked, stream=held_out, rows=64))(0)
    found, targets = predictions(model, detection_batch(model, asked))
    measured = assert_f1_above(found, targets, 0.45, label=REPLACED)
    assert measured.value == pytest.approx(f1_score(targets, found))
    assert f1_score(targets, [REPLACED] * len(targets)) < 0.32
