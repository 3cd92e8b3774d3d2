"""A trainer of one page: AdamW, warm-up and cosine, clipping, accumulation, mixed precision, exact resume.

A run is a function of the model, the objective, the recipe and nothing else: batches and dropout are drawn from random numbers
that belong to their step. So a run that was stopped and resumed gives the weights, bit for bit, of one that was not.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import Batch, Loss, Objective, total_loss
from pytest_llm.pretraining.stream import generator_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a model is trained."""

    steps: int
    learning_rate: float
    """At its peak."""
    warm_up: int = 0
    """Steps in which the learning rate rises linearly; then it falls by half a cosine."""
    final_share: float = 0.1
    """Of the learning rate at the last step, of its peak."""
    weight_decay: float = 0.1
    """Of matrices; biases and norms have none."""
    betas: tuple[float, float] = (0.9, 0.95)
    clip: float = 1.0
    """The largest norm of a step's gradient; a longer one is scaled to it."""
    accumulate: int = 1
    """Batches whose gradients make one step."""
    mixed_precision: bool = False
    """Multiply in bfloat16; weights and their sums stay in float32."""
    seed: int = 0
    """Of dropout; an objective has its own."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        progress = (step - self.warm_up) / max(1, self.steps - 1 - self.warm_up)
        wave = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return self.learning_rate * (self.final_share + (1 - self.final_share) * wave)


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that are trained alike."""

    names: tuple[str, ...]
    """As the model's `named_parameters` calls them."""
    scale: float = 1.0
    """Of the learning rate, a share of the recipe's (discriminative learning rates)."""
    start: int = 0
    """The step before which they are frozen (gradual unfreezing)."""


class Trainer:
    """A model on its way.

    Args:
        model: is trained in place.
        objective: gives batch number n.
        recipe: how.
        groups: what is trained, and all else is frozen; None: all of it.
        loss: what is made small.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        recipe: Recipe,
        *,
        groups: Sequence[ParameterGroup] | None = None,
        loss: Loss = total_loss,
    ) -> None:
        self.model, self.objective, self.recipe, self.loss = model, objective, recipe, loss
        self.step = 0
        """How many steps have been made."""
        parameters = dict(model.named_parameters())
        chosen = [ParameterGroup(tuple(parameters))] if groups is None else groups
        options: list[dict[str, Any]] = []
        for group in chosen:
            own = [parameters[name] for name in group.names]
            common = {"scale": group.scale, "start": group.start}
            matrices = [parameter for parameter in own if parameter.dim() >= 2]
            others = [parameter for parameter in own if parameter.dim() < 2]
            options.append({"params": matrices, "weight_decay": recipe.weight_decay, **common})
            options.append({"params": others, "weight_decay": 0.0, **common})
        self.optimizer = torch.optim.AdamW(options, lr=recipe.learning_rate, betas=recipe.betas)

    def run(self, until: int | None = None) -> Iterator[float]:
        """Go on to a step, by default the last; after each step its loss, in nats per target."""
        last = self.recipe.steps if until is None else min(until, self.recipe.steps)
        asked = {parameter: parameter.requires_grad for parameter in self.model.parameters()}
        self.model.train()
        try:
            while self.step < last:
                yield self._make_step()
        finally:
            self.model.eval()
            for parameter, before in asked.items():
                parameter.requires_grad_(before)

    def _make_step(self) -> float:
        device = next(self.model.parameters()).device
        count = self.recipe.accumulate
        batches = [self.objective(self.step * count + place).to(device) for place in range(count)]
        # over all their targets: the mean of means would give the targets of a sparse batch more weight
        targets = sum(batch.predicted for batch in batches)
        self.model.requires_grad_(False)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(self.step) * group["scale"]
            for parameter in group["params"]:  # without a gradient the optimizer leaves a parameter as it is
                parameter.requires_grad_(self.step >= group["start"])
        self.optimizer.zero_grad()
        loss = 0.0
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(generator_of(self.recipe.seed, self.step).initial_seed())
            for batch in batches:
                part = self._loss(batch, device) / targets
                torch.autograd.backward(part)
                loss += float(part.detach())
        if not math.isfinite(loss):
            raise MisuseError(f"the loss of step {self.step} is {loss}: lower the learning rate, or look at the data")
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        return loss

    def _loss(self, batch: Batch, device: torch.device) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=self.recipe.mixed_precision):
            return self.loss(self.model, batch)

    def save(self, path: Path) -> None:
        """All that is needed to go on; the file is there as a whole or not at all."""
        state = {
            "step": self.step,
            "recipe": asdict(self.recipe),
            "kind": type(self.model).__name__,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        unfinished = path.with_name(path.name + ".part")
        torch.save(state, unfinished)
        os.replace(unfinished, path)

    def resume(self, path: Path) -> None:
        """Go on where a saved run stopped. Nothing but tensors and numbers is read from the file, no code.

        Raises:
            MisuseError: it cannot be read, or is of another recipe or model.
        """
        try:
            state: dict[str, Any] = torch.load(path, weights_only=True)
            recipe = Recipe(**state["recipe"])
        except (
            Exception
        ) as error:  # a missing or damaged file, a pickle of something else: each has an error of its own
            raise MisuseError(f"no run can be resumed from {str(path)!r}: {error}") from None
        if recipe != self.recipe:
            raise MisuseError(f"the run in {str(path)!r} has another recipe: {recipe}, not {self.recipe}")
        try:
            if state["kind"] != type(self.model).__name__:
                raise ValueError(f"a {state['kind']}")
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise MisuseError(f"the run in {str(path)!r} is of another model: {error}") from None
        self.step = state["step"]
