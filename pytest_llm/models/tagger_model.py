"""A model of the `transformers` library with a head that gives each token a tag: which entities a text holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_llm.errors import MisuseError
from pytest_llm.metrics.extraction import Span
from pytest_llm.models.reading_model import ReadingModel


class TaggerModel(ReadingModel):
    """A `(model, tokenizer)` pair as an `Extractor`.

    Args:
        module: a model of `transformers` for token classification; it is put into evaluation mode.
        tokenizer: its tokenizer, a fast one, with no more entries than the model has embeddings.
        name: how reports call it.

    Raises:
        MisuseError: the tokenizer's vocabulary exceeds the model's, or it does not know where in a text its tokens stand.
    """

    def __init__(self, module: Any, tokenizer: Any, *, name: str | None = None) -> None:
        super().__init__(module, tokenizer, name=name)
        if not getattr(tokenizer, "is_fast", False):
            raise MisuseError(f"the tokenizer of {self.name} does not say where tokens stand: load its fast version")

    def extract(self, texts: Sequence[str], *, truncate: bool = False) -> list[list[Span]]:
        """The entities of each text: `(start, end, label)`, counted in characters.

        A word has the most probable tag of its first token; words in a row with one label are one entity, unless a B- begins
        another (`aggregation_strategy="first"` of the pipeline of transformers). Tags without B- or I- are labels.

        Args:
            texts: any number of texts.
            truncate: leave out what is behind the context's length.

        Raises:
            MisuseError: a text without tokens, or one that is longer than the context.
        """
        framed = self.fitting(texts, truncate=truncate)
        best = self.read(framed, lambda tokens: self.module(input_ids=tokens).logits.argmax(dim=-1))
        found = []
        for text, frame, numbers in zip(texts, framed, best, strict=True):
            offsets = self.tokenizer(text, return_offsets_mapping=True, verbose=False)["offset_mapping"]
            first = len(frame.before)
            tags = [self.module.config.id2label[int(number)] for number in numbers[first : first + len(frame.tokens)]]
            assert frame.words is not None
            found.append(_entities(_of_words(tags, frame.words, offsets[first : first + len(frame.tokens)])))
        return found


def _of_words(
    tags: Sequence[str], words: Sequence[int | None], offsets: Sequence[tuple[int, int]]
) -> list[tuple[int, int, str]]:
    """Each word's place and tag, from those of its tokens."""
    found: list[tuple[int, int, str]] = []
    before = None
    for tag, word, (start, end) in zip(tags, words, offsets, strict=True):
        if word is not None and word == before:
            found[-1] = (found[-1][0], end, found[-1][2])
        else:
            found.append((start, end, tag))
        before = word
    return found


def _entities(words: Sequence[tuple[int, int, str]]) -> list[Span]:
    entities: list[Span] = []
    before = "O"
    for start, end, tag in words:
        begins, label = tag.startswith("B-"), tag[2:] if tag.startswith(("B-", "I-")) else tag
        if tag != "O" and label == before and not begins:
            entities[-1] = (entities[-1][0], end, label)
        elif tag != "O":
            entities.append((start, end, label))
        before = label
    return entities
