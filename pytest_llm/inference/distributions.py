"""Ask for whole next-token distributions, of a few windows at a time: one has as many entries as the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking
from pytest_llm.inference.engine import ask
from pytest_llm.inference.scoring import encode_all
from pytest_llm.inference.windows import rolling_windows
from pytest_llm.models.language_model import AnyModel, DistributionModel, Window

if TYPE_CHECKING:
    import torch

MAX_LENGTH = 512
ROWS_AT_A_TIME = 1024
"""So many distributions exist at once, of each of two models: 200 MB at a vocabulary of 49 152."""

Text: TypeAlias = tuple[Example, list[int]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some tokens of a text, and the window that a model reads to say how probable they are."""

    example: Example
    first: int
    """The number of the first of them in its text, from 0."""
    window: Window

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.window.tokens[-self.window.scored :]


def distribution_model(model: AnyModel) -> DistributionModel:
    """The model, if it shows its distributions.

    Raises:
        MisuseError: it does not.
    """
    if not isinstance(model, DistributionModel):
        raise lacking(model, "how probable every token is at each place", "a causal model of transformers")
    return model


def chosen_length(longest: int, wanted: int | None, who: str = "the model") -> int:
    """The window that is asked for, if it can be read; 512 or the longest if none is."""
    if wanted is not None and wanted > longest:
        raise MisuseError(f"max_length={wanted} exceeds the {longest} tokens that {who} can read")
    return wanted or min(longest, MAX_LENGTH)


def texts_of(model: DistributionModel, examples: Sequence[Example]) -> list[Text]:
    """Each text with its tokens.

    Raises:
        MisuseError: a text without tokens, or no token to begin texts with.
    """
    if model.prefix_token is None:
        raise MisuseError(
            "the tokenizer has neither BOS nor EOS to put in front of texts, and the first token is compared too"
        )
    texts = encode_all(model, examples)
    for example, tokens in texts:
        if not tokens:
            raise MisuseError(f"the text of {example.label} has no tokens: {example.text[:40]!r}")
    return texts


def distributions(
    model: DistributionModel, texts: Iterable[Text], length: int
) -> Iterator[tuple[list[Stretch], list[torch.Tensor]]]:
    """The log-probabilities `[scored, vocabulary]` of stretch after stretch, several at a time, texts in order."""
    for some in _batches(_stretches(model, texts, length)):
        yield some, ask(model, "next_token_log_probs", [stretch.window for stretch in some])


def _stretches(model: DistributionModel, texts: Iterable[Text], length: int) -> Iterator[Stretch]:
    assert model.prefix_token is not None  # texts_of has looked
    for example, tokens in texts:
        first = 0
        for window in rolling_windows([model.prefix_token, *tokens], length):
            yield Stretch(example, first, window)
            first += window.scored


def _batches(stretches: Iterable[Stretch]) -> Iterator[list[Stretch]]:
    some: list[Stretch] = []
    rows = 0
    for stretch in stretches:
        if some and rows + stretch.window.scored > ROWS_AT_A_TIME:
            yield some
            some, rows = [], 0
        some.append(stretch)
        rows += stretch.window.scored
    if some:
        yield some
