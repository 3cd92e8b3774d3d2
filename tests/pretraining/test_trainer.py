"""The trainer: the schedule, what a step is, that a resumed run is the run; and that models learn real text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm import assert_perplexity_below, embedded, load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.models.core_model import core_model
from pytest_llm.pretraining.batch import IGNORED, Batch, accuracy, total_loss
from pytest_llm.pretraining.causal import CausalObjective
from pytest_llm.pretraining.masked import MaskedObjective
from pytest_llm.pretraining.stream import Stream
from pytest_llm.pretraining.trainer import ParameterGroup, Recipe, Trainer
from pytest_llm.transformer.architectures import CausalLM, MaskedLM
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import novels, page, tokenizer

SHAPE = Config(vocabulary=2049, width=16, layers=1, heads=2, max_length=64)
COMMON = Recipe(steps=6, learning_rate=1e-2, warm_up=2)


def sparse(rows: int) -> Callable[[int], Batch]:
    """Batches with different numbers of targets."""

    def batch(number: int) -> Batch:
        whole = CausalObjective(novels(), rows, 8)(number)
        targets = whole.targets.clone()
        targets[:, : 1 + number % 3] = IGNORED
        return Batch(whole.inputs, targets)

    return batch


def joined(objective: Callable[[int], Batch], count: int) -> Callable[[int], Batch]:
    """`count` batches as one."""

    def batch(number: int) -> Batch:
        parts = [objective(number * count + place) for place in range(count)]
        tokens = torch.cat([part.inputs["tokens"] for part in parts])
        return Batch({"tokens": tokens}, torch.cat([part.targets for part in parts]))

    return batch


def weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_the_learning_rate_rises_and_falls() -> None:
    recipe = Recipe(steps=11, learning_rate=2.0, warm_up=4, final_share=0.1)
    rates = [recipe.rate(step) for step in range(11)]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[7] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rates[10] == pytest.approx(0.2)
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_accumulated_batches_are_one_large_batch() -> None:
    """Each target counts the same, however many its batch has."""
    losses, trained = [], []
    for objective, count in ((sparse(2), 3), (joined(sparse(2), 3), 1)):
        model = fresh(CausalLM, SHAPE)
        recipe = Recipe(steps=3, learning_rate=1e-2, accumulate=count)
        losses.append(list(Trainer(model, objective, recipe).run()))
        trained.append(weights(model))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for one, other in zip(*trained, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_a_step_is_one_of_adam_w_with_a_clipped_gradient() -> None:
    """Against the update rule (Loshchilov & Hutter 2019), written out in float64: after one step m̂ = g and v̂ = g²."""
    model, recipe = fresh(CausalLM, SHAPE).double(), Recipe(steps=1, learning_rate=1e-2, clip=0.01, weight_decay=0.5)
    before = weights(model)
    batch = CausalObjective(novels(), 2, 8)(0)
    loss = torch.nn.functional.cross_entropy(model(**batch.inputs).flatten(0, 1), batch.targets.flatten())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    assert norm > 0.01
    (found,) = Trainer(model, CausalObjective(novels(), 2, 8), recipe).run()
    assert found == pytest.approx(float(loss.detach()), rel=1e-5)  # which is taken in float32
    for old, gradient, new in zip(before, gradients, weights(model), strict=True):
        clipped = gradient * 0.01 / norm
        decayed = old * (1 - 1e-2 * 0.5) if old.dim() == 2 else old
        torch.testing.assert_close(new, decayed - 1e-2 * clipped / (clipped.abs() + 1e-8), atol=1e-4, rtol=1e-3)


def test_a_resumed_run_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    """With dropout, with accumulation; whatever happened to the global random numbers in between."""
    config = Config(vocabulary=2049, width=16, layers=1, heads=2, max_length=64, dropout=0.2)
    recipe = Recipe(steps=6, learning_rate=1e-2, warm_up=2, accumulate=2)
    objective = CausalObjective(novels(), 2, 16)
    whole = Trainer(fresh(CausalLM, config), objective, recipe)
    losses = list(whole.run())

    stopped = Trainer(fresh(CausalLM, config), objective, recipe)
    first = list(stopped.run(until=3))
    stopped.save(tmp_path / "run.pt")
    torch.manual_seed(99)
    resumed = Trainer(fresh(CausalLM, config, seed=7), objective, recipe)
    resumed.resume(tmp_path / "run.pt")
    assert first + list(resumed.run()) == losses
    assert all(torch.equal(one, other) for one, other in zip(weights(whole.model), weights(resumed.model), strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["run.pt"]
    assert not resumed.model.training


def test_groups_thaw_at_their_step_and_are_resumed_bit_for_bit(tmp_path: Path) -> None:
    groups = [
        ParameterGroup(("body.norm.weight",)),
        ParameterGroup(("body.layers.0.feed_forward.up.weight",), scale=0.5, start=2),
    ]
    recipe, objective = Recipe(steps=4, learning_rate=1e-2), CausalObjective(novels(), 2, 8)

    def trainer() -> Trainer:
        return Trainer(fresh(CausalLM, SHAPE), objective, recipe, groups=groups)

    def moved(model: torch.nn.Module) -> set[str]:
        start = dict(fresh(CausalLM, SHAPE).named_parameters())
        return {name for name, weight in model.named_parameters() if not torch.equal(weight, start[name])}

    whole, stopped, resumed = trainer(), trainer(), trainer()
    first = list(stopped.run(until=2))
    assert moved(stopped.model) == set(groups[0].names)
    stopped.save(tmp_path / "run.pt")
    resumed.resume(tmp_path / "run.pt")
    assert first + list(resumed.run()) == list(whole.run())
    assert all(torch.equal(one, other) for one, other in zip(weights(whole.model), weights(resumed.model), strict=True))
    assert moved(whole.model) == {*groups[0].names, *groups[1].names}
    assert [options["lr"] for options in whole.optimizer.param_groups] == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4])


def test_dropout_is_on_while_training_and_touches_no_other_random_numbers() -> None:
    config = Config(vocabulary=2049, width=16, layers=1, heads=2, max_length=64, dropout=0.5)
    before = torch.random.get_rng_state()
    with_dropout, without = (
        next(Trainer(fresh(CausalLM, shape), CausalObjective(novels(), 2, 8), COMMON).run())
        for shape in (config, SHAPE)
    )
    assert with_dropout != without
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda path: path.unlink(), "no run can be resumed"),
        (lambda path: path.write_bytes(b"abc"), "no run can be resumed"),
        (lambda path: torch.save({"recipe": print}, path), "no run can be resumed"),
    ],
)
def test_a_run_that_cannot_be_read_is_an_error(change: Any, complaint: str, tmp_path: Path) -> None:
    trainer = Trainer(fresh(CausalLM, SHAPE), CausalObjective(novels(), 2, 8), COMMON)
    trainer.save(tmp_path / "run.pt")
    change(tmp_path / "run.pt")
    with pytest.raises(MisuseError, match=complaint):
        trainer.resume(tmp_path / "run.pt")


def test_a_run_of_another_recipe_or_model_is_not_gone_on_with(tmp_path: Path) -> None:
    objective = CausalObjective(novels(), 2, 8)
    Trainer(fresh(CausalLM, SHAPE), objective, COMMON).save(tmp_path / "run.pt")
    with pytest.raises(MisuseError, match="has another recipe"):
        Trainer(fresh(CausalLM, SHAPE), objective, Recipe(steps=7, learning_rate=1e-2)).resume(tmp_path / "run.pt")
    with pytest.raises(MisuseError, match="is of another model"):
        Trainer(fresh(MaskedLM, SHAPE), objective, COMMON).resume(tmp_path / "run.pt")


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    model: Any = fresh(CausalLM, SHAPE)
    with torch.no_grad():
        model.body.embedding.tokens.weight[5] = math.nan
    with pytest.raises(MisuseError, match="the loss of step 0 is nan"):
        list(Trainer(model, CausalObjective(novels(), 8, 32), COMMON).run())
    assert not model.training


def test_mixed_precision_multiplies_in_bfloat16_and_keeps_weights_in_float32() -> None:
    model: Any = fresh(CausalLM, SHAPE)
    seen: list[torch.dtype] = []
    model.body.layers[0].feed_forward.up.register_forward_hook(lambda _layer, _given, made: seen.append(made.dtype))
    recipe = Recipe(steps=1, learning_rate=1e-2, mixed_precision=True)
    list(Trainer(model, CausalObjective(novels(), 2, 8), recipe).run())
    assert seen == [torch.bfloat16]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_causal_model_learns_to_read() -> None:
    """After 120 small steps it reads a novel it has not seen better than one who knows how often each token is."""
    model = fresh(CausalLM, Config(vocabulary=2049, width=64, layers=1, heads=4, max_length=64))
    recipe = Recipe(steps=120, learning_rate=1e-2, warm_up=10)
    losses = list(Trainer(model, CausalObjective(novels(), rows=8, length=32), recipe).run())
    assert losses[0] == pytest.approx(math.log(2049), abs=0.2)
    texts = [" ".join(example.text.split()[:40]) for example in load_examples(embedded("data/held_out.jsonl"))][:6]
    counts = torch.bincount(novels().tokens, minlength=2049).double() + 1
    tokens = torch.tensor([token for text in tokenizer()(texts)["input_ids"] for token in text])
    unigram = float(torch.exp(-(counts / counts.sum()).log()[tokens].mean()))
    assert_perplexity_below(core_model(model, tokenizer()), texts, 0.9 * unigram)


def test_a_masked_model_learns_what_stands_in_a_gap() -> None:
    """In a language where a token follows from its neighbours, as in 3, 6, 9, 12."""
    model = fresh(MaskedLM, Config(vocabulary=21, width=32, layers=1, heads=4, max_length=64))
    counting = Stream(torch.arange(600) * 3 % 20, torch.arange(600))
    objective = MaskedObjective(counting, rows=8, length=20, mask_token=20, vocabulary=20)
    gaps = replace(objective, rows=64, masked=1.0, replaced=0.0, seed=1)(0)
    assert accuracy(model, gaps) < 0.15
    list(Trainer(model, objective, Recipe(steps=300, learning_rate=1e-2, warm_up=10)).run())
    assert accuracy(model, gaps) > 0.6


def test_a_masked_model_learns_a_page() -> None:
    """From nothing, prose: it says of gaps that it was not shown what one who only counts tokens cannot."""
    stream, vocabulary, entropy = page()
    model = fresh(MaskedLM, Config(vocabulary=vocabulary + 1, width=64, layers=1, heads=4, max_length=64))
    objective = MaskedObjective(stream, 8, 24, mask_token=vocabulary, vocabulary=vocabulary, share=0.3)
    unseen = replace(objective, rows=32, seed=1)(0)

    def loss() -> float:
        with torch.inference_mode():
            return float(total_loss(model, unseen)) / unseen.predicted

    assert loss() > entropy
    list(Trainer(model, objective, Recipe(steps=240, learning_rate=1e-2, warm_up=10)).run())
    assert loss() < entropy - 1
