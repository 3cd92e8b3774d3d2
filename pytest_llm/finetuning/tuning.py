"""From a pre-trained model, examples and a strategy to a tuned model, through the trainer of `pretraining`.

    tuned = finetune(base, rows, Recipe(steps=100, learning_rate=3e-4), FeedForward(), task=Classify(WORDS, "{text}\\nTopic:"))
    print(tuned.trained)
    assert_finetuning_improves(base, tuned.model, held_out, "accuracy", task=…)

The base is not changed. A run is a function of the base, the examples, the recipe and the strategy.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from pytest_llm.data.loading import Data
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.full import Full
from pytest_llm.finetuning.strategy import Strategy, Trained
from pytest_llm.finetuning.supervision import supervision
from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.pretraining.batch import Loss, Objective, total_loss
from pytest_llm.pretraining.trainer import Recipe, Trainer
from pytest_llm.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Tuned:
    """What fine-tuning gave."""

    model: Any
    """A model as the base was: every assertion takes it."""
    trained: Trained
    """Which parameters were trained."""
    losses: tuple[float, ...]
    """After each step, in nats per target."""


def finetune(
    base: Model,
    data: Data | Objective,
    recipe: Recipe,
    strategy: Strategy | None = None,
    *,
    task: Task | None = None,
    rows: int = 16,
    seed: int = 0,
    loss: Loss = total_loss,
) -> Tuned:
    """Train a copy of a model on examples.

    Args:
        base: a path, a hub id, a `(model, tokenizer)` pair of `transformers` or of the core, or what `load_model` gives.
        data: rows with `text` and `target`, as `load_examples` takes them; or an objective, such as `MultiTask`, for the copy's
            `module`.
        recipe: steps, learning rate and so on.
        strategy: what is trained; None: all of it.
        task: what the model is asked to do, as for the assertion that will measure it: `Classify`, `Choose` or `Generate`. None:
            a classifier's head is trained, and any other model writes the target after the text.
        rows: examples in a batch.
        seed: of the order of the examples.
        loss: what is made small.

    Raises:
        MisuseError: no model with weights, examples without targets or that do not fit, an architecture whose parts are not
            known, a loss that is not finite.
    """
    model = as_language_model(base)
    if not isinstance(model, Checkpoint):
        raise MisuseError(
            f"{type(model).__name__} has no weights that could be trained: give a (model, tokenizer) pair"
        )
    chosen = Full() if strategy is None else strategy
    own = chosen.attach(copy.deepcopy(model))
    objective = data if callable(data) else supervision(own, data, task, rows=rows, seed=seed)
    trained = chosen.trained(own, recipe.steps)
    trainer = Trainer(own.module, objective, recipe, groups=trained.groups, loss=loss)
    losses = tuple(trainer.run())
    return Tuned(chosen.detach(own), trained, losses)
