"""Next-sentence prediction: does B follow A in their document? `-log p(label given A, B)` (Devlin et al. 2019).

Gate it with `assert_accuracy_above`, on what `batch.predictions` gives for documents that were not trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

import torch

from pytest_llm.errors import MisuseError
from pytest_llm.pretraining.batch import Batch, padded
from pytest_llm.pretraining.stream import generator_of

Sentences: TypeAlias = tuple[tuple[int, ...], ...]
"""The tokens of each sentence of a document."""
NEXT, OTHER = 0, 1
"""The labels, as in BERT."""


@dataclass(frozen=True, slots=True)
class NextSentenceObjective:
    """Pairs `[start] A [separator] B [separator]`: B follows A, or is of another document. For a `SequenceClassifier`.

    A is any sentence but the last of a document. With probability 1/2 B is the next; else it is what follows some other
    sentence, of another document: so a B at the beginning of a document, which could only be the other kind, does not give the
    answer away. What does not fit loses its ends farthest from the seam, the longer sentence first.

    Raises:
        MisuseError: fewer than two documents with two sentences, or no room for them.
    """

    documents: tuple[Sentences, ...]
    rows: int
    length: int
    """Of the longest row; shorter ones are padded."""
    start_token: int
    separator: int
    segments: bool = False
    """Number the segments, 0 for A and 1 for B: for a model whose configuration has them."""
    seed: int = 0
    _first: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """How many pairs there are before each document, and in all."""

    def __post_init__(self) -> None:
        pairs = [max(0, len(document) - 1) for document in self.documents]
        if sum(count > 0 for count in pairs) < 2:
            raise MisuseError("fewer than two documents have two sentences: there are no sentences of another document")
        if self.length < 5:
            raise MisuseError(f"length={self.length}: two sentences and three special tokens take at least 5")
        object.__setattr__(self, "_first", tuple(accumulate(pairs, initial=0)))

    def __call__(self, number: int) -> Batch:
        """Batch number `number`, always the same."""
        generator = generator_of(self.seed, number)
        labels = torch.randint(2, (self.rows,), generator=generator)
        rows = [self._row(label, generator) for label in labels.tolist()]
        tokens, mask = padded([[*a, *b] for a, b in rows])
        inputs = {"tokens": tokens, "mask": mask}
        if self.segments:
            inputs["segments"], _ = padded([[0] * len(a) + [1] * len(b) for a, b in rows])
        return Batch(inputs, labels)

    def _row(self, label: int, generator: torch.Generator) -> tuple[list[int], list[int]]:
        document, place = self._pair(int(torch.randint(self._first[-1], (), generator=generator)))
        follower = document, place
        if label == OTHER:
            begin, end = self._first[document : document + 2]
            drawn = int(torch.randint(self._first[-1] - (end - begin), (), generator=generator))
            follower = self._pair(drawn if drawn < begin else drawn + end - begin)
        a, b = _fitting(self.documents[document][place], self.documents[follower[0]][follower[1] + 1], self.length - 3)
        return [self.start_token, *a, self.separator], [*b, self.separator]

    def _pair(self, number: int) -> tuple[int, int]:
        """The document and the place of the first sentence of a pair, by its number."""
        document = sum(first <= number for first in self._first) - 1
        return document, number - self._first[document]


def _fitting(a: Sequence[int], b: Sequence[int], room: int) -> tuple[Sequence[int], Sequence[int]]:
    """Both cut to a number of tokens in all: A keeps its end, B its beginning."""
    of_a = min(len(a), max(room // 2, room - len(b)))
    return a[len(a) - of_a :], b[: room - of_a]


def sentences_of(tokenizer: Any, documents: Sequence[Sequence[str]]) -> tuple[Sentences, ...]:
    """The tokens of each document's sentences (or lines, or other stretches), without special tokens.

    Raises:
        MisuseError: a sentence without tokens.
    """
    found = []
    for sentences in documents:
        encoded = tokenizer(list(sentences), add_special_tokens=False, verbose=False)["input_ids"] if sentences else []
        if not all(encoded):
            raise MisuseError(f"a document has an empty sentence, among {list(sentences)!r:.60}: leave it out")
        found.append(tuple(map(tuple, encoded)))
    return tuple(found)
