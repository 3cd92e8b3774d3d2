"""Text as it runs, without targets of its own: a causal model reads a domain, or learns to say what its teacher says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.errors import MisuseError
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.pretraining.batch import Batch
from pytest_llm.pretraining.causal import CausalObjective
from pytest_llm.pretraining.stream import generator_of, stream_of


@dataclass(frozen=True, slots=True)
class RunningText:
    """Each token from those before it, for the `module` of a checkpoint. An objective for `finetune` and `distill`."""

    objective: CausalObjective

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        batch = self.objective(number)
        return Batch({"input_ids": batch.inputs["tokens"]}, batch.targets)


def running_text(model: Model, texts: Sequence[str], *, rows: int = 8, length: int = 64, seed: int = 0) -> RunningText:
    """The texts behind each other, each behind the token that a text begins with.

    Args:
        model: whose tokenizer is used; a causal one.
        texts: at least one.
        rows: stretches in a batch, from anywhere in the text.
        length: tokens that are read in each.
        seed: of where they begin.

    Raises:
        MisuseError: no causal model, no texts, or fewer tokens than one stretch has.
    """
    found = as_language_model(model)
    if not isinstance(found, TransformersModel):
        raise MisuseError(f"{type(found).__name__} is no causal language model with weights, which running text is for")
    stream = stream_of(found.tokenizer, texts, separator=found.prefix_token)
    stream.rows(0, length + 1, generator_of(seed))  # long enough?
    return RunningText(CausalObjective(stream, rows, length, seed))
