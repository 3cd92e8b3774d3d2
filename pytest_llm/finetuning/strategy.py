"""A strategy says which parameters of a model are trained, from which step on, and at which learning rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.models.checkpoint import Checkpoint
from pytest_llm.pretraining.trainer import ParameterGroup


@dataclass(frozen=True, slots=True)
class Trained:
    """Which parameters a strategy trains of a model; `print` it."""

    groups: tuple[ParameterGroup, ...]
    count: int
    """Numbers that are trained."""
    total: int
    """Numbers that the model has."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tensors."""
        return tuple(name for group in self.groups for name in group.names)

    @property
    def share(self) -> float:
        """Of the model's numbers."""
        return self.count / self.total

    def __str__(self) -> str:
        """A line in all, and one for each group."""
        tensors = len(self.names)
        lines = [f"{self.count} of {self.total} parameters ({100 * self.share:.3g} %) in {tensors} tensors"]
        for group in self.groups:
            rate = f"{group.scale:.3g} of the learning rate, from step {group.start}"
            more = f", {len(group.names) - 1} more" if len(group.names) > 1 else ""
            lines.append(f"  {rate}: {group.names[0]}{more}")
        return "\n".join(lines)


class Strategy(ABC):
    """What is trained of a model. A new one is a subclass with `groups`."""

    @abstractmethod
    def groups(self, model: Checkpoint, steps: int) -> Sequence[ParameterGroup]:
        """What is trained of a model in so many steps; all else is frozen.

        Raises:
            MisuseError: the model has no such parts.
        """

    def attach(self, model: Checkpoint) -> Checkpoint:
        """The model with what the strategy adds to it before it is trained; by default as it is."""
        return model

    def detach(self, model: Checkpoint) -> Checkpoint:
        """The trained model as one that can be asked and saved as any other; by default as it is."""
        return model

    def trained(self, model: Checkpoint, steps: int) -> Trained:
        """The same, counted.

        Raises:
            MisuseError: the model has no such parts.
        """
        sizes = {name: parameter.numel() for name, parameter in model.module.named_parameters()}
        groups = tuple(group for group in self.groups(model, steps) if group.names)
        count = sum(sizes[name] for group in groups for name in group.names)
        return Trained(groups, count, sum(sizes.values()))
