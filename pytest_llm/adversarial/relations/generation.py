"""The relation about written text: what the model writes stays the same, or alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import as_metric
from pytest_llm.metrics.metric import Metric, value_of_one
from pytest_llm.tasks.generate import Generate


@dataclass(frozen=True)
class ConsistentGeneration(Relation):
    """What the model writes for the edited text is what it writes for the clean one, or like it.

        loss = at_least − similarity

    Args:
        task: what is asked; greedy, unless it says otherwise.
        similarity: "exact": 1 for the same text, else 0; or a metric between two texts, by name or whole, such as "chrf", which
            takes what was written for the clean text as the reference.
        at_least: how alike they have to be, in the metric's unit (chrF: of 100).
    """

    name: ClassVar[str] = "consistent_generation"
    task: Generate = field(default_factory=Generate)
    similarity: Metric | str = "exact"
    at_least: float = 0.5

    def __post_init__(self) -> None:
        if self.similarity == "exact" and not 0 < self.at_least <= 1:
            raise MisuseError(
                f"at_least={self.at_least!r}: similarity='exact' is 0 or 1, so anything between tells them"
            )
        if self.similarity != "exact" and as_metric(self.similarity).lower_is_better:
            raise MisuseError(f"{self.similarity!r} is better the lower it is: expected a similarity, such as 'chrf'")

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        if clean == output:  # of which some metrics know nothing where both are empty
            return -1.0
        if self.similarity == "exact" or not clean:
            return self.at_least
        metric, example = as_metric(self.similarity), replace(example, target=(clean,))
        return self.at_least - value_of_one(metric, example, output)

    def shown(self, example: Example, output: Any) -> Any:
        return output
