"""What the plugin asks of a model: one method for a model of your own, four members for one that we plan windows for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from pytest_llm.data.provenance import Provenance
from pytest_llm.statistics.jackknife import FloatArray


@runtime_checkable
class LanguageModel(Protocol):
    """Anything that can say how probable a text is. Nothing has to be inherited.

    class Unigram:
        def score(self, texts):
            return [[math.log(FREQUENCY[word]) for word in text.split()] for text in texts]
    """

    def score(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        """For each text the natural logarithm of the probability of each of its tokens, given those before it."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of tokens that the model reads at once; it is asked for the probabilities of the last `scored` ones."""

    tokens: tuple[int, ...]
    scored: int


@runtime_checkable
class WindowedModel(Protocol):
    """A language model with tokens and a context length; the inference layer cuts texts into windows for it."""

    @property
    def max_length(self) -> int:
        """How many tokens the model can read at once."""

    @property
    def prefix_token(self) -> int | None:
        """The token put before a text when BOS is asked for; None if the tokenizer has neither BOS nor EOS."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, without special tokens added."""

    def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
        """The log-probabilities (natural, float32 log-softmax) of the scored tokens of each window, in order.

        Each window has at most `max_length` tokens before its last one. How they are batched is the model's affair.
        """


AnyModel: TypeAlias = LanguageModel | WindowedModel


def provenance(model: AnyModel) -> Provenance:
    """What the model says of itself, or the name of its class."""
    own = getattr(model, "provenance", None)
    return own if isinstance(own, Provenance) else Provenance(str(getattr(model, "name", type(model).__name__)))
