"""What the plugin asks of a model: one method for a model of your own, four members for one that we plan windows for.

Each kind of question has its protocol; a model may have any of them, and is asked only what it has a method for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.decoding import Decoding
from pytest_llm.tasks.perturb import Per

if TYPE_CHECKING:
    import torch


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


@runtime_checkable
class WindowingModel(Protocol):
    """A model that scores whole texts in its own way, and others in windows that the inference layer plans: a server.

    `cut` of its methods makes windows of a text's tokens, given how many tokens one may read before its last one.
    """

    def score(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]: ...

    def score_beyond(
        self, texts: Sequence[str], *, cut: Callable[[Sequence[int], int], Sequence[Window]]
    ) -> Sequence[Sequence[float] | None]:
        """As `score`, in windows, of those texts that are too long to be read whole; None of all others."""

    def score_in_windows(
        self,
        texts: Sequence[str],
        *,
        cut: Callable[[Sequence[int], int], Sequence[Window]],
        max_length: int | None,
        add_bos: bool,
    ) -> Sequence[Sequence[float]]:
        """As `score`, all of them in windows."""

    def window_length(self, max_length: int | None) -> int:
        """How many tokens a window may read before its last one: `max_length`, or as many as it can."""


@runtime_checkable
class ConditionalModel(Protocol):
    """Anything that can say how probable a target text is, given a source text. Nothing has to be inherited.

    class Copier:
        def score_pairs(self, pairs):
            return [[math.log(0.9 if word in source else 1e-4) for word in target.split()] for source, target in pairs]

    A model with a choice takes a keyword `score_eos: bool`, whether to score the end token of the target too.
    """

    def score_pairs(self, pairs: Sequence[tuple[str, str]], /) -> Sequence[Sequence[float] | FloatArray]:
        """For each (source, target) the log-probability (natural) of each target token, given source and target so far."""


@runtime_checkable
class MaskedLanguageModel(Protocol):
    """Anything that can say how probable each token of a text is, given all others. Nothing has to be inherited."""

    def pseudo_log_probs(self, texts: Sequence[str], *, within_word: bool) -> Sequence[Sequence[float] | FloatArray]:
        """For each text the log-probability (natural) of each token when it is masked.

        Args:
            texts: any number of texts.
            within_word: mask the later tokens of the same word as well.
        """


@runtime_checkable
class GenerativeModel(Protocol):
    """Anything that can go on with a text. Nothing has to be inherited."""

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> Sequence[str]:
        """The text that follows each prompt, without the prompt.

        Args:
            prompts: any number of texts.
            decoding: how many tokens at most, where to stop, greedy or at random.
        """


@runtime_checkable
class StreamingModel(Protocol):
    """Anything that can go on with a text piece by piece; for the time to the first token. Nothing has to be inherited."""

    def stream(self, prompt: str, decoding: Decoding) -> Iterable[str]:
        """The pieces of the text that follows, each as soon as it is there; one for each token, if they are to be counted.

        A generator whose pieces are not tokens may `return` how many tokens it wrote, NaN if it cannot tell.
        """


@runtime_checkable
class Classifier(Protocol):
    """Anything that can say which label a text has. Nothing has to be inherited."""

    def classify(self, texts: Sequence[str], /) -> Sequence[Mapping[Any, float] | Any]:
        """For each text the probability of each label, or the label alone."""


@runtime_checkable
class Extractor(Protocol):
    """Anything that can say where the entities of a text are. Nothing has to be inherited.

    A model that can leave out the end of a text takes a keyword `truncate: bool`.
    """

    def extract(self, texts: Sequence[str], /) -> Sequence[Sequence[tuple[int, int, str]]]:
        """For each text its entities: `(start, end, label)`, counted in characters, the end excluded."""


@runtime_checkable
class Encoder(Protocol):
    """Anything that gives a text a place among others. Nothing has to be inherited.

    class Letters:
        def embed(self, texts):
            return [[text.count(letter) for letter in string.ascii_lowercase] for text in texts]

    A model that can leave out the end of a text takes a keyword `truncate: bool`.
    """

    def embed(self, texts: Sequence[str], /) -> Sequence[Sequence[float] | FloatArray]:
        """For each text its embedding: as many numbers for each."""


@runtime_checkable
class DistributionModel(Protocol):
    """A language model that shows its whole next-token distributions; for divergence from a reference."""

    @property
    def max_length(self) -> int: ...

    @property
    def prefix_token(self) -> int | None: ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]: ...

    def next_token_log_probs(self, windows: Sequence[Window]) -> Sequence[torch.Tensor]:
        """For each window the log-probabilities `[scored, vocabulary]` that its scored tokens were drawn from."""


@runtime_checkable
class PerturbableModel(Protocol):
    """A model that can look for the worst small change of its embeddings: one whose gradients can be had."""

    def embedding_divergence(
        self, texts: Sequence[str], *, epsilon: float, steps: int, per: Per, seed: int
    ) -> Sequence[float]:
        """For each text the largest Jensen-Shannon divergence that was found, in nats; arguments as in `tasks.perturb`."""


AnyModel: TypeAlias = (
    LanguageModel
    | WindowedModel
    | ConditionalModel
    | MaskedLanguageModel
    | GenerativeModel
    | Classifier
    | Encoder
    | Extractor
    | PerturbableModel
)


def identity(model: AnyModel) -> Identity:
    """Digests of what the model is made of; empty ones if it does not say."""
    own = getattr(model, "identity", None)
    found = own() if callable(own) else None
    return found if isinstance(found, Identity) else Identity()


def provenance(model: AnyModel) -> Provenance:
    """What the model says of itself, or the name of its class."""
    own = getattr(model, "provenance", None)
    return own if isinstance(own, Provenance) else Provenance(str(getattr(model, "name", type(model).__name__)))
