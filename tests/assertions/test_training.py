"""Assertions about training: green on code that trains, red on each fault that training code is known for, and it is named."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from pytest_llm import (
    MisuseError,
    Outcome,
    QualityError,
    assert_gradients_finite,
    assert_gradients_reach_everything,
    assert_loss_decreases,
    assert_overfits_one_batch,
)
from pytest_llm.pretraining.causal import CausalObjective
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.recording import recording
from pytest_llm.transformer.architectures import CausalLM
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.fresh import fresh
from tests.pretraining.texts import novels


class Classifier(nn.Module):
    """A user's own: whether the mean of what is read lies above 0."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second, self.head = nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        logits: Tensor = self.head(hidden + self.second(hidden).relu())
        return logits


class Detached(Classifier):
    """One branch is cut off."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        logits: Tensor = self.head(hidden + self.second(hidden).relu().detach())
        return logits


class RootOfZero(Classifier):
    """The square root of a number that is 0: the value is one, the slope is none."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x).relu()
        logits: Tensor = self.head(hidden + (self.second(hidden) * 0).sqrt())
        return logits


def data(seed: int) -> tuple[Tensor, Tensor]:
    """32 points, as many on either side."""
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(seed))
    x = torch.cat([x, -x])
    return x, (x.mean(dim=1) > 0).long()


def training(
    model: nn.Module,
    *,
    rate: float = 0.3,
    batches: Callable[[int], tuple[Tensor, Tensor]] = data,
    parameters: Any = None,
) -> Callable[[], float]:
    """A user's training loop, a step at a call."""
    optimizer = torch.optim.SGD(
        model.parameters() if parameters is None else parameters, lr=abs(rate), maximize=rate < 0
    )
    count = 0

    def step() -> float:
        nonlocal count
        x, y = batches(count)
        count += 1
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return float(loss.detach())

    return step


def same(_: int) -> tuple[Tensor, Tensor]:
    return data(0)


def moved(number: int) -> tuple[Tensor, Tensor]:
    """Each target stands beside the next input."""
    x, y = data(number)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(number))
    return x[order], y[order].roll(1)


def moved_repeats(_: int) -> tuple[Tensor, Tensor]:
    """Four inputs, each thrice; each target stands beside the next input."""
    x, y = data(0)
    return x[[0, 0, 0, 16, 16, 16]], y[[0, 0, 0, 16, 16, 16]].roll(1)


def frozen(model: Classifier) -> Classifier:
    model.second.requires_grad_(False)
    return model


def loss_of(model: nn.Module) -> Callable[[], Tensor]:
    x, y = data(0)
    return lambda: cross_entropy(model(x), y)


def red(assertion: Callable[..., Any], *args: Any, **settings: Any) -> str:
    """The message of a failure, which was recorded, too."""
    with recording() as recorder, pytest.raises(QualityError) as caught:
        assertion(*args, **settings)
    (verdict,) = recorder.verdicts
    assert not verdict.passed
    assert str(caught.value) == str(verdict)
    return str(verdict)


def test_a_loop_that_trains_passes_all() -> None:
    with recording() as recorder:
        falling = assert_loss_decreases(training(Classifier()), steps=30)
        learned = assert_overfits_one_batch(training(Classifier(), batches=same), 0.1)
        model = Classifier()
        assert_gradients_finite(model, loss_of(model))
        assert_gradients_reach_everything(model, loss_of(model)())  # a tensor does as well
    assert [verdict.outcome for verdict in recorder.verdicts] == [Outcome.PASSED] * 4
    assert falling.value < 0
    assert len(falling.example_values) == 30
    assert learned.value < 0.1 < learned.example_values[-2]  # it ended there
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_trainer_of_this_package_passes() -> None:
    shape = Config(vocabulary=2049, width=16, layers=1, heads=2, max_length=32)
    objective = CausalObjective(novels(), rows=2, length=16)
    recipe = Recipe(steps=60, learning_rate=2e-2, warm_up=3)
    assert_loss_decreases(Trainer(fresh(CausalLM, shape), objective, recipe).run(until=20))
    one_batch = Trainer(fresh(CausalLM, shape), lambda number: objective(0), recipe)
    assert_overfits_one_batch(one_batch.run(), 2.0)  # of log 2049 = 7.6


def test_a_learning_rate_of_the_wrong_sign_is_found() -> None:
    message = red(assert_loss_decreases, training(Classifier(), rate=-0.05), steps=30)
    assert re.match(r"the loss does not fall: [\d.]+ a step over 30 steps, from 0.8118 to", message)
    message = red(assert_overfits_one_batch, training(Classifier(), rate=-0.05, batches=same), 0.1, steps=20)
    assert "is not below 0.1: over the limit by" in message.splitlines()[0]


def test_an_optimizer_without_the_parameters_is_found() -> None:
    idle = training(Classifier(), batches=same, parameters=Classifier().parameters())
    assert "it is 0.8118 at all 20 steps" in red(assert_loss_decreases, idle, steps=20).splitlines()[0]
    red(assert_overfits_one_batch, training(Classifier(), batches=same, parameters=Classifier().parameters()), 0.1)


def test_targets_that_were_moved_are_found() -> None:
    """On batches drawn anew nothing can be learned from them, nor where equal inputs have different targets."""
    assert_loss_decreases(training(Classifier(), rate=0.05, batches=moved), steps=30)  # down to log 2: the frequencies
    message = red(assert_loss_decreases, training(Classifier(), rate=0.05, batches=moved), steps=60, below=0.6)
    assert message.startswith("the loss falls, but not below 0.6: it is 0.")
    assert_loss_decreases(training(Classifier(), rate=0.05), steps=60, below=0.6)
    message = red(assert_overfits_one_batch, training(Classifier(), batches=moved_repeats), 0.1)
    assert message.startswith("loss_on_one_batch 0.6")
    assert_overfits_one_batch(
        training(Classifier(), batches=lambda _: tuple(part[[0, 0, 0, 16, 16, 16]] for part in data(0))),  # type: ignore[arg-type, return-value]
        0.1,
    )


def test_a_detached_branch_is_named() -> None:
    model = Detached()
    message = red(assert_gradients_reach_everything, model, loss_of(model))
    assert message.splitlines()[0] == (
        "not reached by its loss: second.weight gets no gradient (2 of 6 parameters are so)"
    )
    assert "second.bias" in message
    with torch.no_grad():
        cut = loss_of(model)()
    assert "first.weight gets no gradient (6 of 6" in red(assert_gradients_reach_everything, model, cut)


def test_a_layer_that_is_frozen_by_accident_is_named() -> None:
    model = frozen(Classifier())
    message = red(assert_gradients_reach_everything, model, loss_of(model))
    assert "second.weight is frozen: its requires_grad is False (2 of 6 parameters are so)" in message
    assert_gradients_reach_everything(model, loss_of(model), frozen="second.*")
    message = red(assert_gradients_reach_everything, model, loss_of(model), frozen=["second.*", "first.bias"])
    assert "first.bias is to be frozen, but its requires_grad is True" in message


def test_a_gradient_of_zeros_is_none_where_that_is_asked_for() -> None:
    model = Classifier()
    with torch.no_grad():
        model.head.weight.zero_()  # as the last layer of LoRA: nothing passes back through it at first
    assert_gradients_reach_everything(model, loss_of(model))
    message = red(assert_gradients_reach_everything, model, loss_of(model), nonzero=True)
    assert "the gradient of first.weight is 0 everywhere" in message


def test_a_gradient_that_is_no_number_is_found_where_it_begins() -> None:
    model = RootOfZero()
    message = red(assert_gradients_finite, model, loss_of(model))
    assert message.startswith("not finite in its gradients: 16 of 16 entries of the gradient of second.bias are NaN")
    assert "first.weight" in message
    assert "head.weight" not in message
    assert "begins     second.bias, the nearest to the loss" in message


def test_one_layer_whose_gradient_is_no_number_is_named() -> None:
    model = Classifier()
    weight: Any = model.second.weight  # hooks are untyped
    weight.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([3]), math.nan))
    message = red(assert_gradients_finite, model, loss_of(model))
    assert "16 of 256 entries of the gradient of second.weight are NaN or infinite (each has to be a number)" in message
    assert "7 cases, 1 of them broken" in message


def test_a_loss_that_is_no_number_is_named_first() -> None:
    model = Classifier()
    message = red(assert_gradients_finite, model, lambda: loss_of(model)() * math.inf)
    assert message.startswith("not finite in its gradients: the loss itself is inf")
    assert "it is nan at step 3 of 6" in red(assert_loss_decreases, [3.0, 2.0, math.nan, 2.0, 1.0, 0.5])
    message = red(assert_overfits_one_batch, iter([3.0, math.nan, 0.0]), 0.1)
    assert message.startswith("loss_on_one_batch is not a number: 1 of 2 steps gave NaN (step 2)")


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: assert_loss_decreases([3.0, 2.0, 1.0, 0.5]), "4 losses can show no trend"),
        (lambda: assert_loss_decreases([3.0, 2.0], alpha=1.0), "alpha=1.0: expected a small probability"),
        (lambda: assert_loss_decreases([3.0, 2.0], below=math.nan), "limit nan"),
        (lambda: assert_loss_decreases(3.0), "is no run: expected losses, or a function"),  # type: ignore[arg-type]
        (lambda: assert_loss_decreases(lambda: None), "a step gave None"),
        (lambda: assert_loss_decreases(lambda: 1.0, steps=0), "steps=0: expected a whole number"),
        (lambda: assert_overfits_one_batch([], 0.1), "no losses: there is nothing to judge"),
        (lambda: assert_overfits_one_batch([1.0], math.nan), "limit nan"),
        (lambda: assert_gradients_finite(lambda: 0, torch.tensor(0.0)), "function is no torch module"),
        (
            lambda: assert_gradients_finite(Classifier(), torch.zeros(2)),
            r"a Tensor of shape \(2,\): expected one number",
        ),
        (lambda: assert_gradients_finite(Classifier(), lambda: 0.5), "the loss is a float 0.5"),  # type: ignore[arg-type, return-value]
        (
            lambda: assert_gradients_finite(Classifier().requires_grad_(False), torch.tensor(0.0)),
            "no parameter of the model has requires_grad",
        ),
        (
            lambda: assert_gradients_reach_everything(Classifier(), torch.tensor(0.0), frozen="body.*"),
            r"frozen='body.\*' names no parameter; there are first.weight, first.bias, second.weight, …",
        ),
    ],
)
def test_what_can_have_no_answer_is_refused(call: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        call()
