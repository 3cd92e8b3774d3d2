"""A model of the `transformers` library with a classification head: which label a text has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.models.reading_model import ReadingModel
from pytest_llm.models.smoothness import worst_divergences
from pytest_llm.tasks.perturb import Per, Perturb


class ClassifierModel(ReadingModel):
    """A `(model, tokenizer)` pair as a `Classifier`.

    Args:
        module: a model of `transformers` for sequence classification; it is put into evaluation mode.
        tokenizer: its tokenizer, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's, or the head gives a number and no labels.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        config = module.config
        if config.num_labels < 2 or config.problem_type == "regression":
            raise MisuseError(f"{self.name} gives a number for each text and no label: it does regression")
        self.labels = labels_of(config)

    def classify(self, texts: Sequence[str], *, truncate: bool = False) -> list[Any]:
        """The probability of each label of each text: softmax of the head's logits.

        A head that was trained for several labels a text (`problem_type` of its configuration) is asked about each by
        itself, and gives the list of those that it finds more probable than not.

        Args:
            texts: any number of texts.
            truncate: leave out what is behind the context's length.

        Raises:
            MisuseError: a text without tokens, or one that is longer than the context.
        """
        logits = self.read(self.fitting(texts, truncate=truncate), self._logits)
        if self.module.config.problem_type == "multi_label_classification":
            return [[label for label, on in zip(self.labels, of_text > 0, strict=True) if on] for of_text in logits]
        return [dict(zip(self.labels, of_text.double().softmax(dim=-1).tolist(), strict=True)) for of_text in logits]

    def embedding_divergence(
        self, texts: Sequence[str], *, epsilon: float, steps: int, per: Per, seed: int
    ) -> list[float]:
        """How far the probabilities of the labels move with the embeddings, at worst; see `models.smoothness`.

        Raises:
            MisuseError: a head that gives a text several labels, a text without tokens or longer than the context.
        """
        if self.module.config.problem_type == "multi_label_classification":
            raise MisuseError(f"{self.name} gives a text several labels: there is no one distribution that could move")
        tokens = [frame.whole for frame in self.fitting(texts, truncate=False)]
        return worst_divergences(self.module, tokens, lambda logits: logits, Perturb(epsilon, steps, per, seed))

    def _logits(self, tokens: torch.Tensor) -> torch.Tensor:
        if self.module.config.pad_token_id is not None:
            logits: torch.Tensor = self.module(input_ids=tokens).logits
            return logits
        # a decoder looks for the last token before the padding, and without such a token it takes one text at a time
        return torch.cat([self.module(input_ids=row[None]).logits for row in tokens])


def labels_of(config: Any) -> list[Any]:
    """What a configuration calls its labels; their numbers where it calls them LABEL_0, LABEL_1 and so on."""
    named: Mapping[int, str] = {int(number): label for number, label in config.id2label.items()}
    labels = [named[number] for number in sorted(named)]
    unnamed = labels == [f"LABEL_{number}" for number in range(len(labels))]
    return list(range(len(labels))) if unnamed else labels
